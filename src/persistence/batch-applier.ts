/** One thread's part in a recovery: applies the requests of one bank of a batch, under the latches of their shards. */
import type { CommandContext } from '../commands/context.ts';
import { replayOnKey } from '../commands/executor.ts';
import { COMMANDS, type CommandDescriptor } from '../commands/lookup.ts';
import * as layout from '../keyspace/layout.ts';
import type { Bank } from '../memory/bank.ts';
import { exclusive, releaseExclusive } from '../memory/latch.ts';
import type { Batch, Refusal } from './recovery-batch.ts';

export class BatchApplier {
  private readonly ctx: CommandContext;
  private readonly prepare: (bank: Bank, bytes: number) => void;
  private readonly refuse: (refusal: Refusal) => void;
  private offsets = new Int32Array(64);
  private lengths = new Int32Array(64);

  /** `prepare` is called with the bytes of the requests before they are applied to a bank. */
  constructor(ctx: CommandContext, prepare: (bank: Bank, bytes: number) => void, refuse: (refusal: Refusal) => void) {
    this.ctx = ctx;
    this.prepare = prepare;
    this.refuse = refuse;
  }

  apply(batch: Batch, bank: number): void {
    let record = batch.first(bank);
    if (record === 0) return;
    const { keyspace } = this.ctx;
    const { control } = keyspace;
    this.prepare(keyspace.banks[bank] as Bank, batch.bankBytes(bank));
    // Stamps that were claimed before may be older than those that another thread has given to this bank meanwhile.
    keyspace.endTurn();
    this.ctx.bytes = batch.bytes;
    while (record !== 0) {
      const database = batch.database(record);
      const latch = layout.shardBase(database, bank);
      exclusive(control, latch);
      try {
        do {
          this.applyOne(batch, record, database);
          record = batch.next(record);
        } while (record !== 0 && batch.database(record) === database);
      } finally {
        releaseExclusive(control, latch);
      }
    }
    keyspace.endTurn();
  }
  private applyOne(batch: Batch, record: number, database: number): void {
    const { ctx } = this;
    const { reply, keyspace } = ctx;
    const argc = batch.argc(record);
    if (argc > this.offsets.length) this.reserve(argc);
    batch.unpack(record, argc, this.offsets, this.lengths);
    const command = COMMANDS[batch.command(record)] as CommandDescriptor;
    ctx.argc = argc;
    ctx.offsets = this.offsets;
    ctx.lengths = this.lengths;
    ctx.database = database;
    keyspace.nextStamp();
    keyspace.locate(database, ctx.bytes, ctx.start(command.firstKey), ctx.end(command.firstKey));
    const errors = reply.errorCount;
    replayOnKey(ctx, command);
    if (reply.errorCount !== errors) {
      this.refuse({ file: batch.file, place: batch.placeInFile(record), words: `${command.name}: ${reply.lastError}` });
    }
    reply.reset();
  }
  private reserve(argc: number): void {
    this.offsets = new Int32Array(argc * 2);
    this.lengths = new Int32Array(argc * 2);
  }
}
