import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMemory, MEBIBYTE, SharedKeyspace, TestKeyspace } from '../../test/support/keyspace.ts';
import { chance } from '../../test/support/seed.ts';
import { HashView } from './hash-value.ts';
import * as layout from './layout.ts';
import { List } from './list-value.ts';
import { SetView } from './set-value.ts';
import { MAX_WARM_KEYS } from './warm-keys.ts';
import { Zset } from './zset-value.ts';

const key = fc.oneof(
  fc.constantFrom('', 'a', '{t}1', '{t}2', '{', '{}', '\0\r\n\xff', 'k'.repeat(255), 'k'.repeat(256), `{${'t'.repeat(300)}}`),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
);

/** Where `locate` puts the current key. */
function placeOf(keyspace: SharedKeyspace, bytes: Buffer, start: number, end: number): string {
  const head = keyspace.locate(3, bytes, start, end);
  return `${head} ${keyspace.hash} ${keyspace.bank.index}`;
}

test('a key that was hashed ahead is located as any other, with its words', () => {
  const memory = createMemory();
  const keyspace = new TestKeyspace(memory);
  const plain = new SharedKeyspace(memory);
  // Keys that follow on themselves share their hash.
  const runs = fc.array(fc.tuple(key, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: MAX_WARM_KEYS });
  const repeated = runs.map((all) => all.flatMap(([word, times]) => Array.from({ length: times }, () => word)));
  fc.assert(
    fc.property(
      fc.oneof(repeated, fc.array(key, { minLength: 1, maxLength: MAX_WARM_KEYS + 5 })),
      fc.array(fc.nat(), { maxLength: 10 }),
      (keys, skipped) => {
        const bytes = Buffer.from(keys.join('|'), 'latin1');
        keyspace.warm.begin(bytes, keyspace.viewOf(bytes));
        const places: [number, number][] = [];
        let at = 0;
        for (const word of keys) {
          places.push([at, at + word.length]);
          keyspace.warm.add(3, at, at + word.length);
          at += word.length + 1;
        }
        keyspace.warm.warm();
        // Some requests don't look at their keys, others twice.
        const visits = places
          .filter((_, index) => !skipped.some((skip) => skip % keys.length === index))
          .flatMap((place) => [place, place]);
        for (const [start, end] of visits) {
          assert.equal(placeOf(keyspace, bytes, start, end), placeOf(plain, bytes, start, end));
          // The words are those of the key: it's found under them.
          const value = Buffer.from(`${start}`, 'latin1');
          keyspace.setString(keyspace.write(), value, 0, value.length, false);
          plain.locate(3, bytes, start, end);
          assert.equal(plain.textOf(plain.peek()), `${start}`);
        }
        keyspace.warm.end();
        // Other bytes may stand there now.
        bytes.fill(120);
        for (const [start, end] of places) assert.equal(placeOf(keyspace, bytes, start, end), placeOf(plain, bytes, start, end));
      },
    ),
    chance(200),
  );
});

test('keys are warmed whatever another thread has made of their dicts meanwhile', () => {
  const memory = createMemory(4 * MEBIBYTE);
  const keyspace = new TestKeyspace(memory);
  for (let index = 0; index < 60_000; index++) keyspace.set(`key:${index}`, `value ${index}`);
  const keys = Array.from({ length: MAX_WARM_KEYS }, (_, index) => `key:${index * 450}`);
  const bytes = Buffer.from(keys.join(''), 'latin1');
  const control = keyspace.control;
  assert.ok(control[layout.GLOBAL_USED_KIB]! > 512, 'a keyspace that is worth warming');
  // What a racing reader might see of a header: nothing, and numbers that lead out of the bank.
  for (const broken of [0, 1, -1, 2147483647, -2147483648]) {
    for (let shard = 0; shard < layout.SHARDS; shard++) {
      const head = layout.shardBase(0, shard);
      control[head + layout.SHARD_DIRECTORY] = broken;
      control[head + layout.SHARD_LOW_MASK] = shard % 2 === 0 ? broken : 1023;
    }
    keyspace.warm.begin(bytes, keyspace.viewOf(bytes));
    let at = 0;
    for (const word of keys) {
      keyspace.warm.add(0, at, at + word.length);
      at += word.length;
    }
    assert.doesNotThrow(() => keyspace.warm.warm());
    assert.ok(Number.isInteger(keyspace.warm.sum));
  }
});

/** A pipeline of requests that name one key and one member each: where keys and members lie in their bytes. */
function pipelineOf(pairs: readonly (readonly [string, string])[]): { bytes: Buffer; places: [number, number, number][] } {
  const places: [number, number, number][] = [];
  let text = '';
  for (const [name, member] of pairs) {
    places.push([text.length, text.length + name.length, text.length + name.length + member.length]);
    text += name + member;
  }
  return { bytes: Buffer.from(text, 'latin1'), places };
}

