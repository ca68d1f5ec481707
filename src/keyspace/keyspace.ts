/**
 * The keyspace as one thread sees it: views over the banks and the control block, and the operations on one key's
 * entry. Nothing here takes a latch: the executor holds the shard's latch (exclusive for whatever writes) around
 * every call. An instance belongs to one thread; `locate` sets the key that the calls behind it mean.
 *
 * Entry, a node of structures/dict.ts:
 *   word 0  next in bucket        word 1  meta (dict.ts; bits 16-23 here: inline length, or the type of an external value)
 *   word 2  newer in the LRU list word 3  older in the LRU list
 *   word 4  stamp: when it was used last (a count of uses, see lru-clock.ts), or LFU's 16 bits of minutes and 8 of frequency
 *   [5 expiry low, 6 expiry high: milliseconds since 1970; 7 its place in the expiry heap]   with META_EXPIRY
 *   [ref of the value]   with META_EXTERNAL      [key length in bytes]   with META_LONG_KEY
 *   key bytes; from the next word on the value's bytes (up to 255) when it is inline
 * External string: word 0 length in bytes, then the bytes; the block may be larger than they need.
 * Other types: bits 16-19 of meta are the type, bits 20-23 the encoding, and the ref is what the type's operations take
 * (values.ts).
 */

import { MAX_WORD_KEY_BYTES } from '../base/key-words.ts';
import { MAX_UNPUBLISHED_KIB } from '../memory/bank.ts';
import * as dict from '../structures/dict.ts';
import { META_EXPIRY, META_EXTERNAL, META_LONG_KEY } from '../structures/dict.ts';
import type { Uncommitted } from './committed-keys.ts';
import type { EffectLog } from './effect-log.ts';
import { heapInsert, heapMoved, heapRemove } from './expiry-heap.ts';
import * as layout from './layout.ts';
import { lfuFresh, lfuTouched } from './lfu.ts';
import { LocatedKey } from './located-key.ts';
import { listPush, listRemove, listReplace } from './lru-list.ts';
import './types.ts';
import type { UndoSink } from './undo-sink.ts';
import { OutOfMemory, operationsOf, releaseValue, TYPE_STRING } from './values.ts';

export {
  OutOfMemory,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_NAMES,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_STRING,
  TYPE_ZSET,
} from './values.ts';

/** Whether a snapshot that runs has the entry: set as in GLOBAL_EPOCH means it has, or that the entry is newer (see snapshot.ts). */
export const META_EPOCH = 1 << 27;
/** The string was made by APPEND or SETRANGE: OBJECT ENCODING says raw, as Redis's does. */
export const META_RAW = 1 << 28;
/** Only while a command on several keys prepares: another entry is about to take this one's place. */
const META_REPLACED = 1 << 29;

const META = 1;
const STAMP = 4;
const EXPIRY_LOW = 5;
const EXPIRY_HIGH = 6;
const HEAP_PLACE = 7;
const FIXED_WORDS = 5;
const MAX_INLINE_BYTES = 255;
const STAMPS_AT_ONCE = 64;
/** Up to here a loop over words is faster than a call that copies. */
const MAX_WORD_COPY_BYTES = 128;
/** What an overwrite in place may leave unused; beyond that the entry moves to a block that fits. */
const MAX_SLACK_WORDS = 4;
const TWO_32 = 4294967296;

export const POLICY_NOEVICTION = 0;
export const POLICY_ALLKEYS_LRU = 1;
export const POLICY_VOLATILE_LRU = 2;
export const POLICY_ALLKEYS_LFU = 3;
export const POLICY_VOLATILE_LFU = 4;
export const POLICY_ALLKEYS_RANDOM = 5;
export const POLICY_VOLATILE_RANDOM = 6;
export const POLICY_VOLATILE_TTL = 7;
export const POLICY_NAMES = [
  'noeviction',
  'allkeys-lru',
  'volatile-lru',
  'allkeys-lfu',
  'volatile-lfu',
  'allkeys-random',
  'volatile-random',
  'volatile-ttl',
] as const;

/** Where a snapshot takes entries over before they change. */
export interface SnapshotSink {
  /** Called under the shard's exclusive latch, before the change. */
  handOver(keyspace: Keyspace, entry: number): void;
  /** True when a command may begin that hands entries over. */
  hasRoom(): boolean;
}
export type ReadyKey = { readonly database: number; readonly key: Buffer };

