/**
 * A ring of bytes in shared memory: many threads append records to it, one thread reads them in order. The bytes of all records
 * stand one behind the other without headers or gaps, so that the reader hands them to a file as they are, however many
 * records they are.
 *
 *   control words (Int32)                                                        who writes
 *     0   TAIL      position behind the last claim << 5 | tag of its record      producers, by one atomic operation
 *     16  TAKEN     bytes before it may be overwritten                           the reader
 *     17  SETTLED   bytes before it are safe (written, synced: as it is set)     the reader
 *     18  POSTED    records that went beside the ring so far                     producers, atomic add
 *     19  POSTED_KIB  KiB of them that the reader still holds                    both, atomic add
 *     20  SLEEP     1: the reader sleeps until something is published            both
 *                   2: until as many as WANTED wait for SETTLED
 *     21  CALLED    1: main wants the reader's attention                         main sets, the reader clears
 *     22  HELD      how many wait for SETTLED on all threads                     producers, atomic add
 *     23  WANTED    see SLEEP                                                    the reader
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
const HELD = 22;
const WANTED = 23;
const ROWS = 32;
const ROW_WORDS = 16;
const OPEN = 0;
const WAITING = 1;
const WAKE_FD = 2;
const WAKES = 3;
/** Values of SLEEP. */
const AWAKE = 0;
const UNTIL_PUBLISHED = 1;
const UNTIL_HELD = 2;

const TAG_BITS = 5;
const TAG_MASK = 31;
const POSITION_MASK = 0x7ffffff;
const MARK_BYTES = 8;
const HASH = 35;
const FILLER = 46;
const CR = 13;
const LF = 10;
const CLOSED = -1;
/** A tag that no record has: what comes next says its own. */
export const TAG_UNKNOWN = 31;

