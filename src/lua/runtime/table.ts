/**
 * Lua's table: a dense array part and a hash part.
 *
 *   items   [nil, t[1], t[2], ... t[n]]       items[0] is never used, t[n] is never nil (n = items.length - 1)
 *   keys    [k0, k1, ...]                     in order of insertion; a key whose value became nil stays until the next growth,
 *   values  [v0, v1, ...]                     so that a traversal may clear what it visits
 *   slots   Map from key to its place in keys, once there are more than SMALL_KEYS
 *
 * The hash never holds the integer items.length with a value, so #t needs no search. Emitted code reads `items`, `keys` and
 * `values` in place and remembers at which place it last found a constant key. Nothing here calls a function between two
 * stores that belong together, so that running out of stack leaves a table whole.
 */
import { runtimeError } from './errors.ts';
import { chargeMemory } from './meter.ts';
import { type LuaValue, NO_ITEMS, NO_KEYS } from './value.ts';

const SMALL_KEYS = 8;
const TABLE_BYTES = 120;
const KEY_BYTES = 48;
const MAX_INDEX = 2 ** 26;

const nextPowerOfTwo = (n: number): number => (n <= 1 ? n : 1 << (32 - Math.clz32(n - 1)));

export class LuaTable {
  items: LuaValue[] = NO_ITEMS;
  keys: LuaValue[] = NO_KEYS;
  values: LuaValue[] = NO_KEYS;
  slots: Map<LuaValue, number> | null = null;
  metatable: LuaTable | null = null;
  /** Emitted code may push the item items.length by itself up to this index: 0 when anything but the push could be needed. */
  appendLimit = 0;
  /** An item may be nil below the last one. */
  hasHoles = false;
  /** Redis protects its own tables: writing is an error. */
  isReadonly = false;
  /** Integer keys are in the hash, which may move to `items` one day. */
  hasIntegers = false;
  /** What Lua 5.1 would have allotted for its array part; #t of a table with holes depends on it. */
  capacity = 0;
  /** The order in which Lua 5.1 would visit the hash: see traversal.ts. */
  order: Int32Array | null = null;
  /** Where in `order` the last step of a traversal ended. */
  cursor = 0;
  /** Hash slots that the constructor asked for. */
  sizeHint = 0;

  setMetatable(metatable: LuaTable | null): void {
    this.metatable = metatable;
    this.appendLimit = 0;
  }
  /** t[key], without metamethods. */
  get(key: LuaValue): LuaValue {
    if (typeof key === 'number') {
      const item = this.items[key];
      if (item !== undefined) return item;
    }
    const slot = this.find(key);
    return slot < 0 ? undefined : this.values[slot];
  }
  getString(key: string): LuaValue {
    const slot = this.find(key);
    return slot < 0 ? undefined : this.values[slot];
  }
  /** The place of a key in the hash, or -1. */
  find(key: LuaValue): number {
    if (this.slots !== null) {
      const slot = this.slots.get(key);
      return slot === undefined ? -1 : slot;
    }
    const { keys } = this;
    for (let slot = 0; slot < keys.length; slot++) if (keys[slot] === key) return slot;
    return -1;
  }

  /** t[key] = value, without metamethods. Throws Lua's errors for nil and NaN as keys. */
  set(key: LuaValue, value: LuaValue): void {
    if (typeof key === 'number') this.setNumber(key, value);
    else if (key === undefined) throw runtimeError('table index is nil');
    else this.setKey(key, value);
  }
  setNumber(key: number, value: LuaValue): void {
    const { items } = this;
    const { length } = items;
    if (key === length && value !== undefined) {
      this.append(value);
    } else if (key > 0 && key < length && Math.floor(key) === key) {
      items[key] = value;
      if (value === undefined) this.cleared(key);
    } else if (Number.isNaN(key)) {
      throw runtimeError('table index is NaN');
    } else this.setKey(key, value);
  }
  /** t[#t + 1] = value; the value isn't nil. */
  append(value: LuaValue): void {
    const { length } = this.items;
    if (this.items === NO_ITEMS) this.items = [undefined, value];
    else this.items.push(value);
    if (length > this.capacity) {
      this.capacity = nextPowerOfTwo(length);
      chargeMemory(this.capacity << 3);
      if (!this.hasIntegers && this.metatable === null && !this.isReadonly) this.appendLimit = this.capacity;
    }
    if (this.hasIntegers) this.takeFollowing();
  }
  private cleared(key: number): void {
    const { items } = this;
    if (key !== items.length - 1) {
      this.hasHoles = true;
      return;
    }
    let { length } = items;
    while (length > 1 && items[length - 1] === undefined) length--;
    items.length = length;
    if (length === 1) this.hasHoles = false;
  }
  /** Moves integers that follow the last item out of the hash. */
  private takeFollowing(): void {
    for (;;) {
      const slot = this.find(this.items.length);
      if (slot < 0) return;
      const value = this.values[slot];
      if (value === undefined) return;
      this.values[slot] = undefined;
      this.items.push(value);
    }
  }

