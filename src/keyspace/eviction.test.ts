import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkShards, createMemory, MEBIBYTE, TestKeyspace, taggedKeys } from '../../test/support/keyspace.ts';
import { chance, Random, SEED } from '../../test/support/seed.ts';
import { UndoLog } from '../transactions/undo-log.ts';
import { evictIfNeeded, evictOne } from './eviction.ts';
import { LOCK_EXCLUSIVE, lockWord } from './key-locks.ts';
import * as keyspaces from './keyspace.ts';
import * as layout from './layout.ts';
import { lfuFrequency } from './lfu.ts';
import { flushDatabase, freeDetached, swapDatabases } from './walk.ts';

const DATABASES = [0, 3, 15];
const MINUTE_MS = 60_000;

/** A keyspace that writes down which keys go away, as "database key". */
class WatchedKeyspace extends TestKeyspace {
  readonly removed: string[] = [];
  override remove(entry: number): void {
    const key = Buffer.from(this.bytes.subarray(this.start, this.end)).toString('latin1');
    this.removed.push(`${this.database} ${key}`);
    super.remove(entry);
  }
  setPolicy(policy: number): this {
    this.control[layout.GLOBAL_POLICY] = policy;
    return this;
  }
  setLimit(bytes: number): void {
    this.control[layout.GLOBAL_MAXMEMORY_KIB] = Math.floor(bytes / 1024);
    this.control[layout.GLOBAL_MAXMEMORY_SUBKIB] = bytes % 1024;
  }
  /** Evicts until nothing can be evicted any more; returns the victims in order. */
  evictAll(): string[] {
    this.removed.length = 0;
    for (let count = 0; evictOne(this); count++) assert.ok(count < 10_000, 'eviction does not end');
    return this.removed;
  }
}

const memory = createMemory();

