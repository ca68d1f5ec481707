/**
 * A ring of bytes in shared memory: many threads append records to it, one thread reads them in order. The bytes of all records
 * stand one behind the other without headers or gaps, so that the reader hands them to a file as they are, however many
 * records they are.
 *
 *   control words (Int32)                                                        who writes
 *     0   TAIL      position behind the last claim << 5 | tag of its record      producers, by compare-and-exchange
 *     16  TAKEN     bytes before it may be overwritten                           the reader
 *     17  SETTLED   bytes before it are safe (written, synced: as it is set)     the reader
 *     18  POSTED    records that went beside the ring so far                     producers, atomic add
 *     19  POSTED_KIB  KiB of them that the reader still holds                    both, atomic add
 *     20  SLEEP     1: the reader sleeps until it is notified                    both
 *     21  CALLED    1: main wants the reader's attention                         main sets, the reader clears
 *     32  a row of 16 words a producer:
 *         +0 OPEN      -1, or a position at or before its oldest unfinished record   that producer
 *         +1 WAITING   1: wants to be woken when SETTLED moves                       producer sets, reader clears
 *         +2 WAKE_FD   the eventfd that wakes it, or -1                              that producer
 *         +3 WAKES     counts wake-ups of a thread that waits on this word           the reader
 *
 * Positions count bytes modulo 2^27 and are compared as distances from SETTLED or TAKEN; capacity is at most 2^25, so a distance is
 * never in doubt. The tag (0 to 31) is what a producer may have to say in front of its record if the one before it had another: the log's
 * database.
 *
 * A producer stores a lower bound in OPEN before its first claim and clears it in `publish`, when its records are complete. The reader
 * reads TAIL first and the rows afterwards, so what lies before TAIL and before every OPEN is complete: whoever claimed it had its bound
 * in place by then. A producer publishes once for many records.
 *
 * A record that is too large goes beside the ring: its bytes travel in a SharedArrayBuffer of their own by a MessagePort, and
 * MARK_BYTES are claimed in its place. Nobody waits for room here: producers ask `hasRoom` before they begin to change anything, and
 * what they may append until they ask again is bounded (`INLINE_BYTES` each), which half of the ring is kept for.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

const TAIL = 0;
const TAKEN = 16;
const SETTLED = 17;
const POSTED = 18;
const POSTED_KIB = 19;
const SLEEP = 20;
const CALLED = 21;
const ROWS = 32;
const ROW_WORDS = 16;
const OPEN = 0;
const WAITING = 1;
const WAKE_FD = 2;
const WAKES = 3;

const TAG_BITS = 5;
const TAG_MASK = 31;
const POSITION_MASK = 0x7ffffff;
const MARK_BYTES = 8;
const CLOSED = -1;
/** A tag that no record has: what comes next says its own. */
export const TAG_UNKNOWN = 31;

/** What a producer may put into the ring itself between two calls of `hasRoom`; more goes beside it. */
export const INLINE_BYTES = 65536;
const MAX_POSTED_KIB = 262144;
const MAX_CAPACITY = 1 << 25;
const ERR_OVERRUN = 'the log ring has overrun: a producer appended without asking for room';

export type RingBuffers = { readonly control: SharedArrayBuffer; readonly data: SharedArrayBuffer };

/** A ring for so many producers; `capacity` is a power of two of at least 1 MiB. Pages are taken as they are touched. */
export function createRing(producers: number, capacity: number): RingBuffers {
  if (capacity > MAX_CAPACITY || (capacity & (capacity - 1)) !== 0)
    throw new Error('the capacity of a ring is a power of two up to 32 MiB');
  const control = new SharedArrayBuffer((ROWS + producers * ROW_WORDS) * 4);
  const words = new Int32Array(control);
  words[TAIL] = TAG_UNKNOWN;
  for (let row = ROWS; row < words.length; row += ROW_WORDS) {
    words[row + OPEN] = CLOSED;
    words[row + WAKE_FD] = -1;
  }
  return { control, data: new SharedArrayBuffer(capacity) };
}

/** One thread's end for appending. */
export class RingProducer {
  /** Records appended by this thread so far. */
  appends = 0;
  /** Position behind this thread's last record. */
  position = 0;
  private readonly words: Int32Array;
  private readonly data: Buffer;
  private readonly capacity: number;
  private readonly row: number;
  readonly port: MessagePort | null;
  private isOpen = false;
  private spentBytes = 0;

  constructor(ring: RingBuffers, producer: number, port: MessagePort | null) {
    this.words = new Int32Array(ring.control);
    this.data = Buffer.from(ring.data);
    this.capacity = ring.data.byteLength;
    this.row = ROWS + producer * ROW_WORDS;
    this.port = port;
  }

  /** True when a command may begin: there's room for all that it and the other threads may append until they ask again. */
  hasRoom(): boolean {
    const { words } = this;
    this.spentBytes = 0;
    const used = ((Atomics.load(words, TAIL) >>> TAG_BITS) - words[TAKEN]!) & POSITION_MASK;
    return used < this.capacity >>> 1 && words[POSTED_KIB]! < MAX_POSTED_KIB;
  }

