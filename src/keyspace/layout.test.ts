import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as layout from './layout.ts';

/** Words whose owner takes the next one too. */
const PAIRS = ['GLOBAL_FREEING', 'SHARD_LATCH', 'SHARD_LRU', 'SHARD_LRU_VOLATILE'];

describe('control block', () => {
  for (const [prefix, size] of [
    ['GLOBAL_', layout.GLOBAL_WORDS],
    ['SHARD_', layout.SHARD_WORDS],
  ] as const) {
    test(`no two of the words ${prefix}* are one, and all lie in their part`, () => {
      const owners = new Map<number, string>();
      for (const [name, word] of Object.entries(layout)) {
        if (!name.startsWith(prefix) || name.endsWith('_WORDS') || typeof word !== 'number') continue;
        for (let at = word; at <= word + (PAIRS.includes(name) ? 1 : 0); at++) {
          const isWaiters = name === 'SHARD_LATCH_WAITERS' && owners.get(at) === 'SHARD_LATCH';
          assert.ok(isWaiters || !owners.has(at), `${name} is also ${owners.get(at)}`);
          assert.ok(at < size, `${name} lies behind its part`);
          owners.set(at, name);
        }
      }
      assert.ok(owners.size > 10);
    });
  }
});
