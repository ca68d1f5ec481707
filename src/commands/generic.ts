/** Commands on keys of any type. */
import { globMatch } from '../base/glob.ts';
import { parseInt64 } from '../base/numbers.ts';
import { random32 } from '../base/random.ts';
import { forEachKey, randomKey, scanDatabase } from '../keyspace/committed-keys.ts';
import { META_RAW, OutOfMemory, POLICY_ALLKEYS_LFU, POLICY_VOLATILE_LFU, TYPE_NAMES, TYPE_STRING } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { lfuFrequency } from '../keyspace/lfu.ts';
import { moveValue } from '../keyspace/move-value.ts';
import { operationsOf } from '../keyspace/values.ts';
import { type CommandContext, ERR_DB_INDEX, ERR_NO_KEY, ERR_NOT_INTEGER, ERR_SYNTAX, type Handler, int32Argument } from './context.ts';
import { expiryMs } from './expiry-options.ts';

function del(ctx: CommandContext): void {
  let deleted = 0;
  for (let index = 1; index < ctx.argc; index++) {
    ctx.locate(index);
    const entry = ctx.keyspace.write();
    if (entry === 0) continue;
    ctx.keyspace.remove(entry);
    deleted++;
  }
  ctx.reply.integer(deleted);
}

/** EXISTS and TOUCH: both count the keys that are there, and mark them as used. */
function exists(ctx: CommandContext): void {
  let found = 0;
  for (let index = 1; index < ctx.argc; index++) {
    ctx.locate(index);
    if (ctx.keyspace.read() !== 0) found++;
  }
  ctx.reply.integer(found);
}

function type(ctx: CommandContext): void {
  ctx.locate(1);
  const entry = ctx.keyspace.peek();
  ctx.reply.simple(entry === 0 ? 'none' : (TYPE_NAMES[ctx.keyspace.type(entry)] as string));
}

/** The flags NX XX GT LT behind EXPIRE's time; null after an error. */
function expiryFlags(ctx: CommandContext): Set<string> | null {
  const flags = new Set<string>();
  for (let index = 3; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (word !== 'nx' && word !== 'xx' && word !== 'gt' && word !== 'lt') {
      ctx.reply.error(`ERR Unsupported option ${ctx.shown(index)}`);
      return null;
    }
    flags.add(word);
  }
  if (flags.has('nx') && flags.size > 1) {
    ctx.reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
    return null;
  }
  if (flags.has('gt') && flags.has('lt')) {
    ctx.reply.error('ERR GT and LT options at the same time are not compatible');
    return null;
  }
  return flags;
}

function expire(unitMs: number, isAbsolute: boolean): Handler {
  return (ctx) => {
    const flags = expiryFlags(ctx);
    if (flags === null) return;
    const given = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
    if (given === null) {
      ctx.reply.error(ERR_NOT_INTEGER);
      return;
    }
    const { keyspace } = ctx;
    const at = expiryMs(given, unitMs, isAbsolute ? 0 : keyspace.nowMs);
    if (at === null) {
      ctx.reply.error(`ERR invalid expire time in '${ctx.command?.name}' command`);
      return;
    }
    ctx.locate(1);
    const entry = keyspace.write();
    if (entry === 0) {
      ctx.reply.integer(0);
      return;
    }
    const current = keyspace.expiryMs(entry);
    const isRefused =
      (flags.has('nx') && current >= 0) ||
      (flags.has('xx') && current < 0) ||
      (flags.has('gt') && (current < 0 || at <= current)) ||
      (flags.has('lt') && current >= 0 && at >= current);
    if (isRefused) {
      ctx.reply.integer(0);
      return;
    }
    if (at <= keyspace.nowMs) {
      keyspace.remove(entry);
      ctx.effectOf('DEL', 1);
    } else {
      keyspace.setExpiry(entry, at);
      ctx.effectOf('PEXPIREAT', 1, String(at));
    }
    ctx.reply.integer(1);
  };
}

/** A whole number for a reply: what is beyond 2^53 prints all of its digits only as a BigInt. */
function wide(value: number): number | bigint {
  return Number.isSafeInteger(value) ? value : BigInt(value);
}