export class Keyspace extends LocatedKey {
  /** As many databases as the configuration allows. */
  databases = layout.DATABASES;
  nowMs = Date.now();
  /** A stamp that was claimed when the current second began, and when that second ends. */
  private secondStamp = 0;
  private secondEndMs = 0;
  private stampsLeft = 0;
  /** Stamp of the command that runs; claimed in batches by the session. */
  stamp = 0;
  /** CLIENT NO-TOUCH, and commands such as OBJECT and TYPE, leave the LRU order as it is. */
  touching = true;
  /** The shard's latch is held with other readers: a touch may write the stamp, and must leave the list alone. */
  isShared = false;
  /** Where the transaction that runs notes how to take its changes back. */
  undo: UndoSink | null = null;
  /** This thread's bit in key locks; 0 for all but script threads. */
  lockBit = 0;
  /** Where this thread tells of its changes, and of keys that it found to be over. */
  log: EffectLog | null = null;
  snapshot: SnapshotSink | null = null;
  /** What the transactions of script threads have changed so far; null where nobody walks the keys. */
  uncommitted: Uncommitted | null = null;
  /** How often the gate was passed; the executor looks whether a command changed anything. */
  changes = 0;
  /** A transaction runs: all that its commands may touch is latched, so they take no latch themselves. */
  isLatched = false;
  /** All keys of the command are latched for writing: what is over is deleted, and said in the log, even where it's only read. */
  mayWrite = false;
  /** Keys that got a value other than a string while clients waited for keys of their shards. */
  readonly ready: ReadyKey[] = [];

  // Counters of this thread, summed by INFO.
  hits = 0;
  misses = 0;
  expired = 0;

  /** Gives the next command its stamp. They are claimed in batches, as all threads count in one word. */
  nextStamp(): void {
    if (this.stampsLeft === 0) this.claimStamps();
    this.stampsLeft--;
    this.stamp = (this.stamp + 1) | 0;
  }
  private claimStamps(): void {
    this.stampsLeft = STAMPS_AT_ONCE;
    this.stamp = Atomics.add(this.control, layout.GLOBAL_LRU_STAMP, STAMPS_AT_ONCE);
    if (this.nowMs < this.secondEndMs) return;
    this.secondStamp = this.stamp;
    this.secondEndMs = this.nowMs + 1000;
  }
  /** What a turn of the thread's loop has claimed ends with it, so that a thread that pauses doesn't come back with old stamps. */
  endTurn(): void {
    this.stampsLeft = 0;
  }

  /** The entry, or 0 when there is none or its time is over. Counts a hit or a miss and, under LRU and LFU, touches. */
  read(): number {
    const entry = this.find();
    if (entry === 0 || (this.bank.i32[entry + META]! & META_EXPIRY && this.isOver(entry))) {
      if (entry !== 0 && this.mayWrite) this.dropExpired(entry);
      this.misses++;
      return 0;
    }
    this.hits++;
    if (this.touching) this.touch(entry);
    return entry;
  }

  /** As `read`, without counting or touching: EXISTS in between, TYPE, OBJECT, TTL. */
  peek(): number {
    const entry = this.find();
    if (entry === 0 || (this.bank.i32[entry + META]! & META_EXPIRY) === 0 || !this.isOver(entry)) return entry;
    if (this.mayWrite) this.dropExpired(entry);
    return 0;
  }

  /** The entry to be changed, or 0. A key whose time is over is deleted here. Needs the exclusive latch. */
  write(): number {
    const entry = this.find();
    if (entry !== 0 && this.bank.i32[entry + META]! & META_EXPIRY && this.isOver(entry)) {
      this.dropExpired(entry);
      return 0;
    }
    if (entry !== 0 && this.touching) this.touch(entry);
    return entry;
  }

  /** Deletes the current key because its time is over. It's no change of the command that found it, and is logged by itself. */
  dropExpired(entry: number): void {
    const { changes } = this;
    this.log?.deleted(this.database, this.bytes, this.start, this.end);
    this.remove(entry);
    this.changes = changes;
    this.expired++;
  }
  /** Deletes the current key because its room is needed. */
  dropEvicted(entry: number): void {
    this.log?.evicted(this.database, this.bytes, this.start, this.end);
    this.remove(entry);
  }

  private isOver(entry: number): boolean {
    return this.expiryMs(entry) <= this.nowMs;
  }

  // ---- the gate ----

