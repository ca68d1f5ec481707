/**
 * What a script thread does with a job: runs its scripts as transactions, each on its own, or EXEC's commands and scripts as one.
 *
 * A script is compiled when the thread first meets it, and kept by its text and its SHA1. Errors that reach the top, SCRIPT KILL, the
 * deadline and the limit of memory take the transaction back; with `script-rollback no`, as with Redis, what was done stays.
 */
import { parseInt64 } from '../base/numbers.ts';
import { REDIS_VERSION } from '../base/version.ts';
import type { CommandContext } from '../commands/context.ts';
import { addKeyWords, isShortOfMemory, type KeyWords } from '../commands/executor.ts';
import { findCommand } from '../commands/lookup.ts';
import { badKeys, ERR_NO_FUNCTION, ERR_NO_SCRIPT } from '../commands/scripts.ts';
import * as layout from '../keyspace/layout.ts';
import { type Chunk, createEngine, type Engine, LuaSyntaxError, type Outcome } from '../lua/engine.ts';
import { createRedisTable, type RedisHost } from '../lua/redis-library.ts';
import { errorReplyText, writeValue } from '../lua/resp-values.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { Conflict } from '../transactions/held-locks.ts';
import { rollBackTo } from '../transactions/rollback.ts';
import { FunctionLibraries, type LibraryFunction } from './function-library.ts';
import { FunctionStore, LIBRARIES_LOCK } from './function-store.ts';
import { JOB_EXEC, JOB_FUNCTION, JOB_LOAD, type Job } from './jobs.ts';
import { LibraryLoader } from './library-loader.ts';
import { ScriptCalls } from './script-calls.ts';
import { parseSource, type ScriptFlags } from './script-source.ts';
import * as state from './script-state.ts';
import { ScriptStore } from './script-state.ts';
import { type Counted, SCRIPT, ScriptStats } from './script-stats.ts';
import { ScriptTransaction } from './script-transaction.ts';

const MAX_COMPILED = 5000;
const ERR_OOM = "OOM command not allowed when used memory > 'maxmemory'.";
const ERR_KILLED = 'ERR Script killed by user with SCRIPT KILL.';
const ERR_STOPPED = 'ERR The server is shutting down';
/** What EXEC adds to its commands: a key that WATCH has seen, and in which state. */
export const WATCHED = '\0watched';

export type ScriptSettings = {
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  readonly rollsBack: boolean;
  readonly transactionRollsBack: boolean;
};
/** What is run: EVAL's script, by its SHA1, or a function of a library. */
type Script = LibraryFunction | (Counted & { readonly chunk: Chunk; readonly flags: ScriptFlags });

export class ScriptRunner {
  settings: ScriptSettings = { memoryBytes: 0, deadlineMs: 0, rollsBack: true, transactionRollsBack: false };
  /** The replies of the job. */
  readonly reply = new ReplyWriter();
  log: (level: number, message: string) => void = () => undefined;
  /** Called again and again while a script runs for long. */
  onSlice: () => void = () => undefined;
  private readonly ctx: CommandContext;
  private readonly words: Int32Array;
  private readonly row: number;
  private readonly store: ScriptStore;
  private readonly transaction: ScriptTransaction;
  private readonly calls: ScriptCalls;
  readonly libraries: FunctionLibraries;
  private readonly stats: ScriptStats;
  private engine!: Engine;
  private memoryBytes = -1;
  private epoch = 0;
  private readonly bySource = new Map<string, Script>();
  private readonly bySha = new Map<string, Script>();
  private isResp3 = false;
  private startedMs = 0;
  private readonly keyWords: KeyWords = { words: [], isAny: false };
  private readonly logMark = { length: 0, records: 0, database: 0 };
  // The request of the job that is read.
  private job!: Job;
  private at = 0;
  private byte = 0;
  private argc = 0;

  constructor(ctx: CommandContext, buffers: state.ScriptBuffers, thread: number) {
    this.ctx = ctx;
    this.words = new Int32Array(buffers.state);
    this.row = state.rowOf(thread);
    this.store = new ScriptStore(buffers, ctx.keyspace.banks);
    this.stats = new ScriptStats(buffers.stats, thread);
    const isEnded = (): boolean => this.whyEnded() !== null;
    this.libraries = new FunctionLibraries(new FunctionStore(buffers.functions, ctx.keyspace.banks), () => this.makeLoader());
    this.transaction = new ScriptTransaction(ctx.keyspace, this.words, thread, buffers.undo[thread]!, isEnded, this.libraries);
    this.calls = new ScriptCalls(ctx, this.transaction);
    ctx.mayBlock = false;
  }