describe('LRU eviction', () => {
  type Kind = 'set' | 'get' | 'longer' | 'delete' | 'expire' | 'persist' | 'peek' | 'evict' | 'swap';
  type Use = { kind: Kind; database: number; key: number };
  const kinds: readonly Kind[] = ['set', 'set', 'get', 'get', 'longer', 'delete', 'expire', 'persist', 'peek', 'evict', 'evict', 'swap'];
  const use: fc.Arbitrary<Use> = fc.record({
    kind: fc.constantFrom(...kinds),
    database: fc.constantFrom(...DATABASES),
    key: fc.nat(30),
  });
  type Known = { database: number; name: string; isVolatile: boolean };

  /** Does to the keyspace what a use says, and to the model, whose keys stand in the order of their last use. */
  function apply(keyspace: WatchedKeyspace, model: Known[], { kind, database, key }: Use): void {
    const name = `key:${key}`;
    const place = model.findIndex((known) => known.name === name && known.database === database);
    if (kind === 'set') keyspace.set(name, 'v', false, database);
    else if (kind === 'longer') keyspace.set(name, 'v'.repeat(key * 20), true, database);
    else if (kind === 'get') keyspace.get(name, database);
    else if (kind === 'delete') keyspace.delete(name, database);
    else if (kind === 'peek') {
      keyspace.at(name, database).peek();
      return;
    } else keyspace.expire(name, kind === 'expire' ? keyspace.nowMs + 1000 + key : -1, database);
    const [old] = place < 0 ? [] : model.splice(place, 1);
    if (kind === 'set') model.push({ database, name, isVolatile: false });
    else if (kind === 'longer') model.push(old ?? { database, name, isVolatile: false });
    else if (old !== undefined && kind === 'get') model.push(old);
    else if (old !== undefined && kind !== 'delete') model.push({ ...old, isVolatile: kind === 'expire' });
  }

  for (const [name, policy] of [
    ['allkeys-lru', keyspaces.POLICY_ALLKEYS_LRU],
    ['volatile-lru', keyspaces.POLICY_VOLATILE_LRU],
  ] as const) {
    test(`${name} takes the least recently used of all shards and databases, exactly`, () => {
      const isAll = policy === keyspaces.POLICY_ALLKEYS_LRU;
      const expectVictim = (keyspace: WatchedKeyspace, model: Known[]): void => {
        const place = model.findIndex(({ isVolatile }) => isAll || isVolatile);
        keyspace.removed.length = 0;
        assert.equal(evictOne(keyspace), place >= 0);
        const [victim] = place < 0 ? [] : model.splice(place, 1);
        assert.deepEqual(keyspace.removed, victim === undefined ? [] : [`${victim.database} ${victim.name}`]);
      };
      fc.assert(
        fc.property(fc.array(use, { maxLength: 250, size: 'max' }), (uses) => {
          const keyspace = new WatchedKeyspace(memory).setPolicy(policy);
          const model: Known[] = [];
          for (const each of uses) {
            if (each.kind === 'evict') expectVictim(keyspace, model);
            else if (each.kind === 'swap') {
              swapDatabases(keyspace, 0, each.database);
              for (const known of model) {
                if (known.database === 0) known.database = each.database;
                else if (known.database === each.database) known.database = 0;
              }
            } else apply(keyspace, model, each);
          }
          checkShards(keyspace);
          while (model.some(({ isVolatile }) => isAll || isVolatile)) expectVictim(keyspace, model);
          expectVictim(keyspace, model);
          keyspace.setPolicy(keyspaces.POLICY_ALLKEYS_LRU).evictAll();
          assert.equal(keyspace.check(), 0);
        }),
        chance(80),
      );
    });
  }

  test('the order is that of all 1024 shards, and following it stays exact while keys are used', () => {
    const keyspace = new WatchedKeyspace(createMemory()).setPolicy(keyspaces.POLICY_ALLKEYS_LRU);
    const random = new Random(SEED);
    // Sixteen databases of so many keys: with this seed of the hash none of the 64 shards of any stays empty.
    const KEYS = 600;
    const order = new Map<string, [string, number]>();
    const use = (key: string, database: number): void => {
      order.delete(`${database} ${key}`);
      order.set(`${database} ${key}`, [key, database]);
    };
    for (let index = 0; index < KEYS * layout.DATABASES; index++) {
      const [key, database] = [`key:${Math.floor(index / layout.DATABASES)}`, index % layout.DATABASES];
      keyspace.set(key, 'v', false, database);
      use(key, database);
    }
    for (let domain = 0; domain < layout.DOMAINS; domain++)
      assert.ok(
        keyspace.control[layout.shardBase(0, 0) + domain * layout.SHARD_WORDS + layout.SHARD_COUNT]! > 0,
        `shard ${domain} is empty`,
      );
    while (order.size > 0) {
      for (let count = random.below(4); count > 0; count--) {
        const [key, database] = [`key:${random.below(KEYS)}`, random.below(layout.DATABASES)];
        if (keyspace.get(key, database) !== null) use(key, database);
      }
      const [expected] = order.keys();
      keyspace.removed.length = 0;
      assert.ok(evictOne(keyspace));
      assert.deepEqual(keyspace.removed, [expected]);
      order.delete(expected as string);
    }
    assert.equal(evictOne(keyspace), false);
    assert.equal(keyspace.check(), 0);
  });

  test('the order survives the wrap-around of the stamps', () => {
    const keyspace = new WatchedKeyspace(memory).setPolicy(keyspaces.POLICY_ALLKEYS_LRU);
    keyspace.stamp = 0x7fffffff - 50;
    const expected: string[] = [];
    for (let index = 0; index < 100; index++) {
      keyspace.set(`key:${index}`, 'v');
      expected.push(`0 key:${index}`);
    }
    assert.deepEqual(keyspace.evictAll(), expected);
  });
});