  /** Every change passes here first: WATCH versions, and what a snapshot still wants. */
  private gate(entry: number): void {
    if (this.control[layout.GLOBAL_WATCHERS] !== 0) {
      Atomics.add(this.control, this.watchWord(), 1);
    }
    this.changes++;
    if (entry !== 0 && (this.control[layout.GLOBAL_LOG]! & layout.LOG_SNAPSHOT) !== 0) this.handOver(entry);
  }
  /** Gives an entry to the snapshot that runs, unless it has it, before it's changed. */
  private handOver(entry: number): void {
    const i32 = this.bank.i32;
    const epoch = this.control[layout.GLOBAL_EPOCH]!;
    if ((i32[entry + META]! & META_EPOCH) === epoch) return;
    this.snapshot?.handOver(this, entry);
    this.turnEpoch(entry);
  }
  /** Notes that a snapshot has the entry. */
  turnEpoch(entry: number): void {
    this.bank.i32[entry + META]! ^= META_EPOCH;
  }
  /** Whole databases are about to change under a snapshot that runs: it can't be completed, and is taken anew. Latches are held. */
  spoilSnapshot(): void {
    const { control } = this;
    if ((control[layout.GLOBAL_LOG]! & layout.LOG_SNAPSHOT) !== 0) Atomics.store(control, layout.GLOBAL_SNAPSHOT_SPOILT, 1);
  }
  /** False while deletions can't be told to the log. */
  mayExpire(): boolean {
    if ((this.control[layout.GLOBAL_PAUSE]! & (layout.PAUSE_LOADING | layout.PAUSE_MISCONF)) !== 0) return false;
    return this.log === null || !this.log.isOn || this.log.ring.hasRoom();
  }
  // ---- LRU lists: two a shard, keys without and with an expiry ----

  private listWord(entry: number): number {
    return this.head + (this.bank.i32[entry + META]! & META_EXPIRY ? layout.SHARD_LRU_VOLATILE : layout.SHARD_LRU);
  }
  /** Marks the entry as used now. The lists move only under LRU policies; a reader with a shared latch writes the stamp alone. */
  touch(entry: number): void {
    // The policy may have changed since the latch was taken, and then a list must not be moved by one reader of many.
    const policy = this.isShared ? POLICY_NOEVICTION : this.control[layout.GLOBAL_POLICY]!;
    if (policy === POLICY_ALLKEYS_LFU || policy === POLICY_VOLATILE_LFU) {
      this.bank.i32[entry + STAMP] = lfuTouched(this.control, this.bank.i32[entry + STAMP]!, this.nowMs);
      return;
    }
    if (policy <= POLICY_NOEVICTION || policy >= POLICY_ALLKEYS_RANDOM) {
      // Only OBJECT IDLETIME asks, in seconds: an entry that was used in this second already isn't written to again, so that threads
      // that read one key don't take its cache line from each other.
      if (((this.bank.i32[entry + STAMP]! - this.secondStamp) | 0) < 0) this.bank.i32[entry + STAMP] = this.stamp;
      return;
    }
    this.bank.i32[entry + STAMP] = this.stamp;
    if (policy === POLICY_ALLKEYS_LRU || policy === POLICY_VOLATILE_LRU) {
      const list = this.listWord(entry);
      if (this.control[list] !== entry) {
        listRemove(this.control, list, this.bank.i32, entry);
        listPush(this.control, list, this.bank.i32, entry);
      }
    }
  }
  /** `fresh` stands for `old` in the list. Whoever doesn't touch leaves it at its place, as the stamps order the list. */
  private listTakePlace(old: number, fresh: number): void {
    const { control } = this;
    const i32 = this.bank.i32;
    const list = this.listWord(old);
    const newList = this.listWord(fresh);
    i32[fresh + STAMP] = i32[old + STAMP]!;
    if (newList === list && !this.touching) {
      listReplace(control, list, i32, old, fresh);
      return;
    }
    // In the other list its old stamp would have a place that only a search could find: it counts as used now.
    if (newList !== list && !this.isLfu()) i32[fresh + STAMP] = this.stamp;
    listRemove(control, list, i32, old);
    listPush(control, newList, i32, fresh);
  }

  // ---- what an entry holds ----

