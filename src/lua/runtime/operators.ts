/** The slow paths of operators: strings as numbers, metamethods, errors. Reference manual, section 2.8. */
import { basic, callable, first, metamethod } from './calls.ts';
import { compareError, operandError, runtimeError } from './errors.ts';
import { MAX_STRING_BYTES, meter, outOfMemory, reserveMemory } from './meter.ts';
import { formatNumber, parseNumber } from './numbers.ts';
import { LuaTable } from './table.ts';
import type { LuaResult, LuaValue } from './value.ts';

const MAX_LOOPS = 100;
/** A string that long is made flat at once, so that its cost shows where it's made. */
const FLAT_BYTES = 65_536;
export const READONLY_MESSAGE = 'Attempt to modify a readonly table';

/** Where `field` last found its key. */
export const lookup = { slot: 0 };

const call = (handler: LuaValue, ...args: LuaValue[]): LuaValue => first(callable(handler)(...args) as LuaResult);

/** object[key] */
export function index(object: LuaValue, key: LuaValue): LuaValue {
  let current = object;
  for (let turn = 0; turn < MAX_LOOPS; turn++) {
    let handler: LuaValue;
    if (current instanceof LuaTable) {
      const value = current.get(key);
      if (value !== undefined || current.metatable === null) return value;
      handler = current.metatable.getString('__index');
      if (handler === undefined) return undefined;
    } else {
      handler = metamethod(current, '__index');
      if (handler === undefined) throw operandError('index', current, turn === 0 ? 0 : -1);
    }
    if (typeof handler === 'function') return first(handler(current, key) as LuaResult);
    current = handler;
  }
  throw runtimeError('loop in gettable');
}
const stringMethods = (): LuaValue => basic.stringMetatable?.getString('__index');
/** object.key: leaves the key's place in `lookup`. */
export function field(object: LuaValue, key: string): LuaValue {
  let table: LuaValue = typeof object === 'string' ? stringMethods() : object;
  // Along a chain of __index that are tables: a class and those it inherits from.
  for (let turn = 0; turn < MAX_LOOPS && table instanceof LuaTable; turn++) {
    const slot = table.find(key);
    if (slot >= 0) {
      const value = table.values[slot];
      if (value !== undefined) {
        lookup.slot = slot;
        return value;
      }
    }
    const { metatable } = table;
    if (metatable === null) return undefined;
    const place = metatable.find('__index');
    if (place < 0) return undefined;
    table = metatable.values[place];
    if (table === undefined) return undefined;
  }
  return index(object, key);
}

/** object[key] = value */
export function setIndex(object: LuaValue, key: LuaValue, value: LuaValue): void {
  if (object instanceof LuaTable && object.metatable === null && !object.isReadonly) {
    if (typeof key === 'number') object.setNumber(key, value);
    else object.set(key, value);
  } else setByMetatable(object, key, value);
}
function setByMetatable(object: LuaValue, key: LuaValue, value: LuaValue): void {
  let current = object;
  for (let turn = 0; turn < MAX_LOOPS; turn++) {
    let handler: LuaValue;
    if (current instanceof LuaTable) {
      if (current.isReadonly) throw runtimeError(READONLY_MESSAGE);
      const { metatable } = current;
      if (metatable === null) {
        current.set(key, value);
        return;
      }
      handler = current.get(key) === undefined ? metatable.getString('__newindex') : undefined;
      if (handler === undefined) {
        current.set(key, value);
        return;
      }
    } else {
      handler = metamethod(current, '__newindex');
      if (handler === undefined) throw operandError('index', current, turn === 0 ? 0 : -1);
    }
    if (typeof handler === 'function') {
      first(handler(current, key, value) as LuaResult);
      return;
    }
    current = handler;
  }
  throw runtimeError('loop in settable');
}

/** A number, or a string that reads as one. */
export function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? parseNumber(value) : undefined;
}
export function mod(a: number, b: number): number {
  const i = a | 0;
  const j = b | 0;
  if (i === a && j === b && j > 0) {
    const rest = i % j;
    return rest < 0 ? rest + j : rest + 0;
  }
  return a - Math.floor(a / b) * b;
}
/** C's pow: 1 to any power, and -1 to an infinite one, is 1. */
export function pow(a: number, b: number): number {
  if (b === 2) return a * a;
  if (b === 0.5 && a >= 0) return Math.sqrt(a);
  if (a === 1 || (a === -1 && (b === Number.POSITIVE_INFINITY || b === Number.NEGATIVE_INFINITY))) return 1;
  return a ** b;
}

