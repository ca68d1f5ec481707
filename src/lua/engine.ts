/**
 * The Lua 5.1 engine: what scripts run on. It knows nothing of the server; everything a script may reach is handed in here.
 *
 *   const engine = createEngine({ redis: { call, pcall, ... }, interrupt, memoryBytes });
 *   const chunk = engine.compile(source, '@user_script');         // throws LuaSyntaxError; keep it by the source's SHA1
 *   const outcome = engine.run(chunk, keys, args);                // { isError: false, value } or { isError: true, ... }
 *
 * Values: nil is undefined, booleans, numbers and (latin1, one character a byte) strings are JavaScript's own, tables are LuaTable,
 * functions JavaScript functions. A host function gets its arguments as parameters and returns one value, or an array for any other
 * number of results; it throws `new LuaError(value)` to raise an error. resp-values.ts turns replies into values and back.
 *
 * Interrupts: `interrupt` is asked every 20000 ticks (a tick is a call or a loop's turn; some tenths of a millisecond), so as a rule
 * it's one Atomics.load of a word that others set. A text from it ends the script with a ScriptInterrupt, past every pcall.
 *
 * Memory: `memoryBytes` limits what a script has alive, and going over is Lua's error "not enough memory". It's an estimate backed by
 * V8's heap statistics, so the thread's heap must be larger by some hundred megabytes (resourceLimits.maxOldGenerationSizeMb).
 *
 * Stack: Lua functions are JavaScript functions. For Redis's depth of some 20000 calls a thread needs resourceLimits.stackSizeMb of
 * about 16 (with the default of 4 it's a fraction of that); what is deeper is Lua's error "stack overflow".
 *
 * One thread runs one script at a time; engines of one thread share the meter, and run() isn't reentrant.
 */
import { type CompiledChunk, compileChunk } from './compiler/compile.ts';
import { libraryTable } from './library/arguments.ts';
import { createBase } from './library/base.ts';
import { BIT } from './library/bit.ts';
import { createCjson } from './library/cjson.ts';
import { CMSGPACK } from './library/cmsgpack.ts';
import { createCoroutine, resetCoroutines } from './library/coroutine.ts';
import { createMath, Random } from './library/math.ts';
import { STRING } from './library/string.ts';
import { STRUCT } from './library/struct.ts';
import { TABLE } from './library/table.ts';
import { basic, callFunction } from './runtime/calls.ts';
import { meter, SLICE_TICKS } from './runtime/counters.ts';
import { LuaError, libraryError, toLuaError } from './runtime/errors.ts';
import { type Limits, ScriptInterrupt, sampleIdleHeap, startMeter, stopMeter } from './runtime/meter.ts';
import { LuaTable, newTable, tableOfItems } from './runtime/table.ts';
import { LightUserdata, type LuaFunction, type LuaValue } from './runtime/value.ts';

export { LuaSyntaxError } from './compiler/lexer.ts';
export type { ErrorPlace } from './runtime/errors.ts';
export { LuaError } from './runtime/errors.ts';
export { charge, ScriptInterrupt } from './runtime/meter.ts';
export { LuaTable } from './runtime/table.ts';
export type { LuaFunction, LuaValue } from './runtime/value.ts';

export type EngineOptions = {
  /** More globals: tables of functions, by name (`redis`). */
  readonly globals?: Readonly<Record<string, LuaValue>>;
  /** Redis's ways: globals and libraries can't be written, an unknown global is an error, pcall unwraps {err=...}. On by default. */
  readonly isProtected?: boolean;
  /** Asked now and then while a script runs: null to go on, else the text to end it with. */
  readonly interrupt?: () => string | null;
  /** Calls and loop turns until a script is ended; no limit by default. */
  readonly maxTicks?: number;
  /** No limit by default. */
  readonly memoryBytes?: number;
  /** For scripts that are to end soon or be given up: `interrupt` is asked more often, and all memory that is asked for counts. */
  readonly brief?: { readonly sliceTicks: number; readonly spendBytes: number };
  /** For math.random; without one its sequence starts where Redis's does. It goes on from script to script. */
  readonly seed?: number;
};

