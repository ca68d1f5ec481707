/**
 * A list: a doubly linked chain of chunks of packed elements.
 *
 *   list, 5 words:   +0 elements   +1 first chunk   +2 last chunk   +3 chunks   +4 words of all chunks
 *
 * What a chunk (list-chunk.ts) can't take in as it is (no room on that side, another form, a place in the middle) goes through
 * `rebuild`, which writes the chunk anew.
 *
 * Contract: writers hold the exclusive latch of the shard, readers at least the shared one.
 */
import type { Bank } from '../memory/bank.ts';
import * as chunks from './list-chunk.ts';
import {
  capacityOf,
  copyElements,
  copyIn,
  dataBytes,
  dropFromChunk,
  formWith,
  lengthAt,
  offsetOf,
  parseInteger,
  putNew,
} from './list-chunk.ts';
import { ListCursor } from './list-cursor.ts';

export { ListCursor } from './list-cursor.ts';

const PREVIOUS = chunks.PREVIOUS;
const NEXT = chunks.NEXT;
const COUNT = chunks.COUNT;
const FORM = chunks.FORM;
const UNIFORM_BYTES = chunks.UNIFORM_BYTES;
const START = chunks.START;
const END = chunks.END;
const LOW = chunks.LOW;
const HIGH = chunks.HIGH;
const HEADER_WORDS = chunks.HEADER_WORDS;
const UNIFORM = chunks.UNIFORM;
const BYTES = chunks.BYTES;
const INTEGERS = chunks.INTEGERS;
const LENGTH_BYTES = chunks.LENGTH_BYTES;
const NOT_INTEGER = chunks.NOT_INTEGER;
const HEADER_BYTES = chunks.HEADER_BYTES;

const LIST_WORDS = 5;
const ELEMENTS = 0;
const FIRST = 1;
const LAST = 2;
const CHUNKS = 3;
const WORDS = 4;

/** A list's first body: smaller ones would be rebuilt at each of the first pushes. */
const MIN_BODY_BYTES = 28;

/** A chunk of integers that is no longer than this takes in a string, and turns into one of strings. */
const MAX_CONVERTED_INTEGERS = 64;

/** Shorter integers take no more room as text. */
const MIN_INTEGER_DIGITS = 5;

/** Sizes of a chunk for list-max-listpack-size -1 to -5; a positive value counts elements, within 8 KiB. */
const CHUNK_BYTES = [8192, 4096, 8192, 16384, 32768, 65536] as const;

const SAFE_CHUNK_BYTES = 8192;

// The limits of the call that runs, from list-max-listpack-size.
let bodyLimit = SAFE_CHUNK_BYTES - HEADER_BYTES;

let countLimit = 0x7fffffff;

/** Sets the limits of chunks for the calls that follow: the value of list-max-listpack-size. */
export function setChunkLimit(fill: number): void {
  const bytes = fill >= 0 ? SAFE_CHUNK_BYTES : CHUNK_BYTES[fill < -5 ? 5 : -fill]!;
  bodyLimit = bytes - HEADER_BYTES;
  countLimit = fill >= 0 ? Math.max(1, fill) : 0x7fffffff;
}

export function create(bank: Bank): number {
  const list = bank.alloc(LIST_WORDS);
  if (list !== 0) bank.i32.fill(0, list, list + LIST_WORDS);
  return list;
}

export function size(bank: Bank, list: number): number {
  return bank.i32[list + ELEMENTS]!;
}

export function chunkCount(bank: Bank, list: number): number {
  return bank.i32[list + CHUNKS]!;
}

/** Whether the first chunk keeps to the limits: one with a single long element doesn't. */
export function isWithinLimit(bank: Bank, list: number): boolean {
  const { i32 } = bank;
  const chunk = i32[list + FIRST]!;
  const used = i32[chunk + END]! - i32[chunk + START]! + i32[chunk + HIGH]! - i32[chunk + LOW]!;
  return used <= bodyLimit && i32[chunk + COUNT]! <= countLimit;
}

