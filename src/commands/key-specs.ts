/** Reads the notation of table/key-specs.ts, and finds the keys of a command line by it. */
import type { CommandContext } from './context.ts';
import type { CommandDescriptor } from './lookup.ts';
import { KEY_SPECS } from './table/key-specs.ts';

export type KeySpec = {
  readonly flags: readonly string[];
  readonly begin: { type: 'index'; index: number } | { type: 'keyword'; keyword: string; from: number } | { type: 'unknown' };
  readonly find: { type: 'range'; last: number; step: number; limit: number } | { type: 'keynum' } | { type: 'unknown' };
};
export type FoundKey = { readonly index: number; readonly flags: readonly string[] };

function parseSpec(text: string): KeySpec {
  const [flags, place] = text.split(' @') as [string, string];
  const [begin, find = '0'] = place.split(' ') as [string, string | undefined];
  const [keyword, from] = begin.split(':') as [string, string | undefined];
  const [last, step = 1, limit = 0] = find.split('/').map(Number) as [number, number?, number?];
  return {
    flags: flags.split(' '),
    begin:
      begin === '?'
        ? { type: 'unknown' }
        : from === undefined
          ? { type: 'index', index: Number(begin) }
          : { type: 'keyword', keyword, from: Number(from) },
    find: find === '?' ? { type: 'unknown' } : find === 'numkeys' ? { type: 'keynum' } : { type: 'range', last, step, limit },
  };
}

const parsed = new Map<string, readonly KeySpec[]>();

/** The key specifications of a command; none when it has no keys. */
export function keySpecsOf(command: CommandDescriptor): readonly KeySpec[] {
  let specs = parsed.get(command.name);
  if (specs === undefined) {
    const text = KEY_SPECS[command.name];
    specs = text === undefined ? [] : text.split('; ').map(parseSpec);
    parsed.set(command.name, specs);
  }
  return specs;
}

/** Commands whose line must be read to know what it does with its keys, or where they are. */
const READERS: Readonly<Record<string, (ctx: CommandContext, first: number, keys: FoundKey[]) => FoundKey[]>> = {
  set: (ctx, first, keys) => {
    for (let index = first + 3; index < ctx.argc; index++) if (ctx.word(index) === 'get') return keys;
    return keys.map(({ index }) => ({ index, flags: ['OW', 'update'] }));
  },
  bitfield: (ctx, first, keys) => {
    // What can't be read counts as a write.
    for (let index = first + 2; index < ctx.argc; ) {
      const word = ctx.word(index);
      const isRead = (word === 'get' && index + 2 < ctx.argc) || (word === 'overflow' && index + 1 < ctx.argc);
      if (!isRead) return keys;
      index += word === 'get' ? 3 : 2;
    }
    return keys.map(({ index }) => ({ index, flags: ['RO', 'access'] }));
  },
  sort: (ctx, first, keys) => {
    for (let index = ctx.argc - 2; index > first + 1; index--) {
      if (ctx.word(index) === 'store') return [...keys, { index: index + 1, flags: ['OW', 'update'] }];
    }
    return keys;
  },
  migrate: (ctx, first, keys) => (ctx.length(first + 3) > 0 ? keys.slice(0, 1) : keys.slice(1)),
};

/**
 * The keys of the command line that begins at argument `first`, in the order of the specifications. Null when the line has no keys where
 * they should be.
 */
export function findKeys(ctx: CommandContext, command: CommandDescriptor, first: number): FoundKey[] | null {
  const found: FoundKey[] = [];
  for (const spec of keySpecsOf(command)) {
    const begin = beginOf(ctx, spec, first);
    if (begin < 0) continue;
    if (begin >= ctx.argc || !addKeys(ctx, spec, begin, found)) return null;
  }
  const read = READERS[command.name];
  const keys = read === undefined ? found : read(ctx, first, found);
  return keys.map(({ index, flags }) => ({ index, flags: flags.filter((flag) => !/^(variable_flags|incomplete)$/.test(flag)) }));
}

/** The argument at which a specification's keys begin, or -1 when they aren't there or can't be known. */
function beginOf(ctx: CommandContext, spec: KeySpec, first: number): number {
  const { begin } = spec;
  if (begin.type === 'index') return first + begin.index;
  if (begin.type === 'unknown') return -1;
  const step = begin.from > 0 ? 1 : -1;
  const from = begin.from > 0 ? first + begin.from : ctx.argc + begin.from;
  for (let index = from; index > first && index < ctx.argc - 1; index += step) {
    if (ctx.text(index).toUpperCase() === begin.keyword) return index + 1;
  }
  return -1;
}

function addKeys(ctx: CommandContext, spec: KeySpec, begin: number, found: FoundKey[]): boolean {
  const { find, flags } = spec;
  if (find.type === 'unknown') return true;
  if (find.type === 'keynum') {
    const count = /^\d{1,9}$/.test(ctx.text(begin)) ? Number(ctx.text(begin)) : -1;
    if (count < 0 || begin + count >= ctx.argc) return false;
    for (let index = begin + 1; index <= begin + count; index++) found.push({ index, flags });
    return true;
  }
  let last = find.last >= 0 ? begin + find.last : ctx.argc + find.last;
  if (find.last < 0 && find.limit > 1) last = begin + Math.floor((ctx.argc - begin) / find.limit) + find.last;
  if (last >= ctx.argc || last < begin) return false;
  for (let index = begin; index <= last; index += find.step) found.push({ index, flags });
  return true;
}
