/** Hash commands. Each handler parses, looks up, changes through the primitives of keyspace/hash-value.ts, replies. */
import { addInt64, addLongDouble, parseInt64 } from '../base/numbers.ts';
import { random32 } from '../base/random.ts';
import { HashView } from '../keyspace/hash-value.ts';
import { TYPE_HASH } from '../keyspace/keyspace.ts';
import { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_NOT_FLOAT, ERR_NOT_INTEGER, ERR_SYNTAX, type Handler } from './context.ts';
import { copyOf, countArgument, replyElement, selectSome, textOf } from './elements.ts';
import { checkCursor, parseScanOptions, replyScan } from './scan-options.ts';
import { readTyped, WRONG_TYPE, writeTyped } from './typed.ts';

const view = new HashView();
const field = new Element();
const value = new Element();

/** Opens the hash of argument 1 for reading; false after WRONGTYPE. */
function openToRead(ctx: CommandContext): boolean {
  const entry = readTyped(ctx, 1, TYPE_HASH);
  if (entry === WRONG_TYPE) return false;
  view.open(ctx.keyspace, entry);
  return true;
}
/** Opens the hash of argument 1 to be changed; false after WRONGTYPE. */
function openToWrite(ctx: CommandContext): boolean {
  const entry = writeTyped(ctx, 1, TYPE_HASH);
  if (entry === WRONG_TYPE) return false;
  view.open(ctx.keyspace, entry);
  return true;
}

/** Replies with the value of the field in an argument, or nil. */
function replyField(ctx: CommandContext, index: number): void {
  if (view.get(ctx.bytes, ctx.start(index), ctx.end(index), value)) replyElement(ctx, value);
  else ctx.reply.nil();
}

/** HSET and HMSET: they differ in what they reply. */
function set(repliesOk: boolean): Handler {
  return (ctx) => {
    if (ctx.argc % 2 !== 0) {
      ctx.reply.error(`ERR wrong number of arguments for '${ctx.command?.name}' command`);
      return;
    }
    if (!openToWrite(ctx)) return;
    let created = 0;
    for (let index = 2; index < ctx.argc; index += 2) {
      const isNew = view.set(ctx.bytes, ctx.start(index), ctx.end(index), ctx.bytes, ctx.start(index + 1), ctx.end(index + 1));
      if (isNew) created++;
    }
    if (repliesOk) ctx.reply.ok();
    else ctx.reply.integer(created);
  };
}

function hsetnx(ctx: CommandContext): void {
  if (!openToWrite(ctx)) return;
  const isThere = view.has(ctx.bytes, ctx.start(2), ctx.end(2));
  if (!isThere) view.set(ctx.bytes, ctx.start(2), ctx.end(2), ctx.bytes, ctx.start(3), ctx.end(3));
  ctx.reply.integer(isThere ? 0 : 1);
}

function hget(ctx: CommandContext): void {
  if (openToRead(ctx)) replyField(ctx, 2);
}
function hmget(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) replyField(ctx, index);
}
function hexists(ctx: CommandContext): void {
  if (openToRead(ctx)) ctx.reply.integer(view.has(ctx.bytes, ctx.start(2), ctx.end(2)) ? 1 : 0);
}
function hstrlen(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.integer(view.get(ctx.bytes, ctx.start(2), ctx.end(2), value) ? value.end - value.start : 0);
}
function hlen(ctx: CommandContext): void {
  if (openToRead(ctx)) ctx.reply.integer(view.length);
}

function hgetall(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.map(view.length);
  view.walk((name, held) => {
    replyElement(ctx, name);
    replyElement(ctx, held);
  });
}
function hkeys(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.array(view.length);
  view.walk((name) => replyElement(ctx, name));
}
function hvals(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.array(view.length);
  view.walk((_name, held) => replyElement(ctx, held));
}

function hdel(ctx: CommandContext): void {
  if (!openToWrite(ctx)) return;
  let removed = 0;
  for (let index = 2; index < ctx.argc; index++) {
    if (view.remove(ctx.bytes, ctx.start(index), ctx.end(index))) removed++;
    if (view.dropIfEmpty()) break;
  }
  ctx.reply.integer(removed);
}

const numberScratch = Buffer.alloc(64);

