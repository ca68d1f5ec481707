import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkShards, createMemory, TestKeyspace, taggedKeys } from '../../test/support/keyspace.ts';
import { chance, Random, SEED } from '../../test/support/seed.ts';
import { forEachKey, scanDatabase } from './committed-keys.ts';
import * as layout from './layout.ts';
import { expireSome, flushDatabase, freeDetached, swapDatabases } from './walk.ts';

const KIBIBYTE = 1024;
const FOREVER = Number.POSITIVE_INFINITY;

function allKeys(keyspace: TestKeyspace, database: number): string[] {
  const keys: string[] = [];
  forEachKey(keyspace, database, (key) => keys.push(key));
  return keys.sort();
}

describe('flush', () => {
  test('a flush and the janitor give all memory back, and other databases stay', () => {
    const keyspace = new TestKeyspace(createMemory());
    const random = new Random(SEED);
    for (let index = 0; index < 4000; index++) {
      keyspace.set(`key:${index}`, 'v'.repeat(random.below(index % 20 === 0 ? 3000 : 300)));
      if (index % 3 === 0) keyspace.expire(`key:${index}`, keyspace.nowMs + 1 + index);
    }
    keyspace.set('other', 'stays', false, 1);
    const before = keyspace.check();
    flushDatabase(keyspace, 0);
    assert.equal(keyspace.count(0), 0);
    assert.equal(keyspace.countVolatile(0), 0);
    assert.equal(keyspace.get('key:1'), null);
    checkShards(keyspace);
    assert.ok(keyspace.check() >= before, 'nothing is freed under the latches');
    keyspace.set('key:1', 'new');
    let calls = 0;
    while (!freeDetached(keyspace, 0)) calls++;
    assert.ok(calls > 10, 'with no time it frees little by little');
    assert.equal(keyspace.get('key:1'), 'new');
    assert.equal(keyspace.get('other', 1), 'stays');
    keyspace.delete('key:1');
    keyspace.delete('other', 1);
    assert.equal(keyspace.check(), 0);
  });

  test('flushes that come while earlier ones are being freed', () => {
    const keyspace = new TestKeyspace(createMemory());
    const random = new Random(SEED);
    for (let round = 0; round < 200; round++) {
      const database = random.below(3);
      for (let index = 0; index < 20; index++) keyspace.set(`key:${random.below(500)}`, 'v', false, database);
      if (random.below(3) === 0) flushDatabase(keyspace, database);
      if (random.below(2) === 0) freeDetached(keyspace, 0);
    }
    for (let database = 0; database < 3; database++) flushDatabase(keyspace, database);
    assert.ok(freeDetached(keyspace, FOREVER));
    assert.equal(keyspace.check(), 0);
  });

  test('a bank that is too full to note what is detached is emptied at once', () => {
    const keyspace = new TestKeyspace(createMemory(256 * KIBIBYTE));
    for (const key of taggedKeys(50)) {
      keyspace.set(key, 'v');
      keyspace.expire(key, keyspace.nowMs + 1000);
    }
    const { bank } = keyspace.at(taggedKeys(1)[0]!);
    const ballast: number[] = [];
    for (const words of [4096, 400, 33]) for (let ref = bank.alloc(words); ref !== 0; ref = bank.alloc(words)) ballast.push(ref);
    flushDatabase(keyspace, 0);
    assert.equal(keyspace.count(0), 0);
    for (const ref of ballast) bank.free(ref);
    assert.equal(keyspace.check(), 0);
    checkShards(keyspace);
  });

  test('only one thread frees at a time', () => {
    const keyspace = new TestKeyspace(createMemory());
    keyspace.set('k', 'v');
    flushDatabase(keyspace, 0);
    keyspace.control[layout.GLOBAL_FREEING] = -1;
    assert.equal(freeDetached(keyspace, FOREVER), false);
    keyspace.control[layout.GLOBAL_FREEING] = 0;
    assert.equal(freeDetached(keyspace, FOREVER), true);
    assert.equal(keyspace.check(), 0);
  });

  for (const [name, change] of [
    ['FLUSHDB', (keyspace: TestKeyspace) => flushDatabase(keyspace, 0)],
    ['SWAPDB', (keyspace: TestKeyspace) => swapDatabases(keyspace, 0, 1)],
  ] as const) {
    test(`${name} changes the version of its database, for whoever watches a key there`, () => {
      const keyspace = new TestKeyspace(createMemory());
      keyspace.set('k', 'v');
      change(keyspace);
      assert.equal(keyspace.control[layout.DATABASE_VERSION_WORD], 1);
    });
  }
});

