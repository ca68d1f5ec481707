/** Geo commands: sorted sets whose scores are places (base/geohash.ts). The searches are in geo-search.ts. */
import { decode, distance, encode, isOnMap, type Position, standardHash } from '../base/geohash.ts';
import type { Zset } from '../keyspace/zset-value.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { floatArgument } from './numeric-arguments.ts';
import { addScored, readZset } from './zsets.ts';

const UNITS: Readonly<Record<string, number>> = { m: 1, km: 1000, ft: 0.3048, mi: 1609.34 };
const COORDINATE_DECIMALS = 17;
const DISTANCE_DECIMALS = 4;

/** Metres of the unit in an argument, or NaN after an error was replied. */
export function unitArgument(ctx: CommandContext, index: number): number {
  const metres = UNITS[ctx.word(index)];
  if (metres !== undefined) return metres;
  ctx.reply.error('ERR unsupported unit provided. please use M, KM, FT, MI');
  return Number.NaN;
}

/** The place in two arguments, or null after an error was replied. */
export function positionArgument(ctx: CommandContext, index: number): Position | null {
  const longitude = floatArgument(ctx, index);
  if (Number.isNaN(longitude)) return null;
  const latitude = floatArgument(ctx, index + 1);
  if (Number.isNaN(latitude)) return null;
  if (isOnMap(longitude, latitude)) return { longitude, latitude };
  ctx.reply.error(`ERR invalid longitude,latitude pair ${printFixed(longitude)},${printFixed(latitude)}`);
  return null;
}
/** %f: six decimals, and words for infinities. */
function printFixed(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** The place of a member in the bytes of an argument, or null when it isn't there. */
export function positionOf(ctx: CommandContext, set: Zset, index: number): Position | null {
  const handle = set.find(ctx.bytes, ctx.start(index), ctx.end(index));
  return handle === 0 ? null : decode(set.score(handle));
}

export function replyPosition(ctx: CommandContext, { longitude, latitude }: Position): void {
  ctx.reply.array(2);
  replyCoordinate(ctx, longitude);
  replyCoordinate(ctx, latitude);
}
function replyCoordinate(ctx: CommandContext, value: number): void {
  const text = value.toFixed(COORDINATE_DECIMALS).replace(/\.?0+$/, '');
  ctx.reply.doubleText(text === '-0' ? '0' : text);
}
export function replyDistance(ctx: CommandContext, value: number): void {
  ctx.reply.bulkString(value.toFixed(DISTANCE_DECIMALS));
}

function geoadd(ctx: CommandContext): void {
  const flags: string[] = [];
  let first = 2;
  for (; first < ctx.argc; first++) {
    const word = ctx.word(first);
    if (word !== 'nx' && word !== 'xx' && word !== 'ch') break;
    flags.push(word);
  }
  const words = ctx.argc - first;
  if (words % 3 !== 0 || (flags.includes('nx') && flags.includes('xx'))) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  const scores: number[] = [];
  for (let index = first; index < ctx.argc; index += 3) {
    const position = positionArgument(ctx, index);
    if (position === null) return;
    scores.push(encode(position.longitude, position.latitude));
  }
  addScored(ctx, flags, scores, first + 2, 3);
}

function geodist(ctx: CommandContext): void {
  const unit = ctx.argc === 5 ? unitArgument(ctx, 4) : 1;
  if (Number.isNaN(unit)) return;
  if (ctx.argc > 5) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  const set = readZset(ctx, 1);
  if (set === null) return;
  const a = positionOf(ctx, set, 2);
  const b = positionOf(ctx, set, 3);
  if (a === null || b === null) ctx.reply.nil();
  else replyDistance(ctx, distance(a.longitude, a.latitude, b.longitude, b.latitude) / unit);
}

function geohash(ctx: CommandContext): void {
  const set = readZset(ctx, 1);
  if (set === null) return;
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) {
    const position = positionOf(ctx, set, index);
    if (position === null) ctx.reply.nil();
    else ctx.reply.bulkString(standardHash(position));
  }
}

function geopos(ctx: CommandContext): void {
  const set = readZset(ctx, 1);
  if (set === null) return;
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) {
    const position = positionOf(ctx, set, index);
    if (position === null) ctx.reply.nilArray();
    else replyPosition(ctx, position);
  }
}

export const geoHandlers: Record<string, Handler> = { geoadd, geodist, geohash, geopos };
