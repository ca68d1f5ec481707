/** A reactor's clients and their scripts: what a session wants run goes to the dispatcher, in batches where requests come pipelined. */
import type { CommandContext } from '../commands/context.ts';
import { DONE, PARK } from '../commands/executor.ts';
import { findCommand } from '../commands/lookup.ts';
import { isWellFormed } from '../commands/scripts.ts';
import type { Killed, LibraryServices, RunningFunction, ScriptServices, ScriptThreadStats } from '../commands/services.ts';
import type { Transaction } from '../commands/transaction.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { ClientSession } from '../net/session.ts';
import { ScriptDispatcher } from '../scripting/dispatcher.ts';
import { FunctionStore } from '../scripting/function-store.ts';
import { ELSEWHERE, type InlineScripts } from '../scripting/inline-scripts.ts';
import { JOB_EXEC, JOB_FUNCTION, JOB_LOAD } from '../scripting/jobs.ts';
import { WATCHED } from '../scripting/script-runner.ts';
import * as state from '../scripting/script-state.ts';
import { ScriptStore } from '../scripting/script-state.ts';
import { FUNCTION, percentileOf, ScriptStatsReader } from '../scripting/script-stats.ts';

const KINDS = ['others', 'script', 'function'] as const;
const STATES = ['not started', 'starting', 'awake', 'asleep'] as const;

export class ClientScripts implements ScriptServices {
  private readonly dispatcher: ScriptDispatcher;
  private readonly inline: InlineScripts;
  private readonly reactors: number;
  private readonly store: ScriptStore;
  private readonly functionStore: FunctionStore;
  readonly statsReader: ScriptStatsReader;
  private readonly words: Int32Array;
  private readonly threads: number;
  private readonly depth: (thread: number) => number;
  /** Sessions whose request found all queues full. */
  private refused = false;

  constructor(keyspace: Keyspace, buffers: state.ScriptBuffers, reactor: number, start: (thread: number) => void, inline: InlineScripts) {
    this.dispatcher = new ScriptDispatcher(keyspace, buffers, reactor, start);
    this.inline = inline;
    this.reactors = buffers.mailboxes.length;
    this.store = new ScriptStore(buffers, keyspace.banks);
    this.functionStore = new FunctionStore(buffers.functions, keyspace.banks);
    this.statsReader = new ScriptStatsReader(buffers.stats);
    this.words = new Int32Array(buffers.state);
    this.threads = buffers.queues.length;
    this.depth = (thread) => this.dispatcher.depth(thread);
  }

  // ---- for handlers ----