// ---- pushing ----

/** Adds an element at the head. False when the bank is full: nothing has changed then. */
export function pushHead(bank: Bank, list: number, bytes: Uint8Array, start: number, end: number): boolean {
  const { i32, u8 } = bank;
  const chunk = i32[list + FIRST]!;
  const length = end - start;
  if (chunk !== 0 && i32[chunk + COUNT]! < countLimit) {
    const form = i32[chunk + FORM]!;
    const to = i32[chunk + START]! - length;
    if (form === UNIFORM) {
      if (to >= 0 && length === i32[chunk + UNIFORM_BYTES]!) {
        copyIn(bank, ((chunk + HEADER_WORDS) << 2) + to, bytes, start, end);
        i32[chunk + START] = to;
        i32[chunk + COUNT]!++;
        i32[list + ELEMENTS]!++;
        return true;
      }
    } else if (form === BYTES) {
      const high = i32[chunk + HIGH]!;
      if (to >= 0 && length < 256 && high < capacityOf(bank, chunk)) {
        const body = (chunk + HEADER_WORDS) << 2;
        copyIn(bank, body + to, bytes, start, end);
        u8[body + high] = length;
        i32[chunk + START] = to;
        i32[chunk + HIGH] = high + 1;
        i32[chunk + COUNT]!++;
        i32[list + ELEMENTS]!++;
        return true;
      }
    } else if (form === INTEGERS && i32[chunk + START]! >= 4) {
      const value = parseInteger(bytes, start, end);
      if (value !== NOT_INTEGER) {
        i32[chunk + START]! -= 4;
        i32[chunk + HEADER_WORDS + (i32[chunk + START]! >> 2)] = value;
        i32[chunk + COUNT]!++;
        i32[list + ELEMENTS]!++;
        return true;
      }
    }
  }
  return pushSlowly(bank, list, chunk, true, bytes, start, end);
}

/** Adds an element at the tail. False when the bank is full: nothing has changed then. */
export function pushTail(bank: Bank, list: number, bytes: Uint8Array, start: number, end: number): boolean {
  const { i32, u8 } = bank;
  const chunk = i32[list + LAST]!;
  const length = end - start;
  if (chunk !== 0 && i32[chunk + COUNT]! < countLimit) {
    const form = i32[chunk + FORM]!;
    const to = i32[chunk + END]!;
    const low = i32[chunk + LOW]!;
    if (form === UNIFORM) {
      if (to + length <= low && length === i32[chunk + UNIFORM_BYTES]!) {
        copyIn(bank, ((chunk + HEADER_WORDS) << 2) + to, bytes, start, end);
        i32[chunk + END] = to + length;
        i32[chunk + COUNT]!++;
        i32[list + ELEMENTS]!++;
        return true;
      }
    } else if (form === BYTES) {
      if (to + length < low && length < 256) {
        const body = (chunk + HEADER_WORDS) << 2;
        copyIn(bank, body + to, bytes, start, end);
        u8[body + low - 1] = length;
        i32[chunk + END] = to + length;
        i32[chunk + LOW] = low - 1;
        i32[chunk + COUNT]!++;
        i32[list + ELEMENTS]!++;
        return true;
      }
    } else if (form === INTEGERS && to + 4 <= low) {
      const value = parseInteger(bytes, start, end);
      if (value !== NOT_INTEGER) {
        i32[chunk + HEADER_WORDS + (to >> 2)] = value;
        i32[chunk + END] = to + 4;
        i32[chunk + COUNT]!++;
        i32[list + ELEMENTS]!++;
        return true;
      }
    }
  }
  return pushSlowly(bank, list, chunk, false, bytes, start, end);
}