  private makeEngine(): void {
    this.memoryBytes = this.settings.memoryBytes;
    this.bySource.clear();
    this.bySha.clear();
    this.libraries.forgetEngine();
    this.engine = createEngine({
      globals: { redis: createRedisTable(this.host()) },
      interrupt: () => this.whyEnded(),
      memoryBytes: this.limitBytes,
    });
  }
  private makeLoader(): LibraryLoader {
    // A library that a function's first call loads, before its transaction begins, is nobody's script yet: only a shutdown ends it.
    const why = (): string | null => (this.words[this.row + state.SINCE] === 0 ? this.whyStopped() : this.whyEnded());
    return new LibraryLoader(this.host(), why, { memoryBytes: this.limitBytes });
  }
  private get limitBytes(): number {
    return this.memoryBytes === 0 ? Number.POSITIVE_INFINITY : this.memoryBytes;
  }
  private host(): RedisHost {
    return {
      version: REDIS_VERSION,
      call: this.calls.call,
      pcall: this.calls.pcall,
      aclCheckCommand: this.calls.aclCheck,
      log: (level, message) => this.log(level, message),
      setResp: (version) => {
        this.isResp3 = version === 3;
        this.ctx.reply.resp = version;
      },
    };
  }
  /** Why the script that runs is to end, or null. */
  private whyEnded(): string | null {
    const { words, row } = this;
    Atomics.store(words, row + state.SLICES, words[row + state.SLICES]! + 1);
    if (this.whyStopped() !== null) return ERR_STOPPED;
    this.onSlice();
    this.describe();
    if (Atomics.load(words, row + state.KILL) === words[row + state.SEQUENCE]) return ERR_KILLED;
    const { deadlineMs } = this.settings;
    if (deadlineMs === 0 || Date.now() - this.startedMs < deadlineMs) return null;
    return `ERR Script ran longer than script-deadline (${deadlineMs} ms) and was taken back`;
  }

  /** FUNCTION STATS shows what has been running for a while. */
  private describe(): void {
    if (!this.stats.isRunning) return;
    this.stats.describe(this.words[this.row + state.SEQUENCE]!, this.argc, (index) => {
      // All arguments have been taken by now: they end where the next request begins.
      const { job, at, argc } = this;
      let start = this.byte;
      for (let later = index; later < argc; later++) start -= job.lengths[at - argc + later]!;
      return job.bytes.latin1Slice(start, start + job.lengths[at - argc + index]!);
    });
  }
  private whyStopped(): string | null {
    return Atomics.load(this.words, state.STOP) !== 0 ? ERR_STOPPED : null;
  }

  /** Runs a job; its replies are in `reply` then. Returns the database that the client is in afterwards. */
  run(job: Job): number {
    const { reply } = this;
    if (this.memoryBytes !== this.settings.memoryBytes) this.makeEngine();
    if (this.epoch !== this.store.epoch) {
      this.epoch = this.store.epoch;
      this.bySource.clear();
      this.bySha.clear();
    }
    reply.reset();
    reply.resp = job.resp;
    this.job = job;
    this.stats.start();
    this.at = 0;
    this.byte = 0;
    if (job.kind === JOB_LOAD) this.load();
    else if (job.kind === JOB_EXEC || job.kind === JOB_FUNCTION) return this.exec();
    else for (let index = 0; index < job.requests; index++) this.runScript();
    return -1;
  }

  // ---- requests of a job ----

  /** Goes to the next request. */
  private next(): void {
    this.argc = this.job.lengths[this.at++]!;
  }
  /** The next argument's text. */
  private text(): string {
    const { byte, job } = this;
    this.byte += job.lengths[this.at++]!;
    return job.bytes.latin1Slice(byte, this.byte);
  }
  private texts(count: number): string[] {
    const all: string[] = new Array(count);
    for (let index = 0; index < count; index++) all[index] = this.text();
    return all;
  }

