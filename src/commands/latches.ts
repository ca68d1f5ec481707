/**
 * The latches that commands of this thread hold: a stack of words of shard headers, as a handler may run other commands. Each user
 * begins with `begin`, adds the shards it wants, takes all or none, and ends with `drop`.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { releaseExclusive, tryExclusive } from '../memory/latch.ts';

/** Up to here insertion sort is faster, and commands have few keys. */
const FEW = 32;

let held = new Int32Array(64);
let base = 0;
let count = 0;

/** Begins a set of latches on top of those that are held; what it returns is for `drop`. */
export function begin(): number {
  const outer = base;
  base = count;
  return outer;
}
export function add(latch: number): void {
  if (count === held.length) {
    const larger = new Int32Array(held.length * 2);
    larger.set(held);
    held = larger;
  }
  held[count++] = latch;
}
/** All shards of a database, for what may touch any key of it. */
export function addDatabase(database: number): void {
  for (let shard = 0; shard < layout.SHARDS; shard++) add(layout.shardBase(database, shard));
}
/** Takes the latches that were added, in ascending order, all or none. */
export function tryTake(keyspace: Keyspace): boolean {
  const { control } = keyspace;
  sort();
  for (let taken = base; taken < count; taken++) {
    if (tryExclusive(control, held[taken]!)) continue;
    release(control, taken);
    count = base;
    return false;
  }
  return true;
}
/** Whether a command of this thread holds the latch. */
export function isHeld(latch: number): boolean {
  for (let index = 0; index < count; index++) if (held[index] === latch) return true;
  return false;
}
/** Adds one latch to a set that is held already, unless it's in it. Tried only, as it needn't be above the others. */
export function tryHold(keyspace: Keyspace, latch: number): boolean {
  for (let index = base; index < count; index++) if (held[index] === latch) return true;
  if (!tryExclusive(keyspace.control, latch)) return false;
  add(latch);
  return true;
}
/**
 * Ends the set that was begun on top of `outer`'s, and of which nothing was taken yet: its latches are taken, in ascending order, and
 * belong to the outer set from here on. False when one is taken; those before it are the outer set's all the same.
 */
export function tryJoin(keyspace: Keyspace, outer: number): boolean {
  sort();
  const [first, end] = [base, count];
  base = outer;
  count = first;
  for (let index = first; index < end; index++) if (!tryHold(keyspace, held[index]!)) return false;
  return true;
}
/** Gives back what `tryTake` has taken; the set is empty then, and is to be forgotten. */
export function giveBack(keyspace: Keyspace): void {
  release(keyspace.control, count);
  count = base;
}
/** Gives back what `tryTake` has taken, and ends the set. */
export function drop(keyspace: Keyspace, outer: number): void {
  release(keyspace.control, count);
  count = base;
  base = outer;
}
/** Ends a set of which nothing was taken. */
export function forget(outer: number): void {
  count = base;
  base = outer;
}
function release(control: Int32Array, end: number): void {
  for (let index = end - 1; index >= base; index--) releaseExclusive(control, held[index]!);
}

/** Sorts the set and drops doubles. */
function sort(): void {
  if (count - base > FEW) held.subarray(base, count).sort();
  else {
    for (let index = base + 1; index < count; index++) {
      const value = held[index]!;
      let at = index - 1;
      while (at >= base && held[at]! > value) {
        held[at + 1] = held[at]!;
        at--;
      }
      held[at + 1] = value;
    }
  }
  let unique = base;
  for (let index = base; index < count; index++) {
    if (index === base || held[index] !== held[index - 1]) held[unique++] = held[index]!;
  }
  count = unique;
}
