/** Ranges of sorted sets by rank, by score and by member: read, stored, counted, removed. All of them become ranges of ranks. */
import type { Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { integerArgument, parseBound } from './numeric-arguments.ts';
import { storeZset } from './zset-store.ts';
import { cursor, readZset, replyMembers, writeZset } from './zsets.ts';

const ERR_BAD_SCORE = 'ERR min or max is not a float';
const PARENTHESIS = 40;
const ERR_BAD_MEMBER = 'ERR min or max not valid string range item';

type Kind = 'rank' | 'score' | 'lex';
/** A member, or an end of all members: -1 before them, 1 behind them. */
type LexBound = { end: -1 | 0 | 1; excludes: boolean; start: number; stop: number };

/** The range that the current command means, as it was given. One for all of them, as ranges are read a million times a second. */
class Range {
  kind: Kind = 'rank';
  /** Ranks, or scores. */
  min = 0;
  max = 0;
  excludesMin = false;
  excludesMax = false;
  lexMin: LexBound = ALL_MEMBERS;
  lexMax: LexBound = ALL_MEMBERS;
  isReverse = false;
  withScores = false;
  offset = 0;
  limit = -1;
}
const ALL_MEMBERS: LexBound = { end: 0, excludes: false, start: 0, stop: 0 };
const range = new Range();

/** Reads the bounds in two arguments into `range`; false after an error was replied. */
function parseBounds(ctx: CommandContext, kind: Kind, min: number, max: number): boolean {
  range.kind = kind;
  if (kind === 'rank') {
    const first = integerArgument(ctx, min);
    const last = first === null ? null : integerArgument(ctx, max);
    if (first === null || last === null) return false;
    range.min = first;
    range.max = last;
    return true;
  }
  if (kind === 'score') {
    range.excludesMin = ctx.bytes[ctx.start(min)] === PARENTHESIS && ctx.length(min) > 0;
    range.excludesMax = ctx.bytes[ctx.start(max)] === PARENTHESIS && ctx.length(max) > 0;
    range.min = parseBound(ctx.bytes, ctx.start(min) + (range.excludesMin ? 1 : 0), ctx.end(min));
    range.max = parseBound(ctx.bytes, ctx.start(max) + (range.excludesMax ? 1 : 0), ctx.end(max));
    if (!Number.isNaN(range.min) && !Number.isNaN(range.max)) return true;
    ctx.reply.error(ERR_BAD_SCORE);
    return false;
  }
  const low = parseLexBound(ctx, min);
  const high = parseLexBound(ctx, max);
  if (low === null || high === null) {
    ctx.reply.error(ERR_BAD_MEMBER);
    return false;
  }
  range.lexMin = low;
  range.lexMax = high;
  return true;
}
function parseLexBound(ctx: CommandContext, index: number): LexBound | null {
  const start = ctx.start(index);
  const stop = ctx.end(index);
  const first = String.fromCharCode(ctx.bytes[start]!);
  if (start === stop) return null;
  if (first === '[' || first === '(') return { end: 0, excludes: first === '(', start: start + 1, stop };
  if (stop - start > 1) return null;
  if (first === '-') return { end: -1, excludes: false, start, stop };
  return first === '+' ? { end: 1, excludes: false, start, stop } : null;
}

/** The first rank of the range and, behind it, `rangeEnd`: the rank behind the last one. */
let rangeEnd = 0;
function rangeStart(ctx: CommandContext, set: Zset): number {
  const { size } = set;
  if (range.kind === 'score') {
    const start = set.rankOfScore(range.min, range.excludesMin);
    const isOpen = range.max === Number.POSITIVE_INFINITY && !range.excludesMax;
    rangeEnd = isOpen ? size : set.rankOfScore(range.max, !range.excludesMax);
    return start;
  }
  if (range.kind === 'lex') {
    const start = lexRank(ctx, set, range.lexMin, range.lexMin.excludes);
    rangeEnd = lexRank(ctx, set, range.lexMax, !range.lexMax.excludes);
    return start;
  }
  const first = range.min < 0 ? Math.max(0, range.min + size) : range.min;
  const last = range.max < 0 ? range.max + size : Math.min(range.max, size - 1);
  rangeEnd = last + 1;
  return Math.min(first, size);
}
function lexRank(ctx: CommandContext, set: Zset, bound: LexBound, orEqual: boolean): number {
  if (bound.end !== 0) return bound.end < 0 ? 0 : set.size;
  return set.rankOfMember(ctx.bytes, bound.start, bound.stop, orEqual);
}

/**
 * Reads a range's bounds in arguments `at` and `at` + 1, and the options behind them, into `range`; false after an error was replied. What
 * a command's name says is not undecided.
 */
function parseRange(ctx: CommandContext, at: number, named: { kind: Kind | null; isReverse: boolean | null }, isStored: boolean): boolean {
  let { kind, isReverse } = named;
  range.withScores = false;
  range.offset = 0;
  range.limit = -1;
  for (let index = at + 2; index < ctx.argc; index++) {
    if (!isStored && ctx.is(index, 'withscores')) range.withScores = true;
    else if (index + 2 < ctx.argc && ctx.is(index, 'limit')) {
      const given = integerArgument(ctx, index + 1);
      const count = given === null ? null : integerArgument(ctx, index + 2);
      if (given === null || count === null) return false;
      range.offset = given;
      range.limit = count;
      index += 2;
    } else if (named.isReverse === null && isReverse === null && ctx.is(index, 'rev')) isReverse = true;
    else if (kind === null && ctx.is(index, 'bylex')) kind = 'lex';
    else if (kind === null && ctx.is(index, 'byscore')) kind = 'score';
    else {
      ctx.reply.error(ERR_SYNTAX);
      return false;
    }
  }
  kind ??= 'rank';
  range.isReverse = isReverse ?? false;
  if (range.limit !== -1 && kind === 'rank') {
    ctx.reply.error('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
    return false;
  }
  if (range.withScores && kind === 'lex') {
    ctx.reply.error('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
    return false;
  }
  const swaps = range.isReverse && kind !== 'rank';
  return parseBounds(ctx, kind, swaps ? at + 1 : at, swaps ? at : at + 1);
}

/** Opens the cursor on what `range` chooses, and returns how many members it will give. */
function openRange(ctx: CommandContext, set: Zset, on: ZsetCursor): number {
  const { kind, isReverse, offset, limit } = range;
  const { size } = set;
  let start = rangeStart(ctx, set);
  let count = Math.max(0, rangeEnd - start);
  // Ranks are counted from the end that the range begins at.
  if (isReverse) start = kind === 'rank' ? size - 1 - start : rangeEnd - 1;
  if (kind !== 'rank') {
    if (offset < 0 || offset >= count) count = 0;
    else count -= offset;
    if (limit >= 0) count = Math.min(count, limit);
    start += isReverse ? -offset : offset;
  }
  on.open(set, start, count, isReverse);
  return count;
}

function zrange(kind: Kind | null, isReverse: boolean | null): Handler {
  const named = { kind, isReverse };
  return (ctx) => {
    if (!parseRange(ctx, 2, named, false)) return;
    const set = readZset(ctx, 1);
    if (set === null) return;
    const count = openRange(ctx, set, cursor);
    replyMembers(ctx, cursor, count, range.withScores);
  };
}

function zrangestore(ctx: CommandContext): void {
  if (!parseRange(ctx, 3, { kind: null, isReverse: null }, true)) return;
  const set = readZset(ctx, 2);
  if (set === null) return;
  openRange(ctx, set, cursor);
  storeZset(ctx, 1, (result) => {
    while (cursor.next()) {
      const { bytes, start, end } = cursor.element;
      result.addMember(bytes, start, end, cursor.score);
    }
  });
}

function count(kind: 'score' | 'lex'): Handler {
  return (ctx) => {
    if (!parseBounds(ctx, kind, 2, 3)) return;
    const set = readZset(ctx, 1);
    if (set === null) return;
    const start = rangeStart(ctx, set);
    ctx.reply.integer(Math.max(0, rangeEnd - start));
  };
}

function zremrange(kind: Kind): Handler {
  return (ctx) => {
    if (!parseBounds(ctx, kind, 2, 3)) return;
    const set = writeZset(ctx, 1);
    if (set === null) return;
    const start = rangeStart(ctx, set);
    const removed = Math.max(0, rangeEnd - start);
    if (removed === set.size && removed > 0) set.removeKey();
    else for (let left = removed; left > 0; left--) set.removeMember(set.at(start));
    ctx.reply.integer(removed);
  };
}

export const zsetRangeHandlers: Record<string, Handler> = {
  zrange: zrange(null, null),
  zrevrange: zrange('rank', true),
  zrangebyscore: zrange('score', false),
  zrevrangebyscore: zrange('score', true),
  zrangebylex: zrange('lex', false),
  zrevrangebylex: zrange('lex', true),
  zrangestore,
  zcount: count('score'),
  zlexcount: count('lex'),
  zremrangebyrank: zremrange('rank'),
  zremrangebyscore: zremrange('score'),
  zremrangebylex: zremrange('lex'),
};
