/** The string library. Reference manual, section 5.4. */
import { callFunction, callFunctionWithOne } from '../runtime/calls.ts';
import { argumentError, libraryError } from '../runtime/errors.ts';
import { charge, reserveMemory } from '../runtime/meter.ts';
import { formatNumber } from '../runtime/numbers.ts';
import { index } from '../runtime/operators.ts';
import { LuaTable } from '../runtime/table.ts';
import { type LuaFunction, type LuaValue, NOTHING, typeName } from '../runtime/value.ts';
import { chargeBytes, checkInt32, checkInteger, checkString, isTrue, optionalInteger } from './arguments.ts';
import { type ByteBuilder, buildText, withBytes } from './byte-builder.ts';
import { format } from './format.ts';
import { Matcher, type Pattern, parsePattern } from './pattern.ts';

const MAX_RESULTS = 8_000;
const SPECIALS = /[\^$*+?.([%-]/;

/** A position from the start (1...) or from the end (-1...), as one from the start. */
const fromStart = (position: number, length: number): number => (position >= 0 ? position : Math.max(0, length + position + 1));

function sub(string: LuaValue, from: LuaValue, to?: LuaValue): string {
  const text = checkString(string, 1);
  const start = fromStart(checkInteger(from, 2), text.length);
  const end = fromStart(optionalInteger(to, 3, -1), text.length);
  return text.slice(start < 1 ? 0 : start - 1, end);
}
function byte(string: LuaValue, from?: LuaValue, to?: LuaValue): LuaValue | readonly LuaValue[] {
  const text = checkString(string, 1);
  let start = fromStart(optionalInteger(from, 2, 1), text.length);
  let end = fromStart(optionalInteger(to, 3, start), text.length);
  if (start < 1) start = 1;
  if (end > text.length) end = text.length;
  if (start > end) return NOTHING;
  if (start === end) return text.charCodeAt(start - 1);
  if (end - start >= MAX_RESULTS) throw libraryError('string slice too long');
  return Array.from({ length: end - start + 1 }, (_, offset) => text.charCodeAt(start - 1 + offset));
}
function char(...args: LuaValue[]): string {
  let text = '';
  for (let position = 1; position <= args.length; position++) {
    const code = checkInt32(args[position - 1], position);
    if (code < 0 || code > 255) throw argumentError(position, 'invalid value');
    text += String.fromCharCode(code);
  }
  return text;
}
function rep(string: LuaValue, count: LuaValue): string {
  const text = checkString(string, 1);
  const times = checkInt32(count, 2);
  if (times <= 0 || text === '') return '';
  reserveMemory(text.length * times);
  chargeBytes(text.length * times);
  return text.repeat(times);
}
function reverse(string: LuaValue): string {
  const text = checkString(string, 1);
  reserveMemory(text.length);
  chargeBytes(text.length);
  return Buffer.from(text, 'latin1').reverse().latin1Slice();
}
const BEYOND_ASCII = /[^\x00-\x7f]/;
const UPPER = /[a-z]+/g;
const LOWER = /[A-Z]+/g;
const SHORT_BYTES = 32;
function isAscii(text: string): boolean {
  if (text.length > SHORT_BYTES) return !BEYOND_ASCII.test(text);
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
}
const TO_UPPER = Uint8Array.from({ length: 256 }, (_, code) => (code >= 97 && code <= 122 ? code - 32 : code));
const TO_LOWER = Uint8Array.from({ length: 256 }, (_, code) => (code >= 65 && code <= 90 ? code + 32 : code));
/** Only ASCII letters change: that's the C locale. JavaScript's own functions know other letters, so they get ASCII only. */
function upper(string: LuaValue): string {
  const text = checkString(string, 1);
  if (text.length <= MAX_WORD) return upperWord(text);
  chargeBytes(text.length);
  return isAscii(text) ? text.toUpperCase() : text.replace(UPPER, (letters) => letters.toUpperCase());
}
function lower(string: LuaValue): string {
  const text = checkString(string, 1);
  chargeBytes(text.length);
  return isAscii(text) ? text.toLowerCase() : text.replace(LOWER, (letters) => letters.toLowerCase());
}
/** V8's toUpperCase takes twice as long for a short text as putting it together does; its toLowerCase doesn't. */
const MAX_WORD = 6;
function upperWord(text: string): string {
  const at = (index: number): number => TO_UPPER[text.charCodeAt(index)] as number;
  switch (text.length) {
    case 0:
      return '';
    case 1:
      return String.fromCharCode(at(0));
    case 2:
      return String.fromCharCode(at(0), at(1));
    case 3:
      return String.fromCharCode(at(0), at(1), at(2));
    case 4:
      return String.fromCharCode(at(0), at(1), at(2), at(3));
    case 5:
      return String.fromCharCode(at(0), at(1), at(2), at(3), at(4));
    default:
      return String.fromCharCode(at(0), at(1), at(2), at(3), at(4), at(5));
  }
}

/** find and match. */
function search(string: LuaValue, pattern: LuaValue, from: LuaValue, isPlain: boolean, isFind: boolean): LuaValue | LuaValue[] {
  const text = checkString(string, 1);
  const wanted = checkString(pattern, 2);
  let start = fromStart(optionalInteger(from, 3, 1), text.length) - 1;
  if (start < 0) start = 0;
  else if (start > text.length) start = text.length;
  chargeBytes(text.length);
  if (isFind && (isPlain || !SPECIALS.test(wanted))) {
    chargeBytes((text.length - start) * Math.min(64, wanted.length));
    const place = text.indexOf(wanted, start);
    return place < 0 ? undefined : [place + 1, place + wanted.length];
  }
  const parsed = parsePattern(wanted, true);
  const matcher = new Matcher(text, parsed);
  for (let at = start; ; at++) {
    at = matcher.candidate(at);
    if (at > text.length) return undefined;
    const end = matcher.match(at);
    if (end >= 0) {
      if (!isFind) return matcher.captures(at, end);
      return matcher.level === 0 ? [at + 1, end] : [at + 1, end, ...matcher.captures(at, end)];
    }
    if (parsed.isAnchored || at >= text.length) return undefined;
  }
}

function gmatch(string: LuaValue, pattern: LuaValue): LuaFunction {
  const text = checkString(string, 1);
  const matcher = new Matcher(text, parsePattern(checkString(pattern, 2), false));
  let at = 0;
  return () => {
    for (; at <= text.length; at++) {
      at = matcher.candidate(at);
      if (at > text.length) break;
      const end = matcher.match(at);
      if (end < 0) continue;
      const start = at;
      at = end === at ? end + 1 : end;
      return matcher.level < 2 ? matcher.capture(0, start, end) : matcher.captures(start, end);
    }
    return undefined;
  };
}

/** What takes the place of a match; undefined or false keeps the match. */
type Replace = (matcher: Matcher, start: number, end: number) => LuaValue;

function replacement(value: LuaValue): Replace {
  switch (typeof value) {
    case 'number':
    case 'string':
      return fromTemplate(typeof value === 'number' ? formatNumber(value) : value);
    case 'function':
      return (matcher, start, end) => {
        return matcher.level > 1
          ? callFunction(value, matcher.captures(start, end))[0]
          : callFunctionWithOne(value, matcher.capture(0, start, end));
      };
    default:
      if (value instanceof LuaTable) return (matcher, start, end) => index(value, matcher.capture(0, start, end));
      throw argumentError(3, 'string/function/table expected');
  }
}
/** A replacement string: %0 to %9 are captures, % before anything else is that itself. */
function fromTemplate(template: string): Replace {
  if (!template.includes('%')) return () => template;
  return (matcher, start, end) => {
    let text = '';
    for (let at = 0; at < template.length; at++) {
      const letter = template[at] as string;
      if (letter !== '%') {
        text += letter;
        continue;
      }
      const next = template[++at] ?? '\0';
      if (next < '0' || next > '9') text += next;
      else if (next === '0') text += matcher.subject.slice(start, end);
      else {
        const captured = matcher.capture(next.charCodeAt(0) - 49, start, end);
        text += typeof captured === 'number' ? formatNumber(captured) : captured;
      }
    }
    return text;
  };
}
function gsub(string: LuaValue, pattern: LuaValue, by: LuaValue, limit?: LuaValue): LuaValue[] {
  const text = checkString(string, 1);
  const wanted = checkString(pattern, 2);
  const replace = replacement(by);
  const most = limit === undefined ? text.length + 1 : checkInt32(limit, 4);
  const parsed = parsePattern(wanted, true);
  let count = 0;
  chargeBytes(text.length);
  const result = buildText((builder) => {
    const matcher = new Matcher(text, parsed);
    if (parsed.run === null) count = replaceMatches(builder, matcher, parsed.isAnchored, replace, most);
    else if (by === upper || by === lower) count = replaceCase(builder, text, parsed.run, by === upper ? TO_UPPER : TO_LOWER, most);
    else count = replaceRuns(builder, matcher, parsed.run, replace, most);
  });
  return [result, count];
}
function replaceMatches(builder: ByteBuilder, matcher: Matcher, isAnchored: boolean, replace: Replace, most: number): number {
  const text = matcher.subject;
  let count = 0;
  let at = 0;
  let keptFrom = 0;
  while (count < most) {
    at = matcher.candidate(at);
    if (at > text.length) break;
    const end = matcher.match(at);
    if (end >= 0) {
      count++;
      const value = replacementText(replace(matcher, at, end));
      if (value !== null) {
        builder.add(text, keptFrom, at);
        builder.addText(value);
        keptFrom = end;
      }
    }
    if (end > at) at = end;
    else if (at < text.length) at++;
    else break;
    if (isAnchored) break;
  }
  builder.add(text, keptFrom, text.length);
  return count;
}
type Run = NonNullable<Pattern['run']>;
/** The first place from `from` on whose byte is, or isn't, in the set; the end when there is none. */
function seek(bytes: Uint8Array, from: number, end: number, set: Uint8Array, isIn: number): number {
  let at = from;
  while (at < end && set[bytes[at] as number] !== isIn) at++;
  return at;
}
/** Patterns that are one set of characters: the text is looked at as bytes, without the matcher. */
function replaceRuns(builder: ByteBuilder, matcher: Matcher, { set, isRepeated }: Run, replace: Replace, most: number): number {
  const text = matcher.subject;
  const { length } = text;
  let count = 0;
  withBytes(text, (bytes) => {
    let keptFrom = 0;
    for (let from = 0; count < most; ) {
      const at = seek(bytes, from, length, set, 1);
      if (at === length) break;
      const end = isRepeated ? seek(bytes, at + 1, length, set, 0) : at + 1;
      count++;
      charge(1 + ((end - from) >> 4));
      const value = replacementText(replace(matcher, at, end));
      if (value !== null) {
        builder.addBytes(bytes, keptFrom, at);
        builder.addText(value);
        keptFrom = end;
      }
      from = end;
    }
    builder.addBytes(bytes, keptFrom, length);
  });
  return count;
}
/** The same for string.upper and string.lower, without making a string of each match. */
function replaceCase(builder: ByteBuilder, text: string, { set, isRepeated }: Run, mapped: Uint8Array, most: number): number {
  const { length } = text;
  let count = 0;
  withBytes(text, (bytes) => {
    let from = 0;
    while (count < most) {
      const at = seek(bytes, from, length, set, 1);
      if (at === length) break;
      const end = isRepeated ? seek(bytes, at + 1, length, set, 0) : at + 1;
      count++;
      charge(1 + ((end - from) >> 4));
      builder.addBytes(bytes, from, at);
      builder.addMapped(bytes, at, end, mapped);
      from = end;
    }
    builder.addBytes(bytes, from, length);
  });
  return count;
}
/** Null keeps the original. */
function replacementText(value: LuaValue): string | null {
  if (typeof value === 'string') return value;
  if (!isTrue(value)) return null;
  if (typeof value === 'number') return formatNumber(value);
  throw libraryError(`invalid replacement value (a ${typeName(value)})`);
}

function dump(): never {
  throw libraryError('unable to dump given function');
}

export const STRING: Readonly<Record<string, LuaFunction>> = {
  byte,
  char,
  dump,
  find: (string: LuaValue, pattern: LuaValue, from?: LuaValue, plain?: LuaValue) => search(string, pattern, from, isTrue(plain), true),
  format,
  gfind: gmatch,
  gmatch,
  gsub,
  len: (string: LuaValue) => checkString(string, 1).length,
  lower,
  match: (string: LuaValue, pattern: LuaValue, from?: LuaValue) => search(string, pattern, from, false, false),
  rep,
  reverse,
  sub,
  upper,
};