function timeLeft(unitMs: number, isAbsolute: boolean): Handler {
  return (ctx) => {
    ctx.locate(1);
    const { keyspace } = ctx;
    const entry = keyspace.peek();
    if (entry === 0) {
      ctx.reply.integer(-2);
      return;
    }
    const at = keyspace.expiryMs(entry);
    if (at < 0) ctx.reply.integer(-1);
    else if (isAbsolute) ctx.reply.integer(wide(unitMs === 1 ? at : Math.floor(at / unitMs)));
    else {
      const left = Math.max(0, at - keyspace.nowMs);
      ctx.reply.integer(wide(unitMs === 1 ? left : Math.floor((left + 500) / unitMs)));
    }
  };
}

function persist(ctx: CommandContext): void {
  ctx.locate(1);
  const entry = ctx.keyspace.write();
  if (entry === 0 || ctx.keyspace.expiryMs(entry) < 0) {
    ctx.reply.integer(0);
    return;
  }
  ctx.keyspace.setExpiry(entry, -1);
  ctx.reply.integer(1);
}

/** Puts a copy of the value at `entry` of the current key under the key of argument `to` in `database`. */
function copyTo(ctx: CommandContext, entry: number, to: number, database: number): void {
  const { keyspace } = ctx;
  const at = keyspace.expiryMs(entry);
  const type = keyspace.type(entry);
  if (type === TYPE_STRING) {
    copyString(ctx, entry, to, database);
    return;
  }
  const { bank } = keyspace;
  const ref = keyspace.valueRef(entry);
  const encoding = keyspace.encoding(entry);
  keyspace.locate(database, ctx.bytes, ctx.start(to), ctx.end(to));
  const fresh = operationsOf(type).copy(bank, ref, encoding, keyspace.bank);
  if (fresh === 0) throw new OutOfMemory();
  keyspace.setValue(keyspace.write(), type, encoding, fresh, at);
}
function copyString(ctx: CommandContext, entry: number, to: number, database: number): void {
  const { keyspace } = ctx;
  const start = keyspace.stringStart(entry);
  // A copy: the target may live in the same bank, and its allocation may come from anywhere in it.
  const value = Buffer.from(keyspace.bank.u8.subarray(start, start + keyspace.stringLength(entry)));
  const at = keyspace.expiryMs(entry);
  const isRaw = (keyspace.meta(entry) & META_RAW) !== 0;
  keyspace.locate(database, ctx.bytes, ctx.start(to), ctx.end(to));
  const target = keyspace.write();
  const fresh =
    at < 0 ? keyspace.setString(target, value, 0, value.length, false) : keyspace.setStringUntil(target, value, 0, value.length, at);
  if (isRaw) keyspace.mutate(fresh, true);
}

/** What three notes take beside keys. */
const MOVE_NOTES_BYTES = 128;

/** Moves the value of argument 1's entry to the key of argument `to`: within a bank by its ref, else as a copy. */
function moveTo(ctx: CommandContext, entry: number, to: number, database: number): void {
  const { keyspace } = ctx;
  const { bank } = keyspace;
  keyspace.locate(database, ctx.bytes, ctx.start(to), ctx.end(to));
  const isSameBank = keyspace.bank === bank;
  ctx.locate(1);
  if (!isSameBank || keyspace.type(entry) === TYPE_STRING) {
    copyTo(ctx, entry, to, database);
    ctx.locate(1);
    keyspace.remove(keyspace.write());
    return;
  }
  const { undo } = keyspace;
  if (undo !== null) {
    undo.room(keyspace, ctx.length(1) * 3 + ctx.length(to) * 2 + MOVE_NOTES_BYTES);
    keyspace.locate(database, ctx.bytes, ctx.start(to), ctx.end(to));
    const target = keyspace.write();
    if (target !== 0) keyspace.remove(target);
    ctx.locate(1);
    undo.forget(keyspace, entry);
    // The move is noted as one change.
    keyspace.undo = null;
  }
  try {
    moveValue(keyspace, entry, database, ctx.bytes, ctx.start(to), ctx.end(to));
  } finally {
    keyspace.undo = undo;
  }
  if (undo === null) return;
  keyspace.locate(database, ctx.bytes, ctx.start(to), ctx.end(to));
  undo.moved(keyspace, ctx.database, ctx.bytes, ctx.start(1), ctx.end(1));
}

