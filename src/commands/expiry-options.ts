/** Times of expiry as clients give them: EX and PX from now, EXAT and PXAT since 1970. */
import { parseInt64 } from '../base/numbers.ts';
import { type CommandContext, ERR_NOT_INTEGER } from './context.ts';

export type TimeUnit = 'ex' | 'px' | 'exat' | 'pxat';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
/** The last double below 2^63: times beyond 2^53 milliseconds (in 285 thousand years) are kept to the second or so. */
const MAX_TIME_MS = 2 ** 63 - 1024;

export function isTimeUnit(word: string): word is TimeUnit {
  return word === 'ex' || word === 'px' || word === 'exat' || word === 'pxat';
}

/** given * unitMs + baseMs as Redis computes it in 64 bits, or null when that overflows. */
export function expiryMs(given: number | bigint, unitMs: number, baseMs: number): number | null {
  const near = Number(given) * unitMs + baseMs;
  if (Math.abs(near) <= Number.MAX_SAFE_INTEGER) return near;
  const scaled = BigInt(given) * BigInt(unitMs);
  const exact = scaled + BigInt(Math.floor(baseMs));
  if (scaled > INT64_MAX || scaled < INT64_MIN || exact > INT64_MAX) return null;
  return Math.min(Number(exact), MAX_TIME_MS);
}

/**
 * The argument as milliseconds since 1970; it must be above zero and not overflow. Replies the error and returns -1 otherwise.
 * `name` is the command's, for the words of the error.
 */
export function parseExpiry(ctx: CommandContext, index: number, unit: TimeUnit, name: string): number {
  const given = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (given === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return -1;
  }
  const factor = unit === 'ex' || unit === 'exat' ? 1000 : 1;
  const at = expiryMs(given, factor, unit === 'ex' || unit === 'px' ? ctx.keyspace.nowMs : 0);
  if (given <= 0 || at === null) {
    ctx.reply.error(`ERR invalid expire time in '${name}' command`);
    return -1;
  }
  return at;
}