test('members are warmed whatever their key holds, and whatever another thread makes of it', () => {
  const memory = createMemory(4 * MEBIBYTE);
  const keyspace = new TestKeyspace(memory);
  const name = (index: number): Buffer => Buffer.from(`member:${index}`);
  for (let index = 0; index < 10_000; index++) {
    const bytes = name(index);
    new HashView().open(keyspace, keyspace.at('hash').write()).set(bytes, 0, bytes.length, bytes, 0, bytes.length);
    new SetView().open(keyspace, keyspace.at('set').write()).add(bytes, 0, bytes.length);
    new Zset().open(keyspace, keyspace.at('zset').write()).addMember(bytes, 0, bytes.length, index);
  }
  new SetView().open(keyspace, keyspace.at('small').write()).add(name(1), 0, name(1).length);
  keyspace.set('string', 's'.repeat(3000));
  assert.ok(keyspace.control[layout.GLOBAL_USED_KIB]! > 512, 'a keyspace that is worth warming');
  const names = ['hash', 'set', 'zset', 'small', 'string', 'absent'];
  const warmAll = (some: readonly string[]): void => {
    const pairs = Array.from({ length: MAX_WARM_KEYS + 5 }, (_, index) => [some[index % some.length]!, `member:${index * 70}`] as const);
    const { bytes, places } = pipelineOf(pairs);
    keyspace.warm.begin(bytes, keyspace.viewOf(bytes));
    for (const [start, middle, end] of places) {
      keyspace.warm.add(0, start, middle);
      keyspace.warm.addMember(middle, end);
    }
    keyspace.warm.warm();
    assert.ok(Number.isInteger(keyspace.warm.sum));
    keyspace.warm.end();
  };
  const warmed = (some: readonly string[]): number => {
    keyspace.warm.sum = 0;
    warmAll(some);
    return keyspace.warm.sum;
  };
  // The members are read as well: what is in the sum depends on them.
  for (const one of ['hash', 'set', 'zset']) assert.notEqual(warmed([one]), warmed(['absent']), one);
  warmAll(names);
  // What a racing reader might see of a table: nothing, and numbers that lead out of the bank.
  for (const broken of [0, 1, -1, 2147483647, -2147483648]) {
    for (const one of ['hash', 'set', 'zset']) {
      const table = keyspace.valueRef(keyspace.at(one).peek());
      const kept = keyspace.bank.i32.slice(table, table + 8);
      for (let word = 3; word < 8; word++) {
        keyspace.bank.i32[table + word] = broken;
        assert.doesNotThrow(() => warmAll(names));
      }
      keyspace.bank.i32.set(kept, table);
    }
  }
});

test('ends of lists are warmed whatever another thread makes of them', () => {
  const memory = createMemory(4 * MEBIBYTE);
  const keyspace = new TestKeyspace(memory);
  const element = Buffer.from('v'.repeat(100));
  const names = Array.from({ length: 40 }, (_, index) => `list:${index}`);
  for (const name of names) {
    for (let count = 0; count < 300; count++) new List().open(keyspace, keyspace.at(name).write()).push(element, 0, 100, count % 2 === 0);
  }
  assert.ok(keyspace.control[layout.GLOBAL_USED_KIB]! > 512, 'a keyspace that is worth warming');
  const { bytes, places } = pipelineOf(names.map((name) => [name, '']));
  const warmed = (): number => {
    keyspace.warm.begin(bytes, keyspace.viewOf(bytes));
    for (const [start, middle] of places) keyspace.warm.add(0, start, middle);
    keyspace.warm.warm();
    keyspace.warm.end();
    return keyspace.warm.sum;
  };
  const list = keyspace.valueRef(keyspace.at('list:7').peek());
  const { i32 } = keyspace.bank;
  const first = i32[list + 1]!;
  // A chunk's ends are read as well: what is in the sum depends on them.
  const before = warmed();
  const at = first + 9 + (i32[first + 5]! >> 2);
  i32[at]! ^= 0x55;
  assert.notEqual(warmed(), before);
  i32[at]! ^= 0x55;
  assert.equal(warmed(), before);
  for (const broken of [0, 1, -1, 2147483647, -2147483648]) {
    for (const word of [list + 1, list + 2, first + 5, first + 6]) {
      const kept = i32[word]!;
      i32[word] = broken;
      assert.doesNotThrow(() => assert.ok(Number.isInteger(warmed())));
      i32[word] = kept;
    }
  }
});
