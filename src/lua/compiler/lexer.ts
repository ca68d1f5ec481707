/**
 * Tokens of Lua 5.1 from source bytes (a latin1 string). Texts of errors are those of Lua 5.1's llex.c; the grammar is section 2.1 of
 * the reference manual.
 */
import { parseNumber } from '../runtime/numbers.ts';

export type TokenKind = 'name' | 'string' | 'number' | 'eof' | 'symbol' | 'keyword' | 'byte';

/** A chunk that can't be compiled; `message` has the chunk's name and the line in front, as Lua words it. */
export class LuaSyntaxError extends Error {}

const KEYWORDS = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(' '),
);
const NEWLINE = 10;
const RETURN = 13;
const BACKSLASH = 92;
const BRACKET = 91;
const END_BRACKET = 93;
const EQUALS = 61;
const MINUS = 45;
const DOT = 46;
const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const LONG_SYMBOLS = ['...', '..', '==', '<=', '>=', '~='];
const SYMBOLS = new Set([...'+-*/%^#<>=(){}[];:,.']);

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isNameStart = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95;
const isNamePart = (code: number): boolean => isNameStart(code) || isDigit(code);

/** Longest display of a chunk's name (and a zero byte): LUA_IDSIZE at run time, MAXSRC in syntax errors. */
const RUNTIME_NAME_BYTES = 60;
const SYNTAX_NAME_BYTES = 80;

/** Chunk names as messages show them: `@file` and `=text` plainly, anything else as [string "its first line"]. */
export function displayName(chunkName: string, most = RUNTIME_NAME_BYTES): string {
  if (chunkName.startsWith('=')) return chunkName.slice(1, most);
  if (chunkName.startsWith('@')) {
    const file = chunkName.slice(1);
    const room = most - '...'.length - 1 - 4;
    return file.length > room ? '...' + file.slice(-room) : file;
  }
  const room = most - '[string "..."]'.length - 3;
  const end = chunkName.search(/[\r\n]/);
  const line = end < 0 ? chunkName : chunkName.slice(0, end);
  const isCut = end >= 0 || line.length > room;
  return `[string "${line.slice(0, room)}${isCut ? '...' : ''}"]`;
}

export class Lexer {
  kind: TokenKind = 'eof';
  /** The symbol or keyword, the name, or the string's contents. */
  text = '';
  value = 0;
  /** The line the current token ends on, and the one of the token before. */
  line = 1;
  previousLine = 1;
  readonly name: string;
  private readonly source: string;
  private at = 0;
  private currentLine = 1;
  private raw = '';
  private hasPeeked = false;
  private peeked: { kind: TokenKind; text: string; value: number; line: number; raw: string } | null = null;

  constructor(source: string, chunkName: string) {
    this.source = source;
    this.name = displayName(chunkName, SYNTAX_NAME_BYTES);
    this.next();
    this.previousLine = 1;
  }

  next(): void {
    this.previousLine = this.line;
    const { peeked } = this;
    if (this.hasPeeked && peeked !== null) {
      this.hasPeeked = false;
      this.kind = peeked.kind;
      this.text = peeked.text;
      this.value = peeked.value;
      this.line = peeked.line;
      this.raw = peeked.raw;
      return;
    }
    this.scan();
    this.line = this.currentLine;
  }
  /** True when the token behind the current one is this symbol. */
  isFollowedBy(symbol: string): boolean {
    const { kind, text, value, line, raw } = this;
    this.scan();
    this.peeked = { kind: this.kind, text: this.text, value: this.value, line: this.currentLine, raw: this.raw };
    this.hasPeeked = true;
    this.kind = kind;
    this.text = text;
    this.value = value;
    this.line = line;
    this.raw = raw;
    return this.peeked.kind === 'symbol' && this.peeked.text === symbol;
  }

  /** Throws the error at the current token. */
  fail(message: string): never {
    this.failNear(message, this.kind === 'eof' ? '<eof>' : this.raw, this.line);
  }
  private failNear(message: string, near: string, line = this.currentLine): never {
    const zero = near.indexOf('\0');
    const shown = zero < 0 ? near : near.slice(0, zero);
    const suffix = near === '\0' ? '' : ` near '${shown}'`;
    throw new LuaSyntaxError(`${this.name}:${line}: ${message}${suffix}`);
  }
  failPlain(message: string): never {
    throw new LuaSyntaxError(`${this.name}:${this.line}: ${message}`);
  }