  setKey(key: LuaValue, value: LuaValue): void {
    const slot = this.find(key);
    if (slot >= 0) {
      // A key that comes back to life has a place in the traversal again.
      if (this.values[slot] === undefined) this.order = null;
      this.values[slot] = value;
    } else if (value !== undefined) this.insert(key, value);
  }
  private insert(key: LuaValue, value: LuaValue): void {
    const isIndex = typeof key === 'number' && key > 0 && Math.floor(key) === key;
    const { length } = this.keys;
    if ((length & (length - 1)) === 0) {
      // Where Lua 5.1 sizes both parts anew.
      if (isIndex || this.hasIntegers) this.moveIntegers(key);
      if (length >= 4) this.grow();
      if (isIndex && (key as number) <= this.items.length) {
        this.setNumber(key as number, value);
        return;
      }
    }
    if (this.keys === NO_KEYS) {
      chargeMemory(KEY_BYTES);
      this.keys = [key];
      this.values = [value];
    } else {
      this.keys.push(key);
      this.values.push(value);
      if (this.slots !== null) this.slots.set(key, this.keys.length - 1);
      else if (this.keys.length > SMALL_KEYS) this.slots = indexOf(this.keys);
    }
    this.order = null;
    if (!isIndex) return;
    this.hasIntegers = true;
    this.appendLimit = 0;
  }
  /** The hash is full: drops dead keys when they are many. */
  private grow(): void {
    chargeMemory(this.keys.length * KEY_BYTES);
    const keys: LuaValue[] = [];
    const values: LuaValue[] = [];
    for (let slot = 0; slot < this.keys.length; slot++) {
      if (this.values[slot] === undefined) continue;
      keys.push(this.keys[slot]);
      values.push(this.values[slot]);
    }
    // With few dead keys the next growth comes after twice as many: each insertion pays for a constant share of the copying.
    if (keys.length > (this.keys.length * 3) >> 2) return;
    const slots = keys.length > SMALL_KEYS ? indexOf(keys) : null;
    this.keys = keys;
    this.values = values;
    this.slots = slots;
    this.order = null;
  }
  /** Lua 5.1's rule: the array part gets the largest n such that more than n / 2 of 1..n are in use. */
  private moveIntegers(newKey: LuaValue): void {
    const counts = new Int32Array(28);
    const count = (key: LuaValue): void => {
      if (typeof key === 'number' && key > 0 && key <= MAX_INDEX && Math.floor(key) === key) {
        (counts[32 - Math.clz32(key - 1)] as number)++;
      }
    };
    const { items, keys, values } = this;
    if (this.hasHoles) {
      for (let index = 1; index < items.length; index++) if (items[index] !== undefined) count(index);
    } else countDense(counts, items.length - 1);
    for (let slot = 0; slot < keys.length; slot++) if (values[slot] !== undefined) count(keys[slot]);
    count(newKey);
    let size = 0;
    let seen = 0;
    for (let log = 0; log < counts.length; log++) {
      seen += counts[log] as number;
      if (seen > 2 ** log / 2) size = 2 ** log;
    }
    if (size >= items.length) this.extend(size, newKey);
  }
  /** Items up to `size` come out of the hash; below the new key room is made, so that it can be stored. */
  private extend(size: number, newKey: LuaValue): void {
    const { keys, values } = this;
    const isMovable = (key: LuaValue): key is number =>
      typeof key === 'number' && key >= this.items.length && key <= size && Math.floor(key) === key;
    const moved: number[] = [];
    let top = this.items.length - 1;
    for (let slot = 0; slot < keys.length; slot++) {
      if (values[slot] === undefined || !isMovable(keys[slot])) continue;
      moved.push(slot);
      top = Math.max(top, keys[slot] as number);
    }
    if (isMovable(newKey)) top = Math.max(top, newKey - 1);
    const items = this.items.slice();
    while (items.length <= top) items.push(undefined);
    for (const slot of moved) items[keys[slot] as number] = values[slot];
    for (const slot of moved) values[slot] = undefined;
    this.items = items;
    this.hasHoles = true;
    this.capacity = Math.max(this.capacity, size);
  }

