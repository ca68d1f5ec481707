/**
 * A point-in-time snapshot beside live traffic, without a fork. Every entry carries one bit, META_EPOCH. Between snapshots all bits
 * are equal to GLOBAL_EPOCH, which new entries take. A snapshot begins by turning GLOBAL_EPOCH round, under all latches: from then on
 * a bit that differs says "as it was, and not yet taken".
 *
 *   the walker     takes every entry whose bit differs, shard by shard in small steps, and turns the bit
 *   a write        to such an entry hands it over first, as it was (keyspace.ts, the gate), and turns the bit
 *   a new entry    has the new bit: it's no part of the snapshot
 *
 * So every entry of the moment is taken exactly once. What is handed over travels in a ring of its own, which the walker drains. FLUSHALL,
 * FLUSHDB and SWAPDB would have to hand over whole databases: they spoil the snapshot instead. It then takes nothing more, turns the
 * bits that are left, and is begun anew by whoever asked for it.
 */
import { SELECTS } from '../keyspace/effect-log.ts';
import { type Keyspace, META_EPOCH, type SnapshotSink } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { rebuild } from '../keyspace/rebuild.ts';
import { type RingProducer, type RingReader, TAG_UNKNOWN } from '../memory/byte-ring.ts';
import { exclusive, releaseExclusive } from '../memory/latch.ts';
import { RequestWriter } from '../resp/request-writer.ts';
import { scan } from '../structures/dict.ts';

/** What makes of entries the bytes of a file. RESP requests are one; RDB's records are to be another. */
export interface SnapshotFormat {
  /** Appends an entry of the entered shard, whose latch is held. */
  add(keyspace: Keyspace, entry: number, into: RequestWriter): void;
  /** What stands in front of entries of another database than the one before. */
  readonly databases: readonly Buffer[];
}
export const RESP_FORMAT: SnapshotFormat = { add: rebuild, databases: SELECTS };

/** A thread's way to hand entries over. */
export class HandOver implements SnapshotSink {
  readonly ring: RingProducer;
  private readonly format: SnapshotFormat;
  private readonly record = new RequestWriter();

  constructor(ring: RingProducer, format: SnapshotFormat = RESP_FORMAT) {
    this.ring = ring;
    this.format = format;
  }
  handOver(keyspace: Keyspace, entry: number): void {
    const { record } = this;
    this.format.add(keyspace, entry, record);
    // Its database is always said: what the walker writes in between has its own.
    this.ring.append(keyspace.database, TAG_UNKNOWN, this.format.databases, record.buffer, 0, record.length);
    this.ring.publish();
    record.reset();
  }
  hasRoom(): boolean {
    return this.ring.hasRoom();
  }
}

/** Where the snapshot goes. */
export type SnapshotOutput = { write(pieces: readonly Buffer[]): void };

/** Buckets of a dict a step, and bytes after which a step ends: how long a latch is held. */
const STEP_BUCKETS = 16;
const STEP_BYTES = 65536;
const FLUSH_BYTES = 1048576;

export class SnapshotWalk {
  keys = 0;
  bytes = 0;
  private readonly keyspace: Keyspace;
  private readonly handed: RingReader;
  private readonly output: SnapshotOutput;
  private readonly format: SnapshotFormat;
  private readonly buffer = new RequestWriter();
  private database = -1;
  private domain = 0;
  private cursor = 0;
  /** The output has failed, or the snapshot is spoilt: bits are turned, nothing is taken. */
  isDry = false;

  constructor(keyspace: Keyspace, handed: RingReader, output: SnapshotOutput, format: SnapshotFormat = RESP_FORMAT) {
    this.keyspace = keyspace;
    this.handed = handed;
    this.output = output;
    this.format = format;
  }

  /** Walks until `deadlineMs`; true when all is taken and given to the output. Throws the output's errors, `isDry` being set then. */
  step(deadlineMs: number): boolean {
    try {
      return this.walk(deadlineMs);
    } catch (error) {
      this.isDry = true;
      throw error;
    }
  }
  private walk(deadlineMs: number): boolean {
    const { control } = this.keyspace;
    for (;;) {
      if (this.domain === layout.DOMAINS) {
        if (Atomics.exchange(control, layout.GLOBAL_SNAPSHOT_SPOILT, 0) === 0) break;
        // Entries are gone untaken, or have passed from behind the walker's back to before it.
        this.isDry = true;
        this.domain = 0;
      }
      this.stepShard();
      this.drain();
      if (Date.now() >= deadlineMs) return false;
    }
    // No entry is left to be handed over: what the ring holds now is all there will be.
    this.drain();
    this.flush();
    return true;
  }