  type(entry: number): number {
    const meta = this.bank.i32[entry + META]!;
    return meta & META_EXTERNAL ? (meta >>> 16) & 15 : TYPE_STRING;
  }
  meta(entry: number): number {
    return this.bank.i32[entry + META]!;
  }
  stampOf(entry: number): number {
    return this.bank.i32[entry + STAMP]!;
  }
  setStamp(entry: number, stamp: number): void {
    this.bank.i32[entry + STAMP] = stamp;
  }
  /** Milliseconds since 1970, or -1 when the key stays. */
  expiryMs(entry: number): number {
    const i32 = this.bank.i32;
    if ((i32[entry + META]! & META_EXPIRY) === 0) return -1;
    return i32[entry + EXPIRY_HIGH]! * TWO_32 + (i32[entry + EXPIRY_LOW]! >>> 0);
  }
  valueRef(entry: number): number {
    const meta = this.bank.i32[entry + META]!;
    return this.bank.i32[entry + FIXED_WORDS + ((meta >>> 24) & 1) * 3]!;
  }
  /** First byte of a string's value in `bank.u8`; valid until the next change in this shard. */
  stringStart(entry: number): number {
    const i32 = this.bank.i32;
    const meta = i32[entry + META]!;
    if (meta & META_EXTERNAL) return (i32[entry + FIXED_WORDS + ((meta >>> 24) & 1) * 3]! + 1) << 2;
    return (entry + dict.keyWord(meta) + ((dict.keyLengthBytes(i32, entry) + 3) >>> 2)) << 2;
  }
  stringLength(entry: number): number {
    const i32 = this.bank.i32;
    const meta = i32[entry + META]!;
    if (meta & META_EXTERNAL) return i32[i32[entry + FIXED_WORDS + ((meta >>> 24) & 1) * 3]!]!;
    return (meta >>> 16) & 255;
  }
  /** Words of the entry and of its value as the allocator counts them. */
  usedWords(entry: number): number {
    const { bank } = this;
    const words = bank.sizeWords(entry);
    const meta = bank.i32[entry + META]!;
    if ((meta & META_EXTERNAL) === 0) return words;
    const ref = this.valueRef(entry);
    const type = (meta >>> 16) & 15;
    if (type === TYPE_STRING) return words + bank.sizeWords(ref);
    return words + operationsOf(type).usedWords(bank, ref, (meta >>> 20) & 15);
  }
  /** The type's own number of how a value that is no string is encoded. */
  encoding(entry: number): number {
    return (this.bank.i32[entry + META]! >>> 20) & 15;
  }

  // ---- changes ----

  /** Says that the value of an entry that is no string is about to be changed. */
  change(entry: number): void {
    this.gate(entry);
    if (this.undo !== null) this.undo.changing(this, entry);
  }
  /** Notes that the value of an entry has moved, or has another encoding: the same value as before, so not a change. */
  moveValue(entry: number, encoding: number, ref: number): void {
    const i32 = this.bank.i32;
    const meta = i32[entry + META]!;
    i32[entry + META] = (meta & ~(15 << 20)) | (encoding << 20);
    i32[entry + FIXED_WORDS + ((meta >>> 24) & 1) * 3] = ref;
  }
  /**
   * Sets the current key to a value that is no string and that no other key holds; `entry` is what `write()` returned, and
   * what it held is freed. The key's expiry is `expiryMs` then (-1: none). When there is no room, the value is freed, and
   * OutOfMemory thrown.
   */
  setValue(entry: number, type: number, encoding: number, ref: number, expiryMs = -1): number {
    try {
      return this.adoptValue(entry, type, encoding, ref, expiryMs);
    } catch (error) {
      releaseValue(this.control, this.bank, type | (encoding << 4), ref);
      throw error;
    }
  }
  /** As `setValue`, but the value stays the caller's when there is no room. */
  adoptValue(entry: number, type: number, encoding: number, ref: number, expiryMs: number): number {
    const { control, head, bank } = this;
    const attach = operationsOf(type).attach;
    if (attach !== undefined && !attach(control, head, bank, ref, encoding, this.hash)) throw new OutOfMemory();
    try {
      const fresh = this.tryBuild(true, ref, expiryMs, 0, type | (encoding << 4));
      if (fresh === 0) throw new OutOfMemory();
      const installed = this.install(entry, fresh, true, false);
      if (control[layout.blockedWord(head)] !== 0) this.noteReady();
      return installed;
    } catch (error) {
      operationsOf(type).detach?.(control, head, bank, ref, encoding);
      throw error;
    }
  }
  /** Somebody waits for keys of this shard: the command's end looks whether it's this one. */
  private noteReady(): void {
    this.ready.push({ database: this.database, key: Buffer.from(this.bytes.subarray(this.start, this.end)) });
  }
  /** Takes the key of an entry away and leaves its value to the caller: for RENAME and MOVE within a bank. */
  removeKeepingValue(entry: number): void {
    this.unlink(entry);
    this.freeEntry(entry, false);
  }
  /** What the shard notes of a value (its fields' expiries) is taken out: the value is about to leave its key. */
  detachValue(entry: number): void {
    const { control, head, bank } = this;
    operationsOf(this.type(entry)).detach?.(control, head, bank, this.valueRef(entry), this.encoding(entry));
  }
  /** The reverse of `detachValue`; the room that it gave back is still there. */
  attachValue(entry: number): void {
    const { control, head, bank } = this;
    operationsOf(this.type(entry)).attach?.(control, head, bank, this.valueRef(entry), this.encoding(entry), this.hash);
  }

