/**
 * The table library. Reference manual, section 5.5; the sort is ltablib.c's quicksort, so that equal elements end where Redis puts
 * them.
 */
import { callFunction, callFunctionWithTwo } from '../runtime/calls.ts';
import { LuaError, libraryError } from '../runtime/errors.ts';
import { charge, reserveMemory } from '../runtime/meter.ts';
import { formatNumber } from '../runtime/numbers.ts';
import { less, READONLY_MESSAGE } from '../runtime/operators.ts';
import type { LuaTable } from '../runtime/table.ts';
import { found, nextKey } from '../runtime/traversal.ts';
import { type LuaFunction, type LuaValue, NOTHING, typeName } from '../runtime/value.ts';
import { checkFunction, checkInt32, checkString, checkTable, isTrue, optionalInt32 } from './arguments.ts';

function checkWritable(value: LuaValue): LuaTable {
  const table = checkTable(value, 1);
  if (table.isReadonly) throw new LuaError(READONLY_MESSAGE);
  return table;
}

function concat(value: LuaValue, separator?: LuaValue, from?: LuaValue, to?: LuaValue): string {
  const between = separator === undefined ? '' : checkString(separator, 2);
  const table = checkTable(value, 1);
  const start = optionalInt32(from, 3, 1);
  const end = to === undefined ? table.length() : checkInt32(to, 4);
  let text = '';
  let reserved = 0;
  for (let at = start; at <= end; at++) {
    const item = table.get(at);
    if (typeof item === 'string') text += item;
    else if (typeof item === 'number') text += formatNumber(item);
    else throw libraryError(`invalid value (${typeName(item)}) at index ${at} in table for 'concat'`);
    if (at < end) text += between;
    if (text.length - reserved > 65_536) {
      reserveMemory(text.length);
      reserved = text.length;
    }
    charge(1);
  }
  reserveMemory(text.length);
  return text;
}

/** Emitted code pushes by itself where this function would do nothing else. */
export function insert(...args: LuaValue[]): readonly LuaValue[] {
  const table = checkWritable(args[0]);
  const end = table.length() + 1;
  if (args.length === 2) {
    if (args[1] !== undefined) table.set(end, args[1]);
    return NOTHING;
  }
  if (args.length !== 3) throw libraryError("wrong number of arguments to 'insert'");
  const place = checkInt32(args[1], 2);
  const last = Math.max(end, place);
  charge((last - place) >> 3);
  for (let at = last; at > place; at--) table.set(at, table.get(at - 1));
  table.set(place, args[2]);
  return NOTHING;
}
function remove(...args: LuaValue[]): LuaValue | readonly LuaValue[] {
  const table = checkWritable(args[0]);
  const end = table.length();
  const place = args[1] === undefined ? end : checkInt32(args[1], 2);
  if (place < 1 || place > end) return NOTHING;
  const removed = table.get(place);
  charge((end - place) >> 3);
  for (let at = place; at < end; at++) table.set(at, table.get(at + 1));
  table.set(end, undefined);
  return removed;
}
function maxn(value: LuaValue): number {
  const table = checkTable(value, 1);
  let most = 0;
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
    if (typeof key === 'number' && key > most) most = key;
  }
  return most;
}
function foreach(value: LuaValue, visitor: LuaValue): LuaValue | readonly LuaValue[] {
  const table = checkTable(value, 1);
  const visit = checkFunction(visitor, 2);
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
    const [result] = callFunction(visit, [key, found.value]);
    if (result !== undefined) return result;
  }
  return NOTHING;
}
function foreachi(value: LuaValue, visitor: LuaValue): LuaValue | readonly LuaValue[] {
  const table = checkTable(value, 1);
  const visit = checkFunction(visitor, 2);
  const end = table.length();
  for (let at = 1; at <= end; at++) {
    const [result] = callFunction(visit, [at, table.get(at)]);
    if (result !== undefined) return result;
  }
  return NOTHING;
}

type IsLess = (a: LuaValue, b: LuaValue) => boolean;

