/**
 * SORT and SORT_RO. The executor has latched what they touch: the key, the target, and with patterns of BY or GET all shards of the
 * database, since only the elements say which keys those are.
 */
import { compareBytes } from '../base/bytes.ts';
import { HashView } from '../keyspace/hash-value.ts';
import { requireUsable } from '../keyspace/key-locks.ts';
import { TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET } from '../keyspace/keyspace.ts';
import { List } from '../keyspace/list-value.ts';
import { operationsOf } from '../keyspace/values.ts';
import { Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_SYNTAX, ERR_WRONG_TYPE, type Handler } from './context.ts';
import { integerArgument, parseBound } from './numeric-arguments.ts';

type Options = {
  isDescending: boolean;
  isAlpha: boolean;
  by: Buffer | null;
  /** BY without a '*': the elements stay in their own order. */
  isUnsorted: boolean;
  gets: Buffer[];
  offset: number;
  limit: number;
  /** The argument of STORE's key, 0 for a reply. */
  target: number;
};
type Item = { bytes: Buffer; score: number; text: Buffer | null };

const STAR = 42;
const ARROW = '->';

function parseOptions(ctx: CommandContext, isReadonly: boolean): Options | null {
  const options: Options = {
    isDescending: false,
    isAlpha: false,
    by: null,
    isUnsorted: false,
    gets: [],
    offset: 0,
    limit: -1,
    target: 0,
  };
  for (let index = 2; index < ctx.argc; index++) {
    const word = ctx.word(index);
    const left = ctx.argc - index - 1;
    if (word === 'asc') options.isDescending = false;
    else if (word === 'desc') options.isDescending = true;
    else if (word === 'alpha') options.isAlpha = true;
    else if (word === 'limit' && left >= 2) {
      const offset = integerArgument(ctx, index + 1);
      const limit = offset === null ? null : integerArgument(ctx, index + 2);
      if (offset === null || limit === null) return null;
      options.offset = offset;
      options.limit = limit;
      index += 2;
    } else if (word === 'store' && left >= 1 && !isReadonly) options.target = ++index;
    else if (word === 'by' && left >= 1) {
      options.by = ctx.copy(++index);
      options.isUnsorted = !options.by.includes(STAR);
    } else if (word === 'get' && left >= 1) options.gets.push(ctx.copy(++index));
    else {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
  }
  return options;
}

const zset = new Zset();
const zsetCursor = new ZsetCursor();

/** Copies of all elements, in the collection's own order; a sorted set's from its top when it's to stay unsorted downwards. */
function elementsOf(ctx: CommandContext, entry: number, type: number, options: Options): Item[] {
  const { keyspace } = ctx;
  const items: Item[] = [];
  const take = (bytes: Uint8Array, start: number, end: number): void => {
    items.push({ bytes: Buffer.from(bytes.subarray(start, end)), score: 0, text: null });
  };
  if (type === TYPE_ZSET) {
    zset.open(keyspace, entry);
    const isReverse = options.isUnsorted && options.isDescending;
    zsetCursor.open(zset, isReverse ? zset.size - 1 : 0, zset.size, isReverse);
    while (zsetCursor.next()) take(zsetCursor.element.bytes, zsetCursor.element.start, zsetCursor.element.end);
    return items;
  }
  operationsOf(type).walk(keyspace.bank, keyspace.valueRef(entry), keyspace.encoding(entry), (element) =>
    take(element.bytes, element.start, element.end),
  );
  if (type === TYPE_LIST && options.isUnsorted && options.isDescending) items.reverse();
  return items;
}

const hash = new HashView();
const fieldValue = new Element();

/** What a pattern leads to for an element: '#' is the element, 'a*b->f' a field of a hash; null when there is no such string. */
function lookUp(ctx: CommandContext, pattern: Buffer, element: Buffer): Buffer | null {
  if (pattern.length === 1 && pattern[0] === 35) return element;
  const star = pattern.indexOf(STAR);
  if (star < 0) return null;
  const arrow = pattern.indexOf(ARROW, star + 1);
  const hasField = arrow >= 0 && arrow + ARROW.length < pattern.length;
  const rest = hasField ? pattern.subarray(star + 1, arrow) : pattern.subarray(star + 1);
  const key = Buffer.concat([pattern.subarray(0, star), element, rest]);
  const { keyspace } = ctx;
  keyspace.locate(ctx.database, key, 0, key.length);
  requireUsable(keyspace, false);
  const entry = keyspace.read();
  if (entry === 0) return null;
  const type = keyspace.type(entry);
  if (hasField) {
    if (type !== TYPE_HASH || !hash.open(keyspace, entry).get(pattern, arrow + ARROW.length, pattern.length, fieldValue)) return null;
    return Buffer.from(fieldValue.bytes.subarray(fieldValue.start, fieldValue.end));
  }
  if (type !== TYPE_STRING) return null;
  const start = keyspace.stringStart(entry);
  return Buffer.from(keyspace.bank.u8.subarray(start, start + keyspace.stringLength(entry)));
}

const INFINITE = /^\s*[+-]?inf/i;

/** Gives each item what it's sorted by; false after an error was replied. */
function weigh(ctx: CommandContext, items: readonly Item[], options: Options): boolean {
  const { by, isAlpha } = options;
  let isNumeric = true;
  for (const item of items) {
    const value = by === null ? item.bytes : lookUp(ctx, by, item.bytes);
    item.text = value;
    if (isAlpha || value === null) continue;
    item.score = parseBound(value, 0, value.length);
    if (Number.isNaN(item.score) || (!Number.isFinite(item.score) && !INFINITE.test(value.latin1Slice()))) isNumeric = false;
  }
  if (!isNumeric) ctx.reply.error("ERR One or more scores can't be converted into double");
  return isNumeric;
}

const byBytes = (a: Buffer, b: Buffer): number => compareBytes(a, 0, a.length, b, 0, b.length);

function compareItems(a: Item, b: Item, options: Options): number {
  if (!options.isAlpha) {
    if (a.score !== b.score) return a.score < b.score ? -1 : 1;
    // The order of equal scores must not be left to chance.
    return byBytes(a.bytes, b.bytes);
  }
  if (a.text === null || b.text === null) return a.text === b.text ? 0 : a.text === null ? -1 : 1;
  return byBytes(a.text, b.text);
}

/** The part of the items that LIMIT leaves. */
function limited(items: Item[], { offset, limit }: Options): Item[] {
  const size = items.length;
  const start = Math.min(Math.max(offset, 0), size);
  const count = Math.min(Math.max(limit, -1), size);
  return count < 0 ? items.slice(start) : items.slice(start, start + count);
}

const target = new List();

/** Puts the outputs under the target as a list; what isn't there becomes an empty string. */
function store(ctx: CommandContext, to: number, outputs: readonly (Buffer | null)[]): void {
  const { keyspace } = ctx;
  ctx.locate(to);
  const entry = keyspace.write();
  if (entry !== 0) keyspace.remove(entry);
  target.open(keyspace, 0);
  try {
    for (const output of outputs) {
      if (output === null) target.push(ctx.bytes, 0, 0, false);
      else target.push(output, 0, output.length, false);
    }
  } catch (error) {
    // Part of a result is worse than none.
    if (target.size > 0) target.removeKey();
    throw error;
  }
  ctx.reply.integer(outputs.length);
}

function sort(isReadonly: boolean): Handler {
  return (ctx) => {
    const options = parseOptions(ctx, isReadonly);
    if (options === null) return;
    if (options.target !== 0) {
      ctx.locate(options.target);
      requireUsable(ctx.keyspace, true);
    }
    ctx.locate(1);
    requireUsable(ctx.keyspace, false);
    const entry = ctx.keyspace.read();
    const type = entry === 0 ? TYPE_LIST : ctx.keyspace.type(entry);
    if (type !== TYPE_LIST && type !== TYPE_SET && type !== TYPE_ZSET) {
      ctx.reply.error(ERR_WRONG_TYPE);
      return;
    }
    if (type === TYPE_SET && options.isUnsorted && options.target !== 0) {
      // A set has no order of its own that could be stored.
      options.isUnsorted = false;
      options.isAlpha = true;
      options.by = null;
    }
    const items = entry === 0 ? [] : elementsOf(ctx, entry, type, options);
    if (!options.isUnsorted) {
      if (!weigh(ctx, items, options)) return;
      const sign = options.isDescending ? -1 : 1;
      items.sort((a, b) => sign * compareItems(a, b, options));
    }
    const chosen = limited(items, options);
    const outputs: (Buffer | null)[] =
      options.gets.length === 0
        ? chosen.map((item) => item.bytes)
        : chosen.flatMap((item) => options.gets.map((pattern) => lookUp(ctx, pattern, item.bytes)));
    if (options.target !== 0) {
      store(ctx, options.target, outputs);
      return;
    }
    ctx.reply.array(outputs.length);
    for (const output of outputs) {
      if (output === null) ctx.reply.nil();
      else ctx.reply.bulk(output, 0, output.length);
    }
  };
}

export const sortHandlers: Record<string, Handler> = { sort: sort(false), sort_ro: sort(true) };
