/** Ranges of sorted sets by rank, by score and by member: read, stored, counted, removed. All of them become ranges of ranks. */
import type { Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { integerArgument, parseBound } from './numeric-arguments.ts';
import { storeZset } from './zset-store.ts';
import { cursor, readZset, replyMembers, writeZset } from './zsets.ts';

const ERR_BAD_SCORE = 'ERR min or max is not a float';
const ERR_BAD_MEMBER = 'ERR min or max not valid string range item';

type Kind = 'rank' | 'score' | 'lex';
/** Bounds as they were given: ranks, scores with their parentheses, or members. */
type Bounds =
  | { kind: 'rank'; first: number; last: number }
  | { kind: 'score'; min: number; max: number; excludesMin: boolean; excludesMax: boolean }
  | { kind: 'lex'; min: LexBound; max: LexBound };
/** A member, or an end of all members: -1 before them, 1 behind them. */
type LexBound = { end: -1 | 0 | 1; excludes: boolean; start: number; stop: number };

/** The bounds in two arguments, or null after an error was replied. */
function parseBounds(ctx: CommandContext, kind: Kind, min: number, max: number): Bounds | null {
  if (kind === 'rank') {
    const first = integerArgument(ctx, min);
    const last = first === null ? null : integerArgument(ctx, max);
    return first === null || last === null ? null : { kind, first, last };
  }
  if (kind === 'score') {
    const low = ctx.text(min);
    const high = ctx.text(max);
    const excludesMin = low.startsWith('(');
    const excludesMax = high.startsWith('(');
    const from = parseBound(excludesMin ? low.slice(1) : low);
    const to = parseBound(excludesMax ? high.slice(1) : high);
    if (!Number.isNaN(from) && !Number.isNaN(to)) return { kind, min: from, max: to, excludesMin, excludesMax };
    ctx.reply.error(ERR_BAD_SCORE);
    return null;
  }
  const low = parseLexBound(ctx, min);
  const high = parseLexBound(ctx, max);
  if (low !== null && high !== null) return { kind, min: low, max: high };
  ctx.reply.error(ERR_BAD_MEMBER);
  return null;
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
function rangeStart(ctx: CommandContext, set: Zset, bounds: Bounds): number {
  const { size } = set;
  if (bounds.kind === 'score') {
    const start = set.rankOfScore(bounds.min, bounds.excludesMin);
    rangeEnd = set.rankOfScore(bounds.max, !bounds.excludesMax);
    return start;
  }
  if (bounds.kind === 'lex') {
    const start = lexRank(ctx, set, bounds.min, bounds.min.excludes);
    rangeEnd = lexRank(ctx, set, bounds.max, !bounds.max.excludes);
    return start;
  }
  const first = bounds.first < 0 ? Math.max(0, bounds.first + size) : bounds.first;
  const last = bounds.last < 0 ? bounds.last + size : Math.min(bounds.last, size - 1);
  rangeEnd = last + 1;
  return Math.min(first, size);
}
function lexRank(ctx: CommandContext, set: Zset, bound: LexBound, orEqual: boolean): number {
  if (bound.end !== 0) return bound.end < 0 ? 0 : set.size;
  return set.rankOfMember(ctx.bytes, bound.start, bound.stop, orEqual);
}

type RangeOptions = {
  bounds: Bounds;
  isReverse: boolean;
  withScores: boolean;
  offset: number;
  limit: number;
};

/** The range's bounds in arguments `at` and `at` + 1, and the options behind them. What a command's name says is not undecided. */
function parseRange(
  ctx: CommandContext,
  at: number,
  named: { kind: Kind | null; isReverse: boolean | null },
  isStored: boolean,
): RangeOptions | null {
  let { kind, isReverse } = named;
  let withScores = false;
  let offset = 0;
  let limit = -1;
  for (let index = at + 2; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (!isStored && word === 'withscores') withScores = true;
    else if (word === 'limit' && index + 2 < ctx.argc) {
      const given = integerArgument(ctx, index + 1);
      const count = given === null ? null : integerArgument(ctx, index + 2);
      if (given === null || count === null) return null;
      offset = given;
      limit = count;
      index += 2;
    } else if (named.isReverse === null && isReverse === null && word === 'rev') isReverse = true;
    else if (kind === null && word === 'bylex') kind = 'lex';
    else if (kind === null && word === 'byscore') kind = 'score';
    else {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
  }
  kind ??= 'rank';
  isReverse ??= false;
  if (limit !== -1 && kind === 'rank') {
    ctx.reply.error('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
    return null;
  }
  if (withScores && kind === 'lex') {
    ctx.reply.error('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
    return null;
  }
  const swaps = isReverse && kind !== 'rank';
  const bounds = parseBounds(ctx, kind, swaps ? at + 1 : at, swaps ? at : at + 1);
  return bounds === null ? null : { bounds, isReverse, withScores, offset, limit };
}

/** Opens the cursor on what the options choose, and returns how many members it will give. */
function openRange(ctx: CommandContext, set: Zset, options: RangeOptions, on: ZsetCursor): number {
  const { bounds, isReverse, offset, limit } = options;
  const { size } = set;
  let start = rangeStart(ctx, set, bounds);
  let count = Math.max(0, rangeEnd - start);
  // Ranks are counted from the end that the range begins at.
  if (isReverse) start = bounds.kind === 'rank' ? size - 1 - start : rangeEnd - 1;
  if (bounds.kind !== 'rank') {
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
    const options = parseRange(ctx, 2, named, false);
    if (options === null) return;
    const set = readZset(ctx, 1);
    if (set === null) return;
    const count = openRange(ctx, set, options, cursor);
    replyMembers(ctx, cursor, count, options.withScores);
  };
}

function zrangestore(ctx: CommandContext): void {
  const options = parseRange(ctx, 3, { kind: null, isReverse: null }, true);
  if (options === null) return;
  const set = readZset(ctx, 2);
  if (set === null) return;
  openRange(ctx, set, options, cursor);
  storeZset(ctx, 1, (result) => {
    while (cursor.next()) {
      const { bytes, start, end } = cursor.element;
      result.addMember(bytes, start, end, cursor.score);
    }
  });
}

function count(kind: 'score' | 'lex'): Handler {
  return (ctx) => {
    const bounds = parseBounds(ctx, kind, 2, 3);
    if (bounds === null) return;
    const set = readZset(ctx, 1);
    if (set === null) return;
    const start = rangeStart(ctx, set, bounds);
    ctx.reply.integer(Math.max(0, rangeEnd - start));
  };
}

function zremrange(kind: Kind): Handler {
  return (ctx) => {
    const bounds = parseBounds(ctx, kind, 2, 3);
    if (bounds === null) return;
    const set = writeZset(ctx, 1);
    if (set === null) return;
    const start = rangeStart(ctx, set, bounds);
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
