import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMemory, MEBIBYTE, SharedKeyspace, TestKeyspace } from '../../test/support/keyspace.ts';
import { chance } from '../../test/support/seed.ts';
import * as layout from './layout.ts';
import { MAX_WARM_KEYS } from './warm-keys.ts';

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
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: MAX_WARM_KEYS + 5 }), fc.array(fc.nat(), { maxLength: 10 }), (keys, skipped) => {
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
      const visits = places.filter((_, index) => !skipped.some((skip) => skip % keys.length === index)).flatMap((place) => [place, place]);
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
    }),
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
