/**
 * Key locks: what a script holds over its life, while latches come and go with each command. 65536 words in the control block, by the
 * hash of the key and its database; two keys may share a word: then one waits that needn't have, never the reverse.
 *
 *   bits 0-29  the script threads that hold it       bit 30  exclusive: only one does
 *
 * Who writes: a script thread, by compare-and-exchange, for itself. Whoever else runs a command looks at the words of its keys after it
 * has taken their latches: a lock that is taken later finds the command done. GLOBAL_LOCKERS counts the threads that hold any lock, so
 * that nobody looks while it's 0. GLOBAL_WHOLE_LOCK is the thread (its bit) that holds all keys there are.
 */
import type { Keyspace } from './keyspace.ts';
import * as layout from './layout.ts';

export const LOCK_EXCLUSIVE = 1 << 30;
/** What FLUSHALL and its like claim when scripts keep them out: for so long no script begins to lock. */
const BARRIER_MS = 20;

/** The word of the current key's lock. */
export function lockWord(keyspace: Keyspace): number {
  const hash = (keyspace.hash >>> 8) ^ Math.imul(keyspace.database, 0x9e37);
  return layout.LOCK_WORD + (hash & (layout.LOCK_STRIPES - 1));
}
/** True when scripts hold locks, and a command has to look. */
export function areKeysLocked(control: Int32Array): boolean {
  return Atomics.load(control, layout.GLOBAL_LOCKERS) !== 0;
}
/** True when the current thread may use the current key, whose latch it holds. */
export function mayUse(keyspace: Keyspace, isWrite: boolean): boolean {
  return mayUseWord(keyspace, lockWord(keyspace), isWrite);
}
export function mayUseWord(keyspace: Keyspace, word: number, isWrite: boolean): boolean {
  const { control, lockBit } = keyspace;
  const state = Atomics.load(control, word);
  // What a script holds it may use, also while another one waits for the whole keyspace: that one waits for it.
  if ((state & lockBit) !== 0 && (!isWrite || (state & LOCK_EXCLUSIVE) !== 0)) return true;
  const whole = Atomics.load(control, layout.GLOBAL_WHOLE_LOCK);
  if (whole !== 0) return whole === lockBit;
  return state === 0 || (!isWrite && (state & LOCK_EXCLUSIVE) === 0);
}
/** True when no script holds the current key, this thread's own included: its room may be taken. */
export function isUnlocked(keyspace: Keyspace): boolean {
  const { control } = keyspace;
  return Atomics.load(control, lockWord(keyspace)) === 0 && Atomics.load(control, layout.GLOBAL_WHOLE_LOCK) === 0;
}
/** True when no other thread holds any lock. Else it's noted that somebody wants that, and scripts let it come. All latches are held. */
export function mayUseAll(keyspace: Keyspace): boolean {
  const { control, lockBit } = keyspace;
  const own = lockBit !== 0 && Atomics.load(control, layout.GLOBAL_WHOLE_LOCK) === lockBit ? 1 : 0;
  if (Atomics.load(control, layout.GLOBAL_LOCKERS) <= own) return true;
  Atomics.store(control, layout.GLOBAL_LOCK_BARRIER, (Date.now() + BARRIER_MS) | 0);
  return false;
}
/** True while somebody waits for all locks to be free: a script that holds none takes none. */
export function isBarred(control: Int32Array): boolean {
  const until = Atomics.load(control, layout.GLOBAL_LOCK_BARRIER);
  return until !== 0 && ((until - (Date.now() | 0)) | 0) > 0;
}

/**
 * Thrown by a handler that meets what another thread has and its command doesn't name: a key that a script holds, or the latch of a shard.
 * Nothing has changed yet: the command is run again.
 */
export class TryAgain extends Error {}

/** For keys that only the handler knows: throws TryAgain when a script holds the current one. What EXEC runs was asked before. */
export function requireUsable(keyspace: Keyspace, isWrite: boolean): void {
  if (!keyspace.isLatched && areKeysLocked(keyspace.control) && !mayUse(keyspace, isWrite)) throw new TryAgain();
}
