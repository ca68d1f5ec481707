/** String commands. Each handler parses, looks up, changes, replies; the executor holds the latches of its keys. */
import { addInt64, addLongDouble, isLongDouble, parseInt64 } from '../base/numbers.ts';
import { copyBytes, TYPE_STRING } from '../keyspace/keyspace.ts';
import {
  type CommandContext,
  ERR_NOT_FLOAT,
  ERR_NOT_INTEGER,
  ERR_OFFSET,
  ERR_SYNTAX,
  ERR_TOO_LONG,
  ERR_WRONG_TYPE,
  type Handler,
} from './context.ts';
import { isTimeUnit, parseExpiry, type TimeUnit } from './expiry-options.ts';

/** Replies WRONGTYPE and says false when the entry isn't a string. */
function isString(ctx: CommandContext, entry: number): boolean {
  if (entry === 0 || ctx.keyspace.type(entry) === TYPE_STRING) return true;
  ctx.reply.error(ERR_WRONG_TYPE);
  return false;
}

/** Replies with a string's value, or nil for 0. */
function replyString(ctx: CommandContext, entry: number): void {
  if (entry === 0) {
    ctx.reply.nil();
    return;
  }
  const { keyspace } = ctx;
  const start = keyspace.stringStart(entry);
  ctx.reply.bulkWords(keyspace.bank.i32, keyspace.bank.u8, start >>> 2, keyspace.stringLength(entry));
}

function get(ctx: CommandContext): void {
  ctx.locate(1);
  const entry = ctx.keyspace.read();
  if (isString(ctx, entry)) replyString(ctx, entry);
}

const SET_PLAIN_ARGC = 3;

function set(ctx: CommandContext): void {
  if (ctx.argc === SET_PLAIN_ARGC) {
    ctx.locate(1);
    const { keyspace } = ctx;
    const entry = keyspace.write();
    keyspace.setString(entry, ctx.bytes, ctx.start(2), ctx.end(2), false);
    ctx.reply.ok();
    return;
  }
  setWithOptions(ctx);
}

type SetOptions = {
  condition: '' | 'nx' | 'xx' | 'ifeq';
  equalTo: number;
  get: boolean;
  keepTtl: boolean;
  /** The argument of the time and its unit; the same unit may come again, and its last time counts. */
  time: number;
  unit: TimeUnit | '';
};

