/**
 * Takes what the threads have appended and writes it to the increment, in batches as large as they come: one write, and by the policy
 * one fdatasync. It knows no thread and no clock: whoever owns it calls `turn` whenever there may be something to do.
 *
 * What can't be written is kept and tried again; the file is cut back to the end of the last whole batch, so that it never holds half a
 * record in its middle. After a failed fdatasync the kernel may have dropped the pages, and a second one would say nothing about
 * them: then the log is written anew from memory (a rewrite), and until that is done nothing counts as safe.
 */
import * as layout from '../keyspace/layout.ts';
import type { RingReader } from '../memory/byte-ring.ts';
import type { LogFiles } from './files.ts';
import { GroupCommit } from './group-commit.ts';

const RETRY_MS = 100;
const SYNC_EVERY_MS = 1000;
/** A background sync that takes longer than this is waited for, as Redis does; it's counted as delayed. */
const MAX_SYNC_LAG_MS = 2000;

export type WriterEvents = {
  /** Writing failed (errno below zero, as node has it), or (0) works again. */
  health(errno: number, what: string): void;
  /** Only a new base can make the data safe. */
  needRewrite(): void;
  wake(fd: number): void;
};

type Rotation = { readonly boundary: number; readonly fd: number };

export class LogWriter {
  /** Bytes in the increment that is being written. */
  sizeBytes: number;
  /** Bytes written since the start. */
  writtenBytes = 0;
  syncs = 0;
  delayedSyncs = 0;
  errno = 0;
  isSyncing = false;
  /** A sync has failed: nothing is safe until a new base is. */
  needsRewrite = false;
  private readonly reader: RingReader;
  private readonly files: LogFiles;
  private readonly events: WriterEvents;
  private fd: number;
  private pieces: Buffer[] = [];
  private hasPending = false;
  /** Behind the last whole batch the file has a part of one, which couldn't be cut off. */
  private isTorn = false;
  private isClosed = false;
  private rotation: Rotation | null = null;
  private readonly commits = new GroupCommit();
  private retryAtMs = 0;
  private lastSyncMs: number;
  private syncStartedMs = 0;
  /** Everything before it is in the file, and (when not equal) what is behind `syncedTo` isn't synced. */
  private writtenTo: number;
  private syncedTo: number;

  constructor(reader: RingReader, files: LogFiles, events: WriterEvents, fd: number, nowMs: number) {
    this.reader = reader;
    this.files = files;
    this.events = events;
    this.fd = fd;
    this.sizeBytes = files.size(fd);
    this.writtenTo = reader.position;
    this.syncedTo = reader.position;
    this.lastSyncMs = nowMs;
  }

  get isDrained(): boolean {
    return !this.hasPending && this.reader.limit() === this.reader.position && this.rotation === null;
  }
  get isSynced(): boolean {
    return this.syncedTo === this.writtenTo && !this.needsRewrite;
  }
  /** Bytes that wait to be written. */
  get backlogBytes(): number {
    return this.reader.distance(this.writtenTo, this.reader.tail);
  }

  /** Under appendfsync always: so many replies that wait are worth a sync. */
  get wanted(): number {
    return this.commits.wanted;
  }
  /** Under appendfsync always: how long (in milliseconds, by performance.now) to wait for more before the next turn. */
  patience(nowMs: number): number {
    if (this.errno !== 0 || this.hasPending || this.reader.limit() === this.reader.position) return 0;
    return this.commits.patience(nowMs, this.reader.held);
  }

  /** Writes what is there, and syncs if the policy says so. True when it wrote something. */
  turn(nowMs: number, policy: number): boolean {
    if (nowMs < this.retryAtMs) return false;
    const wrote = this.write(nowMs);
    if (this.errno === 0 || wrote) this.syncByPolicy(nowMs, policy);
    return wrote;
  }

  private write(nowMs: number): boolean {
    const { reader } = this;
    if (!this.hasPending) {
      if (this.rotation !== null && this.rotation.boundary === reader.position) this.rotate(nowMs);
      if (this.retryAtMs > nowMs) return false;
      let limit = reader.limit();
      if (limit === reader.position) return false;
      if (this.rotation !== null) {
        const { boundary } = this.rotation;
        if (reader.distance(reader.position, boundary) < reader.distance(reader.position, limit)) limit = boundary;
      }
      this.pieces = reader.take(limit);
      this.hasPending = true;
    }
    let bytes = 0;
    for (const piece of this.pieces) bytes += piece.length;
    try {
      this.writeWhole(this.pieces, bytes);
    } catch (error) {
      this.failed(error as NodeJS.ErrnoException, 'writing the append-only file', nowMs);
      return false;
    }
    reader.release(reader.position, this.pieces);
    this.pieces = [];
    this.hasPending = false;
    this.writtenTo = reader.position;
    if (this.errno !== 0 && !this.needsRewrite) this.recovered();
    return true;
  }
  private writeWhole(pieces: readonly Buffer[], bytes: number): void {
    if (this.isTorn) this.cut();
    const taken = this.files.write(this.fd, pieces);
    if (taken < bytes) {
      this.isTorn = true;
      try {
        this.writeRest(pieces, taken);
      } catch (error) {
        this.cut();
        throw error;
      }
      this.isTorn = false;
    }
    this.sizeBytes += bytes;
    this.writtenBytes += bytes;
  }
  /** Takes away what was written of a batch. When that fails, nothing more is written before it's done. */
  private cut(): void {
    this.files.truncate(this.fd, this.sizeBytes);
    this.isTorn = false;
  }
  private writeRest(pieces: readonly Buffer[], from: number): void {
    let skip = from;
    for (const piece of pieces) {
      let at = Math.min(skip, piece.length);
      skip -= at;
      while (at < piece.length) at += this.files.write(this.fd, [piece.subarray(at)]);
    }
  }

