/**
 * A hash table by linear hashing (W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB 1980):
 * it grows and shrinks by one bucket at a time, so no step ever depends on how many keys there are, and the memory
 * for buckets follows the number of keys closely (4 bytes a key), with no second table.
 *
 *   header (in `words`, at `head`)        directory            segment: 1024 buckets     node
 *   +2 count          nodes               ref of segment 0 ──► ref ──────────────────►  word 0  next node in the bucket
 *   +3 directory      ref ──────────────► ref of segment 1     0                        word 1  meta (below)
 *   +4 lowMask        2^L - 1             ...                  ...                      word 2+ the owner's header words
 *   +5 split          next bucket to split                                              key bytes, value bytes
 *   +6 capacity       of the directory, words
 *
 * A dict of one segment has a smaller one: a power of two of buckets, 16 at least, that doubles and halves with them.
 *
 * Bucket of a hash: h & lowMask, or with one more bit where that bucket was split already.
 *
 * The header is a shard's or that of a collection. `fixed` is how many words a node has before its optional ones: next,
 * meta, and what its owner keeps there. Entries of the keyspace have 5, which is what calls without it mean.
 *
 * meta:  bits 0-7   tag       (hash >>> 18) & 255, so that most other keys of a bucket are passed without reading them
 *        bits 8-15  keyLength bytes, when LONG_KEY is not set
 *        bits 16-23 the owner's (the keyspace: length of an inline value, or type and encoding)
 *        bit  24 EXPIRY   3 words more in the node      bit 25 EXTERNAL  1 word more: ref of the value
 *        bit  26 LONG_KEY 1 word more: key length       bits 27-31 the owner's
 *
 * Contract: writers hold the exclusive latch of the shard, readers at least the shared one; a node dies only under the
 * exclusive latch. Functions take the views they work on, so that V8 keeps them in registers.
 */

import { hashWords } from '../base/hash.ts';
import type { Bank } from '../memory/bank.ts';

export const META_EXPIRY = 1 << 24;
export const META_EXTERNAL = 1 << 25;
export const META_LONG_KEY = 1 << 26;

const COUNT = 2;
const DIRECTORY = 3;
const LOW_MASK = 4;
const SPLIT = 5;
const CAPACITY = 6;

const NEXT = 0;
const META = 1;
/** Words of the keyspace's entries before the optional ones: next, meta, and its list links and stamp. */
const FIXED_WORDS = 5;

const SEGMENT_SHIFT = 10;
const SEGMENT_BUCKETS = 1 << SEGMENT_SHIFT;
const SEGMENT_MASK = SEGMENT_BUCKETS - 1;
const FIRST_BUCKETS = 16;
const FIRST_DIRECTORY_WORDS = 4;
const TAG_SHIFT = 18;
/** From a node's beginning to the last word that `warm` reads of it. */
const WARM_WORDS = 15;
/** A bank has fewer words. */
const INDEX_BITS = 0x1fffffff;

/** Where the last successful `find` saw the node: the word that holds its ref. Valid until the dict changes. */
let foundLink = 0;
export function lastFoundLink(): number {
  return foundLink;
}

/** Where in a node its key begins: `fixed` + 3 expiry + 1 external + 1 long key. */
export function keyWord(meta: number, fixed = FIXED_WORDS): number {
  return fixed + ((meta >>> 24) & 1) * 3 + ((meta >>> 25) & 1) + ((meta >>> 26) & 1);
}
export function keyLengthBytes(i32: Int32Array, node: number, fixed = FIXED_WORDS): number {
  const meta = i32[node + META]!;
  return meta & META_LONG_KEY ? i32[node + keyWord(meta, fixed) - 1]! : (meta >>> 8) & 255;
}
export function keyStartByte(i32: Int32Array, node: number, fixed = FIXED_WORDS): number {
  return (node + keyWord(i32[node + META]!, fixed)) << 2;
}
export function tagOf(hash: number): number {
  return (hash >>> TAG_SHIFT) & 255;
}
export function bucketCount(words: Int32Array, head: number): number {
  return words[head + DIRECTORY] === 0 ? 0 : words[head + LOW_MASK]! + 1 + words[head + SPLIT]!;
}