/** The options of SET behind the value, or null when an error has been replied. */
function parseSetOptions(ctx: CommandContext): SetOptions | null {
  const options: SetOptions = { condition: '', equalTo: 0, get: false, keepTtl: false, time: 0, unit: '' };
  for (let index = 3; index < ctx.argc; index++) {
    const word = ctx.word(index);
    const isLast = index === ctx.argc - 1;
    if ((word === 'nx' || word === 'xx') && (options.condition === '' || options.condition === word)) {
      options.condition = word;
    } else if (word === 'ifeq' && !isLast && options.condition === '') {
      options.condition = 'ifeq';
      options.equalTo = ++index;
    } else if (word === 'get') {
      options.get = true;
    } else if (word === 'keepttl' && options.unit === '') {
      options.keepTtl = true;
    } else if (isTimeUnit(word) && !isLast && !options.keepTtl && (options.unit === '' || options.unit === word)) {
      options.unit = word;
      options.time = ++index;
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
  }
  return options;
}

function setWithOptions(ctx: CommandContext): void {
  const options = parseSetOptions(ctx);
  if (options === null) return;
  const at = options.unit === '' ? -1 : parseExpiry(ctx, options.time, options.unit, 'set');
  if (at < 0 && options.unit !== '') return;
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  const wantsString = options.get || options.condition === 'ifeq';
  if (wantsString && !isString(ctx, entry)) return;
  if (!meetsCondition(ctx, options, entry)) {
    if (options.get) replyString(ctx, entry);
    else ctx.reply.nil();
    return;
  }
  if (options.get) replyString(ctx, entry);
  if (at === -1) {
    keyspace.setString(entry, ctx.bytes, ctx.start(2), ctx.end(2), options.keepTtl);
  } else if (at > keyspace.nowMs) {
    keyspace.setStringUntil(entry, ctx.bytes, ctx.start(2), ctx.end(2), at);
  } else if (entry !== 0) {
    keyspace.remove(entry);
    ctx.effectOf('DEL', 1);
  }
  if (options.keepTtl) ctx.effectOf('SET', 1, 2, 'KEEPTTL');
  else if (at === -1 || at > keyspace.nowMs) logSet(ctx, 2, at);
  if (!options.get) ctx.reply.ok();
}
/** The effect of all commands that set argument 1 to argument `value`; -1: without an expiry. */
function logSet(ctx: CommandContext, value: number, expiryMs: number): void {
  const record = ctx.effect('SET', expiryMs < 0 ? 3 : 5);
  if (record === null) return;
  record.bytes(ctx.bytes, ctx.start(1), ctx.end(1));
  record.bytes(ctx.bytes, ctx.start(value), ctx.end(value));
  if (expiryMs < 0) return;
  record.text('PXAT');
  record.number(expiryMs);
}

function meetsCondition(ctx: CommandContext, options: SetOptions, entry: number): boolean {
  if (options.condition === 'nx') return entry === 0;
  if (options.condition === 'xx') return entry !== 0;
  if (options.condition === 'ifeq') return entry !== 0 && equalsArgument(ctx, entry, options.equalTo);
  return true;
}

function equalsArgument(ctx: CommandContext, entry: number, index: number): boolean {
  const { keyspace } = ctx;
  const start = keyspace.stringStart(entry);
  const length = keyspace.stringLength(entry);
  if (length !== ctx.length(index)) return false;
  return ctx.bytes.compare(keyspace.bank.u8, start, start + length, ctx.start(index), ctx.end(index)) === 0;
}

function setnx(ctx: CommandContext): void {
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (entry === 0) keyspace.setString(0, ctx.bytes, ctx.start(2), ctx.end(2), false);
  ctx.reply.integer(entry === 0 ? 1 : 0);
}

function setWithTime(unit: 'ex' | 'px', name: string): Handler {
  return (ctx) => {
    const at = parseExpiry(ctx, 2, unit, name);
    if (at < 0) return;
    ctx.locate(1);
    const { keyspace } = ctx;
    keyspace.setStringUntil(keyspace.write(), ctx.bytes, ctx.start(3), ctx.end(3), at);
    logSet(ctx, 3, at);
    ctx.reply.ok();
  };
}

function getset(ctx: CommandContext): void {
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (!isString(ctx, entry)) return;
  replyString(ctx, entry);
  keyspace.setString(entry, ctx.bytes, ctx.start(2), ctx.end(2), false);
}

function getdel(ctx: CommandContext): void {
  ctx.locate(1);
  const entry = ctx.keyspace.write();
  if (!isString(ctx, entry)) return;
  replyString(ctx, entry);
  if (entry === 0) return;
  ctx.keyspace.remove(entry);
  ctx.effectOf('DEL', 1);
}

function getex(ctx: CommandContext): void {
  let time = 0;
  let unit: TimeUnit | '' = '';
  let persist = false;
  for (let index = 2; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (word === 'persist' && unit === '') {
      persist = true;
    } else if (isTimeUnit(word) && index + 1 < ctx.argc && !persist && (unit === '' || unit === word)) {
      unit = word;
      time = ++index;
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  }
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (entry === 0) keyspace.misses++;
  else keyspace.hits++;
  if (!isString(ctx, entry)) return;
  if (entry === 0) {
    ctx.reply.nil();
    return;
  }
  const at = unit === '' ? -1 : parseExpiry(ctx, time, unit, 'getex');
  if (at < 0 && unit !== '') return;
  replyString(ctx, entry);
  if (persist) {
    if (keyspace.expiryMs(entry) < 0) return;
    keyspace.setExpiry(entry, -1);
    ctx.effectOf('PERSIST', 1);
  } else if (at !== -1) {
    if (at <= keyspace.nowMs) {
      keyspace.remove(entry);
      ctx.effectOf('DEL', 1);
    } else {
      keyspace.setExpiry(entry, at);
      ctx.effectOf('PEXPIREAT', 1, String(at));
    }
  }
}

function strlen(ctx: CommandContext): void {
  ctx.locate(1);
  const entry = ctx.keyspace.read();
  if (isString(ctx, entry)) ctx.reply.integer(entry === 0 ? 0 : ctx.keyspace.stringLength(entry));
}

function append(ctx: CommandContext): void {
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (!isString(ctx, entry)) return;
  if (entry === 0) {
    keyspace.setString(0, ctx.bytes, ctx.start(2), ctx.end(2), false);
    ctx.reply.integer(ctx.length(2));
    return;
  }
  const old = keyspace.stringLength(entry);
  const length = old + ctx.length(2);
  if (length > ctx.server.maxBulkLengthBytes) {
    ctx.reply.error(ERR_TOO_LONG);
    return;
  }
  const grown = keyspace.resizeString(entry, length, true);
  copyBytes(ctx.bytes, ctx.start(2), ctx.end(2), keyspace.bank.u8, keyspace.stringStart(grown) + old);
  ctx.reply.integer(length);
}

function setrange(ctx: CommandContext): void {
  const offset = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (offset === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  if (offset < 0) {
    ctx.reply.error(ERR_OFFSET);
    return;
  }
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (!isString(ctx, entry)) return;
  const old = entry === 0 ? 0 : keyspace.stringLength(entry);
  if (ctx.length(3) === 0) {
    ctx.reply.integer(old);
    return;
  }
  const wanted = Number(offset) + ctx.length(3);
  if (wanted > ctx.server.maxBulkLengthBytes) {
    ctx.reply.error(ERR_TOO_LONG);
    return;
  }
  const length = Math.max(old, wanted);
  const grown = keyspace.resizeString(entry, length, true);
  copyBytes(ctx.bytes, ctx.start(3), ctx.end(3), keyspace.bank.u8, keyspace.stringStart(grown) + Number(offset));
  ctx.reply.integer(length);
}

function getrange(ctx: CommandContext): void {
  const first = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  const last = parseInt64(ctx.bytes, ctx.start(3), ctx.end(3));
  if (first === null || last === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.read();
  if (!isString(ctx, entry)) return;
  const length = entry === 0 ? 0 : keyspace.stringLength(entry);
  let from = Number(first);
  let to = Number(last);
  const isEmpty = from < 0 && to < 0 && from > to;
  if (from < 0) from = Math.max(0, length + from);
  if (to < 0) to = Math.max(0, length + to);
  to = Math.min(to, length - 1);
  if (isEmpty || length === 0 || from > to) {
    ctx.reply.bulkString('');
    return;
  }
  const start = keyspace.stringStart(entry);
  ctx.reply.bulk(keyspace.bank.u8, start + from, start + to + 1);
}

const INT64_MIN = -9223372036854775808n;
const numberScratch = Buffer.alloc(32);

/** INCR and its kin. Numbers up to 2^53 are added as doubles, beyond that as BigInt: exact at the edges of 64 bits. */
function addInteger(ctx: CommandContext, by: number | bigint): void {
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (!isString(ctx, entry)) return;
  let old: number | bigint | null = 0;
  if (entry !== 0) {
    const start = keyspace.stringStart(entry);
    old = parseInt64(keyspace.bank.u8, start, start + keyspace.stringLength(entry));
    if (old === null) {
      ctx.reply.error(ERR_NOT_INTEGER);
      return;
    }
  }
  const sum = addInt64(old, by);
  if (sum === null) {
    ctx.reply.error('ERR increment or decrement would overflow');
    return;
  }
  const length = numberScratch.latin1Write(String(sum), 0);
  keyspace.setString(entry, numberScratch, 0, length, true);
  ctx.reply.integer(sum);
}

function incrementBy(ctx: CommandContext, sign: 1 | -1): void {
  const by = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (by === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  if (sign === 1) {
    addInteger(ctx, by);
    return;
  }
  if (typeof by === 'bigint' && by === INT64_MIN) {
    ctx.reply.error('ERR decrement would overflow');
    return;
  }
  addInteger(ctx, -by);
}

const ERR_INFINITE = 'ERR increment would produce NaN or Infinity';
function isInfinite(text: string): boolean {
  return /^[+-]?inf(inity)?$/i.test(text);
}

function incrbyfloat(ctx: CommandContext): void {
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.write();
  if (!isString(ctx, entry)) return;
  let old = '0';
  if (entry !== 0) {
    const start = keyspace.stringStart(entry);
    old = (keyspace.bank.u8 as Buffer).latin1Slice(start, start + keyspace.stringLength(entry));
  }
  if (isInfinite(old) || isInfinite(ctx.text(2))) {
    const other = isInfinite(old) ? ctx.text(2) : old;
    ctx.reply.error(isInfinite(other) || isLongDouble(other) ? ERR_INFINITE : ERR_NOT_FLOAT);
    return;
  }
  if (addLongDouble(old, '0') === null || addLongDouble(ctx.text(2), '0') === null) {
    ctx.reply.error(ERR_NOT_FLOAT);
    return;
  }
  const sum = addLongDouble(old, ctx.text(2));
  if (sum === null) {
    ctx.reply.error(ERR_INFINITE);
    return;
  }
  const bytes = Buffer.from(sum, 'latin1');
  keyspace.setString(entry, bytes, 0, bytes.length, true);
  // Others may round the sum in another way.
  ctx.effectOf('SET', 1, sum, 'KEEPTTL');
  ctx.reply.bulkString(sum);
}

function mget(ctx: CommandContext): void {
  ctx.reply.array(ctx.argc - 1);
  for (let index = 1; index < ctx.argc; index++) {
    ctx.locate(index);
    const entry = ctx.keyspace.read();
    replyString(ctx, entry !== 0 && ctx.keyspace.type(entry) === TYPE_STRING ? entry : 0);
  }
}

/** What each pair of the command has prepared, the pair at argument 1 first. Reused; a long one is given up again. */
let prepared: number[] = [];
const KEEP_PREPARED = 1024;

/** Sets all pairs or, without memory, none: all of it is taken before the first key changes. */
function setPairs(ctx: CommandContext): void {
  const { keyspace, bytes } = ctx;
  let index = 1;
  try {
    for (; index < ctx.argc; index += 2) {
      ctx.locate(index);
      prepared[index >>> 1] = keyspace.prepareString(keyspace.write(), bytes, ctx.start(index + 1), ctx.end(index + 1));
    }
    // A pass of its own: deleting an expired key above may have emptied a shard that had room for an entry.
    for (let at = 1; at < ctx.argc; at += 2) {
      ctx.locate(at);
      keyspace.reserve();
    }
  } catch (error) {
    for (let at = 1; at < Math.min(index, ctx.argc); at += 2) {
      ctx.locate(at);
      keyspace.forgetPrepared(prepared[at >>> 1] as number);
    }
    throw error;
  }
  for (index = 1; index < ctx.argc; index += 2) {
    ctx.locate(index);
    keyspace.putPrepared(prepared[index >>> 1] as number, bytes, ctx.start(index + 1), ctx.end(index + 1));
  }
  if (prepared.length > KEEP_PREPARED) prepared = [];
}

function mset(ctx: CommandContext): void {
  if (ctx.argc % 2 === 0) {
    ctx.reply.error("ERR wrong number of arguments for 'mset' command");
    return;
  }
  setPairs(ctx);
  ctx.reply.ok();
}

function msetnx(ctx: CommandContext): void {
  if (ctx.argc % 2 === 0) {
    ctx.reply.error("ERR wrong number of arguments for 'msetnx' command");
    return;
  }
  for (let index = 1; index < ctx.argc; index += 2) {
    ctx.locate(index);
    if (ctx.keyspace.write() !== 0) {
      ctx.reply.integer(0);
      return;
    }
  }
  setPairs(ctx);
  ctx.reply.integer(1);
}

export const stringHandlers: Record<string, Handler> = {
  get,
  set,
  setnx,
  setex: setWithTime('ex', 'setex'),
  psetex: setWithTime('px', 'psetex'),
  getset,
  getdel,
  getex,
  strlen,
  append,
  setrange,
  getrange,
  substr: getrange,
  incr: (ctx) => addInteger(ctx, 1),
  decr: (ctx) => addInteger(ctx, -1),
  incrby: (ctx) => incrementBy(ctx, 1),
  decrby: (ctx) => incrementBy(ctx, -1),
  incrbyfloat,
  mget,
  mset,
  msetnx,
};
