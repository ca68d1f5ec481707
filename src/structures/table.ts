/**
 * The table of a big hash or set: a dict (dict.ts) in a bank, with nodes of its own.
 *
 *   header, 8 words                               node of a member or field
 *   +0 words of all nodes and values              word 0  next in the bucket
 *   +1 seed of the hashes                         word 1  meta (dict.ts; bits 16-23: length of an inline value)
 *   +2 .. +6 the dict                             [2 expiry low, 3 expiry high: milliseconds since 1970; 4 place in a heap]
 *   +7 first bucket that isn't drained yet        [ref of the value]  when it is longer than 255 bytes
 *                                                 [key length in bytes]  when it is above 255
 *                                                 key bytes, then an inline value's bytes
 *
 *   field "name" = "Ada":  00000000  00030451  656d616e 00616441        next 0; value of 3 bytes, key of 4, tag 51; "name" "Ada"
 *
 * A value outside of the node is a block of its own: word 0 its length in bytes, then the bytes. A member of a set is a key
 * with an empty value: 8 bytes, its own, and 4 in a bucket.
 *
 * Contract: writers hold the exclusive latch of the shard that owns the collection, readers at least the shared one. A node
 * is valid until it's removed or its value or expiry changes. `lastLink` is valid until the next change.
 */
import { copyWords, viewOf } from '../base/copy-words.ts';
import { hashBytes } from '../base/hash.ts';
import { KeyWords, MAX_WORD_KEY_BYTES } from '../base/key-words.ts';
import type { Bank } from '../memory/bank.ts';
import * as dict from './dict.ts';
import { META_EXPIRY, META_EXTERNAL, META_LONG_KEY } from './dict.ts';

const NODE_WORDS_USED = 0;
const SEED = 1;
const COUNT = 2;
const DRAINED = 7;
const HEADER_WORDS = 8;

const META = 1;
const EXPIRY_LOW = 2;
const EXPIRY_HIGH = 3;
const HEAP_PLACE = 4;
/** Words of a node before the optional ones. The expiry heap takes this, too. */
export const FIXED_WORDS = 2;
const MAX_INLINE_BYTES = 255;
/** What a new value in place may leave unused of its node. */
const MAX_SLACK_WORDS = 2;
const TWO_32 = 4294967296;
/** Up to here a loop over words is faster than a call that copies. */
const MAX_WORD_COPY_BYTES = 128;

if (EXPIRY_LOW !== FIXED_WORDS || HEADER_WORDS !== DRAINED + 1) throw new Error('table: the layout has a gap');

// ---- reading ----

export function length(bank: Bank, table: number): number {
  return bank.i32[table + COUNT]!;
}
/** Words of the bank that the table takes with all that belongs to it. */
export function usedWords(bank: Bank, table: number): number {
  return HEADER_WORDS + bank.i32[table + NODE_WORDS_USED]! + dict.bucketCount(bank.i32, table);
}

/** The key that was looked for or added last. */
const key = new KeyWords();

