/** redis.call and redis.pcall: a script's arguments to a command, through the executor, and its reply back as a Lua value. */
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
/** Spellings of commands' names that are remembered. */
const MAX_NAMES = 1024;
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
  private readonly byName = new Map<LuaValue, CommandDescriptor>();
  private buffer = Buffer.allocUnsafeSlow(16384);
  private offsets = new Int32Array(64);
  private lengths = new Int32Array(64);

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

  /** Runs a command; its reply is what the context's writer holds then. Returns the error of a command that mayn't run, or ''. */
  private run(args: readonly LuaValue[]): string {
    const { ctx } = this;
    if (args.length === 0) return ERR_NO_ARGUMENTS;
    if (!this.put(args)) return ERR_ARGUMENTS;
    const command = this.find(args[0]);
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
  private put(args: readonly LuaValue[]): boolean {
    const { ctx } = this;
    if (args.length > this.offsets.length) {
      this.offsets = new Int32Array(args.length * 2);
      this.lengths = new Int32Array(args.length * 2);
    }
    let at = 0;
    for (let index = 0; index < args.length; index++) {
      const given = args[index];
      if (typeof given === 'number' && given > 0 && given < SMALL && given === (given | 0) && at + MAX_DIGITS <= this.buffer.length) {
        this.offsets[index] = at;
        at = this.putDigits(given, at);
        this.lengths[index] = at - this.offsets[index]!;
        continue;
      }
      const text = typeof given === 'string' ? given : typeof given === 'number' ? numberText(given) : null;
      if (text === null) return false;
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
  /** The command of a name. Scripts name it by a constant, whose hash is known: that is looked for before its bytes are. */
  private named(name: LuaValue): CommandDescriptor | null {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const { ctx } = this;
    const command = findCommand(ctx.bytes, ctx.start(0), ctx.length(0));
    if (command === null) return null;
    if (this.byName.size >= MAX_NAMES) this.byName.clear();
    this.byName.set(name, command);
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
    if (!this.put(args)) throw new LuaError(errorTable(ERR_ARGUMENTS));
    if (this.lookUp(args[0]) === null) throw new LuaError(errorTable('ERR Invalid command passed to redis.acl_check_cmd()'));
    return true;
  };

  /** The command or subcommand in the context; null for one that isn't there. */
  private lookUp(name: LuaValue): CommandDescriptor | null {
    const { ctx } = this;
    const command = this.named(name);
    if (command === null || command.subcommands.length === 0 || ctx.argc < 2) return command;
    const full = `${command.name}|${ctx.word(1)}`;
    return command.subcommands.find((candidate) => candidate.name === full) ?? null;
  }
  /** The command in the context, or why a script may not call it. */
  private find(name: LuaValue): CommandDescriptor | string {
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
