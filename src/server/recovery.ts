/** What the threads of a recovery share: how requests of a log are run. */
import { CommandContext } from '../commands/context.ts';
import { DONE } from '../commands/executor.ts';
import { internalClient } from '../commands/internal-client.ts';
import type { ServerServices } from '../commands/services.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Bank } from '../memory/bank.ts';
import { BatchApplier } from '../persistence/batch-applier.ts';
import { BatchQueue, type RecoveryBuffers } from '../persistence/recovery-batch.ts';
import { DamagedLog } from '../persistence/replay.ts';
import { ReplyWriter } from '../resp/reply.ts';
import type { FunctionLibraries } from '../scripting/function-library.ts';
import type { Config } from './config.ts';
import { applyLimits } from './encoding-limits.ts';
import { type Advise, createAdvise, POPULATE_WRITE } from './madvise.ts';

const ADVICE_BYTES = 16384;

/** What commands of a log may ask for: nothing that needs another thread. */
function services(config: Config, libraries: FunctionLibraries | null): ServerServices {
  const refuse = (): never => {
    throw new DamagedLog('a command in the append-only file asks for what only clients may ask for');
  };
  return {
    maxBulkLengthBytes: config.getNumber('proto-max-bulk-len'),
    config,
    commandStats: { total: refuse, histogram: refuse },
    info: refuse,
    defer: refuse,
    block: refuse,
    waitForLog: refuse,
    isLogged: refuse,
    startedMs: Date.now(),
    peakBytes: refuse,
    scripts: {
      run: refuse,
      exec: refuse,
      load: refuse,
      exists: refuse,
      flush: refuse,
      kill: refuse,
      stats: refuse,
      figures: refuse,
      libraries: {
        change: (ctx) => {
          libraries?.change(ctx, false);
          libraries?.apply();
          return DONE;
        },
        all: refuse,
        hasFunction: refuse,
        running: refuse,
      },
    },
    settle: () => undefined,
    finished: () => undefined,
    log: () => undefined,
    describeErrno: () => '',
    idleSeconds: () => 0,
  };
}

/** A context for commands of a log. `libraries` takes FUNCTION LOAD and its like; a thread that only sees requests on keys has none. */
export function recoveryContext(keyspace: Keyspace, config: Config, libraries: FunctionLibraries | null = null): CommandContext {
  applyLimits(config);
  const ctx = new CommandContext(keyspace, new ReplyWriter(), services(config, libraries));
  ctx.client = internalClient();
  // Nothing is over while the log is read: it says itself what was deleted, and when.
  keyspace.nowMs = 0;
  return ctx;
}

/** A thread's end of the batches. */
export function joinRecovery(buffers: RecoveryBuffers, ctx: CommandContext): BatchQueue {
  const applier = new BatchApplier(ctx, preparer(ctx.keyspace.banks), (refusal) => queue.noteRefused(refusal));
  const queue = new BatchQueue(buffers, (batch, bank) => applier.apply(batch, bank));
  return queue;
}

/** Has the system give the pages that requests will fill, many at once: one by one, as they are touched, is ten times as dear. */
function preparer(banks: readonly Bank[]): (bank: Bank, bytes: number) => void {
  let advise: Advise | null | undefined;
  return (bank, bytes) => {
    const start = bank.freshByte;
    const length = Math.min(bytes, bank.u8.length - start) & -ADVICE_BYTES;
    if (length <= 0) return;
    if (advise === undefined) advise = createAdvise(banks);
    advise?.(bank, start, length, POPULATE_WRITE);
  };
}
