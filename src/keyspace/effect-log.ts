/**
 * What one thread tells the append-only log: the effects of its commands, each under the latches of its keys, so that the order in the log
 * is the order of effects on every key. When the log is off, nothing is written and next to nothing done.
 *
 *   request()            the command that ran, as it came: one copy of its bytes into the ring
 *   begin(), bytes()...  another request that has the same effect whenever it's run: SET k v PXAT t instead of SETEX k s v
 *   flush()              after the handler, before the latches are released: what `begin` wrote goes into the ring as one
 *   beginGroup, endGroup everything in between is one transaction in the log, MULTI to EXEC
 *
 * Several requests of one command are put between MULTI and EXEC as well: recovery applies all of them, or none.
 */
import { type RingBuffers, RingProducer } from '../memory/byte-ring.ts';
import { bulkBytes, digitsOf, RequestWriter } from '../resp/request-writer.ts';
import * as layout from './layout.ts';

const STAR = 42;
const MULTI = Buffer.from('*1\r\n$5\r\nMULTI\r\n', 'latin1');
const EXEC = Buffer.from('*1\r\n$4\r\nEXEC\r\n', 'latin1');
/** SELECT n: what stands in front of a record whose database is another than that of the record before. */
export const SELECTS: readonly Buffer[] = Array.from({ length: layout.DATABASES }, (_, database) => {
  const writer = new RequestWriter();
  writer.begin('SELECT', 2);
  writer.number(database);
  return Buffer.from(writer.buffer.subarray(0, writer.length));
});

export class EffectLog {
  readonly ring: RingProducer;
  private readonly control: Int32Array;
  /** Requests that wait for `flush`, behind room for MULTI. */
  private readonly staged = new RequestWriter();
  private readonly apart = new RequestWriter();
  private records = 0;
  private firstDatabase = 0;
  private lastDatabase = 0;
  private isGroup = false;
  /** The handler has said what to log. */
  hasEffect = false;

  constructor(control: Int32Array, ring: RingBuffers, producer: number, port: RingProducer['port']) {
    this.control = control;
    this.ring = new RingProducer(ring, producer, port);
    this.staged.length = MULTI.length;
  }
  get isOn(): boolean {
    return (this.control[layout.GLOBAL_LOG]! & layout.LOG_APPENDS) !== 0;
  }

  /** The request in bytes[start, end) of the arguments, as it came. */
  request(database: number, bytes: Uint8Array, offsets: Int32Array, lengths: Int32Array, argc: number): void {
    if (!this.isOn) return;
    let size = 0;
    for (let index = 0; index < argc; index++) size += bulkBytes(lengths[index]!);
    // Where the request begins if it came as the log wants it: no inline command, and no zeros in front of numbers.
    const start = offsets[0]! - digitsOf(lengths[0]!) - digitsOf(argc) - 6;
    const end = offsets[argc - 1]! + lengths[argc - 1]! + 2;
    const isPlain = start >= 0 && bytes[start] === STAR && offsets[0]! - digitsOf(lengths[0]!) - 3 + size === end;
    if (isPlain && !this.isGroup && this.records === 0) {
      this.ring.append(database, database, SELECTS, bytes, start, end);
      return;
    }
    this.enter(database);
    if (isPlain) {
      this.staged.raw(bytes, start, end);
      return;
    }
    this.staged.beginBare(argc);
    for (let index = 0; index < argc; index++) this.staged.bytes(bytes, offsets[index]!, offsets[index]! + lengths[index]!);
  }

  /** Begins a request in a database; its arguments are put into what is returned. Call it only when `isOn`. */
  begin(database: number, name: string, argc: number): RequestWriter {
    this.enter(database);
    this.staged.begin(name, argc);
    return this.staged;
  }
  /** As `begin`, for several requests that the caller writes from their beginning. */
  more(database: number): RequestWriter {
    this.enter(database);
    // However many they are, they belong together.
    this.records++;
    return this.staged;
  }
  private enter(database: number): void {
    if (this.records === 0) this.firstDatabase = database;
    else if (database !== this.lastDatabase) this.staged.raw(SELECTS[database]!, 0, SELECTS[database]!.length);
    this.lastDatabase = database;
    this.records++;
  }

  /** A key that is gone because its time was over. */
  deleted(database: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.isOn) return;
    this.begin(database, 'DEL', 2).bytes(bytes, start, end);
    // It happened before whatever the command does, and is nobody's part.
    if (this.records === 1) this.flush();
  }

  /** A key that is gone because its room was needed: nobody's part, also while a group is open. */
  evicted(database: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.isGroup) {
      this.deleted(database, bytes, start, end);
      return;
    }
    if (!this.isOn) return;
    const { apart } = this;
    apart.reset();
    apart.begin('DEL', 2);
    apart.bytes(bytes, start, end);
    this.ring.append(database, database, SELECTS, apart.buffer, 0, apart.length);
    // The group may take long, and whatever others append stands behind this.
    this.publish();
  }

  /** A field of the hash at key[start, end) that is gone because its time was over. */
  fieldDeleted(database: number, key: Uint8Array, start: number, end: number, field: Uint8Array, from: number, to: number): void {
    if (!this.isOn) return;
    const record = this.begin(database, 'HDEL', 3);
    record.bytes(key, start, end);
    record.bytes(field, from, to);
    if (this.records === 1) this.flush();
  }

  /** Puts what is staged into the ring, unless a group is open. Latches are still held. */
  flush(): void {
    this.hasEffect = false;
    if (this.records === 0 || this.isGroup) return;
    this.emit(this.records > 1);
  }
  private emit(asTransaction: boolean): void {
    const { staged } = this;
    let start = MULTI.length;
    if (asTransaction) {
      MULTI.copy(staged.buffer, 0);
      start = 0;
      staged.raw(EXEC, 0, EXEC.length);
    }
    this.ring.append(this.firstDatabase, this.lastDatabase, SELECTS, staged.buffer, start, staged.length);
    this.forget();
  }
  private forget(): void {
    this.staged.reset();
    this.staged.length = MULTI.length;
    this.records = 0;
  }

  /** From here to `endGroup` nothing goes into the ring. */
  beginGroup(): void {
    this.isGroup = true;
  }
  /** The group is one transaction in the log; an empty one leaves nothing. Called while nobody can see its changes yet. */
  endGroup(): void {
    this.isGroup = false;
    if (this.records > 0) this.emit(this.records > 1);
  }
  /** A place in the open group to go back to; made before a part of it that may be rolled back. */
  markGroup(into: { length: number; records: number; database: number }): void {
    into.length = this.staged.length;
    into.records = this.records;
    into.database = this.lastDatabase;
  }
  /** What came behind the mark has been rolled back. */
  dropBehind(mark: { length: number; records: number; database: number }): void {
    this.staged.length = mark.length;
    this.records = mark.records;
    this.lastDatabase = mark.database;
    this.hasEffect = false;
  }
  /** The group has been rolled back. */
  dropGroup(): void {
    this.isGroup = false;
    this.forget();
  }

  /** The end of a turn: the reader may have what was appended, and is woken if it sleeps. */
  publish(): void {
    if (!this.ring.hasUnpublished) return;
    this.ring.publish();
    this.ring.wakeReader();
  }
}
