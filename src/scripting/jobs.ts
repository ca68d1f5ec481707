/**
 * What travels between reactors and script threads, as messages of memory/message-ring.ts.
 *
 *   a job                                              an answer
 *   0  reactor                                         0  slot
 *   1  slot: the reactor's number for the session      1  position in the log behind the job
 *   2  database | RESP << 8 | kind << 12               2  1: there is such a position
 *   3  number of requests                              3  the session's database from now on, or -1
 *   4  bank + 1 of the body, 0: it follows             4  bank + 1 of the body, 0: it follows
 *   5  ref of that block                               5  ref of that block
 *   6  words of counts and lengths                     6  bytes
 *   7  bytes                                           7  errors among the replies
 *   8  body: for each request its count of arguments   8  body: the replies, as they go to the client
 *      and their lengths; then all bytes
 */
import type { Bank } from '../memory/bank.ts';
import type { MessageRing } from '../memory/message-ring.ts';

/** Scripts one after the other, each a transaction of its own. */
export const JOB_SCRIPTS = 0;
/** What EXEC runs, with scripts in it: one transaction. */
export const JOB_EXEC = 1;
/** SCRIPT LOAD. */
export const JOB_LOAD = 2;
/** FUNCTION LOAD, DELETE, FLUSH, RESTORE: one request that is a transaction. */
export const JOB_FUNCTION = 3;

const HEADER = 8;
/** A larger body goes beside the ring. */
const MAX_INLINE_BYTES = 65536;

/** A job that is put together, and read: a work object. */
export class Job {
  reactor = 0;
  slot = 0;
  database = 0;
  resp: 2 | 3 = 2;
  kind = JOB_SCRIPTS;
  requests = 0;
  lengths = new Int32Array(256);
  words = 0;
  bytes: Buffer = Buffer.allocUnsafeSlow(16384);
  size = 0;

  clear(): void {
    this.requests = 0;
    this.words = 0;
    this.size = 0;
    if (this.bytes.length > 1048576) this.bytes = Buffer.allocUnsafeSlow(16384);
  }
  /** Begins a request of so many arguments. */
  begin(argc: number): void {
    if (this.words + argc + 1 > this.lengths.length) {
      const larger = new Int32Array((this.words + argc + 1) * 2);
      larger.set(this.lengths.subarray(0, this.words));
      this.lengths = larger;
    }
    this.lengths[this.words++] = argc;
    this.requests++;
  }
  argument(from: Buffer, start: number, end: number): void {
    const size = end - start;
    this.reserve(this.size + size);
    this.lengths[this.words++] = size;
    const { bytes } = this;
    let at = this.size;
    if (size <= 40) for (let index = start; index < end; index++) bytes[at++] = from[index]!;
    else from.copy(bytes, at, start, end);
    this.size += size;
  }
  reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(size, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.size);
    this.bytes = larger;
  }
  text(latin1: string): void {
    this.argument(Buffer.from(latin1, 'latin1'), 0, latin1.length);
  }

  /** Puts the job into a queue; false when it's full, or no memory is left for a large one. */
  send(ring: MessageRing, banks: readonly Bank[]): boolean {
    const { i32 } = ring;
    const bodyWords = this.words + ((this.size + 3) >>> 2);
    const isBeside = bodyWords * 4 > MAX_INLINE_BYTES;
    let bank: Bank | null = null;
    let ref = 0;
    if (isBeside) {
      bank = banks[(this.slot * 7 + this.reactor) % banks.length]!;
      ref = bank.alloc(bodyWords);
      if (ref === 0) return false;
      this.store(bank.i32, bank.u8, ref);
    }
    const at = ring.open(HEADER + (isBeside ? 0 : bodyWords));
    if (at === 0) {
      bank?.free(ref);
      return false;
    }
    i32[at] = this.reactor;
    i32[at + 1] = this.slot;
    i32[at + 2] = this.database | (this.resp << 8) | (this.kind << 12);
    i32[at + 3] = this.requests;
    i32[at + 4] = bank === null ? 0 : bank.index + 1;
    i32[at + 5] = ref;
    i32[at + 6] = this.words;
    i32[at + 7] = this.size;
    if (!isBeside) this.store(i32, ring.bytes, at + HEADER);
    ring.put();
    return true;
  }
  private store(i32: Int32Array, u8: Buffer, at: number): void {
    for (let word = 0; word < this.words; word++) i32[at + word] = this.lengths[word]!;
    this.bytes.copy(u8, (at + this.words) << 2, 0, this.size);
  }

  /** Takes the oldest job of a queue; false when there is none. */
  receive(ring: MessageRing, banks: readonly Bank[]): boolean {
    const at = ring.take();
    if (at === 0) return false;
    const { i32 } = ring;
    this.reactor = i32[at]!;
    this.slot = i32[at + 1]!;
    this.database = i32[at + 2]! & 255;
    this.resp = ((i32[at + 2]! >>> 8) & 15) as 2 | 3;
    this.kind = i32[at + 2]! >>> 12;
    this.requests = i32[at + 3]!;
    this.words = i32[at + 6]!;
    this.size = i32[at + 7]!;
    const bank = i32[at + 4] === 0 ? null : banks[i32[at + 4]! - 1]!;
    const ref = i32[at + 5]!;
    if (bank === null) this.load(i32, ring.bytes, at + HEADER);
    ring.taken();
    if (bank !== null) {
      this.load(bank.i32, bank.u8, ref);
      bank.free(ref);
    }
    return true;
  }
  private load(i32: Int32Array, u8: Buffer, at: number): void {
    if (this.words > this.lengths.length) this.lengths = new Int32Array(this.words * 2);
    for (let word = 0; word < this.words; word++) this.lengths[word] = i32[at + word]!;
    const { size } = this;
    this.size = 0;
    this.reserve(size);
    this.size = size;
    u8.copy(this.bytes, 0, (at + this.words) << 2, ((at + this.words) << 2) + size);
  }
}

