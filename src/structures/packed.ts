/**
 * A packed sequence: byte strings and integers side by side in one block of a bank, walked in both directions. It is
 * what small hashes, sets and sorted sets are, and what the chunks of a list are.
 *
 *   word 0   bytes of the elements, all together (the header's 8 not counted)
 *   word 1   number of elements
 *   byte 8   first element, then the next, ...; what is behind the last one is slack
 *
 * An element is encoded as in Redis's listpack (https://github.com/antirez/listpack/blob/master/listpack.md), so that
 * dumps take it as it is: a head, the payload, and the length of both once more, to walk backwards.
 *
 *   0vvvvvvv                        integer 0 to 127             10llllll                  string of up to 63 bytes
 *   110vvvvv v                      integer of 13 bits, signed   1110llll l                string of up to 4095 bytes
 *   F1 v v | F2 v v v | F3 v v v v  integer of 16, 24, 32 bits   F0 l l l l                string of any length
 *   F4 v v v v v v v v              integer of 64 bits           F5 d d d d d d d d        double (not in listpacks)
 *   back length: 7 bits a byte, the lowest in the last byte; bit 7 says that another byte stands before this one
 *
 * A text that is the canonical decimal form of an integer up to 2^53 is always an integer here, and nothing else is: equal
 * texts have equal bytes, so `find` compares encodings (longer integers stay texts; a listpack from elsewhere may hold them
 * as integers, so it is rebuilt element by element). Integers and doubles are little-endian, heads of two
 * bytes big-endian.
 *
 *   ["hi", 5, -2, ""]
 *   09 00 00 00  04 00 00 00  82 68 69 03  05 01  df fe 02  80 01         (bytes: 4 + 2 + 3 + 2 = 11 = 0b)
 *   └ 0b bytes   └ 4 of them  └ "hi"       └ 5    └ -2      └ ""
 *
 * Contract: the block is its owner's; writers hold the exclusive latch of the owner's shard, readers at least the shared
 * one. A position is a byte index into `bank.u8`, 0 is "none", and is valid until the next change of the sequence. A
 * change may move the block: each returns the ref that is valid from then on, or 0 when the bank has no room, and then
 * nothing has changed.
 */
import { formatDouble } from '../base/numbers.ts';
import type { Bank } from '../memory/bank.ts';
import type { Element } from './element.ts';

export { Element } from './element.ts';

const BYTES = 0;
const COUNT = 1;
const HEADER_WORDS = 2;
const HEADER_BYTES = HEADER_WORDS * 4;

const HEAD_INT7_MAX = 0x7f;
const HEAD_STRING6 = 0x80;
const HEAD_INT13 = 0xc0;
const HEAD_STRING12 = 0xe0;
const HEAD_STRING32 = 0xf0;
const HEAD_INT16 = 0xf1;
const HEAD_INT24 = 0xf2;
const HEAD_INT32 = 0xf3;
const HEAD_INT64 = 0xf4;
const HEAD_DOUBLE = 0xf5;

const ZERO = 48;
const MINUS = 45;
const TWO_32 = 4294967296;
/** No integer below 2^53 has more digits and sign. */
const MAX_INTEGER_CHARACTERS = 17;
/** A block that would be this much emptier than full is moved to a smaller one: a quarter, and a few words at least. */
const SLACK_SHIFT = 2;
const MIN_SLACK_WORDS = 4;

/** The encoding of the element that is looked for or written: its head (all of it, for a number), and its payload. */
const head = new Uint8Array(16);
let headLength = 0;
let payload: Uint8Array = head;
let payloadStart = 0;
let payloadLength = 0;
const float64 = new Float64Array(1);
const float64Bytes = new Uint8Array(float64.buffer);

// ---- encoding ----

/** The integer that a text is the canonical form of, or NaN. */
export function canonicalInteger(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 0 || length > MAX_INTEGER_CHARACTERS) return NaN;
  const isNegative = bytes[start] === MINUS;
  let at = isNegative ? start + 1 : start;
  if (at === end) return NaN;
  if (bytes[at] === ZERO) return length === 1 ? 0 : NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return NaN;
  return isNegative ? -value : value;
}