function isSameArgument(ctx: CommandContext, a: number, b: number): boolean {
  return ctx.bytes.compare(ctx.bytes, ctx.start(b), ctx.end(b), ctx.start(a), ctx.end(a)) === 0;
}

function rename(onlyToFree: boolean): Handler {
  return (ctx) => {
    const { keyspace } = ctx;
    ctx.locate(1);
    const entry = keyspace.write();
    if (entry === 0) {
      ctx.reply.error(ERR_NO_KEY);
      return;
    }
    if (isSameArgument(ctx, 1, 2)) {
      if (onlyToFree) ctx.reply.integer(0);
      else ctx.reply.ok();
      return;
    }
    if (onlyToFree) {
      ctx.locate(2);
      if (keyspace.write() !== 0) {
        ctx.reply.integer(0);
        return;
      }
      ctx.locate(1);
    }
    moveTo(ctx, entry, 2, ctx.database);
    if (onlyToFree) ctx.reply.integer(1);
    else ctx.reply.ok();
  };
}

function databaseArgument(ctx: CommandContext, index: number): number {
  const database = int32Argument(ctx, index);
  if (database === null) return -1;
  if (database < 0 || database >= ctx.keyspace.databases) {
    ctx.reply.error(ERR_DB_INDEX);
    return -1;
  }
  return database;
}

