/** Sorted set commands on single members. Ranges are in zset-ranges.ts, unions and their like in zset-algebra.ts. */
import { random32 } from '../base/random.ts';
import { TYPE_ZSET } from '../keyspace/keyspace.ts';
import { Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_NOT_FLOAT, ERR_SYNTAX, ERR_WRONG_TYPE, type Handler } from './context.ts';
import { replyElement } from './elements.ts';
import { type MultiPop, parseMultiPop } from './multi-pop.ts';
import { boundedArgument, floatArgument, integerArgument, parseFloat64 } from './numeric-arguments.ts';
import { parseScanOptions, replyScan } from './scan-options.ts';

/** The set and the cursor that handlers of this thread work with; borrowed until the next handler runs. */
export const zset = new Zset();
export const cursor = new ZsetCursor();
const element = new Element();

const ERR_NAN = 'ERR resulting score is not a number (NaN)';

/** Opens the sorted set of a key for reading; null after WRONGTYPE was replied. A key that isn't there is an empty set. */
export function readZset(ctx: CommandContext, index: number): Zset | null {
  ctx.locate(index);
  return openZset(ctx, ctx.keyspace.read());
}
/** As `readZset`, for a change. */
export function writeZset(ctx: CommandContext, index: number): Zset | null {
  ctx.locate(index);
  return openZset(ctx, ctx.keyspace.write());
}
function openZset(ctx: CommandContext, entry: number): Zset | null {
  if (entry !== 0 && ctx.keyspace.type(entry) !== TYPE_ZSET) {
    ctx.reply.error(ERR_WRONG_TYPE);
    return null;
  }
  return zset.open(ctx.keyspace, entry);
}

/** Replies with members as the cursor gives them: `count` of them, with scores in pairs of their own in RESP3. */
export function replyMembers(ctx: CommandContext, from: ZsetCursor, count: number, withScores: boolean): void {
  const { reply } = ctx;
  const isNested = withScores && reply.resp === 3;
  reply.array(withScores && !isNested ? count * 2 : count);
  if (from.zset.isTree && !withScores) {
    replyNodes(ctx, from);
    return;
  }
  while (from.advance()) {
    if (isNested) reply.array(2);
    replyMember(ctx, from.zset, from.handle);
    if (withScores) reply.double(from.score);
  }
}
function replyNodes(ctx: CommandContext, from: ZsetCursor): void {
  const { nodes, zset: set } = from;
  const { i32, u8 } = set.bank;
  for (let count = from.nextNodes(); count > 0; count = from.nextNodes()) {
    for (let index = 0; index < count; index++) {
      const node = nodes[index]!;
      ctx.reply.bulkWords(i32, u8, set.memberWord(node), set.memberLength(node));
    }
  }
}
function replyMember(ctx: CommandContext, set: Zset, handle: number): void {
  if (set.isTree) {
    const { bank } = set;
    ctx.reply.bulkWords(bank.i32, bank.u8, set.memberWord(handle), set.memberLength(handle));
    return;
  }
  set.member(handle, element);
  replyElement(ctx, element);
}

// ---- ZADD, ZINCRBY ----

const ADD_NX = 1;
const ADD_XX = 2;
const ADD_GT = 4;
const ADD_LT = 8;
const ADD_INCR = 16;
const ADD_CH = 32;
const ADD_FLAGS: Record<string, number> = { nx: ADD_NX, xx: ADD_XX, gt: ADD_GT, lt: ADD_LT, incr: ADD_INCR, ch: ADD_CH };

