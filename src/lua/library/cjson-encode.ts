/** Values to JSON, as lua-cjson 2.1 writes it. */
import { libraryError } from '../runtime/errors.ts';
import { endSlice, meter } from '../runtime/meter.ts';
import { formatGeneral, formatNumber } from '../runtime/numbers.ts';
import { hashOrder } from '../runtime/order.ts';
import { LuaTable } from '../runtime/table.ts';
import { nextKey } from '../runtime/traversal.ts';
import { LightUserdata, type LuaValue, typeName } from '../runtime/value.ts';
import type { ByteBuilder, Escapes } from './byte-builder.ts';
import type { CjsonOptions } from './cjson.ts';

const QUOTE = 34;
const COMMA = 44;
const INT_MAX = 0x7fffffff;
const INT_MIN = -0x80000000;
const DEFAULT_PRECISION = 14;
/** By byte: what stands for it in a string, undefined for itself. */
const REPLACEMENTS: (string | undefined)[] = Array.from({ length: 256 }, (_, code) => {
  const short: Readonly<Record<number, string>> = {
    8: '\\b',
    9: '\\t',
    10: '\\n',
    12: '\\f',
    13: '\\r',
    34: '\\"',
    47: '\\/',
    92: '\\\\',
  };
  if (short[code] !== undefined) return short[code];
  return code < 32 || code === 127 ? `\\u00${code.toString(16).padStart(2, '0')}` : undefined;
});
const ESCAPES: Escapes = {
  replacements: REPLACEMENTS,
  isEscaped: Uint8Array.from(REPLACEMENTS, (replacement) => (replacement === undefined ? 0 : 1)),
};

export class Encoder {
  private readonly builder: ByteBuilder;
  private readonly options: CjsonOptions;
  constructor(builder: ByteBuilder, options: CjsonOptions) {
    this.builder = builder;
    this.options = options;
  }
  value(value: LuaValue, depth: number): void {
    if (--meter.ticks < 0) endSlice();
    const { builder } = this;
    switch (typeof value) {
      case 'string':
        this.string(value);
        return;
      case 'number':
        this.number(value);
        return;
      case 'boolean':
        builder.addText(value ? 'true' : 'false');
        return;
      case 'undefined':
        builder.addText('null');
        return;
      default:
        if (value instanceof LuaTable) this.table(value, depth + 1);
        else if (value instanceof LightUserdata) builder.addText('null');
        else this.refuse(value, 'type not supported');
    }
  }
  private refuse(value: LuaValue, reason: string): never {
    throw libraryError(`Cannot serialise ${typeName(value)}: ${reason}`);
  }
  private string(text: string): void {
    this.builder.addQuoted(text, ESCAPES);
    meter.ticks -= text.length >> 5;
  }
  private number(value: number): void {
    const { builder, options } = this;
    if ((value | 0) === value && value > 0 && options.encodeNumberPrecision >= 10) {
      builder.addInteger(value);
      return;
    }
    if (value - value !== 0) {
      if (options.encodeInvalidNumbers === 'off') this.refuse(value, 'must not be NaN or Inf');
      if (options.encodeInvalidNumbers === 'null') builder.addText('null');
      else builder.addText(Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf');
      return;
    }
    if (options.encodeNumberPrecision === DEFAULT_PRECISION && builder.addFraction(value)) return;
    builder.addText(this.numberText(value));
  }
  private numberText(value: number): string {
    const { encodeNumberPrecision } = this.options;
    return encodeNumberPrecision === DEFAULT_PRECISION ? formatNumber(value) : formatGeneral(value, encodeNumberPrecision, false);
  }
  private table(table: LuaTable, depth: number): void {
    if (depth > this.options.encodeMaxDepth) {
      throw libraryError(`Cannot serialise, excessive nesting (${depth})`);
    }
    const length = this.arrayLength(table);
    if (length > 0) this.array(table, length, depth);
    else this.object(table, depth);
  }
  /** The highest index of a table whose keys are all positive integers; -1 for any other, and for a sparse one that is to be an object. */
  private arrayLength(table: LuaTable): number {
    if (table.keys.length === 0 && !table.hasHoles) return table.items.length - 1;
    if (table.items.length === 1 && table.keys.length > 0 && !table.hasIntegers && hasValue(table)) return -1;
    let most = 0;
    let count = 0;
    for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
      if (typeof key !== 'number' || key <= 0 || Math.floor(key) !== key) return -1;
      // The highest index is a C int: what doesn't fit becomes the smallest one.
      if (key > most) most = key > INT_MAX ? INT_MIN : key;
      count++;
    }
    const { sparseRatio, sparseSafe, sparseConvert } = this.options;
    if (sparseRatio > 0 && most > count * sparseRatio && most > sparseSafe) {
      if (!sparseConvert) this.refuse(table, 'excessively sparse array');
      return -1;
    }
    return most;
  }
  private array(table: LuaTable, length: number, depth: number): void {
    const { builder } = this;
    builder.addByte(91);
    const { items } = table;
    for (let at = 1; at <= length; at++) {
      if (at > 1) builder.addByte(COMMA);
      this.value(at < items.length ? items[at] : table.get(at), depth);
    }
    builder.addByte(93);
  }
  private object(table: LuaTable, depth: number): void {
    const { builder } = this;
    builder.addByte(123);
    let isFirst = true;
    const { items } = table;
    for (let at = 1; at < items.length; at++) {
      if (items[at] === undefined) continue;
      this.member(isFirst, at, items[at], depth);
      isFirst = false;
    }
    const order = hashOrder(table);
    for (let position = 0; position < order.length; position++) {
      const value = table.values[order[position] as number];
      if (value === undefined) continue;
      this.member(isFirst, table.keys[order[position] as number], value, depth);
      isFirst = false;
    }
    builder.addByte(125);
  }
  private member(isFirst: boolean, key: LuaValue, value: LuaValue, depth: number): void {
    const { builder } = this;
    if (!isFirst) builder.addByte(COMMA);
    if (typeof key === 'string') this.string(key);
    else if (typeof key === 'number') {
      builder.addByte(QUOTE);
      this.number(key);
      builder.addByte(QUOTE);
    } else this.refuse(key, 'table key must be a number or string');
    builder.addByte(58);
    this.value(value, depth);
  }
}
/** A key with a value that is no number: the table is an object. */
function hasValue(table: LuaTable): boolean {
  for (let slot = 0; slot < table.keys.length; slot++) {
    if (table.values[slot] !== undefined && typeof table.keys[slot] !== 'number') return true;
  }
  return false;
}