/** The node of a key, or 0. The link to it is `lastLink`. */
export function find(bank: Bank, table: number, bytes: Uint8Array, start: number, end: number): number {
  const i32 = bank.i32;
  const seed = i32[table + SEED]!;
  if (end - start > MAX_WORD_KEY_BYTES) {
    return dict.find(i32, table, bank, bytes, start, end, hashBytes(bytes, start, end, seed), FIXED_WORDS);
  }
  key.read(viewOf(bytes), start, end, seed);
  return dict.findWords(i32, table, bank, key.words, end - start, key.hash, FIXED_WORDS);
}
export function lastLink(): number {
  return dict.lastFoundLink();
}
export function linkOf(bank: Bank, table: number, node: number): number {
  return dict.linkOf(bank.i32, table, bank, node, bank.i32[table + SEED]!, FIXED_WORDS);
}
export function keyStart(bank: Bank, node: number): number {
  return dict.keyStartByte(bank.i32, node, FIXED_WORDS);
}
export function keyLength(bank: Bank, node: number): number {
  return dict.keyLengthBytes(bank.i32, node, FIXED_WORDS);
}
function externalRef(i32: Int32Array, node: number): number {
  return i32[node + FIXED_WORDS + ((i32[node + META]! >>> 24) & 1) * 3]!;
}
/** First byte of the value in `bank.u8`. */
export function valueStart(bank: Bank, node: number): number {
  const i32 = bank.i32;
  if (i32[node + META]! & META_EXTERNAL) return (externalRef(i32, node) + 1) << 2;
  return keyStart(bank, node) + keyLength(bank, node);
}
export function valueLength(bank: Bank, node: number): number {
  const i32 = bank.i32;
  const meta = i32[node + META]!;
  return meta & META_EXTERNAL ? i32[externalRef(i32, node)]! : (meta >>> 16) & 255;
}
/** Milliseconds since 1970, or -1 when the field stays. */
export function expiryMs(bank: Bank, node: number): number {
  const i32 = bank.i32;
  if ((i32[node + META]! & META_EXPIRY) === 0) return -1;
  return i32[node + EXPIRY_HIGH]! * TWO_32 + (i32[node + EXPIRY_LOW]! >>> 0);
}
/** Calls `visit(node)` for the buckets that the cursor stands for; returns the next cursor, 0 at the end (dict.ts). */
export function scan(bank: Bank, table: number, cursor: number, visit: (node: number) => void): number {
  return dict.scan(bank.i32, table, bank, cursor, visit);
}
/** Calls `visit(node)` for every node. The visitor changes nothing. */
export function walk(bank: Bank, table: number, visit: (node: number) => void): void {
  const i32 = bank.i32;
  const buckets = dict.bucketCount(i32, table);
  for (let bucket = 0; bucket < buckets; bucket++) {
    for (let node = i32[dict.bucketWord(i32, table, i32, bucket)]!; node !== 0; node = i32[node]!) visit(node);
  }
}
/** A node, each as likely as any other; the table isn't empty. `random` gives numbers of 32 bits. */
export function sample(bank: Bank, table: number, random: () => number): number {
  for (;;) {
    const node = dict.sampleFairly(bank.i32, table, bank, random(), random());
    if (node !== 0) return node;
  }
}

// ---- changing ----

/** An empty table, or 0 when the bank is full. */
export function create(bank: Bank, seed: number): number {
  const table = bank.alloc(HEADER_WORDS);
  if (table === 0) return 0;
  bank.i32.fill(0, table, table + HEADER_WORDS);
  bank.i32[table + SEED] = seed;
  return table;
}

/** Words of a node with such a key, value and expiry. */
function nodeWords(flags: number, keyBytes: number, inlineBytes: number): number {
  return dict.keyWord(flags, FIXED_WORDS) + ((keyBytes + inlineBytes + 3) >>> 2);
}

function allocValue(bank: Bank, bytes: Uint8Array, start: number, end: number): number {
  const ref = bank.alloc(1 + ((end - start + 3) >>> 2));
  if (ref === 0) return 0;
  bank.i32[ref] = end - start;
  bank.u8.set(bytes.subarray(start, end), (ref + 1) << 2);
  return ref;
}

/**
 * A node that isn't in the table yet: its key from `keyBytes`, its value from `valueBytes`; `flags` is META_EXPIRY or 0, the expiry
 * itself is the caller's to store. 0 when the bank is full.
 */
function build(
  bank: Bank,
  flags: number,
  tag: number,
  keyBytes: Uint8Array,
  start: number,
  end: number,
  valueBytes: Uint8Array,
  from: number,
  to: number,
): number {
  const keyLengthBytes = end - start;
  const valueLengthBytes = to - from;
  const isExternal = valueLengthBytes > MAX_INLINE_BYTES;
  const all = flags | (isExternal ? META_EXTERNAL : 0) | (keyLengthBytes > 255 ? META_LONG_KEY : 0);
  const value = isExternal ? allocValue(bank, valueBytes, from, to) : 0;
  if (isExternal && value === 0) return 0;
  const node = bank.alloc(nodeWords(all, keyLengthBytes, isExternal ? 0 : valueLengthBytes));
  if (node === 0) {
    if (isExternal) bank.free(value);
    return 0;
  }
  const { i32 } = bank;
  const keyAt = node + dict.keyWord(all, FIXED_WORDS);
  const inline = isExternal ? 0 : valueLengthBytes << 16;
  i32[node + META] = all | inline | (keyLengthBytes > 255 ? 0 : keyLengthBytes << 8) | tag;
  if (isExternal) i32[node + FIXED_WORDS + ((all >>> 24) & 1) * 3] = value;
  if (keyLengthBytes > 255) i32[keyAt - 1] = keyLengthBytes;
  copyBytes(keyBytes, start, end, bank, keyAt << 2);
  if (!isExternal) copyBytes(valueBytes, from, to, bank, (keyAt << 2) + keyLengthBytes);
  return node;
}
function copyBytes(from: Uint8Array, start: number, end: number, bank: Bank, at: number): void {
  if (end - start <= MAX_WORD_COPY_BYTES) copyWords(viewOf(from), start, bank.view, at, end - start);
  else bank.u8.set(from.subarray(start, end), at);
}

