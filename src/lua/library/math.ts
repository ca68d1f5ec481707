/** The math library. Random numbers are those of Redis: drand48's generator, the same on every machine. */
import { argumentError, libraryError } from '../runtime/errors.ts';
import { pow } from '../runtime/operators.ts';
import type { LuaFunction, LuaValue } from '../runtime/value.ts';
import { checkInt32, checkNumber } from './arguments.ts';

const MAX_RANDOM = 0x7fffffff;
const TWO_24 = 2 ** 24;

/** 48-bit linear congruential generator: X = X * 0x5DEECE66D + 0xB (POSIX drand48), X in two halves of 24 bits. */
export class Random {
  // The state that Redis starts with: 0x1234ABCD330E.
  private high = 0x1234ab;
  private low = 0xcd330e;
  constructor(seed?: number) {
    if (seed !== undefined) this.seed(seed);
  }
  /** The seed's 32 bits above 0x330E. */
  seed(seed: number): void {
    const bits = seed >>> 0;
    this.high = bits >>> 8;
    this.low = (bits & 0xff) * 0x10000 + 0x330e;
  }
  /** The highest 31 of the 48 bits. */
  next(): number {
    const lowProduct = this.low * 0xece66d + 0xb;
    const carry = Math.floor(lowProduct / TWO_24);
    const highProduct = this.high * 0xece66d + this.low * 0x5de + carry;
    this.low = lowProduct % TWO_24;
    this.high = highProduct % TWO_24;
    return Math.floor((this.high * TWO_24 + this.low) / 2 ** 17);
  }
}

function frexp(value: LuaValue): LuaValue[] {
  const number = checkNumber(value, 1);
  if (number === 0 || number - number !== 0) return [number, 0];
  let exponent = Math.max(-1023, Math.floor(Math.log2(Math.abs(number))) + 1);
  let mantissa = number * 2 ** -exponent;
  while (Math.abs(mantissa) < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  while (Math.abs(mantissa) >= 1) {
    mantissa /= 2;
    exponent++;
  }
  return [mantissa, exponent];
}
function ldexp(value: LuaValue, exponent: LuaValue): number {
  const power = checkInt32(exponent, 2);
  const number = checkNumber(value, 1);
  if (number === 0 || number - number !== 0) return number;
  // In steps, since 2^power itself may be out of range where the result isn't.
  let result = number;
  for (let rest = Math.max(-2200, Math.min(2200, power)); rest !== 0; ) {
    const step = Math.max(-1000, Math.min(1000, rest));
    result *= 2 ** step;
    rest -= step;
  }
  return result;
}
function modf(value: LuaValue): LuaValue[] {
  const number = checkNumber(value, 1);
  const whole = Math.trunc(number);
  // The fraction has the number's sign, also when it's zero.
  const fraction = number - number === 0 ? Math.abs(number - whole) : 0;
  return [whole, Number.isNaN(number) ? number : number < 0 || Object.is(number, -0) ? -fraction : fraction];
}
const extreme = (choose: (a: number, b: number) => boolean): LuaFunction => {
  return (...args: LuaValue[]) => {
    let best = checkNumber(args[0], 1);
    for (let position = 2; position <= args.length; position++) {
      const number = checkNumber(args[position - 1], position);
      if (choose(number, best)) best = number;
    }
    return best;
  };
};
const unary = (compute: (x: number) => number): LuaFunction => {
  return (value: LuaValue) => compute(checkNumber(value, 1));
};
/** C's compilers evaluate the second argument first, so a wrong one there is the one that's named. */
const binary = (compute: (a: number, b: number) => number): LuaFunction => {
  return (a: LuaValue, b: LuaValue) => {
    const second = checkNumber(b, 2);
    return compute(checkNumber(a, 1), second);
  };
};
const remainder = binary((a, b) => a % b);

function randomFunctions(random: Random): Record<string, LuaFunction> {
  return {
    random: (...args: LuaValue[]) => {
      const fraction = (random.next() % MAX_RANDOM) / MAX_RANDOM;
      if (args.length === 0) return fraction;
      if (args.length > 2) throw libraryError('wrong number of arguments');
      const low = args.length === 1 ? 1 : checkInt32(args[0], 1);
      const high = checkInt32(args[args.length - 1], args.length);
      if (low > high) throw argumentError(args.length, 'interval is empty');
      return Math.floor(fraction * (high - low + 1)) + low;
    },
    randomseed: (seed: LuaValue) => {
      random.seed(checkInt32(seed, 1));
      return [];
    },
  };
}

export function createMath(random: Random): Record<string, LuaValue> {
  return {
    abs: unary(Math.abs),
    acos: unary(Math.acos),
    asin: unary(Math.asin),
    atan: unary(Math.atan),
    atan2: binary(Math.atan2),
    ceil: unary(Math.ceil),
    cos: unary(Math.cos),
    cosh: unary(Math.cosh),
    deg: unary((x) => x / (Math.PI / 180)),
    exp: unary(Math.exp),
    floor: unary(Math.floor),
    fmod: remainder,
    frexp,
    huge: Number.POSITIVE_INFINITY,
    ldexp,
    log: unary(Math.log),
    log10: unary(Math.log10),
    max: extreme((a, b) => a > b),
    min: extreme((a, b) => a < b),
    mod: remainder,
    modf,
    pi: Math.PI,
    pow: binary(pow),
    rad: unary((x) => x * (Math.PI / 180)),
    ...randomFunctions(random),
    sin: unary(Math.sin),
    sinh: unary(Math.sinh),
    sqrt: unary(Math.sqrt),
    tan: unary(Math.tan),
    tanh: unary(Math.tanh),
  };
}
