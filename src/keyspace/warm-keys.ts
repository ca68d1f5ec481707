/**
 * Keys that the requests of a pipeline name, hashed as they come in and brought into the cache together (structures/dict.ts, `warm`), and
 * then the fields and members that they name of the large collections under these keys, or the ends of lists. `locate` finds the keys'
 * hashes here again. Valid while the bytes that they lie in stay as they are: `begin` to `end`. One thread's own.
 */
import { KeyWords, MAX_WORD_KEY_BYTES, tagHash } from '../base/key-words.ts';
import type { Bank } from '../memory/bank.ts';
import { warmEnds } from '../structures/deque.ts';
import * as dict from '../structures/dict.ts';
import * as layout from './layout.ts';
import { TABLE_KINDS, TYPE_LIST } from './values.ts';

/** So many are hashed and read together: their lines fit into the first cache several times. */
export const MAX_WARM_KEYS = 128;
/** Fewer gain nothing. */
const FEWEST = 3;
/** A keyspace that the second cache holds is warm. */
const COLD_KIB = 512;
/** Collections that have fewer elements together are warm. */
const COLD_ELEMENTS = 4096;
/** Words of a member's node before its optional ones: those of a sorted set's have none. */
const MEMBER_FIXED_WORDS = 2;
const LIST_KINDS = new Uint8Array(256);
LIST_KINDS[TYPE_LIST] = 1;
const NOTHING = new Uint8Array(0);

export class WarmKeys {
  private readonly control: Int32Array;
  private readonly seed: number;
  private readonly banks: readonly Int32Array[];
  /** For each bank the control block: where the headers of keys' dicts are. */
  private readonly headers: readonly Int32Array[];
  private readonly key = new KeyWords();
  private bytes: Uint8Array = NOTHING;
  private view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the keys begin, in the order they came in, and which of the places below is theirs: keys that follow on themselves share one. */
  private count = 0;
  private readonly starts = new Int32Array(MAX_WARM_KEYS);
  private readonly places = new Int32Array(MAX_WARM_KEYS);
  /** The key that `find` looks at first: requests run in the order they came in. */
  private cursor = 0;

  private placeCount = 0;
  private readonly hashes = new Int32Array(MAX_WARM_KEYS);
  private readonly shards = new Int32Array(MAX_WARM_KEYS);
  private readonly heads = new Int32Array(MAX_WARM_KEYS);
  private readonly nodes = new Int32Array(MAX_WARM_KEYS);
  private lastStart = 0;
  private lastEnd = -1;

  private memberCount = 0;
  private readonly memberStarts = new Int32Array(MAX_WARM_KEYS);
  private readonly memberEnds = new Int32Array(MAX_WARM_KEYS);
  private readonly memberPlaces = new Int32Array(MAX_WARM_KEYS);
  private readonly tables = new Int32Array(MAX_WARM_KEYS);
  private readonly memberHashes = new Int32Array(MAX_WARM_KEYS);
  private readonly memberShards = new Int32Array(MAX_WARM_KEYS);
  private readonly memberTables = new Int32Array(MAX_WARM_KEYS);
  private readonly memberNodes = new Int32Array(MAX_WARM_KEYS);
  private readonly lists = new Int32Array(MAX_WARM_KEYS);
  private readonly listShards = new Int32Array(MAX_WARM_KEYS);
  /** Keeps V8 from leaving out reads whose results nobody wants. */
  sum = 0;

  constructor(control: Int32Array, banks: readonly Bank[]) {
    this.control = control;
    this.seed = control[layout.GLOBAL_SEED]!;
    this.banks = banks.map((bank) => bank.i32);
    this.headers = banks.map(() => control);
  }

