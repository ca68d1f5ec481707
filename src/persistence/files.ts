/**
 * The file operations that the log consists of, as an interface: tests put one in its place that forgets what wasn't synced, or fails.
 * All throw node's errors, with `errno`.
 */
import * as fs from 'node:fs';
import path from 'node:path';

const { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } = fs.constants;

export interface LogFiles {
  /** Opens for appending, and creates the file if need be. */
  openAppend(file: string): number;
  /** Creates the file, or empties it. */
  openNew(file: string): number;
  openRead(file: string): number;
  close(fd: number): void;
  size(fd: number): number;
  /** Reads up to `length` bytes at `position` of the file; 0 at its end. */
  read(fd: number, into: Buffer, at: number, length: number, position: number): number;
  /** Writes the pieces one behind the other at the file's end; returns how many bytes were taken, at least one. */
  write(fd: number, pieces: readonly Buffer[]): number;
  /** When it returns, what was written is on the disk. */
  sync(fd: number): void;
  /** The same beside the thread's work; `done` is called from the event loop. */
  syncLater(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void;
  truncate(fd: number, length: number): void;
  rename(from: string, to: string): void;
  unlink(file: string): void;
  /** Makes created, renamed and removed names of a folder last. */
  syncFolder(folder: string): void;
  makeFolder(folder: string): void;
  /** Names in a folder; none when there is no such folder. */
  list(folder: string): string[];
  readText(file: string): string | null;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The files of this machine. */
export const nodeFiles: LogFiles = {
  openAppend: (file) => fs.openSync(file, 'a', 0o644),
  // Appending, too: after a file was cut back, a write goes to its new end and leaves no hole.
  openNew: (file) => fs.openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o644),
  openRead: (file) => fs.openSync(file, 'r'),
  close: (fd) => fs.closeSync(fd),
  size: (fd) => fs.fstatSync(fd).size,
  read: (fd, into, at, length, position) => fs.readSync(fd, into, at, length, position),
  write: (fd, pieces) => (pieces.length === 1 ? fs.writeSync(fd, pieces[0] as Buffer) : fs.writevSync(fd, pieces)),
  sync: (fd) => fs.fdatasyncSync(fd),
  syncLater: (fd, done) => fs.fdatasync(fd, done),
  truncate: (fd, length) => fs.ftruncateSync(fd, length),
  rename: (from, to) => fs.renameSync(from, to),
  unlink: (file) => fs.unlinkSync(file),
  syncFolder: (folder) => {
    if (process.platform === 'win32') return;
    const fd = fs.openSync(folder, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
  makeFolder: (folder) => {
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
  },
  list: (folder) => {
    try {
      return fs.readdirSync(folder);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
  readText: (file) => {
    try {
      return fs.readFileSync(file, 'latin1');
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  },
};

/** Writes a small file so that after a crash either the old one is there, or the new one as a whole. */
export function replaceFile(files: LogFiles, file: string, text: string): void {
  const temporary = path.join(path.dirname(file), `temp-${path.basename(file)}`);
  const fd = files.openNew(temporary);
  try {
    writeAll(files, fd, [Buffer.from(text, 'latin1')]);
    files.sync(fd);
  } finally {
    files.close(fd);
  }
  files.rename(temporary, file);
  files.syncFolder(path.dirname(file));
}

/** Writes all pieces, however many calls it takes; returns their bytes. */
export function writeAll(files: LogFiles, fd: number, pieces: readonly Buffer[]): number {
  let left = pieces.filter((piece) => piece.length > 0);
  let total = 0;
  while (left.length > 0) {
    let taken = files.write(fd, left);
    total += taken;
    let whole = 0;
    while (whole < left.length && taken >= (left[whole] as Buffer).length) taken -= (left[whole++] as Buffer).length;
    left = left.slice(whole);
    if (taken > 0) left[0] = (left[0] as Buffer).subarray(taken);
  }
  return total;
}
