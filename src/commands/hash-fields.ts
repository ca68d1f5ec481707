/** Fields that expire: the HEXPIRE family, HGETEX, HSETEX and HGETDEL, with the words of Redis 8's errors. */
import { parseInt64 } from '../base/numbers.ts';
import { HashView, NO_FIELD } from '../keyspace/hash-value.ts';
import { TYPE_HASH } from '../keyspace/keyspace.ts';
import { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_NOT_INTEGER, type Handler } from './context.ts';
import { replyElement } from './elements.ts';
import { readTyped, WRONG_TYPE, writeTyped } from './typed.ts';

/** A field's time has 48 bits, as in Redis. */
const MAX_FIELD_EXPIRY_MS = 281474976710655;
const ERR_FIELDS = 'ERR Mandatory argument FIELDS is missing or not at the right position';
const ERR_FIELD_COUNT = 'ERR Number of fields must be a positive integer';
const ERR_FIELDS_MISMATCH = 'ERR The `numfields` parameter must match the number of arguments';

const view = new HashView();
const value = new Element();

// What the reply says of a field.
const REFUSED = 0;
const DONE = 1;
const DELETED = 2;
const STAYS = -1;

/**
 * FIELDS numfields field ..., from argument `at` to the end, `step` arguments a field. Returns the first field's position, or 0 after an
 * error was replied.
 */
function fieldsAt(ctx: CommandContext, at: number, step = 1, countError = ERR_FIELD_COUNT): number {
  if (at >= ctx.argc || ctx.word(at) !== 'fields' || at + 1 >= ctx.argc) {
    ctx.reply.error(ERR_FIELDS);
    return 0;
  }
  const count = parseInt64(ctx.bytes, ctx.start(at + 1), ctx.end(at + 1));
  if (count === null || count < 1) {
    ctx.reply.error(countError);
    return 0;
  }
  if (Number(count) * step === ctx.argc - at - 2) return at + 2;
  ctx.reply.error(ERR_FIELDS_MISMATCH);
  return 0;
}

/** A time in argument `index` as milliseconds since 1970, or -1 after an error was replied. */
function timeArgument(ctx: CommandContext, index: number, unitMs: number, isAbsolute: boolean): number {
  const given = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (given === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return -1;
  }
  if (given < 0) {
    ctx.reply.error('ERR invalid expire time, must be >= 0');
    return -1;
  }
  const at = Number(given) * unitMs + (isAbsolute ? 0 : ctx.keyspace.nowMs);
  if (at <= MAX_FIELD_EXPIRY_MS) return at;
  ctx.reply.error(`ERR invalid expire time in '${ctx.command?.name}' command`);
  return -1;
}

type Condition = '' | 'nx' | 'xx' | 'gt' | 'lt';

function isCondition(word: string): word is Condition {
  return word === 'nx' || word === 'xx' || word === 'gt' || word === 'lt';
}
/** Without an expiry a field lasts for ever: greater than any time. */
function meets(condition: Condition, currentMs: number, atMs: number): boolean {
  if (condition === 'nx') return currentMs < 0;
  if (condition === 'xx') return currentMs >= 0;
  if (condition === 'gt') return currentMs >= 0 && atMs > currentMs;
  if (condition === 'lt') return currentMs < 0 || atMs < currentMs;
  return true;
}

function expire(unitMs: number, isAbsolute: boolean): Handler {
  return (ctx) => {
    const entry = writeTyped(ctx, 1, TYPE_HASH);
    if (entry === WRONG_TYPE) return;
    const at = timeArgument(ctx, 2, unitMs, isAbsolute);
    if (at < 0) return;
    const word = ctx.word(3);
    const condition = isCondition(word) ? word : '';
    const first = fieldsAt(ctx, condition === '' ? 3 : 4, 1, 'ERR Parameter `numFields` should be greater than 0');
    if (first === 0) return;
    view.open(ctx.keyspace, entry);
    changed.length = 0;
    ctx.reply.array(ctx.argc - first);
    for (let index = first; index < ctx.argc; index++) {
      const outcome = expireField(ctx, index, condition, at);
      if (outcome === DONE || outcome === DELETED) changed.push(index);
      ctx.reply.integer(outcome);
    }
    logExpiry(ctx, at);
    view.dropIfEmpty();
  };
}

