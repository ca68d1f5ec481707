import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { Random, SEED, sayShownSeed } from '../../test/support/seed.ts';
import { runThreads } from '../../test/support/workers.ts';
import { line, PREFIXES, type RingStress, TAGS } from './byte-ring.stress.ts';
import { createRing, INLINE_BYTES, type RingBuffers, RingProducer, RingReader } from './byte-ring.ts';
import type { RingSleep } from './byte-ring-sleep.stress.ts';

const SLEEPER = new URL('./byte-ring-sleep.stress.ts', import.meta.url);
const BODY = new URL('./byte-ring.stress.ts', import.meta.url);
const CAPACITY = 1048576;
const LAST_POSITION = 0x7ffffff;
/** Words of the control block, as byte-ring.ts draws it. */
const TAIL = 0;
const TAKEN = 16;
const SETTLED = 17;
const SLEEP = 20;
const UNTIL_HELD = 2;

/** A ring that has come so far already. */
function ringAt(position: number, producers: number): RingBuffers {
  const ring = createRing(producers, CAPACITY);
  const words = new Int32Array(ring.control);
  words[TAIL]! |= position << 5;
  words[TAKEN] = position;
  words[SETTLED] = position;
  return ring;
}
/** Reads all that is complete, and settles it. */
function readAll(reader: RingReader): string {
  const limit = reader.limit();
  const pieces = reader.take(limit);
  const text = Buffer.concat(pieces).toString('latin1');
  reader.release(limit, pieces);
  reader.settle(limit);
  return text;
}
/** Checks every line against the tag in force and its own length, and gives it to `found`. */
class LineChecker {
  lines = 0;
  private tag = -1;
  private rest = '';
  take(text: string, found: (producer: number, n: number) => void): void {
    const parts = (this.rest + text).split('\r\n');
    this.rest = parts.pop() as string;
    for (const part of parts) {
      if (part.startsWith('#')) continue;
      if (part.startsWith('@')) {
        this.tag = Number(part.slice(1));
        continue;
      }
      const [producer, n, tag, padding, dots] = part.split(' ') as [string, string, string, string, string];
      assert.equal(Number(tag), this.tag, `the tag in front of ${part.slice(0, 40)}`);
      assert.equal(dots, '.'.repeat(Number(padding)), `torn: ${part.slice(0, 40)}`);
      this.lines++;
      found(Number(producer), Number(n));
    }
  }
  get isWhole(): boolean {
    return this.rest === '';
  }
}