function zadd(ctx: CommandContext): void {
  let flags = 0;
  let first = 2;
  for (; first < ctx.argc && ctx.length(first) <= 4; first++) {
    const byte = ctx.bytes[ctx.start(first)]!;
    const flag = byte >= 65 ? ADD_FLAGS[ctx.word(first)] : undefined;
    if (flag === undefined) break;
    flags |= flag;
  }
  const pairs = ctx.argc - first;
  if (pairs === 0 || pairs % 2 !== 0) ctx.reply.error(ERR_SYNTAX);
  else if (flags & ADD_NX && flags & ADD_XX) ctx.reply.error('ERR XX and NX options at the same time are not compatible');
  else if ((flags & ADD_GT && flags & (ADD_NX | ADD_LT)) || (flags & ADD_LT && flags & ADD_NX)) {
    ctx.reply.error('ERR GT, LT, and/or NX options at the same time are not compatible');
  } else if (flags & ADD_INCR && pairs > 2) {
    ctx.reply.error('ERR INCR option supports a single increment-element pair');
  } else {
    addPairs(ctx, first, flags);
  }
}

/** Scores of the command that runs, checked before anything changes. */
let scores = new Float64Array(64);

/** ZADD with scores that were computed: members stand at argument `first` and every `step` behind it; flags are ZADD's words. */
export function addScored(ctx: CommandContext, words: readonly string[], given: readonly number[], first: number, step: number): void {
  if (given.length > scores.length) scores = new Float64Array(given.length * 2);
  scores.set(given);
  let flags = 0;
  for (const word of words) flags |= ADD_FLAGS[word] ?? 0;
  addMembers(ctx, first, step, given.length, flags);
}

function addPairs(ctx: CommandContext, first: number, flags: number): void {
  const count = (ctx.argc - first) / 2;
  if (count > scores.length) scores = new Float64Array(count * 2);
  for (let pair = 0; pair < count; pair++) {
    const score = parseFloat64(ctx, first + pair * 2);
    if (Number.isNaN(score)) {
      ctx.reply.error(ERR_NOT_FLOAT);
      return;
    }
    scores[pair] = score;
  }
  addMembers(ctx, first + 1, 2, count, flags);
}

/** Adds `count` members, which stand `step` arguments apart from `first` on, with the scores in `scores`; replies as ZADD does. */
function addMembers(ctx: CommandContext, first: number, step: number, count: number, flags: number): void {
  const set = writeZset(ctx, 1);
  if (set === null) return;
  let added = 0;
  let changed = 0;
  for (let pair = 0; pair < count; pair++) {
    const outcome = addOne(ctx, set, first + pair * step, scores[pair]!, flags);
    if (outcome === IS_NAN) {
      ctx.reply.error(ERR_NAN);
      return;
    }
    if (outcome === ADDED) added++;
    else if (outcome === CHANGED) changed++;
    if (flags & ADD_INCR) {
      if (outcome === REFUSED) ctx.reply.nil();
      else ctx.reply.double(resultingScore);
      return;
    }
  }
  ctx.reply.integer(flags & ADD_CH ? added + changed : added);
}

const REFUSED = 0;
const ADDED = 1;
const CHANGED = 2;
const KEPT = 3;
const IS_NAN = 4;
/** The score that the member has after `addOne`. */
let resultingScore = 0;

/** Adds or changes one member by the flags; the argument `at` is the member. */
function addOne(ctx: CommandContext, set: Zset, at: number, given: number, flags: number): number {
  const start = ctx.start(at);
  const end = ctx.end(at);
  const handle = set.find(ctx.bytes, start, end);
  if (handle === 0) {
    if (flags & ADD_XX) return REFUSED;
    set.addMember(ctx.bytes, start, end, given);
    resultingScore = given;
    return ADDED;
  }
  if (flags & ADD_NX) return REFUSED;
  const current = set.score(handle);
  const score = flags & ADD_INCR ? given + current : given;
  if (Number.isNaN(score)) return IS_NAN;
  if ((flags & ADD_LT && score >= current) || (flags & ADD_GT && score <= current)) return REFUSED;
  resultingScore = score;
  if (score === current) return KEPT;
  set.changeScore(handle, score);
  return CHANGED;
}

function zincrby(ctx: CommandContext): void {
  // A word that is an option of ZADD is taken as one, and then an argument is missing.
  if (ADD_FLAGS[ctx.word(2)] !== undefined) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  const by = floatArgument(ctx, 2);
  if (Number.isNaN(by)) return;
  const set = writeZset(ctx, 1);
  if (set === null) return;
  if (addOne(ctx, set, 3, by, ADD_INCR) === IS_NAN) ctx.reply.error(ERR_NAN);
  else ctx.reply.double(resultingScore);
}