function copy(ctx: CommandContext): void {
  let database = ctx.database;
  let replaces = false;
  for (let index = 3; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (word === 'replace') {
      replaces = true;
    } else if (word === 'db' && index + 1 < ctx.argc) {
      database = databaseArgument(ctx, ++index);
      if (database < 0) return;
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  }
  if (database === ctx.database && isSameArgument(ctx, 1, 2)) {
    ctx.reply.error('ERR source and destination objects are the same');
    return;
  }
  const { keyspace } = ctx;
  keyspace.locate(database, ctx.bytes, ctx.start(2), ctx.end(2));
  const isTaken = keyspace.write() !== 0;
  ctx.locate(1);
  const entry = keyspace.write();
  if (entry === 0 || (isTaken && !replaces)) {
    ctx.reply.integer(0);
    return;
  }
  copyTo(ctx, entry, 2, database);
  ctx.reply.integer(1);
}

function move(ctx: CommandContext): void {
  const database = databaseArgument(ctx, 2);
  if (database < 0) return;
  if (database === ctx.database) {
    ctx.reply.error('ERR source and destination objects are the same');
    return;
  }
  const { keyspace } = ctx;
  keyspace.locate(database, ctx.bytes, ctx.start(1), ctx.end(1));
  const isTaken = keyspace.write() !== 0;
  ctx.locate(1);
  const entry = keyspace.write();
  if (entry === 0 || isTaken) {
    ctx.reply.integer(0);
    return;
  }
  moveTo(ctx, entry, 1, database);
  ctx.reply.integer(1);
}

function keys(ctx: CommandContext): void {
  const pattern = ctx.text(1);
  const found: string[] = [];
  forEachKey(ctx.keyspace, ctx.database, (key) => {
    if (pattern === '*' || globMatch(pattern, key)) found.push(key);
  });
  ctx.reply.array(found.length);
  for (const key of found) ctx.reply.bulkString(key);
}

const MAX_CURSOR_DIGITS = 20;
const MAX_CURSOR = 2n ** 64n - 1n;

function scan(ctx: CommandContext): void {
  const given = ctx.text(1);
  if (!/^\d+$/.test(given) || given.length > MAX_CURSOR_DIGITS || BigInt(given) > MAX_CURSOR) {
    ctx.reply.error('ERR invalid cursor');
    return;
  }
  let pattern = '*';
  let count = 10;
  let wanted = '';
  for (let index = 2; index < ctx.argc; index += 2) {
    const word = ctx.word(index);
    if (index + 1 >= ctx.argc) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    if (word === 'match') pattern = ctx.text(index + 1);
    else if (word === 'type') wanted = ctx.word(index + 1);
    else if (word === 'count') {
      const value = parseInt64(ctx.bytes, ctx.start(index + 1), ctx.end(index + 1));
      if (value === null || value < 1) {
        ctx.reply.error(value === null ? ERR_NOT_INTEGER : ERR_SYNTAX);
        return;
      }
      count = Number(value);
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  }
  const found: string[] = [];
  const next = scanDatabase(ctx.keyspace, ctx.database, Number(given), count, (key, type) => {
    if (wanted !== '' && TYPE_NAMES[type] !== wanted) return;
    if (pattern === '*' || globMatch(pattern, key)) found.push(key);
  });
  ctx.reply.array(2);
  ctx.reply.bulkString(String(next));
  ctx.reply.array(found.length);
  for (const key of found) ctx.reply.bulkString(key);
}

function randomkey(ctx: CommandContext): void {
  const key = randomKey(ctx.keyspace, ctx.database, random32);
  if (key === null) ctx.reply.nil();
  else ctx.reply.bulkString(key);
}

const MAX_EMBEDDED_BYTES = 44;

/** Redis's word for the form in which the current key's value is kept. */
export function encodingOf(ctx: CommandContext, entry: number): string {
  const { keyspace } = ctx;
  const type = keyspace.type(entry);
  if (type !== TYPE_STRING) return operationsOf(type).encodingName(keyspace.bank, keyspace.valueRef(entry), keyspace.encoding(entry));
  const start = keyspace.stringStart(entry);
  const length = keyspace.stringLength(entry);
  if (keyspace.meta(entry) & META_RAW) return 'raw';
  if (parseInt64(keyspace.bank.u8, start, start + length) !== null) return 'int';
  return length <= MAX_EMBEDDED_BYTES ? 'embstr' : 'raw';
}
function objectEncoding(ctx: CommandContext): void {
  ctx.locate(2);
  const entry = ctx.keyspace.peek();
  if (entry === 0) ctx.reply.nil();
  else ctx.reply.bulkString(encodingOf(ctx, entry));
}

function isLfu(ctx: CommandContext): boolean {
  const policy = ctx.keyspace.control[layout.GLOBAL_POLICY];
  return policy === POLICY_ALLKEYS_LFU || policy === POLICY_VOLATILE_LFU;
}

function objectIdletime(ctx: CommandContext): void {
  ctx.locate(2);
  const entry = ctx.keyspace.peek();
  if (entry === 0) {
    ctx.reply.nil();
    return;
  }
  if (isLfu(ctx)) {
    ctx.reply.error(
      'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
    );
    return;
  }
  ctx.reply.integer(ctx.server.idleSeconds(ctx.keyspace.stampOf(entry)));
}

function objectFreq(ctx: CommandContext): void {
  ctx.locate(2);
  const entry = ctx.keyspace.peek();
  if (entry === 0) {
    ctx.reply.nil();
    return;
  }
  if (!isLfu(ctx)) {
    ctx.reply.error(
      'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
    );
    return;
  }
  ctx.reply.integer(lfuFrequency(ctx.keyspace.control, ctx.keyspace.stampOf(entry), ctx.keyspace.nowMs));
}

function objectRefcount(ctx: CommandContext): void {
  ctx.locate(2);
  if (ctx.keyspace.peek() === 0) ctx.reply.nil();
  else ctx.reply.integer(1);
}

export const genericHandlers: Record<string, Handler> = {
  del,
  unlink: del,
  exists,
  touch: exists,
  type,
  expire: expire(1000, false),
  pexpire: expire(1, false),
  expireat: expire(1000, true),
  pexpireat: expire(1, true),
  ttl: timeLeft(1000, false),
  pttl: timeLeft(1, false),
  expiretime: timeLeft(1000, true),
  pexpiretime: timeLeft(1, true),
  persist,
  rename: rename(false),
  renamenx: rename(true),
  copy,
  move,
  keys,
  scan,
  randomkey,
  'object|encoding': objectEncoding,
  'object|idletime': objectIdletime,
  'object|freq': objectFreq,
  'object|refcount': objectRefcount,
};
