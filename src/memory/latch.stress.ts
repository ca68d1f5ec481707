/** A thread of latch.test.ts: reads and writes a group of words under one latch, and says what it saw that no latch would allow. */
import { Random } from '../../test/support/seed.ts';
import { stressThread } from '../../test/support/workers.ts';
import { exclusive, releaseExclusive, releaseShared, shared } from './latch.ts';

/** words: 0 latch, 1 waiters, 2 readers inside, 3 writers inside, 4 most readers seen inside at once, from 8 on the guarded words. */
export type LatchStress = {
  readonly words: SharedArrayBuffer;
  readonly seed: number;
  readonly milliseconds: number;
  readonly writesOf8: number;
};
export type LatchStressResult = { readonly writes: number; readonly reads: number; readonly violations: number };

export const GUARDED = 8;
export const GUARDED_WORDS = 32;

stressThread<LatchStress, LatchStressResult>(({ data, index }) => {
  const words = new Int32Array(data.words);
  const random = new Random(data.seed + index * 104_729);
  const result = { writes: 0, reads: 0, violations: 0 };
  const end = performance.now() + data.milliseconds;
  while (performance.now() < end) {
    if (random.below(8) < data.writesOf8) {
      exclusive(words, 0);
      if (Atomics.add(words, 3, 1) !== 0 || Atomics.load(words, 2) !== 0) result.violations++;
      // Plain writes: a second writer inside would lose some of them.
      for (let at = GUARDED; at < GUARDED + GUARDED_WORDS; at++) words[at]!++;
      Atomics.sub(words, 3, 1);
      releaseExclusive(words, 0);
      result.writes++;
    } else {
      shared(words, 0);
      const inside = Atomics.add(words, 2, 1) + 1;
      if (inside > Atomics.load(words, 4)) Atomics.store(words, 4, inside);
      const first = words[GUARDED]!;
      for (let at = GUARDED; at < GUARDED + GUARDED_WORDS; at++) if (words[at] !== first) result.violations++;
      if (Atomics.load(words, 3) !== 0) result.violations++;
      Atomics.sub(words, 2, 1);
      releaseShared(words, 0);
      result.reads++;
    }
  }
  return result;
});