  /** Keys of these bytes follow, in ascending order. */
  begin(bytes: Uint8Array, view: DataView): void {
    this.bytes = bytes;
    this.view = view;
    this.count = 0;
    this.cursor = 0;
    this.placeCount = 0;
    this.lastEnd = -1;
    this.memberCount = 0;
  }
  /** Adds the key in [start, end), unless it's too long. All keys are of one database. */
  add(database: number, start: number, end: number): void {
    if (end - start > MAX_WORD_KEY_BYTES || this.count === MAX_WARM_KEYS) return;
    const { count } = this;
    if (!this.isLast(start, end)) this.addPlace(database, start, end);
    this.starts[count] = start;
    this.places[count] = this.placeCount - 1;
    this.count = count + 1;
  }
  /** Whether these bytes are those of the key that was added last. */
  private isLast(start: number, end: number): boolean {
    const { view, lastStart } = this;
    const size = end - start;
    if (size !== this.lastEnd - lastStart) return false;
    let at = 0;
    while (at + 4 <= size && view.getInt32(start + at, true) === view.getInt32(lastStart + at, true)) at += 4;
    while (at < size && view.getUint8(start + at) === view.getUint8(lastStart + at)) at++;
    return at === size;
  }
  private addPlace(database: number, start: number, end: number): void {
    const { key, placeCount } = this;
    key.read(this.view, start, end, this.seed);
    const { hash } = key;
    const shard = (key.mayHaveTag ? tagHash(this.bytes, start, end, this.seed, hash) : hash) >>> 26;
    this.hashes[placeCount] = hash;
    this.shards[placeCount] = shard;
    this.heads[placeCount] = layout.GLOBAL_WORDS + (database * layout.SHARDS + shard) * layout.SHARD_WORDS;
    this.placeCount = placeCount + 1;
    this.lastStart = start;
    this.lastEnd = end;
  }
  /** Adds a field or a member in [start, end) of what the key holds that was added last. */
  addMember(start: number, end: number): void {
    const { memberCount } = this;
    if (end - start > MAX_WORD_KEY_BYTES || memberCount === MAX_WARM_KEYS || this.placeCount === 0) return;
    this.memberStarts[memberCount] = start;
    this.memberEnds[memberCount] = end;
    this.memberPlaces[memberCount] = this.placeCount - 1;
    this.memberCount = memberCount + 1;
  }
  get isFull(): boolean {
    return this.count === MAX_WARM_KEYS;
  }
  /** Brings what was added into the cache. */
  warm(): void {
    const { control, placeCount, memberCount } = this;
    if (control[layout.GLOBAL_USED_KIB]! < COLD_KIB || (placeCount < FEWEST && memberCount < FEWEST)) return;
    this.sum = dict.warm(this.headers, this.banks, this.shards, this.heads, this.hashes, this.nodes, placeCount);
    if (memberCount >= FEWEST) {
      if (this.countElements() >= COLD_ELEMENTS) this.warmMembers();
    } else this.warmLists();
  }
  /** The ends of those lists that the keys lead to. */
  private warmLists(): void {
    const { banks, shards, nodes, hashes, lists, listShards, placeCount } = this;
    let count = 0;
    for (let place = 0; place < placeCount; place++) {
      const list = dict.guessValue(banks[shards[place]!]!, nodes[place]!, hashes[place]!, LIST_KINDS);
      if (list === 0) continue;
      lists[count] = list;
      listShards[count++] = shards[place]!;
    }
    // Their scratch is that of members, of which there are none.
    if (count >= FEWEST) this.sum ^= warmEnds(banks, listShards, lists, this.memberNodes, this.memberHashes, count);
  }
  /** Guesses which of the keys hold a table; returns how many elements these tables have. */
  private countElements(): number {
    const { banks, shards, nodes, hashes, tables, placeCount } = this;
    let elements = 0;
    for (let place = 0; place < placeCount; place++) {
      const i32 = banks[shards[place]!]!;
      const table = dict.guessValue(i32, nodes[place]!, hashes[place]!, TABLE_KINDS);
      tables[place] = table;
      if (table !== 0) elements += dict.guessCount(i32, table);
    }
    return elements;
  }
  private warmMembers(): void {
    const { key, view, seed, banks, memberCount, memberPlaces, memberHashes, memberShards, memberTables } = this;
    let count = 0;
    for (let member = 0; member < memberCount; member++) {
      const place = memberPlaces[member]!;
      const table = this.tables[place]!;
      if (table === 0) continue;
      // Tables have the keyspace's seed. One that hadn't would be read at other places, and be none the worse for it.
      key.read(view, this.memberStarts[member]!, this.memberEnds[member]!, seed);
      memberHashes[count] = key.hash;
      memberShards[count] = this.shards[place]!;
      memberTables[count++] = table;
    }
    this.sum ^= dict.warm(banks, banks, memberShards, memberTables, memberHashes, this.memberNodes, count, MEMBER_FIXED_WORDS);
  }
  /** The bytes are about to change. */
  end(): void {
    this.bytes = NOTHING;
    this.count = 0;
  }

  /** The number of the key at `start` of `bytes`, or -1. */
  find(bytes: Uint8Array, start: number): number {
    if (bytes !== this.bytes) return -1;
    const { starts, count } = this;
    let at = this.cursor;
    // A command on many keys asks for all of them twice: for their latches, and in its handler.
    if (at > 0 && start <= starts[at - 1]!) at = 0;
    while (at < count && starts[at]! < start) at++;
    this.cursor = at;
    return at < count && starts[at] === start ? at : -1;
  }
  hashOf(index: number): number {
    return this.hashes[this.places[index]!]!;
  }
  shardOf(index: number): number {
    return this.shards[this.places[index]!]!;
  }
}
