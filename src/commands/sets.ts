/** Commands on one set. Each handler parses, looks up, changes through the primitives of keyspace/set-value.ts, replies. */
import { parseInt64 } from '../base/numbers.ts';
import { random32 } from '../base/random.ts';
import { TYPE_SET } from '../keyspace/keyspace.ts';
import { SetView } from '../keyspace/set-value.ts';
import type { RequestWriter } from '../resp/request-writer.ts';
import { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { copyOf, countArgument, replyElement, selectSome, textOf } from './elements.ts';
import { checkCursor, parseScanOptions, replyScan } from './scan-options.ts';
import { readTyped, WRONG_TYPE, writeTyped } from './typed.ts';

const view = new SetView();
const target = new SetView();
const element = new Element();

/** Opens the set of argument 1 for reading; false after WRONGTYPE. */
function openToRead(ctx: CommandContext): boolean {
  const entry = readTyped(ctx, 1, TYPE_SET);
  if (entry === WRONG_TYPE) return false;
  view.open(ctx.keyspace, entry);
  return true;
}
/** Opens the set of argument 1 to be changed, with `hint` members to come if it's new; false after WRONGTYPE. */
function openToWrite(ctx: CommandContext, hint = 1): boolean {
  const entry = writeTyped(ctx, 1, TYPE_SET);
  if (entry === WRONG_TYPE) return false;
  view.open(ctx.keyspace, entry, hint);
  return true;
}

function sadd(ctx: CommandContext): void {
  if (!openToWrite(ctx, ctx.argc - 2)) return;
  let added = 0;
  for (let index = 2; index < ctx.argc; index++) {
    if (view.add(ctx.bytes, ctx.start(index), ctx.end(index))) added++;
  }
  ctx.reply.integer(added);
}

function srem(ctx: CommandContext): void {
  if (!openToWrite(ctx)) return;
  let removed = 0;
  for (let index = 2; index < ctx.argc; index++) {
    if (!view.remove(ctx.bytes, ctx.start(index), ctx.end(index))) continue;
    removed++;
    if (view.dropIfEmpty()) break;
  }
  ctx.reply.integer(removed);
}

function scard(ctx: CommandContext): void {
  if (openToRead(ctx)) ctx.reply.integer(view.length);
}
function sismember(ctx: CommandContext): void {
  if (openToRead(ctx)) ctx.reply.integer(view.has(ctx.bytes, ctx.start(2), ctx.end(2)) ? 1 : 0);
}
function smismember(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) ctx.reply.integer(view.has(ctx.bytes, ctx.start(index), ctx.end(index)) ? 1 : 0);
}
function smembers(ctx: CommandContext): void {
  if (!openToRead(ctx)) return;
  ctx.reply.set(view.length);
  view.walk((member) => replyElement(ctx, member));
}

function smove(ctx: CommandContext): void {
  const { keyspace } = ctx;
  ctx.locate(1);
  const from = keyspace.write();
  if (from === 0) {
    ctx.reply.integer(0);
    return;
  }
  const to = writeTyped(ctx, 2, TYPE_SET);
  if (to === WRONG_TYPE || writeTyped(ctx, 1, TYPE_SET) === WRONG_TYPE) return;
  const start = ctx.start(3);
  const end = ctx.end(3);
  if (!view.open(keyspace, from).has(ctx.bytes, start, end)) {
    ctx.reply.integer(0);
    return;
  }
  if (from !== to || ctx.bytes.compare(ctx.bytes, ctx.start(2), ctx.end(2), ctx.start(1), ctx.end(1)) !== 0) {
    // First to where it goes: if there is no room, the member stays where it is.
    ctx.locate(2);
    target.open(keyspace, to).add(ctx.bytes, start, end);
    ctx.locate(1);
    view.open(keyspace, from).remove(ctx.bytes, start, end);
    view.dropIfEmpty();
  }
  ctx.reply.integer(1);
}