  /** Sets the current key to a string. `entry` is what `write()` returned. An expiry is kept only with `keepExpiry`. */
  setString(entry: number, value: Uint8Array, start: number, end: number, keepExpiry: boolean): number {
    if (entry === 0) return this.install(0, this.buildString(value, start, end, -1), true, true);
    const hasExpiry = (this.bank.i32[entry + META]! & META_EXPIRY) !== 0;
    if ((keepExpiry || !hasExpiry) && this.hasPlace(entry, end - start)) {
      if (this.undo !== null) this.undo.overwriting(this, entry);
      this.overwrite(entry, value, start, end);
      return entry;
    }
    const fresh = this.buildString(value, start, end, keepExpiry ? this.expiryMs(entry) : -1);
    return this.install(entry, fresh, true, true);
  }
  /** As `setString`, with an expiry: both or, without memory, neither. */
  setStringUntil(entry: number, value: Uint8Array, start: number, end: number, expiryMs: number): number {
    if (entry !== 0 && this.bank.i32[entry + META]! & META_EXPIRY && this.fits(entry, end - start)) {
      this.overwrite(entry, value, start, end);
      this.storeExpiry(entry, expiryMs);
      heapMoved(this.control, this.head, this.bank, entry);
      return entry;
    }
    return this.install(entry, this.buildString(value, start, end, expiryMs), true, true);
  }
  /** True when a value of this length may be written over the one that is there. */
  private fits(entry: number, length: number): boolean {
    return !this.mustKeep(entry) && this.hasPlace(entry, length);
  }
  /** True when the entry holds its value inline and could hold one of this length as well, without much waste. */
  private hasPlace(entry: number, length: number): boolean {
    const { bank } = this;
    const meta = bank.i32[entry + META]!;
    if ((meta & META_EXTERNAL) !== 0 || length > MAX_INLINE_BYTES) return false;
    // As many words as now need no look at the page table, which is another cache line.
    if ((length + 3) >>> 2 === (((meta >>> 16) & 255) + 3) >>> 2) return true;
    const need = dict.keyWord(meta) + ((dict.keyLengthBytes(bank.i32, entry) + 3) >>> 2) + ((length + 3) >>> 2);
    const have = bank.sizeWords(entry);
    return need <= have && have - need <= MAX_SLACK_WORDS;
  }
  /** The value may not be overwritten, as the transaction that runs may want it back. */
  private mustKeep(entry: number): boolean {
    return this.undo !== null && !this.undo.isFresh(this, entry);
  }
  private overwrite(entry: number, value: Uint8Array, start: number, end: number): void {
    const i32 = this.bank.i32;
    // Read behind the gate, which may change the epoch's bit.
    this.gate(entry);
    const meta = i32[entry + META]!;
    i32[entry + META] = (meta & ~(0xff0000 | META_RAW)) | ((end - start) << 16);
    this.storeBytes(value, start, end, entry + dict.keyWord(meta) + ((dict.keyLengthBytes(i32, entry) + 3) >>> 2));
  }

  // Several keys at once, all or none: first `prepareString` for each, then `reserve` for each, which may fail; then
  // `putPrepared` for each, which can't. When one fails, `forgetPrepared` for each key that has been prepared.

  /**
   * Takes the memory that setting the current key (without an expiry) will need: an entry not linked anywhere yet, or 0 when the value
   * fits into the entry that is there. A key may come several times. Throws OutOfMemory.
   */
  prepareString(entry: number, value: Uint8Array, start: number, end: number): number {
    if (entry === 0) return this.buildString(value, start, end, -1);
    const i32 = this.bank.i32;
    if ((i32[entry + META]! & (META_EXPIRY | META_REPLACED)) === 0 && this.fits(entry, end - start)) return 0;
    const fresh = this.buildString(value, start, end, -1);
    // If this key comes again, its value must not count on the entry that will be gone by then.
    i32[entry + META]! |= META_REPLACED;
    return fresh;
  }
  /** Makes sure that the current key's shard can take an entry; only `putPrepared` may come behind it. */
  reserve(): void {
    if (!dict.reserve(this.control, this.head, this.bank)) throw new OutOfMemory();
  }
  putPrepared(fresh: number, value: Uint8Array, start: number, end: number): void {
    const entry = this.find();
    if (fresh === 0) this.overwrite(entry, value, start, end);
    else this.install(entry, fresh, true, true);
  }
  forgetPrepared(fresh: number): void {
    const entry = this.find();
    if (entry !== 0) this.bank.i32[entry + META]! &= ~META_REPLACED;
    if (fresh !== 0) this.freeEntry(fresh, true);
    dict.discardEmpty(this.control, this.head, this.bank);
  }

