/** Searches for places: GEOSEARCH, GEOSEARCHSTORE, and GEORADIUS and GEORADIUSBYMEMBER, which were before them. */
import { cellsCovering, decode, distanceWithin, type Position, type Shape, scoresOf } from '../base/geohash.ts';
import { type Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { positionArgument, positionOf, replyDistance, replyPosition, unitArgument } from './geo.ts';
import { floatArgument, integerArgument } from './numeric-arguments.ts';
import { storeZset } from './zset-store.ts';
import { readZset } from './zsets.ts';

type Form = {
  /** The argument of the source key. */
  source: number;
  from: 'coordinates' | 'member' | 'options';
  /** Whether STORE and STOREDIST may follow. */
  storesByOption: boolean;
  /** GEOSEARCHSTORE: argument 1 is the target. */
  stores: boolean;
};

type Search = {
  center: Position | null;
  /** Centre found or, for a key that isn't there, named. */
  hasCenter: boolean;
  size: { radius: number } | { width: number; height: number } | null;
  unit: number;
  withDistance: boolean;
  withHash: boolean;
  withPosition: boolean;
  sort: 'none' | 'asc' | 'desc';
  count: number;
  any: boolean;
  /** The argument of the target key, 0 for a reply. */
  target: number;
  storesDistance: boolean;
};

/** Reads the option at an argument; returns how many arguments it took, 0 when it is none, -1 after an error was replied. */
type OptionReader = (ctx: CommandContext, index: number, search: Search, set: Zset, form: Form) => number;

const flag =
  (set: (search: Search) => void): OptionReader =>
  (_ctx, _index, search) => {
    set(search);
    return 1;
  };

const readCount: OptionReader = (ctx, index, search) => {
  if (index + 1 >= ctx.argc) return 0;
  const count = integerArgument(ctx, index + 1);
  if (count === null) return -1;
  if (count <= 0) {
    ctx.reply.error('ERR COUNT must be > 0');
    return -1;
  }
  search.count = count;
  return 2;
};
const readStore =
  (storesDistance: boolean): OptionReader =>
  (ctx, index, search, _set, form) => {
    if (storesDistance && form.stores) {
      search.storesDistance = true;
      return 1;
    }
    if (!form.storesByOption || index + 1 >= ctx.argc) return 0;
    search.target = index + 1;
    search.storesDistance = storesDistance;
    return 2;
  };
const readMember: OptionReader = (ctx, index, search, set, form) => {
  if (form.from !== 'options' || index + 1 >= ctx.argc || (search.hasCenter && !isMemberGiven)) return 0;
  if (!takeMember(ctx, index + 1, search, set)) return -1;
  isMemberGiven = true;
  return 2;
};
/** Whether the centre that the command has so far is a member's place: FROMMEMBER and FROMLONLAT exclude each other. */
let isMemberGiven = false;
const readPosition: OptionReader = (ctx, index, search, _set, form) => {
  if (form.from !== 'options' || index + 2 >= ctx.argc || isMemberGiven) return 0;
  search.center = positionArgument(ctx, index + 1);
  search.hasCenter = true;
  return search.center === null ? -1 : 3;
};
const readRadius: OptionReader = (ctx, index, search, _set, form) => {
  if (form.from !== 'options' || index + 2 >= ctx.argc || (search.size !== null && 'width' in search.size)) return 0;
  return takeRadius(ctx, index + 1, search) ? 3 : -1;
};
const readBox: OptionReader = (ctx, index, search, _set, form) => {
  if (form.from !== 'options' || index + 3 >= ctx.argc || (search.size !== null && 'radius' in search.size)) return 0;
  const width = floatArgument(ctx, index + 1, 'ERR need numeric width');
  if (Number.isNaN(width)) return -1;
  const height = floatArgument(ctx, index + 2, 'ERR need numeric height');
  if (Number.isNaN(height)) return -1;
  if (width < 0 || height < 0) {
    ctx.reply.error('ERR height or width cannot be negative');
    return -1;
  }
  search.unit = unitArgument(ctx, index + 3);
  search.size = { width, height };
  return Number.isNaN(search.unit) ? -1 : 4;
};

const OPTIONS: Readonly<Record<string, OptionReader>> = {
  withdist: flag((search) => {
    search.withDistance = true;
  }),
  withhash: flag((search) => {
    search.withHash = true;
  }),
  withcoord: flag((search) => {
    search.withPosition = true;
  }),
  any: flag((search) => {
    search.any = true;
  }),
  asc: flag((search) => {
    search.sort = 'asc';
  }),
  desc: flag((search) => {
    search.sort = 'desc';
  }),
  count: readCount,
  store: readStore(false),
  storedist: readStore(true),
  frommember: readMember,
  fromlonlat: readPosition,
  byradius: readRadius,
  bybox: readBox,
};

function takeRadius(ctx: CommandContext, index: number, search: Search): boolean {
  const radius = floatArgument(ctx, index, 'ERR need numeric radius');
  if (Number.isNaN(radius)) return false;
  if (radius < 0) {
    ctx.reply.error('ERR radius cannot be negative');
    return false;
  }
  search.unit = unitArgument(ctx, index + 1);
  search.size = { radius };
  return !Number.isNaN(search.unit);
}
/** Without the key no member can be looked up: the options are read on, and the result is empty. */
function takeMember(ctx: CommandContext, index: number, search: Search, set: Zset): boolean {
  search.hasCenter = true;
  if (set.size === 0) return true;
  search.center = positionOf(ctx, set, index);
  if (search.center !== null) return true;
  ctx.reply.error('ERR could not decode requested zset member');
  return false;
}

/** All arguments of a search; null after an error was replied. */
function parseSearch(ctx: CommandContext, set: Zset, form: Form): Search | null {
  const search: Search = {
    center: null,
    hasCenter: false,
    size: null,
    unit: 1,
    withDistance: false,
    withHash: false,
    withPosition: false,
    sort: 'none',
    count: 0,
    any: false,
    target: form.stores ? 1 : 0,
    storesDistance: false,
  };
  isMemberGiven = false;
  let first = form.source + 1;
  if (form.from === 'coordinates') {
    search.center = positionArgument(ctx, 2);
    search.hasCenter = true;
    if (search.center === null || !takeRadius(ctx, 4, search)) return null;
    first = 6;
  } else if (form.from === 'member') {
    if (!takeMember(ctx, 2, search, set)) return null;
    if (set.size > 0 && !takeRadius(ctx, 3, search)) return null;
    first = 5;
  }
  for (let index = first; index < ctx.argc; ) {
    const taken = OPTIONS[ctx.word(index)]?.(ctx, index, search, set, form) ?? 0;
    if (taken === 0) ctx.reply.error(ERR_SYNTAX);
    if (taken <= 0) return null;
    index += taken;
  }
  return isComplete(ctx, search, form) ? search : null;
}
function isComplete(ctx: CommandContext, search: Search, form: Form): boolean {
  const name = ctx.text(0);
  if (search.target !== 0 && (search.withDistance || search.withHash || search.withPosition)) {
    const what = form.stores ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS';
    ctx.reply.error(`ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
  } else if (form.from === 'options' && !search.hasCenter) {
    ctx.reply.error(`ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${name}`);
  } else if (form.from === 'options' && search.size === null) {
    ctx.reply.error(`ERR exactly one of BYRADIUS and BYBOX can be specified for ${name}`);
  } else if (search.any && search.count === 0) {
    ctx.reply.error('ERR the ANY argument requires COUNT argument');
  } else {
    return true;
  }
  return false;
}

type Found = { member: Buffer; metres: number; score: number; position: Position };

const cursor = new ZsetCursor();

/** The places within the shape, in the order of their cells; `most` of them, 0 is all. */
function findPlaces(set: Zset, shape: Shape, most: number): Found[] {
  const found: Found[] = [];
  for (const cell of cellsCovering(shape)) {
    const [from, to] = scoresOf(cell);
    const start = set.rankOfScore(from, false);
    cursor.open(set, start, set.rankOfScore(to, false) - start, false);
    while (cursor.next()) {
      const position = decode(cursor.score);
      const metres = distanceWithin(shape, position);
      if (metres < 0) continue;
      const { bytes, start: begin, end } = cursor.element;
      found.push({ member: Buffer.from(bytes.subarray(begin, end)), metres, score: cursor.score, position });
      if (found.length === most) return found;
    }
  }
  return found;
}

function search(form: Form): Handler {
  return (ctx) => {
    const set = readZset(ctx, form.source);
    if (set === null) return;
    const wanted = parseSearch(ctx, set, form);
    if (wanted === null) return;
    const { count, any, center, size, unit } = wanted;
    let found: Found[] = [];
    if (set.size > 0 && center !== null && size !== null) {
      const shape =
        'radius' in size ? { center, radius: size.radius * unit } : { center, width: size.width * unit, height: size.height * unit };
      found = findPlaces(set, shape, any ? count : 0);
    }
    const sort = wanted.sort === 'none' && count !== 0 && !any ? 'asc' : wanted.sort;
    if (sort === 'asc') found.sort((a, b) => a.metres - b.metres);
    else if (sort === 'desc') found.sort((a, b) => b.metres - a.metres);
    if (count !== 0) found.length = Math.min(found.length, count);
    if (wanted.target === 0) replyPlaces(ctx, found, wanted);
    else storePlaces(ctx, found, wanted);
  };
}

function storePlaces(ctx: CommandContext, found: readonly Found[], wanted: Search): void {
  storeZset(ctx, wanted.target, (result) => {
    for (const { member, metres, score } of found) {
      result.addMember(member, 0, member.length, wanted.storesDistance ? metres / wanted.unit : score);
    }
  });
}

function replyPlaces(ctx: CommandContext, found: readonly Found[], wanted: Search): void {
  const { withDistance, withHash, withPosition } = wanted;
  const extras = Number(withDistance) + Number(withHash) + Number(withPosition);
  ctx.reply.array(found.length);
  for (const { member, metres, score, position } of found) {
    if (extras > 0) ctx.reply.array(extras + 1);
    ctx.reply.bulk(member, 0, member.length);
    if (withDistance) replyDistance(ctx, metres / wanted.unit);
    if (withHash) ctx.reply.integer(score);
    if (withPosition) replyPosition(ctx, position);
  }
}

const radius = (from: Form['from'], storesByOption: boolean): Handler => search({ source: 1, from, storesByOption, stores: false });

export const geoSearchHandlers: Record<string, Handler> = {
  geosearch: search({ source: 1, from: 'options', storesByOption: false, stores: false }),
  geosearchstore: search({ source: 2, from: 'options', storesByOption: false, stores: true }),
  georadius: radius('coordinates', true),
  georadius_ro: radius('coordinates', false),
  georadiusbymember: radius('member', true),
  georadiusbymember_ro: radius('member', false),
};
