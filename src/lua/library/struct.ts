/**
 * struct.pack, unpack and size: values in C's layouts, as the struct library 0.2 (Roberto Ierusalimschy) reads formats:
 *
 *   > < !n   big endian, little endian, alignment up to n (a power of two; 1 unless set)
 *   b B h H l L T iN IN   integers of 1, 2, 8, 8 and N (4) bytes, small letters signed
 *   f d   float and double      x   a zero byte      s   a string and a zero byte
 *   cN    N bytes; c0 packs all of them, and unpacks as many as the number before says
 */
import { argumentError, libraryError } from '../runtime/errors.ts';
import { toNumber } from '../runtime/operators.ts';
import type { LuaFunction, LuaValue } from '../runtime/value.ts';
import { chargeBytes, checkNumber, checkString, optionalInteger, toUnsigned } from './arguments.ts';
import { type ByteBuilder, buildText } from './byte-builder.ts';

const MAX_INTEGER_BYTES = 32;
const NATIVE_ALIGNMENT = 8;
const INT_MAX = 0x7fffffff;
const TWO_64 = 1n << 64n;
const SIZES: Readonly<Record<string, number>> = { B: 1, b: 1, H: 2, h: 2, L: 8, l: 8, T: 8, f: 4, d: 8, x: 1 };
const INTEGERS = 'bBhHlLTiI';
const scratch = new DataView(new ArrayBuffer(8));

/** Walks through a format: the current option, its size, and what the options before have set. */
class Format {
  option = '';
  size = 0;
  isLittle = true;
  private alignment = 1;
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    const zero = text.indexOf('\0');
    this.text = zero < 0 ? text : text.slice(0, zero);
  }
  /** To the next option; false at the end. */
  next(): boolean {
    if (this.at >= this.text.length) return false;
    this.option = this.text[this.at++] as string;
    this.size = this.sizeOf(this.option);
    return true;
  }
  private number(otherwise: number): number {
    const start = this.at;
    let value = 0;
    for (;;) {
      const digit = this.text.charCodeAt(this.at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      if (value > INT_MAX) throw libraryError('integral size overflow');
      this.at++;
    }
    return this.at === start ? otherwise : value;
  }
  private sizeOf(option: string): number {
    if (option === 'c') return this.number(1);
    if (option !== 'i' && option !== 'I') return SIZES[option] ?? 0;
    const size = this.number(4);
    if (size > MAX_INTEGER_BYTES) {
      throw libraryError(`integral size ${size} is larger than limit of ${MAX_INTEGER_BYTES}`);
    }
    return size;
  }
  /** Bytes to leave out before the current option when `position` bytes are behind. */
  padding(position: number): number {
    if (position === Number.POSITIVE_INFINITY || this.size === 0 || this.option === 'c') return 0;
    const unit = Math.min(this.size, this.alignment);
    return (unit - (position & (unit - 1))) & (unit - 1);
  }
  /** An option that stands for no value. */
  control(): void {
    const { option } = this;
    if (option === ' ') return;
    if (option === '>' || option === '<') {
      this.isLittle = option === '<';
      return;
    }
    if (option !== '!') throw argumentError(1, `invalid format option '${option}'`);
    const alignment = this.number(NATIVE_ALIGNMENT);
    if (alignment <= 0 || (alignment & (alignment - 1)) !== 0) {
      throw libraryError(`alignment ${alignment} is not a power of 2`);
    }
    this.alignment = alignment;
  }
}

function putInteger(builder: ByteBuilder, number: number, format: Format): void {
  const bytes: number[] = [];
  let rest = toUnsigned(number);
  for (let count = 0; count < format.size; count++) {
    bytes.push(Number(rest & 0xffn));
    rest >>= 8n;
  }
  if (!format.isLittle) bytes.reverse();
  for (const byte of bytes) builder.addByte(byte);
}
function putFloat(builder: ByteBuilder, number: number, format: Format): void {
  if (format.option === 'f') scratch.setFloat32(0, number, format.isLittle);
  else scratch.setFloat64(0, number, format.isLittle);
  for (let at = 0; at < format.size; at++) builder.addByte(scratch.getUint8(at));
}

