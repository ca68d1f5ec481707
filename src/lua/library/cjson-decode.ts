/** JSON to values, with the leniency and the messages of lua-cjson 2.1: NaN, Infinity, hexadecimal numbers, leading zeros. */
import { libraryError } from '../runtime/errors.ts';
import { chargeMemory, endSlice, meter, reserveMemory } from '../runtime/meter.ts';
import { parseNumber } from '../runtime/numbers.ts';
import { type LuaTable, newTable, tableOfNewKeys, tableOfSequence } from '../runtime/table.ts';
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
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
/** Tokens of one character. */
const SINGLE: Readonly<Record<number, TokenType>> = {
  [OPEN_BRACE]: 'T_OBJ_BEGIN',
  [CLOSE_BRACE]: 'T_OBJ_END',
  [OPEN_BRACKET]: 'T_ARR_BEGIN',
  [CLOSE_BRACKET]: 'T_ARR_END',
  [COLON]: 'T_COLON',
  [COMMA]: 'T_COMMA',
};
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
/** Digits that make an integer whose quotient by a power of ten is rounded once, as strtod rounds it. */
const MAX_EXACT_DIGITS = 15;
const POWERS_OF_TEN = Float64Array.from({ length: MAX_EXACT_DIGITS + 1 }, (_, exponent) => 10 ** exponent);
const isBlank = (code: number): boolean => code === 32 || code === 10 || code === 9 || code === 13;

/** The text that is being read, as bytes and with a zero behind: to the C library a zero byte is the end as well. */
let textBytes = Buffer.alloc(65_536);
const KEEP_BYTES = 4 * 1024 * 1024;
function bytesOf(text: string): Buffer {
  if (text.length >= textBytes.length) {
    reserveMemory(text.length);
    textBytes = Buffer.allocUnsafeSlow(text.length * 2);
  }
  textBytes.latin1Write(text, 0);
  textBytes[text.length] = 0;
  return textBytes;
}

/**
 * The keys of the object read last at each depth. The next one there as a rule has the same ones in the same order: they are
 * compared with the text in place, and are known to be different from each other. A script compares them with its own constants, so
 * those that were met twice are made strings that V8 compares by their address.
 */
type Shape = { keys: readonly string[]; isInternal: boolean };
const NO_SHAPE: Shape = { keys: [], isInternal: true };
const SHAPE_DEPTHS = 16;
const MAX_SHAPE_KEYS = 32;
const shapes: Shape[] = new Array(SHAPE_DEPTHS).fill(NO_SHAPE);
function internal(text: string): string {
  const names: Record<string, number> = Object.create(null);
  names[text] = 0;
  return Object.keys(names)[0] as string;
}
/** A slice of a text keeps the whole text: none may stay behind a long one. */
const LONG_TEXT_BYTES = 16_384;
function forgetSlices(): void {
  for (let depth = 0; depth < SHAPE_DEPTHS; depth++) if (!(shapes[depth] as Shape).isInternal) shapes[depth] = NO_SHAPE;
}

export class Decoder {
  private at = 0;
  private depth = 0;
  private readonly text: string;
  private readonly bytes: Buffer;
  private readonly options: CjsonOptions;
  private readonly nullValue: LuaValue;

  constructor(text: string, options: CjsonOptions, nullValue: LuaValue) {
    this.text = text;
    this.bytes = bytesOf(text);
    this.options = options;
    this.nullValue = nullValue;
  }
  decode(): LuaValue {
    const { text, bytes } = this;
    if (text.length >= 2 && (bytes[0] === 0 || bytes[1] === 0)) {
      throw libraryError('JSON parser does not support UTF-16 or UTF-32');
    }
    try {
      const value = this.value();
      if (this.blanks() !== 0) this.unexpected('the end');
      return value;
    } finally {
      if (text.length > LONG_TEXT_BYTES) forgetSlices();
      if (textBytes.length > KEEP_BYTES) textBytes = Buffer.alloc(65_536);
    }
  }