function pushSlowly(bank: Bank, list: number, chunk: number, atHead: boolean, bytes: Uint8Array, start: number, end: number): boolean {
  const { i32 } = bank;
  if (chunk !== 0 && takesIn(bank, chunk, bytes, start, end, false)) {
    const gap = atHead ? GAP_AT_HEAD : GAP_AT_TAIL;
    return rebuild(bank, list, chunk, atHead ? 0 : i32[chunk + COUNT]!, false, bytes, start, end, gap);
  }
  return addChunk(bank, list, atHead ? 0 : i32[list + LAST]!, bytes, start, end, atHead ? GAP_AT_HEAD : GAP_AT_TAIL);
}

/** Whether the chunk may hold this element more (or, with `replaces`, in the place of another) within the limits. */
function takesIn(bank: Bank, chunk: number, bytes: Uint8Array, start: number, end: number, replaces: boolean): boolean {
  const { i32 } = bank;
  const count = i32[chunk + COUNT]!;
  if (!replaces && count >= countLimit) return false;
  const form = formWith(bank, chunk, bytes, start, end);
  if (i32[chunk + FORM] === INTEGERS && form !== INTEGERS && count > MAX_CONVERTED_INTEGERS && !replaces) return false;
  const own = form === INTEGERS ? 4 : end - start;
  return dataBytes(bank, chunk, form) + own + (count + 1) * LENGTH_BYTES[form]! <= bodyLimit;
}

/** A chunk of one element behind `previous` (0: at the head). */
function addChunk(bank: Bank, list: number, previous: number, bytes: Uint8Array, start: number, end: number, gap: number): boolean {
  const { i32 } = bank;
  const length = end - start;
  const value = length >= MIN_INTEGER_DIGITS ? parseInteger(bytes, start, end) : NOT_INTEGER;
  const isInteger = value !== NOT_INTEGER;
  // A list's second chunk says that it's long: chunks are of full size from there on.
  const isFirst = i32[list + CHUNKS] === 0;
  const need = isInteger ? 4 : length;
  const body = isFirst ? Math.max(MIN_BODY_BYTES, need) : Math.max(need, gap === GAP_NONE ? need : bodyLimit);
  const chunk = bank.alloc(HEADER_WORDS + ((body + 3) >>> 2));
  if (chunk === 0) return false;
  const capacity = capacityOf(bank, chunk);
  i32[chunk + COUNT] = 1;
  i32[chunk + FORM] = isInteger ? INTEGERS : UNIFORM;
  i32[chunk + UNIFORM_BYTES] = need;
  const free = capacity - need;
  const at = (gap === GAP_AT_HEAD ? (isFirst ? free >>> 1 : free) : 0) & (isInteger ? ~3 : ~0);
  i32[chunk + START] = at;
  i32[chunk + END] = at + need;
  i32[chunk + LOW] = capacity;
  i32[chunk + HIGH] = capacity;
  if (isInteger) i32[chunk + HEADER_WORDS + (at >> 2)] = value;
  else copyIn(bank, ((chunk + HEADER_WORDS) << 2) + at, bytes, start, end);
  link(bank, list, chunk, previous);
  i32[list + ELEMENTS]!++;
  return true;
}

function link(bank: Bank, list: number, chunk: number, previous: number): void {
  const { i32 } = bank;
  const next = previous === 0 ? i32[list + FIRST]! : i32[previous + NEXT]!;
  i32[chunk + PREVIOUS] = previous;
  i32[chunk + NEXT] = next;
  i32[previous === 0 ? list + FIRST : previous + NEXT] = chunk;
  i32[next === 0 ? list + LAST : next + PREVIOUS] = chunk;
  i32[list + CHUNKS]!++;
  i32[list + WORDS]! += bank.sizeWords(chunk);
}

function unlink(bank: Bank, list: number, chunk: number): void {
  const { i32 } = bank;
  const previous = i32[chunk + PREVIOUS]!;
  const next = i32[chunk + NEXT]!;
  i32[previous === 0 ? list + FIRST : previous + NEXT] = next;
  i32[next === 0 ? list + LAST : next + PREVIOUS] = previous;
  i32[list + CHUNKS]!--;
  i32[list + WORDS]! -= bank.sizeWords(chunk);
  bank.free(chunk);
}

