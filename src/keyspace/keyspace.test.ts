import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { checkShards, createMemory, forEachEntry, TestKeyspace, taggedKeys } from '../../test/support/keyspace.ts';
import { chance, Random, SEED } from '../../test/support/seed.ts';
import type { Bank } from '../memory/bank.ts';
import { META_EXTERNAL } from '../structures/dict.ts';
import { META_RAW, OutOfMemory, POLICY_ALLKEYS_LRU } from './keyspace.ts';
import * as layout from './layout.ts';
import { overheadOf } from './overhead.ts';

const KIBIBYTE = 1024;
// Short keys that meet often, a tag, the empty key, all bytes, and lengths around what an entry can note in its meta.
const KEYS = ['a', 'b', 'c', '', '{t}1', '{t}2', '\0\r\n\xff', 'k'.repeat(255), 'k'.repeat(256), 'L'.repeat(3000)];
const LENGTHS = [0, 1, 3, 4, 5, 20, 21, 254, 255, 256, 257, 1000, 9000];

type Value = { text: string; expiryMs: number };
type Step =
  | { kind: 'set'; key: string; length: number; keep: boolean }
  | { kind: 'resize'; key: string; length: number }
  | { kind: 'expire'; key: string; afterMs: number }
  | { kind: 'persist' | 'delete' | 'read'; key: string }
  | { kind: 'pass'; ms: number };

const key = fc.constantFrom(...KEYS);
const length = fc.constantFrom(...LENGTHS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('set' as const), key, length, keep: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('resize' as const), key, length }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('expire' as const), key, afterMs: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('persist' as const, 'delete' as const, 'read' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 100 }) }) },
);

/** A value that says whose it is, so that bytes of another one are seen. */
function signed(owner: string, bytes: number, round: number): string {
  return `${owner.slice(0, 4)}|${round}|`.repeat(Math.ceil(bytes / 4) + 1).slice(0, bytes);
}

/** The keyspace beside a Map that answers the same questions. */
class Pair {
  readonly keyspace: TestKeyspace;
  readonly model = new Map<string, Value>();
  readonly database: number;
  private round = 0;

  constructor(keyspace: TestKeyspace, database: number) {
    this.keyspace = keyspace;
    this.database = database;
  }
  private live(name: string): Value | undefined {
    const value = this.model.get(name);
    if (value === undefined || value.expiryMs < 0 || value.expiryMs > this.keyspace.nowMs) return value;
    this.model.delete(name);
    return undefined;
  }
  /** False when there was no memory: then nothing may have changed. */
  run(item: Step): boolean {
    const { keyspace, database } = this;
    this.round++;
    if (item.kind === 'pass') {
      keyspace.nowMs += item.ms;
      return true;
    }
    const old = this.live(item.key);
    try {
      switch (item.kind) {
        case 'set': {
          const text = signed(item.key, item.length, this.round);
          keyspace.set(item.key, text, item.keep, database);
          this.model.set(item.key, { text, expiryMs: item.keep ? (old?.expiryMs ?? -1) : -1 });
          break;
        }
        case 'resize': {
          const before = old?.text ?? '';
          const wanted = Math.max(before.length, item.length);
          const entry = keyspace.at(item.key, database).write();
          keyspace.resizeString(entry, wanted, true);
          this.model.set(item.key, { text: before.padEnd(wanted, '\0'), expiryMs: old?.expiryMs ?? -1 });
          break;
        }
        case 'expire': {
          const expiryMs = keyspace.nowMs + item.afterMs;
          assert.equal(keyspace.expire(item.key, expiryMs, database), old !== undefined);
          if (old !== undefined) old.expiryMs = expiryMs;
          break;
        }
        case 'persist':
          assert.equal(keyspace.expire(item.key, -1, database), old !== undefined);
          if (old !== undefined) old.expiryMs = -1;
          break;
        case 'delete':
          assert.equal(keyspace.delete(item.key, database), old !== undefined);
          this.model.delete(item.key);
          break;
        default:
          assert.equal(keyspace.get(item.key, database), old?.text ?? null);
      }
      return true;
    } catch (error) {
      if (error instanceof OutOfMemory) return false;
      throw error;
    }
  }
  compare(): void {
    const { keyspace, database } = this;
    for (const name of [...new Set([...KEYS, ...this.model.keys()])]) {
      const value = this.live(name);
      const entry = keyspace.at(name, database).peek();
      assert.equal(entry !== 0, value !== undefined, `is there: ${name.slice(0, 20)}`);
      if (value === undefined) continue;
      assert.equal(keyspace.textOf(entry), value.text);
      assert.equal(keyspace.stringLength(entry), value.text.length);
      assert.equal(keyspace.expiryMs(entry), value.expiryMs);
      assert.equal((keyspace.meta(entry) & META_EXTERNAL) !== 0, value.text.length > 255);
    }
  }
  clear(): void {
    for (const name of [...this.model.keys()]) this.keyspace.delete(name, this.database);
  }
}

