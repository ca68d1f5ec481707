/**
 * maxmemory: before a command that may add data, keys are deleted until the memory in use is below the limit.
 * LRU is exact: the oldest of the tails of all shards' lists goes first, by the stamp of its last use. TTL is exact too: the earliest
 * of the tops of the expiry heaps. LFU takes the least frequent of a sample; random takes any.
 */
import { random32 } from '../base/random.ts';
import { releaseExclusive, tryExclusive } from '../memory/latch.ts';
import { sample } from '../structures/dict.ts';
import { heapTop } from './expiry-heap.ts';
import { areKeysLocked, mayUse } from './key-locks.ts';
import type { Keyspace } from './keyspace.ts';
import * as keyspaces from './keyspace.ts';
import * as layout from './layout.ts';
import { lfuFrequency } from './lfu.ts';
import { LruOrder } from './lru-order.ts';
import { freeDetached } from './walk.ts';

const LFU_SAMPLES = 64;
/** Draws of a bucket until one is met that isn't empty: dicts are at least a quarter full. */
const RANDOM_TRIES = 256;
/** Lists whose tails have changed since they were looked at, met in one search: then the caller looks again. */
const MAX_STALE_LISTS = 4096;
/** How long one command helps to free what is detached before it goes on. */
const HELP_MS = 1;
/** What one command evicts at the most before it is refused: it bounds how long a client waits. */
const MAX_EVICTIONS = 10_000;

export function maxmemoryBytes(control: Int32Array): number {
  return control[layout.GLOBAL_MAXMEMORY_KIB]! * 1024 + control[layout.GLOBAL_MAXMEMORY_SUBKIB]!;
}

/** True when there is room (after evicting, if the policy allows it). No latch may be held. */
export function evictIfNeeded(keyspace: Keyspace): boolean {
  const limit = maxmemoryBytes(keyspace.control);
  if (keyspace.usedBytesAtMost() <= limit || keyspace.usedBytes() <= limit) return true;
  const deadlineMs = Date.now() + HELP_MS;
  for (let evicted = 0; ; evicted++) {
    // What is detached is about to be free: it would be wrong to delete keys for it, or to refuse the command. Whoever needs the
    // room helps, so that memory shrinks by more than commands add.
    if (!freeDetached(keyspace, deadlineMs)) return true;
    if (keyspace.usedBytes() <= limit) return true;
    // Every deletion is a record in the log. When that is full, what is left is the next command's to evict.
    if (keyspace.log?.isOn && !keyspace.log.ring.hasRoom()) return true;
    if (evicted === MAX_EVICTIONS || !evictOne(keyspace)) return false;
  }
}

/** Deletes the victim of the policy in force; false when there is none. A victim that others change meanwhile is spared. */
export function evictOne(keyspace: Keyspace): boolean {
  const policy = keyspace.control[layout.GLOBAL_POLICY]!;
  switch (policy) {
    case keyspaces.POLICY_ALLKEYS_LRU:
      return evictLeastRecent(keyspace, true);
    case keyspaces.POLICY_VOLATILE_LRU:
      return evictLeastRecent(keyspace, false);
    case keyspaces.POLICY_VOLATILE_TTL:
      return evictEarliest(keyspace);
    case keyspaces.POLICY_NOEVICTION:
      return false;
    default:
      return evictSampled(keyspace, policy);
  }
}

/** Runs `pick` under the latch of the shard and deletes what it returns. False when somebody else has the latch. */
function evictFrom(keyspace: Keyspace, head: number, pick: () => number): boolean {
  const { control } = keyspace;
  if (!tryExclusive(control, head)) return false;
  try {
    enterDomain(keyspace, (head - layout.GLOBAL_WORDS) / layout.SHARD_WORDS);
    const entry = pick();
    if (entry !== 0) {
      keyspace.focus(entry);
      if (areKeysLocked(control) && !mayUse(keyspace, true)) return false;
      keyspace.dropEvicted(entry);
      Atomics.add(control, layout.GLOBAL_EVICTED, 1);
    }
    return true;
  } finally {
    releaseExclusive(control, head);
  }
}

function enterDomain(keyspace: Keyspace, domain: number): void {
  keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
}

let order: LruOrder | null = null;

function evictLeastRecent(keyspace: Keyspace, takesAll: boolean): boolean {
  if (order?.keyspace !== keyspace) order = new LruOrder(keyspace);
  const lists = order;
  const { control } = keyspace;
  for (let tries = 0; tries < MAX_STALE_LISTS; tries++) {
    const list = lists.oldest(takesAll);
    if (list === 0) return false;
    const domain = Math.floor((list - layout.GLOBAL_WORDS) / layout.SHARD_WORDS);
    let isEvicted = false;
    const isFree = evictFrom(keyspace, layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS, () => {
      const tail = control[list + 1]!;
      if (tail === 0) lists.drop();
      else if (keyspace.stampOf(tail) !== lists.bound) lists.raise(keyspace.stampOf(tail));
      else isEvicted = true;
      return isEvicted ? tail : 0;
    });
    if (isEvicted || !isFree) return true;
  }
  return true;
}