describe('other policies', () => {
  test('volatile-ttl takes what expires first, and leaves keys without an expiry', () => {
    const keyspace = new WatchedKeyspace(memory).setPolicy(keyspaces.POLICY_VOLATILE_TTL);
    const random = new Random(SEED);
    const times = new Map<string, number>();
    for (let index = 0; index < 300; index++) {
      const database = DATABASES[index % 3]!;
      keyspace.set(`key:${index}`, 'v', false, database);
      if (index % 4 === 0) continue;
      const at = keyspace.nowMs + 1 + index * 1000 + random.below(1000);
      keyspace.expire(`key:${index}`, keyspace.nowMs + 1 + random.below(9), database);
      keyspace.expire(`key:${index}`, at, database);
      times.set(`${database} key:${index}`, at);
    }
    const expected = [...times].sort((a, b) => a[1] - b[1]).map(([id]) => id);
    assert.deepEqual(keyspace.evictAll(), expected);
    assert.equal(keyspace.count(0) + keyspace.count(3) + keyspace.count(15), 75);
    keyspace.setPolicy(keyspaces.POLICY_ALLKEYS_LRU).evictAll();
  });

  test('noeviction takes nothing', () => {
    const keyspace = new WatchedKeyspace(memory).setPolicy(keyspaces.POLICY_NOEVICTION);
    keyspace.set('k', 'v');
    assert.equal(evictOne(keyspace), false);
    assert.equal(keyspace.get('k'), 'v');
    keyspace.delete('k');
  });

  for (const [name, policy, takesAll] of [
    ['allkeys-random', keyspaces.POLICY_ALLKEYS_RANDOM, true],
    ['volatile-random', keyspaces.POLICY_VOLATILE_RANDOM, false],
    ['allkeys-lfu', keyspaces.POLICY_ALLKEYS_LFU, true],
    ['volatile-lfu', keyspaces.POLICY_VOLATILE_LFU, false],
  ] as const) {
    test(`${name} takes ${takesAll ? 'every key' : 'every key with an expiry'} sooner or later, and no other`, () => {
      const keyspace = new WatchedKeyspace(memory).setPolicy(policy);
      const volatile: string[] = [];
      const plain: string[] = [];
      for (let index = 0; index < 200; index++) {
        const database = DATABASES[index % 3]!;
        keyspace.set(`key:${index}`, 'v', false, database);
        if (index % 2 === 0) keyspace.expire(`key:${index}`, keyspace.nowMs + 1000, database);
        (index % 2 === 0 ? volatile : plain).push(`${database} key:${index}`);
      }
      assert.deepEqual(keyspace.evictAll().sort(), (takesAll ? [...volatile, ...plain] : volatile).sort());
      checkShards(keyspace);
      keyspace.setPolicy(keyspaces.POLICY_ALLKEYS_LRU).evictAll();
    });
  }

  for (const [name, policy] of [
    ['allkeys-random', keyspaces.POLICY_ALLKEYS_RANDOM],
    ['volatile-random', keyspaces.POLICY_VOLATILE_RANDOM],
  ] as const) {
    test(`${name} gives every key the same chance, whatever shard it lives in`, () => {
      const keyspace = new WatchedKeyspace(memory).setPolicy(policy);
      // Two shards, one with nine times as many keys, and a few keys in others: the first 200 victims must be a fair sample.
      const names = [...taggedKeys(900, 'many'), ...taggedKeys(100, 'few')];
      for (const key of names) {
        keyspace.set(key, 'v');
        keyspace.expire(key, keyspace.nowMs + 5000);
      }
      keyspace.removed.length = 0;
      for (let count = 0; count < 200; count++) assert.ok(evictOne(keyspace));
      const few = keyspace.removed.filter((id) => id.includes('{few}')).length;
      // 20 expected, standard deviation 4: between them lie seven.
      assert.ok(few >= 2 && few <= 48, `${few} of 200 victims came from the shard with a tenth of the keys`);
      keyspace.setPolicy(keyspaces.POLICY_ALLKEYS_LRU).evictAll();
    });
  }

  for (const [name, names] of [
    ['of many shards', Array.from({ length: 200 }, (_, index) => `key:${index}`)],
    ['of one shard', taggedKeys(200)],
  ] as const) {
    for (const policy of [keyspaces.POLICY_ALLKEYS_LFU, keyspaces.POLICY_VOLATILE_LFU]) {
      test(`${keyspaces.POLICY_NAMES[policy]} takes the seldom used ${name} first`, () => {
        const keyspace = new WatchedKeyspace(memory).setPolicy(policy);
        keyspace.nowMs = 1000 * MINUTE_MS;
        for (const [index, key] of names.entries()) {
          keyspace.set(key, 'v');
          keyspace.expire(key, keyspace.nowMs + 5000);
          // Every key has another frequency, so that it's worth something to find the least one.
          keyspace.setStamp(keyspace.at(key).peek(), (1000 << 8) | (index % 2 === 0 ? 200 : 1 + (index % 50)));
        }
        keyspace.removed.length = 0;
        for (let count = 0; count < 60; count++) assert.ok(evictOne(keyspace));
        const often = keyspace.removed.filter((id) => names.indexOf(id.slice(2)) % 2 === 0);
        assert.deepEqual(often, [], 'keys that are used often were taken');
        keyspace.setPolicy(keyspaces.POLICY_ALLKEYS_LRU).evictAll();
      });
    }
  }

  test('LFU counts uses with a logarithm, and forgets a use a minute', () => {
    const keyspace = new TestKeyspace(memory);
    keyspace.control[layout.GLOBAL_POLICY] = keyspaces.POLICY_ALLKEYS_LFU;
    keyspace.nowMs = 1000 * MINUTE_MS;
    keyspace.set('k', 'v');
    const frequency = (): number => lfuFrequency(keyspace.control, keyspace.stampOf(keyspace.at('k').peek()), keyspace.nowMs);
    assert.equal(frequency(), 5);
    for (let count = 0; count < 20_000; count++) keyspace.get('k');
    const much = frequency();
    assert.ok(much > 20 && much < 160, `${much} after 20000 uses`);
    keyspace.nowMs += 7 * MINUTE_MS;
    assert.equal(frequency(), much - 7);
    keyspace.nowMs += 500 * MINUTE_MS;
    assert.equal(frequency(), 0);
    keyspace.delete('k');
  });

  test('lfu-log-factor says how slowly a frequency rises, and lfu-decay-time how slowly it falls', () => {
    const keyspace = new TestKeyspace(memory);
    const { control } = keyspace;
    control[layout.GLOBAL_POLICY] = keyspaces.POLICY_ALLKEYS_LFU;
    keyspace.nowMs = 1000 * MINUTE_MS;
    const frequency = (): number => lfuFrequency(control, keyspace.stampOf(keyspace.at('k').peek()), keyspace.nowMs);
    const afterUses = (factor: number): number => {
      control[layout.GLOBAL_LFU_LOG_FACTOR] = factor;
      keyspace.delete('k');
      keyspace.set('k', 'v');
      for (let count = 0; count < 100; count++) keyspace.get('k');
      return frequency();
    };
    assert.equal(afterUses(0), 105, 'each use counts');
    const [some, few] = [afterUses(1), afterUses(1_000_000)];
    assert.ok(some > 10 && some < 40, `${some} after 100 uses with factor 1`);
    assert.ok(few <= 7, `${few} after 100 uses with a factor of a million`);
    assert.equal(afterUses(0), 105);
    control[layout.GLOBAL_LFU_DECAY_MINUTES] = 5;
    keyspace.nowMs += 14 * MINUTE_MS;
    assert.equal(frequency(), 103);
    control[layout.GLOBAL_LFU_DECAY_MINUTES] = 0;
    keyspace.nowMs += 10_000 * MINUTE_MS;
    assert.equal(frequency(), 105, '0: it stays');
    control[layout.GLOBAL_LFU_LOG_FACTOR] = 10;
    control[layout.GLOBAL_LFU_DECAY_MINUTES] = 1;
    keyspace.delete('k');
  });
});

