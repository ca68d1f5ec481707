/** Where a transaction notes what it needs to be taken back: called under the shard's exclusive latch, for the current key. */
import type { Keyspace } from './keyspace.ts';

export interface UndoSink {
  /**
   * Makes room for notes about the current key and so many bytes more; throws OutOfMemory. Before a change that can't be taken back
   * otherwise.
   */
  room(keyspace: Keyspace, bytes: number): void;
  /** True when the transaction itself has made this value: it goes as a whole, and needs no notes. */
  isFresh(keyspace: Keyspace, entry: number): boolean;
  /**
   * `fresh` (0: none) stands for the key in the place of `old` (0: none), with a value of its own or (`isSameValue`) with that of `old`.
   * True when the log keeps `old` with its value; else it's the caller's to free.
   */
  replaced(keyspace: Keyspace, old: number, fresh: number, isSameValue: boolean): boolean;
  /** The inline string of an entry is about to be overwritten in its place, by one that fits there. */
  overwriting(keyspace: Keyspace, entry: number): void;
  /** The entry's expiry is about to change, in its place. */
  expiry(keyspace: Keyspace, entry: number): void;
  /** The value of an entry that is no string is about to change. */
  changing(keyspace: Keyspace, entry: number): void;

  // What a collection's own mutations note; nothing when its value is fresh.

  /** The member is about to be added to the set (`isNew`), or taken out. */
  setMember(keyspace: Keyspace, entry: number, bytes: Uint8Array, start: number, end: number, isNew: boolean): void;
  /** The member is about to get a score; it had `score`, NaN: it wasn't there. */
  zsetMember(keyspace: Keyspace, entry: number, bytes: Uint8Array, start: number, end: number, score: number): void;
  /** The field is about to change. It wasn't there when `value` is null; its expiry was `expiryMs`, -1: none. */
  hashField(
    keyspace: Keyspace,
    entry: number,
    name: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array | null,
    from: number,
    to: number,
    expiryMs: number,
  ): void;
  /** An element was pushed. `room` comes before. */
  listPushed(keyspace: Keyspace, entry: number, atHead: boolean): void;
  /** An element was put in at an index. `room` comes before. */
  listInserted(keyspace: Keyspace, entry: number, index: number): void;
  /** The element of an end is about to be dropped; several one after the other, from the end inwards. */
  listDrop(keyspace: Keyspace, entry: number, atHead: boolean, bytes: Uint8Array, start: number, end: number): void;
  /** The element of an index is about to go. */
  listRemove(keyspace: Keyspace, entry: number, index: number, bytes: Uint8Array, start: number, end: number): void;
  /** The element of an index is about to be overwritten. */
  listSet(keyspace: Keyspace, entry: number, index: number, bytes: Uint8Array, start: number, end: number): void;

  /** The value of the current key has come from another key, with its expiry. The old entry there is gone, and `room` came before. */
  moved(keyspace: Keyspace, fromDatabase: number, from: Uint8Array, start: number, end: number): void;
  /** An entry is about to be freed while nothing is noted. */
  forget(keyspace: Keyspace, entry: number): void;
  /** Two databases have been exchanged. */
  swapped(keyspace: Keyspace, a: number, b: number): void;
}
