/**
 * One io_uring (https://man7.org/linux/man-pages/man7/io_uring.7.html) for one thread: submission entries are written into shared
 * memory, and one io_uring_enter a turn hands them over and waits for completions.
 *
 * SINGLE_ISSUER and DEFER_TASKRUN: only this thread submits, and the kernel does its part inside this thread's enter, so nothing
 * interrupts the thread between two turns.
 */
import {
  check,
  EBUSY,
  EINTR,
  ETIME,
  errno,
  io_uring_enter,
  io_uring_enter_untimed,
  io_uring_register,
  io_uring_setup,
  libc,
  type Mapping,
  mapFile,
  mapMemory,
  systemError,
  unmap,
} from './libc.ts';

const SYS_SETUP = 425;
const SYS_ENTER = 426;
const SYS_REGISTER = 427;

const SETUP_CQSIZE = 1 << 3;
const SETUP_CLAMP = 1 << 4;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASKRUN = 1 << 13;
const FEATURE_SINGLE_MMAP = 1;
const ENTER_GETEVENTS = 1;
const ENTER_EXT_ARG = 1 << 3;
const EXT_ARG_BYTES = 24n;
const OFFSET_RINGS = 0;
const OFFSET_ENTRIES = 0x10000000;
const REGISTER_PBUF_RING = 22;

export const OP_READ = 22;
export const OP_TIMEOUT = 11;
export const OP_ACCEPT = 13;
export const OP_CANCEL = 14;
export const OP_CLOSE = 19;
export const OP_SEND = 26;
export const OP_RECV = 27;

const ENTRIES = 2048;
const COMPLETIONS = 16384;
const ENTRY_WORDS = 16;
const TWO_32 = 4294967296;
const DRAINED_AT_ONCE = 256;

export class Ring {
  readonly fd: number;
  private readonly rings: Mapping;
  private readonly entryMemory: Mapping;
  private readonly entries: Int32Array;
  private readonly argument: Mapping;
  private readonly sqHead: number;
  private readonly sqTail: number;
  private readonly sqMask: number;
  private readonly sqSize: number;
  private readonly cqHead: number;
  private readonly cqTail: number;
  private readonly cqMask: number;
  private readonly cqes: number;
  private tail = 0;
  private submitted = 0;
  /** How far the kernel was when it was last looked. */
  private seenHead = 0;

  /** Throws when the kernel refuses, with the reason in words. */
  constructor() {
    const params = mapMemory(4096);
    params.words[1] = COMPLETIONS;
    params.words[2] = SETUP_CQSIZE | SETUP_CLAMP | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
    this.fd = check(io_uring_setup(SYS_SETUP, ENTRIES, params.pointer), 'io_uring_setup');
    const { words } = params;
    if ((words[5]! & FEATURE_SINGLE_MMAP) === 0) throw systemError('io_uring_setup', 22);
    const sqEntries = words[0]!;
    const cqEntries = words[1]!;
    const sqOffsets = 10;
    const cqOffsets = 20;
    const length = Math.max(words[sqOffsets + 6]! + sqEntries * 4, words[cqOffsets + 5]! + cqEntries * 16);
    this.rings = mapFile(this.fd, OFFSET_RINGS, length);
    this.entryMemory = mapFile(this.fd, OFFSET_ENTRIES, sqEntries * ENTRY_WORDS * 4);
    this.entries = this.entryMemory.words;
    this.sqHead = words[sqOffsets]! >>> 2;
    this.sqTail = words[sqOffsets + 1]! >>> 2;
    this.sqMask = sqEntries - 1;
    this.sqSize = sqEntries;
    this.cqHead = words[cqOffsets]! >>> 2;
    this.cqTail = words[cqOffsets + 1]! >>> 2;
    this.cqMask = cqEntries - 1;
    this.cqes = words[cqOffsets + 5]! >>> 2;
    const array = words[sqOffsets + 6]! >>> 2;
    for (let index = 0; index < sqEntries; index++) this.rings.words[array + index] = index;
    this.argument = mapMemory(4096);
    // getevents_arg at 0 (its timespec's address at 16), the timespec at 64.
    this.argument.words[4] = ((this.argument.address + 64) % TWO_32) | 0;
    this.argument.words[5] = Math.floor((this.argument.address + 64) / TWO_32);
  }

