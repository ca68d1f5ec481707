/** List commands; those that wait for an element are in blocking-lists.ts. */
import { compareBytes } from '../base/bytes.ts';
import { TYPE_LIST } from '../keyspace/keyspace.ts';
import { List, ListCursor } from '../keyspace/list-value.ts';
import { type CommandContext, ERR_NO_KEY, ERR_SYNTAX, ERR_WRONG_TYPE, type Handler } from './context.ts';
import { type MultiPop, parseMultiPop } from './multi-pop.ts';
import { boundedArgument, integerArgument } from './numeric-arguments.ts';

/** The lists and the cursor that handlers of this thread work with; borrowed until the next handler runs. */
const list = new List();
const target = new List();
const cursor = new ListCursor();

const ERR_NOT_POSITIVE = 'ERR value is out of range, must be positive';
const ERR_INDEX = 'ERR index out of range';

/** Opens the list of a key; null after WRONGTYPE was replied. A key that isn't there is an empty list. */
function openList(ctx: CommandContext, entry: number, view: List): List | null {
  if (entry !== 0 && ctx.keyspace.type(entry) !== TYPE_LIST) {
    ctx.reply.error(ERR_WRONG_TYPE);
    return null;
  }
  return view.open(ctx.keyspace, entry);
}
function readList(ctx: CommandContext, index: number): List | null {
  ctx.locate(index);
  return openList(ctx, ctx.keyspace.read(), list);
}
function writeList(ctx: CommandContext, index: number, view: List = list): List | null {
  ctx.locate(index);
  return openList(ctx, ctx.keyspace.write(), view);
}

// ---- both ends ----

function push(atHead: boolean, onlyIfThere: boolean): Handler {
  return (ctx) => {
    const at = writeList(ctx, 1);
    if (at === null) return;
    if (onlyIfThere && at.size === 0) {
      ctx.reply.integer(0);
      return;
    }
    let index = 2;
    try {
      for (; index < ctx.argc; index++) at.push(ctx.bytes, ctx.start(index), ctx.end(index), atHead);
    } catch (error) {
      // All elements or none: what was pushed before the bank was full goes again.
      if (index > 2) at.drop(index - 2, atHead);
      at.removeIfEmpty();
      throw error;
    }
    ctx.reply.integer(at.size);
  };
}

/** Replies with elements from one end and removes them; `count` are there. */
function popElements(ctx: CommandContext, at: List, count: number, atHead: boolean): void {
  if (count === 0) return;
  at.seek(cursor, atHead ? 0 : at.size - 1);
  for (let popped = 0; popped < count; popped++) {
    ctx.reply.bulkView(cursor.view, cursor.start, cursor.end - cursor.start);
    if (popped === count - 1) break;
    if (atHead) cursor.next();
    else cursor.previous();
  }
  if (count === at.size) at.removeKey();
  else at.drop(count, atHead);
}

function pop(atHead: boolean): Handler {
  return (ctx) => {
    const hasCount = ctx.argc === 3;
    if (ctx.argc > 3) {
      ctx.reply.error(`ERR wrong number of arguments for '${ctx.command?.name}' command`);
      return;
    }
    const count = hasCount ? boundedArgument(ctx, 2, 0, Number.POSITIVE_INFINITY, ERR_NOT_POSITIVE) : 1;
    if (count === null) return;
    const at = writeList(ctx, 1);
    if (at === null) return;
    if (at.size === 0) {
      if (hasCount) ctx.reply.nilArray();
      else ctx.reply.nil();
      return;
    }
    const taken = Math.min(count, at.size);
    if (hasCount) ctx.reply.array(taken);
    popElements(ctx, at, taken, atHead);
  };
}

/** Pops from the first of the keys that has elements, and replies [key, [element, ...]]. False when all are empty. */
export function popFirstList(ctx: CommandContext, options: MultiPop): boolean {
  for (let index = options.firstKey; index <= options.lastKey; index++) {
    const at = writeList(ctx, index);
    if (at === null) return true;
    if (at.size === 0) continue;
    const count = Math.min(options.count, at.size);
    ctx.reply.array(2);
    ctx.reply.bulk(ctx.bytes, ctx.start(index), ctx.end(index));
    ctx.reply.array(count);
    popElements(ctx, at, count, options.word === 'left');
    return true;
  }
  return false;
}
/** BLPOP's and BRPOP's [key, element], of one key; false when it has no elements. */
export function popListAt(ctx: CommandContext, index: number, atHead: boolean): boolean {
  const at = writeList(ctx, index);
  if (at === null) return true;
  if (at.size === 0) return false;
  ctx.reply.array(2);
  ctx.reply.bulk(ctx.bytes, ctx.start(index), ctx.end(index));
  popElements(ctx, at, 1, atHead);
  return true;
}
function lmpop(ctx: CommandContext): void {
  const options = parseMultiPop(ctx, 1, ['left', 'right']);
  if (options !== null && !popFirstList(ctx, options)) ctx.reply.nilArray();
}

