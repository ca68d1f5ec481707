/**
 * The life of a transaction on a script thread: locks, undo records and one group in the log, from `begin` to `commit` or `abort`.
 * Until the commit nobody sees what it changes: whoever wants a key of it waits.
 */
import type { CommandContext } from '../commands/context.ts';
import { addKeyWords, executeUnlatched, isOutOfMemory, type KeyWords } from '../commands/executor.ts';
import type { CommandDescriptor } from '../commands/lookup.ts';
import { hasServed, retryUnserved, unserved, wakeServed } from '../commands/serve-waiters.ts';
import { lockWord } from '../keyspace/key-locks.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { HeldLocks } from '../transactions/held-locks.ts';
import { forgetUndo, rollBack } from '../transactions/rollback.ts';
import { UndoLog } from '../transactions/undo-log.ts';
import type { ScriptCommands } from './script-calls.ts';
import * as state from './script-state.ts';

const NAP_MS = 1;

/** What a transaction changes beside keys: `apply` can't fail, and comes while its locks are held. */
export type Staged = { apply(): void; drop(): void };

export class ScriptTransaction implements ScriptCommands {
  readonly locks: HeldLocks;
  readonly undo: UndoLog;
  private readonly keyspace: Keyspace;
  private readonly words: Int32Array;
  private readonly row: number;
  private readonly keyWords: KeyWords = { words: [], isAny: false };
  private isWriting = false;
  private readonly staged: Staged;

  constructor(keyspace: Keyspace, words: Int32Array, thread: number, undo: SharedArrayBuffer, isEnded: () => boolean, staged: Staged) {
    this.staged = staged;
    this.keyspace = keyspace;
    this.words = words;
    this.row = state.rowOf(thread);
    this.undo = new UndoLog(undo);
    this.locks = new HeldLocks(keyspace.control, 1 << thread, isEnded, words, this.row + state.LOCKER);
    keyspace.lockBit = 1 << thread;
  }

  /** Notes the keyspace's current key as one to be locked by `begin`. */
  wantCurrent(isExclusive: boolean): void {
    this.locks.want(lockWord(this.keyspace), isExclusive);
  }
  /** Takes the locks that are wanted; throws Conflict when the script is to end instead. */
  begin(): void {
    const { keyspace } = this;
    const { log } = keyspace;
    if (log?.isOn) while (!log.ring.hasRoom()) nap();
    if (this.locks.lockWanted()) keyspace.nowMs = Date.now();
    log?.beginGroup();
    keyspace.undo = this.undo;
  }

  /** Locks what the command in `ctx` touches, and runs it. Throws Conflict. */
  run(ctx: CommandContext, command: CommandDescriptor): void {
    const { keyspace, keyWords, locks } = this;
    const { control } = keyspace;
    if (addKeyWords(ctx, command, keyWords)) {
      if (keyWords.isAny) locks.lockWhole();
      for (const word of keyWords.words) locks.lock(word, command.isWrite);
    }
    if (command.isWrite && !this.isWriting) this.beginWriting();
    keyspace.nextStamp();
    Atomics.store(this.words, this.row + state.LATCHED, 1);
    while (!executeUnlatched(ctx, command)) {
      Atomics.store(this.words, this.row + state.LATCHED, 0);
      // Latches are held for less than a microsecond, and for some by whoever waits for this core.
      Atomics.wait(control, layout.GLOBAL_LOCK_WAITERS, Atomics.load(control, layout.GLOBAL_LOCK_WAITERS), 0.02);
      Atomics.store(this.words, this.row + state.LATCHED, 1);
    }
    Atomics.store(this.words, this.row + state.LATCHED, 0);
  }
  /** True when the command may add data and there is no room: what is evicted for it is no part of the transaction. */
  isOutOfMemory(ctx: CommandContext, command: CommandDescriptor): boolean {
    if (!command.denyOom) return false;
    Atomics.store(this.words, this.row + state.LATCHED, 1);
    const isOut = isOutOfMemory(ctx, command);
    Atomics.store(this.words, this.row + state.LATCHED, 0);
    return isOut;
  }
  /** A snapshot begins between transactions: none has changed anything that the log hasn't got. */
  private beginWriting(): void {
    const { control, lockBit } = this.keyspace;
    this.isWriting = true;
    for (;;) {
      while (Atomics.load(control, layout.GLOBAL_SNAPSHOT_WAITS) !== 0) nap();
      Atomics.or(control, layout.GLOBAL_OPEN_GROUPS, lockBit);
      if (Atomics.load(control, layout.GLOBAL_SNAPSHOT_WAITS) === 0) break;
      Atomics.and(control, layout.GLOBAL_OPEN_GROUPS, ~lockBit);
    }
  }

  /** All that was done stays. */
  commit(ctx: CommandContext): void {
    const { keyspace } = this;
    keyspace.undo = null;
    forgetUndo(keyspace, this.undo);
    this.staged.apply();
    keyspace.log?.endGroup();
    // At once: what comes next on this thread may loop, and everybody's records behind this one would wait for it.
    keyspace.log?.publish();
    if (keyspace.ready.length > 0) {
      unserved.push(...keyspace.ready);
      keyspace.ready.length = 0;
      // What can't be served now, as another script holds the target, is tried again between two jobs.
      retryUnserved(ctx);
      if (hasServed()) wakeServed(ctx);
    }
    this.end(false);
  }
  /** Nothing has been done. With `isRetried` the next `begin` locks all that was touched first. */
  abort(isRetried: boolean): void {
    const { keyspace } = this;
    keyspace.undo = null;
    rollBack(keyspace, this.undo);
    this.staged.drop();
    keyspace.log?.dropGroup();
    if (isRetried) Atomics.add(this.words, this.row + state.RETRIED, 1);
    this.end(isRetried);
  }
  private end(isRetried: boolean): void {
    const { control, lockBit } = this.keyspace;
    if (this.isWriting) {
      this.isWriting = false;
      Atomics.and(control, layout.GLOBAL_OPEN_GROUPS, ~lockBit);
    }
    this.locks.release(isRetried);
  }
}

const napping = new Int32Array(new SharedArrayBuffer(4));
function nap(): void {
  Atomics.wait(napping, 0, 0, NAP_MS);
}
