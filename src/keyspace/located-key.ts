/**
 * The key that the calls of a keyspace mean, and where it is: its hash, its shard's header, its bank. `locate` sets it from bytes of a
 * request, `enter` and `focus` from an entry that a walk has found. No latch is needed until something is looked up.
 */
import { hashBytes } from '../base/hash.ts';
import { KeyWords, MAX_WORD_KEY_BYTES, tagHash } from '../base/key-words.ts';
import { Bank } from '../memory/bank.ts';
import * as dict from '../structures/dict.ts';
import * as layout from './layout.ts';
import { WarmKeys } from './warm-keys.ts';

export class LocatedKey {
  readonly control: Int32Array;
  readonly banks: Bank[];
  readonly seed: number;
  /** Keys of the requests that come next. */
  readonly warm: WarmKeys;

  // The key that `locate` found the place of.
  database = 0;
  bank: Bank;
  head = 0;
  hash = 0;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  protected readonly key = new KeyWords();
  protected viewed: Uint8Array = new Uint8Array(0);
  protected view: DataView = new DataView(new ArrayBuffer(0));
  private otherViewed: Uint8Array = this.viewed;
  private otherView: DataView = this.view;

  constructor(control: SharedArrayBuffer, banks: readonly SharedArrayBuffer[]) {
    this.control = new Int32Array(control);
    this.banks = banks.map((buffer, index) => new Bank(buffer, index, this.control, layout.GLOBAL_USED_KIB));
    this.bank = this.banks[0]!;
    this.warm = new WarmKeys(this.control, this.banks);
    this.seed = this.control[layout.GLOBAL_SEED]!;
  }

  /** Sets the key for the calls that follow, and returns the word of its shard's header. No latch is needed. */
  locate(database: number, bytes: Uint8Array, start: number, end: number): number {
    const { seed, warm } = this;
    let hash = 0;
    let shard = 0;
    const known = warm.find(bytes, start);
    if (known >= 0) {
      hash = warm.hashOf(known);
      shard = warm.shardOf(known);
      this.key.copy(this.viewOf(bytes), start, end, hash);
    } else if (end - start <= MAX_WORD_KEY_BYTES) {
      const { key } = this;
      key.read(this.viewOf(bytes), start, end, seed);
      hash = key.hash;
      shard = (key.mayHaveTag ? tagHash(bytes, start, end, seed, hash) : hash) >>> 26;
    } else {
      hash = hashBytes(bytes, start, end, seed);
      shard = tagHash(bytes, start, end, seed, hash) >>> 26;
    }
    this.database = database;
    this.hash = hash;
    if (this.bytes !== bytes) this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.bank = this.banks[shard]!;
    this.head = layout.GLOBAL_WORDS + (database * layout.SHARDS + shard) * layout.SHARD_WORDS;
    return this.head;
  }
  /** True when the current key lies there, among bytes that haven't changed since: all that `locate` would find is known. */
  isAt(database: number, bytes: Uint8Array, start: number, end: number): boolean {
    return start === this.start && end === this.end && bytes === this.bytes && database === this.database;
  }
  /** The bytes that the current key lies in are about to change. */
  forgetPlace(): void {
    this.start = -1;
    this.end = -1;
  }
  /** A view to read words from bytes at any place; the last two are kept, as requests come many to a buffer. */
  viewOf(bytes: Uint8Array): DataView {
    if (this.viewed === bytes) return this.view;
    // Scripts take turns between the bytes of their job and of their calls.
    const { view, viewed, otherViewed } = this;
    this.view = otherViewed === bytes ? this.otherView : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.viewed = bytes;
    this.otherViewed = viewed;
    this.otherView = view;
    return this.view;
  }

  /** Takes the shard of an entry found by a walk (expiry, eviction, SCAN) as the current one. */
  enter(database: number, shard: number): void {
    this.forgetPlace();
    this.database = database;
    this.bank = this.banks[shard]!;
    this.head = layout.shardBase(database, shard);
  }
  /** Makes an entry of the entered shard the current key; its bytes are those in the bank. */
  focus(entry: number): void {
    const i32 = this.bank.i32;
    this.bytes = this.bank.u8;
    this.start = dict.keyStartByte(i32, entry);
    this.end = this.start + dict.keyLengthBytes(i32, entry);
    if (this.end - this.start <= MAX_WORD_KEY_BYTES) {
      this.key.readWords(i32, this.start >>> 2, this.end - this.start, this.seed);
      this.hash = this.key.hash;
    } else this.hash = hashBytes(this.bytes, this.start, this.end, this.seed);
  }

  /** The current key's entry, whether its time is over or not; 0 for none. Its latch is held. */
  protected find(): number {
    const length = this.end - this.start;
    return length <= MAX_WORD_KEY_BYTES
      ? dict.findWords(this.control, this.head, this.bank, this.key.words, length, this.hash)
      : dict.find(this.control, this.head, this.bank, this.bytes, this.start, this.end, this.hash);
  }
  /** The word of the current key's version for WATCH. */
  watchWord(): number {
    return layout.WATCH_WORD + (((this.hash >>> 8) ^ (this.database << 12)) & (layout.WATCH_STRIPES - 1));
  }
}
