/** How long keys with an expiry still live on the average: INFO's avg_ttl. An estimate from a few keys of each shard, drawn by chance. */
import { random32 } from '../base/random.ts';
import { releaseShared, tryShared } from '../memory/latch.ts';
import type { Keyspace } from './keyspace.ts';
import * as layout from './layout.ts';

const DRAWS_A_SHARD = 8;

/** In milliseconds; 0 when no key has an expiry. A shard that another thread has is left out: the others tell enough. */
export function averageTtlMs(keyspace: Keyspace, database: number): number {
  const { control } = keyspace;
  let keys = 0;
  let sumMs = 0;
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    const head = layout.shardBase(database, shard);
    if (!keyspace.isLatched && !tryShared(control, head)) continue;
    const count = control[head + layout.SHARD_HEAP_COUNT]!;
    if (count > 0) {
      keys += count;
      sumMs += count * drawnMs(keyspace, database, shard, count);
    }
    if (!keyspace.isLatched) releaseShared(control, head);
  }
  return keys === 0 ? 0 : Math.round(sumMs / keys);
}
/** The mean of some keys of a shard, whose latch is held. */
function drawnMs(keyspace: Keyspace, database: number, shard: number, count: number): number {
  keyspace.enter(database, shard);
  const { bank, nowMs, control, head } = keyspace;
  const heap = control[head + layout.SHARD_HEAP]!;
  const draws = Math.min(count, DRAWS_A_SHARD);
  let sumMs = 0;
  for (let draw = 0; draw < draws; draw++) {
    const entry = bank.i32[heap + (random32() % count)]!;
    sumMs += Math.max(0, keyspace.expiryMs(entry) - nowMs);
  }
  return sumMs / draws;
}
