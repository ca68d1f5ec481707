/**
 * Which keys there are, for what looks at whole databases and waits for nobody: DBSIZE, KEYS, SCAN, RANDOMKEY. They see what is committed,
 * shard by shard: a key that another's transaction has made isn't there yet, one that it took away still is, and a time that it set
 * doesn't count.
 *
 * As long as no script holds a key lock, that is the dict, and one load says so. Else the transactions' own notes tell what was before
 * (`Uncommitted`). They are read under the shard's latch: a transaction changes nothing there meanwhile; it may commit, and then this
 * look came before.
 *
 * A latch is only tried, as reactors wait for none. Where another thread has it, a walk goes on elsewhere and comes back, SCAN ends its
 * step before it, and what can't begin or end without it throws TryAgain.
 */
import { releaseShared, tryShared } from '../memory/latch.ts';
import { bucketMask, keyLengthBytes, keyStartByte, META_EXPIRY, sample, scan } from '../structures/dict.ts';
import { areKeysLocked, TryAgain } from './key-locks.ts';
import type { Keyspace } from './keyspace.ts';
import * as layout from './layout.ts';

/** A key as it was before the transaction that runs. */
export type Before = {
  readonly key: Buffer;
  readonly hash: number;
  readonly existed: boolean;
  readonly expiryMs: number;
  readonly type: number;
};
/** So many groups of hashes, by their low bits: as buckets of a dict are. */
export const HASH_GROUPS = 1024;
/** What one transaction has changed in a shard. */
export type Changes = {
  /** By the key's bytes as latin1. */
  readonly byKey: ReadonlyMap<string, Before>;
  /** Keys that existed, by the low bits of their hashes. */
  readonly existed: ReadonlyMap<number, readonly Before[]>;
};

/** What the running transactions of other threads have changed. A database is the committed one; where its keys lie is `placeOf`. */
export interface Uncommitted {
  /** The database in which these keys lie now: another one when a transaction that runs has exchanged them. */
  placeOf(database: number): number;
  /** The keys of a shard that were made, taken away or given another time. The shard's latch is held, and it's the entered one. */
  changesIn(database: number, shard: number): readonly Changes[];
  /** Nothing is uncommitted: what was kept to answer faster may go. */
  forget(): void;
  /** How many keys were made there, less those that were taken away. The shard's latch is held. */
  netKeys(database: number, shard: number): number;
}

/** Gets a key's bytes as latin1, and its type. */
export type KeyVisitor = (key: string, type: number) => void;

const NONE: readonly Changes[] = [];
/** What `enterShard` found. */
let changes = NONE;

/** Takes a shard's latch for reading, unless a transaction that runs holds all it needs; false when another thread has it. */
function tryLatchShared(keyspace: Keyspace, head: number): boolean {
  return keyspace.isLatched || tryShared(keyspace.control, head);
}
function unlatchShared(keyspace: Keyspace, head: number): void {
  if (!keyspace.isLatched) releaseShared(keyspace.control, head);
}

/**
 * Latches and enters the shard in which the committed keys lie, and reads what is uncommitted there into `changes`. False when another
 * thread has the latch.
 */
function tryEnterShard(keyspace: Keyspace, database: number, shard: number): boolean {
  const { control, uncommitted } = keyspace;
  for (;;) {
    const place = uncommitted === null ? database : uncommitted.placeOf(database);
    const head = layout.shardBase(place, shard);
    if (!tryLatchShared(keyspace, head)) return false;
    keyspace.enter(place, shard);
    changes = NONE;
    if (uncommitted === null) return true;
    if (areKeysLocked(control)) changes = uncommitted.changesIn(database, shard);
    else uncommitted.forget();
    keyspace.enter(place, shard);
    // An exchange of databases may have been made or committed in between.
    if (uncommitted.placeOf(database) === place) return true;
    unlatchShared(keyspace, head);
  }
}
function enterShard(keyspace: Keyspace, database: number, shard: number): void {
  if (!tryEnterShard(keyspace, database, shard)) throw new TryAgain();
}

function isOver(keyspace: Keyspace, expiryMs: number): boolean {
  return expiryMs >= 0 && expiryMs <= keyspace.nowMs;
}
function keyText(keyspace: Keyspace, entry: number): string {
  const { bank } = keyspace;
  const start = keyStartByte(bank.i32, entry);
  return bank.u8.latin1Slice(start, start + keyLengthBytes(bank.i32, entry));
}
function findBefore(key: string): Before | undefined {
  for (const each of changes) {
    const before = each.byKey.get(key);
    if (before !== undefined) return before;
  }
  return undefined;
}
/** Shows an entry of the entered shard, if it's there for others. */
function visitEntry(keyspace: Keyspace, entry: number, visit: KeyVisitor): void {
  if (changes.length === 0) {
    if ((keyspace.meta(entry) & META_EXPIRY) === 0 || !isOver(keyspace, keyspace.expiryMs(entry))) {
      visit(keyText(keyspace, entry), keyspace.type(entry));
    }
    return;
  }
  const key = keyText(keyspace, entry);
  const before = findBefore(key);
  const expiryMs = before === undefined ? keyspace.expiryMs(entry) : before.expiryMs;
  if (before?.existed !== false && !isOver(keyspace, expiryMs)) visit(key, before?.type ?? keyspace.type(entry));
}
/** Shows the keys that the dict no longer has, of hashes that are those of `cursor` in the bits of `mask`. */
function visitGone(keyspace: Keyspace, cursor: number, mask: number, visit: KeyVisitor): void {
  const { database } = keyspace;
  const step = Math.min(mask, HASH_GROUPS - 1) + 1;
  for (const { existed } of changes) {
    for (let group = cursor & (step - 1); group < HASH_GROUPS; group += step) {
      for (const before of existed.get(group) ?? []) {
        if (((before.hash ^ cursor) & mask) === 0 && isGone(keyspace, database, before)) visit(before.key.latin1Slice(), before.type);
      }
    }
  }
}
function isGone(keyspace: Keyspace, place: number, { key, existed, expiryMs }: Before): boolean {
  if (!existed || isOver(keyspace, expiryMs)) return false;
  keyspace.locate(place, key, 0, key.length);
  return keyspace.findAny() === 0;
}