  private allocString(length: number, capacityBytes: number): number {
    const ref = this.bank.alloc(1 + ((capacityBytes + 3) >>> 2));
    if (ref === 0) throw new OutOfMemory();
    this.bank.i32[ref] = length;
    return ref;
  }

  /** A new entry with a string; nothing is left without memory. */
  private buildString(value: Uint8Array, start: number, end: number, expiryMs: number): number {
    const length = end - start;
    const valueRef = length > MAX_INLINE_BYTES ? this.allocString(length, length) : 0;
    const fresh = this.buildStringAt(valueRef, expiryMs, length);
    this.storeBytes(value, start, end, this.stringStart(fresh) >>> 2);
    return fresh;
  }
  /** A new entry of a string: external when `valueRef` is not 0, which is freed if there is no room. The bytes are the caller's. */
  private buildStringAt(valueRef: number, expiryMs: number, length: number): number {
    const inline = valueRef === 0 ? length : 0;
    const entry = this.tryBuild(valueRef !== 0, valueRef, expiryMs, inline, inline);
    if (entry !== 0) return entry;
    if (valueRef !== 0) this.bank.free(valueRef);
    throw new OutOfMemory();
  }

  /**
   * A new entry for the current key, not yet linked anywhere; 0 when there is no room. `middle` are bits 16-23 of its meta: length
   * of an inline value, type and encoding of an external one.
   */
  private tryBuild(external: boolean, valueRef: number, expiry: number, inlineBytes: number, middle: number): number {
    const { bank } = this;
    const keyLength = this.end - this.start;
    const flags =
      (expiry >= 0 ? META_EXPIRY : 0) |
      (external ? META_EXTERNAL : 0) |
      (keyLength > 255 ? META_LONG_KEY : 0) |
      this.control[layout.GLOBAL_EPOCH]!;
    const keyAt = dict.keyWord(flags);
    const entry = bank.alloc(keyAt + ((keyLength + 3) >>> 2) + ((inlineBytes + 3) >>> 2));
    if (entry === 0) return 0;
    const i32 = bank.i32;
    const short = keyLength > 255 ? 0 : keyLength << 8;
    i32[entry + META] = flags | (middle << 16) | short | dict.tagOf(this.hash);
    if (expiry >= 0) this.storeExpiry(entry, expiry);
    if (external) i32[entry + FIXED_WORDS + (expiry >= 0 ? 3 : 0)] = valueRef;
    if (keyLength > 255) i32[entry + keyAt - 1] = keyLength;
    if (keyLength <= MAX_WORD_KEY_BYTES) {
      const { words } = this.key;
      for (let word = 0, count = (keyLength + 3) >>> 2; word < count; word++) i32[entry + keyAt + word] = words[word]!;
    } else copyBytes(this.bytes, this.start, this.end, bank.u8, (entry + keyAt) << 2);
    return entry;
  }
  /** Copies bytes to a word of the current bank: by words where they come from the request's own bytes and are short. */
  private storeBytes(from: Uint8Array, start: number, end: number, word: number): void {
    if (end - start > MAX_WORD_COPY_BYTES || from !== this.viewed) {
      copyBytes(from, start, end, this.bank.u8, word << 2);
      return;
    }
    const { view } = this;
    const i32 = this.bank.i32;
    let at = start;
    let to = word;
    for (const last = end - 3; at < last; at += 4) i32[to++] = view.getInt32(at, true);
    if (at === end) return;
    let tail = view.getUint8(at);
    if (at + 1 < end) tail |= view.getUint8(at + 1) << 8;
    if (at + 2 < end) tail |= view.getUint8(at + 2) << 16;
    i32[to] = tail;
  }
  private storeExpiry(entry: number, atMs: number): void {
    const i32 = this.bank.i32;
    i32[entry + EXPIRY_LOW] = (atMs % TWO_32) | 0;
    i32[entry + EXPIRY_HIGH] = Math.floor(atMs / TWO_32);
  }

