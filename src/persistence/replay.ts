/**
 * Recovery: reads append-only files and runs what they hold through the executor. Files are read in chunks; a request, or a transaction
 * from MULTI to EXEC, is run when it's there as a whole. Requests on one key are applied by several threads, see recovery-batch.ts; nobody
 * but recovery sees the data meanwhile, so the parts of a transaction may be.
 *
 * A file may end in the middle of something: a crash tore the last write. The last file is cut there, at the end of the last whole request
 * or transaction, if that is allowed. Anything else that isn't a request is damage, and stops the start.
 */
import type { CommandContext } from '../commands/context.ts';
import { hasOneKey, replay, resolve } from '../commands/executor.ts';
import { COMPLETE, ERROR, INCOMPLETE, RequestParser } from '../resp/request.ts';
import type { LogFiles } from './files.ts';
import { BATCH_BYTES, type Batch, type BatchQueue } from './recovery-batch.ts';

/** So few requests are applied at once, without asking the other threads. */
const FEW_RECORDS = 64;
const STAR = 42;
const HASH = 35;
const LF = 10;
const CR = 13;

/** The files can't be loaded, in words for the operator: what, where, and what to do. */
export class DamagedLog extends Error {}

export type ReplayEvents = {
  /** After every chunk. */
  progress(bytes: number): void;
  warn(message: string): void;
};

export class Replay {
  records = 0;
  /** The files that were run, the current one last. */
  readonly names: string[] = [];
  private readonly ctx: CommandContext;
  private readonly files: LogFiles;
  private readonly events: ReplayEvents;
  private readonly parser = new RequestParser();
  private readonly queue: BatchQueue;
  private batch: Batch;
  /** Where the bytes are: in the batch that is being filled, or, when what comes next is too large for it, in a buffer apart. */
  private buffer: Buffer;
  // Of the file that is being read:
  private file = '';
  /** Place in the file of buffer[0]. */
  private base = 0;
  private end = 0;
  private isComplete = false;

  constructor(ctx: CommandContext, files: LogFiles, queue: BatchQueue, events: ReplayEvents) {
    this.ctx = ctx;
    this.files = files;
    this.events = events;
    this.queue = queue;
    this.batch = queue.batches[0] as Batch;
    this.buffer = this.batch.bytes;
    this.parser.maxBulkLengthBytes = 2 ** 31 - 1;
  }

  /**
   * Runs a file. Returns the place up to which it's whole: its size, unless its end is torn. Throws DamagedLog where something in it is
   * no request.
   */
  run(file: string): number {
    const { ctx } = this;
    const fd = this.files.openRead(file);
    this.file = file;
    this.names.push(file);
    this.base = 0;
    this.end = 0;
    this.isComplete = false;
    ctx.client.database = 0;
    try {
      this.fill(fd, 0);
      if (this.buffer.latin1Slice(0, Math.min(5, this.end)) === 'REDIS') {
        throw new DamagedLog(
          `${file} is a snapshot in RDB's format. Write it with aof-use-rdb-preamble no (CONFIG SET, then BGREWRITEAOF)`,
        );
      }
      let at = 0;
      for (;;) {
        at = this.runWhole(at);
        if (this.isComplete) break;
        at = this.fill(fd, at);
      }
      this.settle();
      if (this.end > at && this.isZeros(at)) this.events.warn(`${file}: zeros from ${this.base + at} to its end`);
      return this.base + at;
    } finally {
      this.files.close(fd);
    }
  }

  /** Reads more behind what is kept from `from` on, which moves to the front; returns where that begins. */
  private fill(fd: number, from: number): number {
    const { buffer } = this;
    const kept = this.end - from;
    // Nothing of a full buffer could be run: what begins there is larger. When that is over, the rest may fit into a batch again.
    const wanted = from === 0 && kept === buffer.length ? kept * 2 : BATCH_BYTES;
    if (this.batch.records > 0) this.handOut();
    if (wanted > BATCH_BYTES || kept > BATCH_BYTES / 2) {
      this.buffer = Buffer.allocUnsafeSlow(Math.max(wanted, kept * 2));
    } else this.buffer = this.batch.bytes;
    if (this.buffer === buffer) buffer.copyWithin(0, from, this.end);
    else buffer.copy(this.buffer, 0, from, this.end);
    this.base += from;
    this.end = kept;
    const got = this.files.read(fd, this.buffer, kept, this.buffer.length - kept, this.base + kept);
    this.end += got;
    this.isComplete = got === 0;
    this.parser.restart();
    this.batch.clear();
    this.batch.setPlace(this.names.length - 1, this.base);
    this.events.progress(got);
    return 0;
  }

