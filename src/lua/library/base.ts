/** The base library: what Redis leaves of it. Reference manual, section 5.1. */
import { LuaSyntaxError } from '../compiler/lexer.ts';
import { callFunction, metamethod, metatableOf } from '../runtime/calls.ts';
import { argumentError, LuaError, libraryError, raisedError, toLuaError } from '../runtime/errors.ts';
import { charge, chargeMemory, meter } from '../runtime/meter.ts';
import { formatNumber, parseNumber } from '../runtime/numbers.ts';
import { index, READONLY_MESSAGE } from '../runtime/operators.ts';
import { callFunctionResumable, type Resumable } from '../runtime/resumable.ts';
import { LuaTable } from '../runtime/table.ts';
import { type LuaFunction, type LuaObject, type LuaValue, typeName } from '../runtime/value.ts';
import { checkAny, checkFunction, checkInt32, checkString, checkTable, isTrue, optionalInt32 } from './arguments.ts';
import { ipairs, next, pairs } from './iteration.ts';

/** Values that unpack or a call may spread: the size of Lua 5.1's C stack. */
const MAX_RESULTS = 8_000;
const FIRST_ADDRESS = 0x55d0c8a00000;
const ADDRESS_STEP = 0x20;

/** Compiles a chunk for loadstring and load. */
export type Loader = (source: string, chunkName: string) => LuaFunction;

const addresses = new WeakMap<object, number>();
let addressCount = 0;
/** A number that stays with an object, in the clothes of an address. */
export function addressOf(object: LuaObject | LuaFunction): string {
  let address = addresses.get(object);
  if (address === undefined) {
    address = FIRST_ADDRESS + ADDRESS_STEP * addressCount++;
    addresses.set(object, address);
  }
  return `0x${address.toString(16)}`;
}
/** tostring(), without metamethods. */
export function rawText(value: LuaValue): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return formatNumber(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'undefined':
      return 'nil';
    case 'function':
      return `function: ${addressOf(value)}`;
    case 'object':
      // The only light userdata there is stands for a null pointer.
      return typeName(value) === 'userdata' ? 'userdata: (nil)' : `${typeName(value)}: ${addressOf(value)}`;
  }
}
/** tostring(): what __tostring gives may be any value. */
export function toText(value: LuaValue): LuaValue {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatNumber(value);
  const handler = metamethod(value, '__tostring');
  return handler === undefined ? rawText(value) : callFunction(handler, [value])[0];
}

function assertion(...args: LuaValue[]): LuaValue[] {
  if (isTrue(checkAny(args, 1))) return args;
  throw libraryError(args[1] === undefined ? 'assertion failed!' : checkString(args[1], 2));
}
function raise(message: LuaValue, level?: LuaValue): never {
  const depth = optionalInt32(level, 2, 1);
  if (depth < 1 || (typeof message !== 'string' && typeof message !== 'number')) throw new LuaError(message);
  throw raisedError(typeof message === 'number' ? formatNumber(message) : message, depth);
}

/** What a pcall gets to see of an exception; what no script may catch is thrown on. */
function caught(thrown: unknown, tails: number): LuaValue {
  const error = toLuaError(thrown);
  if (!(error instanceof LuaError)) throw error;
  meter.tails = tails;
  return error.value;
}
function protectedCall(...args: LuaValue[]): LuaValue[] {
  const callee = checkAny(args, 1);
  const { tails } = meter;
  try {
    return [true, ...callFunction(callee, args.slice(1))];
  } catch (thrown) {
    return [false, caught(thrown, tails)];
  }
}
function* protectedCallResumable(...args: LuaValue[]): Resumable<LuaValue[]> {
  const callee = checkAny(args, 1);
  const { tails } = meter;
  try {
    return [true, ...(yield* callFunctionResumable(callee, args.slice(1)))];
  } catch (thrown) {
    return [false, caught(thrown, tails)];
  }
}
function handled(handler: LuaValue, error: LuaValue): LuaValue[] {
  const { tails } = meter;
  try {
    return [false, callFunction(handler, [error])[0]];
  } catch (thrown) {
    caught(thrown, tails);
    return [false, 'error in error handling'];
  }
}
function protectedCallWithHandler(...args: LuaValue[]): LuaValue[] {
  const handler = checkAny(args, 2);
  const { tails } = meter;
  try {
    return [true, ...callFunction(args[0], [])];
  } catch (thrown) {
    return handled(handler, caught(thrown, tails));
  }
}
function* protectedCallWithHandlerResumable(...args: LuaValue[]): Resumable<LuaValue[]> {
  const handler = checkAny(args, 2);
  const { tails } = meter;
  try {
    return [true, ...(yield* callFunctionResumable(args[0], []))];
  } catch (thrown) {
    return handled(handler, caught(thrown, tails));
  }
}

