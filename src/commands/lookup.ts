/** From the bytes of a name to its command, without an allocation. */
import type { CommandContext, Handler } from './context.ts';
import { type KeyLocator, MOVABLE_KEYS } from './movable-keys.ts';
import { COMMAND_ROWS } from './table/index.ts';
import type { CommandRow } from './table/row.ts';

/** Commands that name no key and touch any of their database; DEBUG touches all databases, as FLUSHALL and SWAPDB do. */
const TOUCH_DATABASE: readonly string[] = ['keys', 'scan', 'randomkey', 'dbsize', 'flushdb'];
const TOUCH_ALL: readonly string[] = ['flushall', 'swapdb', 'debug'];
const SCRIPTS: readonly string[] = ['eval', 'evalsha', 'eval_ro', 'evalsha_ro', 'fcall', 'fcall_ro'];
/** What takes long only where the reply is long, and a long reply ends a run of commands that are timed together. */
const AS_LONG_AS_REPLY: readonly string[] = [
  ...['zrange', 'zrevrange', 'zrangebyscore', 'zrevrangebyscore', 'zrangebylex', 'zrevrangebylex'],
  ...['hgetall', 'hkeys', 'hvals', 'smembers'],
];
/** Where commands name fields or members of their key: the first argument, and the step to the next one (0: there is only one). */
const MEMBERS: Readonly<Record<string, readonly [first: number, step: number]>> = {
  ...{ hget: [2, 0], hset: [2, 2], hmset: [2, 2], hsetnx: [2, 0], hmget: [2, 1], hdel: [2, 1], hexists: [2, 0], hstrlen: [2, 0] },
  ...{ hincrby: [2, 0], hincrbyfloat: [2, 0], sadd: [2, 1], srem: [2, 1], sismember: [2, 0], smismember: [2, 1] },
  ...{ zadd: [3, 2], zincrby: [3, 0], zrem: [2, 1], zscore: [2, 0], zmscore: [2, 1], zrank: [2, 0], zrevrank: [2, 0] },
};
const FOR_TRANSACTIONS: readonly string[] = ['multi', 'exec', 'discard', 'watch', 'quit', 'reset'];

export class CommandDescriptor {
  readonly index: number;
  readonly row: CommandRow;
  /** 'get', or 'client|list'. */
  readonly name: string;
  readonly arity: number;
  readonly firstKey: number;
  readonly lastKey: number;
  readonly step: number;
  /** The first argument that is a field or a member of the key, 0 for none, and the step to the next one. */
  readonly firstMember: number;
  readonly memberStep: number;
  readonly isWrite: boolean;
  readonly isReadonly: boolean;
  readonly denyOom: boolean;
  readonly noAuth: boolean;
  readonly isFast: boolean;
  /**
   * Takes so little that reading the clock for each one would show: fast ones, SET and its like, which Redis doesn't call
   * fast, and scripts: a long one is another thread's.
   */
  readonly isBrief: boolean;
  readonly runsWhileLoading: boolean;
  readonly subcommands: CommandDescriptor[] = [];
  /** Finds the keys where their places depend on the arguments; null where the row says it all. */
  readonly locateKeys: KeyLocator | null;
  /** What it may touch without naming it: nothing, its database, or all of them. */
  readonly scope: 'keys' | 'database' | 'all';
  readonly isScript: boolean;
  readonly isNoScript: boolean;
  readonly isNotForMulti: boolean;
  readonly isExec: boolean;
  /** Runs at once between MULTI and EXEC; all others are queued. */
  readonly isForTransactions: boolean;
  handler: Handler | null = null;
  /** In the place of a handler: takes its latches itself, and may return PARK. */
  runner: ((ctx: CommandContext) => number) | null = null;