/** Moves an element between the lists of arguments 1 and 2, and replies with it. False when there is none to be moved. */
export function moveElement(ctx: CommandContext, fromHead: boolean, toHead: boolean): boolean {
  const source = writeList(ctx, 1);
  if (source === null) return true;
  if (source.size === 0) return false;
  const sink = writeList(ctx, 2, target);
  if (sink === null) return true;
  source.seek(cursor, fromHead ? 0 : source.size - 1);
  ctx.reply.bulkView(cursor.view, cursor.start, cursor.end - cursor.start);
  sink.push(cursor.bytes, cursor.start, cursor.end, toHead);
  ctx.locate(1);
  source.drop(1, fromHead);
  source.removeIfEmpty();
  return true;
}
function rpoplpush(ctx: CommandContext): void {
  if (!moveElement(ctx, false, true)) ctx.reply.nil();
}
/** LEFT or RIGHT in an argument: true for LEFT, null after an error. */
export function sideArgument(ctx: CommandContext, index: number): boolean | null {
  const word = ctx.word(index);
  if (word === 'left' || word === 'right') return word === 'left';
  ctx.reply.error(ERR_SYNTAX);
  return null;
}
function lmove(ctx: CommandContext): void {
  const fromHead = sideArgument(ctx, 3);
  const toHead = fromHead === null ? null : sideArgument(ctx, 4);
  if (fromHead === null || toHead === null) return;
  if (!moveElement(ctx, fromHead, toHead)) ctx.reply.nil();
}

// ---- places ----

function llen(ctx: CommandContext): void {
  const at = readList(ctx, 1);
  if (at !== null) ctx.reply.integer(at.size);
}

function lindex(ctx: CommandContext): void {
  const at = readList(ctx, 1);
  if (at === null) return;
  if (at.size === 0) {
    ctx.reply.nil();
    return;
  }
  const given = integerArgument(ctx, 2);
  if (given === null) return;
  const index = given < 0 ? given + at.size : given;
  if (index < 0 || index >= at.size) {
    ctx.reply.nil();
    return;
  }
  at.seek(cursor, index);
  ctx.reply.bulkView(cursor.view, cursor.start, cursor.end - cursor.start);
}

function lset(ctx: CommandContext): void {
  const at = writeList(ctx, 1);
  if (at === null) return;
  if (at.size === 0) {
    ctx.reply.error(ERR_NO_KEY);
    return;
  }
  const given = integerArgument(ctx, 2);
  if (given === null) return;
  const index = given < 0 ? given + at.size : given;
  if (index < 0 || index >= at.size) {
    ctx.reply.error(ERR_INDEX);
    return;
  }
  at.setAt(index, ctx.bytes, ctx.start(3), ctx.end(3));
  ctx.reply.ok();
}

/** The first and last index of a range as LRANGE and LTRIM mean it, in `rangeFirst` and `rangeLast`; false when it's empty. */
let rangeFirst = 0;
let rangeLast = 0;
function clampRange(first: number, last: number, size: number): boolean {
  rangeFirst = first < 0 ? Math.max(0, first + size) : first;
  rangeLast = Math.min(last < 0 ? last + size : last, size - 1);
  return rangeFirst <= rangeLast;
}

function lrange(ctx: CommandContext): void {
  const first = integerArgument(ctx, 2);
  const last = first === null ? null : integerArgument(ctx, 3);
  if (first === null || last === null) return;
  const at = readList(ctx, 1);
  if (at === null) return;
  if (!clampRange(first, last, at.size)) {
    ctx.reply.array(0);
    return;
  }
  const { reply } = ctx;
  const count = rangeLast - rangeFirst + 1;
  reply.array(count);
  at.seek(cursor, rangeFirst);
  for (let left = count; left > 0; ) {
    const run = Math.min(left, cursor.run);
    reply.bulkRun(cursor.view, cursor.start, run, cursor.end - cursor.start);
    cursor.skip(run);
    left -= run;
  }
}

function ltrim(ctx: CommandContext): void {
  const first = integerArgument(ctx, 2);
  const last = first === null ? null : integerArgument(ctx, 3);
  if (first === null || last === null) return;
  const at = writeList(ctx, 1);
  if (at === null) return;
  const { size } = at;
  if (size > 0 && !clampRange(first, last, size)) at.removeKey();
  else if (size > 0) {
    if (rangeLast < size - 1) at.drop(size - 1 - rangeLast, false);
    if (rangeFirst > 0) at.drop(rangeFirst, true);
  }
  ctx.reply.ok();
}

