/**
 * Lua's patterns: the backtracking matcher of lstrlib.c over patterns that are parsed once. Each item tried counts as a tick, so
 * that a pattern that explodes can be stopped.
 */
import { libraryError } from '../runtime/errors.ts';
import { endSlice, meter } from '../runtime/meter.ts';
import type { LuaValue } from '../runtime/value.ts';

const MAX_CAPTURES = 32;
const POSITION = -2;
const OPEN = -1;
const MAX_CACHED = 256;

type Repeat = '' | '*' | '+' | '-' | '?';
type Item =
  | { kind: 'set'; set: Uint8Array; repeat: Repeat }
  | { kind: 'open' }
  | { kind: 'position' }
  | { kind: 'close' }
  | { kind: 'balance'; open: number; close: number }
  | { kind: 'frontier'; set: Uint8Array }
  | { kind: 'back'; index: number }
  | { kind: 'end' }
  | { kind: 'subject end' }
  /** A mistake in the pattern: an error once the matcher gets there, as in lstrlib.c. */
  | { kind: 'error'; message: string };

export type Pattern = {
  readonly items: readonly Item[];
  readonly isAnchored: boolean;
  /** The characters that a match can begin with; null when it may begin anywhere. */
  readonly first: Uint8Array | null;
  /** The one character of `first`, -1 when there are more. */
  readonly firstCode: number;
  /** The characters of which a match has one, or one and more, when the pattern says nothing else: "%w+", "[,;]", "x". */
  readonly run: { readonly set: Uint8Array; readonly isRepeated: boolean } | null;
};

const ALL = new Uint8Array(256).fill(1);
const inRange = (code: number, low: string, high: string): boolean => code >= low.charCodeAt(0) && code <= high.charCodeAt(0);
const isUpper = (code: number): boolean => inRange(code, 'A', 'Z');
const isLower = (code: number): boolean => inRange(code, 'a', 'z');
const isDigit = (code: number): boolean => inRange(code, '0', '9');
const isAlpha = (code: number): boolean => isUpper(code) || isLower(code);
/** C's character classes in the C locale. */
const CLASSES: Readonly<Record<string, (code: number) => boolean>> = {
  a: isAlpha,
  c: (code) => code < 32 || code === 127,
  d: isDigit,
  l: isLower,
  p: (code) => code > 32 && code < 127 && !isAlpha(code) && !isDigit(code),
  s: (code) => code === 32 || (code >= 9 && code <= 13),
  u: isUpper,
  w: (code) => isAlpha(code) || isDigit(code),
  x: (code) => isDigit(code) || inRange(code, 'a', 'f') || inRange(code, 'A', 'F'),
  z: (code) => code === 0,
};
const buildSet = (holds: (code: number) => boolean): Uint8Array => Uint8Array.from({ length: 256 }, (_, code) => (holds(code) ? 1 : 0));
/** By the character behind '%'. */
const CLASS_SETS = new Map<number, Uint8Array>();
for (const [letter, holds] of Object.entries(CLASSES)) {
  CLASS_SETS.set(letter.charCodeAt(0), buildSet(holds));
  CLASS_SETS.set(
    letter.toUpperCase().charCodeAt(0),
    buildSet((code) => !holds(code)),
  );
}
const singleSets: (Uint8Array | undefined)[] = [];
function singleSet(code: number): Uint8Array {
  let set = singleSets[code];
  if (set === undefined) {
    set = new Uint8Array(256);
    set[code] = 1;
    singleSets[code] = set;
  }
  return set;
}