function encodeText(bytes: Uint8Array, start: number, end: number): void {
  const integer = canonicalInteger(bytes, start, end);
  if (Number.isNaN(integer)) encodeString(bytes, start, end);
  else encodeInteger(integer);
}

function encodeString(bytes: Uint8Array, start: number, end: number): void {
  const length = end - start;
  payload = bytes;
  payloadStart = start;
  payloadLength = length;
  if (length < 64) {
    head[0] = HEAD_STRING6 | length;
    headLength = 1;
  } else if (length < 4096) {
    head[0] = HEAD_STRING12 | (length >>> 8);
    head[1] = length;
    headLength = 2;
  } else {
    head[0] = HEAD_STRING32;
    putLittleEndian(length, 4);
  }
}

function encodeInteger(value: number): void {
  payloadLength = 0;
  if (value >= 0 && value <= HEAD_INT7_MAX) {
    head[0] = value;
    headLength = 1;
  } else if (value >= -4096 && value < 4096) {
    const bits = value & 0x1fff;
    head[0] = HEAD_INT13 | (bits >>> 8);
    head[1] = bits;
    headLength = 2;
  } else if (value >= -32768 && value < 32768) {
    head[0] = HEAD_INT16;
    putLittleEndian(value, 2);
  } else if (value >= -8388608 && value < 8388608) {
    head[0] = HEAD_INT24;
    putLittleEndian(value, 3);
  } else if (value === (value | 0)) {
    head[0] = HEAD_INT32;
    putLittleEndian(value, 4);
  } else {
    const high = Math.floor(value / TWO_32);
    head[0] = HEAD_INT64;
    putLittleEndian(value - high * TWO_32, 4);
    head[5] = high;
    head[6] = high >> 8;
    head[7] = high >> 16;
    head[8] = high >> 24;
    headLength = 9;
  }
}

/** A double takes the compact form of an integer when it is one (and not -0): 1 to 9 bytes instead of 9. */
function encodeNumber(value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    encodeInteger(value);
    return;
  }
  payloadLength = 0;
  head[0] = HEAD_DOUBLE;
  float64[0] = value;
  for (let index = 0; index < 8; index++) head[1 + index] = float64Bytes[index]!;
  headLength = 9;
}

function putLittleEndian(value: number, bytes: number): void {
  let rest = value | 0;
  for (let index = 1; index <= bytes; index++) {
    head[index] = rest;
    rest >>= 8;
  }
  headLength = 1 + bytes;
}

function backLengthBytes(length: number): number {
  return length < 128 ? 1 : length < 16384 ? 2 : length < 2097152 ? 3 : length < 268435456 ? 4 : 5;
}

/** Bytes of the encoded element, back length included. */
function encodedBytes(): number {
  return headLength + payloadLength + backLengthBytes(headLength + payloadLength);
}

/** Writes the encoded element; returns the place behind it. */
function writeEncoded(u8: Buffer, to: number): number {
  let at = to;
  for (let index = 0; index < headLength; index++) u8[at++] = head[index]!;
  if (payloadLength <= 40) {
    for (let index = 0; index < payloadLength; index++) u8[at++] = payload[payloadStart + index]!;
  } else {
    u8.set(payload.subarray(payloadStart, payloadStart + payloadLength), at);
    at += payloadLength;
  }
  const length = headLength + payloadLength;
  const backBytes = backLengthBytes(length);
  for (let left = backBytes - 1; left > 0; left--) {
    u8[at++] = (Math.floor(length / 128 ** left) & 127) | (left === backBytes - 1 ? 0 : 128);
  }
  u8[at++] = backBytes === 1 ? length : (length & 127) | 128;
  return at;
}

// ---- walking ----

