/** redis.call and redis.pcall: a script's arguments to a command, through the executor, and its reply back as a Lua value. */
import { copyWords } from '../base/copy-words.ts';
import { putLatin1 } from '../base/latin1.ts';
import { formatDouble } from '../base/numbers.ts';
import type { CommandContext } from '../commands/context.ts';
import { type CommandDescriptor, findCommand } from '../commands/lookup.ts';
import { LuaError, type LuaTable, type LuaValue, ScriptInterrupt } from '../lua/engine.ts';
import { errorTable } from '../lua/redis-library.ts';
import { ReplyReader } from '../lua/resp-values.ts';
import { Conflict } from '../transactions/held-locks.ts';

const MINUS = 45;
const ZERO = 48;
/** Integers below are printed here, into at most so many digits. */
const SMALL = 1_000_000;
const MAX_DIGITS = 6;
/** Of a script's own keys and arguments so many, and so many bytes of its request from the first to the last, are kept at hand. */
const MAX_KEPT = 8;
const MAX_KEPT_BYTES = 1024;
/** Between those and what a command is given: the log looks that far back for the beginning of a request. */
const GAP_BYTES = 32;
/** Of EVAL and its like: where keys, and then arguments, begin. */
const FIRST_ARGUMENT = 3;
/** So many bytes at the beginning of the buffer hold the names of commands as scripts spell them. */
const NAMES_BYTES = 2048;
/** Names that are longer are put anew each time. */
const MAX_NAME_BYTES = 32;
const ERR_NO_ARGUMENTS = 'ERR Please specify at least one argument for this redis lib call';
const ERR_ARGUMENTS = 'ERR Lua redis lib command arguments must be strings or integers';
/** Commands that Redis takes for writes in read-only scripts, since what they do is replicated. */
const REPLICATED: ReadonlySet<string> = new Set(['pfcount']);
const ERR_OOM = "OOM command not allowed when used memory > 'maxmemory'.";

/** What the commands of a script run in. */
export interface ScriptCommands {
  /** Runs the command in `ctx` as a part of the transaction; throws Conflict when that can't go on. */
  run(ctx: CommandContext, command: CommandDescriptor): void;
  /** True when the command may add data and there is no room for any. */
  isOutOfMemory(ctx: CommandContext, command: CommandDescriptor): boolean;
}

/** A command as scripts spell it, and where in the buffer it stands. */
type Name = { readonly text: string; readonly command: CommandDescriptor; readonly start: number };

/** Thrown where a command asks for what only a client's thread can do. */
export class NotFromScript extends Error {}

export class ScriptCalls {
  isReadonly = false;
  allowsOom = false;
  /** The script met a lock that it can't wait for: it is to be run again. */
  hasConflict = false;
  private readonly ctx: CommandContext;
  private readonly transaction: ScriptCommands;
  private readonly reader = new ReplyReader();
  private readonly byText = new Map<LuaValue, Name>();
  private namesEnd = 0;
  /** The names that came last: scripts have them as constants, each of which is one and the same string. */
  private latest: Name | null = null;
  private beforeLatest: Name | null = null;
  private buffer = Buffer.alloc(16384);
  private offsets = new Int32Array(64);
  private lengths = new Int32Array(64);
  /** The request of the script that runs, until its first command. */
  private request: CommandContext | null = null;
  private keptCount = 0;
  private readonly keptTexts: string[] = new Array(MAX_KEPT).fill('');
  private readonly keptStarts = new Int32Array(MAX_KEPT);
  /** Where in `buffer` the arguments of a command begin. */
  private free = NAMES_BYTES;

  constructor(ctx: CommandContext, transaction: ScriptCommands) {
    this.ctx = ctx;
    this.transaction = transaction;
  }

  readonly call = (...args: LuaValue[]): LuaValue => {
    const error = this.run(args);
    if (error !== '') throw new LuaError(errorTable(error));
    const { reply } = this.ctx;
    const value = this.reader.read(reply.buffer, 0);
    if (reply.buffer[0] === MINUS) throw new LuaError(value as LuaTable);
    return value;
  };
  readonly pcall = (...args: LuaValue[]): LuaValue => {
    const error = this.run(args);
    return error !== '' ? errorTable(error) : this.reader.read(this.ctx.reply.buffer, 0);
  };