// ---- looking up ----

function zcard(ctx: CommandContext): void {
  const set = readZset(ctx, 1);
  if (set !== null) ctx.reply.integer(set.size);
}

function zscore(ctx: CommandContext): void {
  const set = readZset(ctx, 1);
  if (set !== null) replyScore(ctx, set, 2);
}
function replyScore(ctx: CommandContext, set: Zset, index: number): void {
  const handle = set.find(ctx.bytes, ctx.start(index), ctx.end(index));
  if (handle === 0) ctx.reply.nil();
  else ctx.reply.double(set.score(handle));
}

function zmscore(ctx: CommandContext): void {
  const set = readZset(ctx, 1);
  if (set === null) return;
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) replyScore(ctx, set, index);
}

function zrank(isReverse: boolean): Handler {
  return (ctx) => {
    if (ctx.argc > 4 || (ctx.argc === 4 && ctx.word(3) !== 'withscore')) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    const set = readZset(ctx, 1);
    if (set === null) return;
    const handle = set.find(ctx.bytes, ctx.start(2), ctx.end(2));
    if (handle === 0) {
      if (ctx.argc === 4) ctx.reply.nilArray();
      else ctx.reply.nil();
      return;
    }
    const rank = set.rank(handle);
    if (ctx.argc === 4) ctx.reply.array(2);
    ctx.reply.integer(isReverse ? set.size - 1 - rank : rank);
    if (ctx.argc === 4) ctx.reply.double(set.score(handle));
  };
}

// ---- removing ----

function zrem(ctx: CommandContext): void {
  const set = writeZset(ctx, 1);
  if (set === null) return;
  let removed = 0;
  for (let index = 2; index < ctx.argc && set.size > 0; index++) {
    const handle = set.find(ctx.bytes, ctx.start(index), ctx.end(index));
    if (handle === 0) continue;
    set.removeMember(handle);
    removed++;
  }
  if (removed > 0) set.removeIfEmpty();
  ctx.reply.integer(removed);
}

/** Replies with members from one end, each before its score, and removes them. */
function popMembers(ctx: CommandContext, set: Zset, count: number, fromTop: boolean, isNested: boolean): void {
  const { reply } = ctx;
  reply.array(isNested ? count : count * 2);
  for (let popped = 0; popped < count; popped++) {
    const handle = set.at(fromTop ? set.size - 1 : 0);
    if (isNested) reply.array(2);
    replyMember(ctx, set, handle);
    reply.double(set.score(handle));
    set.removeMember(handle);
  }
  if (count > 0) set.removeIfEmpty();
}

function zpop(fromTop: boolean): Handler {
  return (ctx) => {
    if (ctx.argc > 3) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    const hasCount = ctx.argc === 3;
    const count = hasCount ? boundedArgument(ctx, 2, 0, Number.POSITIVE_INFINITY, 'ERR value is out of range, must be positive') : 1;
    if (count === null) return;
    const set = writeZset(ctx, 1);
    if (set === null) return;
    popMembers(ctx, set, Math.min(count, set.size), fromTop, hasCount && ctx.reply.resp === 3);
  };
}

/** Pops from the first of the keys that has members, and replies [key, [[member, score], ...]]. False when all are empty. */
export function popFirst(ctx: CommandContext, options: MultiPop): boolean {
  for (let index = options.firstKey; index <= options.lastKey; index++) {
    const set = writeZset(ctx, index);
    if (set === null) return true;
    if (set.size === 0) continue;
    ctx.reply.array(2);
    ctx.reply.bulk(ctx.bytes, ctx.start(index), ctx.end(index));
    popMembers(ctx, set, Math.min(options.count, set.size), options.word === 'max', true);
    return true;
  }
  return false;
}

