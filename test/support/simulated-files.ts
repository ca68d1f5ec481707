/**
 * A disk in memory for tests: it knows which bytes and which names were synced, forgets at a power cut what wasn't, and fails on order.
 * Names are whole paths; folders exist when something is in them.
 */
import path from 'node:path';
import type { LogFiles } from '../../src/persistence/files.ts';

type SimulatedFile = { bytes: Buffer; length: number; syncedLength: number };
type Names = Map<string, SimulatedFile>;

function failure(code: string, errno: number): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated`), { code, errno });
}
export const ENOSPC = -28;
export const EIO = -5;

export class SimulatedFiles implements LogFiles {
  /** Bytes that the disk still takes; a write takes what fits, and fails when nothing does. */
  roomBytes = Number.POSITIVE_INFINITY;
  failsWrites = false;
  failsSyncs = false;
  failsTruncates = false;
  writes = 0;
  syncs = 0;
  /** Called after every operation that changes something: where a test cuts the power. */
  onChange: () => void = () => undefined;
  private names: Names = new Map();
  /** Names that are on the disk: those of a folder are, once it was synced. */
  private syncedNames: Names = new Map();
  private readonly open = new Map<number, SimulatedFile>();
  private nextFd = 1;

  /**
   * What the disk holds after the power was cut, with so many bytes of what wasn't synced in each file. `keepsNames`: names that weren't
   * synced are there as well, as a disk may keep what nobody has asked it to.
   */
  afterPowerCut(unsyncedBytes: number, keepsNames = false): SimulatedFiles {
    const disk = new SimulatedFiles();
    for (const [name, file] of keepsNames ? this.names : this.syncedNames) {
      const length = Math.min(file.length, file.syncedLength + unsyncedBytes);
      const bytes = Buffer.from(file.bytes.subarray(0, length));
      const kept = { bytes, length, syncedLength: length };
      disk.names.set(name, kept);
      disk.syncedNames.set(name, kept);
    }
    return disk;
  }
  /** Bytes written to a file that no sync has made last. */
  unsyncedBytes(name: string): number {
    const file = this.syncedNames.get(name);
    return file === undefined ? 0 : file.length - file.syncedLength;
  }
  content(name: string): Buffer {
    const file = this.find(name);
    return file.bytes.subarray(0, file.length);
  }

  /** Descriptors that nobody has closed. */
  get openFiles(): number {
    return this.open.size;
  }

  private find(name: string): SimulatedFile {
    const file = this.names.get(name);
    if (file === undefined) throw failure('ENOENT', -2);
    return file;
  }
  private opened(file: SimulatedFile): number {
    this.open.set(this.nextFd, file);
    return this.nextFd++;
  }
  private of(fd: number): SimulatedFile {
    const file = this.open.get(fd);
    if (file === undefined) throw failure('EBADF', -9);
    return file;
  }

  openAppend(name: string): number {
    return this.opened(this.names.get(name) ?? this.create(name));
  }
  openNew(name: string): number {
    return this.opened(this.create(name));
  }
  private create(name: string): SimulatedFile {
    const file = { bytes: Buffer.alloc(1024), length: 0, syncedLength: 0 };
    this.names.set(name, file);
    return file;
  }
  openRead(name: string): number {
    return this.opened(this.find(name));
  }
  close(fd: number): void {
    this.of(fd);
    this.open.delete(fd);
  }
  size(fd: number): number {
    return this.of(fd).length;
  }
  read(fd: number, into: Buffer, at: number, length: number, position: number): number {
    const file = this.of(fd);
    return file.bytes.copy(into, at, position, Math.min(file.length, position + length));
  }
  write(fd: number, pieces: readonly Buffer[]): number {
    this.writes++;
    if (this.failsWrites) throw failure('EIO', EIO);
    const file = this.of(fd);
    const all = Buffer.concat(pieces);
    const taken = Math.min(all.length, this.roomBytes);
    if (taken === 0) throw failure('ENOSPC', ENOSPC);
    this.roomBytes -= taken;
    if (file.length + taken > file.bytes.length) file.bytes = Buffer.concat([file.bytes], (file.length + taken) * 2);
    all.copy(file.bytes, file.length, 0, taken);
    file.length += taken;
    this.onChange();
    return taken;
  }
  sync(fd: number): void {
    this.syncs++;
    if (this.failsSyncs) throw failure('EIO', EIO);
    const file = this.of(fd);
    file.syncedLength = file.length;
    this.onChange();
  }
  syncLater(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void {
    setImmediate(() => {
      try {
        this.sync(fd);
        done(null);
      } catch (error) {
        done(error as NodeJS.ErrnoException);
      }
    });
  }
  truncate(fd: number, length: number): void {
    if (this.failsTruncates) throw failure('EIO', EIO);
    const file = this.of(fd);
    this.roomBytes += file.length - length;
    file.length = length;
    file.syncedLength = Math.min(file.syncedLength, length);
    this.onChange();
  }
  rename(from: string, to: string): void {
    const file = this.find(from);
    this.names.delete(from);
    this.names.set(to, file);
    this.onChange();
  }
  unlink(name: string): void {
    this.find(name);
    this.names.delete(name);
    this.onChange();
  }
  syncFolder(folder: string): void {
    for (const name of [...this.syncedNames.keys()]) if (path.dirname(name) === folder) this.syncedNames.delete(name);
    for (const [name, file] of this.names) if (path.dirname(name) === folder) this.syncedNames.set(name, file);
    this.onChange();
  }
  makeFolder(_folder: string): void {
    // Folders are there with the first name in them.
  }
  list(folder: string): string[] {
    return [...this.names.keys()].filter((name) => path.dirname(name) === folder).map((name) => path.basename(name));
  }
  readText(name: string): string | null {
    return this.names.has(name) ? this.content(name).toString('latin1') : null;
  }
}