/** Bytes of head and payload of the element at a position. */
function contentBytes(u8: Uint8Array, at: number): number {
  const first = u8[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc0) return 1 + (first & 63);
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 2 + ((first & 15) << 8) + u8[at + 1]!;
  switch (first) {
    case HEAD_STRING32:
      return 5 + length32(u8, at + 1);
    case HEAD_INT16:
      return 3;
    case HEAD_INT24:
      return 4;
    case HEAD_INT32:
      return 5;
    default:
      return 9;
  }
}
function length32(u8: Uint8Array, at: number): number {
  return u8[at]! | (u8[at + 1]! << 8) | (u8[at + 2]! << 16) | (u8[at + 3]! << 24);
}
function elementBytes(u8: Uint8Array, at: number): number {
  const content = contentBytes(u8, at);
  return content + backLengthBytes(content);
}

/** Number of elements. */
export function length(bank: Bank, ref: number): number {
  return bank.i32[ref + COUNT]!;
}
/** Bytes of all elements, what a limit on a chunk's size is compared with. */
export function contentSize(bank: Bank, ref: number): number {
  return bank.i32[ref + BYTES]!;
}
/** The place behind the last element: `insert` there appends. */
export function endOf(bank: Bank, ref: number): number {
  return (ref << 2) + HEADER_BYTES + bank.i32[ref + BYTES]!;
}
export function first(bank: Bank, ref: number): number {
  return bank.i32[ref + COUNT] === 0 ? 0 : (ref << 2) + HEADER_BYTES;
}
export function last(bank: Bank, ref: number): number {
  return bank.i32[ref + COUNT] === 0 ? 0 : before(bank.u8, endOf(bank, ref));
}
/** The element behind the one at `at`, or 0. */
export function next(bank: Bank, ref: number, at: number): number {
  const following = at + elementBytes(bank.u8, at);
  return following === endOf(bank, ref) ? 0 : following;
}
/** The element before the place `at` (of an element, or the end), or 0. */
export function previous(bank: Bank, ref: number, at: number): number {
  return at === (ref << 2) + HEADER_BYTES ? 0 : before(bank.u8, at);
}
function before(u8: Uint8Array, end: number): number {
  let at = end - 1;
  let content = u8[at]! & 127;
  let scale = 128;
  let bytes = 1;
  while (bytes < 5 && u8[at]! & 128) {
    at--;
    content += (u8[at]! & 127) * scale;
    scale *= 128;
    bytes++;
  }
  return end - bytes - content;
}
/** The element of an index, counted from the end when negative; 0 when there is none. Walks from the nearer end. */
export function seek(bank: Bank, ref: number, index: number): number {
  const count = bank.i32[ref + COUNT]!;
  const wanted = index < 0 ? count + index : index;
  if (wanted < 0 || wanted >= count) return 0;
  const { u8 } = bank;
  let at: number;
  if (wanted <= count >>> 1) {
    at = (ref << 2) + HEADER_BYTES;
    for (let steps = wanted; steps > 0; steps--) at += elementBytes(u8, at);
  } else {
    at = endOf(bank, ref);
    for (let steps = count - wanted; steps > 0; steps--) at = before(u8, at);
  }
  return at;
}

// ---- reading ----

