/**
 * MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) as Redis's cmsgpack 0.4.0 writes and reads it: integers in their
 * shortest form, doubles as floats where nothing is lost, no bin and ext types, tables that hold exactly 1..n as arrays.
 */
import { argumentError, libraryError } from '../runtime/errors.ts';
import { charge } from '../runtime/meter.ts';
import { LuaTable, newTable } from '../runtime/table.ts';
import { found, nextKey } from '../runtime/traversal.ts';
import type { LuaFunction, LuaValue } from '../runtime/value.ts';
import { checkInteger, checkString, optionalInteger, toInt32 } from './arguments.ts';
import { type ByteBuilder, buildText } from './byte-builder.ts';

/** Tables nested deeper are packed as nil. */
const MAX_PACKED_DEPTH = 16;
/** Deeper data would leave no room on Lua 5.1's stack. */
const MAX_UNPACKED_DEPTH = 3_999;
const ERR_TOO_DEEP = 'stack overflow (in function mp_decode_to_lua_array)';
const INT_MAX = 0x7fffffff;
const TWO_32 = 2 ** 32;
const TWO_63 = 2 ** 63;
const scratch = new DataView(new ArrayBuffer(8));

function addScratch(builder: ByteBuilder, type: number, size: number): void {
  builder.addByte(type);
  for (let at = 0; at < size; at++) builder.addByte(scratch.getUint8(at));
}
function packInteger(builder: ByteBuilder, value: number): void {
  if (value >= 0) {
    if (value <= 0x7f) builder.addByte(value);
    else if (value <= 0xff) packSized(builder, 0xcc, 1, value);
    else if (value <= 0xffff) packSized(builder, 0xcd, 2, value);
    else if (value < TWO_32) packSized(builder, 0xce, 4, value);
    else pack64(builder, 0xcf, value);
  } else if (value >= -32) builder.addByte(value & 0xff);
  else if (value >= -0x80) packSized(builder, 0xd0, 1, value);
  else if (value >= -0x8000) packSized(builder, 0xd1, 2, value);
  else if (value >= -0x80000000) packSized(builder, 0xd2, 4, value);
  else pack64(builder, 0xd3, value);
}
/** A type byte and a number of 1, 2 or 4 bytes. */
function packSized(builder: ByteBuilder, type: number, size: number, value: number): void {
  builder.addByte(type);
  for (let shift = size * 8 - 8; shift >= 0; shift -= 8) builder.addByte((value >>> shift) & 0xff);
}
function pack64(builder: ByteBuilder, type: number, value: number): void {
  scratch.setBigInt64(0, BigInt(value));
  addScratch(builder, type, 8);
}
function packNumber(builder: ByteBuilder, value: number): void {
  if (Math.trunc(value) === value && value >= -TWO_63 && value < TWO_63) {
    packInteger(builder, value);
  } else if (Math.fround(value) === value) {
    scratch.setFloat32(0, value);
    addScratch(builder, 0xca, 4);
  } else {
    scratch.setFloat64(0, value);
    // The NaN that x86 computes is a negative one.
    if (Number.isNaN(value)) scratch.setUint8(0, 0xff);
    addScratch(builder, 0xcb, 8);
  }
}
function packString(builder: ByteBuilder, text: string): void {
  const { length } = text;
  if (length < 32) builder.addByte(0xa0 | length);
  else if (length <= 0xff) packSized(builder, 0xd9, 1, length);
  else if (length <= 0xffff) packSized(builder, 0xda, 2, length);
  else packSized(builder, 0xdb, 4, length);
  builder.addText(text);
}
/** The length of a table that holds 1..n and nothing else, -1 for any other. */
function arrayLength(table: LuaTable): number {
  let count = 0;
  let most = 0;
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
    if (typeof key !== 'number' || key <= 0 || key > INT_MAX || Math.trunc(key) !== key) return -1;
    if (key > most) most = key;
    count++;
  }
  return most === count ? count : -1;
}
function packTable(builder: ByteBuilder, table: LuaTable, depth: number): void {
  const length = arrayLength(table);
  if (length >= 0) {
    packHead(builder, length, 0x90, 0xdc);
    for (let at = 1; at <= length; at++) packValue(builder, table.get(at), depth + 1);
    return;
  }
  let count = 0;
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) count++;
  packHead(builder, count, 0x80, 0xde);
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
    const { value } = found;
    packValue(builder, key, depth + 1);
    packValue(builder, value, depth + 1);
  }
}
function packHead(builder: ByteBuilder, count: number, small: number, large: number): void {
  if (count <= 15) builder.addByte(small | count);
  else if (count <= 0xffff) packSized(builder, large, 2, count);
  else packSized(builder, large + 1, 4, count);
}
function packValue(builder: ByteBuilder, value: LuaValue, depth: number): void {
  charge(1);
  switch (typeof value) {
    case 'string':
      packString(builder, value);
      return;
    case 'number':
      packNumber(builder, value);
      return;
    case 'boolean':
      builder.addByte(value ? 0xc3 : 0xc2);
      return;
    default:
      if (value instanceof LuaTable && depth < MAX_PACKED_DEPTH) packTable(builder, value, depth);
      else builder.addByte(0xc0);
  }
}
function pack(...args: LuaValue[]): string {
  if (args.length === 0) throw argumentError(0, 'MessagePack pack needs input.');
  return buildText((builder) => {
    for (const value of args) packValue(builder, value, 0);
  });
}