  constructor(index: number, row: CommandRow) {
    const flags = row.flags.split(' ');
    this.index = index;
    this.row = row;
    this.name = row.name;
    this.arity = row.arity;
    [this.firstKey, this.lastKey, this.step] = row.keys;
    [this.firstMember, this.memberStep] = MEMBERS[row.name] ?? [0, 0];
    this.locateKeys = MOVABLE_KEYS[row.name] ?? null;
    this.isWrite = flags.includes('write');
    this.isReadonly = flags.includes('readonly');
    this.denyOom = flags.includes('denyoom');
    this.isFast = flags.includes('fast');
    this.noAuth = flags.includes('no_auth');
    this.runsWhileLoading = flags.includes('loading');
    this.scope = TOUCH_ALL.includes(row.name) ? 'all' : TOUCH_DATABASE.includes(row.name) ? 'database' : 'keys';
    this.isScript = SCRIPTS.includes(row.name);
    this.isBrief =
      this.isFast || this.isScript || (row.group === 'string' && row.complexity === 'O(1)') || AS_LONG_AS_REPLY.includes(row.name);
    this.isNoScript = flags.includes('noscript');
    this.isNotForMulti = flags.includes('no_multi');
    this.isExec = row.name === 'exec';
    this.isForTransactions = FOR_TRANSACTIONS.includes(row.name);
  }
  get flags(): string[] {
    return this.row.flags === '' ? [] : this.row.flags.split(' ');
  }
}

export const COMMANDS: readonly CommandDescriptor[] = COMMAND_ROWS.map((row, index) => new CommandDescriptor(index, row));
const byName = new Map(COMMANDS.map((command) => [command.name, command]));
for (const command of COMMANDS) {
  const bar = command.name.indexOf('|');
  if (bar > 0) byName.get(command.name.slice(0, bar))?.subcommands.push(command);
}

const TABLE_SIZE = 2048;
const table: (CommandDescriptor | null)[] = new Array(TABLE_SIZE).fill(null);
const nameBytes: Buffer[] = COMMANDS.map((command) => Buffer.from(command.name, 'latin1'));

function slotOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = length;
  for (let at = start; at < start + length; at++) hash = (Math.imul(hash, 31) + (bytes[at]! | 32)) | 0;
  return (hash ^ (hash >>> 11)) & (TABLE_SIZE - 1);
}
for (const command of COMMANDS) {
  if (command.name.includes('|')) continue;
  const name = nameBytes[command.index] as Buffer;
  let slot = slotOf(name, 0, name.length);
  while (table[slot] !== null) slot = (slot + 1) & (TABLE_SIZE - 1);
  table[slot] = command;
}

/** The command of a name in any case, or null. */
export function findCommand(bytes: Uint8Array, start: number, length: number): CommandDescriptor | null {
  let slot = slotOf(bytes, start, length);
  for (;;) {
    const command = table[slot] as CommandDescriptor | null;
    if (command === null) return null;
    const name = nameBytes[command.index] as Buffer;
    if (name.length === length) {
      let at = 0;
      while (at < length) {
        let byte = bytes[start + at]!;
        if (byte >= 65 && byte <= 90) byte |= 32;
        if (byte !== name[at]) break;
        at++;
      }
      if (at === length) return command;
    }
    slot = (slot + 1) & (TABLE_SIZE - 1);
  }
}

export function commandNamed(name: string): CommandDescriptor | undefined {
  return byName.get(name);
}

/** Binds a family's handlers to the rows of the same names. */
export function attach(handlers: Record<string, Handler>): void {
  for (const [name, handler] of Object.entries(handlers)) {
    const command = byName.get(name);
    if (command === undefined) throw new Error(`the command table has no row for the handler of '${name}'`);
    command.handler = handler;
  }
}

/** Binds what runs in the place of a handler. */
export function attachRunner(name: string, runner: (ctx: CommandContext) => number): void {
  const command = byName.get(name);
  if (command === undefined) throw new Error(`the command table has no row for the runner of '${name}'`);
  command.runner = runner;
}