  /** #t */
  length(): number {
    const { length } = this.items;
    return this.hasHoles ? this.border() : length - 1;
  }
  /** Lua 5.1's binary search in an array part whose last item is nil. */
  private border(): number {
    const { items, capacity } = this;
    let high = Math.max(capacity, items.length - 1);
    if (high < items.length && items[high] !== undefined) return high;
    let low = 0;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (middle < items.length && items[middle] !== undefined) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** Counts 1..n by their logarithms: (2^(log - 1), 2^log]. */
function countDense(counts: Int32Array, n: number): void {
  for (let log = 0; log < counts.length; log++) {
    const above = log === 0 ? 0 : 2 ** (log - 1);
    if (n <= above) return;
    counts[log] = Math.min(n, 2 ** log) - above;
  }
}
function indexOf(keys: LuaValue[]): Map<LuaValue, number> {
  const slots = new Map<LuaValue, number>();
  for (let slot = 0; slot < keys.length; slot++) slots.set(keys[slot], slot);
  return slots;
}

/** {} */
export function newTable(): LuaTable {
  chargeMemory(TABLE_BYTES);
  return new LuaTable();
}
/** {a, b, c}: takes over `items`, whose first element is unused. */
export function tableOfItems(items: LuaValue[]): LuaTable {
  const table = new LuaTable();
  const count = items.length - 1;
  chargeMemory(TABLE_BYTES + (count << 3));
  let { length } = items;
  while (length > 1 && items[length - 1] === undefined) length--;
  if (length > 1) {
    for (let index = 1; index < length; index++) {
      if (items[index] === undefined) {
        table.hasHoles = true;
        break;
      }
    }
    if (length !== items.length) {
      items.length = length;
      // #t searches within the size that was asked for.
      table.hasHoles = true;
    }
    table.items = items;
  }
  table.capacity = count;
  return table;
}
/** {a = 1, b = 2}: takes over both arrays; the keys are different strings. */
export function tableOfFields(keys: LuaValue[], values: LuaValue[]): LuaTable {
  const table = new LuaTable();
  chargeMemory(TABLE_BYTES + keys.length * KEY_BYTES);
  table.keys = keys;
  table.values = values;
  table.sizeHint = keys.length;
  if (keys.length > SMALL_KEYS) table.slots = indexOf(keys);
  return table;
}
/** What t[1] = a, t[2] = b... make of an empty table: takes over `items`, the first of which is unused, and none of the others nil. */
export function tableOfSequence(items: LuaValue[]): LuaTable {
  const table = newTable();
  const count = items.length - 1;
  if (count === 0) return table;
  table.items = items;
  table.capacity = nextPowerOfTwo(count);
  table.appendLimit = table.capacity;
  chargeMemory(table.capacity << 3);
  return table;
}
/** What t.a = 1, t.b = 2... make of an empty table: takes over both arrays. The keys are different strings, and no value is nil. */
export function tableOfNewKeys(keys: LuaValue[], values: LuaValue[]): LuaTable {
  const table = newTable();
  if (keys.length === 0) return table;
  table.keys = keys;
  table.values = values;
  chargeMemory(keys.length * KEY_BYTES);
  if (keys.length > SMALL_KEYS) table.slots = indexOf(keys);
  return table;
}
