/**
 * Libraries of functions as a script thread has them: what all threads share, loaded when a function is first called here, and what
 * the transaction that runs has changed of it. A change becomes everybody's with the transaction's commit (`apply`); until then
 * it's in blocks that nobody else knows, and `drop` frees them.
 */
import type { CommandContext } from '../commands/context.ts';
import { readLibraries } from '../commands/function-dump.ts';
import { ERR_NO_FUNCTION } from '../commands/scripts.ts';
import type { FunctionInfo, LibraryInfo } from '../commands/services.ts';
import type { LuaFunction, Outcome } from '../lua/engine.ts';
import { type FunctionStore, type LibraryStep, MAX_LIBRARIES } from './function-store.ts';
import type { LibraryLoader, LoadedLibrary } from './library-loader.ts';
import { type LibrarySource, parseLibrary } from './library-source.ts';
import { flagsOf, NO_ROLLBACK, type ScriptFlags } from './script-source.ts';
import { type Counted, FUNCTION } from './script-stats.ts';

const ERR_OOM = "OOM command not allowed when used memory > 'maxmemory'.";

/** What FCALL runs. `name` as it was registered. */
export type LibraryFunction = Counted & { readonly callback: LuaFunction; readonly flags: ScriptFlags; readonly keepsState: boolean };

export class FunctionLibraries {
  private readonly store: FunctionStore;
  private readonly makeLoader: () => LibraryLoader;
  private loader: LibraryLoader | null = null;
  private epoch = -1;
  private readonly libraries = new Map<string, LibraryInfo>();
  /** The libraries of functions, by their names in lower case. */
  private readonly owners = new Map<string, LibraryInfo>();
  private loaded = new WeakMap<LibraryInfo, LoadedLibrary | string>();
  /** What FCALL has found, by the name as it was given. */
  private readonly found = new Map<string, LibraryFunction>();
  private steps: LibraryStep[] = [];

  /** Libraries of more bytes aren't loaded here when one of their functions is called. */
  private readonly maxBytes: number;

  constructor(store: FunctionStore, makeLoader: () => LibraryLoader, maxBytes = Number.POSITIVE_INFINITY) {
    this.store = store;
    this.makeLoader = makeLoader;
    this.maxBytes = maxBytes;
  }
  /** The engine's limits have changed: another one is made when it's needed. */
  forgetEngine(): void {
    this.loader = null;
    this.loaded = new WeakMap();
    this.found.clear();
  }

  /** Counts changes that others have made. */
  get version(): number {
    return this.store.epoch;
  }

  // ---- what there is ----