/** A shard whose latch is taken is visited behind the others, for so many rounds: whoever has it takes microseconds. */
const ROUNDS = 4;

/** Calls `visit` with every key of the database, each shard under its latch. Throws TryAgain when it doesn't come to an end. */
export function forEachKey(keyspace: Keyspace, database: number, visit: KeyVisitor): void {
  let left = Array.from({ length: layout.SHARDS }, (_, shard) => shard);
  for (let round = 0; round < ROUNDS && left.length > 0; round++)
    left = left.filter((shard) => !visitShard(keyspace, database, shard, visit));
  if (left.length > 0) throw new TryAgain();
}
/** False when another thread has the shard. */
function visitShard(keyspace: Keyspace, database: number, shard: number, visit: KeyVisitor): boolean {
  if (!tryEnterShard(keyspace, database, shard)) return false;
  const { head } = keyspace;
  try {
    let cursor = 0;
    do {
      cursor = scan(keyspace.control, head, keyspace.bank, cursor, (entry) => visitEntry(keyspace, entry, visit));
    } while (cursor !== 0);
    visitGone(keyspace, 0, 0, visit);
  } finally {
    unlatchShared(keyspace, head);
  }
  return true;
}

/**
 * SCAN's step: about `count` keys from `cursor` (dict cursor * 64 + shard). Returns the next cursor, 0 at the end. Throws TryAgain when
 * another thread has the first shard, and ends before another one that is taken.
 */
export function scanDatabase(keyspace: Keyspace, database: number, cursor: number, count: number, visit: KeyVisitor): number {
  let shard = cursor % layout.SHARDS;
  let at = Math.floor(cursor / layout.SHARDS);
  let seen = 0;
  let steps = 0;
  const counted: KeyVisitor = (key, type) => {
    seen++;
    visit(key, type);
  };
  while (shard < layout.SHARDS) {
    if (!tryEnterShard(keyspace, database, shard)) {
      if (steps === 0) throw new TryAgain();
      break;
    }
    const { head } = keyspace;
    try {
      const mask = bucketMask(keyspace.control, head);
      const from = at;
      at = scan(keyspace.control, head, keyspace.bank, from, (entry) => visitEntry(keyspace, entry, counted));
      visitGone(keyspace, from, mask, counted);
    } finally {
      unlatchShared(keyspace, head);
    }
    steps++;
    if (at === 0) shard++;
    if (seen >= count || steps >= count * 10 + layout.SHARDS) break;
  }
  return shard === layout.SHARDS ? 0 : at * layout.SHARDS + shard;
}

/** How many keys the database has; those whose time is over count until somebody deletes them. Throws TryAgain. */
export function countKeys(keyspace: Keyspace, database: number): number {
  let total = 0;
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    enterShard(keyspace, database, shard);
    total += countEntered(keyspace, database, shard);
    unlatchShared(keyspace, keyspace.head);
  }
  return total;
}
function countEntered(keyspace: Keyspace, database: number, shard: number): number {
  const count = keyspace.control[keyspace.head + layout.SHARD_COUNT]!;
  return changes.length === 0 || keyspace.uncommitted === null ? count : count - keyspace.uncommitted.netKeys(database, shard);
}

const DRAWS = 100;

/** A key of the database by chance, or null when it's likely that there is none. `random` gives 0 to 2^32 - 1. Throws TryAgain. */
export function randomKey(keyspace: Keyspace, database: number, random: () => number): string | null {
  for (let tries = 0; tries < DRAWS; tries++) {
    const total = countKeys(keyspace, database);
    if (total === 0) return null;
    const key = keyAt(keyspace, database, random() % total, random);
    if (key !== null) return key;
  }
  return null;
}
/** A key of the shard that has the key of this place: so each shard is drawn by its share of the keys. */
function keyAt(keyspace: Keyspace, database: number, place: number, random: () => number): string | null {
  let left = place;
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    enterShard(keyspace, database, shard);
    const { head } = keyspace;
    try {
      const count = countEntered(keyspace, database, shard);
      if (left < count) return drawEntered(keyspace, left, random);
      left -= count;
    } finally {
      unlatchShared(keyspace, head);
    }
  }
  return null;
}
/** A key of the entered shard: one that the dict no longer has if `place` falls on it, else one that it has. */
function drawEntered(keyspace: Keyspace, place: number, random: () => number): string | null {
  const { control, head, bank } = keyspace;
  let index = place;
  let found: string | null = null;
  visitGone(keyspace, 0, 0, (key) => {
    if (index-- === 0) found = key;
  });
  for (let draw = 0; draw < DRAWS && found === null; draw++) {
    const entry = sample(control, head, bank, random());
    if (entry !== 0) {
      visitEntry(keyspace, entry, (key) => {
        found = key;
      });
    }
  }
  return found;
}
