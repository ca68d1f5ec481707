/** Work on whole databases: FLUSHDB, SWAPDB, active expiry. It waits for latches. */
import { exclusive, releaseExclusive, tryExclusive } from '../memory/latch.ts';
import { discardSome, scan } from '../structures/dict.ts';
import { heapTop } from './expiry-heap.ts';
import { areKeysLocked, mayUse } from './key-locks.ts';
import type { Keyspace } from './keyspace.ts';
import * as layout from './layout.ts';
import { freeDetachedValues, pushNote, takeNote } from './values.ts';

/** Takes the latches of a whole database, unless a transaction that runs holds all it needs. */
function latchDatabase(keyspace: Keyspace, database: number): void {
  if (keyspace.isLatched) return;
  for (let shard = 0; shard < layout.SHARDS; shard++) exclusive(keyspace.control, layout.shardBase(database, shard));
}
function unlatchDatabase(keyspace: Keyspace, database: number): void {
  if (keyspace.isLatched) return;
  for (let shard = 0; shard < layout.SHARDS; shard++) releaseExclusive(keyspace.control, layout.shardBase(database, shard));
}

/**
 * Empties a database: all its shards are latched together, their dicts are detached, and the memory is freed by `freeDetached`
 * in small steps. Everyone else sees either all keys or none.
 */
export function flushDatabase(keyspace: Keyspace, database: number): void {
  const { control } = keyspace;
  latchDatabase(keyspace, database);
  keyspace.spoilSnapshot();
  if (keyspace.log?.isOn) {
    keyspace.log.begin(database, 'FLUSHDB', 1);
    keyspace.log.flush();
  }
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    keyspace.enter(database, shard);
    // A transaction that may be taken back deletes key by key.
    if (keyspace.undo !== null) clearShard(keyspace, layout.shardBase(database, shard));
    else detach(keyspace, layout.shardBase(database, shard), shard);
  }
  Atomics.add(control, layout.DATABASE_VERSION_WORD + database, 1);
  unlatchDatabase(keyspace, database);
}

/** A detached dict: next detached one, then the words COUNT to HEAP_CAPACITY of the shard's header. */
const DETACHED_WORDS = 1 + layout.SHARD_WORDS;

function detach(keyspace: Keyspace, head: number, shard: number): void {
  const { control, bank } = keyspace;
  if (control[head + layout.SHARD_COUNT] === 0) return;
  const block = bank.alloc(DETACHED_WORDS);
  if (block === 0) {
    clearShard(keyspace, head);
    return;
  }
  for (let word = layout.SHARD_COUNT; word < layout.SHARD_WORDS; word++) {
    bank.i32[block + 1 + word] = control[head + word]!;
    control[head + word] = 0;
  }
  // A stack: pushed under any latch of this bank's shards, so by compare-and-exchange.
  pushNote(control, layout.DETACHED_WORD + shard, bank.i32, block);
}
/** The slow way, for a bank too full to note a detached dict. */
function clearShard(keyspace: Keyspace, head: number): void {
  const { control, bank } = keyspace;
  while (control[head + layout.SHARD_COUNT] !== 0) {
    let cursor = 0;
    const found: number[] = [];
    do {
      cursor = scan(control, head, bank, cursor, (entry) => found.push(entry));
    } while (found.length === 0 && cursor !== 0);
    for (const entry of found) {
      keyspace.focus(entry);
      keyspace.remove(entry);
    }
  }
}

/** True while memory is detached that nobody has freed yet. */
function hasDetached(keyspace: Keyspace): boolean {
  const { control } = keyspace;
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    if (control[layout.DETACHED_WORD + shard] !== 0 || control[layout.DETACHED_VALUES_WORD + shard] !== 0) return true;
  }
  return false;
}

/**
 * Frees detached dicts and values until `deadlineMs` of the clock of performance.now(); true when none is left. Mostly it's the janitor
 * who does; a thread that needs the memory helps. One at a time: who finds another at it returns false.
 */