function evictEarliest(keyspace: Keyspace): boolean {
  const { control } = keyspace;
  let earliestHead = -1;
  let earliest = Number.POSITIVE_INFINITY;
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    if (control[head + layout.SHARD_HEAP_COUNT] === 0) continue;
    if (!tryExclusive(control, head)) continue;
    enterDomain(keyspace, domain);
    const top = heapTop(control, head, keyspace.bank);
    const at = top === 0 ? Number.POSITIVE_INFINITY : keyspace.expiryMs(top);
    releaseExclusive(control, head);
    if (at < earliest) {
      earliest = at;
      earliestHead = head;
    }
  }
  if (earliestHead < 0) return false;
  evictFrom(keyspace, earliestHead, () => heapTop(control, earliestHead, keyspace.bank));
  return true;
}

function evictSampled(keyspace: Keyspace, policy: number): boolean {
  const isLfu = policy === keyspaces.POLICY_ALLKEYS_LFU || policy === keyspaces.POLICY_VOLATILE_LFU;
  const isVolatile = policy === keyspaces.POLICY_VOLATILE_LFU || policy === keyspaces.POLICY_VOLATILE_RANDOM;
  if (!countKeys(keyspace.control, isVolatile)) return false;
  if (isLfu) return evictSeldomUsed(keyspace, isVolatile);
  evictFrom(keyspace, headOf(drawDomain()), () => drawEntry(keyspace, keyspace.head, isVolatile));
  return true;
}

/** Shards with keys, and how many keys they and those before them have. Reused by every eviction of the thread. */
const domains = new Int32Array(layout.DOMAINS);
const totals = new Float64Array(layout.DOMAINS);
let domainCount = 0;

/** Notes the shards that have keys; false when none has. Counts are read without latches: they decide chances, no more. */
function countKeys(control: Int32Array, isVolatile: boolean): boolean {
  const word = layout.GLOBAL_WORDS + (isVolatile ? layout.SHARD_HEAP_COUNT : layout.SHARD_COUNT);
  domainCount = 0;
  let total = 0;
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const count = control[word + domain * layout.SHARD_WORDS]!;
    if (count === 0) continue;
    total += count;
    domains[domainCount] = domain;
    totals[domainCount++] = total;
  }
  return total > 0;
}
/** A shard by its share of the keys, so that every key has the same chance. */
function drawDomain(): number {
  const place = random32() % totals[domainCount - 1]!;
  let low = 0;
  let high = domainCount - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (totals[middle]! > place) high = middle;
    else low = middle + 1;
  }
  return domains[low]!;
}
function headOf(domain: number): number {
  return layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
}

/** The key of the best victim so far: its entry may move before it's evicted, so it's found again by its key. */
let victim = Buffer.alloc(1024);
let victimLength = 0;

function evictSeldomUsed(keyspace: Keyspace, isVolatile: boolean): boolean {
  const { control } = keyspace;
  let victimDomain = -1;
  let least = 256;
  for (let drawn = 0; drawn < LFU_SAMPLES && least > 0; drawn++) {
    const domain = drawDomain();
    const head = headOf(domain);
    if (!tryExclusive(control, head)) continue;
    enterDomain(keyspace, domain);
    const entry = drawEntry(keyspace, head, isVolatile);
    const frequency = entry === 0 ? 256 : lfuFrequency(keyspace.stampOf(entry), keyspace.nowMs);
    if (frequency < least) {
      least = frequency;
      victimDomain = domain;
      noteVictim(keyspace, entry);
    }
    releaseExclusive(control, head);
  }
  // Others hold the latches, or have taken the keys away: the caller looks again.
  if (victimDomain < 0) return true;
  evictFrom(keyspace, headOf(victimDomain), () => {
    keyspace.locate(keyspace.database, victim, 0, victimLength);
    const entry = keyspace.peek();
    if (entry === 0 || (isVolatile && keyspace.expiryMs(entry) < 0)) return 0;
    return lfuFrequency(keyspace.stampOf(entry), keyspace.nowMs) <= least ? entry : 0;
  });
  return true;
}
function noteVictim(keyspace: Keyspace, entry: number): void {
  keyspace.focus(entry);
  const { bytes, start, end } = keyspace;
  victimLength = end - start;
  if (victimLength > victim.length) victim = Buffer.alloc(victimLength * 2);
  keyspaces.copyBytes(bytes, start, end, victim, 0);
}

function drawEntry(keyspace: Keyspace, head: number, isVolatile: boolean): number {
  const { control, bank } = keyspace;
  if (isVolatile) {
    const count = control[head + layout.SHARD_HEAP_COUNT]!;
    return count === 0 ? 0 : bank.i32[control[head + layout.SHARD_HEAP]! + (random32() % count)]!;
  }
  for (let tries = 0; tries < RANDOM_TRIES; tries++) {
    const entry = sample(control, head, bank, random32());
    if (entry !== 0) return entry;
  }
  return 0;
}