/** Lends the element at a position: its bytes are valid until the next change, or the next `read` into the same Element. */
export function read(bank: Bank, at: number, into: Element): void {
  const { u8 } = bank;
  const head0 = u8[at]!;
  if (head0 >= 0x80 && head0 < 0xc0) {
    into.lend(bank, at + 1, at + 1 + (head0 & 63));
  } else if (head0 >= 0xe0 && head0 <= HEAD_STRING32) {
    into.lend(bank, at + (head0 === HEAD_STRING32 ? 5 : 2), at + contentBytes(u8, at));
  } else {
    const number = numberAt(u8, at);
    into.lendDigits(number, writeNumber(into.digits, number, head0 === HEAD_DOUBLE));
  }
}
/** The number at a position, without its text; NaN for a string. */
export function readNumber(bank: Bank, at: number): number {
  return numberAt(bank.u8, at);
}
function numberAt(u8: Uint8Array, at: number): number {
  const head0 = u8[at]!;
  if (head0 < 0x80) return head0;
  if (head0 < 0xc0) return NaN;
  if (head0 < 0xe0) return ((((head0 & 31) << 8) | u8[at + 1]!) << 19) >> 19;
  switch (head0) {
    case HEAD_INT16:
      return ((u8[at + 1]! | (u8[at + 2]! << 8)) << 16) >> 16;
    case HEAD_INT24:
      return ((u8[at + 1]! | (u8[at + 2]! << 8) | (u8[at + 3]! << 16)) << 8) >> 8;
    case HEAD_INT32:
      return length32(u8, at + 1);
    case HEAD_INT64:
      return length32(u8, at + 5) * TWO_32 + (length32(u8, at + 1) >>> 0);
    case HEAD_DOUBLE:
      for (let index = 0; index < 8; index++) float64Bytes[index] = u8[at + 1 + index]!;
      return float64[0]!;
    default:
      return NaN;
  }
}
/** Writes a number's decimal text from place 0; returns its length. */
export function writeNumber(to: Buffer, value: number, isDouble = false): number {
  if (isDouble || value !== (value | 0)) return to.latin1Write(formatDouble(value), 0);
  let rest = value < 0 ? -value : value;
  let length = value < 0 ? 2 : 1;
  for (let bound = 10; rest >= bound; bound *= 10) length++;
  for (let at = length - 1; at >= 0; at--) {
    const tenth = Math.floor(rest / 10);
    to[at] = ZERO + (rest - tenth * 10);
    rest = tenth;
  }
  if (value < 0) to[0] = MINUS;
  return length;
}

/**
 * The first element from position `from` on whose text is that of the bytes, or 0. Looks at every `step`th element: 2 for
 * the fields of pairs.
 */
export function find(bank: Bank, ref: number, from: number, bytes: Uint8Array, start: number, end: number, step: number): number {
  if (from === 0) return 0;
  encodeText(bytes, start, end);
  const { u8 } = bank;
  const stop = endOf(bank, ref);
  const head0 = head[0]!;
  for (let at = from; at < stop; ) {
    if (u8[at] === head0 && isEncodedAt(u8, at)) return at;
    for (let skip = step; skip > 0; skip--) {
      const first = u8[at]!;
      at += first < 0x80 ? 2 : first >= 0xc0 ? elementBytes(u8, at) : first - 0x80 + 2;
    }
  }
  return 0;
}
function isEncodedAt(u8: Uint8Array, at: number): boolean {
  for (let index = 1; index < headLength; index++) if (u8[at + index] !== head[index]) return false;
  if (payloadLength === 0) return true;
  let from = at + headLength;
  const end = payloadStart + payloadLength;
  // Names of one kind begin alike ("user:1", "user:2"), so the last byte tells most of them apart.
  if (u8[from + payloadLength - 1] !== payload[end - 1]) return false;
  for (let index = payloadStart; index < end; index++) if (u8[from++] !== payload[index]) return false;
  return true;
}
/** Has the element at a position this text? */
export function equals(bank: Bank, at: number, bytes: Uint8Array, start: number, end: number): boolean {
  encodeText(bytes, start, end);
  return bank.u8[at] === head[0] && isEncodedAt(bank.u8, at);
}

// ---- changing ----

/** An empty sequence with room for so many bytes of elements; 0 when the bank is full. */
export function create(bank: Bank, capacityBytes = 0): number {
  const ref = bank.alloc(HEADER_WORDS + ((capacityBytes + 3) >>> 2));
  if (ref === 0) return 0;
  bank.i32[ref + BYTES] = 0;
  bank.i32[ref + COUNT] = 0;
  return ref;
}
export function free(bank: Bank, ref: number): void {
  bank.free(ref);
}
/** Words that the block takes of the bank. */
export function usedWords(bank: Bank, ref: number): number {
  return bank.sizeWords(ref);
}
/** A copy in the same bank or another; 0 when that one is full. */
export function copy(bank: Bank, ref: number, to: Bank): number {
  const words = HEADER_WORDS + ((bank.i32[ref + BYTES]! + 3) >>> 2);
  const fresh = to.alloc(words);
  if (fresh === 0) return 0;
  if (bank === to) bank.i32.copyWithin(fresh, ref, ref + words);
  else to.i32.set(bank.i32.subarray(ref, ref + words), fresh);
  return fresh;
}