class PatternParser {
  readonly items: Item[] = [];
  private readonly text: string;
  private at: number;
  constructor(text: string, start: number) {
    this.text = text;
    this.at = start;
  }
  parse(): void {
    while (this.at < this.text.length) if (!this.item()) return;
    this.items.push({ kind: 'end' });
  }
  private fail(message: string): boolean {
    this.items.push({ kind: 'error', message });
    return false;
  }
  /** False behind a mistake. */
  private item(): boolean {
    const { text, at } = this;
    const letter = text[at];
    if (letter === '(') {
      const isPosition = text[at + 1] === ')';
      this.items.push({ kind: isPosition ? 'position' : 'open' });
      this.at += isPosition ? 2 : 1;
      return true;
    }
    if (letter === ')') {
      this.items.push({ kind: 'close' });
      this.at++;
      return true;
    }
    if (letter === '$' && at + 1 === text.length) {
      this.items.push({ kind: 'subject end' });
      this.at++;
      return true;
    }
    if (letter === '%') {
      const next = text[at + 1];
      if (next === 'b') return this.balance();
      if (next === 'f') return this.frontier();
      if (next !== undefined && isDigit(next.charCodeAt(0))) {
        this.items.push({ kind: 'back', index: next.charCodeAt(0) - 49 });
        this.at += 2;
        return true;
      }
    }
    return this.single();
  }
  private balance(): boolean {
    const open = this.text.charCodeAt(this.at + 2);
    const close = this.text.charCodeAt(this.at + 3);
    if (Number.isNaN(open) || Number.isNaN(close)) return this.fail('unbalanced pattern');
    this.items.push({ kind: 'balance', open, close });
    this.at += 4;
    return true;
  }
  private frontier(): boolean {
    this.at += 2;
    if (this.text[this.at] !== '[') return this.fail("missing '[' after '%f' in pattern");
    const set = this.bracket();
    if (set === null) return false;
    this.items.push({ kind: 'frontier', set });
    return true;
  }
  private single(): boolean {
    const set = this.set();
    if (set === null) return false;
    const suffix = this.text[this.at];
    let repeat: Repeat = '';
    if (suffix === '*' || suffix === '+' || suffix === '-' || suffix === '?') {
      repeat = suffix;
      this.at++;
    }
    this.items.push({ kind: 'set', set, repeat });
    return true;
  }
  private set(): Uint8Array | null {
    const letter = this.text[this.at];
    if (letter === '[') return this.bracket();
    if (letter === '%') {
      const code = this.text.charCodeAt(this.at + 1);
      if (Number.isNaN(code)) {
        this.fail("malformed pattern (ends with '%')");
        return null;
      }
      this.at += 2;
      return CLASS_SETS.get(code) ?? singleSet(code);
    }
    this.at++;
    return letter === '.' ? ALL : singleSet((letter as string).charCodeAt(0));
  }
  /** [set], [^set]; a ']' right behind the opening is an ordinary character. */
  private bracket(): Uint8Array | null {
    const { text } = this;
    let at = this.at + 1;
    const isNegated = text[at] === '^';
    if (isNegated) at++;
    const set = new Uint8Array(256);
    let isFirst = true;
    while (isFirst || text[at] !== ']') {
      isFirst = false;
      const code = text.charCodeAt(at);
      if (Number.isNaN(code)) {
        this.fail("malformed pattern (missing ']')");
        return null;
      }
      const isEscape = text[at] === '%';
      const behind = text.charCodeAt(at + 1);
      if (isEscape) {
        if (Number.isNaN(behind)) {
          this.fail("malformed pattern (missing ']')");
          return null;
        }
        const members = CLASS_SETS.get(behind) ?? singleSet(behind);
        for (let member = 0; member < 256; member++) if (members[member] === 1) set[member] = 1;
        at += 2;
      } else if (text[at + 1] === '-' && at + 2 < text.length && text[at + 2] !== ']') {
        for (let member = code; member <= text.charCodeAt(at + 2); member++) set[member] = 1;
        at += 3;
      } else {
        set[code] = 1;
        at++;
      }
    }
    this.at = at + 1;
    if (isNegated) for (let member = 0; member < 256; member++) set[member] = set[member] === 1 ? 0 : 1;
    return set;
  }
}

