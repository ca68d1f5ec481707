/**
 * The order in which Lua 5.1 visits a table's hash. Scripts see it through pairs, next and cjson.encode, and Redis's is a pure
 * function of what was inserted; so that scripts answer the same here, a traversal replays the insertions into the node array
 * of ltable.c (chained scatter with Brent's variation: a colliding key takes the highest free node, and a node that isn't in its
 * main position makes way for one that is). Values play no part in it. Computed once per traversal of a changed table.
 */
import { charge } from './meter.ts';
import type { LuaTable } from './table.ts';
import type { LuaValue } from './value.ts';

const EMPTY = new Int32Array(0);
const ONE = new Int32Array(1);
const MAX_INDEX = 2 ** 26;
const numberBits = new Float64Array(1);
const numberWords = new Uint32Array(numberBits.buffer);

/** lstring.c as Redis has it since 7.0: all bytes count, from the last one to the first. */
function hashString(text: string): number {
  let hash = text.length;
  charge(text.length >> 5);
  for (let at = text.length - 1; at >= 0; at--) hash ^= (hash << 5) + (hash >>> 2) + text.charCodeAt(at);
  return hash >>> 0;
}
/** The number that a key's place is computed from; strings and booleans take it modulo a power of two, all others modulo an odd number. */
function hashOf(key: LuaValue, slot: number): number {
  if (typeof key === 'string') return hashString(key);
  if (typeof key === 'boolean') return key ? 1 : 0;
  // Redis hashes objects by their address, which no script can foresee.
  if (typeof key !== 'number') return slot;
  if (key === 0) return 0;
  numberBits[0] = key;
  return ((numberWords[0] as number) + (numberWords[1] as number)) >>> 0;
}

/** The node array of one replay. */
class Nodes {
  /** By node: the slot of its key in the table, -1 when free; the next node of its chain, -1 at the end. */
  slots: Int32Array;
  private next: Int32Array;
  private lastFree: number;
  size: number;
  private readonly hashes: Float64Array;
  private readonly keys: LuaValue[];
  private readonly values: LuaValue[];
  private readonly hasIntegers: boolean;
  /** Integers up to this one are in the array part. */
  arraySize: number;

  constructor(table: LuaTable) {
    this.keys = table.keys;
    this.values = table.values;
    this.hasIntegers = table.hasIntegers;
    this.hashes = new Float64Array(table.keys.length).fill(-1);
    this.arraySize = Math.max(table.capacity, table.items.length - 1);
    this.size = 0;
    this.lastFree = 0;
    this.slots = EMPTY;
    this.next = EMPTY;
    this.allot(table.sizeHint);
  }
  private allot(count: number): void {
    this.size = count === 0 ? 0 : 2 ** Math.ceil(Math.log2(count));
    this.slots = new Int32Array(this.size).fill(-1);
    this.next = new Int32Array(this.size).fill(-1);
    this.lastFree = this.size;
  }
  private mainPosition(slot: number): number {
    const key = this.keys[slot];
    let hash = this.hashes[slot] as number;
    if (hash < 0) {
      hash = hashOf(key, slot);
      this.hashes[slot] = hash;
    }
    if (typeof key === 'string' || typeof key === 'boolean') return (hash & (this.size - 1)) >>> 0;
    return key === 0 ? 0 : hash % ((this.size - 1) | 1);
  }
  insert(slot: number): void {
    const key = this.keys[slot];
    if (typeof key === 'number' && key >= 1 && key <= this.arraySize && Math.floor(key) === key) return;
    const main = this.size === 0 ? -1 : this.mainPosition(slot);
    if (main >= 0 && this.slots[main] === -1) {
      this.slots[main] = slot;
      return;
    }
    const free = this.takeFree();
    if (free < 0) {
      this.rehash(slot);
      this.insert(slot);
      return;
    }
    this.collide(slot, main, free);
  }
  private takeFree(): number {
    while (this.lastFree > 0) if (this.slots[--this.lastFree] === -1) return this.lastFree;
    return -1;
  }
  private collide(slot: number, main: number, free: number): void {
    const { slots, next } = this;
    const occupant = slots[main] as number;
    let at = this.mainPosition(occupant);
    if (at === main) {
      next[free] = next[main] as number;
      next[main] = free;
      slots[free] = slot;
      return;
    }
    while (next[at] !== main) at = next[at] as number;
    next[at] = free;
    slots[free] = occupant;
    next[free] = next[main] as number;
    next[main] = -1;
    slots[main] = slot;
  }
  /** ltable.c's rehash: counts what is there and the new key, sizes both parts anew, and inserts from the last node to the first. */
  private rehash(newSlot: number): void {
    const old = this.slots;
    if (this.hasIntegers) this.resizeArray(old, newSlot);
    let outside = this.isInArray(newSlot) ? 0 : 1;
    for (const slot of old) if (slot >= 0 && !this.isInArray(slot)) outside++;
    this.allot(outside);
    for (let node = old.length - 1; node >= 0; node--) if ((old[node] as number) >= 0) this.insert(old[node] as number);
  }
  /** The array part gets the largest n such that more than n / 2 of the integers 1..n are in use. */
  private resizeArray(old: Int32Array, newSlot: number): void {
    const counts = new Int32Array(28);
    let integers = 0;
    const count = (key: LuaValue): void => {
      if (typeof key !== 'number' || key < 1 || key > MAX_INDEX || Math.floor(key) !== key) return;
      (counts[32 - Math.clz32(key - 1)] as number)++;
      integers++;
    };
    for (const slot of old) if (slot >= 0) count(this.keys[slot]);
    count(this.keys[newSlot]);
    if (integers === 0) return;
    for (let index = 1; index <= this.arraySize; index++) count(index);
    let seen = 0;
    for (let log = 0; log < counts.length; log++) {
      seen += counts[log] as number;
      if (seen > 2 ** log / 2) this.arraySize = Math.max(this.arraySize, 2 ** log);
    }
  }
  isInArray(slot: number): boolean {
    const key = this.keys[slot];
    return typeof key === 'number' && key >= 1 && key <= this.arraySize && Math.floor(key) === key;
  }
  isAlive(slot: number): boolean {
    return this.values[slot] !== undefined;
  }
}
/** The orders of tables that have only strings for keys: most of a script's tables are of a few kinds. */
type Known = { readonly keys: readonly LuaValue[]; readonly sizeHint: number; readonly order: Int32Array };
const KNOWN_KINDS = 64;
const known: (Known | undefined)[] = new Array(KNOWN_KINDS).fill(undefined);
/** Larger tables are rarely alike. */
const MAX_KNOWN_KEYS = 32;