const GAP_NONE = 0;
const GAP_AT_HEAD = 1;
const GAP_AT_TAIL = 2;

/**
 * Writes a chunk anew with the element at `position` (in the place of the one there, with `replaces`), in the form that suits them all.
 * `gap` says at which end pushes are expected. The caller knows that it fits. False when the bank is full.
 */
function rebuild(
  bank: Bank,
  list: number,
  chunk: number,
  position: number,
  replaces: boolean,
  bytes: Uint8Array,
  start: number,
  end: number,
  gap: number,
): boolean {
  const { i32 } = bank;
  const form = formWith(bank, chunk, bytes, start, end);
  const width = LENGTH_BYTES[form]!;
  const own = form === INTEGERS ? 4 : end - start;
  const data = dataBytes(bank, chunk, form) + own;
  const need = data + (i32[chunk + COUNT]! + 1) * width;
  const body = gap === GAP_NONE ? need : Math.min(bodyLimit, Math.max(MIN_BODY_BYTES, need + (need >>> 1)));
  const fresh = bank.alloc(HEADER_WORDS + ((Math.max(body, need) + 3) >>> 2) + (width === 4 ? 1 : 0));
  if (fresh === 0) return false;
  const capacity = capacityOf(bank, fresh);
  const count = i32[chunk + COUNT]! + (replaces ? 0 : 1);
  // The other end keeps a quarter while the list is one chunk: a list that is pushed to at both ends isn't rebuilt each time.
  const free = capacity - need;
  const isAlone = i32[list + CHUNKS] === 1 && free > 64;
  const atHead = gap === GAP_NONE ? 0 : gap === GAP_AT_HEAD ? free - (isAlone ? free >>> 2 : 0) : isAlone ? free >>> 2 : 0;
  const lengthsAtHead = width === 0 ? 0 : Math.floor(atHead / (data / count + width)) * width;
  i32[fresh + COUNT] = count;
  i32[fresh + FORM] = form;
  i32[fresh + UNIFORM_BYTES] = own;
  i32[fresh + START] = (atHead - lengthsAtHead) & (form === INTEGERS ? ~3 : ~0);
  i32[fresh + HIGH] = (capacity - lengthsAtHead) & (width === 4 ? ~3 : ~0);
  i32[fresh + LOW] = i32[fresh + HIGH]! - count * width;
  copyElements(bank, chunk, 0, position, fresh, 0);
  putNew(bank, fresh, position, bytes, start, end);
  copyElements(bank, chunk, replaces ? position + 1 : position, i32[chunk + COUNT]!, fresh, position + 1);
  const previous = i32[chunk + PREVIOUS]!;
  unlink(bank, list, chunk);
  link(bank, list, fresh, previous);
  if (!replaces) i32[list + ELEMENTS]!++;
  return true;
}

// ---- changing and removing ----

const place = new ListCursor();

/** Puts an element before the one at `index`, which may be the size. False when the bank is full: nothing has changed then. */
export function insertAt(bank: Bank, list: number, index: number, bytes: Uint8Array, start: number, end: number): boolean {
  if (index === 0) return pushHead(bank, list, bytes, start, end);
  if (index === size(bank, list)) return pushTail(bank, list, bytes, start, end);
  place.seek(bank, list, index);
  const { chunk, index: position } = place;
  if (takesIn(bank, chunk, bytes, start, end, false)) {
    return rebuild(bank, list, chunk, position, false, bytes, start, end, GAP_NONE);
  }
  const previous = bank.i32[chunk + PREVIOUS]!;
  if (position === 0) return addChunk(bank, list, previous, bytes, start, end, GAP_NONE);
  // The chunk is full: its tail becomes a chunk of its own, and the element one between them.
  if (!splitChunk(bank, list, chunk, position)) return false;
  const left = bank.i32[chunk + PREVIOUS]!;
  if (takesIn(bank, left, bytes, start, end, false)) {
    return rebuild(bank, list, left, position, false, bytes, start, end, GAP_NONE);
  }
  return addChunk(bank, list, left, bytes, start, end, GAP_NONE);
}

