/**
 * Keys that the requests of a pipeline name, hashed as they come in and brought into the cache together (structures/dict.ts, `warm`).
 * `locate` finds their hashes here again. Valid while the bytes that they lie in stay as they are: `begin` to `end`. One thread's own.
 */
import { KeyWords, MAX_WORD_KEY_BYTES, tagHash } from '../base/key-words.ts';
import type { Bank } from '../memory/bank.ts';
import * as dict from '../structures/dict.ts';
import * as layout from './layout.ts';

/** So many are hashed and read together: their lines fit into the first cache several times. */
export const MAX_WARM_KEYS = 128;
/** Fewer gain nothing. */
const FEWEST = 3;
/** A keyspace that the second cache holds is warm. */
const COLD_KIB = 512;
const NOTHING = new Uint8Array(0);

export class WarmKeys {
  private readonly control: Int32Array;
  private readonly seed: number;
  private readonly banks: readonly Int32Array[];
  private readonly key = new KeyWords();
  private bytes: Uint8Array = NOTHING;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private count = 0;
  /** The key that `find` looks at first: requests run in the order they came in. */
  private cursor = 0;
  private readonly starts = new Int32Array(MAX_WARM_KEYS);
  private readonly hashes = new Int32Array(MAX_WARM_KEYS);
  private readonly shards = new Int32Array(MAX_WARM_KEYS);
  private readonly heads = new Int32Array(MAX_WARM_KEYS);
  private readonly nodes = new Int32Array(MAX_WARM_KEYS);
  /** Keeps V8 from leaving out reads whose results nobody wants. */
  sum = 0;

  constructor(control: Int32Array, banks: readonly Bank[]) {
    this.control = control;
    this.seed = control[layout.GLOBAL_SEED]!;
    this.banks = banks.map((bank) => bank.i32);
  }

  /** Keys of these bytes follow, in ascending order. */
  begin(bytes: Uint8Array, view: DataView): void {
    this.bytes = bytes;
    this.view = view;
    this.count = 0;
    this.cursor = 0;
  }
  /** Adds the key in [start, end), unless it's too long. */
  add(database: number, start: number, end: number): void {
    if (end - start > MAX_WORD_KEY_BYTES || this.count === MAX_WARM_KEYS) return;
    const { key, count } = this;
    key.read(this.view, start, end, this.seed);
    const { hash } = key;
    const shard = (key.mayHaveTag ? tagHash(this.bytes, start, end, this.seed, hash) : hash) >>> 26;
    this.starts[count] = start;
    this.hashes[count] = hash;
    this.shards[count] = shard;
    this.heads[count] = layout.GLOBAL_WORDS + (database * layout.SHARDS + shard) * layout.SHARD_WORDS;
    this.count = count + 1;
  }
  get isFull(): boolean {
    return this.count === MAX_WARM_KEYS;
  }
  /** Brings the keys that were added into the cache. */
  warm(): void {
    const { control, count } = this;
    if (count < FEWEST || control[layout.GLOBAL_USED_KIB]! < COLD_KIB) return;
    this.sum = dict.warm(control, this.banks, this.shards, this.heads, this.hashes, this.nodes, count);
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
    return this.hashes[index]!;
  }
  shardOf(index: number): number {
    return this.shards[index]!;
  }
}
