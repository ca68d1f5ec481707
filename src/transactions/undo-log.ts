/**
 * Undo records: what a transaction needs to be taken back. They are written before or right after each primitive mutation, under the
 * latch of its shard, and read backwards by rollback.ts. A script thread's log lies in shared memory: should the thread die, another
 * takes its transaction back.
 *
 *   words                                               who writes
 *   0  USED: where the next record goes                 the owner, atomically, when the record is complete
 *   1  spare
 *   2  records, one behind the other:
 *        word 0   kind | database << 8 | shard << 16
 *        word 1   bytes of the key       word 2  bytes of the first text     word 3  bytes of the second text
 *        word 4-5 a double: a score, an expiry, an index, or the ref of an entry
 *        the key, the texts, each from a word on
 *        last     words of the record, to go backwards by
 *
 * A key that is replaced or deleted keeps its entry and value: the record has its ref, and the transaction's end frees it. A value
 * that the transaction has made itself is "fresh": it goes as a whole, so its changes aren't noted.
 */
import { type Keyspace, OutOfMemory, TYPE_STREAM } from '../keyspace/keyspace.ts';
import type { UndoSink } from '../keyspace/undo-sink.ts';
import { operationsOf } from '../keyspace/values.ts';

/** The key gets back the entry of the ref, or (0) goes. */
export const KEY = 1;
export const EXPIRY = 2;
export const SET_ADD = 3;
export const SET_REMOVE = 4;
export const ZSET_SCORE = 5;
export const ZSET_REMOVE = 6;
export const HASH_SET = 7;
export const HASH_REMOVE = 8;
export const LIST_DROP_HEAD = 9;
export const LIST_DROP_TAIL = 10;
export const LIST_PUSH_HEAD = 11;
export const LIST_PUSH_TAIL = 12;
export const LIST_INSERT = 13;
export const LIST_REMOVE = 14;
export const LIST_SET = 15;
/** The value goes back to the key of the first text, in the database of the double. */
export const MOVE_BACK = 16;
export const SWAP = 17;
/** The string that was overwritten in its entry. */
export const TEXT = 18;

const USED = 0;
const FIRST = 2;
const HEADER_WORDS = 6;
const FRESH_LISTED = 16;
const NOTED = 256;
const BANK_WORDS = 536870912;
const NO_BYTES = new Uint8Array(0);

/** A record as it's read: a work object, valid until the next one. */
export class UndoRecord {
  kind = 0;
  database = 0;
  shard = 0;
  value = 0;
  bytes: Buffer = Buffer.alloc(0);
  keyStart = 0;
  keyEnd = 0;
  textStart = 0;
  textEnd = 0;
  secondStart = 0;
  secondEnd = 0;
}

function notedAt(keyspace: Keyspace, entry: number): number {
  return (entry ^ keyspace.bank.index) & (NOTED - 1);
}

export class UndoLog implements UndoSink {
  private i32: Int32Array;
  private f64: Float64Array;
  private u8: Buffer;
  private readonly mayGrow: boolean;
  /** Values that this transaction has made: refs with their bank, in a list while they are few. */
  private readonly freshRefs = new Float64Array(FRESH_LISTED);
  private freshCount = 0;
  private readonly freshSet = new Set<number>();

  /**
   * Entries whose string this transaction (by its number) has noted already, in a table where one pushes out another: then it's noted
   * again. Without it a script that counts up one key would fill the log.
   */
  private readonly notedRefs = new Float64Array(NOTED);
  private readonly notedIn = new Float64Array(NOTED);
  private transaction = 1;

  /** A log in `buffer`, which doesn't grow, or in memory of its own, which does. */
  constructor(buffer: SharedArrayBuffer | null) {
    this.mayGrow = buffer === null;
    this.i32 = new Int32Array(buffer ?? new ArrayBuffer(65536));
    this.f64 = new Float64Array(this.i32.buffer);
    this.u8 = Buffer.from(this.i32.buffer);
    if (this.i32[USED] === 0) this.i32[USED] = FIRST;
  }
  get isEmpty(): boolean {
    return this.i32[USED]! <= FIRST;
  }
  get usedBytes(): number {
    return this.i32[USED]! * 4;
  }
  /** A place to go back to: what is noted from here on. */
  get mark(): number {
    return Math.max(FIRST, this.i32[USED]!);
  }
  /** Records behind a mark have been undone: which values are the transaction's own is no longer known. */
  forgetFresh(): void {
    this.transaction++;
    this.freshCount = 0;
    this.freshSet.clear();
  }
  /** Forgets all records; what they keep has been freed or put back. */
  reset(): void {
    this.storeUsed(FIRST);
    this.transaction++;
    this.freshCount = 0;
    if (this.freshSet.size > 0) this.freshSet.clear();
  }

  /** Of a log that nobody else can read no order of stores matters. */
  private storeUsed(used: number): void {
    if (this.mayGrow) this.i32[USED] = used;
    else Atomics.store(this.i32, USED, used);
  }