function firstSet(items: readonly Item[]): Uint8Array | null {
  const start = items.find((item) => item.kind !== 'open' && item.kind !== 'position');
  if (start?.kind !== 'set' || items[0]?.kind === 'position') return null;
  return start.repeat === '' || start.repeat === '+' ? start.set : null;
}

function runOf(items: readonly Item[], isAnchored: boolean): Pattern['run'] {
  const [only, end] = items;
  if (isAnchored || only?.kind !== 'set' || end?.kind !== 'end') return null;
  return only.repeat === '' || only.repeat === '+' ? { set: only.set, isRepeated: only.repeat === '+' } : null;
}

const cache = new Map<string, Pattern>();
/** Parses a pattern; an anchor '^' counts only where the caller lets it (gmatch doesn't). */
export function parsePattern(text: string, mayBeAnchored: boolean): Pattern {
  const key = (mayBeAnchored ? '^' : '.') + text;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const isAnchored = mayBeAnchored && text[0] === '^';
  const parser = new PatternParser(text, isAnchored ? 1 : 0);
  parser.parse();
  const first = firstSet(parser.items);
  const firstCode = first === null ? -1 : first.indexOf(1);
  const isSingle = first !== null && first.lastIndexOf(1) === firstCode;
  const pattern = {
    items: parser.items,
    isAnchored,
    first,
    firstCode: isSingle ? firstCode : -1,
    run: runOf(parser.items, isAnchored),
  };
  if (cache.size >= MAX_CACHED) cache.clear();
  if (text.length < 1024) cache.set(key, pattern);
  return pattern;
}

/** One search over one subject. Reused captures: those of the last match that succeeded. */
export class Matcher {
  readonly subject: string;
  level = 0;
  private readonly items: readonly Item[];
  private readonly pattern: Pattern;
  private readonly starts: number[] = [];
  private readonly lengths: number[] = [];

