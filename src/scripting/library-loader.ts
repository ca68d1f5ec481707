/**
 * Loads libraries: compiles a library's code and runs it once, so that it registers its functions. While it loads it sees `redis` with
 * a few fields, and no other global; its functions, when they are called, see all that scripts see but KEYS and ARGV.
 *
 * All libraries of a thread live in one engine, beside that of EVAL's scripts. What a library keeps in its own local variables is this
 * thread's alone.
 */
import type { FunctionInfo } from '../commands/services.ts';
import {
  createEngine,
  type Engine,
  type EngineOptions,
  type LuaFunction,
  LuaSyntaxError,
  LuaTable,
  type LuaValue,
  makeStrict,
  type Outcome,
  protectTable,
} from '../lua/engine.ts';
import { apiError, createLoadTable, createRedisTable, type RedisHost } from '../lua/redis-library.ts';
import { readRegistration } from '../lua/register-function.ts';
import { errorReplyText } from '../lua/resp-values.ts';
import { ERR_NAME, isName, type LibrarySource } from './library-source.ts';
import { FLAGS, NO_ROLLBACK } from './script-source.ts';

/** What Redis gives a library to load, when a client asks for that. */
const LOAD_MS = 500;
/** And when it has loaded before: what ends it then is no library's fault. */
const RELOAD_MS = 30_000;
const CHUNK_NAME = '@user_function';
const KNOWN_FLAGS: readonly string[] = [...FLAGS, NO_ROLLBACK];

/** A library's functions, and their callbacks in the same order. */
export type LoadedLibrary = {
  readonly functions: readonly FunctionInfo[];
  readonly callbacks: readonly LuaFunction[];
  /** The functions may keep something in variables of the library: what stops one of them may leave that half done. */
  readonly keepsState: boolean;
};
type Loading = { readonly functions: FunctionInfo[]; readonly callbacks: LuaFunction[]; readonly dueMs: number };

export class LibraryLoader {
  private readonly engine: Engine;
  private readonly visible = new LuaTable();
  private loading: Loading | null = null;

  /** What is behind the host is the engine's, see lua/engine.ts. */
  constructor(host: RedisHost, interrupt: () => string | null, limits: Pick<EngineOptions, 'memoryBytes' | 'brief'>) {
    this.engine = createEngine({
      ...limits,
      globals: { redis: createRedisTable(host) },
      interrupt: () => {
        const { loading } = this;
        return loading !== null && Date.now() > loading.dueMs ? 'FUNCTION LOAD timeout' : interrupt();
      },
    });
    const redis = createLoadTable(host, (...args: LuaValue[]) => this.register(args));
    makeStrict(redis);
    this.visible.set('redis', redis);
    protectTable(this.visible);
  }

  /** Loads a library; a string is the error. `isLimited`: it must be done within LOAD_MS, as a client waits for it. */
  load(source: LibrarySource, isLimited: boolean): LoadedLibrary | string {
    const loading: Loading = { functions: [], callbacks: [], dueMs: Date.now() + (isLimited ? LOAD_MS : RELOAD_MS) };
    this.loading = loading;
    let keepsState = true;
    try {
      const chunk = this.engine.compile(source.body, CHUNK_NAME);
      keepsState = chunk.keepsState;
      const outcome = this.engine.runWith(chunk, this.visible);
      if (outcome.isError)
        return `ERR Error registering functions: ${errorReplyText(outcome.error, '', null, 0).replace(/^ERR ERR /, 'ERR ')}`;
    } catch (error) {
      if (error instanceof LuaSyntaxError) return `ERR Error compiling function: ${error.message}`;
      throw error;
    } finally {
      this.loading = null;
    }
    const { functions, callbacks } = loading;
    return functions.length === 0 ? 'ERR No functions registered' : { functions, callbacks, keepsState };
  }
  private register(args: readonly LuaValue[]): LuaValue[] {
    const { loading } = this;
    if (loading === null) throw apiError('redis.register_function can only be called on FUNCTION LOAD command');
    const { name, callback, description, flags } = readRegistration(args, KNOWN_FLAGS);
    if (!isName(name)) throw apiError(ERR_NAME);
    // FCALL takes names in any case, so two that differ by nothing else are one.
    const isTaken = loading.functions.some((each) => each.name.toLowerCase() === name.toLowerCase());
    if (isTaken) throw apiError('Function already exists in the library');
    loading.functions.push({ name, description, flags });
    loading.callbacks.push(callback);
    return [];
  }

  call(callback: LuaFunction, keys: readonly string[], args: readonly string[]): Outcome {
    return this.engine.callWith(callback, keys, args);
  }
}