/** The word that holds the first node of a bucket. */
export function bucketWord(words: Int32Array, head: number, i32: Int32Array, bucket: number): number {
  return i32[words[head + DIRECTORY]! + (bucket >>> SEGMENT_SHIFT)]! + (bucket & SEGMENT_MASK);
}

function bucketOf(words: Int32Array, head: number, hash: number): number {
  const lowMask = words[head + LOW_MASK]!;
  const bucket = hash & lowMask;
  return bucket < words[head + SPLIT]! ? hash & (lowMask * 2 + 1) : bucket;
}

/** The node of a key, or 0. Leaves the link to it for `lastFoundLink`. */
export function find(
  words: Int32Array,
  head: number,
  bank: Bank,
  bytes: Uint8Array,
  start: number,
  end: number,
  hash: number,
  fixed = FIXED_WORDS,
): number {
  if (words[head + DIRECTORY] === 0) return 0;
  const i32 = bank.i32;
  const u8 = bank.u8;
  const length = end - start;
  const wanted = ((hash >>> TAG_SHIFT) & 255) | (length < 256 ? length << 8 : META_LONG_KEY);
  const care = length < 256 ? 0xffff | META_LONG_KEY : 0xff | META_LONG_KEY;
  let link = bucketWord(words, head, i32, bucketOf(words, head, hash));
  let node = i32[link]!;
  while (node !== 0) {
    const meta = i32[node + META]!;
    if ((meta & care) === wanted) {
      const keyAt = node + fixed + ((meta >>> 24) & 1) * 3 + ((meta >>> 25) & 1) + ((meta >>> 26) & 1);
      if (length < 256 || i32[keyAt - 1] === length) {
        let a = keyAt << 2;
        let b = start;
        while (b < end && u8[a] === bytes[b]) {
          a++;
          b++;
        }
        if (b === end) {
          foundLink = link;
          return node;
        }
      }
    }
    link = node + NEXT;
    node = i32[link]!;
  }
  return 0;
}

/** As `find`, for a key of up to 255 bytes that is given as words, the last one filled up with zeros. */
export function findWords(
  words: Int32Array,
  head: number,
  bank: Bank,
  key: Int32Array,
  lengthBytes: number,
  hash: number,
  fixed = FIXED_WORDS,
): number {
  const directory = words[head + DIRECTORY]!;
  if (directory === 0) return 0;
  const i32 = bank.i32;
  const wanted = ((hash >>> TAG_SHIFT) & 255) | (lengthBytes << 8);
  const whole = lengthBytes >>> 2;
  const rest = lengthBytes & 3;
  const restMask = (1 << (rest * 8)) - 1;
  const lowMask = words[head + LOW_MASK]!;
  // As bucketOf, without a branch: it would be guessed wrong every other time.
  const isSplit = ((hash & lowMask) - words[head + SPLIT]!) >> 31;
  const bucket = hash & (lowMask + ((lowMask + 1) & isSplit));
  let link = i32[directory + (bucket >>> SEGMENT_SHIFT)]! + (bucket & SEGMENT_MASK);
  let node = i32[link]!;
  while (node !== 0) {
    const meta = i32[node + META]!;
    if ((meta & (0xffff | META_LONG_KEY)) === wanted) {
      const keyAt = node + fixed + ((meta >>> 24) & 1) * 3 + ((meta >>> 25) & 1);
      let word = 0;
      while (word < whole && i32[keyAt + word] === key[word]) word++;
      if (word === whole && (rest === 0 || (i32[keyAt + whole]! & restMask) === key[whole])) {
        foundLink = link;
        return node;
      }
    }
    link = node + NEXT;
    node = i32[link]!;
  }
  return 0;
}

/**
 * Reads what `find` will read for keys that are looked for soon, so that their cache lines come at the same time and not one behind the
 * other: a lookup waits three times for memory, and the processor waits for a dozen loads at once if none needs another's result. Each
 * pass is a short loop of independent loads, without a branch that could be guessed wrong: 56 ns a key instead of 84 with branches, where
 * 100,000 keys don't fit into the second cache; the lookup behind it takes 95 ns instead of 300.
 *
 * No latch is held. What is read may be anything by then: nothing is concluded from it, and INDEX_BITS keep every place a small integer,
 * so that one outside of the bank gives undefined, which counts as 0. `heads` are the dicts' headers in `words` of their shards, `nodes`
 * is the first node of each bucket afterwards. Returns a sum that means nothing: without it V8 would leave out the loads.
 */
