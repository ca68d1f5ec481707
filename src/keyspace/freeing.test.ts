// How much is freed at once: counted in blocks and not in time, so that no busy machine can make the bound look broken, or kept.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMemory, TestKeyspace, taggedKeys } from '../../test/support/keyspace.ts';
import type { Bank } from '../memory/bank.ts';
import { HashView } from './hash-value.ts';
import { List } from './list-value.ts';
import { SetView } from './set-value.ts';
import { expireSome, flushDatabase, freeDetached } from './walk.ts';
import { Zset } from './zset-value.ts';

/** Enough for more segments of buckets (1024 each) than are freed at once. */
const ELEMENTS = 200_000;
const LIST_ELEMENTS = 200_000;
const BANK_BYTES = 64 * 1048576;
/** A block takes about 0.1 microseconds to free, and the clock is looked at after so many. */
const MAX_BLOCKS_AT_ONCE = 80;
/** What whoever deletes a key frees: its entry, and buckets of the keyspace's dict. */
const MAX_BLOCKS_OF_DELETION = 8;

const long = Buffer.alloc(1000, 'x');

type Fill = (keyspace: TestKeyspace) => void;

const FILLS = {
  set(keyspace: TestKeyspace) {
    const set = new SetView().open(keyspace, keyspace.at('big').write());
    for (let index = 0; index < ELEMENTS; index++) set.add(Buffer.from(`member:${index}`), 0, `member:${index}`.length);
  },
  hash(keyspace: TestKeyspace) {
    const hash = new HashView().open(keyspace, keyspace.at('big').write());
    for (let index = 0; index < ELEMENTS; index++) {
      const name = Buffer.from(`field:${index}`);
      hash.set(name, 0, name.length, name, 0, name.length);
    }
  },
  'hash whose fields expire'(keyspace: TestKeyspace) {
    const hash = new HashView();
    for (let index = 0; index < ELEMENTS; index++) {
      hash.open(keyspace, keyspace.at('big').write());
      const name = Buffer.from(`field:${index}`);
      hash.set(name, 0, name.length, name, 0, name.length);
      if (index % 2 === 0) hash.setExpiry(name, 0, name.length, keyspace.nowMs + 1_000_000 - index);
    }
  },
  'sorted set'(keyspace: TestKeyspace) {
    const set = new Zset().open(keyspace, keyspace.at('big').write());
    for (let index = 0; index < ELEMENTS; index++) {
      set.addMember(Buffer.from(`member:${index}`), 0, `member:${index}`.length, (index * 7919) % ELEMENTS);
    }
  },
  list(keyspace: TestKeyspace) {
    const list = new List().open(keyspace, keyspace.at('big').write());
    for (let index = 0; index < LIST_ELEMENTS; index++) list.push(long, 0, 100 + (index % 100), false);
  },
} satisfies Readonly<Record<string, Fill>>;

/** Calls `act` and returns how many blocks it freed. */
function countFreed(keyspace: TestKeyspace, act: () => void): number {
  let freed = 0;
  const originals = keyspace.banks.map((bank) => bank.free);
  for (const [index, bank] of keyspace.banks.entries()) {
    bank.free = function (this: Bank, ref: number): void {
      freed++;
      (originals[index] as Bank['free']).call(this, ref);
    };
  }
  try {
    act();
  } finally {
    for (const [index, bank] of keyspace.banks.entries()) bank.free = originals[index] as Bank['free'];
  }
  return freed;
}

/** Frees what is detached step by step; no step may free more than the bound. */
function freeInSteps(keyspace: TestKeyspace): number {
  let steps = 0;
  for (let isDone = false; !isDone; steps++) {
    const freed = countFreed(keyspace, () => {
      isDone = freeDetached(keyspace, 0);
    });
    assert.ok(freed <= MAX_BLOCKS_AT_ONCE, `step ${steps} freed ${freed} blocks`);
  }
  return steps;
}

const WAYS = {
  deleted(keyspace: TestKeyspace) {
    keyspace.delete('big');
  },
  'that has expired'(keyspace: TestKeyspace) {
    keyspace.expire('big', keyspace.nowMs - 1);
    assert.ok(expireSome(keyspace, Number.POSITIVE_INFINITY));
  },
  'whose database is emptied': (keyspace: TestKeyspace) => flushDatabase(keyspace, 0),
} satisfies Readonly<Record<string, Fill>>;
const CASES = [
  ['set', 'deleted'],
  ['set', 'that has expired'],
  ['set', 'whose database is emptied'],
  ['hash', 'that has expired'],
  ['hash whose fields expire', 'deleted'],
  ['sorted set', 'deleted'],
  ['list', 'whose database is emptied'],
] as const;

describe('freeing in bounded steps', () => {
  for (const [kind, way] of CASES) {
    test(`a ${kind} ${way}`, () => {
      const keyspace = new TestKeyspace(createMemory(BANK_BYTES));
      FILLS[kind](keyspace);
      const freed = countFreed(keyspace, () => WAYS[way](keyspace));
      assert.ok(freed <= MAX_BLOCKS_OF_DELETION, `${freed} blocks were freed at once`);
      assert.ok(freeInSteps(keyspace) > 10, 'all was freed at once');
      assert.equal(keyspace.check(), 0);
    });
  }

  test('a database of many small collections', () => {
    const keyspace = new TestKeyspace(createMemory(BANK_BYTES));
    for (const key of taggedKeys(2000)) {
      const set = new Zset().open(keyspace, keyspace.at(key).write());
      // Longer than what is packed: each is a tree of some sixty nodes.
      for (let index = 0; index < 60; index++) set.addMember(long, 0, 200 + index, index);
    }
    flushDatabase(keyspace, 0);
    let most = 0;
    for (let isDone = false; !isDone; ) {
      const freed = countFreed(keyspace, () => {
        isDone = freeDetached(keyspace, 0);
      });
      most = Math.max(most, freed);
    }
    assert.ok(most <= 32 * 100, `${most} blocks at once`);
    assert.equal(keyspace.check(), 0);
  });
});