function packOption(builder: ByteBuilder, format: Format, value: LuaValue, position: number): void {
  const { option } = format;
  if (option === 'f' || option === 'd') putFloat(builder, checkPacked(value, position), format);
  else putInteger(builder, checkPacked(value, position), format);
}
/** A missing argument is nil here, not "no value". */
function checkPacked(value: LuaValue, position: number): number {
  if (value === undefined) throw argumentError(position, 'number expected, got nil');
  return checkNumber(value, position);
}
function packText(builder: ByteBuilder, format: Format, value: LuaValue, position: number): number {
  if (value === undefined) throw argumentError(position, 'string expected, got nil');
  const text = checkString(value, position);
  const size = format.size === 0 ? text.length : format.size;
  if (text.length < size) throw argumentError(position + 1, 'string too short');
  builder.add(text, 0, size);
  if (format.option !== 's') return size;
  builder.addByte(0);
  return size + 1;
}
function pack(...args: LuaValue[]): string {
  const format = new Format(checkString(args[0], 1));
  return buildText((builder) => {
    let position = 2;
    while (format.next()) {
      const { option } = format;
      for (let padding = format.padding(builder.length); padding > 0; padding--) builder.addByte(0);
      if (option === 'x') builder.addByte(0);
      else if (option === 'c' || option === 's') packText(builder, format, args[position - 1], position++);
      else if (INTEGERS.includes(option) || option === 'f' || option === 'd') {
        packOption(builder, format, args[position - 1], position++);
      } else format.control();
    }
  });
}

function getInteger(data: string, start: number, format: Format): number {
  let bits = 0n;
  for (let count = 0; count < format.size; count++) {
    const at = format.isLittle ? start + format.size - 1 - count : start + count;
    bits = BigInt.asUintN(64, bits << 8n) | BigInt(data.charCodeAt(at));
  }
  const isSigned = format.option >= 'a';
  if (!isSigned) return Number(bits);
  const width = format.size >= 8 ? 64 : format.size * 8;
  const sign = width === 0 ? 0n : 1n << BigInt(width - 1);
  return Number((bits & sign) === 0n ? BigInt.asIntN(64, bits) : bits - (width === 64 ? TWO_64 : 1n << BigInt(width)));
}
function getFloat(data: string, start: number, format: Format): number {
  for (let at = 0; at < format.size; at++) scratch.setUint8(at, data.charCodeAt(start + at));
  return format.option === 'f' ? scratch.getFloat32(0, format.isLittle) : scratch.getFloat64(0, format.isLittle);
}
function checkRoom(data: string, position: number, size: number): void {
  if (size > data.length || position > data.length - size) throw argumentError(2, 'data string too short');
}
/** The bytes that c0 takes: the number unpacked last says how many. */
function takeSize(values: LuaValue[]): number {
  const last = values.at(-1);
  const size = toNumber(last);
  if (size === undefined) throw libraryError("format 'c0' needs a previous size");
  values.pop();
  // C casts it to a size_t: a negative one is huge, and one that is too large is zero.
  return Number(toUnsigned(size));
}
function unpackText(data: string, position: number, format: Format, values: LuaValue[]): number {
  if (format.option === 's') {
    const end = data.indexOf('\0', position);
    if (end < 0) throw libraryError('unfinished string in data');
    values.push(data.slice(position, end));
    return end + 1 - position;
  }
  const size = format.size === 0 ? takeSize(values) : format.size;
  checkRoom(data, position, size);
  values.push(data.slice(position, position + size));
  return size;
}
function unpack(layout: LuaValue, string: LuaValue, from?: LuaValue): LuaValue[] {
  const format = new Format(checkString(layout, 1));
  const data = checkString(string, 2);
  let position = optionalInteger(from, 3, 1) - 1;
  if (position === -1) throw argumentError(3, 'offset must be 1 or greater');
  // A negative offset is a huge one to C.
  if (position < 0) position = Number.POSITIVE_INFINITY;
  const values: LuaValue[] = [];
  chargeBytes(data.length);
  while (format.next()) {
    const { option } = format;
    position += format.padding(position);
    checkRoom(data, position, format.size);
    if (values.length >= 7_900) throw libraryError('stack overflow (too many results)');
    if (INTEGERS.includes(option)) values.push(getInteger(data, position, format));
    else if (option === 'f' || option === 'd') values.push(getFloat(data, position, format));
    else if (option === 'c' || option === 's') position += unpackText(data, position, format, values) - format.size;
    else if (option !== 'x') format.control();
    position += format.size;
  }
  values.push(position + 1);
  return values;
}
function sizeOf(layout: LuaValue): number {
  const format = new Format(checkString(layout, 1));
  let position = 0;
  while (format.next()) {
    position += format.padding(position);
    if (format.option === 's') throw argumentError(1, "option 's' has no fixed size");
    if (format.option === 'c' && format.size === 0) throw argumentError(1, "option 'c0' has no fixed size");
    if (!/[0-9a-zA-Z]/.test(format.option)) format.control();
    position += format.size;
  }
  return position;
}

export const STRUCT: Readonly<Record<string, LuaFunction>> = { pack, size: sizeOf, unpack };