  private stepShard(): void {
    const { keyspace, domain } = this;
    const { control } = keyspace;
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    const database = Math.floor(domain / layout.SHARDS);
    if (Atomics.load(control, head + layout.SHARD_COUNT) === 0) {
      this.domain++;
      this.cursor = 0;
      return;
    }
    exclusive(control, head);
    try {
      if (!this.isDry && Atomics.exchange(control, layout.GLOBAL_SNAPSHOT_SPOILT, 0) !== 0) {
        this.isDry = true;
        this.domain = 0;
        this.cursor = 0;
        return;
      }
      keyspace.enter(database, domain % layout.SHARDS);
      const before = this.buffer.length;
      for (let bucket = 0; bucket < STEP_BUCKETS && this.buffer.length - before < STEP_BYTES; bucket++) {
        this.cursor = scan(control, head, keyspace.bank, this.cursor, (entry) => this.takeEntry(database, entry));
        if (this.cursor === 0) {
          this.domain++;
          return;
        }
      }
    } finally {
      releaseExclusive(control, head);
    }
  }
  private takeEntry(database: number, entry: number): void {
    const { keyspace, buffer } = this;
    if ((keyspace.meta(entry) & META_EPOCH) === keyspace.control[layout.GLOBAL_EPOCH]) return;
    keyspace.turnEpoch(entry);
    if (this.isDry) return;
    if (database !== this.database) {
      const select = this.format.databases[database]!;
      buffer.raw(select, 0, select.length);
      this.database = database;
    }
    this.format.add(keyspace, entry, buffer);
    this.keys++;
  }

  /** Takes what was handed over, behind what was walked. */
  private drain(): void {
    const { handed } = this;
    const limit = handed.limit();
    if (limit !== handed.position) {
      const pieces = handed.take(limit);
      try {
        if (!this.isDry) {
          this.flush();
          this.write(pieces);
          // The ring's records say their own databases.
          this.database = -1;
        }
      } finally {
        handed.release(limit, pieces);
      }
    }
    if (this.buffer.length >= FLUSH_BYTES) this.flush();
  }
  private flush(): void {
    if (this.buffer.length === 0 || this.isDry) return;
    this.write([this.buffer.buffer.subarray(0, this.buffer.length)]);
    this.buffer.reset();
  }
  private write(pieces: readonly Buffer[]): void {
    this.output.write(pieces);
    for (const piece of pieces) this.bytes += piece.length;
  }
}

/**
 * Runs `change` while no thread can change anything: all latches are held. Transactions that hold changes back from the log are waited
 * for first.
 */
export function underAllLatches(control: Int32Array, change: () => void): void {
  Atomics.store(control, layout.GLOBAL_SNAPSHOT_WAITS, 1);
  for (;;) {
    while (Atomics.load(control, layout.GLOBAL_OPEN_GROUPS) !== 0) Atomics.wait(control, layout.GLOBAL_SNAPSHOT_WAITS, 1, 1);
    for (let domain = 0; domain < layout.DOMAINS; domain++) exclusive(control, layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS);
    const isQuiet = Atomics.load(control, layout.GLOBAL_OPEN_GROUPS) === 0;
    if (isQuiet) change();
    for (let domain = 0; domain < layout.DOMAINS; domain++) releaseExclusive(control, layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS);
    if (isQuiet) break;
  }
  Atomics.store(control, layout.GLOBAL_SNAPSHOT_WAITS, 0);
  Atomics.notify(control, layout.GLOBAL_SNAPSHOT_WAITS);
}

/** A snapshot is of this moment on; all latches are held. */
export function turnEpoch(control: Int32Array): void {
  Atomics.xor(control, layout.GLOBAL_EPOCH, META_EPOCH);
  Atomics.store(control, layout.GLOBAL_SNAPSHOT_SPOILT, 0);
  Atomics.or(control, layout.GLOBAL_LOG, layout.LOG_SNAPSHOT);
}
