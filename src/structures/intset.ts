/**
 * A sorted array of 64-bit integers in one block of a bank: what a small set of integers is. All have the width that the
 * widest one needs, as in Redis's intset.
 *
 *   word 0   count     word 1   width: 1 = 16 bits, 2 = 32 bits, 4 = 64 bits (in half words)
 *   word 2+  the integers, ascending: two a word (the lower half first), one a word, or one in two words (low, high)
 *
 *   {-1, 3, 500}   03 00 00 00  01 00 00 00  ff ff 03 00  f4 01 00 00
 *                  └ 3 of them  └ 16 bits    └ -1  └ 3    └ 500 └ not used
 *
 * An integer is two words here, `high` and `low`, so that none of 64 bits needs a BigInt to be found.
 *
 * Contract: the block is its owner's; writers hold the exclusive latch of the owner's shard, readers at least the shared
 * one. A change may move the block: it returns the ref that is valid from then on, or 0 when the bank has no room, and then
 * nothing has changed.
 */
import { parseInt64 } from '../base/numbers.ts';
import type { Bank } from '../memory/bank.ts';
import { type Element, writeNumber } from './packed.ts';

const COUNT = 0;
const WIDTH = 1;
const HEADER_WORDS = 2;
const WIDTH_16 = 1;
const WIDTH_32 = 2;
const WIDTH_64 = 4;
const TWO_32 = 4294967296;
/** A block that would have this many words too many is moved to a smaller one. */
const MAX_SLACK_WORDS = 16;

/** The integer that was parsed last, and the one that was loaded last. */
let wantedHigh = 0;
let wantedLow = 0;
let high = 0;
let low = 0;

/** Reads a text as an integer for the calls that follow; false when it isn't the canonical form of a 64-bit one. */
export function parse(bytes: Uint8Array, start: number, end: number): boolean {
  const value = parseInt64(bytes, start, end);
  if (value === null) return false;
  if (typeof value === 'number') {
    wantedHigh = Math.floor(value / TWO_32);
    wantedLow = (value - wantedHigh * TWO_32) | 0;
  } else {
    wantedHigh = Number(value >> 32n);
    wantedLow = Number(value & 0xffffffffn) | 0;
  }
  return true;
}

function wantedWidth(): number {
  if (wantedHigh !== wantedLow >> 31) return WIDTH_64;
  return wantedLow >= -32768 && wantedLow < 32768 ? WIDTH_16 : WIDTH_32;
}

function load(i32: Int32Array, ref: number, width: number, index: number): void {
  const base = ref + HEADER_WORDS;
  if (width === WIDTH_16) {
    const word = i32[base + (index >>> 1)]!;
    low = index & 1 ? word >> 16 : (word << 16) >> 16;
    high = low >> 31;
  } else if (width === WIDTH_32) {
    low = i32[base + index]!;
    high = low >> 31;
  } else {
    low = i32[base + index * 2]!;
    high = i32[base + index * 2 + 1]!;
  }
}
function store(i32: Int32Array, ref: number, width: number, index: number, ofHigh: number, ofLow: number): void {
  const base = ref + HEADER_WORDS;
  if (width === WIDTH_16) {
    const at = base + (index >>> 1);
    const word = i32[at]!;
    i32[at] = index & 1 ? (word & 0xffff) | (ofLow << 16) : (word & ~0xffff) | (ofLow & 0xffff);
  } else if (width === WIDTH_32) {
    i32[base + index] = ofLow;
  } else {
    i32[base + index * 2] = ofLow;
    i32[base + index * 2 + 1] = ofHigh;
  }
}
function wordsFor(count: number, width: number): number {
  return HEADER_WORDS + ((count * width + 1) >>> 1);
}

export function length(bank: Bank, ref: number): number {
  return bank.i32[ref + COUNT]!;
}
/** An empty set; 0 when the bank is full. */
export function create(bank: Bank): number {
  const ref = bank.alloc(HEADER_WORDS);
  if (ref === 0) return 0;
  bank.i32[ref + COUNT] = 0;
  bank.i32[ref + WIDTH] = WIDTH_16;
  return ref;
}
export function free(bank: Bank, ref: number): void {
  bank.free(ref);
}