  /**
   * Appends bytes[start, end) as one record. `tag` is what it assumes to be in force, `lastTag` what is in force behind it; `prefixes[tag]`
   * goes in front when the record before left another. The caller holds what orders its records (a latch).
   */
  append(tag: number, lastTag: number, prefixes: readonly Buffer[], bytes: Uint8Array, start: number, end: number): void {
    const { words } = this;
    const size = end - start;
    const isPosted = this.spentBytes + size > INLINE_BYTES;
    const body = isPosted ? MARK_BYTES : size;
    this.spentBytes += body;
    let state = Atomics.load(words, TAIL);
    if (!this.isOpen) {
      this.isOpen = true;
      Atomics.store(words, this.row + OPEN, state >>> TAG_BITS);
    }
    let position: number;
    let prefix: number;
    for (;;) {
      position = state >>> TAG_BITS;
      prefix = (state & TAG_MASK) === tag ? 0 : prefixes[tag]!.length;
      const next = (((position + prefix + body) & POSITION_MASK) << TAG_BITS) | lastTag;
      const found = Atomics.compareExchange(words, TAIL, state, next);
      if (found === state) break;
      state = found;
    }
    const behind = (position + prefix + body) & POSITION_MASK;
    if (((behind - words[TAKEN]!) & POSITION_MASK) > this.capacity) throw new Error(ERR_OVERRUN);
    if (prefix !== 0) this.put(prefixes[tag]!, 0, prefix, position);
    if (isPosted) this.post(bytes, start, end, (position + prefix) & POSITION_MASK);
    else this.put(bytes, start, end, position + prefix);
    this.appends++;
    this.position = behind;
  }

  private put(bytes: Uint8Array, start: number, end: number, position: number): void {
    const { data, capacity } = this;
    let at = position & (capacity - 1);
    const size = end - start;
    if (at + size > capacity) {
      const first = capacity - at;
      data.set(bytes.subarray(start, start + first), at);
      data.set(bytes.subarray(start + first, end), 0);
    } else if (size <= 40) {
      for (let index = start; index < end; index++) data[at++] = bytes[index]!;
    } else {
      (bytes as Buffer).copy(data, at, start, end);
    }
  }
  private post(bytes: Uint8Array, start: number, end: number, position: number): void {
    const record = Buffer.from(new SharedArrayBuffer(end - start));
    record.set(bytes.subarray(start, end));
    if (this.port === null) throw new Error(ERR_OVERRUN);
    Atomics.add(this.words, POSTED_KIB, record.length >>> 10);
    this.port.postMessage({ position, bytes: record.buffer });
    Atomics.add(this.words, POSTED, 1);
  }

  /** What was appended is complete. Called once for many records, and before anything that may take long. */
  publish(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    Atomics.store(this.words, this.row + OPEN, CLOSED);
  }
  get hasUnpublished(): boolean {
    return this.isOpen;
  }

  /** Wakes the reader if it sleeps. */
  wakeReader(): void {
    const { words } = this;
    if (Atomics.load(words, SLEEP) !== 0 && Atomics.exchange(words, SLEEP, 0) !== 0) Atomics.notify(words, SLEEP);
  }
  isReaderAsleep(): boolean {
    return this.words[SLEEP] !== 0;
  }

  /** The position behind the last claim of all producers. */
  get tail(): number {
    return Atomics.load(this.words, TAIL) >>> TAG_BITS;
  }
  /** True when all before `position` is settled. A position from long ago may count as pending until the ring has moved on. */
  isSettled(position: number): boolean {
    const settled = Atomics.load(this.words, SETTLED);
    const tail = Atomics.load(this.words, TAIL) >>> TAG_BITS;
    const ahead = (position - settled) & POSITION_MASK;
    return ahead === 0 || ahead > ((tail - settled) & POSITION_MASK);
  }
  /** Asks to be woken when something more is settled; look at `isSettled` once again afterwards. */
  askForWake(): void {
    Atomics.store(this.words, this.row + WAITING, 1);
  }
  /** How this thread is woken: by its eventfd, or (-1) by Atomics.waitAsync on `wakeWord`. */
  setWakeFd(fd: number): void {
    Atomics.store(this.words, this.row + WAKE_FD, fd);
  }
  get control(): Int32Array {
    return this.words;
  }
  get wakeWord(): number {
    return this.row + WAKES;
  }
}

type PostedRecord = { position: number; bytes: SharedArrayBuffer };

/** The one thread's end for reading. */
export class RingReader {
  /** Everything before it has been read. */
  position: number;
  private readonly words: Int32Array;
  private readonly data: Buffer;
  private readonly capacity: number;
  private readonly ports: readonly MessagePort[];
  private readonly posted = new Map<number, Buffer>();
  private received = 0;

  constructor(ring: RingBuffers, ports: readonly MessagePort[]) {
    this.words = new Int32Array(ring.control);
    this.data = Buffer.from(ring.data);
    this.capacity = ring.data.byteLength;
    this.ports = ports;
    this.position = this.words[TAKEN]!;
    this.received = this.words[POSTED]!;
  }

