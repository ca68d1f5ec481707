/**
 * The operators once more, as generators: inside of a coroutine a metamethod may yield, and a generator can hand that on. Emitted
 * code enters these only where a fast path failed. See docs/decisions/0011.
 */
import { callable, metamethod, settle } from './calls.ts';
import { compareError, nativeCall, operandError, runtimeError } from './errors.ts';
import * as operators from './operators.ts';
import { LuaTable } from './table.ts';
import { type LuaFunction, type LuaResult, type LuaValue, TailCall } from './value.ts';

/** What runs inside of a coroutine: yields the values for resume, gets those resume was given. */
export type Resumable<T> = Generator<LuaValue[], T, LuaValue[]>;

const MAX_LOOPS = 100;

/** What coroutine.yield returns where it can be acted on: the values to hand out. It passes for a generator that only yields once. */
export class YieldRequest {
  readonly request: LuaValue[];
  readonly next = true;
  constructor(values: LuaValue[]) {
    this.request = values;
  }
}

/** The generator form of a function when it has one: calling it gives a generator or, of a plain function, the result. */
export function resumableOf(callee: LuaValue): LuaFunction {
  const target = typeof callee === 'function' ? callee : callable(callee);
  return (target.resumable ?? target) as LuaFunction;
}
export function isGenerator(result: unknown): result is Resumable<LuaResult> & { readonly request?: LuaValue[] } {
  return (
    typeof result === 'object' && (result as { items?: unknown }).items === undefined && (result as { next?: unknown }).next !== undefined
  );
}
function* call(callee: LuaValue, args: readonly LuaValue[]): Resumable<LuaValue | readonly LuaValue[]> {
  let result = resumableOf(callee)(...args);
  for (;;) {
    if (isGenerator(result)) result = result.request === undefined ? yield* result : yield result.request;
    if (!(result instanceof TailCall)) return result;
    result = resumableOf(result.callee)(...result.args);
  }
}
function* callOne(callee: LuaValue, ...args: LuaValue[]): Resumable<LuaValue> {
  const result = yield* call(callee, args);
  return Array.isArray(result) ? result[0] : (result as LuaValue);
}
/** As callFunction, for library functions that let their callee yield. */
export function* callFunctionResumable(callee: LuaValue, args: readonly LuaValue[]): Resumable<readonly LuaValue[]> {
  nativeCall.argumentCount = args.length;
  const result = yield* call(callee, args);
  return Array.isArray(result) ? result : [result as LuaValue];
}
export function* settleResumable(result: LuaResult): Resumable<LuaValue | readonly LuaValue[]> {
  return result instanceof TailCall ? yield* call(result.callee, result.args) : settle(result);
}
export function* firstResumable(result: LuaResult): Resumable<LuaValue> {
  const settled = yield* settleResumable(result);
  return Array.isArray(settled) ? settled[0] : (settled as LuaValue);
}
export function* manyResumable(result: LuaResult): Resumable<readonly LuaValue[]> {
  const settled = yield* settleResumable(result);
  return Array.isArray(settled) ? settled : [settled as LuaValue];
}

export function* indexResumable(object: LuaValue, key: LuaValue): Resumable<LuaValue> {
  let current = object;
  for (let turn = 0; turn < MAX_LOOPS; turn++) {
    const raw = current instanceof LuaTable ? current.get(key) : undefined;
    if (raw !== undefined) return raw;
    const handler = metamethod(current, '__index');
    if (handler === undefined) {
      if (current instanceof LuaTable) return undefined;
      throw operandError('index', current, turn === 0 ? 0 : -1);
    }
    if (typeof handler === 'function') return yield* callOne(handler, current, key);
    current = handler;
  }
  throw runtimeError('loop in gettable');
}
export function* fieldResumable(object: LuaValue, key: string): Resumable<LuaValue> {
  if (object instanceof LuaTable) {
    const slot = object.find(key);
    if (slot >= 0 && object.values[slot] !== undefined) {
      operators.lookup.slot = slot;
      return object.values[slot];
    }
  }
  return yield* indexResumable(object, key);
}
export function* setIndexResumable(object: LuaValue, key: LuaValue, value: LuaValue): Resumable<void> {
  let current = object;
  for (let turn = 0; turn < MAX_LOOPS; turn++) {
    if (current instanceof LuaTable) {
      if (current.isReadonly) throw runtimeError(operators.READONLY_MESSAGE);
      const hasHandler = current.metatable !== null && current.get(key) === undefined;
      if (!hasHandler || metamethod(current, '__newindex') === undefined) {
        current.set(key, value);
        return;
      }
    }
    const handler = metamethod(current, '__newindex');
    if (handler === undefined) throw operandError('index', current, turn === 0 ? 0 : -1);
    if (typeof handler === 'function') {
      yield* callOne(handler, current, key, value);
      return;
    }
    current = handler;
  }
  throw runtimeError('loop in settable');
}