  /**
   * Puts `fresh` in the place of `old` (0: as a new key), and frees `old`, with its value if `freeValue`. Without room it frees
   * `fresh`, with its value if `ownsFresh`, and throws.
   */
  private install(old: number, fresh: number, freeValue: boolean, ownsFresh: boolean): number {
    const { control, head, bank } = this;
    const i32 = bank.i32;
    this.undo?.room(this, 0);
    this.gate(old);
    const had = old !== 0 && (i32[old + META]! & META_EXPIRY) !== 0;
    const has = (i32[fresh + META]! & META_EXPIRY) !== 0;
    // What can fail for want of memory comes first, so that nothing is left half done.
    if (has && !had && !heapInsert(control, head, bank, fresh)) this.giveUp(fresh, ownsFresh);
    if (old === 0) {
      if (!dict.insert(control, head, bank, fresh, this.hash, this.seed)) {
        if (has) heapRemove(control, head, bank, fresh);
        this.giveUp(fresh, ownsFresh);
      }
      i32[fresh + STAMP] = this.freshStamp();
      listPush(control, this.listWord(fresh), i32, fresh);
    } else {
      const link = dict.linkOf(control, head, bank, old, this.seed);
      i32[fresh] = i32[old]!;
      i32[link] = fresh;
      this.listTakePlace(old, fresh);
    }
    if (had && has) {
      i32[fresh + HEAP_PLACE] = i32[old + HEAP_PLACE]!;
      heapMoved(control, head, bank, fresh);
    } else if (had) heapRemove(control, head, bank, old);
    if (old !== 0 && freeValue && this.type(old) !== TYPE_STRING) this.detachValue(old);
    const isKept = this.undo?.replaced(this, old, fresh, !freeValue) === true;
    if (old !== 0 && !isKept) this.freeEntry(old, freeValue);
    return fresh;
  }
  /** Frees an entry that found no place. */
  private giveUp(fresh: number, withValue: boolean): never {
    this.freeEntry(fresh, withValue);
    throw new OutOfMemory();
  }
  private isLfu(): boolean {
    const policy = this.control[layout.GLOBAL_POLICY]!;
    return policy === POLICY_ALLKEYS_LFU || policy === POLICY_VOLATILE_LFU;
  }
  private freshStamp(): number {
    return this.isLfu() ? lfuFresh(this.nowMs) : this.stamp;
  }
  private freeEntry(entry: number, withValue: boolean): void {
    const { bank } = this;
    const meta = bank.i32[entry + META]!;
    if (withValue && meta & META_EXTERNAL) {
      const kind = (meta >>> 16) & 255;
      if (kind === TYPE_STRING) bank.free(this.valueRef(entry));
      else releaseValue(this.control, bank, kind, this.valueRef(entry));
    }
    bank.free(entry);
  }

  /** Frees an entry of a dict that nobody can reach any more. */
  freeDetachedEntry(entry: number): void {
    this.freeEntry(entry, true);
  }

  /** Deletes an entry of the current shard; its key must be the current one, or `focus`ed. */
  remove(entry: number): void {
    this.undo?.room(this, 0);
    if (this.type(entry) !== TYPE_STRING) this.detachValue(entry);
    this.unlink(entry);
    const isKept = this.undo?.replaced(this, entry, 0, false) === true;
    if (!isKept) this.freeEntry(entry, true);
  }
  /** Gives the current key back what it had before a transaction: the entry `old`, which it kept, or nothing. */
  restore(old: number): void {
    const current = this.find();
    if (old === 0) {
      if (current !== 0) this.remove(current);
      return;
    }
    this.bank.i32[old + META]! &= ~META_REPLACED;
    if (this.type(old) !== TYPE_STRING) this.attachValue(old);
    this.install(current, old, true, false);
  }
  /** The current key's entry, whether its time is over or not. */
  findAny(): number {
    return this.find();
  }
  /** An entry as this one, with another value, that no key leads to. The value is freed when there is no room. */
  buildDetached(entry: number, ref: number): number {
    const kind = (this.bank.i32[entry + META]! >>> 16) & 255;
    const fresh = this.tryBuild(true, ref, this.expiryMs(entry), 0, kind);
    if (fresh !== 0) return fresh;
    releaseValue(this.control, this.bank, kind, ref);
    throw new OutOfMemory();
  }
  private unlink(entry: number): void {
    const { control, head, bank } = this;
    this.gate(entry);
    dict.unlink(control, head, bank, dict.linkOf(control, head, bank, entry, this.seed));
    listRemove(control, this.listWord(entry), bank.i32, entry);
    if (bank.i32[entry + META]! & META_EXPIRY) heapRemove(control, head, bank, entry);
  }