class Reader {
  at: number;
  private readonly data: string;
  constructor(data: string, at: number) {
    this.data = data;
    this.at = at;
  }
  get left(): number {
    return this.data.length - this.at;
  }
  /** Moves past `size` bytes and returns where they begin. */
  private take(size: number): number {
    if (this.left < size) throw libraryError('Missing bytes in input.');
    const start = this.at;
    this.at += size;
    return start;
  }
  private unsigned(size: number): number {
    const start = this.take(size);
    let value = 0;
    for (let at = start; at < start + size; at++) value = value * 256 + this.data.charCodeAt(at);
    return value;
  }
  private wide(): DataView {
    const start = this.take(8);
    for (let at = 0; at < 8; at++) scratch.setUint8(at, this.data.charCodeAt(start + at));
    return scratch;
  }
  private float(): number {
    scratch.setUint32(0, this.unsigned(4));
    return scratch.getFloat32(0);
  }
  private signed(size: number): number {
    const value = this.unsigned(size);
    const limit = 2 ** (size * 8 - 1);
    return value >= limit ? value - 2 * limit : value;
  }
  private string(size: number): string {
    const start = this.take(size);
    return this.data.slice(start, start + size);
  }
  value(depth: number): LuaValue {
    charge(1);
    const type = this.data.charCodeAt(this.take(1));
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type < 0x90) return this.map(type & 15, depth);
    if (type < 0xa0) return this.array(type & 15, depth);
    if (type < 0xc0) return this.string(type & 31);
    return this.sized(type, depth);
  }
  private sized(type: number, depth: number): LuaValue {
    switch (type) {
      case 0xc0:
        return undefined;
      case 0xc2:
      case 0xc3:
        return type === 0xc3;
      case 0xca:
        return this.float();
      case 0xcb:
        return this.wide().getFloat64(0);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.unsigned(1 << (type - 0xcc));
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.signed(1 << (type - 0xd0));
      case 0xcf:
      case 0xd3:
        return Number(this.wide().getBigInt64(0));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.string(this.unsigned(1 << (type - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.array(this.unsigned(type === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.map(this.unsigned(type === 0xde ? 2 : 4), depth);
      default:
        throw libraryError('Bad data format in input.');
    }
  }
  private array(length: number, depth: number): LuaTable {
    if (depth > MAX_UNPACKED_DEPTH) throw libraryError(ERR_TOO_DEEP);
    const table = newTable();
    for (let index = 1; index <= length; index++) table.set(index, this.value(depth + 1));
    return table;
  }
  private map(length: number, depth: number): LuaTable {
    if (depth > MAX_UNPACKED_DEPTH) throw libraryError('stack overflow (in function mp_decode_to_lua_hash)');
    const table = newTable();
    for (let count = 0; count < length; count++) {
      const key = this.value(depth + 1);
      table.set(key, this.value(depth + 1));
    }
    return table;
  }
}

/** A thread's stack may be too small for what Lua's would hold. */
function readValue(reader: Reader): LuaValue {
  try {
    return reader.value(0);
  } catch (error) {
    if (error instanceof RangeError) throw libraryError(ERR_TOO_DEEP);
    throw error;
  }
}
/** Up to `limit` values from `offset` on; with neither given, all of them and no offset in front. */
function unpackFrom(data: string, limit: number, offset: number): LuaValue[] {
  if (offset < 0 || limit < 0) {
    throw libraryError(`Invalid request to unpack with offset of ${toInt32(offset)} and limit of ${data.length}.`);
  }
  if (offset > data.length) {
    throw libraryError(`Start offset ${toInt32(offset)} greater than input length ${data.length}.`);
  }
  const isAll = limit === 0 && offset === 0;
  const reader = new Reader(data, offset);
  const values: LuaValue[] = [];
  while (reader.left > 0 && (isAll || values.length < limit)) values.push(readValue(reader));
  if (isAll) return values;
  return [reader.left === 0 ? -1 : reader.at, ...values];
}

export const CMSGPACK: Readonly<Record<string, LuaValue>> = {
  _COPYRIGHT: 'Copyright (C) 2012, Salvatore Sanfilippo',
  _DESCRIPTION: 'MessagePack C implementation for Lua',
  _NAME: 'cmsgpack',
  _VERSION: 'lua-cmsgpack 0.4.0',
  pack,
  unpack: (data: LuaValue) => unpackFrom(checkString(data, 1), 0, 0),
  unpack_limit: (data: LuaValue, limit: LuaValue, offset?: LuaValue) =>
    unpackFrom(checkString(data, 1), checkInteger(limit, 2), optionalInteger(offset, 3, 0)),
  unpack_one: (data: LuaValue, offset?: LuaValue) => unpackFrom(checkString(data, 1), 1, optionalInteger(offset, 2, 0)),
} satisfies Record<string, LuaFunction | string>;