/** The elements being sorted: in place while the table stays as it was, by get and set when a comparison has changed it. */
class Sorter {
  private readonly table: LuaTable;
  private readonly items: LuaValue[];
  private readonly isLess: IsLess;
  constructor(table: LuaTable, isLess: IsLess) {
    this.table = table;
    this.items = table.items;
    this.isLess = isLess;
  }
  private get(at: number): LuaValue {
    return at < this.items.length && at > 0 ? this.items[at] : this.table.get(at);
  }
  private set(at: number, value: LuaValue): void {
    if (at < this.items.length && at > 0 && value !== undefined) this.items[at] = value;
    else this.table.set(at, value);
  }
  private swapIfLess(at: number, than: number): boolean {
    const a = this.get(at);
    const b = this.get(than);
    if (!this.isLess(a, b)) return false;
    this.set(at, b);
    this.set(than, a);
    return true;
  }
  sort(from: number, to: number): void {
    let low = from;
    let high = to;
    while (low < high) {
      charge(1);
      this.swapIfLess(high, low);
      if (high - low === 1) return;
      const middle = Math.floor((low + high) / 2);
      if (!this.swapIfLess(middle, low)) this.swapIfLess(high, middle);
      if (high - low === 2) return;
      const split = this.partition(low, high, middle);
      // The smaller half by recursion, the larger one by the loop: the depth stays logarithmic.
      if (split - low < high - split) {
        this.sort(low, split - 1);
        low = split + 1;
      } else {
        this.sort(split + 1, high);
        high = split - 1;
      }
    }
  }
  private partition(low: number, high: number, middle: number): number {
    const { isLess } = this;
    const pivot = this.get(middle);
    this.set(middle, this.get(high - 1));
    this.set(high - 1, pivot);
    let left = low;
    let right = high - 1;
    for (;;) {
      let a = this.get(++left);
      while (isLess(a, pivot)) {
        if (left > high) throw libraryError('invalid order function for sorting');
        a = this.get(++left);
      }
      let b = this.get(--right);
      while (isLess(pivot, b)) {
        if (right < low) throw libraryError('invalid order function for sorting');
        b = this.get(--right);
      }
      if (right < left) break;
      this.set(left, b);
      this.set(right, a);
    }
    charge((high - low) >> 3);
    const atPlace = this.get(left);
    this.set(left, this.get(high - 1));
    this.set(high - 1, atPlace);
    return left;
  }
}
const naturalLess: IsLess = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a < b : less(a, b));
function lessBy(compare: LuaFunction): IsLess {
  return (a, b) => isTrue(callFunctionWithTwo(compare, a, b));
}
/** Most numbers that are sorted in one go: some tenths of a second. */
const MAX_NUMBERS = 1_000_000;
/** From here on sorting by digits beats comparing. */
const MIN_INTEGERS = 512;
const DIGIT_BITS = 11;
const DIGIT_VALUES = 1 << DIGIT_BITS;
/** Three passes over eleven bits each, the lowest first; the highest digit has the sign, so its upper half comes first. */
function sortIntegers(integers: Int32Array): Int32Array {
  let from: Int32Array = integers;
  let to: Int32Array = new Int32Array(integers.length);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const sign = shift + DIGIT_BITS >= 32 ? 1 << (31 - shift) : 0;
    const places = new Int32Array(DIGIT_VALUES + 1);
    for (let at = 0; at < from.length; at++) (places[((((from[at] as number) >>> shift) & (DIGIT_VALUES - 1)) ^ sign) + 1] as number)++;
    for (let digit = 1; digit < DIGIT_VALUES; digit++) (places[digit] as number) += places[digit - 1] as number;
    for (let at = 0; at < from.length; at++) {
      const value = from[at] as number;
      to[(places[((value >>> shift) & (DIGIT_VALUES - 1)) ^ sign] as number)++] = value;
    }
    [from, to] = [to, from];
  }
  return from;
}
/** Numbers alone come out the same by any algorithm. False when something else is among them. */
function sortNumbers(table: LuaTable, end: number): boolean {
  const { items } = table;
  if (end !== items.length - 1 || end > MAX_NUMBERS || end < 16) return false;
  reserveMemory(end << 4);
  const numbers = new Float64Array(end);
  let isInteger = true;
  for (let at = 1; at <= end; at++) {
    const item = items[at];
    // NaN has no place in an order, and -0 equals 0: the general way knows what Lua makes of them.
    if (typeof item !== 'number' || Number.isNaN(item) || (item === 0 && 1 / item < 0)) return false;
    if ((item | 0) !== item) isInteger = false;
    numbers[at - 1] = item;
  }
  charge(end);
  const sorted = isInteger && end >= MIN_INTEGERS ? sortIntegers(Int32Array.from(numbers)) : numbers.sort();
  for (let at = 1; at <= end; at++) items[at] = sorted[at - 1];
  return true;
}
function sort(value: LuaValue, compare?: LuaValue): readonly LuaValue[] {
  const table = checkWritable(value);
  const end = table.length();
  const isLess = compare === undefined ? naturalLess : lessBy(checkFunction(compare, 2));
  if (compare !== undefined || !sortNumbers(table, end)) new Sorter(table, isLess).sort(1, end);
  return NOTHING;
}

export const TABLE: Readonly<Record<string, LuaFunction>> = {
  concat,
  foreach,
  foreachi,
  getn: (table: LuaValue) => checkTable(table, 1).length(),
  insert,
  maxn,
  remove,
  setn: () => {
    throw libraryError("'setn' is obsolete");
  },
  sort,
};
