/**
 * A sorted set: members with scores, found by member through a hash table (dict.ts) and by order through a counting B+-tree
 * (ordered.ts). Each member has one node; table and tree hold its ref, so its bytes and its score exist once.
 *
 *   header, 11 words                           node of a member
 *   +0 root of the tree   +1 its height        word 0  next in the bucket
 *   +2 count                                   word 1  meta (dict.ts: tag and length)
 *   +3 .. +6 the table (dict.ts)               word 2  score, the lower 32 bits of the double
 *   +7 first leaf         +8 last leaf         word 3  score, the upper 32 bits
 *   +9 seed of the members' hashes             [word 4 length of a member above 255 bytes]
 *                                              member's bytes
 *
 * One member: node 'ab' with score 1.5: 00000000 00000251 00000000 3ff80000 ....6261 (meta: tag 51, length 2).
 * It takes 4 bytes of bucket, 16 of node words, its bytes, and 12 in a leaf that is at least two thirds full on average.
 *
 * Contract: writers hold the exclusive latch of the shard, readers at least the shared one. A node lives until its member is
 * removed; its ref doesn't change with its score.
 */
import { viewOf } from '../base/copy-words.ts';
import { hashBytes } from '../base/hash.ts';
import { KeyWords, MAX_WORD_KEY_BYTES } from '../base/key-words.ts';
import type { Bank } from '../memory/bank.ts';
import * as dict from './dict.ts';
import { META_LONG_KEY } from './dict.ts';
import * as ordered from './ordered.ts';
import { FIXED_WORDS } from './ordered.ts';

const HEADER_WORDS = 11;
const ROOT = 0;
const COUNT = 2;
const SEED = 9;
const META = 1;
const SCORE_LOW = 2;
const SCORE_HIGH = 3;

const scratch = new Float64Array(1);
const scratchWords = new Int32Array(scratch.buffer);

/** An empty sorted set, or 0 when the bank is full. */
export function create(bank: Bank, seed: number): number {
  const set = bank.alloc(HEADER_WORDS);
  if (set === 0) return 0;
  bank.i32.fill(0, set, set + HEADER_WORDS);
  bank.i32[set + SEED] = seed;
  return set;
}
export function size(bank: Bank, set: number): number {
  return bank.i32[set + COUNT]!;
}
export function scoreOf(i32: Int32Array, node: number): number {
  scratchWords[0] = i32[node + SCORE_LOW]!;
  scratchWords[1] = i32[node + SCORE_HIGH]!;
  return scratch[0]!;
}
function storeScore(i32: Int32Array, node: number, score: number): void {
  scratch[0] = score;
  i32[node + SCORE_LOW] = scratchWords[0]!;
  i32[node + SCORE_HIGH] = scratchWords[1]!;
}
/** First byte of a node's member in `bank.u8`. */
export function memberStart(i32: Int32Array, node: number): number {
  return dict.keyStartByte(i32, node, FIXED_WORDS);
}
export function memberLength(i32: Int32Array, node: number): number {
  return dict.keyLengthBytes(i32, node, FIXED_WORDS);
}

/** The member that was looked for or added last. */
const key = new KeyWords();

/** The node of a member, or 0. */
export function find(bank: Bank, set: number, bytes: Uint8Array, start: number, end: number): number {
  const { i32 } = bank;
  const seed = i32[set + SEED]!;
  if (end - start > MAX_WORD_KEY_BYTES) {
    return dict.find(i32, set, bank, bytes, start, end, hashBytes(bytes, start, end, seed), FIXED_WORDS);
  }
  key.read(viewOf(bytes), start, end, seed);
  return dict.findWords(i32, set, bank, key.words, end - start, key.hash, FIXED_WORDS);
}

/** Adds a member that isn't there yet. Returns its node, or 0 when the bank is full: nothing has changed then. */
export function add(bank: Bank, set: number, bytes: Uint8Array, start: number, end: number, score: number): number {
  const { i32 } = bank;
  const seed = i32[set + SEED]!;
  const isShort = end - start <= MAX_WORD_KEY_BYTES;
  if (isShort) key.read(viewOf(bytes), start, end, seed);
  const hash = isShort ? key.hash : hashBytes(bytes, start, end, seed);
  const node = createNode(bank, bytes, start, end, hash);
  if (node === 0) return 0;
  storeScore(i32, node, score);
  if (!ordered.insert(bank, set, node, score)) {
    bank.free(node);
    return 0;
  }
  if (!dict.insert(i32, set, bank, node, hash, seed, FIXED_WORDS)) {
    ordered.erase(bank, set, node, score);
    bank.free(node);
    return 0;
  }
  return node;
}

