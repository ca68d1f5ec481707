import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SEED, sayShownSeed } from '../../test/support/seed.ts';
import { runThreads } from '../../test/support/workers.ts';
import { GUARDED, GUARDED_WORDS, type LatchStress, type LatchStressResult } from './latch.stress.ts';
import { exclusive, releaseExclusive, releaseShared, shared, tryExclusive, tryShared } from './latch.ts';

const BODY = new URL('./latch.stress.ts', import.meta.url);
const THREADS = 4;
const MILLISECONDS = 300;

describe('latch', () => {
  test('one writer or many readers, never both', () => {
    const words = new Int32Array(2);
    assert.ok(tryShared(words, 0));
    assert.ok(tryShared(words, 0));
    assert.equal(tryExclusive(words, 0), false);
    releaseShared(words, 0);
    assert.equal(tryExclusive(words, 0), false);
    releaseShared(words, 0);
    assert.ok(tryExclusive(words, 0));
    assert.equal(tryExclusive(words, 0), false);
    assert.equal(tryShared(words, 0), false);
    releaseExclusive(words, 0);
    exclusive(words, 0);
    releaseExclusive(words, 0);
    shared(words, 0);
    releaseShared(words, 0);
    assert.deepEqual([...words], [0, 0]);
  });

  for (const [name, writesOf8] of [
    ['writers exclude each other', 8],
    ['writers exclude readers', 3],
    ['readers stand beside readers', 0],
  ] as const) {
    test(`${name}, in ${THREADS} threads`, async (context) => {
      const seed = sayShownSeed(context);
      const shared = new SharedArrayBuffer((GUARDED + GUARDED_WORDS) * 4);
      const data: LatchStress = { words: shared, seed, milliseconds: MILLISECONDS, writesOf8 };
      const results = await runThreads<LatchStress, LatchStressResult>(BODY, THREADS, data);
      const words = new Int32Array(shared);
      let writes = 0;
      let reads = 0;
      for (const result of results) {
        assert.equal(result.violations, 0);
        writes += result.writes;
        reads += result.reads;
      }
      assert.ok(writes + reads > 1000, 'the threads hardly ran');
      for (let at = GUARDED; at < GUARDED + GUARDED_WORDS; at++) assert.equal(words[at], writes, 'a write was lost');
      assert.deepEqual([words[0], words[1], words[2], words[3]], [0, 0, 0, 0], 'the latch is left free, with no waiter');
      if (writesOf8 === 0) assert.ok(words[4]! > 1, 'two readers were never inside together');
      if (writesOf8 > 0 && writesOf8 < 8) assert.ok(writes > 0 && reads > 0);
    });
  }

  test('a thread that waits is woken when the latch is given back', async () => {
    // The latch is taken here, so every thread has to wait; then it's given back, and all of them go through.
    const shared = new SharedArrayBuffer((GUARDED + GUARDED_WORDS) * 4);
    const words = new Int32Array(shared);
    exclusive(words, 0);
    const data: LatchStress = { words: shared, seed: SEED, milliseconds: 20, writesOf8: 4 };
    const running = runThreads<LatchStress, LatchStressResult>(BODY, THREADS, data);
    const deadline = performance.now() + 5000;
    while (Atomics.load(words, 1) === 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(Atomics.load(words, 1) > 0, 'nobody waits');
    assert.equal(words[GUARDED], 0, 'a thread passed a latch that is taken');
    releaseExclusive(words, 0);
    for (const result of await running) assert.equal(result.violations, 0);
    assert.equal(words[0], 0);
  });
});