  /** The position behind the last claim, complete or not. */
  get tail(): number {
    return Atomics.load(this.words, TAIL) >>> TAG_BITS;
  }
  /** The position up to which everything is complete. */
  limit(): number {
    const { words, position } = this;
    let ready = (this.tail - position) & POSITION_MASK;
    for (let row = ROWS; row < words.length; row += ROW_WORDS) {
      const open = Atomics.load(words, row + OPEN);
      if (open !== CLOSED) ready = Math.min(ready, (open - position) & POSITION_MASK);
    }
    return (position + ready) & POSITION_MASK;
  }
  distance(from: number, to: number): number {
    return (to - from) & POSITION_MASK;
  }

  /**
   * The bytes from `position` to `limit` as views, in order; they stay as they are until `release`. Moves `position`. `limit` comes from
   * `limit()`, or lies before it at the end of a record.
   */
  take(limit: number): Buffer[] {
    this.receivePosted();
    const pieces: Buffer[] = [];
    let at = this.position;
    const end = this.distance(at, limit);
    const marks = [...this.posted.keys()].map((position) => this.distance(at, position)).filter((offset) => offset < end);
    marks.sort((a, b) => a - b);
    let from = 0;
    for (const mark of marks) {
      this.slice(pieces, at, mark - from);
      const position = (this.position + mark) & POSITION_MASK;
      const record = this.posted.get(position) as Buffer;
      this.posted.delete(position);
      pieces.push(record);
      from = mark + MARK_BYTES;
      at = (this.position + from) & POSITION_MASK;
    }
    this.slice(pieces, at, end - from);
    this.position = limit;
    return pieces;
  }
  private slice(pieces: Buffer[], position: number, size: number): void {
    if (size === 0) return;
    const at = position & (this.capacity - 1);
    const first = Math.min(size, this.capacity - at);
    pieces.push(this.data.subarray(at, at + first));
    if (first < size) pieces.push(this.data.subarray(0, size - first));
  }
  private receivePosted(): void {
    const posted = Atomics.load(this.words, POSTED);
    while (this.received !== posted) {
      for (const port of this.ports) {
        for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
          const { position, bytes } = got.message as PostedRecord;
          this.posted.set(position, Buffer.from(bytes));
          this.received = (this.received + 1) | 0;
        }
      }
    }
  }

  /** The bytes before `position` may be overwritten; `pieces` are those that `take` lent. */
  release(position: number, pieces: readonly Buffer[]): void {
    for (const piece of pieces) if (piece.buffer !== this.data.buffer) Atomics.sub(this.words, POSTED_KIB, piece.length >>> 10);
    Atomics.store(this.words, TAKEN, position);
  }
  /** True when some thread waits for SETTLED to move. */
  get isAwaited(): boolean {
    for (let row = ROWS; row < this.words.length; row += ROW_WORDS) if (this.words[row + WAITING] !== 0) return true;
    return false;
  }
  settle(position: number): void {
    Atomics.store(this.words, SETTLED, position);
  }
  /** Calls `wake(fd)` for every thread that asked, fd -1 where it has no eventfd: then it's woken already. */
  wakeWaiting(wake: (fd: number) => void): void {
    const { words } = this;
    for (let row = ROWS; row < words.length; row += ROW_WORDS) {
      if (words[row + WAITING] === 0 || Atomics.exchange(words, row + WAITING, 0) === 0) continue;
      const fd = words[row + WAKE_FD]!;
      if (fd >= 0) wake(fd);
      else {
        Atomics.add(words, row + WAKES, 1);
        Atomics.notify(words, row + WAKES);
      }
    }
  }
  /** What comes next has to say its tag again. All producers are kept from appending meanwhile. */
  forgetTag(): void {
    Atomics.or(this.words, TAIL, TAG_UNKNOWN);
  }

  /** Sleeps until a producer notifies, or `milliseconds` have passed. Without `isDeep` producers don't notify. */
  sleep(milliseconds: number, isDeep: boolean): void {
    const { words } = this;
    if (Atomics.exchange(words, CALLED, 0) !== 0) return;
    if (!isDeep) {
      Atomics.wait(words, SLEEP, 0, milliseconds);
      return;
    }
    Atomics.store(words, SLEEP, 1);
    // What was published before the flag stood would bring no notification.
    const isIdle = this.limit() === this.position && !this.isAwaited && Atomics.exchange(words, CALLED, 0) === 0;
    if (isIdle) Atomics.wait(words, SLEEP, 1, milliseconds);
    Atomics.store(words, SLEEP, 0);
  }
}

/** Wakes the reader of a ring from a thread that produces nothing (orders by message). */
export function wakeReader(ring: RingBuffers): void {
  const words = new Int32Array(ring.control);
  Atomics.store(words, CALLED, 1);
  Atomics.exchange(words, SLEEP, 0);
  Atomics.notify(words, SLEEP);
}