  /**
   * A script begins, of this request; its keys and arguments are `keys` and `args`. Mostly those are what its commands are given: their
   * bytes are taken from the request as they are, once, and the place of a key among them is known from one command to the next.
   */
  begin(request: CommandContext, keys: readonly string[], args: readonly string[]): void {
    this.request = null;
    this.keptCount = 0;
    this.free = NAMES_BYTES;
    this.ctx.steadyEnd = 0;
    const count = keys.length + args.length;
    if (count === 0 || count > MAX_KEPT) return;
    const { keptTexts } = this;
    for (let index = 0; index < count; index++) {
      keptTexts[index] = (index < keys.length ? keys[index] : args[index - keys.length]) as string;
    }
    this.keptCount = count;
    this.request = request;
  }
  /** Puts the script's own keys and arguments in front of what its commands are given. */
  private keep(request: CommandContext): void {
    this.request = null;
    const { keptCount, keptStarts, buffer, ctx } = this;
    const first = request.start(FIRST_ARGUMENT);
    const size = request.end(FIRST_ARGUMENT + keptCount - 1) - first;
    if (size < 0 || size > MAX_KEPT_BYTES) {
      this.keptCount = 0;
      return;
    }
    const { keyspace } = ctx;
    const from = keyspace.viewOf(request.bytes);
    const to = keyspace.viewOf(buffer);
    if (keyspace.bytes === buffer) keyspace.forgetPlace();
    copyWords(from, first, to, NAMES_BYTES, size);
    for (let index = 0; index < keptCount; index++) keptStarts[index] = NAMES_BYTES + request.start(FIRST_ARGUMENT + index) - first;
    const end = NAMES_BYTES + size;
    for (let at = 0; at < GAP_BYTES; at += 4) to.setInt32(end + at, 0);
    this.free = end + GAP_BYTES;
    ctx.steadyEnd = end;
  }
  /** Where the bytes of a text are kept, or -1. */
  private keptAt(text: string): number {
    const { keptTexts, keptCount } = this;
    for (let index = 0; index < keptCount; index++) {
      const kept = keptTexts[index] as string;
      if (kept.length === text.length && kept === text) return this.keptStarts[index]!;
    }
    return -1;
  }

