/** A chunk from source to a function: parse, resolve, infer, emit, and let V8 compile the result. */
import { Script } from 'node:vm';
import { ENVIRONMENT } from '../runtime/environment.ts';
import { type ChunkInfo, nextScriptName, registerChunk } from '../runtime/sites.ts';
import type { LuaTable } from '../runtime/table.ts';
import type { LuaFunction } from '../runtime/value.ts';
import { ChunkCode } from './code.ts';
import { displayName, LuaSyntaxError } from './lexer.ts';
import { parse } from './parser.ts';
import { resolve } from './scope.ts';
import { emitFunctions } from './statements.ts';
import { inferTypes } from './types.ts';

const NAMES = Object.keys(ENVIRONMENT);
const VALUES = Object.values(ENVIRONMENT);

/** Constants and sites of a chunk. The main function keeps it alive, and with it the chunk's entry in the register of sites. */
type Constants = ChunkInfo & { readonly constants: readonly unknown[] };
/** Makes the main function for a table of globals and the table that strings find their methods in. */
type Instantiate = (globals: LuaTable, stringMethods: LuaTable) => LuaFunction;

export type CompiledChunk = {
  readonly instantiate: Instantiate;
  /** JavaScript characters: about what the chunk costs in memory. */
  readonly codeLength: number;
  /** Functions that it leaves behind may keep something from one call to the next. */
  readonly keepsState: boolean;
};
export type CompileOptions = {
  /** Emit the generator form of each function too. By default that's done when the source could name the coroutine library. */
  readonly isResumable?: boolean;
};

/** Can the text reach the library `coroutine`? Without that, none of its functions ever runs inside of a coroutine. */
const mentionsCoroutines = (source: string): boolean => /coroutine|_G|loadstring|load/.test(source);

/** Throws LuaSyntaxError with Lua's message. */
export function compileChunk(source: string, chunkName: string, options: CompileOptions = {}): CompiledChunk {
  try {
    return compileText(source, chunkName, options);
  } catch (error) {
    // The host's stack or a limit of V8's parser: the chunk nests deeper than the parser's own count shows.
    if (error instanceof RangeError || error instanceof SyntaxError) {
      throw new LuaSyntaxError(`${displayName(chunkName)}:1: chunk has too many syntax levels`);
    }
    throw error;
  }
}

function compileText(source: string, chunkName: string, options: CompileOptions): CompiledChunk {
  const main = parse(source, chunkName);
  const { assignments, keepsState } = resolve(main);
  inferTypes(assignments);
  const chunk = new ChunkCode(options.isResumable ?? mentionsCoroutines(source));
  const { functions, main: mainExpression } = emitFunctions(chunk, main);
  const caches = Array.from({ length: chunk.cacheCount }, (_, n) => `c${n} = 0`).join(', ');
  const text = `(function (G, S, K, ${NAMES.join(', ')}) {"use strict";${caches === '' ? '' : `var ${caches};`}
${functions}
const main = ${mainExpression};main.chunk = () => K;return main;})`;
  const { code, sites } = chunk.finish(text);
  const scriptName = nextScriptName();
  const constants: Constants = { name: displayName(chunkName), source: chunkName, sites, constants: chunk.constants };
  registerChunk(scriptName, constants);
  const make = new Script(code, { filename: scriptName }).runInThisContext() as (...args: unknown[]) => LuaFunction;
  return {
    instantiate: (globals, stringMethods) => make(globals, stringMethods, constants, ...VALUES),
    codeLength: code.length,
    keepsState,
  };
}
/** The emitted JavaScript, for those who read it. */
export function emitForReading(source: string, chunkName: string, options: CompileOptions = {}): string {
  const main = parse(source, chunkName);
  inferTypes(resolve(main).assignments);
  const chunk = new ChunkCode(options.isResumable ?? mentionsCoroutines(source));
  const { functions, main: mainExpression } = emitFunctions(chunk, main);
  return chunk.finish(`${functions}\n${mainExpression}`).code;
}