/** The metamethod of a binary operator: the left operand's, else the right one's. */
export function binaryHandler(left: LuaValue, right: LuaValue, event: string): LuaValue {
  const handler = metamethod(left, event);
  return handler === undefined ? metamethod(right, event) : handler;
}
export function arithmeticError(left: LuaValue, right: LuaValue): Error {
  const isLeft = toNumber(left) === undefined;
  return operandError('perform arithmetic on', isLeft ? left : right, isLeft ? 0 : 1) as unknown as Error;
}
function arithmetic(event: string, left: LuaValue, right: LuaValue): LuaValue {
  const handler = binaryHandler(left, right, event);
  if (handler === undefined) throw arithmeticError(left, right);
  return call(handler, left, right);
}
type Binary = (left: LuaValue, right: LuaValue) => LuaValue;
const operator = (event: string, compute: (a: number, b: number) => number): Binary => {
  return (left, right) => {
    const a = toNumber(left);
    const b = a === undefined ? undefined : toNumber(right);
    return a === undefined || b === undefined ? arithmetic(event, left, right) : compute(a, b);
  };
};
/** By event: what the operator does to two numbers. */
export const COMPUTE: Readonly<Record<string, (a: number, b: number) => number>> = {
  __add: (a, b) => a + b,
  __sub: (a, b) => a - b,
  __mul: (a, b) => a * b,
  __div: (a, b) => a / b,
  __mod: mod,
  __pow: pow,
};
export const add = operator('__add', (a, b) => a + b);
export const subtract = operator('__sub', (a, b) => a - b);
export const multiply = operator('__mul', (a, b) => a * b);
export const divide = operator('__div', (a, b) => a / b);
export const modulo = operator('__mod', mod);
export const power = operator('__pow', pow);
export function negate(operand: LuaValue): LuaValue {
  const number = toNumber(operand);
  return number === undefined ? arithmetic('__unm', operand, operand) : -number;
}
/** #operand */
export function length(operand: LuaValue): number {
  if (typeof operand === 'string') return operand.length;
  if (operand instanceof LuaTable) return operand.length();
  throw operandError('get length of', operand, 0);
}

/** Two strings' concatenation, within the limits of memory. */
export function join(left: string, right: string): string {
  const size = left.length + right.length;
  if (size > FLAT_BYTES) return joinLarge(left, right, size);
  meter.allocated += size + 16;
  return left + right;
}
const flatBuffer = Buffer.alloc(1);
function joinLarge(left: string, right: string, size: number): string {
  if (size > MAX_STRING_BYTES) throw outOfMemory();
  reserveMemory(size);
  const whole = left + right;
  // Writing one character makes V8 copy the parts into one string now, and not at some later look.
  flatBuffer.latin1Write(whole, 0, 1);
  return whole;
}
const asText = (value: LuaValue): string | null => {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? formatNumber(value) : null;
};
/** left .. right */
export function concat(left: LuaValue, right: LuaValue): LuaValue {
  if (typeof left === 'string' && typeof right === 'string') return join(left, right);
  return concatPair(left, right, 0);
}
function concatPair(left: LuaValue, right: LuaValue, place: number): LuaValue {
  const a = asText(left);
  const b = asText(right);
  if (a !== null && b !== null) return join(a, b);
  const handler = binaryHandler(left, right, '__concat');
  if (handler === undefined) throw concatError(left, right, place);
  return call(handler, left, right);
}
export function concatError(left: LuaValue, right: LuaValue, place: number): Error {
  const isRight = asText(left) !== null;
  return operandError('concatenate', isRight ? right : left, isRight ? place + 1 : place) as unknown as Error;
}
/** a .. b .. c ...: from the right, as the operator associates. */
export function concatAll(operands: LuaValue[]): LuaValue {
  const plain = concatTexts(operands);
  if (plain !== null) return plain;
  let result = operands.at(-1);
  for (let place = operands.length - 2; place >= 0; place--) result = concatPair(operands[place], result, place);
  return result;
}
/** Null when an operand is neither string nor number. */
export function concatTexts(operands: LuaValue[]): string | null {
  let whole = '';
  for (let place = 0; place < operands.length; place++) {
    const operand = operands[place];
    if (typeof operand === 'string') whole = join(whole, operand);
    else if (typeof operand === 'number') whole = join(whole, formatNumber(operand));
    else return null;
  }
  return whole;
}

const isTrue = (value: LuaValue): boolean => value !== undefined && value !== false;
/** left == right, both objects and not the same one. */
export function equals(left: LuaValue, right: LuaValue): boolean {
  if (left === right) return true;
  const handler = equalityHandler(left, right);
  return handler !== undefined && isTrue(call(handler, left, right));
}
export function equalityHandler(left: LuaValue, right: LuaValue): LuaValue {
  if (!(left instanceof LuaTable && right instanceof LuaTable)) return undefined;
  const handler = metamethod(left, '__eq');
  return handler !== undefined && handler === metamethod(right, '__eq') ? handler : undefined;
}
/** The handler that two values of one type share, or undefined. */
export function orderHandler(left: LuaValue, right: LuaValue, event: string): LuaValue {
  const handler = metamethod(left, event);
  return handler !== undefined && handler === metamethod(right, event) ? handler : undefined;
}
export const sameOrdered = (left: LuaValue, right: LuaValue): boolean =>
  (typeof left === 'number' && typeof right === 'number') || (typeof left === 'string' && typeof right === 'string');

/** left < right */
export function less(left: LuaValue, right: LuaValue): boolean {
  if (sameOrdered(left, right)) return (left as number) < (right as number);
  const handler = typeof left === typeof right ? orderHandler(left, right, '__lt') : undefined;
  if (handler === undefined) throw compareError(left, right);
  return isTrue(call(handler, left, right));
}
/** left <= right: by __le, else by not (right < left). */
export function lessEqual(left: LuaValue, right: LuaValue): boolean {
  if (sameOrdered(left, right)) return (left as number) <= (right as number);
  if (typeof left === typeof right) {
    const handler = orderHandler(left, right, '__le');
    if (handler !== undefined) return isTrue(call(handler, left, right));
    const reverse = orderHandler(right, left, '__lt');
    if (reverse !== undefined) return !isTrue(call(reverse, right, left));
  }
  throw compareError(left, right);
}

/** The start, limit or step of a numeric for. */
export function forNumber(value: LuaValue, what: 'initial' | 'limit' | 'step'): number {
  const number = toNumber(value);
  if (number !== undefined) return number;
  throw runtimeError(what === 'initial' ? "'for' initial value must be a number" : `'for' ${what} must be a number`);
}
