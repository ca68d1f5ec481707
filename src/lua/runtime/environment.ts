/** The names that emitted code refers to, in the order of its parameters. */

import { cursorFor } from '../library/iteration.ts';
import { insert } from '../library/table.ts';
import { callable, counted, first, many, settle } from './calls.ts';
import { chargeLoop, endSlice, meter } from './meter.ts';
import * as operators from './operators.ts';
import * as resumable from './resumable.ts';
import { type LuaTable, newTable, tableOfFields, tableOfItems } from './table.ts';
import { type LuaValue, NOTHING, TailCall } from './value.ts';

/** A local variable that closures share and that is assigned after its declaration. */
export class Box {
  value: LuaValue;
  constructor(value: LuaValue) {
    this.value = value;
  }
}

/** A constructor with keyed and positional items: `layout` has k for a key and its value, p for an item, m for an array of items. */
export function tableOfLayout(layout: string, values: (LuaValue | readonly LuaValue[])[]): LuaTable {
  const items: LuaValue[] = [undefined];
  const table = newTable();
  let at = 0;
  let keyed = 0;
  for (const kind of layout) if (kind === 'k') keyed++;
  table.sizeHint = keyed;
  for (const kind of layout) {
    if (kind === 'k') {
      table.set(values[at] as LuaValue, values[at + 1] as LuaValue);
      at += 2;
    } else if (kind === 'p') items.push(values[at++] as LuaValue);
    else items.push(...(values[at++] as readonly LuaValue[]));
  }
  if (items.length === 1) return table;
  const whole = tableOfItems(items);
  whole.sizeHint = keyed;
  for (let slot = 0; slot < table.keys.length; slot++) addKeyed(whole, table.keys[slot], table.values[slot], items.length);
  for (let index = 1; index < table.items.length; index++) addKeyed(whole, index, table.items[index], items.length);
  return whole;
}
/** Positional items win over keys of the same number: Lua stores them last. */
function addKeyed(table: LuaTable, key: LuaValue, value: LuaValue, itemsEnd: number): void {
  if (typeof key === 'number' && key >= 1 && key < itemsEnd && Math.floor(key) === key) return;
  table.set(key, value);
}

/** The table `arg` of a vararg function. */
export function argumentTable(rest: LuaValue[]): LuaTable {
  const table = tableOfItems([undefined, ...rest]);
  table.set('n', rest.length);
  return table;
}

/** object.key = value: leaves the key's place in `lookup`. */
function setField(object: LuaValue, key: string, value: LuaValue): void {
  operators.setIndex(object, key, value);
  noteSlot(object, key);
}
function* setFieldResumable(object: LuaValue, key: string, value: LuaValue): resumable.Resumable<void> {
  yield* resumable.setIndexResumable(object, key, value);
  noteSlot(object, key);
}
function noteSlot(object: LuaValue, key: string): void {
  const slot = (object as LuaTable).slots === undefined ? -1 : (object as LuaTable).find(key);
  operators.lookup.slot = slot < 0 ? 0 : slot;
}

const { add, subtract, multiply, divide, modulo, power, negate, concat, concatAll, equals, less, lessEqual } = operators;
const { index, field, setIndex, length, forNumber, mod, pow, lookup } = operators;

/** What emitted code can name besides its globals and its constants: nothing else of JavaScript is within a script's reach. */
export const ENVIRONMENT: Readonly<Record<string, unknown>> = {
  ...{
    meter,
    endSlice,
    chargeLoop,
    lookup,
    Box,
    TailCall,
    NOTHING,
    newTable,
    tableOfItems,
    tableOfFields,
    tableOfLayout,
  },
  ...{ argumentTable, callable, counted, first, many, settle, cursorFor, insert, forNumber, mod, pow, length },
  ...{ add, subtract, multiply, divide, modulo, power, negate, concat, concatAll, equals, less, lessEqual },
  ...{ index, field, setIndex, setField, setFieldResumable },
  ...resumable,
};
