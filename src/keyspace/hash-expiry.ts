/**
 * Fields that expire. A hash that has had one hangs in its entry by a block that knows when its next field is over:
 *
 *   +0 expiry low, +1 expiry high   of the field that is over first: milliseconds since 1970; meaningless when there is none
 *   +2 place in the shard's heap of such hashes, -1 when it's in none
 *   +3 hash of the key, by which the entry is found from here
 *   +4 ref of the fields: a packed sequence of [field, value, expiry or 0], or a table
 *   +5 heap of the table's fields that expire: ref, +6 count, +7 capacity; zeros for a packed sequence
 *   +8 fields of the table that expire and are in no heap, as there was no room
 *
 * Both heaps are those of expiry-heap.ts. A field or a hash for which a heap had no room stands in none (its place is -1): it's over
 * all the same, only nobody comes to take it away.
 *
 * Contract: every call holds the exclusive latch of the hash's shard, unless nobody can reach the hash.
 */
import type { Bank } from '../memory/bank.ts';
import * as packed from '../structures/packed.ts';
import * as table from '../structures/table.ts';
import { heapInsert, heapMoved, heapRemove, heapTop } from './expiry-heap.ts';
import * as layout from './layout.ts';

const LOW = 0;
const HIGH = 1;
const PLACE = 2;
const KEY_HASH = 3;
const FIELDS = 4;
const HEAP = 5;
const HEAP_COUNT = 6;
const LOST = 8;
const BLOCK_WORDS = 9;
const TWO_32 = 4294967296;
const NO_PLACE = -1;
/** The block itself is what the shard's heap orders: its expiry stands at its beginning. */
const BLOCK_FIXED = 0;
/** In a table's node: behind low and high of the expiry. */
const NODE_PLACE = table.FIXED_WORDS + 2;

/** The heap's functions find their words at +11: this is where such a header would begin. */
const fieldHeap = (block: number): number => block + HEAP - layout.SHARD_HEAP;
const shardHeap = (head: number): number => head + layout.SHARD_FIELD_HEAP - layout.SHARD_HEAP;

/** A block for fields without any expiry so far, or 0 when the bank is full. */
export function createBlock(bank: Bank, fields: number): number {
  const block = bank.alloc(BLOCK_WORDS);
  if (block === 0) return 0;
  bank.i32.fill(0, block, block + BLOCK_WORDS);
  bank.i32[block + PLACE] = NO_PLACE;
  bank.i32[block + FIELDS] = fields;
  return block;
}
/** Frees the block and the heap of its fields; the fields themselves are the caller's. */
export function freeBlock(bank: Bank, block: number): void {
  if (bank.i32[block + HEAP] !== 0) bank.free(bank.i32[block + HEAP]!);
  bank.free(block);
}
export function blockWords(bank: Bank, block: number): number {
  const heap = bank.i32[block + HEAP]!;
  return BLOCK_WORDS + (heap === 0 ? 0 : bank.sizeWords(heap));
}
export function fieldsOf(bank: Bank, block: number): number {
  return bank.i32[block + FIELDS]!;
}
export function setFields(bank: Bank, block: number, fields: number): void {
  bank.i32[block + FIELDS] = fields;
}

// ---- the fields of a table ----

/** The node has an expiry now: puts it into the heap of fields. */
export function enter(bank: Bank, block: number, node: number): void {
  if (heapInsert(bank.i32, fieldHeap(block), bank, node, table.FIXED_WORDS)) return;
  bank.i32[node + NODE_PLACE] = NO_PLACE;
  bank.i32[block + LOST]!++;
}
/** The node has another expiry, or is another block of memory with the old one's words. */
export function moved(bank: Bank, block: number, node: number): void {
  if (bank.i32[node + NODE_PLACE] === NO_PLACE) {
    bank.i32[block + LOST]!--;
    enter(bank, block, node);
  } else heapMoved(bank.i32, fieldHeap(block), bank, node, table.FIXED_WORDS);
}
/** The node is about to lose its expiry. */
export function leave(bank: Bank, block: number, node: number): void {
  if (bank.i32[node + NODE_PLACE] === NO_PLACE) bank.i32[block + LOST]!--;
  else heapRemove(bank.i32, fieldHeap(block), bank, node, table.FIXED_WORDS);
}
/** The node of the field that is over first, or 0. */
export function firstNode(bank: Bank, block: number): number {
  return heapTop(bank.i32, fieldHeap(block), bank);
}
/**
 * How many fields of a table are over by `nowMs`: a walk down the heap that ends where fields are not, so it takes as long as there are
 * fields that the janitor hasn't come to yet. -1 when only a walk over all fields can tell.
 */
