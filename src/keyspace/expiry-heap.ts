/**
 * The keys of one shard that have an expiry, as a binary min-heap of refs by time: the next key to expire is on top,
 * so neither the active expiry nor volatile-ttl has to sample. An entry knows its place (word 7). Fields of a hash have such
 * a heap too, and the hashes with such fields: their time and place stand behind other `fixed` words.
 *
 *   header +11 ref of the array   +12 count   +13 capacity in words         parent of i: (i - 1) >> 1
 *
 * Contract: all calls hold the shard's exclusive latch.
 */
import type { Bank } from '../memory/bank.ts';

const HEAP = 11;
const COUNT = 12;
const CAPACITY = 13;
/** Words of an entry before its expiry (low, high) and its place; entries of the keyspace have 5. */
const FIXED_WORDS = 5;
const HIGH = 1;
const PLACE = 2;
const FIRST_CAPACITY_WORDS = 16;

function isEarlier(i32: Int32Array, a: number, b: number, fixed: number): boolean {
  const high = i32[a + fixed + HIGH]! - i32[b + fixed + HIGH]!;
  return high !== 0 ? high < 0 : i32[a + fixed]! >>> 0 < i32[b + fixed]! >>> 0;
}

/** False when there is no memory for the larger array. */
export function heapInsert(words: Int32Array, head: number, bank: Bank, entry: number, fixed = FIXED_WORDS): boolean {
  const count = words[head + COUNT]!;
  const capacity = words[head + CAPACITY]!;
  if (count === capacity) {
    const larger = bank.alloc(capacity === 0 ? FIRST_CAPACITY_WORDS : capacity + (capacity >>> 1));
    if (larger === 0) return false;
    const old = words[head + HEAP]!;
    if (old !== 0) {
      bank.i32.copyWithin(larger, old, old + count);
      bank.free(old);
    }
    words[head + HEAP] = larger;
    words[head + CAPACITY] = capacity === 0 ? FIRST_CAPACITY_WORDS : capacity + (capacity >>> 1);
  }
  words[head + COUNT] = count + 1;
  siftUp(bank.i32, words[head + HEAP]!, count, entry, fixed);
  return true;
}

/** The entry at the place it names has new bytes or a new time. */
export function heapMoved(words: Int32Array, head: number, bank: Bank, entry: number, fixed = FIXED_WORDS): void {
  const i32 = bank.i32;
  const heap = words[head + HEAP]!;
  const place = i32[entry + fixed + PLACE]!;
  if (place > 0 && isEarlier(i32, entry, i32[heap + ((place - 1) >> 1)]!, fixed)) siftUp(i32, heap, place, entry, fixed);
  else siftDown(i32, heap, words[head + COUNT]!, place, entry, fixed);
}

export function heapRemove(words: Int32Array, head: number, bank: Bank, entry: number, fixed = FIXED_WORDS): void {
  const i32 = bank.i32;
  const heap = words[head + HEAP]!;
  const place = i32[entry + fixed + PLACE]!;
  const last = words[head + COUNT]! - 1;
  words[head + COUNT] = last;
  if (place !== last) {
    const moved = i32[heap + last]!;
    i32[moved + fixed + PLACE] = place;
    heapMoved(words, head, bank, moved, fixed);
  }
  if (last === 0) {
    bank.free(heap);
    words[head + HEAP] = 0;
    words[head + CAPACITY] = 0;
  }
}

/** The entry that expires first, or 0. */
export function heapTop(words: Int32Array, head: number, bank: Bank): number {
  return words[head + COUNT] === 0 ? 0 : bank.i32[words[head + HEAP]!]!;
}

function siftUp(i32: Int32Array, heap: number, from: number, entry: number, fixed: number): void {
  let place = from;
  while (place > 0) {
    const up = (place - 1) >> 1;
    const parent = i32[heap + up]!;
    if (!isEarlier(i32, entry, parent, fixed)) break;
    i32[heap + place] = parent;
    i32[parent + fixed + PLACE] = place;
    place = up;
  }
  i32[heap + place] = entry;
  i32[entry + fixed + PLACE] = place;
}

function siftDown(i32: Int32Array, heap: number, count: number, from: number, entry: number, fixed: number): void {
  let place = from;
  for (;;) {
    let child = place * 2 + 1;
    if (child >= count) break;
    if (child + 1 < count && isEarlier(i32, i32[heap + child + 1]!, i32[heap + child]!, fixed)) child++;
    const below = i32[heap + child]!;
    if (!isEarlier(i32, below, entry, fixed)) break;
    i32[heap + place] = below;
    i32[below + fixed + PLACE] = place;
    place = child;
  }
  i32[heap + place] = entry;
  i32[entry + fixed + PLACE] = place;
}