describe('swap', () => {
  test('exchanges keys, expiries, order and counts of two databases', () => {
    const keyspace = new TestKeyspace(createMemory());
    for (let index = 0; index < 500; index++) {
      keyspace.set(`a:${index}`, 'in zero');
      if (index < 100) keyspace.set(`b:${index}`, 'in five', false, 5);
      if (index % 7 === 0) keyspace.expire(`a:${index}`, keyspace.nowMs + 5000 + index);
    }
    const [zero, five] = [allKeys(keyspace, 0), allKeys(keyspace, 5)];
    swapDatabases(keyspace, 0, 5);
    checkShards(keyspace);
    assert.deepEqual(allKeys(keyspace, 5), zero);
    assert.deepEqual(allKeys(keyspace, 0), five);
    assert.equal(keyspace.count(5), 500);
    assert.equal(keyspace.get('b:7'), 'in five');
    swapDatabases(keyspace, 5, 5);
    swapDatabases(keyspace, 5, 0);
    assert.deepEqual(allKeys(keyspace, 0), zero);
  });
});

describe('active expiry', () => {
  test('deletes what is over and nothing else, and counts it', () => {
    const keyspace = new TestKeyspace(createMemory());
    const now = Date.now();
    for (let index = 0; index < 1000; index++) {
      keyspace.set(`key:${index}`, 'v', false, index % 16);
      if (index % 2 === 0) keyspace.expire(`key:${index}`, index % 4 === 0 ? now - index - 1 : now + 100_000 + index, index % 16);
    }
    assert.ok(expireSome(keyspace, FOREVER));
    let count = 0;
    for (let database = 0; database < 16; database++) count += keyspace.count(database);
    assert.equal(count, 750);
    assert.equal(keyspace.expired, 250);
    assert.equal(keyspace.control[layout.GLOBAL_EXPIRED], 250);
    checkShards(keyspace);
    keyspace.check();
  });

  test('stops when its time is over, and goes on the next time', () => {
    const keyspace = new TestKeyspace(createMemory());
    for (const key of taggedKeys(500)) {
      keyspace.set(key, 'v');
      keyspace.expire(key, Date.now() - 1);
    }
    assert.equal(expireSome(keyspace, 0), false);
    const left = keyspace.count(0);
    assert.ok(left > 400 && left < 500);
    while (!expireSome(keyspace, 0));
    assert.equal(keyspace.check(), 0);
  });
});

describe('SCAN', () => {
  test('of a database that does not change returns every key once', () => {
    const keyspace = new TestKeyspace(createMemory());
    for (let index = 0; index < 3000; index++) keyspace.set(`key:${index}`, 'v');
    for (const count of [1, 10, 1000, 100_000]) {
      const keys: string[] = [];
      let cursor = 0;
      do cursor = scanDatabase(keyspace, 0, cursor, count, (key) => keys.push(key));
      while (cursor !== 0);
      assert.deepEqual(keys.sort(), allKeys(keyspace, 0));
    }
  });

  test('returns every key that stays, while others come and go', () => {
    const turn = fc.record({ count: fc.integer({ min: 1, max: 50 }), add: fc.nat(300), remove: fc.nat(300) });
    const memory = createMemory();
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 40, size: 'max' }), fc.boolean(), (turns, isTagged) => {
        const keyspace = new TestKeyspace(memory);
        const prefix = isTagged ? '{t}' : '';
        const stay = Array.from({ length: 50 }, (_, index) => `${prefix}stay:${index}`);
        for (const key of stay) keyspace.set(key, 'v');
        let [first, last] = [0, 0];
        const seen = new Set<string>();
        let cursor = 0;
        let calls = 0;
        do {
          const { count, add, remove } = turns[calls % turns.length]!;
          cursor = scanDatabase(keyspace, 0, cursor, count, (key) => seen.add(key));
          if (calls++ >= turns.length) continue;
          for (let index = 0; index < add; index++) keyspace.set(`${prefix}other:${last++}`, 'v');
          for (let index = 0; index < remove && first < last; index++) keyspace.delete(`${prefix}other:${first++}`);
        } while (cursor !== 0 && calls < 100_000);
        assert.equal(cursor, 0, 'the scan does not end');
        assert.deepEqual(
          stay.filter((key) => !seen.has(key)),
          [],
        );
        for (const key of stay) keyspace.delete(key);
        while (first < last) keyspace.delete(`${prefix}other:${first++}`);
        assert.equal(keyspace.check(), 0);
      }),
      chance(30),
    );
  });

  test('takes any cursor without harm, and comes to an end from it', () => {
    const keyspace = new TestKeyspace(createMemory());
    for (let index = 0; index < 300; index++) keyspace.set(`key:${index}`, 'v');
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(5000)), (given) => {
        let cursor = given;
        let calls = 0;
        do cursor = scanDatabase(keyspace, 0, cursor, 10, () => undefined);
        while (cursor !== 0 && ++calls < 5000);
        assert.equal(cursor, 0);
      }),
      chance(200),
    );
  });
});
