/** What SSCAN, HSCAN and ZSCAN have in common: cursor, MATCH, COUNT, and the shape of the reply. */
import { globMatch } from '../base/glob.ts';
import { formatDouble, parseInt64 } from '../base/numbers.ts';
import { type CommandContext, ERR_NOT_INTEGER, ERR_SYNTAX } from './context.ts';

const MAX_CURSOR_DIGITS = 20;
const MAX_CURSOR = 18446744073709551615n;

export type ScanOptions = { cursor: number; count: number; matches: (name: string) => boolean };

/** Replies the error and says false when argument `at` is no cursor. */
export function checkCursor(ctx: CommandContext, at: number): boolean {
  const given = ctx.text(at);
  if (/^\d+$/.test(given) && given.length <= MAX_CURSOR_DIGITS && BigInt(given) <= MAX_CURSOR) return true;
  ctx.reply.error('ERR invalid cursor');
  return false;
}

/** The cursor in argument `at` and the options behind it; null after an error was replied. */
export function parseScanOptions(ctx: CommandContext, at: number): ScanOptions | null {
  if (!checkCursor(ctx, at)) return null;
  let count = 10;
  let pattern = '*';
  for (let index = at + 1; index < ctx.argc; index += 2) {
    const word = ctx.word(index);
    if (index + 1 >= ctx.argc || (word !== 'match' && word !== 'count')) {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
    if (word === 'match') {
      pattern = ctx.text(index + 1);
      continue;
    }
    const value = parseInt64(ctx.bytes, ctx.start(index + 1), ctx.end(index + 1));
    if (value === null || value < 1) {
      ctx.reply.error(value === null ? ERR_NOT_INTEGER : ERR_SYNTAX);
      return null;
    }
    count = Number(value);
  }
  return { cursor: Number(ctx.text(at)), count, matches: pattern === '*' ? () => true : (name) => globMatch(pattern, name) };
}

/** Replies [cursor, [element, ...]]; a number is a score. */
export function replyScan(ctx: CommandContext, next: number, found: readonly (string | number)[]): void {
  ctx.reply.array(2);
  ctx.reply.bulkString(String(next));
  ctx.reply.array(found.length);
  for (const one of found) ctx.reply.bulkString(typeof one === 'number' ? formatDouble(one) : one);
}
