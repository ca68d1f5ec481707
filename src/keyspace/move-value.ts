/** Moves a collection from one key to another of the same bank by its ref: RENAME, MOVE, and taking them back. */
import type { Keyspace } from './keyspace.ts';

/**
 * The value and expiry of the current key's `entry` go to the key bytes[start, end) of a database, whose shard is of the same bank; what
 * that key held is freed. The current key is the old one afterwards, and is gone. Throws OutOfMemory with nothing changed.
 */
export function moveValue(keyspace: Keyspace, entry: number, database: number, bytes: Uint8Array, start: number, end: number): void {
  const { database: fromDatabase, bytes: from, start: fromStart, end: fromEnd } = keyspace;
  const at = keyspace.expiryMs(entry);
  keyspace.detachValue(entry);
  keyspace.locate(database, bytes, start, end);
  try {
    keyspace.adoptValue(keyspace.write(), keyspace.type(entry), keyspace.encoding(entry), keyspace.valueRef(entry), at);
  } catch (error) {
    keyspace.locate(fromDatabase, from, fromStart, fromEnd);
    keyspace.attachValue(entry);
    throw error;
  }
  keyspace.locate(fromDatabase, from, fromStart, fromEnd);
  keyspace.removeKeepingValue(entry);
}