  constructor(subject: string, pattern: Pattern) {
    this.subject = subject;
    this.items = pattern.items;
    this.pattern = pattern;
  }
  /** The next place from `start` on where a match may begin, past the end when there is none. */
  candidate(start: number): number {
    const { subject } = this;
    const { first, firstCode, isAnchored } = this.pattern;
    if (first === null || isAnchored) return start;
    let at = start;
    if (firstCode >= 0) {
      at = subject.indexOf(String.fromCharCode(firstCode), start);
      if (at < 0) at = subject.length + 1;
    } else {
      while (at < subject.length && first[subject.charCodeAt(at)] !== 1) at++;
      if (at === subject.length) at++;
    }
    meter.ticks -= (at - start) >> 4;
    return at;
  }
  /** The end of the match that starts at `start`, -1 when there is none. */
  match(start: number): number {
    this.level = 0;
    return this.run(start, 0);
  }
  private run(from: number, first: number): number {
    const { subject, items } = this;
    let at = from;
    let index = first;
    for (;;) {
      if (--meter.ticks < 0) endSlice();
      const item = items[index] as Item;
      switch (item.kind) {
        case 'set':
          if (item.repeat === '') {
            if (at >= subject.length || item.set[subject.charCodeAt(at)] !== 1) return -1;
            at++;
            index++;
            continue;
          }
          return this.repeated(item.set, item.repeat, at, index + 1);
        case 'end':
          return at;
        case 'open':
          return this.open(at, index + 1, OPEN);
        case 'position':
          return this.open(at, index + 1, POSITION);
        case 'close':
          return this.close(at, index + 1);
        case 'balance':
          at = this.balance(at, item.open, item.close);
          if (at < 0) return -1;
          break;
        case 'subject end':
          if (at !== subject.length) return -1;
          break;
        case 'frontier': {
          const before = at === 0 ? 0 : subject.charCodeAt(at - 1);
          const here = at < subject.length ? subject.charCodeAt(at) : 0;
          if (item.set[before] === 1 || item.set[here] !== 1) return -1;
          break;
        }
        case 'back':
          at = this.back(at, item.index);
          if (at < 0) return -1;
          break;
        case 'error':
          throw libraryError(item.message);
      }
      index++;
    }
  }
  private repeated(set: Uint8Array, repeat: Repeat, at: number, next: number): number {
    if (repeat === '-') return this.shortest(set, at, next);
    const { subject } = this;
    const isHere = at < subject.length && set[subject.charCodeAt(at)] === 1;
    if (repeat === '?') {
      if (isHere) {
        const end = this.run(at + 1, next);
        if (end >= 0) return end;
      }
      return this.run(at, next);
    }
    if (repeat === '+' && !isHere) return -1;
    return this.longest(set, repeat === '+' ? at + 1 : at, next);
  }
  private longest(set: Uint8Array, at: number, next: number): number {
    const { subject } = this;
    let end = at;
    while (end < subject.length && set[subject.charCodeAt(end)] === 1) end++;
    meter.ticks -= (end - at) >> 4;
    if ((this.items[next] as Item).kind === 'end') return end;
    for (; end >= at; end--) {
      const result = this.run(end, next);
      if (result >= 0) return result;
    }
    return -1;
  }
  private shortest(set: Uint8Array, from: number, next: number): number {
    const { subject } = this;
    for (let at = from; ; at++) {
      const result = this.run(at, next);
      if (result >= 0) return result;
      if (at >= subject.length || set[subject.charCodeAt(at)] !== 1) return -1;
    }
  }
  private open(at: number, next: number, kind: number): number {
    if (this.level >= MAX_CAPTURES) throw libraryError('too many captures');
    this.starts[this.level] = at;
    this.lengths[this.level] = kind;
    this.level++;
    const end = this.run(at, next);
    if (end < 0) this.level--;
    return end;
  }
  private close(at: number, next: number): number {
    let index = this.level - 1;
    while (index >= 0 && this.lengths[index] !== OPEN) index--;
    if (index < 0) throw libraryError('invalid pattern capture');
    this.lengths[index] = at - (this.starts[index] as number);
    const end = this.run(at, next);
    if (end < 0) this.lengths[index] = OPEN;
    return end;
  }
  private balance(from: number, open: number, close: number): number {
    const { subject } = this;
    if (from >= subject.length || subject.charCodeAt(from) !== open) return -1;
    let depth = 1;
    for (let at = from + 1; at < subject.length; at++) {
      if (--meter.ticks < 0) endSlice();
      const code = subject.charCodeAt(at);
      if (code === close) {
        if (--depth === 0) return at + 1;
      } else if (code === open) depth++;
    }
    return -1;
  }
  private back(at: number, index: number): number {
    if (index < 0 || index >= this.level || this.lengths[index] === OPEN) throw libraryError('invalid capture index');
    const start = this.starts[index] as number;
    const length = this.lengths[index] as number;
    if (length < 0) return -1;
    return this.subject.startsWith(this.subject.slice(start, start + length), at) ? at + length : -1;
  }

  /** A capture of the last match; without any, number 0 is the whole match. */
  capture(index: number, start: number, end: number): LuaValue {
    if (index >= this.level) {
      if (index !== 0) throw libraryError('invalid capture index');
      return this.subject.slice(start, end);
    }
    const length = this.lengths[index] as number;
    const from = this.starts[index] as number;
    if (length === OPEN) throw libraryError('unfinished capture');
    return length === POSITION ? from + 1 : this.subject.slice(from, from + length);
  }
  /** All captures, or the whole match when the pattern has none. */
  captures(start: number, end: number): LuaValue[] {
    if (this.level === 0) return [this.subject.slice(start, end)];
    const captures: LuaValue[] = [];
    for (let index = 0; index < this.level; index++) captures.push(this.capture(index, start, end));
    return captures;
  }
}