  /**
   * Writes a submission entry. `head` is opcode | flags << 8 | ioprio << 16; the address is a number below 2^53; `tag` comes back with
   * the completion (32 bits).
   */
  submit(head: number, fd: number, address: number, length: number, flags: number, tag: number, group = 0): void {
    if (((this.tail - this.seenHead) | 0) >= this.sqSize) this.makeRoom();
    const { entries } = this;
    const at = (this.tail & this.sqMask) * ENTRY_WORDS;
    entries[at] = head;
    entries[at + 1] = fd;
    entries[at + 2] = 0;
    entries[at + 3] = 0;
    entries[at + 4] = address | 0;
    entries[at + 5] = (address / TWO_32) | 0;
    entries[at + 6] = length;
    entries[at + 7] = flags;
    entries[at + 8] = tag;
    entries[at + 9] = 0;
    entries[at + 10] = group;
    entries[at + 11] = 0;
    entries[at + 12] = 0;
    entries[at + 13] = 0;
    this.tail = (this.tail + 1) >>> 0;
  }

  private makeRoom(): void {
    this.seenHead = Atomics.load(this.rings.words, this.sqHead);
    if (((this.tail - this.seenHead) | 0) < this.sqSize) return;
    this.enter(0, 0);
    this.seenHead = Atomics.load(this.rings.words, this.sqHead);
  }

  /** Hands over what was submitted and waits for `wanted` completions, at most `waitMs`; Infinity waits for as long as it takes. */
  enter(wanted: number, waitMs: number): void {
    const { words } = this.rings;
    Atomics.store(words, this.sqTail, this.tail | 0);
    const count = (this.tail - this.submitted) | 0;
    const done =
      wanted === 0 || waitMs === Number.POSITIVE_INFINITY
        ? io_uring_enter_untimed(SYS_ENTER, this.fd, count, wanted, ENTER_GETEVENTS, 0)
        : this.enterTimed(count, wanted, waitMs);
    if (done >= 0) {
      this.submitted = (this.submitted + done) >>> 0;
      return;
    }
    const number = errno();
    this.submitted = Atomics.load(words, this.sqHead) >>> 0;
    // Busy: completions must be taken first, which is what the caller does next.
    if (number !== EINTR && number !== ETIME && number !== EBUSY) throw systemError('io_uring_enter', number);
  }

  private enterTimed(count: number, wanted: number, waitMs: number): number {
    const timespec = this.argument.words;
    timespec[16] = Math.floor(waitMs / 1000);
    timespec[18] = (waitMs % 1000) * 1e6;
    return io_uring_enter(SYS_ENTER, this.fd, count, wanted, ENTER_GETEVENTS | ENTER_EXT_ARG, this.argument.pointer, EXT_ARG_BYTES);
  }

  /**
   * Calls `take(tag, result, flags)` for every completion that is there. Their places are given back together: what `take` submits may
   * enter the kernel meanwhile, which has room for more completions than operations are under way.
   */
  drain(take: (tag: number, result: number, flags: number) => void): void {
    const { words } = this.rings;
    let head = words[this.cqHead]!;
    for (let tail = Atomics.load(words, this.cqTail); head !== tail; tail = Atomics.load(words, this.cqTail)) {
      const last = ((tail - head) | 0) > DRAINED_AT_ONCE ? (head + DRAINED_AT_ONCE) | 0 : tail;
      while (head !== last) {
        const at = this.cqes + (head & this.cqMask) * 4;
        head = (head + 1) | 0;
        take(words[at]!, words[at + 2]!, words[at + 3]!);
      }
      Atomics.store(words, this.cqHead, head);
    }
  }

  /** Registers a ring of provided buffers; `entries` a power of two. */
  registerBuffers(ring: Mapping, entries: number, group: number): void {
    const registration = mapMemory(4096);
    const { words } = registration;
    words[0] = ring.address | 0;
    words[1] = (ring.address / TWO_32) | 0;
    words[2] = entries;
    words[3] = group;
    check(io_uring_register(SYS_REGISTER, this.fd, REGISTER_PBUF_RING, registration.pointer, 1), 'registering buffers');
  }
  /** The ring ends when its mappings are gone as well. What the kernel receives into stays mapped: an operation may still be ending. */
  close(): void {
    libc.close(this.fd);
    unmap(this.rings);
    unmap(this.entryMemory);
  }
}
