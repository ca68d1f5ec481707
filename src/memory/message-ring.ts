/**
 * A ring of messages in shared memory: any thread puts messages in, any thread takes them out, in order. Messages are made of words and
 * bytes; a large one travels in a block of a bank, of which the message has only the place (see `spill`).
 *
 *   word 0 LATCH (and 1 its waiters)   guards all the others
 *   word 2 HEAD    where the oldest message begins        word 3 TAIL    where the next one goes
 *   word 4 COUNT   messages in it, read without the latch too
 *   word 5 USED    words in use, with what is left over at the end of the ring
 *   word 8 ...     messages, each in one piece: its words with this one (0: the rest of the ring is unused), then what it says
 *
 * The latch is held while a message is copied in or out, some microseconds at most.
 */
import { exclusive, releaseExclusive } from './latch.ts';

const LATCH = 0;
const HEAD = 2;
const TAIL = 3;
const COUNT = 4;
const USED = 5;
const FIRST = 8;

export class MessageRing {
  readonly i32: Int32Array;
  readonly bytes: Buffer;
  private readonly capacity: number;
  private size = 0;

  /** A ring over a whole buffer, all zeros at first. */
  constructor(buffer: SharedArrayBuffer) {
    this.i32 = new Int32Array(buffer);
    this.bytes = Buffer.from(buffer);
    this.capacity = this.i32.length - FIRST;
  }
  get count(): number {
    return Atomics.load(this.i32, COUNT);
  }

  /** Begins a message of so many words; returns the word where it's to be written, 0 when the ring is full. `put` ends it. */
  open(words: number): number {
    const { i32, capacity } = this;
    const need = words + 1;
    exclusive(i32, LATCH);
    let tail = i32[TAIL]!;
    const left = capacity - tail;
    const wasted = need > left ? left : 0;
    if (i32[USED]! + need + wasted > capacity) {
      releaseExclusive(i32, LATCH);
      return 0;
    }
    if (wasted > 0) {
      i32[FIRST + tail] = 0;
      i32[USED]! += wasted;
      tail = 0;
    }
    i32[FIRST + tail] = need;
    this.size = need;
    i32[TAIL] = tail;
    return FIRST + tail + 1;
  }
  put(): void {
    const { i32, capacity, size } = this;
    const next = i32[TAIL]! + size;
    i32[TAIL] = next === capacity ? 0 : next;
    i32[USED]! += size;
    Atomics.add(i32, COUNT, 1);
    releaseExclusive(i32, LATCH);
  }

  /** The word where the oldest message begins, 0 when there is none. It stays as it is until `taken`, and nobody else gets on. */
  take(): number {
    const { i32, capacity } = this;
    if (Atomics.load(i32, COUNT) === 0) return 0;
    exclusive(i32, LATCH);
    if (i32[COUNT] === 0) {
      releaseExclusive(i32, LATCH);
      return 0;
    }
    if (i32[FIRST + i32[HEAD]!] === 0 || i32[HEAD] === capacity) {
      i32[USED]! -= capacity - i32[HEAD]!;
      i32[HEAD] = 0;
    }
    return FIRST + i32[HEAD]! + 1;
  }
  taken(): void {
    const { i32, capacity } = this;
    const size = i32[FIRST + i32[HEAD]!]!;
    const next = i32[HEAD]! + size;
    i32[HEAD] = next === capacity ? 0 : next;
    i32[USED]! -= size;
    Atomics.sub(i32, COUNT, 1);
    releaseExclusive(i32, LATCH);
  }
}
