/**
 * Which list of all shards has the entry that was used longest ago: what exact LRU eviction asks for each victim. Looking at all lists
 * each time would cost more than the command that needs the room, so a thread remembers what it saw.
 *
 * The oldest entry of a list only ever gets newer stamps: whoever is used leaves the tail, whoever comes is put at the head. So a
 * stamp that was seen at a tail stays a lower bound, and a list whose tail still has the least bound of all holds the victim. The
 * lists that had entries are kept as a binary min-heap by their bounds. A list that was empty gets entries newer than the look at
 * all lists, so the heap serves until its least bound isn't older than that. SWAPDB alone moves old entries into other lists: then,
 * and when the policy asks for other lists, all are looked at again.
 *
 * Contract: belongs to one thread. Tails are read without their latch, as a guess; the caller checks the guess under the latch, and
 * says with `raise` or `drop` what it found instead.
 */
import type { Keyspace } from './keyspace.ts';
import * as layout from './layout.ts';
import { isOlder } from './lru-clock.ts';

/** Bounds older than that are near the wrap-around of the stamps. */
const MAX_AGE_USES = 2 ** 30;

export class LruOrder {
  readonly keyspace: Keyspace;
  /** Words of the lists' headers, and beside each its bound. */
  private readonly lists = new Int32Array(layout.DOMAINS * 2);
  private readonly bounds = new Int32Array(layout.DOMAINS * 2);
  private count = 0;
  private seenStamp = 0;
  private seenSwaps = -1;
  private takesAll = false;
  private readonly passed = new Set<number>();

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
  }

  /** The word of the header of the list that seems to hold the victim, or 0 when no list has entries. */
  oldest(takesAll: boolean): number {
    const { keyspace } = this;
    const isCurrent =
      this.count > 0 &&
      this.takesAll === takesAll &&
      this.seenSwaps === keyspace.control[layout.GLOBAL_SWAPS] &&
      isOlder(this.bounds[0]!, this.seenStamp) &&
      ((keyspace.stamp - this.seenStamp) | 0) < MAX_AGE_USES;
    if (!isCurrent) this.look(takesAll);
    return this.count === 0 ? 0 : this.lists[0]!;
  }
  /** The stamp that the tail of the list has, unless it has changed since. */
  get bound(): number {
    return this.bounds[0]!;
  }

  private look(takesAll: boolean): void {
    const { control, banks, stamp } = this.keyspace;
    this.takesAll = takesAll;
    this.seenStamp = stamp;
    this.seenSwaps = control[layout.GLOBAL_SWAPS]!;
    this.count = 0;
    const first = takesAll ? layout.SHARD_LRU : layout.SHARD_LRU_VOLATILE;
    for (let domain = 0; domain < layout.DOMAINS; domain++) {
      const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
      if (control[head + layout.SHARD_COUNT] === 0) continue;
      for (let list = first; list <= layout.SHARD_LRU_VOLATILE; list += 2) {
        const tail = control[head + list + 1]!;
        if (tail !== 0 && !this.passed.has(head + list))
          this.insert(head + list, banks[domain % layout.SHARDS]!.i32[tail + layout.ENTRY_STAMP]!);
      }
    }
  }
  private insert(list: number, bound: number): void {
    const { lists, bounds } = this;
    let place = this.count++;
    for (; place > 0; ) {
      const up = (place - 1) >> 1;
      if (!isOlder(bound, bounds[up]!)) break;
      lists[place] = lists[up]!;
      bounds[place] = bounds[up]!;
      place = up;
    }
    lists[place] = list;
    bounds[place] = bound;
  }

  /** The tail of the list that `oldest` named has this stamp. */
  raise(bound: number): void {
    this.sink(this.lists[0]!, bound);
  }
  /** The list that `oldest` named is empty. */
  drop(): void {
    const last = --this.count;
    if (last > 0) this.sink(this.lists[last]!, this.bounds[last]!);
  }
  /** The list that `oldest` named has no entry that may go: it's passed over until `forget`. */
  passOver(): void {
    this.passed.add(this.lists[0]!);
    this.drop();
  }
  /** Ends a search. If it passed over lists, the next one looks at all of them again. */
  forget(): void {
    if (this.passed.size === 0) return;
    this.passed.clear();
    this.count = 0;
  }
  private sink(list: number, bound: number): void {
    const { lists, bounds, count } = this;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= count) break;
      if (child + 1 < count && isOlder(bounds[child + 1]!, bounds[child]!)) child++;
      if (!isOlder(bounds[child]!, bound)) break;
      lists[place] = lists[child]!;
      bounds[place] = bounds[child]!;
      place = child;
    }
    lists[place] = list;
    bounds[place] = bound;
  }
}
