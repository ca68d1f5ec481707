/**
 * A chunk of a list (deque.ts): a deque of packed elements that grows towards both of its ends.
 *
 *   word 0  previous chunk                      body, offsets in bytes from its begin:
 *   word 1  next chunk
 *   word 2  elements                            0        START          END      LOW           HIGH   capacity
 *   word 3  form (below)                        |  free  | elements ... |  free  | ... lengths |  free  |
 *   word 4  bytes of each element (UNIFORM)              first     last           last     first
 *   word 5  START   word 6  END
 *   word 7  LOW     word 8  HIGH                a list of 'ab' 'cd': body 61 62 63 64, form 0, word 4 is 2
 *
 *   form 0 UNIFORM    all elements have the same length: no lengths are kept, and a place is a multiplication
 *        1 BYTES      one byte of length an element, below 256
 *        2 WORDS      four bytes of length an element
 *        3 INTEGERS   all elements are 32-bit integers in their canonical decimal form, kept as words
 *
 * The lengths run against the elements, so that a push or a pop at either end moves nothing. The constants are exported for deque.ts and
 * list-cursor.ts alone, which keep copies of their own: V8 reads those faster.
 *
 * Contract: writers hold the exclusive latch of the shard, readers at least the shared one.
 */
import { copyWords, viewOf } from '../base/copy-words.ts';
import type { Bank } from '../memory/bank.ts';

export const PREVIOUS = 0;
export const NEXT = 1;
export const COUNT = 2;
export const FORM = 3;
export const UNIFORM_BYTES = 4;
export const START = 5;
export const END = 6;
export const LOW = 7;
export const HIGH = 8;
export const HEADER_WORDS = 9;
export const UNIFORM = 0;
export const BYTES = 1;
export const WORDS = 2;
export const INTEGERS = 3;
export const LENGTH_BYTES = [0, 1, 4, 0] as const;
export const MAX_INTEGER_DIGITS = 11;
export const NOT_INTEGER = -2147483648;
export const HEADER_BYTES = HEADER_WORDS * 4;

export function capacityOf(bank: Bank, chunk: number): number {
  return (bank.sizeWords(chunk) << 2) - HEADER_BYTES;
}

/** The integer of a canonical decimal of 32 bits, or NOT_INTEGER (as which -2^31 counts too). */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 0 || length > MAX_INTEGER_DIGITS) return NOT_INTEGER;
  const isNegative = bytes[start] === 45;
  let at = isNegative ? start + 1 : start;
  if (at === end || (bytes[at] === 48 && length > 1)) return NOT_INTEGER;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return NOT_INTEGER;
    value = value * 10 + digit;
  }
  if (value > 2147483647) return NOT_INTEGER;
  return isNegative ? -value : value;
}

const digits = Buffer.alloc(MAX_INTEGER_DIGITS);
/** Writes the decimal to the end of `into` and returns where it begins. */
export function printInteger(value: number, into: Uint8Array): number {
  let at = into.length;
  let rest = value < 0 ? -value : value;
  do {
    const tens = (rest / 10) | 0;
    into[--at] = 48 + rest - tens * 10;
    rest = tens;
  } while (rest !== 0);
  if (value < 0) into[--at] = 45;
  return at;
}

export function lengthAt(bank: Bank, chunk: number, index: number): number {
  const { i32 } = bank;
  const form = i32[chunk + FORM]!;
  if (form === UNIFORM || form === INTEGERS) return i32[chunk + UNIFORM_BYTES]!;
  const body = (chunk + HEADER_WORDS) << 2;
  const high = i32[chunk + HIGH]!;
  return form === BYTES ? bank.u8[body + high - 1 - index]! : i32[(body + high - 4 * (index + 1)) >> 2]!;
}

/** Bytes from the body's begin to an element; `index` may be the count. */
export function offsetOf(bank: Bank, chunk: number, index: number): number {
  const { i32, u8 } = bank;
  const form = i32[chunk + FORM]!;
  const start = i32[chunk + START]!;
  if (form === UNIFORM || form === INTEGERS) return start + index * i32[chunk + UNIFORM_BYTES]!;
  const count = i32[chunk + COUNT]!;
  const body = (chunk + HEADER_WORDS) << 2;
  if (form === BYTES) {
    const high = body + i32[chunk + HIGH]!;
    if (index <= count >>> 1) {
      let offset = start;
      for (let at = high - 1; at >= high - index; at--) offset += u8[at]!;
      return offset;
    }
    let offset = i32[chunk + END]!;
    for (let at = body + i32[chunk + LOW]!; at < high - index; at++) offset -= u8[at]!;
    return offset;
  }
  let offset = start;
  for (let before = 0; before < index; before++) offset += lengthAt(bank, chunk, before);
  return offset;
}