/** Puts a key that isn't there yet, with its value. Returns its node, or 0 when the bank is full. */
export function add(
  bank: Bank,
  table: number,
  keyBytes: Uint8Array,
  start: number,
  end: number,
  valueBytes: Uint8Array,
  from: number,
  to: number,
): number {
  const i32 = bank.i32;
  const seed = i32[table + SEED]!;
  const isShort = end - start <= MAX_WORD_KEY_BYTES;
  if (isShort) key.read(viewOf(keyBytes), start, end, seed);
  const hash = isShort ? key.hash : hashBytes(keyBytes, start, end, seed);
  const node = build(bank, 0, dict.tagOf(hash), keyBytes, start, end, valueBytes, from, to);
  if (node === 0) return 0;
  if (!dict.insert(i32, table, bank, node, hash, seed, FIXED_WORDS)) {
    freeNode(bank, node);
    return 0;
  }
  i32[table + NODE_WORDS_USED]! += wordsOf(bank, node);
  return node;
}
/** As `add`, for a member without a value. */
export function addMember(bank: Bank, table: number, bytes: Uint8Array, start: number, end: number): number {
  return add(bank, table, bytes, start, end, bytes, 0, 0);
}

function wordsOf(bank: Bank, node: number): number {
  const external = bank.i32[node + META]! & META_EXTERNAL ? bank.sizeWords(externalRef(bank.i32, node)) : 0;
  return bank.sizeWords(node) + external;
}
function freeNode(bank: Bank, node: number): void {
  if (bank.i32[node + META]! & META_EXTERNAL) bank.free(externalRef(bank.i32, node));
  bank.free(node);
}

/** Gives a node another value; `link` is the word that holds its ref. Returns the node, moved perhaps, or 0 when the bank is full. */
export function setValue(bank: Bank, table: number, node: number, link: number, bytes: Uint8Array, start: number, end: number): number {
  const { i32, u8 } = bank;
  const meta = i32[node + META]!;
  const lengthBytes = end - start;
  if ((meta & META_EXTERNAL) === 0 && lengthBytes <= MAX_INLINE_BYTES) {
    const keyBytes = keyLength(bank, node);
    const need = nodeWords(meta, keyBytes, lengthBytes);
    const have = bank.sizeWords(node);
    if (need <= have && have - need <= MAX_SLACK_WORDS) {
      i32[node + META] = (meta & ~0xff0000) | (lengthBytes << 16);
      copyBytes(bytes, start, end, bank, keyStart(bank, node) + keyBytes);
      return node;
    }
  }
  const at = keyStart(bank, node);
  const fresh = build(bank, meta & META_EXPIRY, meta & 255, u8, at, at + keyLength(bank, node), bytes, start, end);
  if (fresh === 0) return 0;
  if (meta & META_EXPIRY) for (let word = EXPIRY_LOW; word <= HEAP_PLACE; word++) i32[fresh + word] = i32[node + word]!;
  replace(bank, table, node, link, fresh);
  return fresh;
}
function replace(bank: Bank, table: number, node: number, link: number, fresh: number): void {
  const { i32 } = bank;
  i32[table + NODE_WORDS_USED]! += wordsOf(bank, fresh) - wordsOf(bank, node);
  i32[fresh] = i32[node]!;
  i32[link] = fresh;
  freeNode(bank, node);
}