  private failed(error: NodeJS.ErrnoException, what: string, nowMs: number): void {
    this.retryAtMs = nowMs + RETRY_MS;
    const errno = error.errno ?? -5;
    if (this.errno === errno) return;
    this.errno = errno;
    this.events.health(errno, what);
  }
  private recovered(): void {
    this.errno = 0;
    this.retryAtMs = 0;
    this.events.health(0, '');
  }

  // ---- what is safe ----

  private syncByPolicy(nowMs: number, policy: number): void {
    if (this.syncedTo === this.writtenTo) {
      if (policy === layout.FSYNC_ALWAYS || this.reader.isAwaited) this.settle();
      return;
    }
    if (policy === layout.FSYNC_ALWAYS || this.reader.isAwaited) {
      // WAITAOF under the lazy policies asks for a sync of its own.
      if (!this.isSyncing) this.syncNow(nowMs);
    } else if (policy === layout.FSYNC_EVERYSEC && nowMs - this.lastSyncMs >= SYNC_EVERY_MS) {
      if (!this.isSyncing) this.syncLater(nowMs);
      else if (nowMs - this.syncStartedMs > MAX_SYNC_LAG_MS) {
        this.delayedSyncs++;
        this.syncStartedMs = nowMs;
      }
    }
  }
  /** Syncs on this thread. False when it failed. */
  syncNow(nowMs: number): boolean {
    const target = this.writtenTo;
    const startedMs = performance.now();
    try {
      this.files.sync(this.fd);
      this.commits.synced(performance.now() - startedMs, this.reader.held);
    } catch (error) {
      this.syncFailed(error as NodeJS.ErrnoException, nowMs);
      return false;
    }
    this.synced(target, nowMs);
    return true;
  }
  private syncLater(nowMs: number): void {
    const { fd } = this;
    const target = this.writtenTo;
    this.isSyncing = true;
    this.syncStartedMs = nowMs;
    this.lastSyncMs = nowMs;
    this.files.syncLater(fd, (error) => {
      this.isSyncing = false;
      // The increment was rotated away or closed meanwhile, and synced by that.
      if (this.isClosed || fd !== this.fd) {
        this.files.close(fd);
        return;
      }
      if (error === null) this.synced(target, nowMs);
      else this.syncFailed(error, Date.now());
    });
  }
  private synced(target: number, nowMs: number): void {
    this.syncs++;
    this.lastSyncMs = nowMs;
    this.syncedTo = target;
    this.settle();
  }
  private settle(): void {
    if (this.needsRewrite) return;
    this.reader.settle(this.syncedTo);
    this.reader.wakeWaiting(this.events.wake);
  }
  private syncFailed(error: NodeJS.ErrnoException, nowMs: number): void {
    this.failed(error, 'syncing the append-only file', nowMs);
    this.needsRewrite = true;
    this.events.needRewrite();
  }
  /** A base that holds all data of before its boundary is on the disk: what was in doubt is safe. */
  rewritten(): void {
    if (!this.needsRewrite) return;
    this.needsRewrite = false;
    this.recovered();
  }

  // ---- another file ----

  /** What lies before `boundary` (the tail, while nobody could append) goes into this increment, what follows into `fd`. */
  rotateAt(boundary: number, fd: number): void {
    this.rotation = { boundary, fd };
  }
  /** Takes the steps to the new increment that are left; false when that can't be done now. */
  finishRotation(nowMs: number): boolean {
    while (this.rotation !== null && this.errno === 0) this.turn(nowMs, layout.FSYNC_NO);
    return this.rotation === null;
  }
  private rotate(nowMs: number): void {
    const { fd } = this.rotation as Rotation;
    if (this.syncedTo !== this.writtenTo && !this.needsRewrite && !this.syncNow(nowMs)) return;
    if (!this.isSyncing) this.files.close(this.fd);
    this.fd = fd;
    this.rotation = null;
    this.sizeBytes = this.files.size(fd);
  }
  /** Syncs what is written, and closes. True when that was everything, and is safe. */
  close(nowMs: number): boolean {
    const isSafe = (this.isSynced || this.syncNow(nowMs)) && this.isDrained && !this.needsRewrite;
    this.isClosed = true;
    if (!this.isSyncing) this.files.close(this.fd);
    if (this.rotation !== null) this.files.close(this.rotation.fd);
    return isSafe;
  }
  /** After `close`, while nobody appends: what couldn't be written is dropped, and nobody waits for it any more. */
  abandon(): void {
    const { reader } = this;
    if (this.hasPending) reader.release(reader.position, this.pieces);
    const limit = reader.limit();
    reader.release(limit, reader.take(limit));
    reader.settle(limit);
    reader.wakeWaiting(this.events.wake);
  }
}
