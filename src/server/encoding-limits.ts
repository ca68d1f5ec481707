/** Hands the directives that say when a collection changes its encoding to the values of this thread. */
import { setHashLimits } from '../keyspace/hash-value.ts';
import { setChunkLimit } from '../keyspace/list-value.ts';
import { setSetLimits } from '../keyspace/set-value.ts';
import { setZsetLimits } from '../keyspace/zset-value.ts';
import type { Config } from './config.ts';

export function applyLimits(config: Config): void {
  setHashLimits(config.getNumber('hash-max-listpack-entries'), config.getNumber('hash-max-listpack-value'));
  setSetLimits(
    config.getNumber('set-max-intset-entries'),
    config.getNumber('set-max-listpack-entries'),
    config.getNumber('set-max-listpack-value'),
  );
  setChunkLimit(config.getNumber('list-max-listpack-size'));
  setZsetLimits(config.getNumber('zset-max-listpack-entries'), config.getNumber('zset-max-listpack-value'));
}