  /** Reads what others have changed. A thread's own changes are the last as long as its transaction lasts: it has the lock. */
  private refresh(): void {
    if (this.steps.length > 0 || this.epoch === this.store.epoch) return;
    const { libraries, epoch } = this.store.read();
    this.epoch = epoch;
    this.libraries.clear();
    this.owners.clear();
    this.found.clear();
    for (const library of libraries) this.link(library);
  }
  private link(library: LibraryInfo): void {
    this.libraries.set(library.name, library);
    for (const { name } of library.functions) this.owners.set(name.toLowerCase(), library);
  }
  private unlink(library: LibraryInfo): void {
    this.libraries.delete(library.name);
    for (const { name } of library.functions) this.owners.delete(name.toLowerCase());
  }
  all(): LibraryInfo[] {
    this.refresh();
    return [...this.libraries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  hasFunction(name: string): boolean {
    this.refresh();
    return this.owners.has(name.toLowerCase());
  }

  /** The function that FCALL names; a string is the error. Its library is loaded if need be. */
  find(given: string): LibraryFunction | string {
    this.refresh();
    return this.found.get(given) ?? this.lookUp(given);
  }
  private lookUp(given: string): LibraryFunction | string {
    const lower = given.toLowerCase();
    const library = this.owners.get(lower);
    if (library === undefined || library.code.length > this.maxBytes) return ERR_NO_FUNCTION;
    let loaded = this.loaded.get(library);
    if (loaded === undefined) {
      loaded = this.load(parseLibrary(library.code), false);
      this.loaded.set(library, loaded);
    }
    if (typeof loaded === 'string') {
      // It may have been ended by SCRIPT KILL or a deadline: the next call tries again.
      this.loaded.delete(library);
      return loaded;
    }
    const at = loaded.functions.findIndex((each) => each.name.toLowerCase() === lower);
    const callback = loaded.callbacks[at];
    if (callback === undefined) return ERR_NO_FUNCTION;
    const { name, flags } = loaded.functions[at] as FunctionInfo;
    const { keepsState } = loaded;
    const rollsBack = library.rollsBack && !flags.includes(NO_ROLLBACK);
    const one = { name, kind: FUNCTION, row: 0, callback, flags: flagsOf(flags, rollsBack), keepsState };
    this.found.set(given, one);
    return one;
  }
  /** Loads the library of a function anew, and finds the function again; a string is the error. */
  renew({ name }: LibraryFunction): LibraryFunction | string {
    const library = this.owners.get(name.toLowerCase());
    if (library !== undefined) this.loaded.delete(library);
    this.found.clear();
    return this.find(name);
  }
  private load(source: LibrarySource | string, isLimited: boolean): LoadedLibrary | string {
    if (typeof source === 'string') return source;
    this.loader ??= this.makeLoader();
    return this.loader.load(source, isLimited);
  }
  call(callback: LuaFunction, keys: readonly string[], args: readonly string[]): Outcome {
    return (this.loader as LibraryLoader).call(callback, keys, args);
  }

  // ---- changes ----

  /** The transaction commits: its changes are everybody's. */
  apply(): void {
    if (this.steps.length === 0) return;
    this.store.apply(this.steps);
    this.forgetSteps();
  }
  /** It's taken back. */
  drop(): void {
    if (this.steps.length === 0) return;
    this.store.release(this.steps);
    this.forgetSteps();
  }
  private forgetSteps(): void {
    this.steps = [];
    this.epoch = -1;
  }

  /** FUNCTION LOAD, DELETE, FLUSH and RESTORE: the request in `ctx`, its reply and its effect in the log. `isLimited`: a client waits. */
  change(ctx: CommandContext, isLimited: boolean): void {
    this.refresh();
    const error = this.attempt(ctx, isLimited);
    if (error !== '') ctx.reply.error(error);
    // The next command says for itself what it logs.
    ctx.keyspace.log?.flush();
  }
  private attempt(ctx: CommandContext, isLimited: boolean): string {
    switch (ctx.word(1)) {
      case 'load':
        return this.loadOne(ctx, isLimited);
      case 'delete':
        return this.deleteOne(ctx);
      case 'flush':
        return this.flush(ctx);
      default:
        return this.restore(ctx, isLimited);
    }
  }
  private loadOne(ctx: CommandContext, isLimited: boolean): string {
    let replaces = false;
    for (let index = 2; index < ctx.argc - 1; index++) {
      if (ctx.word(index) !== 'replace') return `ERR Unknown option given: ${ctx.shown(index)}`;
      replaces = true;
    }
    const code = ctx.text(ctx.argc - 1);
    const source = parseLibrary(code);
    if (typeof source === 'string') return source;
    const old = this.libraries.get(source.name);
    if (old !== undefined && !replaces) return `ERR Library '${source.name}' already exists`;
    const loaded = this.load(source, isLimited);
    if (typeof loaded === 'string') return loaded;
    const taken = loaded.functions.find(({ name }) => (this.owners.get(name.toLowerCase()) ?? old) !== old);
    if (taken !== undefined) return `ERR Function ${taken.name} already exists`;
    if (!this.putAll([], [libraryOf(source, code, loaded)])) return ERR_OOM;
    const record = recordOf(ctx, replaces ? 4 : 3, 'LOAD');
    if (replaces) record?.text('REPLACE');
    record?.text(code);
    ctx.reply.bulkString(source.name);
    return '';
  }
  private deleteOne(ctx: CommandContext): string {
    const name = ctx.text(2);
    const library = this.libraries.get(name);
    if (library === undefined) return 'ERR Library not found';
    this.putAll([library], []);
    recordOf(ctx, 3, 'DELETE')?.text(name);
    ctx.reply.ok();
    return '';
  }
  private flush(ctx: CommandContext): string {
    if (ctx.argc > 3) return badSubcommand(ctx);
    if (ctx.argc === 3 && !/^(async|sync)$/i.test(ctx.text(2))) return 'ERR FUNCTION FLUSH only supports SYNC|ASYNC option';
    this.putAll([...this.libraries.values()], []);
    recordOf(ctx, 2, 'FLUSH');
    ctx.reply.ok();
    return '';
  }

  private restore(ctx: CommandContext, isLimited: boolean): string {
    if (ctx.argc > 4) return badSubcommand(ctx);
    const policy = ctx.argc === 4 ? ctx.word(3) : 'append';
    if (!['append', 'replace', 'flush'].includes(policy)) {
      return 'ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.';
    }
    const restored = this.loadPayload(ctx.copy(2), isLimited);
    if (typeof restored === 'string') return restored;
    const old: LibraryInfo[] = policy === 'flush' ? [...this.libraries.values()] : [];
    if (policy !== 'flush') {
      for (const { name } of restored) {
        const library = this.libraries.get(name);
        if (library === undefined) continue;
        if (policy === 'append') return `ERR Library ${name} already exists`;
        old.push(library);
      }
    }
    for (const { name } of restored.flatMap((library) => library.functions)) {
      const owner = this.owners.get(name.toLowerCase());
      if (owner !== undefined && !old.includes(owner)) return `ERR Function ${name} already exists`;
    }
    if (!this.putAll(old, restored)) return ERR_OOM;
    if (policy === 'flush') recordOf(ctx, 2, 'FLUSH');
    else for (const { name } of old) recordOf(ctx, 3, 'DELETE')?.text(name);
    for (const { code } of restored) recordOf(ctx, 3, 'LOAD')?.text(code);
    ctx.reply.ok();
    return '';
  }
  /** Loads all libraries of a dump, which mustn't stand in each other's way; a string is the error. */
  private loadPayload(payload: Buffer, isLimited: boolean): LibraryInfo[] | string {
    const codes = readLibraries(payload);
    if (typeof codes === 'string') return codes;
    const libraries: LibraryInfo[] = [];
    const functions = new Set<string>();
    for (const code of codes) {
      const source = parseLibrary(code);
      if (typeof source === 'string') return source;
      if (libraries.some(({ name }) => name === source.name)) return `ERR Library '${source.name}' already exists`;
      const loaded = this.load(source, isLimited);
      if (typeof loaded === 'string') return loaded;
      const taken = loaded.functions.find(({ name }) => functions.has(name.toLowerCase()));
      if (taken !== undefined) return `ERR Function ${taken.name} already exists`;
      for (const { name } of loaded.functions) functions.add(name.toLowerCase());
      libraries.push(libraryOf(source, code, loaded));
    }
    return libraries;
  }

  /** Takes libraries away and puts others there (in the place of those of the same names); false, and nothing is done, without room. */
  private putAll(old: readonly LibraryInfo[], fresh: readonly LibraryInfo[]): boolean {
    const staged: LibraryStep[] = [];
    if (this.libraries.size - old.length + fresh.length > MAX_LIBRARIES) return false;
    for (const library of fresh) {
      const step = this.store.stage(library);
      if (step === null) {
        this.store.release(staged);
        return false;
      }
      staged.push(step);
    }
    for (const library of old) this.unlink(library);
    for (const library of fresh) {
      const replaced = this.libraries.get(library.name);
      if (replaced !== undefined) this.unlink(replaced);
      this.link(library);
    }
    this.steps.push(...old.map(({ name }) => ({ name, functions: 0, block: null })), ...staged);
    this.found.clear();
    return true;
  }
}

function libraryOf(source: LibrarySource, code: string, { functions }: LoadedLibrary): LibraryInfo {
  return { name: source.name, rollsBack: source.rollsBack, functions, code };
}
/** Begins FUNCTION's record of so many arguments in the log, null when there is no log. */
function recordOf(ctx: CommandContext, argc: number, subcommand: string): ReturnType<CommandContext['effect']> {
  const record = ctx.effect('FUNCTION', argc);
  record?.text(subcommand);
  return record;
}
function badSubcommand(ctx: CommandContext): string {
  return `ERR unknown subcommand or wrong number of arguments for '${ctx.shown(1)}'. Try FUNCTION HELP.`;
}