export function warm(
  words: readonly Int32Array[],
  banks: readonly Int32Array[],
  shards: Int32Array,
  heads: Int32Array,
  hashes: Int32Array,
  nodes: Int32Array,
  count: number,
  fixed = FIXED_WORDS,
): number {
  for (let index = 0; index < count; index++) {
    const header = words[shards[index]!]!;
    const head = heads[index]! & INDEX_BITS;
    const hash = hashes[index]!;
    const lowMask = header[head + LOW_MASK]!;
    // All ones where the bucket was split already.
    const isSplit = ((hash & lowMask) - header[head + SPLIT]!) >> 31;
    const bucket = hash & (lowMask + ((lowMask + 1) & isSplit));
    const segment = banks[shards[index]!]![(header[head + DIRECTORY]! + (bucket >>> SEGMENT_SHIFT)) & INDEX_BITS]!;
    nodes[index] = segment + (bucket & SEGMENT_MASK);
  }
  for (let index = 0; index < count; index++) nodes[index] = banks[shards[index]!]![nodes[index]! & INDEX_BITS]!;
  let sum = 0;
  for (let index = 0; index < count; index++) sum ^= banks[shards[index]!]![(nodes[index]! + META) & INDEX_BITS]!;
  for (let index = 0; index < count; index++) {
    const i32 = banks[shards[index]!]!;
    const node = nodes[index]! & INDEX_BITS;
    const meta = i32[node + META]!;
    // All ones for the node of another key: the next one of the bucket is wanted. Else the value, or the end of the node that holds it.
    const isOther = -((meta ^ (hashes[index]! >>> TAG_SHIFT)) & 255) >> 31;
    const isOutside = -((meta >>> 25) & 1);
    const value = (i32[node + fixed + ((meta >>> 24) & 1) * 3]! & isOutside) | (node & ~isOutside);
    const next = ((i32[node]! & isOther) | (value & ~isOther)) & INDEX_BITS;
    sum ^= i32[next + META]! ^ i32[next + WARM_WORDS]!;
  }
  return sum;
}

/**
 * The ref of the value outside of the node, if the bucket that begins with `first` holds the hash's node in one of its first two places and
 * bits 16-23 of its meta are among `kinds` (not 0 there); else 0. Read without a latch, it may be anything: for `warm` alone.
 */
export function guessValue(i32: Int32Array, first: number, hash: number, kinds: Uint8Array): number {
  let node = first & INDEX_BITS;
  let meta = i32[node + META]!;
  if (((meta ^ (hash >>> TAG_SHIFT)) & 255) !== 0) {
    node = i32[node]! & INDEX_BITS;
    meta = i32[node + META]!;
  }
  if ((meta & META_EXTERNAL) === 0 || kinds[(meta >>> 16) & 255] === 0) return 0;
  return i32[node + FIXED_WORDS + ((meta >>> 24) & 1) * 3]! & INDEX_BITS;
}
/** How many nodes a dict has: read without a latch, see `guessValue`. */
export function guessCount(words: Int32Array, head: number): number {
  return words[head + COUNT]! | 0;
}

/** The first node of the bucket that a hash belongs to, or 0. */
export function firstInBucket(words: Int32Array, head: number, bank: Bank, hash: number): number {
  return words[head + DIRECTORY] === 0 ? 0 : bank.i32[bucketWord(words, head, bank.i32, bucketOf(words, head, hash))]!;
}

/** The word that holds the ref of a node that is in the dict. */
export function linkOf(words: Int32Array, head: number, bank: Bank, node: number, seed: number, fixed = FIXED_WORDS): number {
  const i32 = bank.i32;
  let link = bucketWord(words, head, i32, bucketOf(words, head, hashOfNode(bank, node, seed, fixed)));
  while (i32[link] !== node) link = i32[link]! + NEXT;
  return link;
}

export function hashOfNode(bank: Bank, node: number, seed: number, fixed = FIXED_WORDS): number {
  const { i32 } = bank;
  return hashWords(i32, keyStartByte(i32, node, fixed) >>> 2, keyLengthBytes(i32, node, fixed), seed);
}

