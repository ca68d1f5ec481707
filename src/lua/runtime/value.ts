/**
 * Lua's values as JavaScript's: nil is undefined, numbers are doubles, strings are latin1 strings (one character a byte), functions
 * are functions. Objects are LuaTable, Coroutine or LightUserdata and nothing else; emitted code tells a table apart by
 * `typeof` alone, so the other two carry the empty parts of a table.
 *
 * A function returns one value as itself, any other number of them as an array (never a table's): NOTHING for none. A TailCall
 * asks whoever called to make that call in its stead.
 */
import type { LuaTable } from './table.ts';

// biome-ignore lint/suspicious/noExplicitAny: a Lua function takes and returns anything.
export type LuaFunction = ((...args: any[]) => any) & {
  /** The same function as a generator, run instead of it inside of a coroutine. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  resumable?: (...args: any[]) => Generator<LuaValue[], any, LuaValue[]>;
};
export type LuaObject = LuaTable | CoroutineBase | LightUserdata;
export type LuaValue = undefined | boolean | number | string | LuaFunction | LuaObject;
/** What a call gives: one value, or an array of any number of them. */
export type LuaResult = LuaValue | readonly LuaValue[] | TailCall;

/** Shared by all tables without items or keys, and never written. They make the fast paths for tables miss. */
export const NO_ITEMS: LuaValue[] = [undefined];
export const NO_KEYS: LuaValue[] = [];

export class CoroutineBase {
  readonly items = NO_ITEMS;
  readonly keys = NO_KEYS;
  readonly values = NO_KEYS;
  readonly hasHoles = true;
  readonly appendLimit = 0;
}
export class LightUserdata {
  readonly items = NO_ITEMS;
  readonly keys = NO_KEYS;
  readonly values = NO_KEYS;
  readonly hasHoles = true;
  readonly appendLimit = 0;
}
export class TailCall {
  readonly callee: LuaValue;
  readonly args: LuaValue[];
  constructor(callee: LuaValue, args: LuaValue[]) {
    this.callee = callee;
    this.args = args;
  }
}
/** No results. */
export const NOTHING: readonly LuaValue[] = [];

export function typeName(value: LuaValue): string {
  switch (typeof value) {
    case 'undefined':
      return 'nil';
    case 'object':
      if (value instanceof CoroutineBase) return 'thread';
      return value instanceof LightUserdata ? 'userdata' : 'table';
    default:
      return typeof value;
  }
}
