/**
 * The table `redis` that scripts see. What needs the server (call, pcall, the log, ACL checks) is the host's; the rest is computed
 * here. Messages are those of Redis's script_lua.c.
 */
import { createHash } from 'node:crypto';
import { chargeBytes, checkNumber, libraryTable, untilZero } from './library/arguments.ts';
import { LuaError } from './runtime/errors.ts';
import { formatNumber } from './runtime/numbers.ts';
import { type LuaTable, tableOfFields } from './runtime/table.ts';
import type { LuaFunction, LuaValue } from './runtime/value.ts';

export type RedisHost = {
  readonly version: string;
  /** redis.call and redis.pcall: arguments as the script gave them; call throws `new LuaError(table)` for an error reply. */
  readonly call: LuaFunction;
  readonly pcall: LuaFunction;
  /** 0 debug, 1 verbose, 2 notice, 3 warning. */
  readonly log: (level: number, message: string) => void;
  /** The script's replies are RESP2 (the default of each run) or RESP3 from now on. */
  readonly setResp: (version: 2 | 3) => void;
  readonly aclCheckCommand?: LuaFunction;
  /** 0 none, 1 append-only file, 2 replicas, 3 both. */
  readonly setReplication?: (flags: number) => void;
};

export const LOG_LEVELS = { LOG_DEBUG: 0, LOG_VERBOSE: 1, LOG_NOTICE: 2, LOG_WARNING: 3 } as const;
const REPLICATION = { REPL_NONE: 0, REPL_AOF: 1, REPL_SLAVE: 2, REPL_REPLICA: 2, REPL_ALL: 3 } as const;

/** {err = text}: what redis.error_reply gives, and what redis.call raises. */
export function errorTable(text: string): LuaTable {
  return tableOfFields(['err'], [text]);
}
/** The error of a wrong use of the API: a table, so the reply has no line in front. */
export function apiError(message: string): LuaError {
  return new LuaError(errorTable(`ERR ${message}`));
}
/** "-CODE words" and "CODE words" are taken as they are; a single word is given the code ERR. */
export function errorReply(...args: LuaValue[]): LuaTable {
  const [text] = args;
  if (args.length !== 1 || typeof text !== 'string') return errorTable('ERR wrong number or type of arguments');
  const words = untilZero(text);
  const bare = words[0] === '-' ? words.slice(1) : words;
  const space = bare.indexOf(' ');
  const code = space < 0 ? 'ERR' : bare.slice(0, space);
  const message = (space < 0 ? bare : bare.slice(space + 1)).replace(/^[\r\n]+|[\r\n]+$/g, '');
  return errorTable(`${code} ${message}`);
}
export function statusReply(...args: LuaValue[]): LuaTable {
  const [text] = args;
  if (args.length !== 1 || typeof text !== 'string') return errorTable('ERR wrong number or type of arguments');
  return tableOfFields(['ok'], [text]);
}
const textOf = (value: LuaValue): string | null => {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? formatNumber(value) : null;
};
export function sha1hex(...args: LuaValue[]): string {
  if (args.length !== 1) throw apiError('wrong number of arguments');
  const text = textOf(args[0]) ?? '';
  chargeBytes(text.length * 4);
  return createHash('sha1').update(text, 'latin1').digest('hex');
}

/** "7.2.4" as 0x00MMmmpp. */
export function versionNumber(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return (major << 16) | (minor << 8) | patch;
}

function logFunction(host: RedisHost): LuaFunction {
  return (...args: LuaValue[]) => {
    if (args.length < 2) throw apiError('redis.log() requires two arguments or more.');
    if (textOf(args[0]) === null || Number.isNaN(Number(args[0]))) {
      throw apiError('First argument must be a number (log level).');
    }
    const level = Math.trunc(Number(args[0]));
    if (level < LOG_LEVELS.LOG_DEBUG || level > LOG_LEVELS.LOG_WARNING) throw apiError('Invalid debug level.');
    const words = args.slice(1).map(textOf);
    host.log(level, words.filter((word) => word !== null).join(' '));
    return [];
  };
}
function setRespFunction(host: RedisHost): LuaFunction {
  return (...args: LuaValue[]) => {
    if (args.length !== 1) throw apiError('redis.setresp() requires one argument.');
    const version = Math.trunc(checkNumber(args[0], 1));
    if (version !== 2 && version !== 3) throw apiError('RESP version must be 2 or 3.');
    host.setResp(version);
    return [];
  };
}
function setReplicationFunction(host: RedisHost): LuaFunction {
  return (...args: LuaValue[]) => {
    if (args.length !== 1) throw apiError('redis.set_repl() requires two arguments.');
    const flags = Math.trunc(checkNumber(args[0], 1));
    if ((flags & ~REPLICATION.REPL_ALL) !== 0) {
      throw apiError('Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.');
    }
    host.setReplication?.(flags);
    return [];
  };
}

/** For the engine's option `globals`. */
export function createRedisTable(host: RedisHost): LuaTable {
  const optional: Record<string, LuaValue> = {};
  if (host.aclCheckCommand !== undefined) optional['acl_check_cmd'] = host.aclCheckCommand;
  return libraryTable({
    ...LOG_LEVELS,
    ...REPLICATION,
    REDIS_VERSION: host.version,
    REDIS_VERSION_NUM: versionNumber(host.version),
    call: host.call,
    pcall: host.pcall,
    error_reply: errorReply,
    status_reply: statusReply,
    sha1hex,
    log: logFunction(host),
    setresp: setRespFunction(host),
    set_repl: setReplicationFunction(host),
    // Effects are what is replicated, always; and there is no debugger to stop in.
    replicate_commands: () => true,
    breakpoint: () => false,
    debug: () => [],
    ...optional,
  });
}

/** The table `redis` that a library of functions sees while it loads. */
export function createLoadTable(host: RedisHost, registerFunction: LuaFunction): LuaTable {
  return libraryTable({
    ...LOG_LEVELS,
    REDIS_VERSION: host.version,
    REDIS_VERSION_NUM: versionNumber(host.version),
    log: logFunction(host),
    register_function: registerFunction,
  });
}
