import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkShards, createMemory, TestKeyspace } from '../../test/support/keyspace.ts';
import { sayShownSeed } from '../../test/support/seed.ts';
import { runThreads } from '../../test/support/workers.ts';
import type { KeyspaceStress, KeyspaceStressResult } from './keyspace.stress.ts';
import { POLICY_ALLKEYS_LFU, POLICY_ALLKEYS_LRU, POLICY_NAMES, POLICY_NOEVICTION, POLICY_VOLATILE_TTL } from './keyspace.ts';
import * as layout from './layout.ts';
import { flushDatabase, freeDetached } from './walk.ts';

const THREADS = 4;
const MILLISECONDS = 600;

describe(`one keyspace in ${THREADS} threads`, () => {
  for (const policy of [POLICY_NOEVICTION, POLICY_ALLKEYS_LRU, POLICY_ALLKEYS_LFU, POLICY_VOLATILE_TTL]) {
    test(`no value is torn and no write lost, beside expiry, FLUSHDB, SWAPDB and eviction by ${POLICY_NAMES[policy]}`, async (context) => {
      const seed = sayShownSeed(context);
      const memory = createMemory(1048576 * 4, seed);
      const keyspace = new TestKeyspace(memory);
      keyspace.control[layout.GLOBAL_POLICY] = policy;
      const data: KeyspaceStress = { memory, seed, milliseconds: MILLISECONDS, keys: 300 };
      const body = new URL('./keyspace.stress.ts', import.meta.url);
      const results = await runThreads<KeyspaceStress, KeyspaceStressResult>(body, THREADS, data);
      for (const { torn, lostOrder, operations } of results) {
        assert.deepEqual(torn, []);
        assert.equal(lostOrder, 0);
        assert.ok(operations > 0);
      }
      checkShards(keyspace);
      const used = keyspace.check() * 4;
      assert.equal(keyspace.usedBytes(), used);
      assert.ok(keyspace.usedBytesAtMost() >= used, 'the cheap bound is too low');
      for (let database = 0; database < layout.DATABASES; database++) flushDatabase(keyspace, database);
      assert.ok(freeDetached(keyspace, Number.POSITIVE_INFINITY));
      assert.equal(keyspace.check(), 0, 'memory was lost');
    });
  }
});