describe('maxmemory', () => {
  test('evicts down to the limit, to the byte, and not further', () => {
    const keyspace = new WatchedKeyspace(createMemory(4 * MEBIBYTE)).setPolicy(keyspaces.POLICY_ALLKEYS_LRU);
    for (let index = 0; index < 5000; index++) keyspace.set(`key:${index}`, 'v'.repeat(100));
    const used = keyspace.usedBytes();
    keyspace.setLimit(used);
    assert.ok(evictIfNeeded(keyspace));
    assert.equal(keyspace.removed.length, 0, 'used memory may reach the limit');
    keyspace.setLimit(used - 1);
    assert.ok(evictIfNeeded(keyspace));
    assert.equal(keyspace.removed.length, 1);
    keyspace.setLimit(used - 100_001);
    assert.ok(evictIfNeeded(keyspace));
    assert.ok(keyspace.usedBytes() <= used - 100_001 && keyspace.usedBytes() > used - 110_000);
    keyspace.check();
  });

  test('far below the limit nothing is summed up; the cheap bound is never too low', () => {
    const keyspace = new WatchedKeyspace(createMemory(4 * MEBIBYTE)).setPolicy(keyspaces.POLICY_ALLKEYS_LRU);
    const random = new Random(SEED);
    let sums = 0;
    const sum = keyspace.usedBytes.bind(keyspace);
    keyspace.usedBytes = () => {
      sums++;
      return sum();
    };
    for (let round = 0; round < 30_000; round++) {
      const key = `key:${random.below(3000)}`;
      if (random.below(4) === 0) keyspace.delete(key);
      else keyspace.set(key, 'v'.repeat(random.below(random.below(10) === 0 ? 20_000 : 300)));
      if (round % 64 !== 0) continue;
      const surplus = keyspace.usedBytesAtMost() - sum();
      assert.ok(surplus >= 0 && surplus <= 2.2 * MEBIBYTE, `the bound is ${surplus} bytes above`);
    }
    keyspace.setLimit(sum() + 3 * MEBIBYTE);
    assert.ok(evictIfNeeded(keyspace));
    assert.equal(sums, 0);
    keyspace.setLimit(sum());
    assert.ok(evictIfNeeded(keyspace));
    assert.ok(sums > 0);
    keyspace.evictAll();
    assert.ok(keyspace.usedBytesAtMost() >= 0 && keyspace.usedBytesAtMost() <= 2.2 * MEBIBYTE);
  });

  test('without a victim there is no room', () => {
    const keyspace = new WatchedKeyspace(createMemory()).setPolicy(keyspaces.POLICY_VOLATILE_LRU);
    keyspace.set('k', 'v');
    keyspace.setLimit(1);
    assert.equal(evictIfNeeded(keyspace), false);
    keyspace.expire('k', keyspace.nowMs + 1000);
    assert.equal(evictIfNeeded(keyspace), true);
    assert.equal(keyspace.get('k'), null);
  });

  test('what FLUSHALL has detached costs no key its life', () => {
    const keyspace = new WatchedKeyspace(createMemory()).setPolicy(keyspaces.POLICY_ALLKEYS_LRU);
    for (let index = 0; index < 2000; index++) keyspace.set(`key:${index}`, 'v'.repeat(100));
    keyspace.setLimit(keyspace.usedBytes() - 1000);
    flushDatabase(keyspace, 0);
    keyspace.set('fresh', 'v');
    keyspace.removed.length = 0;
    assert.ok(evictIfNeeded(keyspace));
    assert.deepEqual(keyspace.removed, []);
    assert.equal(keyspace.get('fresh'), 'v');
    assert.ok(freeDetached(keyspace, Number.POSITIVE_INFINITY));
    assert.equal(keyspace.control[layout.GLOBAL_DETACHED_KIB], 0);
    keyspace.delete('fresh');
    assert.equal(keyspace.check(), 0);
  });
});