/** Moves the elements before `position` into a new chunk in front. */
function splitChunk(bank: Bank, list: number, chunk: number, position: number): boolean {
  const { i32 } = bank;
  const form = i32[chunk + FORM]!;
  const bytes = offsetOf(bank, chunk, position) - i32[chunk + START]! + position * LENGTH_BYTES[form]!;
  const fresh = bank.alloc(HEADER_WORDS + ((bytes + 3) >>> 2) + 1);
  if (fresh === 0) return false;
  const capacity = capacityOf(bank, fresh);
  i32[fresh + COUNT] = position;
  i32[fresh + FORM] = form;
  i32[fresh + UNIFORM_BYTES] = i32[chunk + UNIFORM_BYTES]!;
  i32[fresh + START] = 0;
  i32[fresh + HIGH] = capacity;
  i32[fresh + LOW] = capacity - position * LENGTH_BYTES[form]!;
  copyElements(bank, chunk, 0, position, fresh, 0);
  link(bank, list, fresh, i32[chunk + PREVIOUS]!);
  dropFromChunk(bank, chunk, position, true);
  return true;
}

/** Overwrites the element at `index`. False when the bank is full: nothing has changed then. */
export function setAt(bank: Bank, list: number, index: number, bytes: Uint8Array, start: number, end: number): boolean {
  place.seek(bank, list, index);
  const { i32 } = bank;
  const { chunk, index: position } = place;
  const length = end - start;
  if (i32[chunk + FORM] === INTEGERS) {
    const value = parseInteger(bytes, start, end);
    if (value !== NOT_INTEGER) {
      i32[chunk + HEADER_WORDS + (i32[chunk + START]! >> 2) + position] = value;
      return true;
    }
  } else if (place.end - place.start === length) {
    copyIn(bank, place.start, bytes, start, end);
    return true;
  }
  if (takesIn(bank, chunk, bytes, start, end, true)) {
    return rebuild(bank, list, chunk, position, true, bytes, start, end, GAP_NONE);
  }
  if (!insertAt(bank, list, index, bytes, start, end)) return false;
  removeAt(bank, list, index + 1);
  return true;
}

/** Removes the element at `index`. */
export function removeAt(bank: Bank, list: number, index: number): void {
  place.seek(bank, list, index);
  const { chunk } = place;
  const isLast = bank.i32[chunk + COUNT] === 1;
  removeFromChunk(bank, list, chunk, place.index);
  if (!isLast) joinNeighbour(bank, list, chunk);
}

/** Removes the element under a cursor, and moves that to the one behind it, or before it: a walk that removes goes on there. */
export function removeHere(bank: Bank, list: number, cursor: ListCursor, isForward: boolean): void {
  const { i32 } = bank;
  const { chunk, index } = cursor;
  const count = i32[chunk + COUNT]! - 1;
  const neighbour = i32[chunk + (isForward ? NEXT : PREVIOUS)]!;
  removeFromChunk(bank, list, chunk, index);
  if (isForward) cursor.place(bank, index < count ? chunk : neighbour, index < count ? index : 0);
  else if (index > 0) cursor.place(bank, chunk, index - 1);
  else cursor.place(bank, neighbour, neighbour === 0 ? 0 : i32[neighbour + COUNT]! - 1);
}

