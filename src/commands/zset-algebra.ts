/** Unions, intersections and differences of sorted sets and sets, with weights and aggregates. A set's members have score 1. */
import { TYPE_SET, TYPE_ZSET } from '../keyspace/keyspace.ts';
import { SetView } from '../keyspace/set-value.ts';
import { Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { type CommandContext, ERR_SYNTAX, ERR_WRONG_TYPE, type Handler } from './context.ts';
import { boundedArgument, floatArgument } from './numeric-arguments.ts';
import { storeZset } from './zset-store.ts';
import { cursor, replyMembers } from './zsets.ts';

type Operation = 'union' | 'inter' | 'diff';
type Aggregate = 'sum' | 'min' | 'max';

/** One operand, opened; `find` gives a member's score, NaN when it isn't there. */
interface Source {
  readonly size: number;
  find(bytes: Uint8Array, start: number, end: number): number;
  /** Calls `visit` for each member until that says false. */
  each(visit: (bytes: Uint8Array, start: number, end: number, score: number) => boolean): void;
}

class ZsetSource implements Source {
  private readonly zset = new Zset();
  private readonly cursor = new ZsetCursor();

  constructor(ctx: CommandContext, entry: number) {
    this.zset.open(ctx.keyspace, entry);
  }
  get size(): number {
    return this.zset.size;
  }
  find(bytes: Uint8Array, start: number, end: number): number {
    const handle = this.zset.find(bytes, start, end);
    return handle === 0 ? Number.NaN : this.zset.score(handle);
  }
  each(visit: (bytes: Uint8Array, start: number, end: number, score: number) => boolean): void {
    const { cursor: at } = this;
    at.open(this.zset, 0, this.zset.size, false);
    while (at.next() && visit(at.element.bytes, at.element.start, at.element.end, at.score));
  }
}

/** A set: every member has score 1. */
class SetSource implements Source {
  private readonly set = new SetView();

  constructor(ctx: CommandContext, entry: number) {
    this.set.open(ctx.keyspace, entry);
  }
  get size(): number {
    return this.set.length;
  }
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.set.has(bytes, start, end) ? 1 : Number.NaN;
  }
  each(visit: (bytes: Uint8Array, start: number, end: number, score: number) => boolean): void {
    this.set.walk((element) => visit(element.bytes, element.start, element.end, 1));
  }
}

type Request = {
  sources: { source: Source; weight: number }[];
  aggregate: Aggregate;
  withScores: boolean;
  limit: number;
};

/** Opens the operands; null after WRONGTYPE was replied. */
function openSources(ctx: CommandContext, first: number, count: number): Request['sources'] | null {
  const sources: Request['sources'] = [];
  for (let index = first; index < first + count; index++) {
    ctx.locate(index);
    const entry = ctx.keyspace.read();
    const type = entry === 0 ? TYPE_ZSET : ctx.keyspace.type(entry);
    if (type !== TYPE_ZSET && type !== TYPE_SET) {
      ctx.reply.error(ERR_WRONG_TYPE);
      return null;
    }
    const source = type === TYPE_SET ? new SetSource(ctx, entry) : new ZsetSource(ctx, entry);
    sources.push({ source, weight: 1 });
  }
  return sources;
}

type Form = { operation: Operation; stores: boolean; counts: boolean };

/** numkeys key ... and the options, from argument `at` on; null after an error. */
function parse(ctx: CommandContext, at: number, form: Form): Request | null {
  const name = ctx.command?.name ?? '';
  const count = boundedNumkeys(ctx, at, name);
  if (count === null) return null;
  if (count > ctx.argc - at - 1) {
    ctx.reply.error(ERR_SYNTAX);
    return null;
  }
  const sources = openSources(ctx, at + 1, count);
  if (sources === null) return null;
  const request: Request = { sources, aggregate: 'sum', withScores: false, limit: 0 };
  for (let index = at + 1 + count; index < ctx.argc; index++) {
    const taken = parseOption(ctx, index, form, request);
    if (taken < 0) return null;
    index += taken - 1;
  }
  return request;
}
function boundedNumkeys(ctx: CommandContext, at: number, name: string): number | null {
  const error = `ERR at least 1 input key is needed for '${name}' command`;
  const value = boundedArgument(ctx, at, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, ERR_NUMKEYS);
  if (value === null || value >= 1) return value;
  ctx.reply.error(error);
  return null;
}
const ERR_NUMKEYS = 'ERR value is not an integer or out of range';