// ---- by value ----

function isArgument(ctx: CommandContext, index: number): boolean {
  const { start, end } = cursor;
  if (end - start !== ctx.length(index)) return false;
  return compareBytes(cursor.bytes, start, end, ctx.bytes, ctx.start(index), ctx.end(index)) === 0;
}

function linsert(ctx: CommandContext): void {
  const where = ctx.word(2);
  if (where !== 'before' && where !== 'after') {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  const at = writeList(ctx, 1);
  if (at === null) return;
  if (at.size === 0) {
    ctx.reply.integer(0);
    return;
  }
  let index = 0;
  for (at.seek(cursor, 0); cursor.chunk !== 0 && !isArgument(ctx, 3); cursor.next()) index++;
  if (index === at.size) {
    ctx.reply.integer(-1);
    return;
  }
  at.insertAt(where === 'before' ? index : index + 1, ctx.bytes, ctx.start(4), ctx.end(4));
  ctx.reply.integer(at.size);
}

function lrem(ctx: CommandContext): void {
  const count = integerArgument(ctx, 2);
  if (count === null) return;
  const at = writeList(ctx, 1);
  if (at === null) return;
  const isForward = count >= 0;
  const most = count === 0 ? at.size : Math.abs(count);
  let removed = 0;
  if (at.size > 0) {
    let index = isForward ? 0 : at.size - 1;
    at.seek(cursor, index);
    while (cursor.chunk !== 0 && removed < most) {
      if (isArgument(ctx, 3)) {
        at.removeHere(cursor, index, isForward);
        if (!isForward) index--;
        removed++;
        continue;
      }
      if (isForward) cursor.next();
      else cursor.previous();
      index += isForward ? 1 : -1;
    }
    at.removeIfEmpty();
  }
  ctx.reply.integer(removed);
}

type PositionOptions = { rank: number; count: number; maxLength: number };

function parsePositionOptions(ctx: CommandContext): PositionOptions | null {
  const options: PositionOptions = { rank: 1, count: -1, maxLength: 0 };
  for (let index = 3; index < ctx.argc; index += 2) {
    const word = ctx.word(index);
    if (index + 1 >= ctx.argc || (word !== 'rank' && word !== 'count' && word !== 'maxlen')) {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
    if (word === 'rank') {
      const rank = integerArgument(ctx, index + 1);
      if (rank === 0) {
        ctx.reply.error(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        );
      }
      if (rank === null || rank === 0) return null;
      options.rank = rank;
    } else {
      const error = `ERR ${word.toUpperCase()} can't be negative`;
      const given = boundedArgument(ctx, index + 1, 0, Number.POSITIVE_INFINITY, error);
      if (given === null) return null;
      if (word === 'count') options.count = given;
      else options.maxLength = given;
    }
  }
  return options;
}

function lpos(ctx: CommandContext): void {
  const options = parsePositionOptions(ctx);
  if (options === null) return;
  const at = readList(ctx, 1);
  if (at === null) return;
  const found = at.size === 0 ? [] : findPositions(ctx, at, options);
  if (options.count >= 0) {
    ctx.reply.array(found.length);
    for (const index of found) ctx.reply.integer(index);
  } else if (found.length > 0) ctx.reply.integer(found[0]!);
  else ctx.reply.nil();
}
function findPositions(ctx: CommandContext, at: List, options: PositionOptions): number[] {
  const isForward = options.rank > 0;
  let skip = Math.abs(options.rank) - 1;
  const wanted = options.count < 0 ? 1 : options.count === 0 ? at.size : options.count;
  const most = options.maxLength === 0 ? at.size : Math.min(at.size, options.maxLength);
  const found: number[] = [];
  at.seek(cursor, isForward ? 0 : at.size - 1);
  for (let seen = 0; seen < most && found.length < wanted; seen++) {
    if (isArgument(ctx, 2) && skip-- <= 0) found.push(isForward ? seen : at.size - 1 - seen);
    if (isForward) cursor.next();
    else cursor.previous();
  }
  return found;
}

export const listHandlers: Record<string, Handler> = {
  lpush: push(true, false),
  rpush: push(false, false),
  lpushx: push(true, true),
  rpushx: push(false, true),
  lpop: pop(true),
  rpop: pop(false),
  lmpop,
  lmove,
  rpoplpush,
  llen,
  lindex,
  lset,
  lrange,
  ltrim,
  linsert,
  lrem,
  lpos,
};