function removeFromChunk(bank: Bank, list: number, chunk: number, index: number): void {
  const { i32, u8 } = bank;
  const count = i32[chunk + COUNT]!;
  i32[list + ELEMENTS]!--;
  if (count === 1) {
    unlink(bank, list, chunk);
    return;
  }
  if (index === 0 || index === count - 1) {
    dropFromChunk(bank, chunk, 1, index === 0);
    return;
  }
  const body = (chunk + HEADER_WORDS) << 2;
  const offset = offsetOf(bank, chunk, index);
  const length = lengthAt(bank, chunk, index);
  u8.copyWithin(body + offset, body + offset + length, body + i32[chunk + END]!);
  i32[chunk + END]! -= length;
  const width = LENGTH_BYTES[i32[chunk + FORM]!]!;
  if (width > 0) {
    const low = i32[chunk + LOW]!;
    u8.copyWithin(body + low + width, body + low, body + i32[chunk + HIGH]! - (index + 1) * width);
    i32[chunk + LOW] = low + width;
  }
  i32[chunk + COUNT] = count - 1;
}

/** Removes `count` elements from the head or the tail; no more than the list has. */
export function drop(bank: Bank, list: number, count: number, atHead: boolean): void {
  const { i32 } = bank;
  let left = count;
  i32[list + ELEMENTS]! -= count;
  while (left > 0) {
    const chunk = i32[list + (atHead ? FIRST : LAST)]!;
    const held = i32[chunk + COUNT]!;
    if (held > left) {
      dropFromChunk(bank, chunk, left, atHead);
      return;
    }
    left -= held;
    unlink(bank, list, chunk);
  }
}

/** After removals in the middle: what has become small is appended to the chunk before it, when both are well below the limit. */
function joinNeighbour(bank: Bank, list: number, chunk: number): void {
  const { i32 } = bank;
  const used = i32[chunk + END]! - i32[chunk + START]!;
  if (used > bodyLimit >>> 3) return;
  const previous = i32[chunk + PREVIOUS]!;
  if (previous === 0 || i32[previous + FORM] !== i32[chunk + FORM]) return;
  const total = i32[previous + COUNT]! + i32[chunk + COUNT]!;
  if (total > countLimit || used + i32[previous + END]! - i32[previous + START]! > bodyLimit >>> 1) return;
  const form = i32[chunk + FORM]!;
  if (form === UNIFORM && i32[previous + UNIFORM_BYTES] !== i32[chunk + UNIFORM_BYTES]) return;
  const width = LENGTH_BYTES[form]!;
  const body = used + i32[previous + END]! - i32[previous + START]! + total * width;
  const fresh = bank.alloc(HEADER_WORDS + ((body + 3) >>> 2) + 1);
  if (fresh === 0) return;
  const capacity = capacityOf(bank, fresh);
  i32[fresh + COUNT] = total;
  i32[fresh + FORM] = form;
  i32[fresh + UNIFORM_BYTES] = i32[chunk + UNIFORM_BYTES]!;
  i32[fresh + START] = 0;
  i32[fresh + HIGH] = capacity;
  i32[fresh + LOW] = capacity - total * width;
  copyElements(bank, previous, 0, i32[previous + COUNT]!, fresh, 0);
  copyElements(bank, chunk, 0, i32[chunk + COUNT]!, fresh, i32[previous + COUNT]!);
  const before = i32[previous + PREVIOUS]!;
  unlink(bank, list, previous);
  unlink(bank, list, chunk);
  link(bank, list, fresh, before);
}

// ---- the whole list ----

/** A bank has fewer words. */
const INDEX_BITS = 0x1fffffff;

/**
 * Brings both ends of lists into the cache, all of them together: what pushes and pops are about to read. As dict.ts's `warm` it holds no
 * latch and concludes nothing. `firsts` and `lasts` are scratch; the sum that is returned means nothing.
 */