/** Numbers up to 2^53 are added as doubles, beyond that as BigInt: exact at the edges of 64 bits. */
function hincrby(ctx: CommandContext): void {
  const by = parseInt64(ctx.bytes, ctx.start(3), ctx.end(3));
  if (by === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  if (!openToWrite(ctx)) return;
  const isThere = view.get(ctx.bytes, ctx.start(2), ctx.end(2), value);
  const old = isThere ? parseInt64(value.bytes, value.start, value.end) : 0;
  if (old === null) {
    ctx.reply.error('ERR hash value is not an integer');
    return;
  }
  const sum = addInt64(old, by);
  if (sum === null) {
    ctx.reply.error('ERR increment or decrement would overflow');
    return;
  }
  const length = numberScratch.latin1Write(String(sum), 0);
  view.set(ctx.bytes, ctx.start(2), ctx.end(2), numberScratch, 0, length, true);
  ctx.reply.integer(sum);
}

const INFINITE = /^[+-]?inf(inity)?$/i;

function hincrbyfloat(ctx: CommandContext): void {
  const by = ctx.text(3);
  if (addLongDouble(by, '0') === null) {
    ctx.reply.error(INFINITE.test(by) ? 'ERR value is NaN or Infinity' : ERR_NOT_FLOAT);
    return;
  }
  if (!openToWrite(ctx)) return;
  const isThere = view.get(ctx.bytes, ctx.start(2), ctx.end(2), value);
  const old = isThere ? textOf(value) : '0';
  if (addLongDouble(old, '0') === null && !INFINITE.test(old)) {
    ctx.reply.error('ERR hash value is not a float');
    return;
  }
  const sum = addLongDouble(old, by);
  if (sum === null) {
    ctx.reply.error('ERR increment would produce NaN or Infinity');
    return;
  }
  const bytes = Buffer.from(sum, 'latin1');
  view.set(ctx.bytes, ctx.start(2), ctx.end(2), bytes, 0, bytes.length, true);
  // Others may round the sum in another way; and HSET takes the expiry away, that this command keeps.
  ctx.effectOf('HSET', 1, 2, sum);
  const atMs = view.expiryOf(ctx.bytes, ctx.start(2), ctx.end(2));
  if (atMs >= 0) ctx.effectOf('HPEXPIREAT', 1, String(atMs), 'FIELDS', '1', 2);
  ctx.reply.bulkString(sum);
}

/** From one field in so many on, one walk over all is cheaper than drawing each. */
const DENSE = 4;
/** Half of what a count may be: with values the reply is twice as long. */
const MAX_PAIRS = 4611686018427387903n;

type Pair = [name: Buffer, held: Buffer];

function allPairs(): Pair[] {
  const pairs: Pair[] = [];
  view.walk((name, held) => {
    pairs.push([copyOf(name), copyOf(held)]);
  });
  return pairs;
}

/** One field by chance, or null when there is none. Fields that may be over are weeded out first. */
function drawPair(live: Pair[] | null): Pair | null {
  if (live !== null) return live.length === 0 ? null : (live[random32() % live.length] as Pair);
  return view.draw(field, value, random32) ? [copyOf(field), copyOf(value)] : null;
}

/** `count` different fields of `total`. */
function pickPairs(live: Pair[] | null, total: number, count: number): Pair[] {
  if (count >= total) return live ?? allPairs();
  if (live !== null || count * DENSE >= total) {
    const selected = selectSome(total, count);
    return (live ?? allPairs()).filter((_, index) => selected[index] === 1);
  }
  const picked = new Map<string, Pair>();
  while (picked.size < count) {
    view.draw(field, value, random32);
    picked.set(textOf(field), [copyOf(field), copyOf(value)]);
  }
  return [...picked.values()];
}

function hrandfield(ctx: CommandContext): void {
  const withValues = ctx.argc > 3;
  let count = 1;
  if (ctx.argc > 2) {
    const given = countArgument(ctx, 2);
    if (given === null) return;
    if (ctx.argc > 4 || (withValues && ctx.word(3) !== 'withvalues')) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    if (withValues && BigInt(Math.abs(given)) > MAX_PAIRS) {
      ctx.reply.error('ERR value is out of range');
      return;
    }
    count = given;
  }
  if (!openToRead(ctx)) return;
  const live = view.hasExpiries ? allPairs() : null;
  if (ctx.argc === 2) {
    const pair = drawPair(live);
    if (pair === null) ctx.reply.nil();
    else ctx.reply.bulk(pair[0], 0, pair[0].length);
    return;
  }
  const total = live === null ? view.length : live.length;
  const isDouble = withValues && ctx.reply.resp === 2;
  const size = total === 0 ? 0 : count < 0 ? -count : Math.min(count, total);
  ctx.reply.array(isDouble ? size * 2 : size);
  if (size === 0) return;
  if (count < 0) for (let drawn = 0; drawn < size; drawn++) replyPair(ctx, drawPair(live) as Pair, withValues);
  else for (const pair of pickPairs(live, total, size)) replyPair(ctx, pair, withValues);
}
function replyPair(ctx: CommandContext, [name, held]: Pair, withValues: boolean): void {
  if (withValues && ctx.reply.resp === 3) ctx.reply.array(2);
  ctx.reply.bulk(name, 0, name.length);
  if (withValues) ctx.reply.bulk(held, 0, held.length);
}

function hscan(ctx: CommandContext): void {
  if (!checkCursor(ctx, 2) || !openToRead(ctx)) return;
  if (view.isAbsent) {
    replyScan(ctx, 0, []);
    return;
  }
  const options = parseScanOptions(ctx, 2);
  if (options === null) return;
  const found: string[] = [];
  const next = view.scan(options.cursor, options.count, (name, held) => {
    const text = textOf(name);
    if (options.matches(text)) found.push(text, textOf(held));
  });
  replyScan(ctx, next, found);
}

export const hashHandlers: Record<string, Handler> = {
  hset: set(false),
  hmset: set(true),
  hsetnx,
  hget,
  hmget,
  hexists,
  hstrlen,
  hlen,
  hgetall,
  hkeys,
  hvals,
  hdel,
  hincrby,
  hincrbyfloat,
  hrandfield,
  hscan,
};