export function countOver(bank: Bank, block: number, nowMs: number): number {
  if (bank.i32[block + LOST] !== 0) return -1;
  return bank.i32[block + HEAP_COUNT] === 0 ? 0 : countOverFrom(bank, block, 0, nowMs);
}
function countOverFrom(bank: Bank, block: number, place: number, nowMs: number): number {
  const { i32 } = bank;
  if (place >= i32[block + HEAP_COUNT]! || table.expiryMs(bank, i32[i32[block + HEAP]! + place]!) > nowMs) return 0;
  return 1 + countOverFrom(bank, block, 2 * place + 1, nowMs) + countOverFrom(bank, block, 2 * place + 2, nowMs);
}
/** Puts all nodes with an expiry into the heap: after the table was copied or made. */
export function enterAll(bank: Bank, block: number): void {
  table.walk(bank, bank.i32[block + FIELDS]!, (node) => {
    if (table.expiryMs(bank, node) >= 0) enter(bank, block, node);
  });
}

// ---- the hash in its shard ----

/** When the first of the fields is over, or -1. */
function earliest(bank: Bank, block: number, isTable: boolean): number {
  if (isTable) {
    const node = firstNode(bank, block);
    return node === 0 ? -1 : table.expiryMs(bank, node);
  }
  const fields = bank.i32[block + FIELDS]!;
  let first = -1;
  for (let at = packed.first(bank, fields); at !== 0; ) {
    const expiryAt = packed.next(bank, fields, packed.next(bank, fields, at));
    const atMs = packed.readNumber(bank, expiryAt);
    if (atMs > 0 && (first < 0 || atMs < first)) first = atMs;
    at = packed.next(bank, fields, expiryAt);
  }
  return first;
}

/** Something about the fields' expiries has changed: brings the place of the hash in the shard's heap up to date. */
export function refresh(words: Int32Array, head: number, bank: Bank, block: number, isTable: boolean): void {
  const atMs = earliest(bank, block, isTable);
  if (atMs < 0) {
    detach(words, head, bank, block);
    return;
  }
  const { i32 } = bank;
  i32[block + LOW] = (atMs % TWO_32) | 0;
  i32[block + HIGH] = Math.floor(atMs / TWO_32);
  if (i32[block + PLACE] !== NO_PLACE) heapMoved(words, shardHeap(head), bank, block, BLOCK_FIXED);
  else if (!heapInsert(words, shardHeap(head), bank, block, BLOCK_FIXED)) i32[block + PLACE] = NO_PLACE;
}
/** The hash now belongs to a key. */
export function attach(words: Int32Array, head: number, bank: Bank, block: number, isTable: boolean, keyHash: number): void {
  bank.i32[block + KEY_HASH] = keyHash;
  refresh(words, head, bank, block, isTable);
}
export function detach(words: Int32Array, head: number, bank: Bank, block: number): void {
  if (bank.i32[block + PLACE] === NO_PLACE) return;
  heapRemove(words, shardHeap(head), bank, block, BLOCK_FIXED);
  bank.i32[block + PLACE] = NO_PLACE;
}
/** The block of the shard's hash whose field is over first, if that is by `nowMs`; else 0. */
export function dueBlock(words: Int32Array, head: number, bank: Bank, nowMs: number): number {
  const block = heapTop(words, shardHeap(head), bank);
  if (block === 0) return 0;
  return bank.i32[block + HIGH]! * TWO_32 + (bank.i32[block + LOW]! >>> 0) <= nowMs ? block : 0;
}
export function keyHashOf(bank: Bank, block: number): number {
  return bank.i32[block + KEY_HASH]!;
}
