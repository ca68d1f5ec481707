/**
 * maxmemory: before a command that may add data, keys are deleted until the memory in use is below the limit.
 * LRU is exact: the oldest of the tails of all shards' lists goes first, by the stamp of its last use. TTL is exact too: the earliest
 * of the tops of the expiry heaps. LFU takes the least frequent of a sample; random takes any.
 */
import { random32 } from '../base/random.ts';
import { releaseExclusive, tryExclusive } from '../memory/latch.ts';
import { sample } from '../structures/dict.ts';
import { heapTop } from './expiry-heap.ts';
import { areKeysLocked, isUnlocked } from './key-locks.ts';
import type { Keyspace } from './keyspace.ts';
import * as keyspaces from './keyspace.ts';
import * as layout from './layout.ts';
import { lfuFrequency } from './lfu.ts';
import { listNewer } from './lru-list.ts';
import { LruOrder } from './lru-order.ts';
import { freeDetached } from './walk.ts';

const LFU_SAMPLES = 64;
/** Draws of a bucket until one is met that isn't empty: dicts are at least a quarter full. */
const RANDOM_TRIES = 256;
/** Lists whose tails have changed since they were looked at, met in one search: then the caller looks again. */
const MAX_STALE_LISTS = 4096;
/** So many keys that scripts hold are passed over in one shard. */
const MAX_HELD_LOOKED_AT = 64;
/** How long one command helps to free what is detached before it goes on. */
const HELP_MS = 0.5;
/** What one command evicts at the most before it is refused: it bounds how long a client waits. */
const MAX_EVICTIONS = 10_000;

export function maxmemoryBytes(control: Int32Array): number {
  return control[layout.GLOBAL_MAXMEMORY_KIB]! * 1024 + control[layout.GLOBAL_MAXMEMORY_SUBKIB]!;
}

/** True when there is room (after evicting, if the policy allows it). No latch may be held. */
export function evictIfNeeded(keyspace: Keyspace): boolean {
  const limit = maxmemoryBytes(keyspace.control);
  if (keyspace.usedBytesAtMost() <= limit || keyspace.usedBytes() <= limit) return true;
  const whole = Atomics.load(keyspace.control, layout.GLOBAL_WHOLE_LOCK);
  // Somebody's script holds all keys: the command waits for it, and looks for room again then.
  if (whole !== 0 && whole !== keyspace.lockBit) return true;
  // A script's commands may need the room: what is evicted for them is gone for good, and no part of its transaction.
  const { undo } = keyspace;
  keyspace.undo = null;
  try {
    return evictUntil(keyspace, limit);
  } finally {
    keyspace.undo = undo;
  }
}
function evictUntil(keyspace: Keyspace, limit: number): boolean {
  const deadlineMs = performance.now() + HELP_MS;
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

/** Runs `pick` under the latch of the shard and deletes what it returns. False when somebody else has the latch or the key. */
function evictFrom(keyspace: Keyspace, head: number, pick: () => number): boolean {
  const { control } = keyspace;
  if (!tryExclusive(control, head)) return false;
  try {
    enterDomain(keyspace, (head - layout.GLOBAL_WORDS) / layout.SHARD_WORDS);
    const entry = pick();
    if (entry !== 0) {
      keyspace.focus(entry);
      if (areKeysLocked(control) && !isUnlocked(keyspace)) return false;
      keyspace.dropEvicted(entry);
      Atomics.add(control, layout.GLOBAL_EVICTED, 1);
    }
    return true;
  } finally {
    releaseExclusive(control, head);
  }
}
/** True when no script holds the key of an entry of the entered shard. */
function isFree(keyspace: Keyspace, entry: number): boolean {
  if (!areKeysLocked(keyspace.control)) return true;
  keyspace.focus(entry);
  return isUnlocked(keyspace);
}

function enterDomain(keyspace: Keyspace, domain: number): void {
  keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
}

let order: LruOrder | null = null;

function evictLeastRecent(keyspace: Keyspace, takesAll: boolean): boolean {
  if (order?.keyspace !== keyspace) order = new LruOrder(keyspace);
  const lists = order;
  let isDone = false;
  let tries = 0;
  while (!isDone && tries++ < MAX_STALE_LISTS) {
    const list = lists.oldest(takesAll);
    if (list === 0) break;
    isDone = evictOldest(keyspace, lists, list);
  }
  lists.forget();
  return isDone || tries >= MAX_STALE_LISTS;
}
/** False when the list has another tail than `lists` knew, or none that may go: then `lists` knows now. */
function evictOldest(keyspace: Keyspace, lists: LruOrder, list: number): boolean {
  const domain = Math.floor((list - layout.GLOBAL_WORDS) / layout.SHARD_WORDS);
  let victim = 0;
  const isLatched = evictFrom(keyspace, layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS, () => {
    const tail = keyspace.control[list + 1]!;
    if (tail === 0) lists.drop();
    else if (keyspace.stampOf(tail) !== lists.bound) lists.raise(keyspace.stampOf(tail));
    else {
      victim = oldestFree(keyspace, tail);
      if (victim === 0) lists.passOver();
    }
    return victim;
  });
  return victim !== 0 || !isLatched;
}
/** The entry that was used longest ago of those that no script holds, from the tail of a list on; 0 when the first ones are all held. */
function oldestFree(keyspace: Keyspace, tail: number): number {
  let entry = tail;
  for (let looked = 0; entry !== 0 && looked < MAX_HELD_LOOKED_AT; looked++) {
    if (isFree(keyspace, entry)) return entry;
    entry = listNewer(keyspace.bank.i32, entry);
  }
  return 0;
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
    const first = earliestFree(keyspace, head);
    const at = first === 0 ? Number.POSITIVE_INFINITY : keyspace.expiryMs(first);
    releaseExclusive(control, head);
    if (at < earliest) {
      earliest = at;
      earliestHead = head;
    }
  }
  if (earliestHead < 0) return false;
  evictFrom(keyspace, earliestHead, () => earliestFree(keyspace, earliestHead));
  return true;
}
/** The entry of the entered shard that expires first of those that no script holds; 0 when the first ones are all held. */
function earliestFree(keyspace: Keyspace, head: number): number {
  const { control, bank } = keyspace;
  const top = heapTop(control, head, bank);
  if (top === 0 || isFree(keyspace, top)) return top;
  const heap = control[head + layout.SHARD_HEAP]!;
  const last = Math.min(control[head + layout.SHARD_HEAP_COUNT]!, MAX_HELD_LOOKED_AT);
  let earliest = 0;
  for (let place = 1; place < last; place++) {
    const entry = bank.i32[heap + place]!;
    if (!isFree(keyspace, entry)) continue;
    if (earliest === 0 || keyspace.expiryMs(entry) < keyspace.expiryMs(earliest)) earliest = entry;
  }
  return earliest;
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
    const frequency = entry === 0 || !isFree(keyspace, entry) ? 256 : lfuFrequency(control, keyspace.stampOf(entry), keyspace.nowMs);
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
    return lfuFrequency(control, keyspace.stampOf(entry), keyspace.nowMs) <= least ? entry : 0;
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
