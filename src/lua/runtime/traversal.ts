/** next, pairs and ipairs over a table: first its items, then its hash. */
import { runtimeError } from './errors.ts';
import { hashOrder } from './order.ts';
import type { LuaTable } from './table.ts';
import type { LuaValue } from './value.ts';

/** One step of a traversal by `next`. Returns the next key, undefined at the end; the value is left in `found`. */
export const found: { value: LuaValue } = { value: undefined };

export function nextKey(table: LuaTable, key: LuaValue): LuaValue {
  const { items } = table;
  let position = 0;
  if (key === undefined || (typeof key === 'number' && key > 0 && key < items.length && Math.floor(key) === key)) {
    for (let at = key === undefined ? 1 : (key as number) + 1; at < items.length; at++) {
      if (items[at] === undefined) continue;
      found.value = items[at];
      return at;
    }
  } else position = positionBehind(table, key);
  return nextInHash(table, position);
}
function nextInHash(table: LuaTable, from: number): LuaValue {
  const order = hashOrder(table);
  for (let position = from; position < order.length; position++) {
    const slot = order[position] as number;
    const value = table.values[slot];
    if (value === undefined) continue;
    found.value = value;
    return table.keys[slot];
  }
  return undefined;
}
function positionBehind(table: LuaTable, key: LuaValue): number {
  const slot = table.find(key);
  if (slot < 0) {
    // An item that was the last one until the traversal cleared it.
    if (typeof key === 'number' && key >= 1 && key <= table.capacity) return 0;
    throw runtimeError("invalid key to 'next'");
  }
  const order = hashOrder(table);
  // A traversal asks for its keys in order: the place behind the last answer is nearly always the right one.
  const { cursor } = table;
  if (cursor < order.length && order[cursor] === slot) {
    table.cursor = cursor + 1;
    return cursor + 1;
  }
  const position = order.indexOf(slot);
  table.cursor = position + 1;
  return position + 1;
}

/** What emitted code runs for `for k, v in pairs(t)` and ipairs: the same steps without a call of next for each. */
export class Cursor {
  key: LuaValue = undefined;
  value: LuaValue = undefined;
  private readonly table: LuaTable;
  private readonly isSequence: boolean;
  private order: Int32Array | null = null;
  private at = 0;

  constructor(table: LuaTable, isSequence: boolean) {
    this.table = table;
    this.isSequence = isSequence;
  }
  advance(): boolean {
    if (this.order === null) {
      const { items } = this.table;
      while (++this.at < items.length) {
        const value = items[this.at];
        if (value !== undefined) {
          this.key = this.at;
          this.value = value;
          return true;
        }
        if (this.isSequence) return false;
      }
      if (this.isSequence) return false;
      this.order = hashOrder(this.table);
      this.at = -1;
    }
    return this.advanceInHash(this.order);
  }
  private advanceInHash(order: Int32Array): boolean {
    const { keys, values } = this.table;
    while (++this.at < order.length) {
      const slot = order[this.at] as number;
      const value = values[slot];
      if (value === undefined) continue;
      this.key = keys[slot];
      this.value = value;
      return true;
    }
    return false;
  }
}