function spop(ctx: CommandContext): void {
  if (ctx.argc > 3) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  if (ctx.argc === 3) {
    spopCount(ctx);
    return;
  }
  if (!openToWrite(ctx)) return;
  if (view.length === 0) {
    ctx.reply.nil();
    return;
  }
  view.draw(element, random32);
  replyElement(ctx, element);
  beginRemoval(ctx, 1)?.bytes(element.bytes, element.start, element.end);
  view.remove(element.bytes, element.start, element.end);
  view.dropIfEmpty();
}
/** The effect of taking members out by chance: SREM of those, which follow. */
function beginRemoval(ctx: CommandContext, members: number): RequestWriter | null {
  const record = ctx.effect('SREM', 2 + members);
  record?.bytes(ctx.bytes, ctx.start(1), ctx.end(1));
  return record;
}

function spopCount(ctx: CommandContext): void {
  const count = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (count === null || count < 0) {
    ctx.reply.error('ERR value is out of range, must be positive');
    return;
  }
  if (!openToWrite(ctx)) return;
  const total = view.length;
  const wanted = Number(count);
  if (wanted >= total) {
    ctx.reply.set(total);
    view.walk((member) => replyElement(ctx, member));
    if (total === 0) return;
    ctx.keyspace.remove(ctx.keyspace.write());
    ctx.effectOf('DEL', 1);
    return;
  }
  if (wanted === 0) {
    ctx.reply.set(0);
    return;
  }
  const members = wanted * DENSE < total ? [] : pickDense(total, wanted);
  ctx.reply.set(wanted);
  const record = beginRemoval(ctx, wanted);
  for (let popped = 0; popped < wanted; popped++) {
    let member = members[popped];
    if (member === undefined) {
      view.draw(element, random32);
      member = copyOf(element);
    }
    view.remove(member, 0, member.length);
    record?.bytes(member, 0, member.length);
    ctx.reply.bulk(member, 0, member.length);
  }
}

/** From one member in so many on, one walk over all is cheaper than drawing each. */
const DENSE = 4;

/** Different members by one walk over the set. */
function pickDense(total: number, count: number): Buffer[] {
  const selected = selectSome(total, count);
  const picked: Buffer[] = [];
  let index = 0;
  view.walk((member) => {
    if (selected[index++] === 1) picked.push(copyOf(member));
  });
  return picked;
}
/** Different members by drawing until there are enough: for few of many. */
function pickSparse(count: number): Buffer[] {
  const picked: Buffer[] = [];
  const seen = new Set<string>();
  while (picked.length < count) {
    view.draw(element, random32);
    const text = textOf(element);
    if (seen.has(text)) continue;
    seen.add(text);
    picked.push(copyOf(element));
  }
  return picked;
}

function srandmember(ctx: CommandContext): void {
  if (ctx.argc > 3) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  const count = ctx.argc === 3 ? countArgument(ctx, 2) : 0;
  if (count === null || !openToRead(ctx)) return;
  const total = view.length;
  if (ctx.argc === 2) {
    if (total === 0) {
      ctx.reply.nil();
      return;
    }
    view.draw(element, random32);
    replyElement(ctx, element);
    return;
  }
  if (total === 0 || count === 0) {
    ctx.reply.array(0);
  } else if (count < 0) {
    ctx.reply.array(-count);
    for (let drawn = 0; drawn < -count; drawn++) {
      view.draw(element, random32);
      replyElement(ctx, element);
    }
  } else if (count >= total) {
    ctx.reply.array(total);
    view.walk((member) => replyElement(ctx, member));
  } else {
    const picked = count * DENSE < total ? pickSparse(count) : pickDense(total, count);
    ctx.reply.array(picked.length);
    for (const member of picked) ctx.reply.bulk(member, 0, member.length);
  }
}

function sscan(ctx: CommandContext): void {
  if (!checkCursor(ctx, 2) || !openToRead(ctx)) return;
  if (view.length === 0) {
    replyScan(ctx, 0, []);
    return;
  }
  const options = parseScanOptions(ctx, 2);
  if (options === null) return;
  const found: string[] = [];
  const next = view.scan(options.cursor, options.count, (member) => {
    const text = textOf(member);
    if (options.matches(text)) found.push(text);
  });
  replyScan(ctx, next, found);
}

export const setHandlers: Record<string, Handler> = {
  sadd,
  srem,
  scard,
  sismember,
  smismember,
  smembers,
  smove,
  spop,
  srandmember,
  sscan,
};