/** Arguments of the fields that the current command has changed. */
const changed: number[] = [];

/** The effect on the `changed` fields of a time: they have it, or are gone if it's past. */
function logExpiry(ctx: CommandContext, atMs: number): void {
  if (changed.length === 0) return;
  if (atMs <= ctx.keyspace.nowMs) ctx.effectOf('HDEL', 1, ...changed);
  else ctx.effectOf('HPEXPIREAT', 1, String(atMs), 'FIELDS', String(changed.length), ...changed);
}

function expireField(ctx: CommandContext, index: number, condition: Condition, atMs: number): number {
  const start = ctx.start(index);
  const end = ctx.end(index);
  const current = view.expiryOf(ctx.bytes, start, end);
  if (current === NO_FIELD) return NO_FIELD;
  if (!meets(condition, current, atMs)) return REFUSED;
  if (atMs <= ctx.keyspace.nowMs) {
    view.remove(ctx.bytes, start, end);
    return DELETED;
  }
  view.setExpiry(ctx.bytes, start, end, atMs);
  return DONE;
}

function timeLeft(unitMs: number, isAbsolute: boolean): Handler {
  return (ctx) => {
    const entry = readTyped(ctx, 1, TYPE_HASH);
    if (entry === WRONG_TYPE) return;
    const first = fieldsAt(ctx, 2);
    if (first === 0) return;
    view.open(ctx.keyspace, entry);
    ctx.reply.array(ctx.argc - first);
    for (let index = first; index < ctx.argc; index++) {
      const at = view.expiryOf(ctx.bytes, ctx.start(index), ctx.end(index));
      if (at < 0) ctx.reply.integer(at);
      else ctx.reply.integer(Math.ceil((isAbsolute ? at : at - ctx.keyspace.nowMs) / unitMs));
    }
  };
}

function hpersist(ctx: CommandContext): void {
  const entry = writeTyped(ctx, 1, TYPE_HASH);
  if (entry === WRONG_TYPE) return;
  const first = fieldsAt(ctx, 2);
  if (first === 0) return;
  view.open(ctx.keyspace, entry);
  ctx.reply.array(ctx.argc - first);
  for (let index = first; index < ctx.argc; index++) {
    const start = ctx.start(index);
    const end = ctx.end(index);
    const at = view.expiryOf(ctx.bytes, start, end);
    if (at >= 0) view.setExpiry(ctx.bytes, start, end, -1);
    ctx.reply.integer(at >= 0 ? DONE : at === NO_FIELD ? NO_FIELD : STAYS);
  }
}

function replyValue(ctx: CommandContext, index: number): void {
  if (view.get(ctx.bytes, ctx.start(index), ctx.end(index), value)) replyElement(ctx, value);
  else ctx.reply.nil();
}

function hgetdel(ctx: CommandContext): void {
  const entry = writeTyped(ctx, 1, TYPE_HASH);
  if (entry === WRONG_TYPE) return;
  const first = fieldsAt(ctx, 2);
  if (first === 0) return;
  view.open(ctx.keyspace, entry);
  ctx.reply.array(ctx.argc - first);
  changed.length = 0;
  for (let index = first; index < ctx.argc; index++) {
    replyValue(ctx, index);
    if (view.remove(ctx.bytes, ctx.start(index), ctx.end(index))) changed.push(index);
    view.dropIfEmpty();
  }
  if (changed.length > 0) ctx.effectOf('HDEL', 1, ...changed);
}

const UNITS: Readonly<Record<string, [unitMs: number, isAbsolute: boolean]>> = {
  ex: [1000, false],
  px: [1, false],
  exat: [1000, true],
  pxat: [1, true],
};
type FieldOptions = { first: number; atMs: number; keepsOrPersists: boolean; condition: '' | 'fnx' | 'fxx' };

/**
 * What stands between the key and the fields of HGETEX (`keep` is PERSIST) and HSETEX (KEEPTTL, FNX, FXX), in any order; null after an
 * error was replied. `atMs` is -1 without a time.
 */
