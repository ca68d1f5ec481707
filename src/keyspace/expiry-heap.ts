/**
 * The keys of one shard that have an expiry, as a binary min-heap of refs by time: the next key to expire is on top,
 * so neither the active expiry nor volatile-ttl has to sample. An entry knows its place (word 7).
 *
 *   header +11 ref of the array   +12 count   +13 capacity in words         parent of i: (i - 1) >> 1
 *
 * Contract: all calls hold the shard's exclusive latch.
 */
import type { Bank } from '../memory/bank.ts';

const HEAP = 11;
const COUNT = 12;
const CAPACITY = 13;
const EXPIRY_LOW = 5;
const EXPIRY_HIGH = 6;
const PLACE = 7;
const FIRST_CAPACITY_WORDS = 16;

function isEarlier(i32: Int32Array, a: number, b: number): boolean {
  const high = i32[a + EXPIRY_HIGH]! - i32[b + EXPIRY_HIGH]!;
  return high !== 0 ? high < 0 : i32[a + EXPIRY_LOW]! >>> 0 < i32[b + EXPIRY_LOW]! >>> 0;
}

/** False when there is no memory for the larger array. */
export function heapInsert(words: Int32Array, head: number, bank: Bank, entry: number): boolean {
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
  siftUp(bank.i32, words[head + HEAP]!, count, entry);
  return true;
}

/** The entry at the place it names has new bytes or a new time. */
export function heapMoved(words: Int32Array, head: number, bank: Bank, entry: number): void {
  const i32 = bank.i32;
  const heap = words[head + HEAP]!;
  const place = i32[entry + PLACE]!;
  if (place > 0 && isEarlier(i32, entry, i32[heap + ((place - 1) >> 1)]!)) siftUp(i32, heap, place, entry);
  else siftDown(i32, heap, words[head + COUNT]!, place, entry);
}

export function heapRemove(words: Int32Array, head: number, bank: Bank, entry: number): void {
  const i32 = bank.i32;
  const heap = words[head + HEAP]!;
  const place = i32[entry + PLACE]!;
  const last = words[head + COUNT]! - 1;
  words[head + COUNT] = last;
  if (place !== last) {
    const moved = i32[heap + last]!;
    i32[moved + PLACE] = place;
    heapMoved(words, head, bank, moved);
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

function siftUp(i32: Int32Array, heap: number, from: number, entry: number): void {
  let place = from;
  while (place > 0) {
    const up = (place - 1) >> 1;
    const parent = i32[heap + up]!;
    if (!isEarlier(i32, entry, parent)) break;
    i32[heap + place] = parent;
    i32[parent + PLACE] = place;
    place = up;
  }
  i32[heap + place] = entry;
  i32[entry + PLACE] = place;
}

function siftDown(i32: Int32Array, heap: number, count: number, from: number, entry: number): void {
  let place = from;
  for (;;) {
    let child = place * 2 + 1;
    if (child >= count) break;
    if (child + 1 < count && isEarlier(i32, i32[heap + child + 1]!, i32[heap + child]!)) child++;
    const below = i32[heap + child]!;
    if (!isEarlier(i32, below, entry)) break;
    i32[heap + place] = below;
    i32[below + PLACE] = place;
    place = child;
  }
  i32[heap + place] = entry;
  i32[entry + PLACE] = place;
}