/** The place of the gap that `splice` opened. */
let gapAt = 0;

/** Replaces `removed` bytes at `at` by a gap of `inserted` bytes, moving the block when another size fits better. */
function splice(bank: Bank, ref: number, at: number, removed: number, inserted: number): number {
  const { i32, u8 } = bank;
  const base = ref << 2;
  const oldEnd = base + HEADER_BYTES + i32[ref + BYTES]!;
  const bytes = i32[ref + BYTES]! + inserted - removed;
  const need = HEADER_WORDS + ((bytes + 3) >>> 2);
  const have = bank.sizeWords(ref);
  // Only what takes away shrinks: a block that was reserved keeps its room while it is filled.
  if (need <= have && (inserted >= removed || have - need <= MIN_SLACK_WORDS + (have >>> SLACK_SHIFT))) {
    if (removed !== inserted && at + removed < oldEnd) u8.copyWithin(at + inserted, at + removed, oldEnd);
    i32[ref + BYTES] = bytes;
    gapAt = at;
    return ref;
  }
  const fresh = bank.alloc(need);
  if (fresh === 0) {
    if (need > have) return 0;
    // No room for the smaller block: the large one serves as well.
    u8.copyWithin(at + inserted, at + removed, oldEnd);
    i32[ref + BYTES] = bytes;
    gapAt = at;
    return ref;
  }
  const to = fresh << 2;
  gapAt = to + (at - base);
  u8.copyWithin(to, base, at);
  u8.copyWithin(gapAt + inserted, at + removed, oldEnd);
  i32[fresh + BYTES] = bytes;
  bank.free(ref);
  return fresh;
}

/** Where the last insertion or replacement put its element. */
export function lastPlace(): number {
  return gapAt;
}

function insertEncoded(bank: Bank, ref: number, at: number): number {
  const fresh = splice(bank, ref, at, 0, encodedBytes());
  if (fresh === 0) return 0;
  writeEncoded(bank.u8, gapAt);
  bank.i32[fresh + COUNT]!++;
  return fresh;
}
/**
 * Puts a text before the element at `at`, or at the end for `endOf`. The bytes may not be those of this very sequence, nor
 * may they in `append` and `replace`.
 */
export function insert(bank: Bank, ref: number, at: number, bytes: Uint8Array, start: number, end: number): number {
  encodeText(bytes, start, end);
  return insertEncoded(bank, ref, at);
}
/** As `insert`, for a number: an integer up to 2^53 in its compact form, any other as a double. */
export function insertNumber(bank: Bank, ref: number, at: number, value: number): number {
  encodeNumber(value);
  return insertEncoded(bank, ref, at);
}
export function append(bank: Bank, ref: number, bytes: Uint8Array, start: number, end: number): number {
  encodeText(bytes, start, end);
  return insertEncoded(bank, ref, endOf(bank, ref));
}
export function appendNumber(bank: Bank, ref: number, value: number): number {
  encodeNumber(value);
  return insertEncoded(bank, ref, endOf(bank, ref));
}
/** Puts two texts at the end with one move of the block: a field and its value. Both or none. */
export function appendPair(
  bank: Bank,
  ref: number,
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  encodeText(a, aStart, aEnd);
  const aBytes = encodedBytes();
  encodeText(b, bStart, bEnd);
  const fresh = splice(bank, ref, endOf(bank, ref), 0, aBytes + encodedBytes());
  if (fresh === 0) return 0;
  writeEncoded(bank.u8, gapAt + aBytes);
  encodeText(a, aStart, aEnd);
  writeEncoded(bank.u8, gapAt);
  bank.i32[fresh + COUNT]! += 2;
  return fresh;
}
/** Bytes that a text takes in a sequence, for limits that are checked before it is put. */
export function sizeOfText(bytes: Uint8Array, start: number, end: number): number {
  encodeText(bytes, start, end);
  return encodedBytes();
}