describe('keys that a script holds', () => {
  const policies = [
    keyspaces.POLICY_ALLKEYS_LRU,
    keyspaces.POLICY_VOLATILE_LRU,
    keyspaces.POLICY_ALLKEYS_LFU,
    keyspaces.POLICY_VOLATILE_LFU,
    keyspaces.POLICY_ALLKEYS_RANDOM,
    keyspaces.POLICY_VOLATILE_RANDOM,
    keyspaces.POLICY_VOLATILE_TTL,
  ];
  for (const policy of policies) {
    test(`are left alone by ${keyspaces.POLICY_NAMES[policy]}, and no others are`, () => {
      const keyspace = new WatchedKeyspace(createMemory()).setPolicy(policy);
      const { control } = keyspace;
      control[layout.GLOBAL_LOCKERS] = 1;
      // The held ones were used longest ago and expire first.
      const held = new Set<string>();
      for (let index = 0; index < 40; index++) {
        const key = `${index % 2 === 0 ? '{t}' : ''}key:${index}`;
        keyspace.set(key, 'v');
        keyspace.expire(key, keyspace.nowMs + 1000 + index);
        if (index >= 20) continue;
        keyspace.at(key);
        control[lockWord(keyspace)] = 1 | LOCK_EXCLUSIVE;
        held.add(`0 ${key}`);
      }
      keyspace.removed.length = 0;
      for (let tries = 0; tries < 10_000 && keyspace.removed.length < 20; tries++) evictOne(keyspace);
      assert.equal(keyspace.removed.length, 20);
      assert.deepEqual(
        keyspace.removed.filter((key) => held.has(key)),
        [],
      );
      evictOne(keyspace);
      assert.equal(keyspace.removed.length, 20);
      control[layout.GLOBAL_LOCKERS] = 0;
      for (let tries = 0; tries < 10_000 && keyspace.removed.length < 40; tries++) evictOne(keyspace);
      assert.equal(keyspace.removed.length, 40);
      assert.equal(keyspace.check(), 0);
    });
  }

  test('of an own transaction are no victims either, and an eviction is no part of it', () => {
    const keyspace = new WatchedKeyspace(createMemory()).setPolicy(keyspaces.POLICY_ALLKEYS_LRU);
    const { control } = keyspace;
    for (let index = 0; index < 100; index++) keyspace.set(`key:${index}`, 'v'.repeat(200));
    keyspace.at('key:0');
    control[lockWord(keyspace)] = 1 | LOCK_EXCLUSIVE;
    control[layout.GLOBAL_LOCKERS] = 1;
    keyspace.lockBit = 1;
    const undo = new UndoLog(null);
    keyspace.undo = undo;
    keyspace.setLimit(keyspace.usedBytes() - 300);
    assert.equal(evictIfNeeded(keyspace), true);
    assert.ok(keyspace.removed.length > 0 && !keyspace.removed.includes('0 key:0'));
    assert.ok(undo.isEmpty);
    assert.equal(keyspace.undo, undo);
  });
});
