/**
 * Undo records: what a transaction needs to be taken back. They are written before or right after each primitive mutation, under the
 * latch of its shard, and read backwards by rollback.ts. A script thread's log lies in shared memory: should the thread die, another
 * takes its transaction back.
 *
 *   words                                               who writes
 *   0     USED: where the next record goes              the owner, atomically, when the record is complete
 *   1     SEQUENCE: odd from the commit (or the end of a rollback) until the log is empty again; it goes on by two
 *         where a part is rolled back                   the owner, atomically
 *   2     64 words, a shard each: its last record that says which keys there were, or 0      under the shard's latch
 *   66    16 words, a database each: its number XOR that of the one where its keys lie now   under the latches of both
 *   82    1024 words: keys made, less keys taken away, in database * 64 + shard              under the shard's latch
 *   1106  records, one behind the other:
 *           word 0   kind | database << 8 | shard << 16 | database before any exchange << 22 | type << 28
 *           word 1   bytes of the key       word 2  bytes of the first text     word 3  bytes of the second text
 *           word 4-5 a double: a score, an expiry, an index, or the ref of an entry
 *           the key, the texts, each from a word on
 *           last     words of the record, to go backwards by
 *         KEY, EXPIRY and MOVE_BACK say which keys there were. They have no second text: word 3 is the shard's record before.
 *
 * Others read words 1 to 1105 and those records under a shard's latch, to see what is committed (uncommitted-keys.ts). What they read is
 * true if SEQUENCE is even and the same before and behind.
 *
 * A key that is replaced or deleted keeps its entry and value: the record has its ref, and the transaction's end frees it. A value
 * that the transaction has made itself is "fresh": it goes as a whole, so its changes aren't noted.
 */
import { type Keyspace, OutOfMemory, TYPE_STREAM } from '../keyspace/keyspace.ts';
import { DATABASES, DOMAINS, SHARDS } from '../keyspace/layout.ts';
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
const SEQUENCE = 1;
const LAST = 2;
const PLACES = LAST + SHARDS;
const NET = PLACES + DATABASES;
/** Where records begin. */
export const FIRST = NET + DOMAINS;
const HEADER_WORDS = 6;
/** Of a record that says which keys there were: the one before of its shard. */
const PREVIOUS = 3;
const FRESH_LISTED = 16;
const NOTED = 256;
const BANK_WORDS = 536870912;
const NO_BYTES = new Uint8Array(0);

/** A record as it's read: a work object, valid until the next one. */
export class UndoRecord {
  kind = 0;
  /** Where the key was, and by which number the database was known before the transaction. */
  database = 0;
  origin = 0;
  shard = 0;
  type = 0;
  /** Of a record that says which keys there were: where the one before of its shard is, or 0. */
  previous = 0;
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
  /** Others look into it. The changes of a log that is nobody else's are under latches to the end. */
  private readonly isShared: boolean;
  /** Values that this transaction has made: refs with their bank, in a list while they are few. */
  private readonly freshRefs = new Float64Array(FRESH_LISTED);
  private freshCount = 0;
  private readonly freshSet = new Set<number>();
  /** Words of LAST, PLACES and NET that this transaction has written, and for each word the round in which it was last. */
  private readonly touched: number[] = [];
  private readonly touchedIn = new Int32Array(FIRST);
  private round = 1;
  /** Somebody else has written the log: which words aren't 0 isn't known. */
  private readonly isForeign: boolean;
  private isSwapped: boolean;

  /**
   * Entries whose string this transaction (by its number) has noted already, in a table where one pushes out another: then it's noted
   * again. Without it a script that counts up one key would fill the log.
   */
  private readonly notedRefs = new Float64Array(NOTED);
  private readonly notedIn = new Float64Array(NOTED);
  private transaction = 1;