function select(...args: LuaValue[]): LuaValue | LuaValue[] {
  if (args[0] === '#') return args.length - 1;
  const at = checkInt32(args[0], 1);
  if (at < 0 ? args.length - 1 + at < 0 : at === 0) throw argumentError(1, 'index out of range');
  return args.slice(at);
}
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
function toNumber(...args: LuaValue[]): LuaValue {
  const base = optionalInt32(args[1], 2, 10);
  if (base === 10) {
    const value = checkAny(args, 1);
    if (typeof value === 'number') return value;
    return typeof value === 'string' ? parseNumber(value) : undefined;
  }
  const text = checkString(args[0], 1);
  if (base < 2 || base > 36) throw argumentError(2, 'base out of range');
  return parseInBase(text, base);
}
/** strtoul: an optional sign and prefix, and an unsigned 64-bit result that stops at its largest value. */
function parseInBase(text: string, base: number): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9a-zA-Z]+)[ \t\n\v\f\r]*(?:\0|$)/.exec(text);
  if (match === null) return undefined;
  let digits = (match[2] as string).toLowerCase();
  if (base === 16 && digits.startsWith('0x') && digits.length > 2) digits = digits.slice(2);
  let value = 0n;
  for (const digit of digits) {
    const amount = DIGITS.indexOf(digit);
    if (amount < 0 || amount >= base) return undefined;
    value = value * BigInt(base) + BigInt(amount);
  }
  if (value > 0xffffffffffffffffn) return 2 ** 64;
  return Number(match[1] === '-' ? BigInt.asUintN(64, -value) : value);
}
function setMetatable(...args: LuaValue[]): LuaTable {
  const table = checkTable(args[0], 1);
  const metatable = args[1];
  if (args.length < 2 || (metatable !== undefined && !(metatable instanceof LuaTable))) {
    throw argumentError(2, 'nil or table expected');
  }
  if (table.metatable?.getString('__metatable') !== undefined) throw libraryError('cannot change a protected metatable');
  if (table.isReadonly) throw new LuaError(READONLY_MESSAGE);
  table.setMetatable(metatable ?? null);
  return table;
}
function getMetatable(...args: LuaValue[]): LuaValue {
  const value = checkAny(args, 1);
  const shown = metamethod(value, '__metatable');
  if (shown !== undefined) return shown;
  return metatableOf(value) ?? undefined;
}

function rawSet(...args: LuaValue[]): LuaTable {
  const table = checkTable(args[0], 1);
  checkAny(args, 2);
  checkAny(args, 3);
  if (table.isReadonly) throw new LuaError(READONLY_MESSAGE);
  table.set(args[1], args[2]);
  return table;
}
function unpack(table: LuaValue, from?: LuaValue, to?: LuaValue): LuaValue[] {
  const source = checkTable(table, 1);
  const first = optionalInt32(from, 2, 1);
  const last = to === undefined ? source.length() : checkInt32(to, 3);
  if (first > last) return [];
  if (last - first >= MAX_RESULTS) throw libraryError('too many results to unpack');
  if (first === 1 && last === source.items.length - 1) return source.items.slice(1);
  const values: LuaValue[] = [];
  for (let at = first; at <= last; at++) values.push(source.get(at));
  return values;
}

