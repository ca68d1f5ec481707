/**
 * Replies to Lua values and back, as Redis converts them (https://redis.io/docs/latest/develop/interact/programmability/lua-api/):
 *
 *   reply            Lua                                   Lua                          reply (RESP2 | RESP3)
 *   :1               1                                     1.9                          :1
 *   $3 abc           "abc"                                 "abc"                        $3 abc
 *   $-1  *-1         false                                 nil, functions               $-1 | _
 *   +OK              {ok="OK"}                             {ok="OK"}                    +OK
 *   -ERR x           {err="ERR x"}                         {err="ERR x"}                -ERR x
 *   *2 ...           {...}                                 {...}, up to the first nil   *n ...
 *   _                nil                                   true, false                  :1 $-1 | :1 _   (with setresp(3): :1 :0 | #t #f)
 *   #t  #f           true, false                           {double=1.5}                 $3 1.5 | ,1.5
 *   ,1.5             {double=1.5}                          {map={k=v}}                  *2 k v | %1 k v
 *   %1 k v           {map={k=v}}                           {set={k=true}}               *1 k | ~1 k
 *   ~1 k             {set={k=true}}                        {big_number="1"}             $1 1 | (1
 *   (1               {big_number="1"}                      {verbatim_string=            $3 abc |
 *   =7 txt:abc       {verbatim_string={format="txt",...}}    {format="txt",string="abc"}}  =7 txt:abc
 */
import { latin1Of } from '../base/latin1.ts';
import type { ReplyWriter } from '../resp/reply.ts';
import { untilZero } from './library/arguments.ts';
import { type LuaTable, newTable, LuaTable as Table, tableOfFields, tableOfItems } from './runtime/table.ts';
import { found, nextKey } from './runtime/traversal.ts';
import { type LuaValue, typeName } from './runtime/value.ts';

const CR = 13;
const MINUS = 45;
const LETTER_O = 79;
const LETTER_K = 75;
/** Deeper tables don't fit on Redis's Lua stack; the reply holds this error in their place. */
const MAX_DEPTH = 7_994;
const ERR_TOO_DEEP = 'ERR reached lua stack limit';

/** Reads one reply after another out of a buffer. Work object: reused, and only valid while the buffer is unchanged. */
export class ReplyReader {
  /** Where the next reply begins. */
  at = 0;
  private bytes: Buffer = Buffer.alloc(0);

  /** The value of the reply that begins at `start`. The bytes are a whole and well-formed reply. */
  read(bytes: Buffer, start: number): LuaValue {
    this.bytes = bytes;
    this.at = start;
    return this.value();
  }
  private value(): LuaValue {
    const type = this.bytes[this.at++] as number;
    switch (type) {
      case 58: // :
        return this.integer();
      case 36: // $
        return this.bulk();
      case 43: // +
        return tableOfFields(['ok'], [this.status()]);
      case MINUS:
        return tableOfFields(['err'], [this.line()]);
      case 42: // *
        return this.array();
      case 95: // _
        this.line();
        return undefined;
      case 35: // #
        return this.line() === 't';
      case 44: // ,
        return tableOfFields(['double'], [doubleOf(this.line())]);
      case 37: // %
        return this.map();
      case 126: // ~
        return this.set();
      case 40: // (
        return tableOfFields(['big_number'], [this.line()]);
      case 61: // =
        return this.verbatim();
      default:
        // A push message has the form of an array.
        return this.array();
    }
  }
  /** A line, which is nearly always the same one. */
  private status(): string {
    const { bytes, at } = this;
    if (bytes[at] !== LETTER_O || bytes[at + 1] !== LETTER_K || bytes[at + 2] !== CR) return this.line();
    this.at = at + 4;
    return 'OK';
  }
  private line(): string {
    const { bytes, at } = this;
    const end = bytes.indexOf(CR, at);
    this.at = end + 2;
    return bytes.latin1Slice(at, end);
  }
  private integer(): number {
    const { bytes } = this;
    let { at } = this;
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at++;
    let value = 0;
    for (let digit = bytes[at] as number; digit !== CR; digit = bytes[++at] as number) value = value * 10 + digit - 48;
    // Beyond 2^53 the digits don't add up exactly one by one.
    if (value > Number.MAX_SAFE_INTEGER) value = Number(bytes.latin1Slice(isNegative ? this.at + 1 : this.at, at));
    this.at = at + 2;
    return isNegative ? -value : value;
  }
  private bulk(): LuaValue {
    const size = this.integer();
    if (size < 0) return false;
    const start = this.at;
    this.at = start + size + 2;
    return latin1Of(this.bytes, start, start + size);
  }
  private array(): LuaValue {
    const count = this.integer();
    if (count < 0) return false;
    const items: LuaValue[] = [undefined];
    for (let index = 0; index < count; index++) items.push(this.value());
    return tableOfItems(items);
  }
  private map(): LuaValue {
    const count = this.integer();
    const map = newTable();
    for (let pair = 0; pair < count; pair++) {
      const key = this.value();
      const value = this.value();
      if (key !== undefined) map.set(key, value);
    }
    return tableOfFields(['map'], [map]);
  }
  private set(): LuaValue {
    const count = this.integer();
    const set = newTable();
    for (let member = 0; member < count; member++) {
      const key = this.value();
      if (key !== undefined) set.set(key, true);
    }
    return tableOfFields(['set'], [set]);
  }
  private verbatim(): LuaValue {
    const text = this.bulk() as string;
    return tableOfFields(['verbatim_string'], [tableOfFields(['string', 'format'], [text.slice(4), text.slice(0, 3)])]);
  }
}
function doubleOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY;
  return text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