  private load(): void {
    this.next();
    this.loadInto(this.text(), this.reply);
  }
  /** SCRIPT LOAD: compiles and keeps a script, and replies its SHA1. */
  loadInto(source: string, reply: ReplyWriter): void {
    const script = this.compiled(source);
    if (typeof script === 'string') reply.error(script);
    else if (this.store.add(script.name, source)) reply.bulkString(script.name);
    else reply.error(ERR_OOM);
  }
  exists(sha: string): boolean {
    return this.store.has(sha);
  }
  /** SCRIPT FLUSH. */
  forgetAll(): void {
    this.store.clear();
    this.bySource.clear();
    this.bySha.clear();
  }
  /** The script of a text, compiled now or before; a string is the error. */
  private compiled(source: string): Script | string {
    const known = this.bySource.get(source);
    if (known !== undefined) return known;
    const parsed = parseSource(source);
    if (typeof parsed === 'string') return parsed;
    const sha = ScriptStore.shaOf(source);
    try {
      const script = { name: sha, kind: SCRIPT, row: 0, chunk: this.engine.compile(parsed.body, '@user_script'), flags: parsed.flags };
      if (this.bySource.size >= MAX_COMPILED) {
        this.bySource.clear();
        this.bySha.clear();
      }
      this.bySource.set(source, script);
      this.bySha.set(sha, script);
      return script;
    } catch (error) {
      if (error instanceof LuaSyntaxError) return `ERR Error compiling script (new function): ${error.message}`;
      throw error;
    }
  }
  /** The script that a command asks for, by what stands behind its name. */
  private find(command: string, given: string): Script | string {
    if (command.startsWith('fcall')) return this.libraries.find(given);
    if (command.startsWith('evalsha')) {
      const sha = given.toLowerCase();
      const known = this.bySha.get(sha);
      if (known !== undefined) return known;
      const source = this.store.get(sha);
      return source === null ? ERR_NO_SCRIPT : this.compiled(source);
    }
    const known = this.bySource.get(given);
    if (known !== undefined) return known;
    const script = this.compiled(given);
    if (typeof script !== 'string') this.store.add(script.name, given);
    return script;
  }

  /** Functions, and scripts that say what they are, are refused as a whole by what they say; the error, or the script itself. */
  private allowed(script: Script | string, command: string): Script | string {
    if (typeof script === 'string' || script.flags.isPlain) return script;
    const { noWrites, allowOom } = script.flags;
    if (!noWrites && command.endsWith('_ro')) return 'ERR Can not execute a script with write flag using *_ro command.';
    return !allowOom && isShortOfMemory(this.ctx) ? ERR_OOM : script;
  }

  // ---- a script that is a transaction ----

  private runScript(): void {
    this.next();
    const { transaction, reply } = this;
    const name = this.text().toLowerCase();
    let script = this.allowed(this.find(name, this.text()), name);
    const isReadonly = name.endsWith('_ro') || (typeof script !== 'string' && script.flags.noWrites);
    const count = Number(this.text());
    if (typeof script !== 'string') this.wantKeys(count, !isReadonly);
    const keys = this.texts(count);
    const args = this.texts(this.argc - 3 - count);
    if (typeof script === 'string') {
      reply.error(script);
      return;
    }
    this.started();
    this.stats.begin(script, this.words[this.row + state.SEQUENCE]!);
    let isError = true;
    let wasTakenBack = false;
    for (;;) {
      try {
        transaction.begin();
      } catch (thrown) {
        if (!(thrown instanceof Conflict)) throw thrown;
        transaction.abort(this.whyEnded() === null);
        if (this.whyEnded() === null) continue;
        reply.error(this.whyEnded() ?? '');
        break;
      }
      const outcome = this.call(script, keys, args, isReadonly);
      if (this.calls.hasConflict && this.whyEnded() === null) {
        transaction.abort(true);
        this.stats.conflict(script);
        script = this.afresh(script);
        continue;
      }
      const isTakenBack = outcome.isError && (this.calls.hasConflict || (this.settings.rollsBack && script.flags.rollsBack));
      if (isTakenBack) transaction.abort(false);
      else transaction.commit(this.ctx);
      this.writeOutcome(outcome, script);
      isError = outcome.isError;
      wasTakenBack = isTakenBack;
      if (outcome.isError && outcome.isInterrupt) this.afresh(script);
      break;
    }
    this.stats.end(script, isError, wasTakenBack);
    this.ended();
  }
  /** A function that was stopped may have left its library's variables half changed: the library is loaded anew. */
  private afresh(script: Script): Script {
    if ('chunk' in script || !script.keepsState) return script;
    const again = this.libraries.renew(script);
    return typeof again === 'string' ? script : again;
  }
  private call(script: Script, keys: string[], args: string[], isReadonly: boolean): Outcome {
    const { ctx, calls } = this;
    ctx.database = this.job.database;
    ctx.client.database = this.job.database;
    ctx.reply.resp = 2;
    this.isResp3 = false;
    calls.isReadonly = isReadonly;
    calls.allowsOom = script.flags.allowOom;
    calls.hasConflict = false;
    return this.enter(script, keys, args);
  }
  private enter(script: Script, keys: string[], args: string[]): Outcome {
    return 'chunk' in script ? this.engine.run(script.chunk, keys, args) : this.libraries.call(script.callback, keys, args);
  }
  private writeOutcome(outcome: Outcome, script: Script): void {
    const { reply } = this;
    if (!outcome.isError) {
      writeValue(outcome.value, reply, this.isResp3);
      return;
    }
    const why = this.calls.hasConflict ? (this.whyEnded() ?? '') : outcome.error;
    reply.error(
      errorReplyText(outcome.isInterrupt ? String(why).replace(/^ERR /, '') : outcome.error, script.name, outcome.source, outcome.line),
    );
  }
  /** Notes the next arguments as keys to be locked. */
  private wantKeys(count: number, isExclusive: boolean): void {
    const { keyspace } = this.ctx;
    const { bytes, lengths, database } = this.job;
    let start = this.byte;
    for (let index = 0; index < count; index++) {
      const end = start + lengths[this.at + index]!;
      keyspace.locate(database, bytes, start, end);
      this.transaction.wantCurrent(isExclusive);
      start = end;
    }
  }
  private started(): void {
    const { words, row } = this;
    this.startedMs = Date.now();
    this.ctx.keyspace.nowMs = this.startedMs;
    words[row + state.SEQUENCE] = words[row + state.SEQUENCE]! + 1;
    words[row + state.SLICES] = 0;
    Atomics.store(words, row + state.SINCE, this.startedMs | 1);
  }
  private ended(): void {
    this.words[this.row + state.SINCE] = 0;
  }