describe('a ring of bytes', () => {
  test('what several producers append is read in the order of their claims, beyond the end of all positions', (context) => {
    const random = new Random(sayShownSeed(context));
    const ring = ringAt(LAST_POSITION - 3 * CAPACITY, 2);
    const channels = [new MessageChannel(), new MessageChannel()];
    const producers = channels.map(({ port1 }, index) => new RingProducer(ring, index, port1));
    const reader = new RingReader(
      ring,
      channels.map(({ port2 }) => port2),
    );
    const checker = new LineChecker();
    const appended: string[] = [];
    const read: string[] = [];
    let bytes = 0;
    for (let n = 0; bytes < 8 * CAPACITY; n++) {
      const index = random.below(2);
      const producer = producers[index] as RingProducer;
      // Beside the ring goes what is too large for it.
      const padding = random.below(50) === 0 ? INLINE_BYTES + random.below(50_000) : random.below(2000);
      const tag = random.below(6) === 0 ? random.below(TAGS) : 1;
      const record = line(index, n, tag, padding);
      assert.ok(producer.hasRoom());
      producer.append(tag, tag, PREFIXES, record, 0, record.length);
      assert.equal(producer.isSettled(producer.position), false);
      appended.push(`${index} ${n}`);
      bytes += record.length;
      if (random.below(4) !== 0) producer.publish();
      if (random.below(10) !== 0) continue;
      for (const each of producers) each.publish();
      checker.take(readAll(reader), (who, which) => read.push(`${who} ${which}`));
      assert.ok(producer.isSettled(producer.position));
    }
    for (const each of producers) each.publish();
    checker.take(readAll(reader), (who, which) => read.push(`${who} ${which}`));
    assert.ok(checker.isWhole);
    assert.deepEqual(read, appended);
    for (const { port1 } of channels) port1.close();
  });

  test('nothing is read behind a record that is not complete', () => {
    const ring = ringAt(LAST_POSITION - 40, 2);
    const [first, second] = [new RingProducer(ring, 0, null), new RingProducer(ring, 1, null)];
    const reader = new RingReader(ring, []);
    const append = (producer: RingProducer, text: string): void => {
      producer.append(0, 0, PREFIXES, Buffer.from(text), 0, text.length);
    };
    append(first, 'whole\r\n');
    first.publish();
    append(second, 'open\r\n');
    append(first, 'behind it\r\n');
    first.publish();
    assert.equal(readAll(reader), '@0\r\nwhole\r\n');
    assert.ok(first.isSettled(reader.position));
    assert.equal(first.isSettled(first.position), false);
    second.publish();
    assert.equal(readAll(reader), 'open\r\nbehind it\r\n');
    assert.ok(first.isSettled(first.position) && second.isSettled(second.position));
  });

  test('half of it is kept free: there is no room before the reader has made some', () => {
    const ring = ringAt(0, 1);
    const producer = new RingProducer(ring, 0, null);
    const reader = new RingReader(ring, []);
    const record = Buffer.alloc(8192, '.');
    let bytes = 0;
    while (producer.hasRoom()) {
      producer.append(0, 0, PREFIXES, record, 0, record.length);
      bytes += record.length;
    }
    assert.ok(bytes >= CAPACITY / 2 && bytes <= CAPACITY / 2 + INLINE_BYTES, `${bytes} bytes were taken`);
    producer.publish();
    assert.equal(producer.hasRoom(), false);
    assert.equal(readAll(reader).length, bytes + 4);
    assert.ok(producer.hasRoom());
  });

  test('a producer whose tag is no longer in force leaves a comment in the place, and says its tag', () => {
    const ring = ringAt(0, 2);
    const [first, second] = [new RingProducer(ring, 0, null), new RingProducer(ring, 1, null)];
    const reader = new RingReader(ring, []);
    first.append(0, 0, PREFIXES, Buffer.from('one\r\n'), 0, 5);
    second.append(1, 1, PREFIXES, Buffer.from('two\r\n'), 0, 5);
    first.append(0, 0, PREFIXES, Buffer.from('three\r\n'), 0, 7);
    first.append(0, 2, PREFIXES, Buffer.from('@2\r\nfour\r\n'), 0, 10);
    first.append(2, 2, PREFIXES, Buffer.from('five\r\n'), 0, 6);
    first.publish();
    second.publish();
    assert.equal(readAll(reader), '@0\r\none\r\n@1\r\ntwo\r\n#....\r\n@0\r\nthree\r\n@2\r\nfour\r\nfive\r\n');
  });

  test('a reader that waits for a crowd is woken once, by the one who makes it large enough', async () => {
    const ring = ringAt(0, 2);
    const words = new Int32Array(ring.control);
    const [first, second] = [new RingProducer(ring, 0, null), new RingProducer(ring, 1, null)];
    const running = runThreads<RingSleep, number>(SLEEPER, 1, { ring, wanted: 3, milliseconds: 20_000 });
    const deadline = performance.now() + 10_000;
    while (Atomics.load(words, SLEEP) !== UNTIL_HELD && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 1));
    first.append(0, 0, PREFIXES, Buffer.from('one\r\n'), 0, 5);
    first.publish();
    first.wakeReader();
    first.sayHeld(2);
    first.sayHeld(1);
    second.sayHeld(1);
    assert.equal(Atomics.load(words, SLEEP), UNTIL_HELD, 'two are no three');
    second.sayHeld(2);
    assert.deepEqual(await running, [3]);
    assert.ok(performance.now() < deadline);
    assert.equal(Atomics.load(words, SLEEP), 0);
  });

  test('threads that append at once: every line is there once, whole, under its tag, and in its thread’s order', async (context) => {
    const seed = sayShownSeed(context, SEED);
    const threads = 3;
    const lines = 20_000;
    const ring = ringAt(LAST_POSITION - CAPACITY, threads);
    const reader = new RingReader(ring, []);
    const checker = new LineChecker();
    const next = new Array<number>(threads).fill(0);
    const found = (producer: number, n: number): void => {
      assert.equal(n, next[producer], `the order of thread ${producer}`);
      next[producer]!++;
    };
    let isRunning = true;
    const running = runThreads<RingStress, number>(BODY, threads, { ring, seed, lines }).finally(() => {
      isRunning = false;
    });
    while (isRunning) {
      checker.take(readAll(reader), found);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await running, new Array(threads).fill(lines));
    checker.take(readAll(reader), found);
    assert.ok(checker.isWhole);
    assert.equal(checker.lines, threads * lines);
  });
});
