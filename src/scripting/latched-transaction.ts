/**
 * The transaction of a script that runs on a reactor, where it's over in microseconds: it keeps the latches of all shards that it has
 * touched until it's committed or taken back, as EXEC does, and needs no key locks. It never waits: a latch that is taken, and a key
 * that a script on another thread holds, end it, with nothing done.
 *
 * So whoever meets it in the middle waits for a latch, as for any command. Two of them can't wait for each other. And as for a script
 * with key locks: what that one has touched is locked until its commit, and refused here; what this one has touched is latched until
 * its commit, so the other's command, if not its lock, comes later.
 */
import type { CommandContext } from '../commands/context.ts';
import { executeHeld, HELD, holdKeys, isShortOfMemory } from '../commands/executor.ts';
import * as latches from '../commands/latches.ts';
import type { CommandDescriptor } from '../commands/lookup.ts';
import { hasServed, serveReady, wakeServed } from '../commands/serve-waiters.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { charge } from '../lua/engine.ts';
import { Conflict } from '../transactions/held-locks.ts';
import { forgetUndo, rollBack } from '../transactions/rollback.ts';
import { UndoLog } from '../transactions/undo-log.ts';
import type { ScriptCommands } from './script-calls.ts';

/** What a command costs of a script's budget, about a tick for 20 ns: one that is brief, any other, and for so many bytes of its reply. */
const BRIEF_TICKS = 15;
const OTHER_TICKS = 60;
const REPLY_SHIFT = 6;

export class LatchedTransaction implements ScriptCommands {
  /** Why the transaction couldn't go on: one of holdKeys' verdicts. */
  obstacle = HELD;
  private readonly keyspace: Keyspace;
  /** In memory of its own: when a reactor's thread fails, the whole process ends. */
  private readonly undo = new UndoLog(null);
  private outer = 0;
  private isFull = false;

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
  }

  begin(ctx: CommandContext): void {
    const { keyspace } = this;
    // Eviction takes latches for itself, so it comes first.
    this.isFull = isShortOfMemory(ctx);
    this.obstacle = HELD;
    this.outer = latches.begin();
    keyspace.isLatched = true;
    keyspace.log?.beginGroup();
    keyspace.undo = this.undo;
  }
  isOutOfMemory(_: CommandContext, command: CommandDescriptor): boolean {
    return this.isFull && command.denyOom;
  }
  run(ctx: CommandContext, command: CommandDescriptor): void {
    const verdict = holdKeys(ctx, command);
    if (verdict !== HELD) {
      this.obstacle = verdict;
      throw new Conflict();
    }
    this.keyspace.nextStamp();
    executeHeld(ctx, command);
    charge((command.isBrief ? BRIEF_TICKS : OTHER_TICKS) + (ctx.reply.length >>> REPLY_SHIFT));
  }

  /** All that was done stays. */
  commit(ctx: CommandContext): void {
    const { keyspace } = this;
    keyspace.undo = null;
    if (keyspace.ready.length > 0) serveReady(ctx, latches.isHeld);
    keyspace.log?.endGroup();
    this.release();
    // What was kept for going back is nobody's any more.
    forgetUndo(keyspace, this.undo);
    if (hasServed()) wakeServed(ctx);
  }
  /** Nothing has been done. */
  abort(): void {
    const { keyspace } = this;
    keyspace.undo = null;
    rollBack(keyspace, this.undo);
    keyspace.log?.dropGroup();
    this.release();
  }
  private release(): void {
    this.keyspace.isLatched = false;
    latches.drop(this.keyspace, this.outer);
  }
}