/** Puts a node whose key isn't there yet. False when the bank has no room for the first buckets. */
export function insert(
  words: Int32Array,
  head: number,
  bank: Bank,
  node: number,
  hash: number,
  seed: number,
  fixed = FIXED_WORDS,
): boolean {
  if (words[head + DIRECTORY] === 0 && !create(words, head, bank)) return false;
  const i32 = bank.i32;
  const link = bucketWord(words, head, i32, bucketOf(words, head, hash));
  i32[node + NEXT] = i32[link]!;
  i32[link] = node;
  words[head + COUNT]!++;
  if (words[head + COUNT]! > words[head + LOW_MASK]! + 1 + words[head + SPLIT]!) split(words, head, bank, seed, fixed);
  return true;
}

/** Takes the node out that `link` refers to. The node's memory is the caller's again. */
export function unlink(words: Int32Array, head: number, bank: Bank, link: number): void {
  const i32 = bank.i32;
  i32[link] = i32[i32[link]! + NEXT]!;
  words[head + COUNT]!--;
  const buckets = words[head + LOW_MASK]! + 1 + words[head + SPLIT]!;
  if (buckets > FIRST_BUCKETS && words[head + COUNT]! < buckets >>> 1) {
    // Two steps: buckets must disappear faster than keys, or emptying a dict would leave half of them.
    merge(words, head, bank);
    merge(words, head, bank);
  }
  if (words[head + COUNT] === 0) discard(words, head, bank);
}

/** Makes sure that the next insert finds its first buckets; false without memory. */
export function reserve(words: Int32Array, head: number, bank: Bank): boolean {
  return words[head + DIRECTORY] !== 0 || create(words, head, bank);
}
/** Words that the allocator counts for directory and segments. */
export function tableWords(words: Int32Array, head: number, bank: Bank): number {
  const directory = words[head + DIRECTORY]!;
  if (directory === 0) return 0;
  let total = bank.sizeWords(directory);
  const segments = (bucketCount(words, head) + SEGMENT_MASK) >>> SEGMENT_SHIFT;
  for (let index = 0; index < segments; index++) total += bank.sizeWords(bank.i32[directory + index]!);
  return total;
}
/** Gives up what `reserve` took, if nothing was inserted. */
export function discardEmpty(words: Int32Array, head: number, bank: Bank): void {
  if (words[head + COUNT] === 0) discard(words, head, bank);
}

function create(words: Int32Array, head: number, bank: Bank): boolean {
  const directory = bank.alloc(FIRST_DIRECTORY_WORDS);
  if (directory === 0) return false;
  const segment = bank.alloc(FIRST_BUCKETS);
  if (segment === 0) {
    bank.free(directory);
    return false;
  }
  const i32 = bank.i32;
  i32.fill(0, directory, directory + FIRST_DIRECTORY_WORDS);
  i32.fill(0, segment, segment + FIRST_BUCKETS);
  i32[directory] = segment;
  words[head + DIRECTORY] = directory;
  words[head + CAPACITY] = FIRST_DIRECTORY_WORDS;
  words[head + LOW_MASK] = FIRST_BUCKETS - 1;
  words[head + SPLIT] = 0;
  return true;
}

/** Frees buckets and directory; the nodes are not touched. */
export function discard(words: Int32Array, head: number, bank: Bank): void {
  const directory = words[head + DIRECTORY]!;
  if (directory === 0) return;
  const segments = ((words[head + LOW_MASK]! + words[head + SPLIT]!) >>> SEGMENT_SHIFT) + 1;
  for (let index = 0; index < segments; index++) bank.free(bank.i32[directory + index]!);
  bank.free(directory);
  words[head + DIRECTORY] = 0;
  words[head + CAPACITY] = 0;
  words[head + LOW_MASK] = 0;
  words[head + SPLIT] = 0;
}
/** As `discard`, of a dict that nobody can reach any more: frees about `limit` segments; true when all is free. */
export function discardSome(words: Int32Array, head: number, bank: Bank, limit: number): boolean {
  const directory = words[head + DIRECTORY]!;
  if (directory === 0) return true;
  let segments = ((words[head + LOW_MASK]! + words[head + SPLIT]!) >>> SEGMENT_SHIFT) + 1;
  for (let freed = 0; segments > 1 && freed < limit; freed++) bank.free(bank.i32[directory + --segments]!);
  // What is left are whole segments.
  words[head + LOW_MASK] = segments * SEGMENT_BUCKETS - 1;
  words[head + SPLIT] = 0;
  if (segments > 1) return false;
  discard(words, head, bank);
  return true;
}