  private set(kind: TokenKind, start: number, end: number): void {
    this.kind = kind;
    this.raw = this.text = this.source.slice(start, end);
    this.at = end;
  }
  private scan(): void {
    this.skipSpace();
    const { source, at } = this;
    if (at >= source.length) {
      this.kind = 'eof';
      this.text = '';
      return;
    }
    const code = source.charCodeAt(at);
    if (isNameStart(code)) this.scanName();
    else if (isDigit(code) || (code === DOT && isDigit(source.charCodeAt(at + 1)))) this.scanNumber();
    else if (code === 34 || code === 39) this.scanString(code);
    else if (code === BRACKET && this.longLevel(at) >= 0) this.scanLongString();
    else this.scanSymbol(code);
  }
  private scanName(): void {
    const { source } = this;
    let end = this.at + 1;
    while (isNamePart(source.charCodeAt(end))) end++;
    this.set('name', this.at, end);
    if (KEYWORDS.has(this.text)) this.kind = 'keyword';
  }
  private scanSymbol(code: number): void {
    const { source, at } = this;
    for (const symbol of LONG_SYMBOLS) {
      if (source.startsWith(symbol, at)) {
        this.set('symbol', at, at + symbol.length);
        return;
      }
    }
    if (code === BRACKET && source.charCodeAt(at + 1) === EQUALS) this.failDelimiter(at);
    this.set(SYMBOLS.has(source[at] as string) ? 'symbol' : 'byte', at, at + 1);
    if (code !== 0 && (code < 32 || code === 127)) this.raw = `char(${code})`;
  }
  private failDelimiter(start: number): never {
    let end = start + 1;
    while (this.source.charCodeAt(end) === EQUALS) end++;
    this.failNear('invalid long string delimiter', this.source.slice(start, end));
  }
  private newline(): void {
    const { source, at } = this;
    const first = source.charCodeAt(at);
    const second = source.charCodeAt(at + 1);
    this.at += (second === NEWLINE || second === RETURN) && second !== first ? 2 : 1;
    this.currentLine++;
  }
  private skipSpace(): void {
    const { source } = this;
    for (;;) {
      const code = source.charCodeAt(this.at);
      if (code === NEWLINE || code === RETURN) this.newline();
      else if (code === 32 || (code >= 9 && code <= 12)) this.at++;
      else if (code === MINUS && source.charCodeAt(this.at + 1) === MINUS) this.skipComment();
      else return;
    }
  }
  private skipComment(): void {
    const { source } = this;
    this.at += 2;
    const level = source.charCodeAt(this.at) === BRACKET ? this.longLevel(this.at) : -1;
    if (level >= 0) {
      this.longText(level, 'unfinished long comment');
      return;
    }
    while (this.at < source.length) {
      const code = source.charCodeAt(this.at);
      if (code === NEWLINE || code === RETURN) return;
      this.at++;
    }
  }

  private scanNumber(): void {
    const { source } = this;
    let end = this.at;
    while (isDigit(source.charCodeAt(end)) || source.charCodeAt(end) === DOT) end++;
    if ((source.charCodeAt(end) | 32) === 101) {
      end++;
      const sign = source.charCodeAt(end);
      if (sign === 43 || sign === MINUS) end++;
    }
    while (isNamePart(source.charCodeAt(end))) end++;
    this.set('number', this.at, end);
    const value = parseNumber(this.raw);
    if (value === undefined) this.failNear('malformed number', this.raw);
    this.value = value;
  }

  private scanString(quote: number): void {
    const { source } = this;
    const start = this.at;
    let from = ++this.at;
    let text = '';
    for (;;) {
      const code = source.charCodeAt(this.at);
      if (code === quote) break;
      if (this.at >= source.length) this.failNear('unfinished string', '<eof>');
      if (code === NEWLINE || code === RETURN) {
        this.failNear('unfinished string', String.fromCharCode(quote) + text + source.slice(from, this.at));
      }
      if (code === BACKSLASH) {
        text += source.slice(from, this.at) + this.escape(quote, text + source.slice(from, this.at));
        from = this.at;
      } else this.at++;
    }
    text += source.slice(from, this.at);
    this.at++;
    this.kind = 'string';
    this.text = text;
    this.raw = source.slice(start, start + 1) + text + String.fromCharCode(quote);
  }
  private escape(quote: number, before: string): string {
    const { source } = this;
    this.at++;
    if (this.at >= source.length) return '';
    const code = source.charCodeAt(this.at);
    if (code === NEWLINE || code === RETURN) {
      this.newline();
      return '\n';
    }
    if (!isDigit(code)) {
      const letter = source[this.at++] as string;
      return ESCAPES[letter] ?? letter;
    }
    let value = 0;
    for (let digits = 0; digits < 3 && isDigit(source.charCodeAt(this.at)); digits++) {
      value = value * 10 + source.charCodeAt(this.at++) - 48;
    }
    if (value > 255) this.failNear('escape sequence too large', String.fromCharCode(quote) + before);
    return String.fromCharCode(value);
  }

  /** How many '=' stand in the long bracket that opens here; -1 when none does. */
  private longLevel(at: number): number {
    const { source } = this;
    let end = at + 1;
    while (source.charCodeAt(end) === EQUALS) end++;
    return source.charCodeAt(end) === BRACKET ? end - at - 1 : -1;
  }
  private scanLongString(): void {
    const start = this.at;
    this.text = this.longText(this.longLevel(start), 'unfinished long string');
    this.kind = 'string';
    this.raw = this.source.slice(start, this.at);
  }
  /** Reads to the closing bracket. Line ends become \n, and one right behind the opening bracket is left out. */
  private longText(level: number, unfinished: string): string {
    const { source } = this;
    this.at += level + 2;
    const first = source.charCodeAt(this.at);
    if (first === NEWLINE || first === RETURN) this.newline();
    const closing = `]${'='.repeat(level)}]`;
    let text = '';
    let from = this.at;
    for (;;) {
      if (this.at >= source.length) this.failNear(unfinished, '<eof>');
      const code = source.charCodeAt(this.at);
      if (code === END_BRACKET && source.startsWith(closing, this.at)) break;
      if (code === BRACKET && level === 0 && source.charCodeAt(this.at + 1) === BRACKET) {
        this.failNear('nesting of [[...]] is deprecated', '[');
      }
      if (code === NEWLINE || code === RETURN) {
        text += source.slice(from, this.at) + '\n';
        this.newline();
        from = this.at;
      } else this.at++;
    }
    text += source.slice(from, this.at);
    this.at += closing.length;
    return text;
  }
}
