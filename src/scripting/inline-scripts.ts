/**
 * Scripts that a reactor runs itself, at the place of any other command: those that are known to be short. What they take is less than what
 * it costs to hand them to another thread and to be woken for the answer.
 *
 * A script's first runs are a script thread's, unless there is none yet. Then it's compiled here too and tried, with a budget: when it
 * isn't done within a quarter of a millisecond (loops, calls and commands count, then the clock), or meets a key that another script
 * holds, it's taken back, runs on a script thread after all, and rests from being tried here, for longer each time. So a script that is
 * slow, always or now and then, holds up a reactor for no longer than the budget.
 */
import { performance } from 'node:perf_hooks';
import { parseInt64 } from '../base/numbers.ts';
import { REDIS_VERSION } from '../base/version.ts';
import { CommandContext } from '../commands/context.ts';
import { ANY_KEY, DONE, HELD, isShortOfMemory, LATCHED, PARK } from '../commands/executor.ts';
import { internalClient } from '../commands/internal-client.ts';
import { isFunctionCall } from '../commands/scripts.ts';
import type { ServerServices } from '../commands/services.ts';
import { createEngine, type Engine, LuaSyntaxError, type Outcome, STACK_TRACE_FRAMES } from '../lua/engine.ts';
import { createRedisTable, type RedisHost } from '../lua/redis-library.ts';
import { errorReplyText, writeValue } from '../lua/resp-values.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { FunctionLibraries, type LibraryFunction } from './function-library.ts';
import { FunctionStore } from './function-store.ts';
import { type CompiledScript, type KnownScript, KnownScripts, MAX_TEXT_BYTES } from './known-scripts.ts';
import { LatchedTransaction } from './latched-transaction.ts';
import { LibraryLoader } from './library-loader.ts';
import { ScriptCalls } from './script-calls.ts';
import { parseSource, type ScriptFlags } from './script-source.ts';
import * as state from './script-state.ts';
import { ScriptStore } from './script-state.ts';
import { type Counted, SCRIPT, ScriptStats } from './script-stats.ts';

/** The script isn't run here: nothing has happened. */
export const ELSEWHERE = 2;

/**
 * So often a script is a script thread's before it's compiled here, and once more for so many bytes of its text: to compile takes a
 * millisecond for a kilobyte or two, which texts that hardly ever come again aren't worth.
 */
const FIRST_RUNS = 3;
const BYTES_A_RUN = 64;
/** About five microseconds: scripts that need less never look at the clock. */
const SLICE_TICKS = 400;
const BUDGET_MS = 0.25;
/** Where the clock seems to stand still, so much ends a script all the same. */
const MAX_SLICES = 2000;
const SPEND_BYTES = 1048576;
const BRIEF = { sliceTicks: SLICE_TICKS, spendBytes: SPEND_BYTES } as const;
/**
 * While no script thread is up yet, which takes some tenths of a second from the first script on, so many scripts of at most so many
 * bytes are compiled and run here at once, with a budget for code that is new to V8.
 */
const MAX_EARLY = 8;
const MAX_EARLY_BYTES = 1024;
const EARLY_BUDGET_MS = 5;
/** What all scripts of a turn may take together; more of them go to script threads, so that other clients' commands get their turn. */
const TURN_MS = 2;
const TICKS_A_MS = 50_000;
/** How long a script rests after it was given up: at first, at the most; and after so many good runs, half as long. */
const FIRST_REST = 4;
const LONGEST_REST = 65536;
const GOOD_STREAK = 1024;
/** One that is given up after so many good runs was held up by something else, or is slow so seldom that it needn't rest. */
const STEADY_RUNS = 32;
/** After so many tries in a row that met a latch the script goes to a thread, which gets its keys in order. */
const MAX_PARKS = 8;

export type InlineSettings = { readonly isOn: boolean; readonly rollsBack: boolean };

