/** Calling values: results of any number, __call, and tail calls that were left to the caller. */
import { nativeCall, operandError } from './errors.ts';
import { LuaTable } from './table.ts';
import { type LuaFunction, type LuaResult, type LuaValue, TailCall } from './value.ts';

/** Tail calls that run as JavaScript calls inside each other before they're handed to the caller: a stack's depth that is safe. */
export const MAX_TAILS = 180;

/** What strings have for a metatable: the running engine's. */
export const basic: { stringMetatable: LuaTable | null } = { stringMetatable: null };

export function metatableOf(value: LuaValue): LuaTable | null {
  if (value instanceof LuaTable) return value.metatable;
  return typeof value === 'string' ? basic.stringMetatable : null;
}
export function metamethod(value: LuaValue, event: string): LuaValue {
  const metatable = metatableOf(value);
  return metatable === null ? undefined : metatable.getString(event);
}

/** Something to call in place of a value that is no function: its __call, or a function that throws. */
export function callable(value: LuaValue): LuaFunction {
  if (typeof value === 'function') return value;
  const handler = metamethod(value, '__call');
  if (typeof handler !== 'function') {
    return () => {
      throw operandError('call', value, 0);
    };
  }
  const bound: LuaFunction = (...args: LuaValue[]) => handler(value, ...args);
  const { resumable } = handler;
  if (resumable !== undefined) bound.resumable = (...args: LuaValue[]) => resumable(value, ...args);
  return bound;
}

/** Runs the calls that a tail call left to its caller. */
export function settle(result: LuaResult): LuaValue | readonly LuaValue[] {
  let current = result;
  while (current instanceof TailCall) {
    const { callee, args } = current;
    current = (typeof callee === 'function' ? callee : callable(callee))(...args) as LuaResult;
  }
  return current;
}
/** The first result. */
export function first(result: LuaResult): LuaValue {
  const settled = settle(result);
  return isMany(settled) ? settled[0] : settled;
}
/** All results. */
export function many(result: LuaResult): readonly LuaValue[] {
  const settled = settle(result);
  return isMany(settled) ? settled : [settled];
}
function isMany(result: LuaValue | readonly LuaValue[]): result is readonly LuaValue[] {
  return typeof result === 'object' && (result as { items?: unknown }).items === undefined;
}

/** The open end of a list of arguments, `before` of which come ahead of it. */
export function counted(before: number, values: readonly LuaValue[]): readonly LuaValue[] {
  nativeCall.argumentCount = before + values.length;
  return values;
}

/** How library functions call a function value. Its name marks the border in a stack trace. */
export function callFunction(callee: LuaValue, args: readonly LuaValue[]): readonly LuaValue[] {
  nativeCall.argumentCount = args.length;
  if (args.length === 0 && typeof callee === 'function') return many(callee() as LuaResult);
  return many((typeof callee === 'function' ? callee : callable(callee))(...args) as LuaResult);
}
/** The same with one argument, for the first result. */
export function callFunctionWithOne(callee: LuaFunction, argument: LuaValue): LuaValue {
  nativeCall.argumentCount = 1;
  const result = callee(argument) as LuaResult;
  return typeof result === 'object' ? first(result) : result;
}
export function callFunctionWithTwo(callee: LuaFunction, a: LuaValue, b: LuaValue): LuaValue {
  nativeCall.argumentCount = 2;
  const result = callee(a, b) as LuaResult;
  return typeof result === 'object' ? first(result) : result;
}