  /** Sets the expiry (milliseconds since 1970), or takes it away with -1. Returns the entry, which may have moved. */
  setExpiry(entry: number, atMs: number): number {
    const i32 = this.bank.i32;
    const meta = i32[entry + META]!;
    if (meta & META_EXPIRY && atMs >= 0) {
      this.gate(entry);
      if (this.undo !== null) this.undo.expiry(this, entry);
      this.storeExpiry(entry, atMs);
      heapMoved(this.control, this.head, this.bank, entry);
      return entry;
    }
    if ((meta & META_EXPIRY) === 0 && atMs < 0) return entry;
    const external = (meta & META_EXTERNAL) !== 0;
    const length = external ? 0 : (meta >>> 16) & 255;
    const fresh = this.tryBuild(external, external ? this.valueRef(entry) : 0, atMs, length, 0);
    if (fresh === 0) throw new OutOfMemory();
    i32[fresh + META] = (i32[fresh + META]! & ~0xff0000) | (meta & (0xff0000 | META_RAW));
    if (!external) {
      const from = this.stringStart(entry);
      copyBytes(this.bank.u8, from, from + length, this.bank.u8, this.stringStart(fresh));
    }
    return this.install(entry, fresh, false, false);
  }

  /**
   * Makes a string `length` bytes long, what is new being zeros, for APPEND, SETRANGE and SETBIT; an entry of 0 is created.
   * Returns the entry: the bytes from `stringStart` may be written until the next change. Grows by doubling up to 1 MiB more.
   */
  resizeString(entry: number, length: number, raw: boolean): number {
    const { bank } = this;
    const old = entry === 0 ? 0 : this.stringLength(entry);
    const rawBit = raw ? META_RAW : 0;
    if (entry !== 0 && bank.i32[entry + META]! & META_EXTERNAL && !this.mustKeep(entry)) {
      this.gate(entry);
      let ref = this.valueRef(entry);
      if (bank.sizeWords(ref) < 1 + ((length + 3) >>> 2)) {
        const larger = this.allocString(length, Math.min(length * 2, length + 1048576));
        bank.u8.copyWithin((larger + 1) << 2, (ref + 1) << 2, ((ref + 1) << 2) + old);
        bank.free(ref);
        ref = larger;
        bank.i32[entry + FIXED_WORDS + ((bank.i32[entry + META]! >>> 24) & 1) * 3] = ref;
      }
      bank.i32[ref] = length;
      if (length > old) bank.u8.fill(0, ((ref + 1) << 2) + old, ((ref + 1) << 2) + length);
      bank.i32[entry + META]! |= rawBit;
      return entry;
    }
    const external = length > MAX_INLINE_BYTES;
    const valueRef = external ? this.allocString(length, length) : 0;
    const fresh = this.buildStringAt(valueRef, entry === 0 ? -1 : this.expiryMs(entry), length);
    const to = this.stringStart(fresh);
    if (entry !== 0) {
      const from = this.stringStart(entry);
      copyBytes(bank.u8, from, from + old, bank.u8, to);
    }
    if (length > old) bank.u8.fill(0, to + old, to + length);
    bank.i32[fresh + META]! |= rawBit;
    return this.install(entry, fresh, true, true);
  }

  /** Says that the bytes of a string are about to be changed in place: in that of the entry returned, which may be another one. */
  mutate(entry: number, raw: boolean): number {
    if (this.mustKeep(entry)) return this.resizeString(entry, this.stringLength(entry), raw);
    this.gate(entry);
    if (raw) this.bank.i32[entry + META]! |= META_RAW;
    return entry;
  }

  count(database: number): number {
    let total = 0;
    for (let shard = 0; shard < layout.SHARDS; shard++) {
      total += Atomics.load(this.control, layout.shardBase(database, shard) + layout.SHARD_COUNT);
    }
    return total;
  }
  countVolatile(database: number): number {
    let total = 0;
    for (let shard = 0; shard < layout.SHARDS; shard++) {
      total += Atomics.load(this.control, layout.shardBase(database, shard) + layout.SHARD_HEAP_COUNT);
    }
    return total;
  }
  /** An upper bound of `usedBytes` at the price of one load: at most about 2 MiB above it. */
  usedBytesAtMost(): number {
    return (this.control[layout.GLOBAL_USED_KIB]! + layout.SHARDS * MAX_UNPUBLISHED_KIB) * 1024;
  }
  /** Bytes in live blocks of all banks, exact, from the allocators. */
  usedBytes(): number {
    let words = 0;
    for (const bank of this.banks) words += bank.usedWords();
    return words * 4;
  }
}

/** Copies between any two byte views; a loop for what is short (a call costs more than 24 bytes do). */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  const length = end - start;
  if (length <= 40) {
    for (let index = 0; index < length; index++) to[at + index] = from[start + index]!;
  } else if (from === to) {
    to.copyWithin(at, start, end);
  } else {
    to.set(from.subarray(start, end), at);
  }
}