/** Takes all of a bank, in blocks of the sizes that entries have; returns them, mixed. */
function fill(bank: Bank): number[] {
  const blocks: number[] = [];
  for (let left = 10; left > 0; ) {
    left = 10;
    for (const words of [9, 10, 11, 12, 13, 16, 66, 260, 700, 4096]) {
      const ref = bank.alloc(words);
      if (ref === 0) left--;
      else blocks.push(ref);
    }
  }
  return blocks;
}

describe('keyspace', () => {
  test('keeps to the model: inline and external values, long keys, expiry on and off, two databases', () => {
    const memory = createMemory();
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), step), { maxLength: 150, size: 'max' }), (list) => {
        const keyspace = new TestKeyspace(memory);
        const pairs = [new Pair(keyspace, 0), new Pair(keyspace, 15)] as const;
        list.forEach(([which, item], index) => {
          assert.ok(pairs[which as 0 | 1].run(item));
          if (index % 16 !== 15) return;
          for (const pair of pairs) pair.compare();
        });
        for (const pair of pairs) pair.compare();
        checkShards(keyspace);
        keyspace.check();
        // Expired keys are still counted until somebody meets them.
        for (const pair of pairs) {
          for (const name of KEYS) keyspace.at(name, pair.database).write();
          assert.equal(keyspace.count(pair.database), pair.model.size);
          pair.clear();
          assert.equal(keyspace.count(pair.database), 0);
        }
        assert.equal(keyspace.check(), 0, 'an empty keyspace holds no memory');
      }),
      chance(60),
    );
  });

  test('an operation that finds no memory changes nothing', () => {
    // One small bank, filled by keys of one tag; some steps succeed in the gaps that others leave.
    const names = taggedKeys(24);
    const tagged = fc.tuple(fc.nat(23), step).map(([index, item]): Step => ('key' in item ? { ...item, key: names[index]! } : item));
    const memory = createMemory(256 * KIBIBYTE);
    const places = fc.array(fc.nat(), { maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(fc.array(tagged, { minLength: 50, maxLength: 200, size: 'max' }), places, fc.nat(20), (list, gaps, first) => {
        const keyspace = new TestKeyspace(memory);
        const pair = new Pair(keyspace, 3);
        for (const [index, name] of names.entries()) {
          if (index <= first) pair.run({ kind: 'set', key: name, length: index % 5, keep: false });
          if (index < first) pair.run({ kind: 'expire', key: name, afterMs: 100 + index });
        }
        const { bank } = keyspace.at(names[0]!, 3);
        const ballast = fill(bank);
        for (const place of gaps) bank.free(ballast.splice(place % ballast.length, 1)[0]!);
        let refused = 0;
        list.forEach((item, index) => {
          if (!pair.run(item)) refused++;
          if (index % 16 === 15) pair.compare();
        });
        if (gaps.length === 0) assert.ok(refused > 0, 'the bank was never full');
        pair.compare();
        checkShards(keyspace);
        keyspace.check();
        for (const name of names) keyspace.delete(name, 3);
        for (const ref of ballast) bank.free(ref);
        assert.equal(keyspace.check(), 0);
      }),
      chance(60),
    );
  });

  test('the memory in use is that of the entries and of the tables, to the word', () => {
    const keyspace = new TestKeyspace();
    const random = new Random(SEED);
    for (let round = 0; round < 20_000; round++) {
      const [key, database] = [`key:${random.below(3000)}`, random.below(3)];
      const choice = random.below(10);
      if (choice < 3) keyspace.delete(key, database);
      else keyspace.set(key, 'v'.repeat(random.below(random.below(8) === 0 ? 2000 : 80)), false, database);
      if (choice === 9) keyspace.expire(key, keyspace.nowMs + 1000 + round, database);
      if (round % 4000 !== 3999) continue;
      let bytes = 0;
      for (let each = 0; each < 3; each++) {
        forEachEntry(keyspace, each, (_, entry) => {
          bytes += keyspace.usedWords(entry) * 4;
        });
        const { tableBytes, expiryBytes } = overheadOf(keyspace, each);
        assert.ok(tableBytes > 0 && expiryBytes > 0);
        bytes += tableBytes + expiryBytes;
      }
      assert.equal(keyspace.usedBytes(), bytes);
      assert.equal(keyspace.check() * 4, bytes, 'and what a walk through the banks finds');
    }
  });

  test('keys with one tag share a shard; an empty or open tag is no tag', () => {
    const keyspace = new TestKeyspace();
    const head = (name: string): number => keyspace.at(name).head;
    for (const name of taggedKeys(50)) assert.equal(head(name), head('{shard}'));
    for (const pattern of ['{}:', '{open:', '}{', 'a}b:']) {
      const heads = new Set(Array.from({ length: 50 }, (_, index) => head(pattern + index)));
      assert.ok(heads.size > 10, `${pattern} decides the shard`);
    }
    assert.equal(head('x{tag}y{other}'), head('{tag}'));
  });

  test('a key of another database is another key', () => {
    const keyspace = new TestKeyspace();
    for (let database = 0; database < layout.DATABASES; database++) keyspace.set('k', `v${database}`, false, database);
    for (let database = 0; database < layout.DATABASES; database++) assert.equal(keyspace.get('k', database), `v${database}`);
  });

  test('SET gives the RAW mark back, in place or not', () => {
    const keyspace = new TestKeyspace();
    for (const text of ['12', 'x'.repeat(300)]) {
      const entry = keyspace.set('k', text);
      keyspace.mutate(entry, true);
      assert.ok(keyspace.meta(keyspace.at('k').peek()) & META_RAW);
      assert.equal(keyspace.meta(keyspace.set('k', text)) & META_RAW, 0);
    }
  });

  test('an overwrite takes the block in place when it fits, and never keeps much more than it needs', () => {
    const keyspace = new TestKeyspace();
    const random = new Random(SEED);
    for (let round = 0; round < 2000; round++) {
      const entry = keyspace.set('key', 'v'.repeat(random.below(256)));
      const needed = 6 + ((keyspace.stringLength(entry) + 3) >>> 2);
      assert.ok(keyspace.usedWords(entry) - needed <= 8);
    }
    keyspace.delete('key');
    assert.equal(keyspace.check(), 0);
  });

  test('hits and misses are counted by reads, and not by peeks and writes', () => {
    const keyspace = new TestKeyspace();
    keyspace.set('k', 'v');
    keyspace.get('k');
    keyspace.get('none');
    keyspace.at('k').peek();
    keyspace.at('none').peek();
    keyspace.expire('k', keyspace.nowMs + 5);
    keyspace.nowMs += 5;
    keyspace.get('k');
    assert.deepEqual([keyspace.hits, keyspace.misses, keyspace.expired], [1, 2, 0]);
    keyspace.at('k').write();
    assert.equal(keyspace.expired, 1);
  });

  for (const state of [0, 1]) {
    test(`a key whose time is over is not there, with active expiry ${state === 1 ? 'on' : 'off'}`, () => {
      const keyspace = new TestKeyspace();
      keyspace.control[layout.GLOBAL_ACTIVE_EXPIRE] = state;
      keyspace.set('k', 'v');
      keyspace.expire('k', keyspace.nowMs + 1);
      assert.equal(keyspace.get('k'), 'v');
      keyspace.nowMs++;
      assert.equal(keyspace.get('k'), null);
      assert.equal(keyspace.at('k').peek(), 0);
      assert.equal(keyspace.at('k').write(), 0);
      assert.equal(keyspace.count(0), 0);
    });
  }

  describe('WATCH versions', () => {
    const changes: readonly [string, (keyspace: TestKeyspace) => void][] = [
      ['SET', (keyspace) => keyspace.set('k', 'other')],
      ['SET in place', (keyspace) => keyspace.set('k', 'w')],
      ['a long value', (keyspace) => keyspace.set('k', 'w'.repeat(999))],
      ['EXPIRE', (keyspace) => keyspace.expire('k', keyspace.nowMs + 100)],
      ['DEL', (keyspace) => keyspace.delete('k')],
      ['APPEND', (keyspace) => keyspace.resizeString(keyspace.at('k').write(), 9, true)],
      ['SETBIT', (keyspace) => keyspace.mutate(keyspace.at('k').write(), true)],
    ];
    for (const [name, change] of changes) {
      test(`${name} changes the key's version while somebody watches`, () => {
        const keyspace = new TestKeyspace();
        keyspace.set('k', 'v');
        keyspace.at('k');
        const word = keyspace.watchWord();
        change(keyspace);
        assert.equal(keyspace.control[word], 0, 'nobody watches');
        keyspace.set('k', 'v');
        keyspace.control[layout.GLOBAL_WATCHERS] = 1;
        change(keyspace);
        assert.ok(keyspace.control[word]! > 0);
      });
    }
    test('reading changes no version', () => {
      const keyspace = new TestKeyspace();
      keyspace.set('k', 'v');
      keyspace.control[layout.GLOBAL_WATCHERS] = 1;
      keyspace.get('k');
      keyspace.get('none');
      keyspace.at('k').peek();
      keyspace.at('k').write();
      assert.equal(
        keyspace.control.subarray(layout.WATCH_WORD, layout.CONTROL_WORDS).some((version) => version !== 0),
        false,
      );
    });
    test('a key that is deleted because its time is over changes its version', () => {
      const keyspace = new TestKeyspace();
      keyspace.set('k', 'v');
      keyspace.expire('k', keyspace.nowMs + 1);
      keyspace.control[layout.GLOBAL_WATCHERS] = 1;
      keyspace.nowMs += 10;
      keyspace.at('k').write();
      assert.equal(keyspace.control[keyspace.watchWord()], 1);
    });
  });

  test('without touching, neither the order nor the stamp of a key changes, whatever is done to it', () => {
    const keyspace = new TestKeyspace();
    keyspace.control[layout.GLOBAL_POLICY] = POLICY_ALLKEYS_LRU;
    for (const name of ['{t}old', '{t}mid', '{t}new']) keyspace.set(name, 'v');
    const stamp = keyspace.stampOf(keyspace.at('{t}old').peek());
    keyspace.touching = false;
    keyspace.get('{t}old');
    keyspace.set('{t}old', 'w');
    keyspace.set('{t}old', 'longer'.repeat(100));
    const entry = keyspace.at('{t}old').peek();
    assert.equal(keyspace.stampOf(entry), stamp);
    assert.equal(keyspace.control[keyspace.head + layout.SHARD_LRU + 1], entry, 'it is the oldest no more');
    checkShards(keyspace);
  });
});
