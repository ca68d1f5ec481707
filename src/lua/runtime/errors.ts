/** Lua's errors: what pcall catches, and the words of Lua 5.1's messages. */
import { meter } from './counters.ts';
import { type Level, levelsOf, type NameOfOperand, whereText } from './sites.ts';
import { type LuaValue, typeName } from './value.ts';

/** Looking at the stack takes some ten microseconds. */
const ERROR_TICKS = 100;

/** Where an error was raised: Redis shows it behind the message. */
export type ErrorPlace = { readonly source: string; readonly line: number };

/** A thrown Lua value. Not an Error: its trace is captured all the same, and read only by who needs a line. */
export class LuaError {
  readonly value: LuaValue;
  declare stack?: unknown;
  private levels: readonly Level[] | null;

  /** `levels` when they're known: it saves another trace. */
  constructor(value: LuaValue, levels: readonly Level[] | null = null) {
    this.value = value;
    this.levels = levels;
    meter.ticks -= ERROR_TICKS;
    if (levels === null) Error.captureStackTrace(this, LuaError);
  }
  /** The innermost Lua function at the time, null when there was none. */
  place(): ErrorPlace | null {
    this.levels ??= levelsOf(this);
    const level = this.levels.find((one) => one.kind === 'lua' && one.site !== undefined);
    if (level?.kind !== 'lua') return null;
    return { source: level.chunk.source, line: level.site?.line ?? 0 };
  }
}

/** Frames that a trace looks at when the usual number shows no Lua function: a library function may recurse deeply. */
const DEEP_FRAMES = 10_000;
type Trace = { stack?: unknown };
function currentLevels(): Level[] {
  const trace: Trace = {};
  Error.captureStackTrace(trace, currentLevels);
  const levels = levelsOf(trace);
  if (levels.some((one) => one.kind === 'lua')) return levels;
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = DEEP_FRAMES;
  const deepTrace: Trace = {};
  Error.captureStackTrace(deepTrace, currentLevels);
  Error.stackTraceLimit = stackTraceLimit;
  return levelsOf(deepTrace);
}
/** An error whose text has the place of one level in front; 0 is the running function. */
function errorAt(level: number, message: string): LuaError {
  const levels = currentLevels();
  return new LuaError(whereText(levels[level]) + message, levels);
}

/** "chunk:line: " of the function `level` levels up; 0 is the running one. */
export function where(level: number): string {
  return whereText(currentLevels()[level]);
}
/** An error of the running function itself: with its line when it's a Lua function. */
export function runtimeError(message: string): LuaError {
  return errorAt(0, message);
}
/** An error of a library function: with the line of its caller. */
export function libraryError(message: string): LuaError {
  return errorAt(1, message);
}
/** error(message, level): `message` with the place of that level. */
export function raisedError(message: string, level: number): LuaError {
  return errorAt(level, message);
}
/** "bad argument": `index` counts from 1. */
export function argumentError(index: number, message: string): LuaError {
  const levels = currentLevels();
  const caller = levels[1];
  const name = caller?.kind === 'lua' && caller.site?.isCall ? (caller.site.names[1] ?? caller.site.names[0]) : null;
  const at = whereText(caller);
  if (name?.kind !== 'method') return new LuaError(`${at}bad argument #${index} to '${name?.name ?? '?'}' (${message})`, levels);
  if (index === 1) return new LuaError(`${at}calling '${name.name}' on bad self (${message})`, levels);
  return new LuaError(`${at}bad argument #${index - 1} to '${name.name}' (${message})`, levels);
}
/** How many arguments the last call from a library function, or with an open list of them, passed. */
export const nativeCall = { argumentCount: -1 };

/** "bad argument" for a value of the wrong type. */
export function typeError(index: number, expected: string, value: LuaValue): LuaError {
  let actual = typeName(value);
  if (value === undefined) {
    const caller = currentLevels()[1];
    const known = caller?.kind === 'lua' && caller.site?.isCall ? caller.site.argumentCount : -1;
    const count = known < 0 ? nativeCall.argumentCount : known;
    if (count >= 0 && index > count) actual = 'no value';
  }
  return argumentError(index, `${expected} expected, got ${actual}`);
}

const nameText = (name: NameOfOperand | undefined): string => (name == null ? '' : `${name.kind} '${name.name}' `);

/** "attempt to <operation> local 'x' (a nil value)": `operand` says which of the site's names is meant, -1 none. */
export function operandError(operation: string, value: LuaValue, operand: number): LuaError {
  const levels = currentLevels();
  const [level] = levels;
  const name = level?.kind === 'lua' ? level.site?.names[operand] : null;
  const type = typeName(value);
  const shown = name == null ? `a ${type} value` : `${nameText(name)}(a ${type} value)`;
  return new LuaError(`${whereText(level)}attempt to ${operation} ${shown}`, levels);
}
export function compareError(left: LuaValue, right: LuaValue): LuaError {
  const first = typeName(left);
  const second = typeName(right);
  // Lua 5.1 compares the third letters of the names: a thread and a string are "two thread values".
  if (first[2] === second[2]) return runtimeError(`attempt to compare two ${first} values`);
  return runtimeError(`attempt to compare ${first} with ${second}`);
}

/** Turns what the host's engine throws into Lua's errors; anything else is passed on as it is. */
export function toLuaError(thrown: unknown): unknown {
  if (!(thrown instanceof RangeError)) return thrown;
  // At a function's entry no operation has begun: the place is that of the call.
  const levels = levelsOf(thrown);
  const level = levels.find((one) => one.kind === 'lua' && one.site !== undefined);
  if (thrown.message.startsWith('Maximum call stack')) return new LuaError(`${whereText(level)}stack overflow`, levels);
  if (thrown.message.startsWith('Invalid ')) return new LuaError('not enough memory');
  return thrown;
}
