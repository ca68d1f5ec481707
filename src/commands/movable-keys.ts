/** The keys of commands whose arguments say where they stand: a count before them, or words such as STORE. */
import { parseInt64 } from '../base/numbers.ts';
import type { CommandContext } from './context.ts';

/**
 * Adds the places of the keys to `places`, for a command line whose name stands at argument `base`; what is malformed has no keys, as
 * its handler refuses it. False when any key of the database may be touched.
 */
export type KeyLocator = (ctx: CommandContext, base: number, places: number[]) => boolean;

/** Keys behind their number, which is argument `at`; `target` is a key of its own before them, or 0. */
function counted(at: number, target = 0): KeyLocator {
  return (ctx, base, places) => {
    if (target !== 0) places.push(base + target);
    const where = base + at;
    if (where >= ctx.argc) return true;
    const count = parseInt64(ctx.bytes, ctx.start(where), ctx.end(where));
    if (typeof count !== 'number' || count > ctx.argc - where - 1) return true;
    for (let key = 1; key <= count; key++) places.push(where + key);
    return true;
  };
}

/** GEORADIUS and GEORADIUSBYMEMBER: the last STORE or STOREDIST names a key. */
const radius: KeyLocator = (ctx, base, places) => {
  places.push(base + 1);
  let stored = 0;
  for (let index = base + 5; index < ctx.argc - 1; index++) {
    const word = ctx.word(index);
    if (word !== 'store' && word !== 'storedist') continue;
    stored = ++index;
  }
  if (stored !== 0) places.push(stored);
  return true;
};

/** SORT: STORE names a key, and patterns of BY and GET name any. */
const sort: KeyLocator = (ctx, base, places) => {
  places.push(base + 1);
  for (let index = base + 2; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (word === 'limit') index += 2;
    else if (word === 'store' && index + 1 < ctx.argc) places.push(++index);
    else if ((word === 'by' || word === 'get') && index + 1 < ctx.argc && ctx.text(++index).includes('*')) return false;
  }
  return true;
};

export const MOVABLE_KEYS: Readonly<Record<string, KeyLocator>> = {
  eval: counted(2),
  eval_ro: counted(2),
  evalsha: counted(2),
  evalsha_ro: counted(2),
  fcall: counted(2),
  fcall_ro: counted(2),
  zunion: counted(1),
  zinter: counted(1),
  zdiff: counted(1),
  zintercard: counted(1),
  zunionstore: counted(2, 1),
  zinterstore: counted(2, 1),
  zdiffstore: counted(2, 1),
  zmpop: counted(1),
  bzmpop: counted(2),
  lmpop: counted(1),
  blmpop: counted(2),
  sintercard: counted(1),
  georadius: radius,
  georadiusbymember: radius,
  sort,
  sort_ro: sort,
};
