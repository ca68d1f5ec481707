/** Bit operations on numbers as signed 32-bit integers: Lua BitOp 1.0.2 (https://bitop.luajit.org/semantics.html). */
import { typeError } from '../runtime/errors.ts';
import type { LuaFunction, LuaValue } from '../runtime/value.ts';
import { checkNumber } from './arguments.ts';

/** Added to a double it shifts the integer part into the lowest bits, rounded half to even: 2^52 + 2^51. */
const SHIFT_TO_LOW_BITS = 6755399441055744;
const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

function toBits(value: LuaValue, position: number): number {
  if (typeof value === 'number' && (value | 0) === value) return value | 0;
  double[0] = checkNumber(value, position) + SHIFT_TO_LOW_BITS;
  // A NaN has no low bits of its own.
  return words[0] as number;
}
const fold = (combine: (a: number, b: number) => number): LuaFunction => {
  return (...args: LuaValue[]) => {
    let bits = toBits(args[0], 1);
    // From the last one, so that it is the last wrong one that is named.
    for (let at = args.length - 1; at > 0; at--) bits = combine(bits, toBits(args[at], at + 1));
    return bits;
  };
};
const shift = (move: (bits: number, count: number) => number): LuaFunction => {
  return (value: LuaValue, count: LuaValue) => move(toBits(value, 1), toBits(count, 2) & 31);
};
function swapBytes(bits: number): number {
  return (bits >>> 24) | ((bits >>> 8) & 0xff00) | ((bits << 8) & 0xff0000) | (bits << 24);
}
/** The lowest `digits` hexadecimal digits; in upper case when the number of them is negative. */
function toHex(...args: LuaValue[]): string {
  const bits = toBits(args[0], 1);
  if (args.length > 1 && args[1] === undefined) throw typeError(2, 'number', args[1]);
  const wanted = args.length > 1 ? toBits(args[1], 2) : 8;
  const digits = Math.min(8, Math.abs(wanted));
  const text = digits === 0 ? '' : (bits >>> 0).toString(16).padStart(8, '0').slice(-digits);
  return wanted < 0 ? text.toUpperCase() : text;
}

export const BIT: Readonly<Record<string, LuaFunction>> = {
  arshift: shift((bits, count) => bits >> count),
  band: fold((a, b) => a & b),
  bnot: (value: LuaValue) => ~toBits(value, 1),
  bor: fold((a, b) => a | b),
  bswap: (value: LuaValue) => swapBytes(toBits(value, 1)),
  bxor: fold((a, b) => a ^ b),
  lshift: shift((bits, count) => bits << count),
  rol: shift((bits, count) => (bits << count) | (bits >>> ((32 - count) & 31))),
  ror: shift((bits, count) => (bits >>> count) | (bits << ((32 - count) & 31))),
  rshift: shift((bits, count) => (bits >>> count) | 0),
  tobit: (value: LuaValue) => toBits(value, 1),
  tohex: toHex,
};