/** Up to here a loop over bytes, and then one over words, is faster than a call that copies. */
const MAX_BYTE_COPY_BYTES = 8;
const MAX_WORD_COPY_BYTES = 128;
export function copyIn(bank: Bank, to: number, bytes: Uint8Array, start: number, end: number): void {
  const { u8 } = bank;
  const size = end - start;
  if (size <= MAX_BYTE_COPY_BYTES || bytes === digits) for (let from = start, at = to; from < end; from++, at++) u8[at] = bytes[from]!;
  else if (size <= MAX_WORD_COPY_BYTES) copyWords(viewOf(bytes), start, bank.view, to, size);
  else u8.set(bytes.subarray(start, end), to);
}

/** The form of a chunk once it holds the element too. */
export function formWith(bank: Bank, chunk: number, bytes: Uint8Array, start: number, end: number): number {
  const { i32 } = bank;
  const form = i32[chunk + FORM]!;
  const length = end - start;
  if (form === WORDS) return WORDS;
  if (form === INTEGERS) {
    if (parseInteger(bytes, start, end) !== NOT_INTEGER) return INTEGERS;
    return length < 256 ? BYTES : WORDS;
  }
  if (form === UNIFORM && length === i32[chunk + UNIFORM_BYTES]) return UNIFORM;
  return length < 256 && (form === BYTES || i32[chunk + UNIFORM_BYTES]! < 256) ? BYTES : WORDS;
}

/** Bytes of the chunk's elements in the form that it's to have. */
export function dataBytes(bank: Bank, chunk: number, form: number): number {
  const { i32 } = bank;
  if (i32[chunk + FORM] !== INTEGERS || form === INTEGERS) return i32[chunk + END]! - i32[chunk + START]!;
  let bytes = 0;
  for (let index = 0; index < i32[chunk + COUNT]!; index++) {
    bytes += MAX_INTEGER_DIGITS - printInteger(i32[chunk + HEADER_WORDS + (i32[chunk + START]! >> 2) + index]!, digits);
  }
  return bytes;
}

/** Where `copyElements` and `putNew` write next, from the body's begin of the chunk under construction. */
let writeAt = 0;

/** Copies elements [from, to) of a chunk into one under construction, from its `index` on, and moves that one's END. */
export function copyElements(bank: Bank, chunk: number, from: number, to: number, fresh: number, index: number): void {
  const { i32, u8 } = bank;
  if (index === 0) writeAt = i32[fresh + START]!;
  const form = i32[fresh + FORM]!;
  const body = (fresh + HEADER_WORDS) << 2;
  if (i32[chunk + FORM] === INTEGERS && form !== INTEGERS) {
    const words = chunk + HEADER_WORDS + (i32[chunk + START]! >> 2);
    for (let element = from; element < to; element++) {
      const begin = printInteger(i32[words + element]!, digits);
      copyIn(bank, body + writeAt, digits, begin, MAX_INTEGER_DIGITS);
      putLength(bank, fresh, index + element - from, MAX_INTEGER_DIGITS - begin);
      writeAt += MAX_INTEGER_DIGITS - begin;
    }
  } else if (from < to) {
    const source = (chunk + HEADER_WORDS) << 2;
    const begin = offsetOf(bank, chunk, from);
    const end = offsetOf(bank, chunk, to);
    u8.copyWithin(body + writeAt, source + begin, source + end);
    writeAt += end - begin;
    if (form === BYTES || form === WORDS) {
      for (let element = from; element < to; element++) {
        putLength(bank, fresh, index + element - from, lengthAt(bank, chunk, element));
      }
    }
  }
  i32[fresh + END] = writeAt;
}

export function putLength(bank: Bank, chunk: number, index: number, length: number): void {
  const body = (chunk + HEADER_WORDS) << 2;
  const high = bank.i32[chunk + HIGH]!;
  if (bank.i32[chunk + FORM] === BYTES) bank.u8[body + high - 1 - index] = length;
  else bank.i32[(body + high - 4 * (index + 1)) >> 2] = length;
}

export function putNew(bank: Bank, fresh: number, index: number, bytes: Uint8Array, start: number, end: number): void {
  const { i32 } = bank;
  const form = i32[fresh + FORM]!;
  if (form === INTEGERS) {
    i32[fresh + HEADER_WORDS + (writeAt >> 2)] = parseInteger(bytes, start, end);
    writeAt += 4;
  } else {
    copyIn(bank, ((fresh + HEADER_WORDS) << 2) + writeAt, bytes, start, end);
    writeAt += end - start;
    if (form !== UNIFORM) putLength(bank, fresh, index, end - start);
  }
  i32[fresh + END] = writeAt;
}

/** Drops `count` elements, fewer than there are, from the head or the tail of a chunk; the list's own count is the caller's. */
export function dropFromChunk(bank: Bank, chunk: number, count: number, atHead: boolean): void {
  const { i32 } = bank;
  const width = LENGTH_BYTES[i32[chunk + FORM]!]!;
  if (atHead) {
    i32[chunk + START] = offsetOf(bank, chunk, count);
    i32[chunk + HIGH]! -= count * width;
  } else {
    i32[chunk + END] = offsetOf(bank, chunk, i32[chunk + COUNT]! - count);
    i32[chunk + LOW]! += count * width;
  }
  i32[chunk + COUNT]! -= count;
}