/**
 * Sets a node's expiry, or takes it away with -1. Returns the node, moved if it hadn't one or has none any more, or 0 when the bank is
 * full. The place in the heap is the caller's to store.
 */
export function setExpiry(bank: Bank, table: number, node: number, link: number, atMs: number): number {
  const { i32, u8 } = bank;
  const meta = i32[node + META]!;
  const has = (meta & META_EXPIRY) !== 0;
  if (!has && atMs < 0) return node;
  let fresh = node;
  if (has !== atMs >= 0) {
    const key = keyStart(bank, node);
    const value = valueStart(bank, node);
    const keyEnd = key + keyLength(bank, node);
    const valueEnd = value + valueLength(bank, node);
    fresh = build(bank, atMs >= 0 ? META_EXPIRY : 0, meta & 255, u8, key, keyEnd, u8, value, valueEnd);
    if (fresh === 0) return 0;
    replace(bank, table, node, link, fresh);
  }
  if (atMs >= 0) {
    i32[fresh + EXPIRY_LOW] = (atMs % TWO_32) | 0;
    i32[fresh + EXPIRY_HIGH] = Math.floor(atMs / TWO_32);
  }
  return fresh;
}

/** Takes the node out that `link` refers to, and frees it. */
export function remove(bank: Bank, table: number, link: number): void {
  const { i32 } = bank;
  const node = i32[link]!;
  i32[table + NODE_WORDS_USED]! -= wordsOf(bank, node);
  dict.unlink(i32, table, bank, link);
  freeNode(bank, node);
}

/** A copy in the same bank or another, nodes with their expiries but outside of any heap; 0 when that bank is full. */
export function copy(bank: Bank, table: number, to: Bank): number {
  const fresh = create(to, bank.i32[table + SEED]!);
  if (fresh === 0) return 0;
  let isFull = false;
  walk(bank, table, (node) => {
    if (!isFull && !copyNode(bank, node, to, fresh)) isFull = true;
  });
  if (!isFull) return fresh;
  while (!freeSome(to, fresh, 65536));
  return 0;
}
function copyNode(bank: Bank, node: number, to: Bank, table: number): boolean {
  const key = keyStart(bank, node);
  const value = valueStart(bank, node);
  const keyEnd = key + keyLength(bank, node);
  const valueEnd = value + valueLength(bank, node);
  const copied = add(to, table, bank.u8, key, keyEnd, bank.u8, value, valueEnd);
  if (copied === 0) return false;
  const atMs = expiryMs(bank, node);
  return atMs < 0 || setExpiry(to, table, copied, linkOf(to, table, copied), atMs) !== 0;
}

/** Frees about `limit` blocks: nodes, then segments of buckets, then the header; true when the table is gone. */
export function freeSome(bank: Bank, table: number, limit: number): boolean {
  const { i32 } = bank;
  const buckets = dict.bucketCount(i32, table);
  let left = limit;
  let bucket = i32[table + DRAINED]!;
  for (; bucket < buckets; bucket++) {
    const link = dict.bucketWord(i32, table, i32, bucket);
    let node = i32[link]!;
    for (; node !== 0 && left > 0; left--) {
      const next = i32[node]!;
      freeNode(bank, node);
      node = next;
    }
    i32[link] = node;
    if (left <= 0) break;
  }
  if (bucket < buckets) {
    i32[table + DRAINED] = bucket;
    return false;
  }
  if (!dict.discardSome(i32, table, bank, left)) return false;
  bank.free(table);
  return true;
}

/** Walks the table and throws where something doesn't add up. */
export function check(bank: Bank, table: number): void {
  const { i32 } = bank;
  let count = 0;
  let words = 0;
  walk(bank, table, (node) => {
    count++;
    words += wordsOf(bank, node);
    const start = keyStart(bank, node);
    if (find(bank, table, bank.u8, start, start + keyLength(bank, node)) !== node) throw new Error('table: a node is not found');
  });
  if (count !== i32[table + COUNT]) throw new Error('table: the count is not the number of nodes');
  if (words !== i32[table + NODE_WORDS_USED]) throw new Error('table: the words of the nodes are counted wrong');
}