function placeOf(table: LuaTable): number {
  const { keys } = table;
  const [first] = keys;
  const last = keys[keys.length - 1];
  if (typeof first !== 'string' || typeof last !== 'string' || keys.length > MAX_KNOWN_KEYS) return -1;
  return (keys.length * 7 + first.length * 5 + first.charCodeAt(0) + last.length * 3 + last.charCodeAt(0)) & (KNOWN_KINDS - 1);
}
function isKnown(table: LuaTable, one: Known): boolean {
  const { keys, values } = table;
  if (one.keys.length !== keys.length || one.sizeHint !== table.sizeHint) return false;
  for (let slot = 0; slot < keys.length; slot++) {
    if (keys[slot] !== one.keys[slot] || values[slot] === undefined) return false;
  }
  return true;
}

/** The places in table.keys, in the order of Lua 5.1's traversal. Valid until a key is inserted. */
export function hashOrder(table: LuaTable): Int32Array {
  const count = table.keys.length;
  if (count < 2) return count === 0 ? EMPTY : ONE;
  if (table.order !== null) return table.order;
  const place = placeOf(table);
  const seen = place < 0 ? undefined : known[place];
  table.cursor = 0;
  if (seen !== undefined && isKnown(table, seen)) {
    table.order = seen.order;
    return seen.order;
  }
  const order = replay(table);
  table.order = order;
  const isPlain = place >= 0 && table.keys.every((key, slot) => typeof key === 'string' && table.values[slot] !== undefined);
  if (isPlain) known[place] = { keys: table.keys.slice(), sizeHint: table.sizeHint, order };
  return order;
}
function replay(table: LuaTable): Int32Array {
  const count = table.keys.length;
  charge(count);
  const nodes = new Nodes(table);
  for (let slot = 0; slot < count; slot++) if (nodes.isAlive(slot)) nodes.insert(slot);
  const order: number[] = [];
  for (let slot = 0; slot < count; slot++) if (nodes.isInArray(slot)) order.push(slot);
  order.sort((a, b) => (table.keys[a] as number) - (table.keys[b] as number));
  for (let node = 0; node < nodes.size; node++) {
    const slot = nodes.slots[node] as number;
    if (slot >= 0) order.push(slot);
  }
  return Int32Array.from(order);
}