/** What a producer may put into the ring itself between two calls of `hasRoom`; more goes beside it. */
export const INLINE_BYTES = 32768;
const RECHECK_BYTES = INLINE_BYTES / 2;
const MAX_RUN_WORDS = 512;
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
  private heldCount = 0;
  readonly port: MessagePort | null;
  private isOpen = false;
  /** What this thread has claimed since it looked for room. */
  private spentBytes = 0;
  /** The tag in force behind what this thread claimed last. */
  private lastTag = TAG_UNKNOWN;
  private readonly staged = Buffer.allocUnsafeSlow(INLINE_BYTES);
  private stagedBytes = 0;
  /** Where the staged bytes belong, in their order: position and length of each run. */
  private readonly runs = new Int32Array(MAX_RUN_WORDS);
  private runWords = 0;

  constructor(ring: RingBuffers, producer: number, port: MessagePort | null) {
    this.words = new Int32Array(ring.control);
    this.data = Buffer.from(ring.data);
    this.capacity = ring.data.byteLength;
    this.row = ROWS + producer * ROW_WORDS;
    this.port = port;
  }

  /** True when a command may begin: there's room for all that it and the other threads may append until they ask again. */
  hasRoom(): boolean {
    return this.spentBytes < RECHECK_BYTES || this.recheck();
  }
  /** Looks at the ring itself, which is dear while others append: a part of what this thread may append is spent by then. */
  private recheck(): boolean {
    const { words } = this;
    const used = ((Atomics.load(words, TAIL) >>> TAG_BITS) - words[TAKEN]!) & POSITION_MASK;
    if (used >= this.capacity >>> 1 || words[POSTED_KIB]! >= MAX_POSTED_KIB) return false;
    this.spentBytes = 0;
    return true;
  }

  /**
   * Appends bytes[start, end) as one record. `tag` is what it assumes to be in force, `lastTag` what is in force behind it;
   * `prefixes[tag]` goes in front when the record before left another. The caller holds what orders its records (a latch).
   */
  append(tag: number, lastTag: number, prefixes: readonly Buffer[], bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const isPosted = size > INLINE_BYTES || (this.spentBytes + size > INLINE_BYTES && !this.recheck());
    const body = isPosted ? MARK_BYTES : size;
    this.open();
    let position = tag === lastTag && tag === this.lastTag ? this.claimAtOnce(tag, body) : -1;
    if (position < 0) position = this.claimWithPrefix(tag, lastTag, prefixes[tag]!, body);
    if (isPosted) this.post(bytes, start, end, position);
    else this.stage(bytes, start, end, position);
    this.appends++;
    this.position = (position + body) & POSITION_MASK;
  }
  /** Bounds from below what this thread is about to claim. */
  private open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    Atomics.store(this.words, this.row + OPEN, Atomics.load(this.words, TAIL) >>> TAG_BITS);
  }
  /**
   * One atomic add, as the tag in force was ours when this thread looked last. When it has changed since, the bytes are claimed all the
   * same: a comment fills them, and -1 is returned.
   */
  private claimAtOnce(tag: number, size: number): number {
    const state = Atomics.add(this.words, TAIL, size << TAG_BITS);
    const position = state >>> TAG_BITS;
    this.spend(size, position);
    this.lastTag = state & TAG_MASK;
    if (this.lastTag === tag) return position;
    const filler = Buffer.alloc(size, FILLER);
    filler[0] = HASH;
    filler[size - 2] = CR;
    filler[size - 1] = LF;
    this.stage(filler, 0, size, position);
    return -1;
  }
  /** Claims room for the record, and for the prefix if the tag in force is another one; returns the record's position. */
  private claimWithPrefix(tag: number, lastTag: number, prefix: Buffer, size: number): number {
    const { words } = this;
    for (let state = Atomics.load(words, TAIL); ; ) {
      const position = state >>> TAG_BITS;
      const first = (state & TAG_MASK) === tag ? 0 : prefix.length;
      const next = (((position + first + size) & POSITION_MASK) << TAG_BITS) | lastTag;
      const found = Atomics.compareExchange(words, TAIL, state, next);
      if (found === state) {
        this.spend(first + size, position);
        this.lastTag = lastTag;
        if (first !== 0) this.stage(prefix, 0, first, position);
        return (position + first) & POSITION_MASK;
      }
      state = found;
    }
  }
  private spend(size: number, position: number): void {
    this.spentBytes += size;
    if (((position + size - this.words[TAKEN]!) & POSITION_MASK) > this.capacity) throw new Error(ERR_OVERRUN);
  }

  /**
   * Keeps bytes for a claimed position until `publish`. Lines of the ring are in the reader's cache: written one by one under a
   * latch, each would make the latch's release wait for it; written many in a row they come together.
   */
  private stage(bytes: Uint8Array, start: number, end: number, position: number): void {
    const { staged, runs } = this;
    const size = end - start;
    if (this.stagedBytes + size > staged.length || this.runWords === runs.length) this.spill();
    let at = this.stagedBytes;
    if (size <= 40) {
      for (let index = start; index < end; index++) staged[at++] = bytes[index]!;
    } else {
      (bytes as Buffer).copy(staged, at, start, end);
    }
    this.stagedBytes += size;
    const last = this.runWords - 2;
    if (last >= 0 && ((runs[last]! + runs[last + 1]!) & POSITION_MASK) === position) {
      runs[last + 1]! += size;
      return;
    }
    runs[last + 2] = position;
    runs[last + 3] = size;
    this.runWords += 2;
  }
  /** Puts what is staged into the ring. */
  private spill(): void {
    const { runs, runWords } = this;
    let at = 0;
    for (let run = 0; run < runWords; run += 2) {
      const end = at + runs[run + 1]!;
      this.put(this.staged, at, end, runs[run]!);
      at = end;
    }
    this.stagedBytes = 0;
    this.runWords = 0;
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
    this.spill();
    this.isOpen = false;
    Atomics.store(this.words, this.row + OPEN, CLOSED);
  }
  get hasUnpublished(): boolean {
    return this.isOpen;
  }

  /** Wakes the reader if it sleeps until something is published, which is so now. */
  wakeReader(): void {
    if (Atomics.load(this.words, SLEEP) === UNTIL_PUBLISHED) this.endSleep(UNTIL_PUBLISHED);
  }
  private endSleep(kind: number): void {
    if (Atomics.compareExchange(this.words, SLEEP, kind, AWAKE) === kind) Atomics.notify(this.words, SLEEP);
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
  /** Says how many wait on this thread, and wakes the reader if they are as many as it waits for. */
  sayHeld(count: number): void {
    const { words } = this;
    if (count !== this.heldCount) Atomics.add(words, HELD, count - this.heldCount);
    this.heldCount = count;
    if (Atomics.load(words, SLEEP) === UNTIL_HELD && Atomics.load(words, HELD) >= words[WANTED]!) this.endSleep(UNTIL_HELD);
  }
  /** Everything before it is settled. */
  get settled(): number {
    return Atomics.load(this.words, SETTLED);
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
    // A record may be here before it's counted, so that more have been received than were counted.
    while (((posted - this.received) | 0) > 0) {
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
  /** How many wait for SETTLED on all threads. */
  get held(): number {
    return Atomics.load(this.words, HELD);
  }
  /** Sleeps until so many wait for SETTLED, or the time has passed. */
  sleepUntilHeld(wanted: number, milliseconds: number): void {
    const { words } = this;
    Atomics.store(words, WANTED, wanted);
    Atomics.store(words, SLEEP, UNTIL_HELD);
    if (this.held < wanted) Atomics.wait(words, SLEEP, UNTIL_HELD, milliseconds);
    Atomics.store(words, SLEEP, AWAKE);
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
      Atomics.wait(words, SLEEP, AWAKE, milliseconds);
      return;
    }
    Atomics.store(words, SLEEP, UNTIL_PUBLISHED);
    // What was published before the flag stood would bring no notification.
    const isIdle = this.limit() === this.position && !this.isAwaited && Atomics.exchange(words, CALLED, 0) === 0;
    if (isIdle) Atomics.wait(words, SLEEP, UNTIL_PUBLISHED, milliseconds);
    Atomics.store(words, SLEEP, AWAKE);
  }
}

/** True while a producer has claimed what it hasn't published: when it dies so, nothing behind that can ever be read. */
export function isAppending(ring: RingBuffers, producer: number): boolean {
  return Atomics.load(new Int32Array(ring.control), ROWS + producer * ROW_WORDS + OPEN) !== CLOSED;
}

/** Wakes the reader of a ring from a thread that produces nothing (orders by message). */
export function wakeReader(ring: RingBuffers): void {
  const words = new Int32Array(ring.control);
  Atomics.store(words, CALLED, 1);
  Atomics.exchange(words, SLEEP, AWAKE);
  Atomics.notify(words, SLEEP);
}
