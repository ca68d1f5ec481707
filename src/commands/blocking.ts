/** Commands that wait for an element or a member: what they do when there is one, and what they wait for when there is none. */
import * as waiters from '../blocking/waiters.ts';
import { TYPE_LIST, TYPE_ZSET } from '../keyspace/keyspace.ts';
import type { CommandContext, Handler } from './context.ts';
import { moveElement, popFirstList, popListAt, sideArgument } from './lists.ts';
import { type MultiPop, parseMultiPop } from './multi-pop.ts';
import { parseFloat64 } from './numeric-arguments.ts';
import { popFirst, popMemberAt } from './zsets.ts';

const MAX_TIMEOUT_MS = Number.MAX_SAFE_INTEGER;

/** Seconds in an argument as milliseconds, 0 for ever; -1 after an error was replied. */
function timeoutArgument(ctx: CommandContext, index: number): number {
  const seconds = parseFloat64(ctx, index);
  if (Number.isNaN(seconds)) {
    ctx.reply.error('ERR timeout is not a float or out of range');
    return -1;
  }
  if (seconds * 1000 > MAX_TIMEOUT_MS) ctx.reply.error('ERR timeout is out of range');
  else if (seconds < 0) ctx.reply.error('ERR timeout is negative');
  else return Math.ceil(seconds * 1000);
  return -1;
}

/** Lets the client wait, or replies at once what it would get in the end where nobody may wait: in MULTI and in scripts. */
function waitFor(ctx: CommandContext, first: number, last: number, form: number, count: number, target: number, timeoutMs: number): void {
  const isArray = (form & 15) !== waiters.WANT_MOVE;
  if (!ctx.mayBlock) {
    if (isArray) ctx.reply.nilArray();
    else ctx.reply.nil();
    return;
  }
  const full = form | (ctx.reply.resp === 3 ? waiters.RESP3 : 0);
  ctx.server.block(ctx, { firstKey: first, lastKey: last, form: full, count, target, timeoutMs, isArray });
}

/** BLPOP and BRPOP, BZPOPMIN and BZPOPMAX: key ... timeout. */
function pop(type: number, fromHead: boolean): Handler {
  const form = (type === TYPE_LIST ? waiters.WANT_ELEMENT : waiters.WANT_MEMBER) | (fromHead ? waiters.FROM_HEAD : 0);
  const effect = type === TYPE_LIST ? (fromHead ? 'LPOP' : 'RPOP') : fromHead ? 'ZPOPMIN' : 'ZPOPMAX';
  return (ctx) => {
    const last = ctx.argc - 2;
    const timeoutMs = timeoutArgument(ctx, ctx.argc - 1);
    if (timeoutMs < 0) return;
    for (let index = 1; index <= last; index++) {
      if (!(type === TYPE_ZSET ? popMemberAt(ctx, index, !fromHead) : popListAt(ctx, index, fromHead))) continue;
      if (ctx.keyspace.changes !== 0) ctx.effectOf(effect, index);
      return;
    }
    waitFor(ctx, 1, last, form, 1, 0, timeoutMs);
  };
}

function move(ctx: CommandContext, fromHead: boolean, toHead: boolean, timeoutMs: number): void {
  if (moveElement(ctx, fromHead, toHead)) {
    if (ctx.keyspace.changes !== 0) ctx.effectOf('LMOVE', 1, 2, fromHead ? 'LEFT' : 'RIGHT', toHead ? 'LEFT' : 'RIGHT');
    return;
  }
  const form = waiters.WANT_MOVE | (fromHead ? waiters.FROM_HEAD : 0) | (toHead ? waiters.TO_HEAD : 0);
  waitFor(ctx, 1, 1, form, 1, 2, timeoutMs);
}
function blmove(ctx: CommandContext): void {
  const fromHead = sideArgument(ctx, 3);
  const toHead = fromHead === null ? null : sideArgument(ctx, 4);
  if (fromHead === null || toHead === null) return;
  const timeoutMs = timeoutArgument(ctx, 5);
  if (timeoutMs >= 0) move(ctx, fromHead, toHead, timeoutMs);
}
function brpoplpush(ctx: CommandContext): void {
  const timeoutMs = timeoutArgument(ctx, 3);
  if (timeoutMs >= 0) move(ctx, false, true, timeoutMs);
}

/** BLMPOP and BZMPOP: timeout numkeys key ... LEFT|RIGHT|MIN|MAX [COUNT count]. */
function multiPop(type: number): Handler {
  const isList = type === TYPE_LIST;
  const want = isList ? waiters.WANT_ELEMENTS : waiters.WANT_MEMBERS;
  return (ctx) => {
    const timeoutMs = timeoutArgument(ctx, 1);
    if (timeoutMs < 0) return;
    const options = parseMultiPop(ctx, 2, isList ? ['left', 'right'] : ['min', 'max']);
    if (options === null) return;
    if (isList ? popFirstList(ctx, options) : popFirst(ctx, options)) {
      if (ctx.keyspace.changes !== 0) logMultiPop(ctx, isList, options);
      return;
    }
    const fromHead = options.word === 'left' || options.word === 'min';
    const count = Math.min(options.count, 0x7fffffff);
    waitFor(ctx, options.firstKey, options.lastKey, want | (fromHead ? waiters.FROM_HEAD : 0), count, 0, timeoutMs);
  };
}

/** The log gets the form that doesn't wait, with all its keys: the same one has the elements when it runs again. */
function logMultiPop(ctx: CommandContext, isList: boolean, options: MultiPop): void {
  const keys: number[] = [];
  for (let index = options.firstKey; index <= options.lastKey; index++) keys.push(index);
  ctx.effectOf(isList ? 'LMPOP' : 'ZMPOP', String(keys.length), ...keys, options.word, 'COUNT', String(options.count));
}

/** CLIENT UNBLOCK id [TIMEOUT | ERROR]. */
function unblock(ctx: CommandContext): void {
  const how = ctx.argc > 3 ? ctx.word(3) : 'timeout';
  if (ctx.argc > 4 || (how !== 'timeout' && how !== 'error')) {
    ctx.reply.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
    return;
  }
  const text = ctx.text(2);
  if (!/^-?\d{1,18}$/.test(text)) {
    ctx.reply.error('ERR value is not an integer or out of range');
    return;
  }
  ctx.server.defer(ctx, { kind: 'client-unblock', id: Number(text), withError: how === 'error' }, (later, answer) =>
    later.reply.integer(answer as number),
  );
}

export const blockingHandlers: Record<string, Handler> = {
  blpop: pop(TYPE_LIST, true),
  brpop: pop(TYPE_LIST, false),
  bzpopmin: pop(TYPE_ZSET, true),
  bzpopmax: pop(TYPE_ZSET, false),
  blmove,
  brpoplpush,
  blmpop: multiPop(TYPE_LIST),
  bzmpop: multiPop(TYPE_ZSET),
  'client|unblock': unblock,
};