function parseFieldOptions(ctx: CommandContext, keep: 'persist' | 'keepttl', step: number): FieldOptions | null {
  const options: FieldOptions = { first: 0, atMs: -1, keepsOrPersists: false, condition: '' };
  const fail = (text: string): null => {
    ctx.reply.error(text);
    return null;
  };
  for (let index = 2; index < ctx.argc; index++) {
    const word = ctx.word(index);
    const unit = UNITS[word];
    if (word === 'fields') {
      options.first = fieldsAt(ctx, index, step);
      return options.first === 0 ? null : options;
    }
    if (unit !== undefined || word === keep) {
      if (options.atMs >= 0 || options.keepsOrPersists) {
        return fail(`ERR Only one of EX, PX, EXAT, PXAT or ${keep.toUpperCase()} arguments can be specified`);
      }
      if (unit === undefined) {
        options.keepsOrPersists = true;
        continue;
      }
      if (index + 1 >= ctx.argc) return fail('ERR missing expire time');
      options.atMs = timeArgument(ctx, ++index, unit[0], unit[1]);
      if (options.atMs < 0) return null;
    } else if (keep === 'keepttl' && (word === 'fnx' || word === 'fxx')) {
      if (options.condition !== '') return fail('ERR Only one of FXX or FNX arguments can be specified');
      options.condition = word;
    } else {
      return fail(`ERR unknown argument: ${ctx.text(index)}`);
    }
  }
  return fail(ERR_FIELDS);
}

function hgetex(ctx: CommandContext): void {
  const options = parseFieldOptions(ctx, 'persist', 1);
  if (options === null) return;
  const entry = writeTyped(ctx, 1, TYPE_HASH);
  if (entry === WRONG_TYPE) return;
  view.open(ctx.keyspace, entry);
  ctx.reply.array(ctx.argc - options.first);
  changed.length = 0;
  for (let index = options.first; index < ctx.argc; index++) {
    replyValue(ctx, index);
    const current = view.expiryOf(ctx.bytes, ctx.start(index), ctx.end(index));
    if (options.atMs >= 0 && current !== NO_FIELD) {
      expireField(ctx, index, '', options.atMs);
      changed.push(index);
    } else if (options.keepsOrPersists && current >= 0) {
      view.setExpiry(ctx.bytes, ctx.start(index), ctx.end(index), -1);
      changed.push(index);
    }
  }
  if (options.atMs >= 0) logExpiry(ctx, options.atMs);
  else if (changed.length > 0) ctx.effectOf('HPERSIST', 1, 'FIELDS', String(changed.length), ...changed);
  view.dropIfEmpty();
}

function hsetex(ctx: CommandContext): void {
  const options = parseFieldOptions(ctx, 'keepttl', 2);
  if (options === null) return;
  const entry = writeTyped(ctx, 1, TYPE_HASH);
  if (entry === WRONG_TYPE) return;
  view.open(ctx.keyspace, entry);
  const { first, atMs, condition } = options;
  for (let index = first; condition !== '' && index < ctx.argc; index += 2) {
    if (view.has(ctx.bytes, ctx.start(index), ctx.end(index)) !== (condition === 'fxx')) {
      ctx.reply.integer(0);
      return;
    }
  }
  changed.length = 0;
  for (let index = first; index < ctx.argc; index += 2) {
    const start = ctx.start(index);
    const end = ctx.end(index);
    changed.push(index);
    view.set(ctx.bytes, start, end, ctx.bytes, ctx.start(index + 1), ctx.end(index + 1), options.keepsOrPersists);
    if (atMs >= 0) expireField(ctx, index, '', atMs);
  }
  if (atMs >= 0) {
    if (atMs > ctx.keyspace.nowMs) ctx.effectOf('HSET', 1, ...changed.flatMap((index) => [index, index + 1]));
    logExpiry(ctx, atMs);
  }
  view.dropIfEmpty();
  ctx.reply.integer(1);
}

export const hashFieldHandlers: Record<string, Handler> = {
  hexpire: expire(1000, false),
  hpexpire: expire(1, false),
  hexpireat: expire(1000, true),
  hpexpireat: expire(1, true),
  httl: timeLeft(1000, false),
  hpttl: timeLeft(1, false),
  hexpiretime: timeLeft(1000, true),
  hpexpiretime: timeLeft(1, true),
  hpersist,
  hgetdel,
  hgetex,
  hsetex,
};
