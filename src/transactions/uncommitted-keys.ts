/**
 * What the transactions of script threads have changed of which keys there are, read from their undo logs as another thread sees them.
 * Of a key the first record counts: it says how things were before the transaction.
 *
 * What was read of a log is kept, for each shard, and only what came since is read the next time: a script that has changed a hundred
 * thousand keys doesn't make every step of a SCAN read them again. Belongs to one thread; the contract is in undo-log.ts.
 */
import type { Before, Changes, Uncommitted } from '../keyspace/committed-keys.ts';
import { HASH_GROUPS } from '../keyspace/committed-keys.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import * as undo from './undo-log.ts';
import { UndoLog, UndoRecord } from './undo-log.ts';

type Noted = { readonly byKey: Map<string, Before>; readonly existed: Map<number, Before[]> };
/** What is known of a shard in a log: up to which record, of which transaction, by database. */
type Known = { sequence: number; last: number; readonly databases: Map<number, Noted> };

const record = new UndoRecord();

export class UncommittedKeys implements Uncommitted {
  private readonly keyspace: Keyspace;
  private readonly logs: readonly UndoLog[];
  /** By thread * 64 + shard. */
  private readonly known = new Map<number, Known>();
  private readonly found: Changes[] = [];

  constructor(keyspace: Keyspace, logs: readonly SharedArrayBuffer[]) {
    this.keyspace = keyspace;
    this.logs = logs.map((buffer) => new UndoLog(buffer));
  }
  private isOwn(thread: number): boolean {
    return this.keyspace.lockBit === 1 << thread;
  }

  placeOf(database: number): number {
    // Only who holds all keys exchanges databases.
    const whole = Atomics.load(this.keyspace.control, layout.GLOBAL_WHOLE_LOCK);
    if (whole === 0 || whole === this.keyspace.lockBit) return database;
    const log = this.logs[31 - Math.clz32(whole)]!;
    const place = log.placeOf(database);
    return (log.sequence & 1) === 0 ? place : database;
  }

  netKeys(database: number, shard: number): number {
    let net = 0;
    this.logs.forEach((log, thread) => {
      if (!this.isOwn(thread)) net += netOf(log, database, shard);
    });
    return net;
  }

  forget(): void {
    if (this.known.size > 0) this.known.clear();
  }
  changesIn(database: number, shard: number): readonly Changes[] {
    const { found, logs } = this;
    found.length = 0;
    for (let thread = 0; thread < logs.length; thread++) {
      const noted = this.isOwn(thread) ? undefined : this.read(thread, shard)?.get(database);
      if (noted !== undefined) found.push(noted);
    }
    return found;
  }
  /** Brings what is known of a shard in a log up to date; undefined when nothing of it is uncommitted. */
  private read(thread: number, shard: number): ReadonlyMap<number, Noted> | undefined {
    const log = this.logs[thread]!;
    const place = thread * layout.SHARDS + shard;
    for (;;) {
      const { sequence } = log;
      const last = log.lastChange(shard);
      if ((sequence & 1) !== 0 || last === 0) {
        this.known.delete(place);
        return undefined;
      }
      let known = this.known.get(place);
      if (known === undefined || known.sequence !== sequence || known.last > last) {
        known = { sequence, last: 0, databases: new Map() };
        this.known.set(place, known);
      }
      this.readSince(log, known, last);
      if (log.sequence === sequence) return known.databases;
      this.known.delete(place);
    }
  }
  /** The transaction may end meanwhile, and the log be written anew: then what is read leads nowhere, and isn't used. */
  private readSince(log: UndoLog, known: Known, last: number): void {
    const places: number[] = [];
    for (let at = last; at > known.last && at !== places.at(-1); at = Math.min(at, record.previous)) {
      places.push(at);
      log.readChange(at, record);
    }
    known.last = last;
    for (const at of places.reverse()) {
      log.readChange(at, record);
      if (log.sequence !== known.sequence) return;
      this.note(known);
    }
  }
  private note({ databases }: Known): void {
    const { kind, origin, value, type, database } = record;
    let noted = databases.get(origin);
    if (noted === undefined) {
      noted = { byKey: new Map(), existed: new Map() };
      databases.set(origin, noted);
    }
    const name = record.bytes.latin1Slice(record.keyStart, record.keyEnd);
    if (noted.byKey.has(name)) return;
    const { keyspace } = this;
    const key = Buffer.from(name, 'latin1');
    keyspace.locate(database, key, 0, key.length);
    const { hash } = keyspace;
    let before: Before = { key, hash, existed: false, expiryMs: -1, type: 0 };
    if (kind === undo.EXPIRY) before = { key, hash, existed: true, expiryMs: value, type };
    else if (kind === undo.KEY && value !== 0) {
      before = { key, hash, existed: true, expiryMs: keyspace.expiryMs(value), type: keyspace.type(value) };
    }
    noted.byKey.set(name, before);
    if (!before.existed) return;
    const group = noted.existed.get(hash & (HASH_GROUPS - 1));
    if (group === undefined) noted.existed.set(hash & (HASH_GROUPS - 1), [before]);
    else group.push(before);
  }
}

function netOf(log: UndoLog, database: number, shard: number): number {
  for (;;) {
    const { sequence } = log;
    if ((sequence & 1) !== 0) return 0;
    const net = log.netKeys(database, shard);
    if (log.sequence === sequence) return net;
  }
}