export class InlineScripts {
  settings: InlineSettings = { isOn: true, rollsBack: true };
  /** A script thread has been seen to run: no script needs to be run here for want of one. */
  isThreadUp = false;
  private readonly ctx: CommandContext;
  private readonly store: ScriptStore;
  private readonly known = new KnownScripts(FIRST_REST);
  /** By the names that FCALL gives them. */
  private readonly functions = new KnownScripts(FIRST_REST);
  private readonly libraries: FunctionLibraries;
  private version = 0;
  private readonly transaction: LatchedTransaction;
  private readonly calls: ScriptCalls;
  private readonly words: Int32Array;
  private readonly row: number;
  private readonly log: (level: number, message: string) => void;
  /** Made when the first script is compiled. */
  private engine: Engine | null = null;
  private stats: ScriptStats | null = null;
  private readonly buffers: state.ScriptBuffers;
  private readonly reactor: number;
  private runs = 0;
  private readonly untimed: Counted[] = [];
  private untimedCount = 0;
  private epoch = 0;
  private isResp3 = false;
  private slices = 0;
  private sinceMs = 0;
  private latestMs = 0;
  private budgetMs = BUDGET_MS;
  private early = 0;
  private turnMs = 0;
  private parks = 0;
  /** Lines for the log, of a script that may yet be given up. */
  private readonly lines: { level: number; message: string }[] = [];

  constructor(client: CommandContext, services: ServerServices, buffers: state.ScriptBuffers, reactor: number, log: InlineScripts['log']) {
    const { keyspace } = client;
    this.ctx = new CommandContext(keyspace, new ReplyWriter(), services);
    this.ctx.client = internalClient();
    this.ctx.mayBlock = false;
    this.store = new ScriptStore(buffers, keyspace.banks);
    const makeLoader = (): LibraryLoader => new LibraryLoader(this.host(), () => this.whyGivenUp(), { brief: BRIEF });
    this.libraries = new FunctionLibraries(new FunctionStore(buffers.functions, keyspace.banks), makeLoader, MAX_TEXT_BYTES);
    this.transaction = new LatchedTransaction(keyspace);
    this.calls = new ScriptCalls(this.ctx, this.transaction);
    this.buffers = buffers;
    this.reactor = reactor;
    this.words = new Int32Array(buffers.state);
    this.row = state.reactorRowOf(reactor);
    this.log = log;
  }

  /** A turn of the reactor begins. */
  turn(): void {
    this.turnMs = 0;
  }
  /** What each of the scripts took that have run since this was said last: short commands in a row are timed together. */
  took(milliseconds: number): void {
    for (let index = 0; index < this.untimedCount; index++) this.stats?.took(this.untimed[index] as Counted, milliseconds);
    this.untimedCount = 0;
  }
  /** Runs the script that `client` asks for and replies: DONE. PARK: it's to be tried again soon. ELSEWHERE: it's for a script thread. */
  run(client: CommandContext): number {
    const known = this.choose(client);
    if (known?.script == null) return ELSEWHERE;
    const { script } = known;
    const stats = this.stats as ScriptStats;
    if (this.untimedCount === 0) {
      client.server.settle();
      stats.look();
    }
    stats.begin(script, ++this.runs);
    const outcome = this.call(client, script);
    this.turnMs += this.spentMs();
    if (outcome.isError && outcome.isInterrupt) return this.giveUp(known);
    const isTakenBack = outcome.isError && this.settings.rollsBack && script.flags.rollsBack;
    if (isTakenBack) this.transaction.abort();
    else this.transaction.commit(this.ctx);
    this.finish(client, script, outcome);
    stats.count(script, outcome.isError, isTakenBack);
    this.untimed[this.untimedCount++] = script;
    this.count(state.INLINE_RUNS);
    this.parks = 0;
    if (++known.streak >= GOOD_STREAK) {
      known.streak = 0;
      known.penalty = Math.max(FIRST_REST, known.penalty >>> 1);
    }
    return DONE;
  }
  /** About what the script took: by the clock where that was looked at, else by what was counted. */
  private spentMs(): number {
    const counted = (SLICE_TICKS - (this.engine as Engine).ticksLeft) / TICKS_A_MS;
    return this.slices === 0 ? counted : this.latestMs - this.sinceMs + counted + SLICE_TICKS / TICKS_A_MS;
  }
  private count(counter: number): void {
    this.words[this.row + counter]!++;
  }

