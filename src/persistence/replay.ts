/**
 * Recovery: reads append-only files and runs what they hold through the executor. Files are read in chunks; a request, or a transaction
 * from MULTI to EXEC, is run when it's there as a whole.
 *
 * A file may end in the middle of something: a crash tore the last write. The last file is cut there, at the end of the last whole request
 * or transaction, if that is allowed. Anything else that isn't a request is damage, and stops the start.
 */
import type { CommandContext } from '../commands/context.ts';
import { replay } from '../commands/executor.ts';
import { COMPLETE, ERROR, INCOMPLETE, RequestParser } from '../resp/request.ts';
import type { LogFiles } from './files.ts';

const CHUNK_BYTES = 1048576;
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
  private readonly ctx: CommandContext;
  private readonly files: LogFiles;
  private readonly events: ReplayEvents;
  private readonly parser = new RequestParser();
  private buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES * 2);
  private refused = 0;
  // Of the file that is being read:
  private file = '';
  /** Place in the file of buffer[0]. */
  private base = 0;
  private end = 0;
  private isComplete = false;

  constructor(ctx: CommandContext, files: LogFiles, events: ReplayEvents) {
    this.ctx = ctx;
    this.files = files;
    this.events = events;
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
    this.base = 0;
    this.end = 0;
    this.isComplete = false;
    ctx.database = 0;
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
      if (this.end > at && this.isZeros(at)) this.events.warn(`${file}: zeros from ${this.base + at} to its end`);
      return this.base + at;
    } finally {
      this.files.close(fd);
    }
  }

  /** Reads more behind what is kept from `from` on, which moves to the front; returns where that begins. */
  private fill(fd: number, from: number): number {
    const kept = this.end - from;
    if (kept + CHUNK_BYTES > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, kept + CHUNK_BYTES));
      this.buffer.copy(larger, 0, from, this.end);
      this.buffer = larger;
    } else this.buffer.copyWithin(0, from, this.end);
    this.base += from;
    this.end = kept;
    const got = this.files.read(fd, this.buffer, kept, CHUNK_BYTES, this.base + kept);
    this.end += got;
    this.isComplete = got === 0;
    this.parser.restart();
    this.events.progress(got);
    return 0;
  }

  /** Runs all that is whole from `from` on; returns where that ends. */
  private runWhole(from: number): number {
    const { parser, buffer } = this;
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
      at = parser.next;
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

  private runOne(at: number): void {
    const { ctx, parser } = this;
    const { reply, client } = ctx;
    ctx.keyspace.nextStamp();
    ctx.argc = parser.argc;
    ctx.bytes = parser.bytes;
    ctx.offsets = parser.offsets;
    ctx.lengths = parser.lengths;
    const errors = reply.errorCount;
    const command = replay(ctx);
    if (command === null) this.damaged(at, reply.lastError);
    if (reply.errorCount !== errors && ++this.refused === 1) {
      this.events.warn(`${this.file}: the ${command?.name} at ${this.base + at} was refused: ${reply.lastError}`);
    }
    // SELECT and the like change the client, not the context.
    ctx.database = client.database;
    reply.reset();
    this.records++;
  }

  private damaged(at: number, why: string): never {
    throw new DamagedLog(
      `Bad file format reading the append only file ${this.file}: ${why}, at offset ${this.base + at}. Make a backup of the folder, ` +
        `then run redis-check-aof --fix on its manifest: it cuts the file there, and what follows is lost`,
    );
  }
}
