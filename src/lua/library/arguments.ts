/** Checks of library functions' arguments, with the messages of lauxlib.c. Positions count from 1. */
import { argumentError, typeError } from '../runtime/errors.ts';
import { charge } from '../runtime/meter.ts';
import { formatNumber, parseNumber } from '../runtime/numbers.ts';
import { LuaTable } from '../runtime/table.ts';
import type { LuaFunction, LuaValue } from '../runtime/value.ts';

const TWO_63 = 2 ** 63;
/** Looking at a string costs a tick for so many bytes. */
const BYTES_PER_TICK = 64;

export function checkNumber(value: LuaValue, position: number): number {
  if (typeof value === 'number') return value;
  const number = typeof value === 'string' ? parseNumber(value) : undefined;
  if (number === undefined) throw typeError(position, 'number', value);
  return number;
}
/** A double cut to a 64-bit integer, as x86-64 does it: what doesn't fit is the smallest one. */
export function toInteger(number: number): number {
  const cut = Math.trunc(number);
  return cut >= -TWO_63 && cut < TWO_63 ? cut + 0 : -TWO_63;
}
export function checkInteger(value: LuaValue, position: number): number {
  if (typeof value === 'number' && (value | 0) === value) return value | 0;
  return toInteger(checkNumber(value, position));
}
export function optionalInteger(value: LuaValue, position: number, otherwise: number): number {
  return value === undefined ? otherwise : checkInteger(value, position);
}
/** The lowest 32 bits of an integer, as C makes an int of it. */
export function toInt32(integer: number): number {
  return (integer | 0) === integer ? integer : Number(BigInt.asIntN(32, BigInt(integer)));
}
/** An argument that C takes as an int. */
export function checkInt32(value: LuaValue, position: number): number {
  return toInt32(checkInteger(value, position));
}
export function optionalInt32(value: LuaValue, position: number, otherwise: number): number {
  return value === undefined ? otherwise : checkInt32(value, position);
}
/** A double as C casts it to an unsigned 64-bit integer: negative ones by way of a signed one. */
export function toUnsigned(number: number): bigint {
  if (Number.isNaN(number)) return 1n << 63n;
  const cut = Math.trunc(number);
  if (cut < 0) return cut >= -TWO_63 ? BigInt.asUintN(64, BigInt(cut)) : 1n << 63n;
  return cut < 2 * TWO_63 ? BigInt(cut) : 0n;
}
export function checkString(value: LuaValue, position: number): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') throw typeError(position, 'string', value);
  return formatNumber(value);
}
export function checkTable(value: LuaValue, position: number): LuaTable {
  if (!(value instanceof LuaTable)) throw typeError(position, 'table', value);
  return value;
}
export function checkFunction(value: LuaValue, position: number): LuaFunction {
  if (typeof value !== 'function') throw typeError(position, 'function', value);
  return value;
}
/** The argument must be there, be it nil. */
export function checkAny(args: readonly LuaValue[], position: number): LuaValue {
  if (args.length < position) throw argumentError(position, 'value expected');
  return args[position - 1];
}
/** What C sees of a string that it takes for one that a zero byte ends. */
export function untilZero(text: string): string {
  const zero = text.indexOf('\0');
  return zero < 0 ? text : text.slice(0, zero);
}
/** Counts work over so many bytes of a string. */
export function chargeBytes(bytes: number): void {
  if (bytes > BYTES_PER_TICK) charge(Math.floor(bytes / BYTES_PER_TICK));
}
export const isTrue = (value: LuaValue): boolean => value !== undefined && value !== false;

/** A library's table. */
export function libraryTable(functions: Readonly<Record<string, LuaValue>>): LuaTable {
  const table = new LuaTable();
  for (const [name, value] of Object.entries(functions)) table.set(name, value);
  return table;
}
