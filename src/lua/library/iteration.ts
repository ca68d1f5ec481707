/** next, pairs and ipairs. */
import type { LuaTable } from '../runtime/table.ts';
import { LuaTable as Table } from '../runtime/table.ts';
import { Cursor, found, nextKey } from '../runtime/traversal.ts';
import type { LuaValue } from '../runtime/value.ts';
import { checkInt32, checkTable } from './arguments.ts';

export function next(table: LuaValue, key?: LuaValue): LuaValue | LuaValue[] {
  const following = nextKey(checkTable(table, 1), key);
  return following === undefined ? undefined : [following, found.value];
}
export function pairs(table: LuaValue): LuaValue[] {
  return [next, checkTable(table, 1), undefined];
}
function ipairsStep(table: LuaValue, index: LuaValue): LuaValue | readonly LuaValue[] {
  const at = checkInt32(index, 2) + 1;
  const value = checkTable(table, 1).get(at);
  return value === undefined ? [] : [at, value];
}
export function ipairs(table: LuaValue): LuaValue[] {
  return [ipairsStep, checkTable(table, 1), 0];
}

/** A cursor for a loop over pairs(t), next, t or ipairs(t); null for any other iterator. */
export function cursorFor(iterator: LuaValue, state: LuaValue, control: LuaValue): Cursor | null {
  if (iterator === next) return control === undefined && state instanceof Table ? new Cursor(state, false) : null;
  return iterator === ipairsStep && control === 0 ? new Cursor(state as LuaTable, true) : null;
}