  // ---- values of the transaction's own ----

  isFresh(keyspace: Keyspace, entry: number): boolean {
    const ref = keyspace.bank.index * BANK_WORDS + entry;
    for (let index = 0; index < this.freshCount; index++) if (this.freshRefs[index] === ref) return true;
    return this.freshSet.size > 0 && this.freshSet.has(ref);
  }
  private addFresh(keyspace: Keyspace, entry: number): void {
    const ref = keyspace.bank.index * BANK_WORDS + entry;
    if (this.freshCount < FRESH_LISTED) this.freshRefs[this.freshCount++] = ref;
    else this.freshSet.add(ref);
  }
  forget(keyspace: Keyspace, entry: number): void {
    const ref = keyspace.bank.index * BANK_WORDS + entry;
    for (let index = 0; index < this.freshCount; index++) {
      if (this.freshRefs[index] !== ref) continue;
      this.freshRefs[index] = this.freshRefs[--this.freshCount]!;
      return;
    }
    if (this.freshSet.size > 0) this.freshSet.delete(ref);
  }

  // ---- records ----

  room(keyspace: Keyspace, bytes: number): void {
    // The words of three texts may each have three bytes more; and two records may be written before the next look.
    const need = this.i32[USED]! + 2 * (HEADER_WORDS + 8) + (((keyspace.end - keyspace.start) * 2 + bytes) >>> 2);
    if (need <= this.i32.length) return;
    if (!this.mayGrow) throw new OutOfMemory();
    const larger = new Int32Array(Math.max(this.i32.length * 2, need + 1024));
    larger.set(this.i32.subarray(0, this.i32[USED]!));
    this.i32 = larger;
    this.f64 = new Float64Array(larger.buffer, 0, larger.length >>> 1);
    this.u8 = Buffer.from(larger.buffer);
  }
  private put(
    keyspace: Keyspace,
    kind: number,
    value: number,
    first: Uint8Array,
    start: number,
    end: number,
    second: Uint8Array,
    from: number,
    to: number,
  ): void {
    const { i32 } = this;
    // Doubles stand at even words.
    const at = (i32[USED]! + 1) & ~1;
    const keyBytes = keyspace.end - keyspace.start;
    i32[at] = kind | (keyspace.database << 8) | (keyspace.bank.index << 16);
    i32[at + 1] = keyBytes;
    i32[at + 2] = end - start;
    i32[at + 3] = to - from;
    this.f64[(at + 4) >>> 1] = value;
    let word = at + HEADER_WORDS;
    word = this.copy(keyspace.bytes, keyspace.start, keyspace.end, word);
    word = this.copy(first, start, end, word);
    word = this.copy(second, from, to, word);
    i32[word] = word + 1 - i32[USED]!;
    this.storeUsed(word + 1);
  }
  private copy(from: Uint8Array, start: number, end: number, word: number): number {
    let at = word << 2;
    if (end - start > 40) this.u8.set(from.subarray(start, end), at);
    else for (let index = start; index < end; index++) this.u8[at++] = from[index]!;
    return word + ((end - start + 3) >>> 2);
  }
  private note(keyspace: Keyspace, kind: number, value: number, bytes: Uint8Array, start: number, end: number): void {
    this.room(keyspace, end - start);
    this.put(keyspace, kind, value, bytes, start, end, NO_BYTES, 0, 0);
  }

  /** Reads the records from the last one to the first behind `mark`. */
  *backwards(into: UndoRecord, mark = FIRST): Generator<UndoRecord> {
    const { i32 } = this;
    for (let end = Atomics.load(i32, USED); end > mark; ) {
      const start = end - i32[end - 1]!;
      const at = (start + 1) & ~1;
      into.kind = i32[at]! & 255;
      into.database = (i32[at]! >>> 8) & 255;
      into.shard = (i32[at]! >>> 16) & 255;
      into.value = this.f64[(at + 4) >>> 1]!;
      into.bytes = this.u8;
      into.keyStart = (at + HEADER_WORDS) << 2;
      into.keyEnd = into.keyStart + i32[at + 1]!;
      into.textStart = (into.keyEnd + 3) & ~3;
      into.textEnd = into.textStart + i32[at + 2]!;
      into.secondStart = (into.textEnd + 3) & ~3;
      into.secondEnd = into.secondStart + i32[at + 3]!;
      yield into;
      end = start;
      // What has been taken back needn't be again, should this thread die too.
      Atomics.store(i32, USED, end);
    }
  }
  /** Frees the kept entries: the transaction stays. */
  freeKept(keyspace: Keyspace): void {
    const { i32 } = this;
    for (let end = i32[USED]!; end > FIRST; end -= i32[end - 1]!) {
      const at = (end - i32[end - 1]! + 1) & ~1;
      const entry = this.f64[(at + 4) >>> 1]!;
      if ((i32[at]! & 255) !== KEY || entry === 0) continue;
      keyspace.bank = keyspace.banks[(i32[at]! >>> 16) & 255]!;
      keyspace.freeDetachedEntry(entry);
    }
  }

