/** Times of expiry as clients give them: EX and PX from now, EXAT and PXAT since 1970. */
import { parseInt64 } from '../base/numbers.ts';
import { type CommandContext, ERR_NOT_INTEGER } from './context.ts';

const MAX_TIME_MS = Number.MAX_SAFE_INTEGER;

/**
 * The argument as milliseconds since 1970; it must be above zero and not overflow. Replies the error and returns -1 otherwise.
 * `name` is the command's, for the words of the error.
 */
export function parseExpiry(ctx: CommandContext, index: number, unit: 'ex' | 'px' | 'exat' | 'pxat', name: string): number {
  const given = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (given === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return -1;
  }
  const factor = unit === 'ex' || unit === 'exat' ? 1000 : 1;
  const base = unit === 'ex' || unit === 'px' ? ctx.keyspace.nowMs : 0;
  const at = Number(given) * factor + base;
  if (given <= 0 || at > MAX_TIME_MS) {
    ctx.reply.error(`ERR invalid expire time in '${name}' command`);
    return -1;
  }
  return at;
}
