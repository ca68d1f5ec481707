/** JSON to values, with the leniency and the messages of lua-cjson 2.1: NaN, Infinity, hexadecimal numbers, leading zeros. */
import { libraryError } from '../runtime/errors.ts';
import { chargeMemory, endSlice, meter } from '../runtime/meter.ts';
import { parseNumber } from '../runtime/numbers.ts';
import { type LuaTable, newTable } from '../runtime/table.ts';
import type { LuaValue } from '../runtime/value.ts';
import type { CjsonOptions } from './cjson.ts';

type TokenType =
  | 'T_OBJ_BEGIN'
  | 'T_OBJ_END'
  | 'T_ARR_BEGIN'
  | 'T_ARR_END'
  | 'T_STRING'
  | 'T_NUMBER'
  | 'T_BOOLEAN'
  | 'T_NULL'
  | 'T_COLON'
  | 'T_COMMA'
  | 'T_END';

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;
const ZERO = 48;
const NINE = 57;
/** Tokens of one character, by its code. */
const SINGLE: (TokenType | undefined)[] = new Array(256).fill(undefined);
SINGLE[123] = 'T_OBJ_BEGIN';
SINGLE[125] = 'T_OBJ_END';
SINGLE[91] = 'T_ARR_BEGIN';
SINGLE[93] = 'T_ARR_END';
SINGLE[58] = 'T_COLON';
SINGLE[44] = 'T_COMMA';
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
/** What strtod reads from here on. */
const HEX_NUMBER = '0[xX](?:[0-9a-fA-F]+\\.?[0-9a-fA-F]*|\\.[0-9a-fA-F]+)(?:[pP][+-]?\\d+)?';
const DECIMAL_NUMBER = '(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?';
const NUMBER_WORD = '[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN]';
const NUMBER = new RegExp(`[+-]?(?:${HEX_NUMBER}|${DECIMAL_NUMBER}|${NUMBER_WORD})`, 'y');
/** Keys read last, by their first two characters. */
const RECENT_KEYS = 64;
const recentKeys: (string | undefined)[] = new Array(RECENT_KEYS).fill(undefined);
const isBlank = (code: number): boolean => code === 32 || code === 10 || code === 9 || code === 13;

export class Decoder {
  private type: TokenType = 'T_END';
  private value: LuaValue = undefined;
  private tokenAt = 0;
  private at = 0;
  private depth = 0;
  private readonly text: string;
  private readonly options: CjsonOptions;
  private readonly nullValue: LuaValue;

  constructor(text: string, options: CjsonOptions, nullValue: LuaValue) {
    this.text = text;
    this.options = options;
    this.nullValue = nullValue;
  }
  decode(): LuaValue {
    const { text } = this;
    if (text.length >= 2 && (text.charCodeAt(0) === 0 || text.charCodeAt(1) === 0)) {
      throw libraryError('JSON parser does not support UTF-16 or UTF-32');
    }
    this.next();
    const value = this.parse();
    this.next('the end');
    if (this.type !== 'T_END') this.failExpected('the end');
    return value;
  }

  /** Moves past a character that comes next without a space: what most texts have between their values. */
  private skip(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at++;
    return true;
  }
  private is(type: TokenType): boolean {
    return this.type === type;
  }
  private failExpected(expected: string): never {
    this.fail(expected, this.type, this.tokenAt);
  }
  private fail(expected: string, seen: string, at: number): never {
    throw libraryError(`Expected ${expected} but found ${seen} at character ${at + 1}`);
  }
  /** The value that begins with the current token. */
  private parse(): LuaValue {
    if (--meter.ticks < 0) endSlice();
    switch (this.type) {
      case 'T_STRING':
      case 'T_NUMBER':
      case 'T_BOOLEAN':
      case 'T_NULL':
        return this.value;
      case 'T_OBJ_BEGIN':
        return this.object();
      case 'T_ARR_BEGIN':
        return this.array();
      default:
        return this.failExpected('value');
    }
  }
  private descend(): void {
    if (++this.depth <= this.options.decodeMaxDepth) return;
    throw libraryError(`Found too many nested data structures (${this.depth}) at character ${this.at}`);
  }
  private object(): LuaTable {
    this.descend();
    const table = newTable();
    this.next('object key string');
    if (this.type !== 'T_OBJ_END') this.members(table);
    this.depth--;
    return table;
  }
  private members(table: LuaTable): void {
    for (;;) {
      if (!this.is('T_STRING')) this.failExpected('object key string');
      const key = this.value;
      if (!this.skip(COLON)) {
        this.next('colon');
        if (!this.is('T_COLON')) this.failExpected('colon');
      }
      this.next();
      table.setKey(key, this.parse());
      if (this.skip(COMMA)) {
        this.next('object key string');
        continue;
      }
      this.next('comma or object end');
      if (this.is('T_OBJ_END')) return;
      if (!this.is('T_COMMA')) this.failExpected('comma or object end');
      this.next('object key string');
    }
  }
  private array(): LuaTable {
    this.descend();
    const table = newTable();
    this.next();
    if (this.type !== 'T_ARR_END') this.elements(table);
    this.depth--;
    return table;
  }
  private elements(table: LuaTable): void {
    for (let index = 1; ; index++) {
      table.setNumber(index, this.parse());
      if (this.skip(COMMA)) {
        this.next();
        continue;
      }
      this.next('comma or array end');
      if (this.type === 'T_ARR_END') return;
      if (this.type !== 'T_COMMA') this.failExpected('comma or array end');
      this.next();
    }
  }