/** A double as a C cast to a 64-bit integer gives it: towards zero, and the smallest one for what doesn't fit. */
export function toReplyInteger(number: number): number | bigint {
  const cut = Math.trunc(number);
  if (Number.isSafeInteger(cut)) return cut + 0;
  return cut >= -(2 ** 63) && cut < 2 ** 63 ? BigInt(cut) : -(2n ** 63n);
}

const lineText = (text: string): string => text.replace(/[\r\n]/g, ' ');

/** Writes the value that a script returned. `isResp3` says whether the script asked for RESP3 by redis.setresp(3). */
export function writeValue(value: LuaValue, writer: ReplyWriter, isResp3: boolean, depth = 0): void {
  switch (typeof value) {
    case 'string':
      writer.bulkString(value);
      return;
    case 'number':
      writer.integer(toReplyInteger(value));
      return;
    case 'boolean':
      if (isResp3) writer.boolean(value);
      else if (value) writer.integer(1);
      else writer.nil();
      return;
    default:
      if (!(value instanceof Table)) writer.nil();
      else if (depth > MAX_DEPTH) writer.error(ERR_TOO_DEEP);
      else writeTable(value, writer, isResp3, depth);
  }
}
function writeTable(table: LuaTable, writer: ReplyWriter, isResp3: boolean, depth: number): void {
  if (table.keys.length > 0 && writeSpecial(table, writer, isResp3, depth)) return;
  let count = 0;
  while (table.get(count + 1) !== undefined) count++;
  writer.array(count);
  for (let index = 1; index <= count; index++) writeValue(table.get(index), writer, isResp3, depth + 1);
}
/** Tables whose one field says what they are. False for all others. */
function writeSpecial(table: LuaTable, writer: ReplyWriter, isResp3: boolean, depth: number): boolean {
  const err = table.getString('err');
  if (typeof err === 'string') {
    writer.error(untilZero(err));
    return true;
  }
  const ok = table.getString('ok');
  if (typeof ok === 'string') {
    writer.simple(lineText(untilZero(ok)));
    return true;
  }
  const double = table.getString('double');
  if (typeof double === 'number') {
    writer.double(double);
    return true;
  }
  const map = table.getString('map');
  if (map instanceof Table) {
    writePairs(map, writer, isResp3, depth, true);
    return true;
  }
  const set = table.getString('set');
  if (set instanceof Table) {
    writePairs(set, writer, isResp3, depth, false);
    return true;
  }
  return writeText(table, writer);
}
function writeText(table: LuaTable, writer: ReplyWriter): boolean {
  const bigNumber = table.getString('big_number');
  if (typeof bigNumber === 'string') {
    writer.bigNumber(lineText(bigNumber));
    return true;
  }
  const verbatim = table.getString('verbatim_string');
  if (!(verbatim instanceof Table)) return false;
  const text = verbatim.getString('string');
  const format = verbatim.getString('format');
  if (typeof text !== 'string' || typeof format !== 'string') return false;
  writeVerbatim(text, format, writer);
  return true;
}
function writeVerbatim(text: string, format: string, writer: ReplyWriter): void {
  if (writer.resp === 2) {
    writer.bulkString(text);
    return;
  }
  const bytes = Buffer.from(`=${text.length + 4}\r\n${format.slice(0, 3).padEnd(3, ' ')}:${text}\r\n`, 'latin1');
  writer.raw(bytes, 0, bytes.length);
}
/** A map's keys and values, or a set's keys. */
function writePairs(table: LuaTable, writer: ReplyWriter, isResp3: boolean, depth: number, isMap: boolean): void {
  let count = 0;
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) count++;
  if (isMap) writer.map(count);
  else writer.set(count);
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
    const { value } = found;
    writeValue(key, writer, isResp3, depth + 1);
    if (isMap) writeValue(value, writer, isResp3, depth + 1);
  }
}

/**
 * The error reply for what a script raised: "ERR user_script:1: ... script: <sha>, on @user_script:1." Without the leading '-'.
 * `name` is the script's SHA1 or the function's name.
 */
export function errorReplyText(error: LuaValue, name: string, source: string | null, line: number): string {
  let text: string;
  if (error instanceof Table) {
    const err = error.getString('err');
    text = typeof err === 'string' || typeof err === 'number' ? String(err) : 'ERR unknown error';
  } else if (typeof error === 'string' || typeof error === 'number') text = `ERR ${error}`;
  else text = `ERR ${error === undefined || typeof error === 'boolean' ? String(error ?? 'nil') : typeName(error)}`;
  text = untilZero(text);
  return source === null ? text : `${text} script: ${name}, on ${source}:${line}.`;
}
