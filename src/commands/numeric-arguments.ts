/** Numbers in arguments, read as Redis reads them with C's strtod and strtoll. */
import { parseInt64, parsePlainFloat } from '../base/numbers.ts';
import { type CommandContext, ERR_NOT_FLOAT, ERR_NOT_INTEGER } from './context.ts';

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i;

/** What strtod makes of a whole text: NaN when it isn't one number. Too large is infinite, too small zero. */
function strtod(text: string): number {
  if (DECIMAL.test(text)) return Number(text);
  const infinite = INFINITE.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const hex = HEXADECIMAL.exec(text);
  if (hex === null) return Number.NaN;
  const digits = (hex[2] as string) + (hex[3] as string);
  if (digits === '') return Number.NaN;
  const magnitude = Number(BigInt(`0x${digits}`)) * 2 ** (Number(hex[4] ?? '0') - 4 * (hex[3] as string).length);
  return hex[1] === '-' ? -magnitude : magnitude;
}

/** A float as an argument: NaN when it's none, or out of the range of doubles. Infinities are written 'inf'. */
export function parseFloat64(ctx: CommandContext, index: number): number {
  const plain = parsePlainFloat(ctx.bytes, ctx.start(index), ctx.end(index));
  if (!Number.isNaN(plain)) return plain;
  const text = ctx.text(index);
  const value = strtod(text);
  if (Number.isFinite(value)) return value === 0 && /[1-9a-f]/i.test(mantissaOf(text)) ? Number.NaN : value;
  return INFINITE.test(text) ? value : Number.NaN;
}
function mantissaOf(text: string): string {
  return /x/i.test(text) ? text.replace(/^.*x/i, '').replace(/p.*$/i, '') : text.replace(/e.*$/i, '');
}

/** A bound of a range of scores behind its parenthesis, from byte `start` on; NaN when it's none. */
export function parseBound(bytes: Buffer, start: number, end: number): number {
  const plain = parsePlainFloat(bytes, start, end);
  return Number.isNaN(plain) ? parseAnyBound(bytes.latin1Slice(start, end)) : plain;
}
/** As a C string, so leading white space passes and a NUL ends it. */
function parseAnyBound(given: string): number {
  if (given === '+inf') return Number.POSITIVE_INFINITY;
  if (given === '-inf') return Number.NEGATIVE_INFINITY;
  const nul = given.indexOf('\0');
  const text = nul < 0 ? given : given.slice(0, nul);
  return text === '' ? 0 : strtod(text.replace(/^[ \t-\r]+/, ''));
}

/** A float argument, or NaN after the error was replied. */
export function floatArgument(ctx: CommandContext, index: number, error: string = ERR_NOT_FLOAT): number {
  const value = parseFloat64(ctx, index);
  if (Number.isNaN(value)) ctx.reply.error(error);
  return value;
}

const INT64_BOUND = 9007199254740991;

/**
 * An integer argument, or null after the error was replied. What lies beyond 2^53 is taken to that bound: these are places and counts,
 * and nothing is so long.
 */
export function integerArgument(ctx: CommandContext, index: number, error: string = ERR_NOT_INTEGER): number | null {
  const value = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (value === null) {
    ctx.reply.error(error);
    return null;
  }
  if (typeof value === 'number') return value;
  return value < 0n ? -INT64_BOUND : INT64_BOUND;
}

/** An integer within [min, max], or null after `error` was replied. */
export function boundedArgument(ctx: CommandContext, index: number, min: number, max: number, error: string): number | null {
  const value = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (value !== null && value >= min && value <= max) return Number(value);
  ctx.reply.error(error);
  return null;
}