export function warmEnds(
  banks: readonly Int32Array[],
  shards: Int32Array,
  lists: Int32Array,
  firsts: Int32Array,
  lasts: Int32Array,
  count: number,
): number {
  for (let index = 0; index < count; index++) {
    const i32 = banks[shards[index]!]!;
    const list = lists[index]! & INDEX_BITS;
    firsts[index] = i32[list + FIRST]! & INDEX_BITS;
    lasts[index] = i32[list + LAST]! & INDEX_BITS;
  }
  for (let index = 0; index < count; index++) {
    const i32 = banks[shards[index]!]!;
    firsts[index]! += HEADER_WORDS + (i32[firsts[index]! + START]! >> 2);
    lasts[index]! += HEADER_WORDS + (i32[lasts[index]! + END]! >> 2);
  }
  let sum = 0;
  for (let index = 0; index < count; index++) {
    const i32 = banks[shards[index]!]!;
    sum ^= i32[firsts[index]! & INDEX_BITS]! ^ i32[lasts[index]! & INDEX_BITS]!;
  }
  return sum;
}

/** Frees about `budget` blocks of a list that nobody can reach any more; true when it's gone. */
export function freeSome(bank: Bank, list: number, budget: number): boolean {
  for (let freed = 0; bank.i32[list + FIRST] !== 0; freed++) {
    if (freed >= budget) return false;
    unlink(bank, list, bank.i32[list + FIRST]!);
  }
  bank.free(list);
  return true;
}

/** A copy in another bank (or the same), or 0 when that one is full. */
export function copyTo(bank: Bank, list: number, target: Bank): number {
  const copy = create(target);
  if (copy === 0) return 0;
  const from = bank.i32;
  for (let chunk = from[list + FIRST]!; chunk !== 0; chunk = from[chunk + NEXT]!) {
    const words = bank.sizeWords(chunk);
    const fresh = target.alloc(words);
    if (fresh === 0) {
      freeSome(target, copy, Number.MAX_SAFE_INTEGER);
      return 0;
    }
    target.i32.set(from.subarray(chunk, chunk + words), fresh);
    link(target, copy, fresh, target.i32[copy + LAST]!);
  }
  target.i32[copy + ELEMENTS] = from[list + ELEMENTS]!;
  return copy;
}

/** Words of all its blocks. */
export function usedWords(bank: Bank, list: number): number {
  return bank.sizeWords(list) + bank.i32[list + WORDS]!;
}

/** Throws with what doesn't hold: links, counts, windows, lengths. */
export function check(bank: Bank, list: number): void {
  const { i32 } = bank;
  const fail = (what: string): never => {
    throw new Error(`list check: ${what}`);
  };
  let elements = 0;
  let chunks = 0;
  let words = 0;
  let previous = 0;
  for (let chunk = i32[list + FIRST]!; chunk !== 0; chunk = i32[chunk + NEXT]!) {
    if (i32[chunk + PREVIOUS] !== previous) fail('a chunk is linked to the wrong one');
    const count = i32[chunk + COUNT]!;
    if (count < 1) fail('an empty chunk');
    let bytes = 0;
    for (let index = 0; index < count; index++) bytes += lengthAt(bank, chunk, index);
    if (bytes !== i32[chunk + END]! - i32[chunk + START]!) fail('lengths and bytes differ');
    const lengths = i32[chunk + HIGH]! - i32[chunk + LOW]!;
    if (lengths !== count * LENGTH_BYTES[i32[chunk + FORM]!]!) fail('a wrong number of lengths');
    if (i32[chunk + START]! < 0 || i32[chunk + END]! > i32[chunk + LOW]!) fail('elements leave their window');
    if (i32[chunk + HIGH]! > capacityOf(bank, chunk)) fail('lengths leave the chunk');
    elements += count;
    chunks++;
    words += bank.sizeWords(chunk);
    previous = chunk;
  }
  if (i32[list + LAST] !== previous) fail('a wrong last chunk');
  if (elements !== i32[list + ELEMENTS] || chunks !== i32[list + CHUNKS] || words !== i32[list + WORDS]) fail('a wrong count');
}