  /** The script of the request when it's to be tried here. */
  private choose(client: CommandContext): KnownScript | null {
    if (!this.settings.isOn || this.turnMs > TURN_MS) return null;
    if (this.epoch !== this.store.epoch) {
      this.epoch = this.store.epoch;
      this.known.clear();
    }
    const isFunction = isFunctionCall(client);
    const known = isFunction ? this.knownFunction(client) : this.knownScript(client);
    if (known === null) return null;
    if (known.script === null) {
      if (!isFunction && this.isEarly(known)) return this.chooseEarly(client, known);
      // To compile takes longer than the run, which is a script thread's once more: its time isn't the script's.
      if (isFunction) this.findFunction(known);
      else this.compile(known);
      return null;
    }
    this.budgetMs = BUDGET_MS;
    if (known.resting === 0) return this.isAllowed(client, known.script.flags) ? known : null;
    known.resting--;
    return null;
  }
  /** True when the script would wait for the first script thread to be loaded, and may be run here in the meantime. */
  private isEarly(known: KnownScript): boolean {
    if (this.isThreadUp || known.isSha || known.text.length > MAX_EARLY_BYTES || this.early === MAX_EARLY) return false;
    for (let thread = 0; thread < this.buffers.queues.length && !this.isThreadUp; thread++) {
      this.isThreadUp = Atomics.load(this.words, state.rowOf(thread) + state.STATE) >= state.AWAKE;
    }
    return !this.isThreadUp;
  }
  /** As `choose`, for a script that no thread has seen: it's kept by its SHA1 for EVALSHA, as a thread does. */
  private chooseEarly(client: CommandContext, known: KnownScript): KnownScript | null {
    this.early++;
    const source = known.text.toString('latin1');
    this.compileText(known, source);
    if (known.script === null || !this.isAllowed(client, known.script.flags)) return null;
    this.store.add(known.script.name, source);
    this.budgetMs = EARLY_BUDGET_MS;
    return known;
  }
  private knownScript(client: CommandContext): KnownScript | null {
    const name = client.command?.name;
    return this.known.find(client.bytes, client.start(1), client.end(1), name === 'evalsha' || name === 'evalsha_ro');
  }
  private knownFunction(client: CommandContext): KnownScript | null {
    const { version } = this.libraries;
    if (this.version !== version) {
      this.version = version;
      this.functions.clear();
    }
    return this.functions.find(client.bytes, client.start(1), client.end(1), false);
  }
  /**
   * Loads the library of a function that has been asked for often enough. What a function is stopped in
   * must be as if it had not begun, so one that may keep something in variables of its library is a script thread's.
   */
  private findFunction(known: KnownScript): void {
    if (++known.seen <= FIRST_RUNS) return;
    this.prepare();
    this.slices = 0;
    const found = this.libraries.find(known.text.toString('latin1'));
    if (typeof found !== 'string' && !found.keepsState) known.script = found;
    else known.seen = Number.NEGATIVE_INFINITY;
  }
  private prepare(): Engine {
    // Else each run would set it and put it back.
    Error.stackTraceLimit = STACK_TRACE_FRAMES;
    this.engine ??= createEngine({ globals: { redis: createRedisTable(this.host()) }, interrupt: () => this.whyGivenUp(), brief: BRIEF });
    this.stats ??= new ScriptStats(this.buffers.stats, this.buffers.queues.length + this.reactor);
    return this.engine;
  }
  /** False for a script that is refused as a whole by what it says of itself: a script thread says why. */
  private isAllowed(client: CommandContext, flags: ScriptFlags): boolean {
    if (flags.isPlain) return true;
    return (flags.noWrites || client.command?.isReadonly !== true) && (flags.allowOom || !isShortOfMemory(client));
  }
  /** Compiles a script that has been asked for often enough. */
  private compile(known: KnownScript): void {
    if (++known.seen <= FIRST_RUNS) return;
    const size = known.isSha ? this.store.sizeOf(known.text.toString('latin1')) : known.text.length;
    // What isn't there, or can't be compiled, gets its error from a script thread.
    if (size > MAX_TEXT_BYTES || known.seen <= FIRST_RUNS + size / BYTES_A_RUN) return;
    known.seen = 0;
    const given = known.text.toString('latin1');
    const source = known.isSha ? this.store.get(given) : given;
    if (source !== null) this.compileText(known, source);
  }
  private compileText(known: KnownScript, source: string): void {
    const parsed = parseSource(source);
    if (typeof parsed === 'string') return;
    const engine = this.prepare();
    try {
      const chunk = engine.compile(parsed.body, '@user_script');
      known.script = { name: ScriptStore.shaOf(source), kind: SCRIPT, row: 0, chunk, flags: parsed.flags };
    } catch (error) {
      if (!(error instanceof LuaSyntaxError)) throw error;
      known.seen = Number.NEGATIVE_INFINITY;
    }
  }
  private host(): RedisHost {
    return {
      version: REDIS_VERSION,
      call: this.calls.call,
      pcall: this.calls.pcall,
      aclCheckCommand: this.calls.aclCheck,
      log: (level, message) => void this.lines.push({ level, message }),
      setResp: (version) => {
        this.isResp3 = version === 3;
        this.ctx.reply.resp = version;
      },
    };
  }
  /** Asked at the end of each slice: why the script that runs is to be given up, or null. */
  private whyGivenUp(): string | null {
    const now = performance.now();
    if (this.slices++ === 0) this.sinceMs = now;
    this.latestMs = now;
    return now - this.sinceMs < this.budgetMs && this.slices < MAX_SLICES ? null : 'the budget is spent';
  }