/** One bucket more: the nodes of bucket `split` part by one more bit of their hash. Without memory the chains grow. */
function split(words: Int32Array, head: number, bank: Bank, seed: number, fixed: number): void {
  const i32 = bank.i32;
  const lowMask = words[head + LOW_MASK]!;
  const from = words[head + SPLIT]!;
  const to = from + lowMask + 1;
  if ((to & SEGMENT_MASK) === 0) {
    if (!addSegment(words, head, bank, to >>> SEGMENT_SHIFT)) return;
  } else if (from === 0 && to < SEGMENT_BUCKETS && !resizeOnly(words, head, bank, to, to * 2)) return;
  const fromLink = bucketWord(words, head, i32, from);
  const toLink = bucketWord(words, head, i32, to);
  let low = 0;
  let high = 0;
  let node = i32[fromLink]!;
  while (node !== 0) {
    const next = i32[node + NEXT]!;
    if (hashOfNode(bank, node, seed, fixed) & (lowMask + 1)) {
      i32[node + NEXT] = high;
      high = node;
    } else {
      i32[node + NEXT] = low;
      low = node;
    }
    node = next;
  }
  i32[fromLink] = low;
  i32[toLink] = high;
  if (from === lowMask) {
    words[head + LOW_MASK] = lowMask * 2 + 1;
    words[head + SPLIT] = 0;
  } else {
    words[head + SPLIT] = from + 1;
  }
}

/** Moves the only segment, which has room for less than SEGMENT_BUCKETS, to one of another size. */
function resizeOnly(words: Int32Array, head: number, bank: Bank, used: number, buckets: number): boolean {
  const directory = words[head + DIRECTORY]!;
  const old = bank.i32[directory]!;
  const fresh = bank.alloc(buckets);
  if (fresh === 0) return false;
  bank.i32.copyWithin(fresh, old, old + used);
  bank.i32[directory] = fresh;
  bank.free(old);
  return true;
}

function addSegment(words: Int32Array, head: number, bank: Bank, index: number): boolean {
  const i32 = bank.i32;
  let directory = words[head + DIRECTORY]!;
  const capacity = words[head + CAPACITY]!;
  if (index >= capacity) {
    const larger = bank.alloc(capacity * 2);
    if (larger === 0) return false;
    i32.copyWithin(larger, directory, directory + capacity);
    i32.fill(0, larger + capacity, larger + capacity * 2);
    bank.free(directory);
    directory = larger;
    words[head + DIRECTORY] = larger;
    words[head + CAPACITY] = capacity * 2;
  }
  const segment = bank.alloc(SEGMENT_BUCKETS);
  if (segment === 0) return false;
  i32[directory + index] = segment;
  return true;
}

/** One bucket less: the last one is joined to the one it was split from. */
function merge(words: Int32Array, head: number, bank: Bank): void {
  const i32 = bank.i32;
  if (words[head + LOW_MASK]! + 1 + words[head + SPLIT]! <= FIRST_BUCKETS) return;
  if (words[head + SPLIT] === 0) {
    words[head + LOW_MASK] = words[head + LOW_MASK]! >>> 1;
    words[head + SPLIT] = words[head + LOW_MASK]! + 1;
  }
  const to = words[head + SPLIT]! - 1;
  const from = to + words[head + LOW_MASK]! + 1;
  const fromLink = bucketWord(words, head, i32, from);
  let link = bucketWord(words, head, i32, to);
  while (i32[link] !== 0) link = i32[link]! + NEXT;
  i32[link] = i32[fromLink]!;
  words[head + SPLIT] = to;
  if ((from & SEGMENT_MASK) === 0) {
    const at = words[head + DIRECTORY]! + (from >>> SEGMENT_SHIFT);
    bank.free(i32[at]!);
    i32[at] = 0;
  } else if (to === 0 && from < SEGMENT_BUCKETS) {
    // Half of it is empty now. Without room for the smaller one the larger one stays: `split` copes with either.
    resizeOnly(words, head, bank, from, from);
  }
}