/** A compiled script of one engine. */
export type Chunk = {
  readonly main: LuaFunction;
  /** About what it costs in memory. */
  readonly codeLength: number;
  /** Functions that it leaves behind may keep something from one call to the next. */
  readonly keepsState: boolean;
};

export type Outcome =
  | { readonly isError: false; readonly value: LuaValue; readonly values: readonly LuaValue[] }
  | {
      readonly isError: true;
      /** What was raised: a text, a table with `err`, or anything else. */
      readonly error: LuaValue;
      /** Where: the innermost Lua function's chunk, by the name it was compiled under, and line. Null when none was running. */
      readonly source: string | null;
      readonly line: number;
      /** True when the interrupt or the budget ended the script. */
      readonly isInterrupt: boolean;
    };

const READ_MESSAGE = 'Script attempted to access nonexistent global variable';
/** A thread that runs scripts alone, or many short ones, may have this for its `Error.stackTraceLimit`. */
export const STACK_TRACE_FRAMES = 64;
const NO_VALUES: readonly LuaValue[] = [];

/** Marks a table, and all it leads to, as not to be written. */
export function protectTable(table: LuaTable, seen: Set<LuaTable> = new Set()): void {
  if (seen.has(table)) return;
  seen.add(table);
  // Emitted code checks the mark only where an item is new: there must be none to overwrite.
  if (table.items.length > 1) throw new Error('a protected table has no items');
  table.isReadonly = true;
  for (const value of table.values) if (value instanceof LuaTable) protectTable(value, seen);
  if (table.metatable !== null) protectTable(table.metatable, seen);
}

/** Makes it an error to read what a table hasn't got. */
export function makeStrict(table: LuaTable): void {
  const metatable = new LuaTable();
  metatable.set('__index', (_: LuaValue, name: LuaValue) => {
    throw libraryError(`${READ_MESSAGE} '${typeof name === 'string' ? name : String(name)}'`);
  });
  table.setMetatable(metatable);
}

export class Engine {
  readonly globals = new LuaTable();
  private readonly limits: Limits;
  private readonly stringMethods = libraryTable(STRING);
  private readonly stringMetatable = new LuaTable();
  private readonly random: Random;
  private readonly cjson = createCjson(new LightUserdata());
  private isRunning = false;
  /** Where KEYS and ARGV stand among the globals. */
  private keysAt = 0;
  private argumentsAt = 0;

  constructor(options: EngineOptions) {
    const { maxTicks, memoryBytes, brief } = options;
    this.limits = {
      interrupt: options.interrupt ?? (() => null),
      sliceTicks: brief?.sliceTicks ?? SLICE_TICKS,
      spendBytes: brief?.spendBytes ?? Number.POSITIVE_INFINITY,
      maxTicks: maxTicks ?? Number.POSITIVE_INFINITY,
      memoryBytes: memoryBytes ?? Number.POSITIVE_INFINITY,
    };
    this.random = new Random(options.seed);
    const { globals, stringMethods } = this;
    const load = (source: string, chunkName: string): LuaFunction =>
      compileChunk(source, chunkName, { isResumable: true }).instantiate(globals, stringMethods);
    const libraries: Record<string, LuaValue> = {
      ...createBase(load, options.isProtected ?? true),
      string: stringMethods,
      table: libraryTable(TABLE),
      math: libraryTable(createMath(this.random)),
      coroutine: libraryTable(createCoroutine()),
      cjson: this.cjson.table,
      cmsgpack: libraryTable(CMSGPACK),
      struct: libraryTable(STRUCT),
      bit: libraryTable(BIT),
      os: libraryTable({ clock: () => process.cpuUsage().user / 1e6 }),
      _VERSION: 'Lua 5.1',
      _G: globals,
      ...options.globals,
    };
    for (const [name, value] of Object.entries(libraries)) globals.set(name, value);
    this.stringMetatable.set('__index', stringMethods);
    // Emitted code looks methods of strings up in that table directly: nobody may put another in its place.
    this.stringMetatable.isReadonly = true;
    if (options.isProtected ?? true) this.protect();
    sampleIdleHeap();
  }
  private protect(): void {
    makeStrict(this.globals);
    protectTable(this.globals);
  }

