/** Hands the directives that say when a collection changes its encoding to the values of this thread. */
import { setChunkLimit } from '../keyspace/list-value.ts';
import { setZsetLimits } from '../keyspace/zset-value.ts';
import type { Config } from './config.ts';

export function applyLimits(config: Config): void {
  setChunkLimit(config.getNumber('list-max-listpack-size'));
  setZsetLimits(config.getNumber('zset-max-listpack-entries'), config.getNumber('zset-max-listpack-value'));
}
