/** string.format: C's printf as lstrlib.c passes it on. */
import { argumentError, libraryError } from '../runtime/errors.ts';
import { reserveMemory } from '../runtime/meter.ts';
import { exponentDigits, fixedDigits, formatNotFinite, generalDigits } from '../runtime/numbers.ts';
import type { LuaValue } from '../runtime/value.ts';
import { checkNumber, checkString, toInteger, toUnsigned, untilZero } from './arguments.ts';

type Directive = { flags: string; width: number; precision: number; letter: string; end: number };
const FLAGS = '-+ #0';
const isDigit = (character: string | undefined): boolean => character !== undefined && character >= '0' && character <= '9';

/** Reads a directive behind its '%'. */
function parseDirective(text: string, start: number): Directive {
  let at = start;
  while (at < text.length && FLAGS.includes(text[at] as string)) at++;
  if (at - start > 5) throw libraryError('invalid format (repeated flags)');
  const flags = text.slice(start, at);
  const widthAt = at;
  while (isDigit(text[at]) && at - widthAt < 2) at++;
  const width = Number(text.slice(widthAt, at));
  let precision = -1;
  if (text[at] === '.') {
    const precisionAt = ++at;
    while (isDigit(text[at]) && at - precisionAt < 2) at++;
    precision = Number(text.slice(precisionAt, at));
  }
  if (isDigit(text[at])) throw libraryError('invalid format (width or precision too long)');
  return { flags, width, precision, letter: text[at] ?? '', end: at + 1 };
}

function pad(text: string, sign: string, directive: Directive, mayZero: boolean): string {
  const { flags, width } = directive;
  const room = width - sign.length - text.length;
  if (room <= 0) return sign + text;
  if (flags.includes('-')) return sign + text + ' '.repeat(room);
  if (mayZero && flags.includes('0')) return sign + '0'.repeat(room) + text;
  return ' '.repeat(room) + sign + text;
}
function signOf(isNegative: boolean, flags: string): string {
  if (isNegative) return '-';
  if (flags.includes('+')) return '+';
  return flags.includes(' ') ? ' ' : '';
}

function formatInteger(directive: Directive, value: number): string {
  const { flags, letter, precision } = directive;
  const isSigned = letter === 'd' || letter === 'i';
  const exact = isSigned ? BigInt(toInteger(value)) : toUnsigned(value);
  let digits: string;
  if (isSigned) digits = (exact < 0n ? -exact : exact).toString();
  else if (letter === 'o') digits = exact.toString(8);
  else digits = letter === 'u' ? exact.toString() : exact.toString(16);
  if (letter === 'X') digits = digits.toUpperCase();
  if (precision >= 0) digits = precision === 0 && exact === 0n ? '' : digits.padStart(precision, '0');
  let prefix = isSigned ? signOf(exact < 0n, flags) : '';
  if (flags.includes('#') && exact !== 0n) {
    if (letter === 'x' || letter === 'X') prefix = `0${letter}`;
    if (letter === 'o' && digits[0] !== '0') digits = `0${digits}`;
  }
  return pad(digits, prefix, directive, precision < 0);
}
function formatFloat(directive: Directive, value: number): string {
  const { flags, letter } = directive;
  const isNegative = value < 0 || (value === 0 && 1 / value < 0);
  const isUpper = letter === 'E' || letter === 'G';
  if (value - value !== 0) {
    const word = formatNotFinite(value).replace('-', '');
    const sign = !Number.isNaN(value) ? signOf(isNegative, flags) : '-';
    return pad(isUpper ? word.toUpperCase() : word, sign, directive, false);
  }
  const precision = directive.precision < 0 ? 6 : directive.precision;
  const keepPoint = flags.includes('#');
  let digits: string;
  if (letter === 'f') digits = fixedDigits(value, precision) + (keepPoint && precision === 0 ? '.' : '');
  else if (letter === 'e' || letter === 'E') digits = exponentDigits(value, precision, keepPoint);
  else digits = generalDigits(value, precision, keepPoint);
  return pad(isUpper ? digits.toUpperCase() : digits, signOf(isNegative, flags), directive, true);
}
function formatString(directive: Directive, text: string): string {
  const { precision } = directive;
  // Without a precision long strings are kept as they are; all others pass through C, where a zero byte ends them.
  if (precision < 0 && text.length >= 100) return text;
  const zero = text.indexOf('\0');
  const visible = zero < 0 ? text : text.slice(0, zero);
  return pad(precision < 0 ? visible : visible.slice(0, precision), '', directive, false);
}
const QUOTED: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\\n', '\r': '\\r', '\0': '\\000' };
const quoteText = (text: string): string => `"${text.replace(/["\\\n\r\0]/g, (character) => QUOTED[character] as string)}"`;

/** A character as sprintf writes it: a number that is no C int becomes the smallest one, whose lowest byte is zero. */
function formatCharacter(directive: Directive, value: number): string {
  const cut = Math.trunc(value);
  const code = cut >= -0x80000000 && cut <= 0x7fffffff ? cut & 0xff : 0;
  return untilZero(pad(String.fromCharCode(code), '', directive, false));
}
function formatArgument(directive: Directive, args: readonly LuaValue[], position: number): string {
  if (position > args.length) throw argumentError(position, 'no value');
  const value = args[position - 1];
  switch (directive.letter) {
    case 'c':
      return formatCharacter(directive, checkNumber(value, position));
    case 'd':
    case 'i':
    case 'o':
    case 'u':
    case 'x':
    case 'X':
      return formatInteger(directive, checkNumber(value, position));
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G':
      return formatFloat(directive, checkNumber(value, position));
    case 'q':
      return quoteText(checkString(value, position));
    case 's':
      return formatString(directive, checkString(value, position));
    default:
      throw libraryError(`invalid option '%${directive.letter}' to 'format'`);
  }
}

export function format(...args: LuaValue[]): string {
  const text = checkString(args[0], 1);
  let result = '';
  let position = 1;
  let from = 0;
  for (;;) {
    const mark = text.indexOf('%', from);
    if (mark < 0) break;
    result += text.slice(from, mark);
    if (text[mark + 1] === '%') {
      result += '%';
      from = mark + 2;
      continue;
    }
    position++;
    if (position > args.length) throw argumentError(position, 'no value');
    const directive = parseDirective(text, mark + 1);
    result += formatArgument(directive, args, position);
    from = directive.end;
    reserveMemory(result.length);
  }
  return result + text.slice(from);
}