type BinaryResumable = (left: LuaValue, right: LuaValue) => Resumable<LuaValue>;
function binary(event: string): BinaryResumable {
  const compute = operators.COMPUTE[event] as (a: number, b: number) => number;
  return function* arithmetic(left, right) {
    const a = operators.toNumber(left);
    const b = operators.toNumber(right);
    if (a !== undefined && b !== undefined) return compute(a, b);
    const handler = operators.binaryHandler(left, right, event);
    if (handler === undefined) throw operators.arithmeticError(left, right);
    return yield* callOne(handler, left, right);
  };
}
export const addResumable = binary('__add');
export const subtractResumable = binary('__sub');
export const multiplyResumable = binary('__mul');
export const divideResumable = binary('__div');
export const moduloResumable = binary('__mod');
export const powerResumable = binary('__pow');
export function* negateResumable(operand: LuaValue): Resumable<LuaValue> {
  const number = operators.toNumber(operand);
  if (number !== undefined) return -number;
  const handler = metamethod(operand, '__unm');
  if (handler === undefined) throw operators.arithmeticError(operand, operand);
  return yield* callOne(handler, operand, operand);
}
export function* concatResumable(left: LuaValue, right: LuaValue): Resumable<LuaValue> {
  return yield* concatAllResumable([left, right]);
}
export function* concatAllResumable(operands: LuaValue[]): Resumable<LuaValue> {
  let result = operands.at(-1);
  for (let place = operands.length - 2; place >= 0; place--) {
    const left = operands[place];
    const text = operators.concatTexts([left, result]);
    if (text !== null) {
      result = text;
      continue;
    }
    const handler = operators.binaryHandler(left, result, '__concat');
    if (handler === undefined) throw operators.concatError(left, result, place);
    result = yield* callOne(handler, left, result);
  }
  return result;
}
const isTrue = (value: LuaValue): boolean => value !== undefined && value !== false;
export function* equalsResumable(left: LuaValue, right: LuaValue): Resumable<boolean> {
  if (left === right) return true;
  const handler = operators.equalityHandler(left, right);
  return handler !== undefined && isTrue(yield* callOne(handler, left, right));
}
export function* lessResumable(left: LuaValue, right: LuaValue): Resumable<boolean> {
  if (operators.sameOrdered(left, right)) return (left as number) < (right as number);
  const handler = typeof left === typeof right ? operators.orderHandler(left, right, '__lt') : undefined;
  if (handler === undefined) throw compareError(left, right);
  return isTrue(yield* callOne(handler, left, right));
}
export function* lessEqualResumable(left: LuaValue, right: LuaValue): Resumable<boolean> {
  if (operators.sameOrdered(left, right)) return (left as number) <= (right as number);
  if (typeof left === typeof right) {
    const handler = operators.orderHandler(left, right, '__le');
    if (handler !== undefined) return isTrue(yield* callOne(handler, left, right));
    const reverse = operators.orderHandler(right, left, '__lt');
    if (reverse !== undefined) return !isTrue(yield* callOne(reverse, right, left));
  }
  throw compareError(left, right);
}