  /** Reads a token; `expected` is what an unreadable one is said to stand in for. */
  private next(expected = 'value'): void {
    const { text } = this;
    let code = text.charCodeAt(this.at);
    while (code <= 32 && isBlank(code)) code = text.charCodeAt(++this.at);
    this.tokenAt = this.at;
    if (code === QUOTE) {
      this.string(expected);
      return;
    }
    if (code === 45 || (code >= ZERO && code <= NINE)) {
      this.number(expected, 'invalid number');
      return;
    }
    const single = SINGLE[code];
    if (single !== undefined) {
      this.type = single;
      this.at++;
      return;
    }
    if (Number.isNaN(code) || code === 0) this.type = 'T_END';
    else this.word(expected);
  }
  private word(expected: string): void {
    if (this.text.startsWith('true', this.at)) this.set('T_BOOLEAN', true, 4);
    else if (this.text.startsWith('false', this.at)) this.set('T_BOOLEAN', false, 5);
    else if (this.text.startsWith('null', this.at)) this.set('T_NULL', this.nullValue, 4);
    else if (/[+iInN]/.test(this.text[this.at] as string) && this.options.decodeInvalidNumbers && this.isOddNumber()) {
      this.number(expected, 'invalid number');
    } else this.fail(expected, 'invalid token', this.at);
  }
  private set(type: TokenType, value: LuaValue, length: number): void {
    this.type = type;
    this.value = value;
    this.at += length;
  }
  /** A number that JSON doesn't know: a plus, a hexadecimal one, leading zeros, infinity, NaN. */
  private isOddNumber(): boolean {
    const { text } = this;
    const at = text[this.at] === '-' ? this.at + 1 : this.at;
    if (text[this.at] === '+') return true;
    if (text[at] === '0') return /[xX0-9]/.test(text[at + 1] ?? '');
    if ((text[at] ?? '') <= '9') return false;
    return /^(?:inf|nan)/i.test(text.slice(at, at + 3));
  }
  private number(expected: string, complaint: string): void {
    const { text } = this;
    // Most numbers are a few digits.
    let at = this.at;
    let value = 0;
    for (;;) {
      const digit = text.charCodeAt(at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
      at++;
    }
    const behind = text.charCodeAt(at);
    const isPlain = at > this.at && at - this.at < 15 && text.charCodeAt(this.at) !== ZERO;
    if (isPlain && (behind === 44 || behind === 93 || behind === 125)) {
      this.type = 'T_NUMBER';
      this.value = value;
      this.at = at;
      return;
    }
    if (!this.options.decodeInvalidNumbers && this.isOddNumber()) this.fail(expected, complaint, this.at);
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(text);
    if (match === null) this.fail(expected, complaint, this.at);
    this.set('T_NUMBER', parseNumber(match[0]), match[0].length);
  }

  /** A key that was read before: most objects of a text have the same ones. False when the next key isn't known. */
  private knownKey(): boolean {
    const { text, at } = this;
    const candidate = recentKeys[(text.charCodeAt(at + 1) * 31 + text.charCodeAt(at + 2)) & (RECENT_KEYS - 1)];
    if (candidate === undefined || !text.startsWith(candidate, at + 1)) return false;
    const end = at + 1 + candidate.length;
    if (text.charCodeAt(end) !== QUOTE) return false;
    this.type = 'T_STRING';
    this.value = candidate;
    this.at = end + 1;
    return true;
  }
  private string(expected: string): void {
    const { text } = this;
    if (expected === 'object key string' && this.knownKey()) return;
    let from = this.at + 1;
    let at = from;
    let value = '';
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      // A zero byte is the end of the text to the C library.
      if (Number.isNaN(code) || code === 0) this.fail(expected, 'unexpected end of string', at);
      if (code !== BACKSLASH) {
        at++;
        continue;
      }
      value += text.slice(from, at);
      const { result, length } = this.escape(expected, at);
      value += result;
      at += length;
      from = at;
    }
    this.type = 'T_STRING';
    const isPlain = from === this.at + 1;
    this.value = isPlain ? text.slice(from, at) : value + text.slice(from, at);
    if (isPlain && expected === 'object key string' && at - from < 24 && at > from) {
      recentKeys[(text.charCodeAt(from) * 31 + text.charCodeAt(from + 1)) & (RECENT_KEYS - 1)] = this.value as string;
    }
    meter.ticks -= (at - this.at) >> 5;
    chargeMemory(at - this.at + 24);
    this.at = at + 1;
  }
  private escape(expected: string, at: number): { result: string; length: number } {
    const letter = this.text[at + 1] ?? '';
    if (letter !== 'u') {
      const result = ESCAPES[letter];
      if (result === undefined) this.fail(expected, 'invalid escape code', at);
      return { result, length: 2 };
    }
    const first = this.hex(at + 2);
    if (first < 0 || (first & 0xfc00) === 0xdc00) this.fail(expected, 'invalid unicode escape code', at);
    if ((first & 0xfc00) !== 0xd800) return { result: utf8(first), length: 6 };
    const second = this.text.startsWith('\\u', at + 6) ? this.hex(at + 8) : -1;
    if ((second & 0xfc00) !== 0xdc00 || second < 0) this.fail(expected, 'invalid unicode escape code', at);
    return { result: utf8(0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff)), length: 12 };
  }
  private hex(at: number): number {
    const digits = this.text.slice(at, at + 4);
    return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
  }
}
const utf8 = (codePoint: number): string => Buffer.from(String.fromCodePoint(codePoint), 'utf8').latin1Slice();