/** The bits of a hash in which those of one step of `scan` are the cursor's. */
export function bucketMask(words: Int32Array, head: number): number {
  return words[head + DIRECTORY] === 0 ? 0 : words[head + LOW_MASK]!;
}

/**
 * Calls `visit(node)` for the buckets that cursor stands for, and returns the next cursor, 0 at the end. The cursor counts
 * in reversed bits (Pieter Noordhuis's scheme for Redis's SCAN), so a bucket that was split or joined between two calls is
 * never missed: every key that stays is visited at least once.
 */
export function scan(words: Int32Array, head: number, bank: Bank, cursor: number, visit: (node: number) => void): number {
  if (words[head + DIRECTORY] === 0) return 0;
  const i32 = bank.i32;
  const lowMask = words[head + LOW_MASK]!;
  const splitAt = words[head + SPLIT]!;
  let at = cursor >>> 0;
  const bucket = at & lowMask;
  visitBucket(i32, bucketWord(words, head, i32, bucket), visit);
  if (bucket < splitAt) visitBucket(i32, bucketWord(words, head, i32, bucket + lowMask + 1), visit);
  at = reverseBits((reverseBits((at | ~lowMask) >>> 0) + 1) >>> 0);
  return at >>> 0;
}

function visitBucket(i32: Int32Array, link: number, visit: (node: number) => void): void {
  let node = i32[link]!;
  while (node !== 0) {
    const next = i32[node + NEXT]!;
    visit(node);
    node = next;
  }
}

function reverseBits(value: number): number {
  let v = value;
  v = ((v >>> 1) & 0x55555555) | ((v & 0x55555555) << 1);
  v = ((v >>> 2) & 0x33333333) | ((v & 0x33333333) << 2);
  v = ((v >>> 4) & 0x0f0f0f0f) | ((v & 0x0f0f0f0f) << 4);
  v = ((v >>> 8) & 0x00ff00ff) | ((v & 0x00ff00ff) << 8);
  return ((v >>> 16) | (v << 16)) >>> 0;
}

/** So many places a bucket are drawn from: hardly any chain is longer. */
const DRAWN_DEPTH = 8;

/**
 * A node drawn so that each is as likely as any other, or 0 when nothing was hit: draw again. `random` and `other` are independent, 0 to
 * 2^32-1. Of the places (bucket, depth below DRAWN_DEPTH) one is drawn, and it's empty or holds one node. Where a chain is longer, which
 * one member in thousands meets, all of it shares these places.
 */
export function sampleFairly(words: Int32Array, head: number, bank: Bank, random: number, other: number): number {
  const buckets = bucketCount(words, head);
  if (buckets === 0) return 0;
  const i32 = bank.i32;
  const first = i32[bucketWord(words, head, i32, (random >>> 0) % buckets)]!;
  if (first === 0) return 0;
  const drawn = (other >>> 0) % DRAWN_DEPTH;
  let length = 0;
  let node = first;
  for (let at = first; at !== 0; at = i32[at]!) {
    if (length++ === drawn) node = at;
    else if (length > DRAWN_DEPTH) return chainAt(i32, first, other);
  }
  return drawn < length ? node : 0;
}
/** One of a chain that is longer than DRAWN_DEPTH, by bits of `other` that haven't decided its place. */
function chainAt(i32: Int32Array, first: number, other: number): number {
  let length = 0;
  for (let node = first; node !== 0; node = i32[node]!) length++;
  let steps = (other >>> 3) % length;
  let node = first;
  while (steps-- > 0) node = i32[node]!;
  return node;
}

/** A node of a bucket drawn by `random` (0 to 2^32-1), or 0 if that bucket is empty. */
export function sample(words: Int32Array, head: number, bank: Bank, random: number): number {
  const buckets = bucketCount(words, head);
  if (buckets === 0) return 0;
  const i32 = bank.i32;
  const first = i32[bucketWord(words, head, i32, (random >>> 0) % buckets)]!;
  let length = 0;
  for (let node = first; node !== 0; node = i32[node + NEXT]!) length++;
  if (length === 0) return 0;
  let steps = (random >>> 7) % length;
  let node = first;
  while (steps-- > 0) node = i32[node + NEXT]!;
  return node;
}