/** The index of the parsed integer, or -1 - (the index where it belongs). */
export function find(bank: Bank, ref: number): number {
  const { i32 } = bank;
  const width = i32[ref + WIDTH]!;
  let from = 0;
  let to = i32[ref + COUNT]!;
  while (from < to) {
    const middle = (from + to) >>> 1;
    load(i32, ref, width, middle);
    if (high === wantedHigh && low === wantedLow) return middle;
    if (high < wantedHigh || (high === wantedHigh && low >>> 0 < wantedLow >>> 0)) from = middle + 1;
    else to = middle;
  }
  return -1 - from;
}

/** Puts the parsed integer, which isn't there yet, where `find` said that it belongs. */
export function insert(bank: Bank, ref: number, index: number): number {
  const { i32 } = bank;
  const count = i32[ref + COUNT]!;
  const old = i32[ref + WIDTH]!;
  const width = Math.max(old, wantedWidth());
  let to = ref;
  const need = wordsFor(count + 1, width);
  if (need > bank.sizeWords(ref)) {
    to = bank.alloc(need);
    if (to === 0) return 0;
    i32[to + COUNT] = count;
  }
  if (to !== ref && width === old && width !== WIDTH_16) {
    const at = HEADER_WORDS + index * (width >>> 1);
    const end = wordsFor(count, width);
    i32.copyWithin(to, ref, ref + at);
    i32.copyWithin(to + at + (width >>> 1), ref + at, ref + end);
  } else {
    // From the end, so that what is widened or moved up in place doesn't overwrite what comes next.
    for (let from = count - 1; from >= 0; from--) {
      if (to === ref && width === old && from < index) break;
      load(i32, ref, old, from);
      store(i32, to, width, from < index ? from : from + 1, high, low);
    }
  }
  store(i32, to, width, index, wantedHigh, wantedLow);
  i32[to + WIDTH] = width;
  i32[to + COUNT] = count + 1;
  if (to !== ref) bank.free(ref);
  return to;
}

/** Takes the integer at an index out. The width stays. */
export function remove(bank: Bank, ref: number, index: number): number {
  const { i32 } = bank;
  const count = i32[ref + COUNT]! - 1;
  const width = i32[ref + WIDTH]!;
  for (let at = index; at < count; at++) {
    load(i32, ref, width, at + 1);
    store(i32, ref, width, at, high, low);
  }
  i32[ref + COUNT] = count;
  const need = wordsFor(count, width);
  if (bank.sizeWords(ref) - need <= MAX_SLACK_WORDS) return ref;
  const fresh = bank.alloc(need);
  if (fresh === 0) return ref;
  i32.copyWithin(fresh, ref, ref + need);
  bank.free(ref);
  return fresh;
}

/** Lends the integer at an index as text; valid until the next `read` into the same Element. */
export function read(bank: Bank, ref: number, index: number, into: Element): void {
  const { i32 } = bank;
  load(i32, ref, i32[ref + WIDTH]!, index);
  const value = high * TWO_32 + (low >>> 0);
  const isExact = Number.isSafeInteger(value);
  const { digits } = into;
  into.lendDigits(value, isExact ? writeNumber(digits, value) : digits.latin1Write(String((BigInt(high) << 32n) | BigInt(low >>> 0)), 0));
  into.isNumber = isExact;
}

/** A copy in the same bank or another; 0 when that one is full. */
export function copy(bank: Bank, ref: number, to: Bank): number {
  const words = wordsFor(bank.i32[ref + COUNT]!, bank.i32[ref + WIDTH]!);
  const fresh = to.alloc(words);
  if (fresh === 0) return 0;
  if (bank === to) bank.i32.copyWithin(fresh, ref, ref + words);
  else to.i32.set(bank.i32.subarray(ref, ref + words), fresh);
  return fresh;
}

/** Throws where something doesn't add up. */
export function check(bank: Bank, ref: number): void {
  const { i32 } = bank;
  const count = i32[ref + COUNT]!;
  const width = i32[ref + WIDTH]!;
  if (width !== WIDTH_16 && width !== WIDTH_32 && width !== WIDTH_64) throw new Error('intset: no such width');
  if (wordsFor(count, width) > bank.sizeWords(ref)) throw new Error('intset: longer than its block');
  for (let index = 1; index < count; index++) {
    load(i32, ref, width, index - 1);
    const beforeHigh = high;
    const beforeLow = low;
    load(i32, ref, width, index);
    if (high < beforeHigh || (high === beforeHigh && low >>> 0 <= beforeLow >>> 0)) throw new Error('intset: not ascending');
  }
}
