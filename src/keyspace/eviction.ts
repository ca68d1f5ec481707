/**
 * maxmemory: before a command that may add data, keys are deleted until the memory in use is below the limit.
 * LRU is exact: the oldest of the tails of all shards' lists goes first, by the stamp of its last use. TTL is exact too: the earliest
 * of the tops of the expiry heaps. LFU takes the least frequent of a sample; random takes any.
 */
import { random32 } from '../base/random.ts';
import { releaseExclusive, tryExclusive } from '../memory/latch.ts';
import { sample } from '../structures/dict.ts';
import { heapTop } from './expiry-heap.ts';
import type { Keyspace } from './keyspace.ts';
import * as keyspaces from './keyspace.ts';
import * as layout from './layout.ts';
import { isOlder } from './lru-clock.ts';

const LFU_SAMPLES = 64;
const RANDOM_TRIES = 256;
/** What one command evicts at the most before it is refused: it bounds how long a client waits. */
const MAX_EVICTIONS = 10_000;

export function maxmemoryBytes(control: Int32Array): number {
  return control[layout.GLOBAL_MAXMEMORY_KIB]! * 1024 + control[layout.GLOBAL_MAXMEMORY_SUBKIB]!;
}

/** True when there is room (after evicting, if the policy allows it). No latch may be held. */
export function evictIfNeeded(keyspace: Keyspace): boolean {
  const limit = maxmemoryBytes(keyspace.control);
  // What the janitor is about to free counts as free: it would be wrong to delete keys for it.
  const { control } = keyspace;
  for (let evicted = 0; keyspace.usedBytes() - control[layout.GLOBAL_DETACHED_KIB]! * 1024 > limit; evicted++) {
    if (evicted === MAX_EVICTIONS || !evictOne(keyspace)) return false;
  }
  return true;
}

/** Deletes the victim of the policy in force; false when there is none. */
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

/** Runs `pick` under the latch of the shard and deletes what it returns. */
function evictFrom(keyspace: Keyspace, head: number, pick: () => number): boolean {
  const { control } = keyspace;
  if (!tryExclusive(control, head)) return true;
  try {
    const domain = (head - layout.GLOBAL_WORDS) / layout.SHARD_WORDS;
    keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
    const entry = pick();
    if (entry !== 0) {
      keyspace.focus(entry);
      keyspace.remove(entry);
      Atomics.add(control, layout.GLOBAL_EVICTED, 1);
    }
    return true;
  } finally {
    releaseExclusive(control, head);
  }
}

function evictLeastRecent(keyspace: Keyspace, all: boolean): boolean {
  const { control, banks } = keyspace;
  let oldestHead = -1;
  let oldestList = 0;
  let oldest = 0;
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    if (control[head + layout.SHARD_COUNT] === 0) continue;
    for (let list = all ? layout.SHARD_LRU : layout.SHARD_LRU_VOLATILE; list <= layout.SHARD_LRU_VOLATILE; list += 2) {
      // Without the latch: a tail that changes meanwhile is looked at again under it.
      const tail = control[head + list + 1]!;
      if (tail === 0) continue;
      const stamp = banks[domain % layout.SHARDS]!.i32[tail + 4]!;
      if (oldestHead >= 0 && !isOlder(stamp, oldest)) continue;
      oldestHead = head;
      oldestList = list;
      oldest = stamp;
    }
  }
  if (oldestHead < 0) return false;
  return evictFrom(keyspace, oldestHead, () => control[oldestHead + oldestList + 1]!);
}

function evictEarliest(keyspace: Keyspace): boolean {
  const { control } = keyspace;
  let earliestHead = -1;
  let earliest = Number.POSITIVE_INFINITY;
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    if (control[head + layout.SHARD_HEAP_COUNT] === 0) continue;
    if (!tryExclusive(control, head)) continue;
    keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
    const top = heapTop(control, head, keyspace.bank);
    const at = top === 0 ? Number.POSITIVE_INFINITY : keyspace.expiryMs(top);
    releaseExclusive(control, head);
    if (at < earliest) {
      earliest = at;
      earliestHead = head;
    }
  }
  if (earliestHead < 0) return false;
  return evictFrom(keyspace, earliestHead, () => heapTop(control, earliestHead, keyspace.bank));
}

function evictSampled(keyspace: Keyspace, policy: number): boolean {
  const isLfu = policy === keyspaces.POLICY_ALLKEYS_LFU || policy === keyspaces.POLICY_VOLATILE_LFU;
  const isVolatile = policy === keyspaces.POLICY_VOLATILE_LFU || policy === keyspaces.POLICY_VOLATILE_RANDOM;
  const wanted = isLfu ? LFU_SAMPLES : 1;
  const { control } = keyspace;
  let bestHead = -1;
  let bestStamp = 0;
  let best = 256;
  let found = 0;
  const start = random32() % layout.DOMAINS;
  for (let tried = 0; tried < layout.DOMAINS + RANDOM_TRIES && found < wanted; tried++) {
    const domain = (start + tried) % layout.DOMAINS;
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    const counted = control[head + (isVolatile ? layout.SHARD_HEAP_COUNT : layout.SHARD_COUNT)]!;
    if (counted === 0 || !tryExclusive(control, head)) continue;
    keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
    const entry = drawEntry(keyspace, head, isVolatile);
    const stamp = entry === 0 ? 0 : keyspace.stampOf(entry);
    releaseExclusive(control, head);
    if (entry === 0) continue;
    found++;
    const frequency = isLfu ? keyspaces.lfuFrequency(stamp, keyspace.nowMs) : 0;
    if (frequency < best) {
      best = frequency;
      bestHead = head;
      bestStamp = stamp;
    }
  }
  if (bestHead < 0) return false;
  return evictFrom(keyspace, bestHead, () => {
    // Another thread may have changed the shard: any key of it as rare will do, else the one drawn last.
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      const entry = drawEntry(keyspace, bestHead, isVolatile);
      if (entry !== 0 && (!isLfu || keyspace.stampOf(entry) === bestStamp)) return entry;
    }
    return drawEntry(keyspace, bestHead, isVolatile);
  });
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