function replaceEncoded(bank: Bank, ref: number, at: number): number {
  const fresh = splice(bank, ref, at, elementBytes(bank.u8, at), encodedBytes());
  if (fresh !== 0) writeEncoded(bank.u8, gapAt);
  return fresh;
}
export function replace(bank: Bank, ref: number, at: number, bytes: Uint8Array, start: number, end: number): number {
  encodeText(bytes, start, end);
  return replaceEncoded(bank, ref, at);
}
export function replaceNumber(bank: Bank, ref: number, at: number, value: number): number {
  encodeNumber(value);
  return replaceEncoded(bank, ref, at);
}

/** Takes `count` elements out, from the one at `at` on; they are there. `lastPlace` is where the next one stands now. */
export function remove(bank: Bank, ref: number, at: number, count: number): number {
  let end = at;
  for (let left = count; left > 0; left--) end += elementBytes(bank.u8, end);
  const fresh = splice(bank, ref, at, end - at, 0);
  bank.i32[fresh + COUNT]! -= count;
  return fresh;
}

/** Moves the elements from `at` on into a new sequence; returns its ref, or 0 without room. `ref` keeps its block. */
export function splitOff(bank: Bank, ref: number, at: number): number {
  const { i32, u8 } = bank;
  const end = endOf(bank, ref);
  const fresh = create(bank, end - at);
  if (fresh === 0) return 0;
  let moved = 0;
  for (let place = at; place < end; place += elementBytes(u8, place)) moved++;
  u8.copyWithin((fresh << 2) + HEADER_BYTES, at, end);
  i32[fresh + BYTES] = end - at;
  i32[fresh + COUNT] = moved;
  i32[ref + BYTES]! -= end - at;
  i32[ref + COUNT]! -= moved;
  return fresh;
}
/** Puts the elements of `other` behind those of `ref`; `other` stays as it is. */
export function concat(bank: Bank, ref: number, other: number): number {
  const bytes = bank.i32[other + BYTES]!;
  const count = bank.i32[other + COUNT]!;
  const fresh = splice(bank, ref, endOf(bank, ref), 0, bytes);
  if (fresh === 0) return 0;
  const from = (other << 2) + HEADER_BYTES;
  bank.u8.copyWithin(gapAt, from, from + bytes);
  bank.i32[fresh + COUNT]! += count;
  return fresh;
}
/** Gives the block room for so many bytes of elements in all, so that appends up to there don't move it. */
export function reserve(bank: Bank, ref: number, bytes: number): number {
  const need = HEADER_WORDS + ((bytes + 3) >>> 2);
  if (bank.sizeWords(ref) >= need) return ref;
  const fresh = bank.alloc(need);
  if (fresh === 0) return 0;
  bank.i32.copyWithin(fresh, ref, ref + HEADER_WORDS + ((bank.i32[ref + BYTES]! + 3) >>> 2));
  bank.free(ref);
  return fresh;
}

/** Walks the sequence both ways and throws where something doesn't add up. */
export function check(bank: Bank, ref: number): void {
  const { i32, u8 } = bank;
  const end = endOf(bank, ref);
  if (HEADER_WORDS + ((i32[ref + BYTES]! + 3) >>> 2) > bank.sizeWords(ref)) throw new Error('packed: longer than its block');
  let count = 0;
  let at = (ref << 2) + HEADER_BYTES;
  while (at < end) {
    const following = at + elementBytes(u8, at);
    if (before(u8, following) !== at) throw new Error('packed: a back length leads elsewhere');
    at = following;
    count++;
  }
  if (at !== end) throw new Error('packed: the last element ends behind the end');
  if (count !== i32[ref + COUNT]) throw new Error('packed: the count is not the number of elements');
}