/** BZPOPMIN's and BZPOPMAX's [key, member, score], of one key; false when it has no members. */
export function popMemberAt(ctx: CommandContext, index: number, fromTop: boolean): boolean {
  const set = writeZset(ctx, index);
  if (set === null) return true;
  if (set.size === 0) return false;
  const handle = set.at(fromTop ? set.size - 1 : 0);
  ctx.reply.array(3);
  ctx.reply.bulk(ctx.bytes, ctx.start(index), ctx.end(index));
  replyMember(ctx, set, handle);
  ctx.reply.double(set.score(handle));
  set.removeMember(handle);
  set.removeIfEmpty();
  return true;
}

function zmpop(ctx: CommandContext): void {
  const options = parseMultiPop(ctx, 1, ['min', 'max']);
  if (options !== null && !popFirst(ctx, options)) ctx.reply.nilArray();
}

// ---- random members, ZSCAN ----

const MAX_RANDOM_COUNT = 2 ** 52;

function zrandmember(ctx: CommandContext): void {
  if (ctx.argc === 2) {
    const set = readZset(ctx, 1);
    if (set === null) return;
    if (set.size === 0) {
      ctx.reply.nil();
      return;
    }
    replyMember(ctx, set, set.at(random32() % set.size));
    return;
  }
  const count = integerArgument(ctx, 2);
  if (count === null) return;
  const withScores = ctx.argc === 4 && ctx.word(3) === 'withscores';
  if (ctx.argc > 4 || (ctx.argc === 4 && !withScores)) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  if (withScores && Math.abs(count) > MAX_RANDOM_COUNT) {
    ctx.reply.error('ERR value is out of range');
    return;
  }
  const set = readZset(ctx, 1);
  if (set === null) return;
  if (count === 0 || set.size === 0) ctx.reply.array(0);
  else if (count < 0) replyWithRepeats(ctx, set, -count, withScores);
  else replyDistinct(ctx, set, Math.min(count, set.size), withScores);
}

function replyRandom(ctx: CommandContext, set: Zset, rank: number, withScores: boolean): void {
  const { reply } = ctx;
  const handle = set.at(rank);
  if (withScores && reply.resp === 3) reply.array(2);
  replyMember(ctx, set, handle);
  if (withScores) reply.double(set.score(handle));
}
function replyWithRepeats(ctx: CommandContext, set: Zset, count: number, withScores: boolean): void {
  ctx.reply.array(withScores && ctx.reply.resp === 2 ? count * 2 : count);
  for (let drawn = 0; drawn < count; drawn++) replyRandom(ctx, set, random32() % set.size, withScores);
}
/** Different members, each set of them as likely as any other: Floyd's sampling of ranks (Bentley, "A sample of brilliance", 1987). */
function replyDistinct(ctx: CommandContext, set: Zset, count: number, withScores: boolean): void {
  const { size } = set;
  if (count === size) {
    replyMembers(ctx, cursor.open(set, 0, count, false), count, withScores);
    return;
  }
  ctx.reply.array(withScores && ctx.reply.resp === 2 ? count * 2 : count);
  const drawn = new Set<number>();
  for (let bound = size - count; bound < size; bound++) {
    const rank = random32() % (bound + 1);
    const taken = drawn.has(rank) ? bound : rank;
    drawn.add(taken);
  }
  for (const rank of drawn) replyRandom(ctx, set, rank, withScores);
}

function zscan(ctx: CommandContext): void {
  const options = parseScanOptions(ctx, 2);
  if (options === null) return;
  const set = readZset(ctx, 1);
  if (set === null) return;
  const found: (string | number)[] = [];
  const next = set.scan(options.cursor, options.count, element, (score) => {
    const member = Buffer.from(element.bytes.subarray(element.start, element.end)).latin1Slice();
    if (options.matches(member)) found.push(member, score);
  });
  replyScan(ctx, next, found);
}

export const zsetHandlers: Record<string, Handler> = {
  zadd,
  zincrby,
  zcard,
  zscore,
  zmscore,
  zrank: zrank(false),
  zrevrank: zrank(true),
  zrem,
  zpopmin: zpop(false),
  zpopmax: zpop(true),
  zmpop,
  zrandmember,
  zscan,
};
