/** What the tables of a database take beside its entries: MEMORY STATS. Exact, as the allocator counts blocks. */
import { releaseShared, tryShared } from '../memory/latch.ts';
import { tableWords } from '../structures/dict.ts';
import { TryAgain } from './key-locks.ts';
import type { Keyspace } from './keyspace.ts';
import * as layout from './layout.ts';

export type Overhead = {
  /** Buckets of the dicts. */
  tableBytes: number;
  /** Heaps of keys, and of hashes with fields, that expire. */
  expiryBytes: number;
};

/** Shard by shard, each under its latch. Throws TryAgain when another thread has one. */
export function overheadOf(keyspace: Keyspace, database: number): Overhead {
  const { control } = keyspace;
  const overhead = { tableBytes: 0, expiryBytes: 0 };
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    const head = layout.shardBase(database, shard);
    if (!keyspace.isLatched && !tryShared(control, head)) throw new TryAgain();
    const bank = keyspace.banks[shard]!;
    overhead.tableBytes += tableWords(control, head, bank) * 4;
    for (const heap of [layout.SHARD_HEAP, layout.SHARD_FIELD_HEAP]) {
      const ref = control[head + heap]!;
      if (ref !== 0) overhead.expiryBytes += bank.sizeWords(ref) * 4;
    }
    if (!keyspace.isLatched) releaseShared(control, head);
  }
  return overhead;
}