  // ---- what mutations say ----

  replaced(keyspace: Keyspace, old: number, fresh: number, isSameValue: boolean): boolean {
    const wasFresh = old !== 0 && this.isFresh(keyspace, old);
    if (wasFresh) this.forget(keyspace, old);
    if (old !== 0) this.notedIn[notedAt(keyspace, old)] = 0;
    if (isSameValue) {
      if (wasFresh) this.addFresh(keyspace, fresh);
      else this.put(keyspace, EXPIRY, keyspace.expiryMs(old), NO_BYTES, 0, 0, NO_BYTES, 0, 0);
      return false;
    }
    if (fresh !== 0) this.addFresh(keyspace, fresh);
    if (wasFresh) return false;
    this.put(keyspace, KEY, old, NO_BYTES, 0, 0, NO_BYTES, 0, 0);
    return old !== 0;
  }
  overwriting(keyspace: Keyspace, entry: number): void {
    if (this.isFresh(keyspace, entry)) return;
    const ref = keyspace.bank.index * BANK_WORDS + entry;
    const at = notedAt(keyspace, entry);
    if (this.notedRefs[at] === ref && this.notedIn[at] === this.transaction) return;
    const start = keyspace.stringStart(entry);
    const end = start + keyspace.stringLength(entry);
    this.room(keyspace, end - start);
    this.put(keyspace, TEXT, 0, keyspace.bank.u8, start, end, NO_BYTES, 0, 0);
    this.notedRefs[at] = ref;
    this.notedIn[at] = this.transaction;
  }
  expiry(keyspace: Keyspace, entry: number): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, EXPIRY, keyspace.expiryMs(entry), NO_BYTES, 0, 0);
  }
  changing(keyspace: Keyspace, entry: number): void {
    if (keyspace.type(entry) !== TYPE_STREAM || this.isFresh(keyspace, entry)) return;
    // No records of its own for this type: a copy is kept, and the value counts as made by the transaction.
    this.room(keyspace, 0);
    const { bank } = keyspace;
    const ref = operationsOf(TYPE_STREAM).copy(bank, keyspace.valueRef(entry), keyspace.encoding(entry), bank);
    if (ref === 0) throw new OutOfMemory();
    const kept = keyspace.buildDetached(entry, ref);
    this.put(keyspace, KEY, kept, NO_BYTES, 0, 0, NO_BYTES, 0, 0);
    this.addFresh(keyspace, entry);
  }
  setMember(keyspace: Keyspace, entry: number, bytes: Uint8Array, start: number, end: number, isNew: boolean): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, isNew ? SET_REMOVE : SET_ADD, 0, bytes, start, end);
  }
  zsetMember(keyspace: Keyspace, entry: number, bytes: Uint8Array, start: number, end: number, score: number): void {
    if (this.isFresh(keyspace, entry)) return;
    const isNew = Number.isNaN(score);
    this.note(keyspace, isNew ? ZSET_REMOVE : ZSET_SCORE, isNew ? 0 : score, bytes, start, end);
  }
  hashField(
    keyspace: Keyspace,
    entry: number,
    name: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array | null,
    from: number,
    to: number,
    expiryMs: number,
  ): void {
    if (this.isFresh(keyspace, entry)) return;
    this.room(keyspace, end - start + to - from);
    if (value === null) this.put(keyspace, HASH_REMOVE, 0, name, start, end, NO_BYTES, 0, 0);
    else this.put(keyspace, HASH_SET, expiryMs, name, start, end, value, from, to);
  }
  listPushed(keyspace: Keyspace, entry: number, atHead: boolean): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, atHead ? LIST_DROP_HEAD : LIST_DROP_TAIL, 0, NO_BYTES, 0, 0);
  }
  listInserted(keyspace: Keyspace, entry: number, index: number): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, LIST_REMOVE, index, NO_BYTES, 0, 0);
  }
  listDrop(keyspace: Keyspace, entry: number, atHead: boolean, bytes: Uint8Array, start: number, end: number): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, atHead ? LIST_PUSH_HEAD : LIST_PUSH_TAIL, 0, bytes, start, end);
  }
  listRemove(keyspace: Keyspace, entry: number, index: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, LIST_INSERT, index, bytes, start, end);
  }
  listSet(keyspace: Keyspace, entry: number, index: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.isFresh(keyspace, entry)) this.note(keyspace, LIST_SET, index, bytes, start, end);
  }
  moved(keyspace: Keyspace, fromDatabase: number, from: Uint8Array, start: number, end: number): void {
    this.put(keyspace, MOVE_BACK, fromDatabase, from, start, end, NO_BYTES, 0, 0);
  }
  swapped(keyspace: Keyspace, a: number, b: number): void {
    keyspace.enter(a, 0);
    this.note(keyspace, SWAP, b, NO_BYTES, 0, 0);
  }
}
