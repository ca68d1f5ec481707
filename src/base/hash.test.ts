import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chance } from '../../test/support/seed.ts';
import { hashBytes } from './hash.ts';

describe('hash', () => {
  test('depends on the bytes and the seed alone, not on where they stand', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 9 }), fc.integer(), (key, before, seed) => {
        const moved = Buffer.concat([before, key, Buffer.from('tail')]);
        assert.equal(hashBytes(moved, before.length, before.length + key.length, seed), hashBytes(key, 0, key.length, seed));
      }),
      chance(200),
    );
  });

  test('every byte counts, at every length', () => {
    for (let length = 1; length <= 24; length++) {
      const key = Buffer.alloc(length, 'a');
      const hash = hashBytes(key, 0, length, 1);
      assert.notEqual(hashBytes(key, 0, length - 1, 1), hash);
      for (let at = 0; at < length; at++) {
        const other = Buffer.from(key);
        other[at] = 98;
        assert.notEqual(hashBytes(other, 0, length, 1), hash, `byte ${at} of ${length}`);
      }
    }
  });

  test('spreads numbered keys over shards, buckets and tags', () => {
    const COUNT = 65536;
    for (const [name, part] of [
      ['shard', (hash: number) => hash >>> 26],
      ['bucket', (hash: number) => hash & 63],
      ['tag', (hash: number) => (hash >>> 18) & 63],
    ] as const) {
      const counts = new Array<number>(64).fill(0);
      for (let index = 0; index < COUNT; index++) {
        const key = Buffer.from(`key:${String(index).padStart(12, '0')}`);
        counts[part(hashBytes(key, 0, key.length, 99))]!++;
      }
      // 1024 expected each, standard deviation 32: seven of them is chance's limit.
      for (const count of counts) assert.ok(Math.abs(count - 1024) < 224, `${name}: ${count} of 1024`);
    }
  });
});