  run(ctx: CommandContext): number {
    const verdict = this.inline.run(ctx);
    if (verdict !== ELSEWHERE) {
      if (!this.inline.isThreadUp) this.dispatcher.prepare();
      return verdict;
    }
    if (!this.dispatcher.hasRoom()) return this.park();
    this.dispatcher.begin(ctx);
    this.dispatcher.add(ctx);
    (ctx.client as ClientSession).collect();
    return DONE;
  }
  exec(ctx: CommandContext, transaction: Transaction): number {
    const { dispatcher } = this;
    if (!dispatcher.hasRoom()) return this.park();
    dispatcher.begin(ctx, JOB_EXEC);
    const { job } = dispatcher;
    for (const watch of transaction.watchedVersions()) {
      job.begin(5);
      job.text(WATCHED);
      job.text(String(watch.database));
      job.argument(watch.key, 0, watch.key.length);
      job.text(String(watch.version));
      job.text(String(watch.databaseVersion));
    }
    transaction.forEach(ctx, () => dispatcher.add(ctx));
    transaction.reset(ctx.keyspace);
    this.submit(ctx.client as ClientSession);
    (ctx.client as ClientSession).awaitScripts();
    return DONE;
  }
  load(ctx: CommandContext): number {
    const { dispatcher } = this;
    if (!dispatcher.hasRoom()) return this.park();
    dispatcher.begin(ctx, JOB_LOAD);
    dispatcher.job.begin(1);
    dispatcher.job.argument(ctx.bytes, ctx.start(2), ctx.end(2));
    this.submit(ctx.client as ClientSession);
    (ctx.client as ClientSession).awaitScripts();
    return DONE;
  }
  private park(): number {
    this.refused = true;
    return PARK;
  }
  exists(sha: string): boolean {
    return this.store.has(sha);
  }
  flush(): void {
    this.store.clear();
  }
  kill(isFunction: boolean): Killed {
    const isFunctionOn = (thread: number): boolean => this.statsReader.running(thread)?.kind === FUNCTION;
    if (this.dispatcher.killOldest((thread) => isFunctionOn(thread) === isFunction)) return 'killed';
    return this.rows().some((_, thread) => state.runningMs(this.words, thread) > 0 && isFunctionOn(thread) !== isFunction)
      ? 'other'
      : 'none';
  }
  private rows(): number[] {
    return Array.from({ length: this.threads }, (_, thread) => state.rowOf(thread));
  }
  readonly libraries: LibraryServices = {
    change: (ctx) => this.change(ctx),
    all: () => this.functionStore.all(),
    hasFunction: (name) =>
      this.functionStore.all().some(({ functions }) => functions.some((each) => each.name.toLowerCase() === name.toLowerCase())),
    running: () => this.longestFunction(),
  };
  private change(ctx: CommandContext): number {
    const { dispatcher } = this;
    if (!dispatcher.hasRoom()) return this.park();
    dispatcher.begin(ctx, JOB_FUNCTION);
    dispatcher.add(ctx);
    this.submit(ctx.client as ClientSession);
    (ctx.client as ClientSession).awaitScripts();
    return DONE;
  }
  private longestFunction(): RunningFunction | null {
    let longest: RunningFunction | null = null;
    this.rows().forEach((row, thread) => {
      const run = Atomics.load(this.words, row + state.SEQUENCE);
      const ms = state.runningMs(this.words, thread);
      const running = this.statsReader.running(thread);
      const command = this.statsReader.description(thread, run);
      if (running?.kind !== FUNCTION || command === null || ms <= (longest?.ms ?? 0)) return;
      longest = { name: running.name, command, ms };
    });
    return longest;
  }
  stats(): { scripts: number; reactors: ScriptThreadStats[]; threads: ScriptThreadStats[] } {
    const reactors = Array.from({ length: this.reactors }, (_, reactor) => {
      const row = state.reactorRowOf(reactor);
      return {
        runs: this.words[row + state.INLINE_RUNS]!,
        'given-up': this.words[row + state.INLINE_GIVEN_UP]!,
        conflicts: this.words[row + state.INLINE_CONFLICTS]!,
      };
    });
    const threads = Array.from({ length: this.threads }, (_, thread) => {
      const row = state.rowOf(thread);
      return {
        state: STATES[Atomics.load(this.words, row + state.STATE)] ?? '',
        runs: this.words[row + state.SEQUENCE]!,
        retried: this.words[row + state.RETRIED]!,
        'running-ms': state.runningMs(this.words, thread),
        queued: this.depth(thread),
        running: this.statsReader.running(thread)?.name ?? '',
      };
    });
    return { scripts: this.store.count, reactors, threads };
  }

  figures(): ScriptThreadStats[] {
    return this.statsReader.read().map((figures) => ({
      type: KINDS[figures.kind] ?? '',
      name: figures.name,
      runs: figures.runs,
      errors: figures.errors,
      rollbacks: figures.rollbacks,
      conflicts: figures.conflicts,
      'total-usec': Math.round(figures.micros),
      'p50-usec': microseconds(percentileOf(figures, 0.5)),
      'p99-usec': microseconds(percentileOf(figures, 0.99)),
      'max-usec': microseconds(figures.max),
    }));
  }

  /** For INFO. */
  memory(): Record<'scripts' | 'scriptBytes' | 'libraries' | 'functions' | 'libraryBytes' | 'heapBytes', number> {
    const { store, functionStore, statsReader } = this;
    return {
      scripts: store.count,
      scriptBytes: store.bytes,
      libraries: functionStore.libraries,
      functions: functionStore.functions,
      libraryBytes: functionStore.bytes,
      heapBytes: statsReader.heapBytes(),
    };
  }

  // ---- for sessions ----

  /** Takes the request in `ctx` into the job that the session has begun; false when it has to wait for that job's end. */
  collectMore(ctx: CommandContext): boolean {
    const command = findCommand(ctx.bytes, ctx.start(0), ctx.length(0));
    if (command?.isScript !== true || this.dispatcher.isFull || ctx.client.replyMode !== 'on' || !isWellFormed(ctx)) return false;
    ctx.command = command;
    ctx.isRejected = false;
    this.dispatcher.add(ctx);
    return true;
  }
  submit(session: ClientSession): void {
    this.dispatcher.submit(session);
  }

  /** The end of a turn. Returns in how many milliseconds to look again, 0: only when woken. */
  turn(): number {
    this.inline.turn();
    const refused = this.refused ? 1 : 0;
    this.refused = false;
    return this.dispatcher.turn() || refused;
  }
  /** False when answers have come that the reactor mustn't sleep over. */
  maySleep(): boolean {
    return this.dispatcher.isIdle || this.dispatcher.maySleep();
  }
}

/** With three digits, as a string: not all of them are whole. */
function microseconds(time: number): string {
  return time.toFixed(3);
}