const COLLECT_RESULTS: Readonly<Record<string, LuaValue>> = {
  collect: 0,
  stop: 0,
  restart: 0,
  step: false,
  setpause: 200,
  setstepmul: 200,
};
/** JavaScript collects by itself; the options answer as they would there. */
function collectGarbage(option?: LuaValue): LuaValue {
  const name = option === undefined ? 'collect' : checkString(option, 1);
  if (name === 'count') return Math.round(meter.allocated / 1024);
  if (!Object.hasOwn(COLLECT_RESULTS, name)) throw argumentError(1, `invalid option '${name}'`);
  return COLLECT_RESULTS[name];
}

/** What compiling a chunk takes: at least, and for each byte of its source. */
const COMPILE_BYTES = 16_384;
const COMPILE_BYTES_EACH = 32;
const COMPILE_TICKS = 5_000;
function loading(load: Loader, source: string, chunkName: string): LuaValue | LuaValue[] {
  chargeMemory(COMPILE_BYTES + source.length * COMPILE_BYTES_EACH);
  charge(COMPILE_TICKS + source.length);
  if (source.charCodeAt(0) === 27) return [undefined, 'precompiled chunks are refused'];
  try {
    return load(source, chunkName);
  } catch (error) {
    if (error instanceof LuaSyntaxError) return [undefined, error.message];
    throw error;
  }
}
function createLoaders(load: Loader): Record<string, LuaFunction> {
  return {
    loadstring: (source: LuaValue, name?: LuaValue) => {
      const text = checkString(source, 1);
      return loading(load, text, name === undefined ? text : checkString(name, 2));
    },
    load: (reader: LuaValue, name?: LuaValue) => {
      const piece = checkFunction(reader, 1);
      const chunkName = name === undefined ? '=(load)' : checkString(name, 2);
      let text = '';
      for (;;) {
        const [part] = callFunction(piece, []);
        if (part === undefined || part === '') break;
        if (typeof part !== 'string') return [undefined, 'reader function must return a string'];
        chargeMemory(part.length);
        charge(part.length);
        text += part;
      }
      return loading(load, text, chunkName);
    },
  };
}

const typeOf = (...args: LuaValue[]): string => typeName(checkAny(args, 1));
const asText = (...args: LuaValue[]): LuaValue => toText(checkAny(args, 1));

/** Redis's pcall: of an error that is a table with `err`, it gives that text; of any other table, what there is instead as well. */
function unwrapped(results: LuaValue[]): LuaValue[] {
  const error = results[1];
  if (results[0] !== false || !(error instanceof LuaTable)) return results;
  const text = index(error, 'err');
  return typeof text === 'string' || typeof text === 'number' ? [false, text] : [false, error, text];
}
function createProtectedCall(isRedis: boolean): LuaFunction {
  if (!isRedis) {
    const pcall: LuaFunction = (...args: LuaValue[]) => protectedCall(...args);
    pcall.resumable = protectedCallResumable;
    return pcall;
  }
  const pcall: LuaFunction = (...args: LuaValue[]) => unwrapped(protectedCall(...args));
  pcall.resumable = function* (...args: LuaValue[]) {
    return unwrapped(yield* protectedCallResumable(...args));
  };
  return pcall;
}

export function createBase(load: Loader, isRedis: boolean): Record<string, LuaFunction> {
  const xpcall: LuaFunction = (...args: LuaValue[]) => protectedCallWithHandler(...args);
  xpcall.resumable = protectedCallWithHandlerResumable;
  return {
    assert: assertion,
    collectgarbage: collectGarbage,
    error: raise,
    gcinfo: () => Math.round(meter.allocated / 1024),
    getmetatable: getMetatable,
    ipairs,
    ...createLoaders(load),
    next,
    pairs,
    pcall: createProtectedCall(isRedis),
    rawequal: (...args: LuaValue[]) => {
      checkAny(args, 2);
      return args[0] === args[1];
    },
    rawget: (table: LuaValue, key: LuaValue) => checkTable(table, 1).get(key),
    rawset: rawSet,
    select,
    setmetatable: setMetatable,
    tonumber: toNumber,
    tostring: asText,
    type: typeOf,
    unpack,
    xpcall,
  };
}