  /** A log in `buffer`, which doesn't grow, or in memory of its own, which does. `isForeign`: to end what its owner has left. */
  constructor(buffer: SharedArrayBuffer | null, isForeign = false) {
    this.mayGrow = buffer === null;
    this.isShared = buffer !== null;
    this.i32 = new Int32Array(buffer ?? new ArrayBuffer(65536));
    this.f64 = new Float64Array(this.i32.buffer);
    this.u8 = Buffer.from(this.i32.buffer);
    Atomics.compareExchange(this.i32, USED, 0, FIRST);
    this.isForeign = isForeign;
    this.isSwapped = isForeign && this.i32.subarray(PLACES, NET).some((word) => word !== 0);
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
  /** Records behind a mark have been undone: what others have read of them may be overwritten. */
  undone(): void {
    if (this.isShared) Atomics.add(this.i32, SEQUENCE, 2);
  }
  /** Which values are the transaction's own is no longer known. */
  forgetFresh(): void {
    this.transaction++;
    this.freshCount = 0;
    this.freshSet.clear();
  }
  /** The changes are committed, or all taken back: from here to `reset` others see the keys as they are. */
  close(): void {
    const { i32, touched } = this;
    if (touched.length === 0 && !this.isForeign) return;
    if ((i32[SEQUENCE]! & 1) === 0) Atomics.add(i32, SEQUENCE, 1);
  }
  get isClosed(): boolean {
    return (this.sequence & 1) !== 0;
  }
  /** Forgets all records; what they keep has been freed or put back. */
  reset(): void {
    const { i32, touched } = this;
    this.close();
    if (this.isForeign) i32.fill(0, LAST, FIRST);
    else if (touched.length > 0) {
      for (const word of touched) i32[word] = 0;
      touched.length = 0;
      this.round++;
    }
    this.isSwapped = false;
    if ((i32[SEQUENCE]! & 1) !== 0) Atomics.add(i32, SEQUENCE, 1);
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
    i32[at] = kind | (keyspace.database << 8) | (keyspace.bank.index << 16) | (this.originOf(keyspace.database) << 22);
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
  /** As `put`, for a record that says which keys there were. */
  private putKey(keyspace: Keyspace, kind: number, type: number, value: number, text: Uint8Array, start: number, end: number): void {
    const { i32 } = this;
    const at = (i32[USED]! + 1) & ~1;
    this.put(keyspace, kind | (type << 28), value, text, start, end, NO_BYTES, 0, 0);
    if (!this.isShared) return;
    const last = LAST + keyspace.bank.index;
    i32[at + PREVIOUS] = i32[last]!;
    i32[last] = at;
    this.touch(last);
  }
  private touch(word: number): void {
    if (this.touchedIn[word] === this.round) return;
    this.touchedIn[word] = this.round;
    this.touched.push(word);
  }
  /** Notes that the current shard has so many keys more. */
  private count(database: number, shard: number, keys: number): void {
    if (!this.isShared) return;
    const word = NET + this.originOf(database) * SHARDS + shard;
    this.i32[word]! += keys;
    this.touch(word);
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
      this.read((start + 1) & ~1, into);
      yield into;
      end = start;
      // What has been taken back needn't be again, should this thread die too.
      Atomics.store(i32, USED, end);
    }
  }
  private read(at: number, into: UndoRecord): void {
    const { i32 } = this;
    const word = i32[at]!;
    into.kind = word & 255;
    into.database = (word >>> 8) & 255;
    into.origin = (word >>> 22) & 15;
    into.shard = (word >>> 16) & 63;
    into.type = word >>> 28;
    into.value = this.f64[(at + 4) >>> 1]!;
    into.bytes = this.u8;
    into.keyStart = (at + HEADER_WORDS) << 2;
    into.keyEnd = into.keyStart + i32[at + 1]!;
    into.textStart = (into.keyEnd + 3) & ~3;
    into.textEnd = into.textStart + i32[at + 2]!;
    into.secondStart = (into.textEnd + 3) & ~3;
    into.previous = isOfKeys(into.kind) ? i32[at + PREVIOUS]! : 0;
    into.secondEnd = into.secondStart + (isOfKeys(into.kind) ? 0 : i32[at + 3]!);
  }
  /** Frees the kept entries: the transaction stays. */
  freeKept(keyspace: Keyspace): void {
    const { i32 } = this;
    for (let end = i32[USED]!; end > FIRST; ) {
      end -= i32[end - 1]!;
      const at = (end + 1) & ~1;
      const entry = this.f64[(at + 4) >>> 1]!;
      // Should the thread end here, the others are still to be freed, and this one isn't to be freed twice.
      i32[USED] = end;
      if ((i32[at]! & 255) !== KEY || entry === 0) continue;
      keyspace.bank = keyspace.banks[(i32[at]! >>> 16) & 63]!;
      keyspace.freeDetachedEntry(entry);
    }
  }

  // ---- which keys there were: for others, who hold the shard's latch ----

  /** Odd: nothing is uncommitted. What was read counts if this is the same afterwards. */
  get sequence(): number {
    return Atomics.load(this.i32, SEQUENCE);
  }
  /** The last record about keys of the shard, for `readChange`, or 0. */
  lastChange(shard: number): number {
    return this.i32[LAST + shard]!;
  }
  readChange(at: number, into: UndoRecord): void {
    this.read(at, into);
  }
  /** Where the keys of a database lie. */
  placeOf(database: number): number {
    return database ^ this.i32[PLACES + database]!;
  }
  netKeys(database: number, shard: number): number {
    return this.i32[NET + database * SHARDS + shard]!;
  }
  private originOf(place: number): number {
    if (!this.isSwapped) return place;
    for (let database = 0; database < DATABASES; database++) if (this.placeOf(database) === place) return database;
    return place;
  }
  /** The keys of two databases have been exchanged, whose latches are held. */
  exchange(a: number, b: number): void {
    const { i32 } = this;
    const [first, second] = [this.originOf(a), this.originOf(b)];
    i32[PLACES + first] = first ^ b;
    i32[PLACES + second] = second ^ a;
    this.isSwapped = true;
    this.touch(PLACES + first);
    this.touch(PLACES + second);
  }
  /** A record has been undone, which made so many keys in a shard. Its latch is held. */
  takeBack({ shard, previous, kind }: UndoRecord, database: number, keys: number): void {
    if (isOfKeys(kind)) this.i32[LAST + shard] = previous;
    if (keys !== 0) this.count(database, shard, keys);
  }

  // ---- what mutations say ----

  replaced(keyspace: Keyspace, old: number, fresh: number, isSameValue: boolean): boolean {
    const wasFresh = old !== 0 && this.isFresh(keyspace, old);
    if (wasFresh) this.forget(keyspace, old);
    if (old !== 0) this.notedIn[notedAt(keyspace, old)] = 0;
    if (isSameValue) {
      if (wasFresh) this.addFresh(keyspace, fresh);
      else this.putKey(keyspace, EXPIRY, keyspace.type(old), keyspace.expiryMs(old), NO_BYTES, 0, 0);
      return false;
    }
    if (old === 0) this.count(keyspace.database, keyspace.bank.index, 1);
    else if (fresh === 0) this.count(keyspace.database, keyspace.bank.index, -1);
    if (fresh !== 0) this.addFresh(keyspace, fresh);
    if (wasFresh) return false;
    this.putKey(keyspace, KEY, 0, old, NO_BYTES, 0, 0);
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
    if (this.isFresh(keyspace, entry)) return;
    this.room(keyspace, 0);
    this.putKey(keyspace, EXPIRY, keyspace.type(entry), keyspace.expiryMs(entry), NO_BYTES, 0, 0);
  }
  changing(keyspace: Keyspace, entry: number): void {
    if (keyspace.type(entry) !== TYPE_STREAM || this.isFresh(keyspace, entry)) return;
    // No records of its own for this type: a copy is kept, and the value counts as made by the transaction.
    this.room(keyspace, 0);
    const { bank } = keyspace;
    const ref = operationsOf(TYPE_STREAM).copy(bank, keyspace.valueRef(entry), keyspace.encoding(entry), bank);
    if (ref === 0) throw new OutOfMemory();
    const kept = keyspace.buildDetached(entry, ref);
    this.putKey(keyspace, KEY, 0, kept, NO_BYTES, 0, 0);
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
    const { database, bytes, start: toStart, end: toEnd, bank } = keyspace;
    const entry = keyspace.findAny();
    const [type, expiryMs] = [keyspace.type(entry), keyspace.expiryMs(entry)];
    keyspace.locate(fromDatabase, from, start, end);
    // Nothing to be undone: for others, who don't see the move yet.
    this.putKey(keyspace, EXPIRY, type, expiryMs, NO_BYTES, 0, 0);
    this.count(fromDatabase, bank.index, -1);
    keyspace.locate(database, bytes, toStart, toEnd);
    this.putKey(keyspace, MOVE_BACK, 0, fromDatabase, from, start, end);
    this.count(database, bank.index, 1);
  }
  swapped(keyspace: Keyspace, a: number, b: number): void {
    keyspace.enter(a, 0);
    this.note(keyspace, SWAP, b, NO_BYTES, 0, 0);
    this.exchange(a, b);
  }
}

/** True for records that say which keys there were. */
function isOfKeys(kind: number): boolean {
  return kind === KEY || kind === EXPIRY || kind === MOVE_BACK;
}