  // ---- EXEC with scripts ----

  private exec(): number {
    const { transaction, reply, ctx, job } = this;
    this.started();
    const begin = reply.length;
    for (;;) {
      reply.length = begin;
      this.at = 0;
      this.byte = 0;
      try {
        this.wantAll();
        transaction.begin();
        const why = this.execAll();
        if (why !== '' && this.settings.transactionRollsBack && job.kind === JOB_EXEC) {
          transaction.abort(false);
          reply.length = begin;
          reply.error(`EXECABORT Transaction rolled back because of: ${why}`);
        } else transaction.commit(ctx);
        break;
      } catch (thrown) {
        if (!(thrown instanceof Conflict)) throw thrown;
        const end = this.whyEnded();
        transaction.abort(end === null);
        if (end === null) continue;
        reply.length = begin;
        reply.error(end);
        break;
      }
    }
    this.ended();
    return ctx.client.database;
  }
  /** Puts the next request of the job into the context; its name. */
  private present(): string {
    const { ctx, job } = this;
    this.next();
    const { argc } = this;
    if (ctx.offsets.length < argc || ctx.offsets === job.lengths) ctx.offsets = new Int32Array(argc * 2);
    const offsets = new Int32Array(argc);
    const lengths = new Int32Array(argc);
    for (let index = 0; index < argc; index++) {
      offsets[index] = this.byte;
      lengths[index] = job.lengths[this.at++]!;
      this.byte += lengths[index]!;
    }
    ctx.argc = argc;
    ctx.bytes = job.bytes;
    ctx.offsets = offsets;
    ctx.lengths = lengths;
    return ctx.word(0);
  }
  /** All keys that the commands name are locked before the first one runs. */
  private wantAll(): void {
    const { ctx, job, transaction, keyWords } = this;
    ctx.database = job.database;
    for (let index = 0; index < job.requests; index++) {
      const name = this.present();
      const command = findCommand(ctx.bytes, ctx.start(0), ctx.length(0));
      if (name === WATCHED) {
        ctx.keyspace.locate(Number(ctx.text(1)), ctx.bytes, ctx.start(2), ctx.end(2));
        transaction.wantCurrent(false);
      } else if (name === 'select') {
        const database = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
        if (typeof database === 'number' && database >= 0 && database < ctx.keyspace.databases) ctx.database = database;
      } else if (name === 'function') transaction.locks.want(LIBRARIES_LOCK, true);
      else if (command !== null && addKeyWords(ctx, command, keyWords)) {
        if (keyWords.isAny) transaction.locks.wantWhole();
        for (const word of keyWords.words) transaction.locks.want(word, command.isWrite || command.isScript);
      }
    }
    this.at = 0;
    this.byte = 0;
  }
  /** Runs the commands; returns the first error, or ''. */
  private execAll(): string {
    const { ctx, job, reply } = this;
    ctx.database = job.database;
    ctx.client.database = job.database;
    const count = reply.length;
    let commands = 0;
    let why = '';
    const bodies: Buffer[] = [];
    for (let index = 0; index < job.requests; index++) {
      const [at, byte] = [this.at, this.byte];
      const name = this.present();
      if (name === WATCHED) {
        if (this.isChanged()) {
          reply.length = count;
          reply.nilArray();
          return '';
        }
        continue;
      }
      commands++;
      const errors = reply.errorCount;
      const start = reply.length;
      if (findCommand(ctx.bytes, ctx.start(0), ctx.length(0))?.isScript === true) {
        const error = badKeys(ctx);
        if (error !== null) reply.error(name.startsWith('fcall') && !this.libraries.hasFunction(ctx.text(1)) ? ERR_NO_FUNCTION : error);
        else {
          const [behind, behindByte] = [this.at, this.byte];
          this.at = at;
          this.byte = byte;
          this.nested();
          this.at = behind;
          this.byte = behindByte;
        }
      } else this.plain();
      if (reply.errorCount !== errors && why === '') why = reply.lastError;
      bodies.push(Buffer.from(reply.buffer.subarray(start, reply.length)));
      reply.length = start;
    }
    if (job.kind === JOB_EXEC) reply.array(commands);
    for (const body of bodies) reply.raw(body, 0, body.length);
    return why;
  }
  private isChanged(): boolean {
    const { ctx } = this;
    const { keyspace } = ctx;
    const { control } = keyspace;
    const database = Number(ctx.text(1));
    keyspace.locate(database, ctx.bytes, ctx.start(2), ctx.end(2));
    if (Atomics.load(control, keyspace.watchWord()) !== Number(ctx.text(3))) return true;
    return Atomics.load(control, layout.DATABASE_VERSION_WORD + database) !== Number(ctx.text(4));
  }
  /** A command of EXEC that is no script. */
  private plain(): void {
    const { ctx, reply, job } = this;
    ctx.reply.length = 0;
    ctx.reply.resp = job.resp;
    const error = this.calls.runQueued();
    if (error !== '') reply.error(error);
    else {
      const { buffer, length } = ctx.reply;
      if (buffer[0] === 45) reply.error(buffer.latin1Slice(1, length - 2));
      else reply.raw(buffer, 0, length);
    }
  }
  /** A script of EXEC: when it fails, what it did is taken back, and the others' part stays. */
  private nested(): void {
    const { transaction, reply, ctx } = this;
    const { keyspace } = ctx;
    this.next();
    const name = this.text().toLowerCase();
    const script = this.allowed(this.find(name, this.text()), name);
    const count = Number(this.text());
    const keys = this.texts(count);
    const args = this.texts(this.argc - 3 - count);
    if (typeof script === 'string') {
      reply.error(script);
      return;
    }
    const { database } = ctx;
    // What was made before is the others' part: it must come back as well.
    transaction.undo.forgetFresh();
    const mark = transaction.undo.mark;
    keyspace.log?.markGroup(this.logMark);
    this.stats.begin(script, this.words[this.row + state.SEQUENCE]!);
    const outcome = this.callNested(script, keys, args, script.flags.noWrites || name.endsWith('_ro'));
    ctx.database = database;
    ctx.client.database = database;
    if (outcome.isError && outcome.isInterrupt) this.afresh(script);
    if (this.calls.hasConflict) {
      this.stats.conflict(script);
      this.stats.leave();
      throw new Conflict();
    }
    const isTakenBack = outcome.isError && this.settings.rollsBack && script.flags.rollsBack;
    if (isTakenBack) {
      rollBackTo(keyspace, transaction.undo, mark);
      keyspace.undo = transaction.undo;
      keyspace.log?.dropBehind(this.logMark);
    }
    this.writeOutcome(outcome, script);
    this.stats.end(script, outcome.isError, isTakenBack);
  }
  private callNested(script: Script, keys: string[], args: string[], isReadonly: boolean): Outcome {
    const { calls, ctx } = this;
    ctx.reply.resp = 2;
    this.isResp3 = false;
    calls.isReadonly = isReadonly;
    calls.allowsOom = script.flags.allowOom;
    calls.hasConflict = false;
    return this.enter(script, keys, args);
  }
}