/** Reads the option at an argument into the request; returns how many arguments it took, or -1 after an error. */
function parseOption(ctx: CommandContext, index: number, form: Form, request: Request): number {
  const word = ctx.word(index);
  const left = ctx.argc - index - 1;
  if (form.counts) {
    if (word === 'limit' && left >= 1) {
      const limit = boundedArgument(ctx, index + 1, 0, Number.POSITIVE_INFINITY, "ERR LIMIT can't be negative");
      if (limit === null) return -1;
      request.limit = limit;
      return 2;
    }
  } else if (form.operation !== 'diff' && word === 'weights' && left >= request.sources.length) {
    for (const [place, operand] of request.sources.entries()) {
      operand.weight = floatArgument(ctx, index + 1 + place, 'ERR weight value is not a float');
      if (Number.isNaN(operand.weight)) return -1;
    }
    return 1 + request.sources.length;
  } else if (form.operation !== 'diff' && word === 'aggregate' && left >= 1) {
    const how = ctx.word(index + 1);
    if (how === 'sum' || how === 'min' || how === 'max') {
      request.aggregate = how;
      return 2;
    }
  } else if (!form.stores && word === 'withscores') {
    request.withScores = true;
    return 1;
  }
  ctx.reply.error(ERR_SYNTAX);
  return -1;
}

function weighted(score: number, weight: number): number {
  const value = score * weight;
  return Number.isNaN(value) ? 0 : value;
}
function aggregated(how: Aggregate, a: number, b: number): number {
  if (how === 'min') return b < a ? b : a;
  if (how === 'max') return b > a ? b : a;
  const sum = a + b;
  // Infinities of both signs: Redis takes zero.
  return Number.isNaN(sum) ? 0 : sum;
}

function fillUnion(result: Zset, request: Request): void {
  for (const { source, weight } of smallestFirst(request)) {
    source.each((bytes, start, end, score) => {
      const value = weighted(score, weight);
      const handle = result.find(bytes, start, end);
      if (handle === 0) {
        result.addMember(bytes, start, end, value);
        return true;
      }
      const old = result.score(handle);
      const fresh = aggregated(request.aggregate, old, value);
      if (fresh !== old) result.changeScore(handle, fresh);
      return true;
    });
  }
}
/** Redis adds from the smallest operand on, and floating-point sums depend on their order. */
function smallestFirst(request: Request): Request['sources'] {
  return [...request.sources].sort((a, b) => a.source.size - b.source.size);
}

/** Calls `found` for each member of all operands until that says false. */
function intersect(request: Request, found: (bytes: Uint8Array, start: number, end: number, score: number) => boolean): void {
  const operands = smallestFirst(request);
  const [smallest, ...others] = operands as [Request['sources'][0], ...Request['sources']];
  smallest.source.each((bytes, start, end, score) => {
    let value = weighted(score, smallest.weight);
    for (const { source, weight } of others) {
      const other = source.find(bytes, start, end);
      if (Number.isNaN(other)) return true;
      value = aggregated(request.aggregate, value, weighted(other, weight));
    }
    return found(bytes, start, end, value);
  });
}

function fillDifference(result: Zset, request: Request): void {
  const [first, ...others] = request.sources as [Request['sources'][0], ...Request['sources']];
  first.source.each((bytes, start, end, score) => {
    const isElsewhere = others.some(({ source }) => !Number.isNaN(source.find(bytes, start, end)));
    if (!isElsewhere) result.addMember(bytes, start, end, score);
    return true;
  });
}

function fill(operation: Operation, result: Zset, request: Request): void {
  if (operation === 'union') fillUnion(result, request);
  else if (operation === 'diff') fillDifference(result, request);
  else {
    intersect(request, (bytes, start, end, score) => {
      result.addMember(bytes, start, end, score);
      return true;
    });
  }
}

const temporary = new Zset();

function combine(operation: Operation): Handler {
  return (ctx) => {
    const request = parse(ctx, 1, { operation, stores: false, counts: false });
    if (request === null) return;
    temporary.openDetached(ctx.keyspace, ctx.keyspace.bank, true);
    try {
      fill(operation, temporary, request);
      const { size } = temporary;
      replyMembers(ctx, cursor.open(temporary, 0, size, false), size, request.withScores);
    } finally {
      temporary.discard();
    }
  };
}

function combineAndStore(operation: Operation): Handler {
  return (ctx) => {
    const request = parse(ctx, 2, { operation, stores: true, counts: false });
    if (request !== null) storeZset(ctx, 1, (result) => fill(operation, result, request), true);
  };
}

function zintercard(ctx: CommandContext): void {
  const request = parse(ctx, 1, { operation: 'inter', stores: false, counts: true });
  if (request === null) return;
  let count = 0;
  intersect(request, () => {
    count++;
    return count !== request.limit;
  });
  ctx.reply.integer(count);
}

export const zsetAlgebraHandlers: Record<string, Handler> = {
  zunion: combine('union'),
  zinter: combine('inter'),
  zdiff: combine('diff'),
  zunionstore: combineAndStore('union'),
  zinterstore: combineAndStore('inter'),
  zdiffstore: combineAndStore('diff'),
  zintercard,
};