export function freeDetached(keyspace: Keyspace, deadlineMs: number): boolean {
  if (!hasDetached(keyspace)) return true;
  if (!tryExclusive(keyspace.control, layout.GLOBAL_FREEING)) return false;
  try {
    return freeDetachedDicts(keyspace, deadlineMs) && freeDetachedValues(keyspace.control, keyspace.banks, deadlineMs);
  } finally {
    releaseExclusive(keyspace.control, layout.GLOBAL_FREEING);
  }
}
function freeDetachedDicts(keyspace: Keyspace, deadlineMs: number): boolean {
  const { control } = keyspace;
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    const word = layout.DETACHED_WORD + shard;
    for (;;) {
      const block = Atomics.load(control, word);
      if (block === 0) break;
      const bank = keyspace.banks[shard]!;
      keyspace.bank = bank;
      if (freeSome(keyspace, block + 1)) {
        // Others push in front: ours may stand deeper by now.
        takeNote(control, word, bank.i32, block);
        bank.free(block);
      }
      if (performance.now() >= deadlineMs) return !hasDetached(keyspace);
    }
  }
  return true;
}
/** Entries (each with up to a hundred blocks) or segments of buckets that are freed before the clock is looked at. */
const FREED_AT_ONCE = 32;

/** Frees some entries of a detached dict whose header is at `head` in the bank; true when it's gone. */
function freeSome(keyspace: Keyspace, head: number): boolean {
  const { bank } = keyspace;
  const i32 = bank.i32;
  // Walk the LRU lists: every entry is in one of the two.
  for (const list of [layout.SHARD_LRU, layout.SHARD_LRU_VOLATILE]) {
    for (let freed = 0; freed < FREED_AT_ONCE; freed++) {
      const entry = i32[head + list]!;
      if (entry === 0) break;
      i32[head + list] = i32[entry + 3]!;
      keyspace.freeDetachedEntry(entry);
    }
    if (i32[head + list] !== 0) return false;
  }
  if (!discardSome(i32, head, bank, FREED_AT_ONCE)) return false;
  if (i32[head + layout.SHARD_HEAP] !== 0) bank.free(i32[head + layout.SHARD_HEAP]!);
  if (i32[head + layout.SHARD_FIELD_HEAP] !== 0) bank.free(i32[head + layout.SHARD_FIELD_HEAP]!);
  return true;
}

/**
 * Exchanges all keys of two databases: the headers of their shards, which live in the same banks. `whenSwapped` is called while their
 * latches are held.
 */
export function swapDatabases(keyspace: Keyspace, a: number, b: number, whenSwapped?: () => void): void {
  if (a === b) return;
  const { control } = keyspace;
  keyspace.undo?.swapped(keyspace, a, b);
  const [low, high] = a < b ? [a, b] : [b, a];
  for (const database of [low, high]) latchDatabase(keyspace, database);
  keyspace.spoilSnapshot();
  if (keyspace.log?.isOn) {
    const record = keyspace.log.begin(a, 'SWAPDB', 3);
    record.number(a);
    record.number(b);
    keyspace.log.flush();
  }
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    const left = layout.shardBase(a, shard);
    const right = layout.shardBase(b, shard);
    for (let word = layout.SHARD_COUNT; word < layout.SHARD_WORDS; word++) {
      const kept = control[left + word]!;
      control[left + word] = control[right + word]!;
      control[right + word] = kept;
    }
  }
  Atomics.add(control, layout.GLOBAL_SWAPS, 1);
  whenSwapped?.();
  for (const database of [low, high]) {
    Atomics.add(control, layout.DATABASE_VERSION_WORD + database, 1);
    unlatchDatabase(keyspace, database);
  }
}

/** Deletes keys whose time is over until `deadlineMs` of the clock of performance.now(); true when none is left. */
export function expireSome(keyspace: Keyspace, deadlineMs: number): boolean {
  const { control } = keyspace;
  keyspace.nowMs = Date.now();
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    if (control[head + layout.SHARD_HEAP_COUNT] === 0) continue;
    for (;;) {
      if (!keyspace.mayExpire()) return true;
      exclusive(control, head);
      let more = true;
      try {
        keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
        for (let count = 0; more && count < 16; count++) {
          const top = heapTop(control, head, keyspace.bank);
          more = top !== 0 && keyspace.expiryMs(top) <= keyspace.nowMs;
          if (!more) break;
          keyspace.focus(top);
          // A script that holds the key may still give it another time.
          more = !areKeysLocked(control) || mayUse(keyspace, true);
          if (!more) break;
          keyspace.dropExpired(top);
          Atomics.add(control, layout.GLOBAL_EXPIRED, 1);
        }
      } finally {
        releaseExclusive(control, head);
      }
      keyspace.log?.publish();
      if (!more) break;
      if (performance.now() >= deadlineMs) return false;
    }
  }
  return true;
}