  /** Moves past spaces and returns the byte behind them. */
  private blanks(): number {
    const { bytes } = this;
    let code = bytes[this.at] as number;
    while (code <= 32 && isBlank(code)) code = bytes[++this.at] as number;
    return code;
  }
  private fail(expected: string, seen: string, at: number): never {
    throw libraryError(`Expected ${expected} but found ${seen} at character ${at + 1}`);
  }
  /** Complains about the token that begins here; when it is none, about that. */
  private unexpected(expected: string): never {
    const { at } = this;
    const code = this.bytes[at] as number;
    let type = SINGLE[code];
    if (code === 0) type = 'T_END';
    else if (code === QUOTE) {
      type = 'T_STRING';
      this.string(expected);
    } else if (type === undefined) {
      const value = this.scalar(code, expected);
      if (typeof value === 'number') type = 'T_NUMBER';
      else type = typeof value === 'boolean' ? 'T_BOOLEAN' : 'T_NULL';
    }
    return this.fail(expected, type as string, at);
  }

  private value(): LuaValue {
    if (--meter.ticks < 0) endSlice();
    const code = this.blanks();
    switch (code) {
      case QUOTE:
        return this.string('value');
      case OPEN_BRACE:
        return this.object();
      case OPEN_BRACKET:
        return this.array();
      default:
        if (code === 0 || SINGLE[code] !== undefined) this.unexpected('value');
        return this.scalar(code, 'value');
    }
  }
  /** Moves past an opening bracket. */
  private descend(): void {
    this.at++;
    if (++this.depth <= this.options.decodeMaxDepth) return;
    throw libraryError(`Found too many nested data structures (${this.depth}) at character ${this.at}`);
  }
  private object(): LuaTable {
    this.descend();
    const table = this.blanks() === CLOSE_BRACE ? newTable() : this.members();
    this.at++;
    this.depth--;
    return table;
  }
  private members(): LuaTable {
    const place = this.depth & (SHAPE_DEPTHS - 1);
    const shape = shapes[place] as Shape;
    const { keys } = shape;
    const values: LuaValue[] = [];
    while (values.length < keys.length && this.isKey(keys[values.length] as string)) {
      values.push(this.member());
      if (this.isLast()) {
        if (values.length === keys.length && !shape.isInternal) shapes[place] = { keys: keys.map(internal), isInternal: true };
        return tableOfNewKeys(keys.slice(0, values.length), values);
      }
    }
    return this.otherMembers(tableOfNewKeys(keys.slice(0, values.length), values), place);
  }
  /** The members from here on, into a table that has those before them. */
  private otherMembers(table: LuaTable, place: number): LuaTable {
    do {
      if (this.blanks() !== QUOTE) this.unexpected('object key string');
      const key = this.string('object key string');
      table.setKey(key, this.member());
    } while (!this.isLast());
    if (table.keys.length <= MAX_SHAPE_KEYS) shapes[place] = { keys: (table.keys as string[]).slice(), isInternal: false };
    return table;
  }
  /** Is `key` the one that comes next? Moves past it. */
  private isKey(key: string): boolean {
    if (this.blanks() !== QUOTE) return false;
    const { bytes } = this;
    const { length } = key;
    const start = this.at + 1;
    if (bytes[start + length] !== QUOTE) return false;
    for (let offset = 0; offset < length; offset++) if (bytes[start + offset] !== key.charCodeAt(offset)) return false;
    this.at = start + length + 1;
    return true;
  }
  /** The value behind a key. */
  private member(): LuaValue {
    if (this.blanks() !== COLON) this.unexpected('colon');
    this.at++;
    return this.value();
  }
  /** Is an object at its end? Moves past a comma if it isn't. */
  private isLast(): boolean {
    const code = this.blanks();
    if (code === CLOSE_BRACE) return true;
    if (code !== COMMA) this.unexpected('comma or object end');
    this.at++;
    return false;
  }
  private array(): LuaTable {
    this.descend();
    const items: LuaValue[] = [undefined];
    if (this.blanks() !== CLOSE_BRACKET) {
      for (;;) {
        items.push(this.value());
        if ((items.length & 1023) === 0) chargeMemory(8_192);
        const code = this.blanks();
        if (code === CLOSE_BRACKET) break;
        if (code !== COMMA) this.unexpected('comma or array end');
        this.at++;
      }
    }
    this.at++;
    this.depth--;
    return tableOfSequence(items);
  }