/** A node for the member, which `key` holds if it isn't long. */
function createNode(bank: Bank, bytes: Uint8Array, start: number, end: number, hash: number): number {
  const length = end - start;
  const isLong = length > MAX_WORD_KEY_BYTES;
  const flags = isLong ? META_LONG_KEY : 0;
  const memberWord = dict.keyWord(flags, FIXED_WORDS);
  const node = bank.alloc(memberWord + ((length + 3) >>> 2));
  if (node === 0) return 0;
  const { i32, u8 } = bank;
  i32[node + META] = flags | (isLong ? 0 : length << 8) | dict.tagOf(hash);
  if (isLong) {
    i32[node + memberWord - 1] = length;
    u8.set(bytes.subarray(start, end), (node + memberWord) << 2);
    return node;
  }
  const { words } = key;
  for (let word = 0, count = (length + 3) >>> 2; word < count; word++) i32[node + memberWord + word] = words[word]!;
  return node;
}

/** Gives a node another score. False when the bank is full: nothing has changed then. */
export function setScore(bank: Bank, set: number, node: number, score: number): boolean {
  const { i32 } = bank;
  const old = scoreOf(i32, node);
  // Equal scores (0 and -0 among them) have one place in the order.
  if (old !== score && !ordered.move(bank, set, node, old, score)) return false;
  storeScore(i32, node, score);
  return true;
}

/** Removes a member's node and frees it. */
export function remove(bank: Bank, set: number, node: number): void {
  const { i32 } = bank;
  ordered.erase(bank, set, node, scoreOf(i32, node));
  dict.unlink(i32, set, bank, dict.linkOf(i32, set, bank, node, i32[set + SEED]!, FIXED_WORDS));
  bank.free(node);
}

/** The member's place by order, from 0. */
export function rank(bank: Bank, set: number, node: number): number {
  return ordered.rankOfNode(bank, set, node, scoreOf(bank.i32, node));
}
/** Members with a score below `score`, with `orEqual` those that have it too. */
export const rankOfScore = ordered.rankOfScore;
/** Members before the given bytes where all scores are equal, with `orEqual` the member of these bytes too. */
export const rankOfMember = ordered.rankOfMember;
/** Writes nodes from a rank on into `out`, upwards or downwards; returns how many. */
export const collect = ordered.collect;

/** A step of ZSCAN: see dict.ts's scan. */
export function scan(bank: Bank, set: number, cursor: number, visit: (node: number) => void): number {
  return dict.scan(bank.i32, set, bank, cursor, visit);
}

const freeNode = (bank: Bank, node: number): void => bank.free(node);

/** Frees about `budget` blocks of a set that nobody can reach any more; true when it's gone. */
export function freeSome(bank: Bank, set: number, budget: number): boolean {
  const { i32 } = bank;
  if (i32[set + ROOT] !== 0) {
    ordered.discardSome(bank, set, budget, freeNode);
    return false;
  }
  if (!dict.discardSome(i32, set, bank, budget)) return false;
  bank.free(set);
  return true;
}

const COPY_BATCH = 512;

/** A copy in another bank (or the same), or 0 when that one is full. */
export function copyTo(bank: Bank, set: number, target: Bank): number {
  const copy = create(target, bank.i32[set + SEED]!);
  if (copy === 0) return 0;
  const batch = new Int32Array(COPY_BATCH);
  const { i32 } = bank;
  for (let done = 0; done < size(bank, set); ) {
    const count = ordered.collect(bank, set, done, COPY_BATCH, false, batch);
    for (let index = 0; index < count; index++) {
      const node = batch[index]!;
      const start = memberStart(i32, node);
      if (add(target, copy, bank.u8, start, start + memberLength(i32, node), scoreOf(i32, node)) === 0) {
        while (!freeSome(target, copy, Number.MAX_SAFE_INTEGER));
        return 0;
      }
    }
    done += count;
  }
  return copy;
}

/** Words of all its blocks, the members' estimated from a sample of `samples` (0: exact). */
export function usedWords(bank: Bank, set: number, samples: number): number {
  const count = size(bank, set);
  const { i32 } = bank;
  const batch = new Int32Array(samples === 0 ? count : Math.min(samples, count));
  const seen = ordered.collect(bank, set, 0, batch.length, false, batch);
  let words = 0;
  for (let index = 0; index < seen; index++) words += bank.sizeWords(batch[index]!);
  const members = seen === 0 ? 0 : Math.round((words * count) / seen);
  return bank.sizeWords(set) + members + ordered.treeWords(bank, set) + dict.bucketCount(i32, set);
}

/** Throws with what doesn't hold: the tree's order and sizes, and that table and tree have the same members. */
export function check(bank: Bank, set: number): void {
  const { i32 } = bank;
  const count = ordered.checkTree(bank, set, (node) => scoreOf(i32, node));
  if (count !== size(bank, set)) throw new Error('sorted set check: the tree and the table differ in size');
  const batch = new Int32Array(count);
  ordered.collect(bank, set, 0, count, false, batch);
  for (const node of batch) {
    const start = memberStart(i32, node);
    if (find(bank, set, bank.u8, start, start + memberLength(i32, node)) !== node) {
      throw new Error('sorted set check: the table does not find a member of the tree');
    }
  }
}