  /** Throws LuaSyntaxError: "user_script:1: unexpected symbol near '='". A name starts with '@' as Redis's `@user_script` does. */
  compile(source: string, chunkName: string): Chunk {
    const compiled: CompiledChunk = compileChunk(source, chunkName);
    const { codeLength, keepsState } = compiled;
    return { main: compiled.instantiate(this.globals, this.stringMethods), codeLength, keepsState };
  }

  /** What is left of the slice in which the last run ended. */
  get ticksLeft(): number {
    return meter.ticks;
  }
  /** Sets a global past the protection. */
  setGlobal(name: string, value: LuaValue): void {
    this.globals.set(name, value);
  }
  /** Runs a script with KEYS and ARGV set. */
  run(chunk: Chunk, keys: readonly string[], args: readonly string[]): Outcome {
    this.keysAt = this.setGlobalAt(this.keysAt, 'KEYS', tableOfTexts(keys));
    this.argumentsAt = this.setGlobalAt(this.argumentsAt, 'ARGV', tableOfTexts(args));
    return this.call(chunk.main, NO_VALUES);
  }
  /** The same where it was found last; returns its place for the next time. */
  private setGlobalAt(slot: number, name: string, value: LuaTable): number {
    const { globals } = this;
    if (globals.keys[slot] === name) {
      globals.values[slot] = value;
      return slot;
    }
    globals.set(name, value);
    return globals.find(name);
  }
  /** Runs a chunk that sees the fields of `visible` in the place of all globals: a library of functions while it loads. */
  runWith(chunk: Chunk, visible: LuaTable): Outcome {
    const { globals } = this;
    const { keys, values, slots, order } = globals;
    globals.keys = visible.keys;
    globals.values = visible.values;
    globals.slots = visible.slots;
    globals.order = null;
    try {
      return this.call(chunk.main, []);
    } finally {
      globals.keys = keys;
      globals.values = values;
      globals.slots = slots;
      globals.order = order;
    }
  }
  /** Calls a function of a library with its tables of keys and arguments. */
  callWith(callee: LuaFunction, keys: readonly string[], args: readonly string[]): Outcome {
    return this.call(callee, [tableOfTexts(keys), tableOfTexts(args)]);
  }
  /** Calls a function. */
  call(callee: LuaFunction, args: readonly LuaValue[]): Outcome {
    if (this.isRunning) throw new Error('an engine runs one script at a time');
    const { stackTraceLimit } = Error;
    // A store that changes nothing would cost a script of one line more than the line.
    if (stackTraceLimit !== STACK_TRACE_FRAMES) Error.stackTraceLimit = STACK_TRACE_FRAMES;
    const { stringMetatable } = basic;
    basic.stringMetatable = this.stringMetatable;
    this.isRunning = true;
    this.cjson.reset();
    resetCoroutines();
    startMeter(this.limits);
    try {
      const values = callFunction(callee, args);
      return { isError: false, value: values[0], values };
    } catch (thrown) {
      return outcomeOf(thrown);
    } finally {
      stopMeter();
      this.isRunning = false;
      basic.stringMetatable = stringMetatable;
      if (stackTraceLimit !== STACK_TRACE_FRAMES) Error.stackTraceLimit = stackTraceLimit;
    }
  }
}

function tableOfTexts(texts: readonly string[]): LuaTable {
  if (texts.length === 0) return newTable();
  if (texts.length === 1) return tableOfItems([undefined, texts[0]]);
  const items: LuaValue[] = [undefined];
  for (const text of texts) items.push(text);
  return tableOfItems(items);
}

/** Anything that isn't Lua's, is a fault of the engine and is thrown on. */
function outcomeOf(thrown: unknown): Outcome {
  const error = toLuaError(thrown);
  if (error instanceof ScriptInterrupt) return { isError: true, error: error.message, source: null, line: 0, isInterrupt: true };
  if (!(error instanceof LuaError)) throw error;
  const place = error.place();
  return {
    isError: true,
    error: error.value,
    source: place?.source ?? null,
    line: place?.line ?? 0,
    isInterrupt: false,
  };
}

export function createEngine(options: EngineOptions = {}): Engine {
  return new Engine(options);
}