  /** Runs all that is whole from `from` on; returns where that ends. */
  private runWhole(from: number): number {
    const { buffer } = this;
    let at = from;
    while (at < this.end) {
      if (buffer[at] === HASH) {
        const lineEnd = buffer.subarray(0, this.end).indexOf(LF, at);
        if (lineEnd < 0) break;
        at = lineEnd + 1;
        continue;
      }
      const next = this.parse(at);
      if (next < 0) break;
      if (this.isWord('multi')) {
        const end = this.runTransaction(next);
        if (end < 0) break;
        at = end;
        continue;
      }
      this.runOne(at);
      at = next;
    }
    return at;
  }
  /** The place behind the request at `at`, or -1 when its end isn't there yet. */
  private parse(at: number): number {
    const { parser, buffer } = this;
    if (buffer[at] !== STAR) {
      if (this.isZeros(at)) return -1;
      this.damaged(at, `'${String.fromCharCode(buffer[at] as number)}' where a request should begin`);
    }
    const status = parser.parse(buffer, at, this.end);
    if (status === INCOMPLETE) {
      parser.restart();
      return -1;
    }
    if (status === ERROR) this.damaged(at, parser.error);
    if (status === COMPLETE && (parser.argc === 0 || buffer[parser.next - 2] !== CR || buffer[parser.next - 1] !== LF)) {
      this.damaged(at, 'a request whose lengths are wrong');
    }
    return parser.next;
  }
  /** Power cuts may leave a file longer than what was written to it: zeros up to its end are no data. */
  private isZeros(at: number): boolean {
    for (let place = at; place < this.end; place++) if (this.buffer[place] !== 0) return false;
    return true;
  }
  private isWord(word: string): boolean {
    const { parser, buffer } = this;
    if (parser.argc !== 1 || parser.lengths[0] !== word.length) return false;
    const start = parser.offsets[0] as number;
    return buffer.latin1Slice(start, start + word.length).toLowerCase() === word;
  }

  /** Runs what stands between MULTI, which ends at `from`, and its EXEC; returns the place behind that, or -1 when it isn't there. */
  private runTransaction(from: number): number {
    let at = from;
    for (;;) {
      if (at >= this.end) return -1;
      const next = this.parse(at);
      if (next < 0) return -1;
      if (this.isWord('exec')) break;
      if (this.isWord('multi')) this.damaged(at, 'MULTI within MULTI');
      at = next;
    }
    const exec = at;
    const end = this.parser.next;
    for (at = from; at < exec; at = this.parser.next) {
      this.parse(at);
      this.runOne(at);
    }
    return end;
  }

  /** Puts the request that was parsed into the batch, or, when it isn't about one key, runs it behind all that came before. */
  private runOne(at: number): void {
    const { ctx, parser } = this;
    // The context also serves this thread's part in a batch, whose requests are of any database.
    ctx.take(parser);
    ctx.database = ctx.client.database;
    const command = resolve(ctx);
    if (command === null) this.damaged(at, ctx.reply.lastError);
    this.records++;
    if (this.buffer === this.batch.bytes && hasOneKey(ctx, command)) {
      const { firstKey } = command;
      ctx.keyspace.locate(ctx.database, ctx.bytes, ctx.start(firstKey), ctx.end(firstKey));
      this.batch.add(ctx.keyspace.bank.index, command.index, ctx.database, at, parser.next, parser);
      return;
    }
    if (command.name !== 'select') this.settle();
    this.runAlone(at);
  }
  private runAlone(at: number): void {
    const { ctx, parser } = this;
    const { reply } = ctx;
    ctx.take(parser);
    ctx.database = ctx.client.database;
    ctx.keyspace.nextStamp();
    const errors = reply.errorCount;
    const command = replay(ctx);
    ctx.keyspace.endTurn();
    if (reply.errorCount !== errors) {
      const words = `${command?.name}: ${reply.lastError}`;
      this.queue.noteRefused({ file: this.names.length - 1, place: this.base + at, words });
    }
    reply.reset();
  }
  /** Says what was refused, when all files have been run. */
  warnOfRefused(): void {
    const { count, first } = this.queue.refused;
    if (count === 0) return;
    const where = `${this.names[first.file]} at offset ${first.place}`;
    this.events.warn(`Requests of the log that were refused: ${count}. One of them is in ${where}, ${first.words}`);
  }

  // ---- batches ----

  /** Applies all that was put into batches. The buffer stays as it is: what follows in it goes into the same batch again. */
  private settle(): void {
    const { batch, queue } = this;
    this.finish();
    if (batch.records === 0) return;
    if (batch.records > FEW_RECORDS) {
      queue.publish(batch);
      this.finish();
    } else queue.applyAll(batch);
    batch.clear();
  }
  /** Lets the threads have what was parsed, and goes on with the other batch. */
  private handOut(): void {
    this.finish();
    this.queue.publish(this.batch);
    this.batch = this.queue.other(this.batch);
  }
  private finish(): void {
    if (!this.queue.finish()) throw new Error('a thread of the recovery has failed');
  }

  private damaged(at: number, why: string): never {
    throw new DamagedLog(
      `Bad file format reading the append only file ${this.file}: ${why}, at offset ${this.base + at}. Make a backup of the folder, ` +
        `then run redis-check-aof --fix on its manifest: it cuts the file there, and what follows is lost`,
    );
  }
}