/** What a script thread says of a job that is done. */
export class Answer {
  slot = 0;
  position = 0;
  hasPosition = false;
  database = -1;
  errors = 0;
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  send(ring: MessageRing, banks: readonly Bank[]): boolean {
    const { i32 } = ring;
    const size = this.end - this.start;
    const isBeside = size > MAX_INLINE_BYTES;
    let bank: Bank | null = null;
    let ref = 0;
    if (isBeside) {
      bank = banks[this.slot % banks.length]!;
      ref = bank.alloc((size + 3) >>> 2);
      if (ref === 0) return false;
      this.bytes.copy(bank.u8, ref << 2, this.start, this.end);
    }
    const at = ring.open(HEADER + (isBeside ? 0 : (size + 3) >>> 2));
    if (at === 0) {
      bank?.free(ref);
      return false;
    }
    i32[at] = this.slot;
    i32[at + 1] = this.position;
    i32[at + 2] = this.hasPosition ? 1 : 0;
    i32[at + 3] = this.database;
    i32[at + 4] = bank === null ? 0 : bank.index + 1;
    i32[at + 5] = ref;
    i32[at + 6] = size;
    i32[at + 7] = this.errors;
    if (!isBeside) this.bytes.copy(ring.bytes, (at + HEADER) << 2, this.start, this.end);
    ring.put();
    return true;
  }
  /** Takes the oldest answer of a mailbox; its bytes are copied to the end of what `into` gives room for. False when there is none. */
  receive(ring: MessageRing, banks: readonly Bank[]): boolean {
    const at = ring.take();
    if (at === 0) return false;
    const { i32 } = ring;
    this.slot = i32[at]!;
    this.position = i32[at + 1]!;
    this.hasPosition = i32[at + 2] === 1;
    this.database = i32[at + 3]!;
    this.errors = i32[at + 7]!;
    const size = i32[at + 6]!;
    const bank = i32[at + 4] === 0 ? null : banks[i32[at + 4]! - 1]!;
    const ref = i32[at + 5]!;
    if (size > this.bytes.length || this.bytes.length > 1048576) this.bytes = Buffer.allocUnsafeSlow(Math.max(size, 16384));
    this.start = 0;
    this.end = size;
    if (bank === null) ring.bytes.copy(this.bytes, 0, (at + HEADER) << 2, ((at + HEADER) << 2) + size);
    ring.taken();
    if (bank !== null) {
      bank.u8.copy(this.bytes, 0, ref << 2, (ref << 2) + size);
      bank.free(ref);
    }
    return true;
  }
}