  /** Runs a command; its reply is what the context's writer holds then. Returns the error of a command that mayn't run, or ''. */
  private run(args: readonly LuaValue[]): string {
    const { ctx } = this;
    if (args.length === 0) return ERR_NO_ARGUMENTS;
    const name = this.nameOf(args[0]);
    if (!this.put(args, name)) return ERR_ARGUMENTS;
    const command = this.find(name);
    if (typeof command === 'string') return command;
    ctx.reply.length = 0;
    try {
      this.transaction.run(ctx, command);
    } catch (thrown) {
      if (thrown instanceof Conflict) {
        this.hasConflict = true;
        throw new ScriptInterrupt('conflict');
      }
      if (thrown instanceof NotFromScript) return 'ERR This Redis command is not allowed from script';
      throw thrown;
    }
    return '';
  }
  /** Runs the request that the context holds, as EXEC's commands are run; Conflicts are thrown. */
  runQueued(): string {
    const { ctx } = this;
    const command = findCommand(ctx.bytes, ctx.start(0), ctx.length(0));
    if (command === null) return 'ERR unknown command';
    const sub = ctx.argc > 1 ? command.subcommands.find((each) => each.name === `${command.name}|${ctx.word(1)}`) : undefined;
    try {
      this.transaction.run(ctx, sub ?? command);
    } catch (thrown) {
      if (!(thrown instanceof NotFromScript)) throw thrown;
      return `ERR ${command.name} can't be run in a transaction that holds scripts`;
    }
    return '';
  }
  private put(args: readonly LuaValue[], name: Name | null): boolean {
    const { ctx } = this;
    if (args.length > this.offsets.length) {
      this.offsets = new Int32Array(args.length * 2);
      this.lengths = new Int32Array(args.length * 2);
    }
    if (this.request !== null) this.keep(this.request);
    let at = this.free;
    let index = 0;
    if (name !== null) {
      this.offsets[0] = name.start;
      this.lengths[0] = name.text.length;
      index = 1;
    }
    for (; index < args.length; index++) {
      const given = args[index];
      if (typeof given === 'number' && given > 0 && given < SMALL && given === (given | 0) && at + MAX_DIGITS <= this.buffer.length) {
        this.offsets[index] = at;
        at = this.putDigits(given, at);
        this.lengths[index] = at - this.offsets[index]!;
        continue;
      }
      const text = typeof given === 'string' ? given : typeof given === 'number' ? numberText(given) : null;
      if (text === null) return false;
      const kept = index > 0 ? this.keptAt(text) : -1;
      if (kept >= 0) {
        this.offsets[index] = kept;
        this.lengths[index] = text.length;
        continue;
      }
      if (at + text.length > this.buffer.length) this.grow(at, at + text.length);
      this.offsets[index] = at;
      this.lengths[index] = text.length;
      at = putLatin1(this.buffer, text, at);
    }
    ctx.argc = args.length;
    // A store of an object costs the collector's notice.
    if (ctx.bytes !== this.buffer) ctx.bytes = this.buffer;
    if (ctx.offsets !== this.offsets) {
      ctx.offsets = this.offsets;
      ctx.lengths = this.lengths;
    }
    return true;
  }
  /** A small integer above 0. */
  private putDigits(value: number, at: number): number {
    const { buffer } = this;
    let end = at + 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end++;
    let rest = value;
    for (let place = end - 1; place >= at; place--) {
      const left = (rest / 10) | 0;
      buffer[place] = ZERO + rest - left * 10;
      rest = left;
    }
    return end;
  }
  /** The name of a command that has been called before, or null. */
  private nameOf(given: LuaValue): Name | null {
    const { latest, beforeLatest } = this;
    if (latest !== null && latest.text === given) return latest;
    if (beforeLatest !== null && beforeLatest.text === given) {
      this.latest = beforeLatest;
      this.beforeLatest = latest;
      return beforeLatest;
    }
    const known = this.byText.get(given);
    if (known !== undefined) {
      this.beforeLatest = latest;
      this.latest = known;
    }
    return known ?? null;
  }
  /** The command that the context's request names; its name has a place of its own from now on. */
  private named(): CommandDescriptor | null {
    const { ctx, buffer } = this;
    const length = ctx.length(0);
    const command = findCommand(ctx.bytes, ctx.start(0), length);
    if (command === null || length > MAX_NAME_BYTES) return command;
    if (this.namesEnd + MAX_NAME_BYTES + GAP_BYTES > NAMES_BYTES) {
      this.byText.clear();
      this.latest = null;
      this.beforeLatest = null;
      this.namesEnd = 0;
    }
    const start = this.namesEnd + GAP_BYTES;
    buffer.fill(0, this.namesEnd, start);
    buffer.copyWithin(start, ctx.start(0), ctx.end(0));
    this.namesEnd = start + length;
    const text = ctx.text(0);
    this.byText.set(text, { text, command, start });
    return command;
  }
  private grow(used: number, size: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(size, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, used);
    this.buffer = larger;
  }

  /** redis.acl_check_cmd: there is one user, who may do all that there is. */
  readonly aclCheck = (...args: LuaValue[]): LuaValue => {
    if (args.length === 0) throw new LuaError(errorTable(ERR_NO_ARGUMENTS));
    const name = this.nameOf(args[0]);
    if (!this.put(args, name)) throw new LuaError(errorTable(ERR_ARGUMENTS));
    if (this.lookUp(name) === null) throw new LuaError(errorTable('ERR Invalid command passed to redis.acl_check_cmd()'));
    return true;
  };

  /** The command or subcommand in the context; null for one that isn't there. */
  private lookUp(name: Name | null): CommandDescriptor | null {
    const { ctx } = this;
    const command = name !== null ? name.command : this.named();
    if (command === null || command.subcommands.length === 0 || ctx.argc < 2) return command;
    const full = `${command.name}|${ctx.word(1)}`;
    return command.subcommands.find((candidate) => candidate.name === full) ?? null;
  }
  /** The command in the context, or why a script may not call it. */
  private find(name: Name | null): CommandDescriptor | string {
    const { ctx } = this;
    const command = this.lookUp(name);
    if (command === null) return 'ERR Unknown Redis command called from script';
    const { arity } = command;
    if (arity > 0 ? ctx.argc !== arity : ctx.argc < -arity) return 'ERR Wrong number of args calling Redis command from script';
    if (command.isNoScript || command.isScript) return 'ERR This Redis command is not allowed from script';
    if (this.isReadonly && (command.isWrite || REPLICATED.has(command.name)))
      return 'ERR Write commands are not allowed from read-only scripts.';
    if (!this.allowsOom && this.transaction.isOutOfMemory(ctx, command)) return ERR_OOM;
    return command;
  }
}

/** A number as an argument: integers plain, others with the digits that bring them back. */
function numberText(number: number): string {
  return number === (number | 0) && !Object.is(number, -0) ? String(number) : formatDouble(number);
}