  /** What is neither a string nor a table; `expected` is what an unreadable token is said to stand in for. */
  private scalar(code: number, expected: string): LuaValue {
    if (code === MINUS || (code >= ZERO && code <= NINE)) return this.number(expected);
    const { text, at } = this;
    if (text.startsWith('true', at)) return this.word(true, 4);
    if (text.startsWith('false', at)) return this.word(false, 5);
    if (text.startsWith('null', at)) return this.word(this.nullValue, 4);
    if (/[+iInN]/.test(text[at] as string) && this.options.decodeInvalidNumbers && this.isOddNumber()) return this.anyNumber(expected);
    return this.fail(expected, 'invalid token', at);
  }
  private word(value: LuaValue, length: number): LuaValue {
    this.at += length;
    return value;
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
  /** Digits, as a rule few, perhaps a point and more digits. */
  private number(expected: string): number {
    const { bytes } = this;
    const isNegative = bytes[this.at] === MINUS;
    const start = isNegative ? this.at + 1 : this.at;
    let at = start;
    let value = 0;
    let digit = (bytes[at] as number) - ZERO;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digit = (bytes[++at] as number) - ZERO;
    }
    // What begins with a zero may be a hexadecimal number, or one that isn't allowed.
    if (at === start || (bytes[start] === ZERO && at - start > 1)) return this.anyNumber(expected);
    let digits = at - start;
    if (bytes[at] === POINT) {
      const pointAt = at;
      digit = (bytes[++at] as number) - ZERO;
      while (digit >= 0 && digit <= 9) {
        value = value * 10 + digit;
        digit = (bytes[++at] as number) - ZERO;
      }
      const places = at - pointAt - 1;
      digits += places;
      if (places === 0 || digits > MAX_EXACT_DIGITS) return this.anyNumber(expected);
      value /= POWERS_OF_TEN[places] as number;
    }
    const behind = bytes[at] as number;
    if (digits > MAX_EXACT_DIGITS || !(behind === COMMA || behind === CLOSE_BRACKET || behind === CLOSE_BRACE || behind <= 32)) {
      return this.anyNumber(expected);
    }
    this.at = at;
    return isNegative ? -value : value;
  }
  private anyNumber(expected: string): number {
    const { text } = this;
    if (!this.options.decodeInvalidNumbers && this.isOddNumber()) this.fail(expected, 'invalid number', this.at);
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(text);
    if (match === null) return this.fail(expected, 'invalid number', this.at);
    this.at += match[0].length;
    return parseNumber(match[0]) as number;
  }

  private string(expected: string): string {
    const { bytes } = this;
    const from = this.at + 1;
    let at = from;
    let code = bytes[at] as number;
    while (code !== QUOTE && code !== BACKSLASH && code !== 0) code = bytes[++at] as number;
    const text = code === QUOTE ? this.text.slice(from, at) : this.escapedString(expected, from, at);
    if (code === QUOTE) this.at = at + 1;
    meter.ticks -= (this.at - from) >> 5;
    chargeMemory(this.at - from + 24);
    return text;
  }
  /** The same from the first escape on, which is at `first`. */
  private escapedString(expected: string, start: number, first: number): string {
    const { text, bytes } = this;
    let value = '';
    let from = start;
    let at = first;
    for (;;) {
      const code = bytes[at] as number;
      if (code === QUOTE) break;
      if (code === 0) this.fail(expected, 'unexpected end of string', at);
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
    this.at = at + 1;
    return value + text.slice(from, at);
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