  private call(client: CommandContext, script: CompiledScript | LibraryFunction): Outcome {
    const { ctx, calls } = this;
    ctx.database = client.database;
    ctx.client.database = client.database;
    ctx.reply.resp = 2;
    this.isResp3 = false;
    this.slices = 0;
    calls.isReadonly = script.flags.noWrites || client.command?.isReadonly === true;
    calls.allowsOom = script.flags.allowOom;
    calls.hasConflict = false;
    const firstArgument = 3 + (parseInt64(client.bytes, client.start(2), client.end(2)) as number);
    const keys = texts(client, 3, firstArgument);
    const args = texts(client, firstArgument, client.argc);
    calls.begin(client, keys, args);
    this.transaction.begin(ctx);
    return 'chunk' in script ? (this.engine as Engine).run(script.chunk, keys, args) : this.libraries.call(script.callback, keys, args);
  }
  private finish(client: CommandContext, script: Counted, outcome: Outcome): void {
    const { reply } = client;
    if (this.lines.length > 0) for (const { level, message } of this.lines.splice(0)) this.log(level, message);
    if (outcome.isError) reply.error(errorReplyText(outcome.error, script.name, outcome.source, outcome.line));
    else writeValue(outcome.value, reply, this.isResp3);
  }
  /** The script was stopped: nothing of it stays. */
  private giveUp(known: KnownScript): number {
    const { obstacle } = this.transaction;
    this.transaction.abort();
    this.lines.length = 0;
    this.stats?.leave();
    if (obstacle === LATCHED && ++this.parks < MAX_PARKS) return PARK;
    this.parks = 0;
    // A conflict says nothing of how long the script takes.
    if (obstacle !== HELD && obstacle !== ANY_KEY) {
      this.count(state.INLINE_CONFLICTS);
      this.stats?.conflict(known.script as Counted);
      return ELSEWHERE;
    }
    this.count(state.INLINE_GIVEN_UP);
    const isSteady = known.streak >= STEADY_RUNS;
    known.streak = 0;
    if (isSteady) return ELSEWHERE;
    known.resting = known.penalty;
    known.penalty = Math.min(LONGEST_REST, known.penalty * 2);
    return ELSEWHERE;
  }
}

const NO_TEXTS: readonly string[] = [];

/** The arguments [from, to) of the request. */
function texts(ctx: CommandContext, from: number, to: number): readonly string[] {
  if (from === to) return NO_TEXTS;
  if (from + 1 === to) return [ctx.text(from)];
  const found = new Array<string>(to - from);
  for (let index = from; index < to; index++) found[index - from] = ctx.text(index);
  return found;
}
