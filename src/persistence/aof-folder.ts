/**
 * The folder of the append-only files. Every change of which files count is one atomic change of the manifest, made before anything relies
 * on it; a file that no manifest names is left over from a crash and removed at the next start.
 *
 *   a rewrite:  1  new increment in the manifest     base, increments, new increment      effects go into the new increment
 *               2  base written under a temporary name
 *               3  renamed, and the manifest          new base, new increment              the old files are removed
 *
 * A crash between 1 and 3 leaves the old base and all increments: nothing is lost, and nothing is there twice.
 */
import path from 'node:path';
import { type LogFiles, replaceFile } from './files.ts';
import { EMPTY_MANIFEST, type Manifest, type ManifestFile, parseManifest, printManifest } from './manifest.ts';

export class AofFolder {
  readonly folder: string;
  manifest: Manifest = EMPTY_MANIFEST;
  private readonly files: LogFiles;
  private readonly name: string;
  /** An increment that isn't in the manifest yet: appendonly was switched on, and the first base is being written. */
  private unlisted: ManifestFile | null = null;

  /** `name` is appendfilename; `folder` the full path of appenddirname. */
  constructor(files: LogFiles, folder: string, name: string) {
    this.files = files;
    this.folder = folder;
    this.name = name;
  }
  private get manifestPath(): string {
    return path.join(this.folder, `${this.name}.manifest`);
  }
  pathOf(file: ManifestFile): string {
    return path.join(this.folder, file.name);
  }
  get temporaryBase(): string {
    return path.join(this.folder, `temp-rewriteaof-${process.pid}.aof`);
  }

  /** Reads the manifest, adopting a single file of Redis before 7 that lies beside the folder. Throws when the manifest is damaged. */
  open(): void {
    const { files } = this;
    const text = files.readText(this.manifestPath);
    if (text === null) {
      this.adoptSingleFile();
      return;
    }
    try {
      this.manifest = parseManifest(text);
    } catch (error) {
      throw new Error(`${this.manifestPath}: ${(error as Error).message}. Mend it by hand, or restore the folder from a backup`);
    }
    this.finishAdoption();
    this.removeLeftovers();
  }
  private adoptSingleFile(): void {
    if (!this.files.list(path.dirname(this.folder)).includes(this.name)) return;
    this.files.makeFolder(this.folder);
    this.save({ ...EMPTY_MANIFEST, base: { name: this.name, sequence: 1, type: 'b' } });
    this.finishAdoption();
  }
  /** The manifest names the single file before it's moved, so that a crash in between is seen at the next start. */
  private finishAdoption(): void {
    const { files } = this;
    const parent = path.dirname(this.folder);
    const isMoved = this.manifest.base?.name !== this.name || files.list(this.folder).includes(this.name);
    if (isMoved || !files.list(parent).includes(this.name)) return;
    files.rename(path.join(parent, this.name), path.join(this.folder, this.name));
    files.syncFolder(this.folder);
    files.syncFolder(parent);
  }
  /** Files that a crash left: temporary ones, history, and numbered ones that the manifest doesn't know. */
  private removeLeftovers(): void {
    const { base, increments, history } = this.manifest;
    const known = new Set([base, ...increments].map((file) => file?.name));
    const gone = new Set(history.map((file) => file.name));
    const numbered = new RegExp(`^${this.name.replace(/[^\w]/g, '\\$&')}\\.\\d+\\.(base|incr)\\.(aof|rdb)$`);
    for (const name of this.files.list(this.folder)) {
      const isLeftover = name.startsWith('temp-') || gone.has(name) || (numbered.test(name) && !known.has(name));
      if (isLeftover) this.files.unlink(path.join(this.folder, name));
    }
    if (history.length > 0) this.save({ ...this.manifest, history: [] });
  }
  private save(manifest: Manifest): void {
    replaceFile(this.files, this.manifestPath, printManifest(manifest));
    this.manifest = manifest;
  }

  /** All files to load, in order. */
  get loadable(): ManifestFile[] {
    const { base, increments } = this.manifest;
    return base === null ? [...increments] : [base, ...increments];
  }

  /** The increment to go on with: the last one, or a first one. Opened for appending. */
  openLast(): number {
    const last = this.manifest.increments.at(-1);
    return last === undefined ? this.addIncrement(true) : this.files.openAppend(this.pathOf(last));
  }
  /** False while appendonly was switched on and the first base isn't there: the manifest speaks of older data, or isn't there. */
  get isListed(): boolean {
    return this.unlisted === null;
  }
  /** appendonly was switched off again. */
  forgetUnlisted(): void {
    this.unlisted = null;
  }
  /** Creates the next increment. With `isListed` the manifest names it from now on; else only `commitBase` puts it there. */
  addIncrement(isListed: boolean): number {
    this.files.makeFolder(this.folder);
    this.files.syncFolder(path.dirname(this.folder));
    const sequence = (this.unlisted ?? this.manifest.increments.at(-1) ?? { sequence: 0 }).sequence + 1;
    const increment: ManifestFile = { name: `${this.name}.${sequence}.incr.aof`, sequence, type: 'i' };
    const fd = this.files.openNew(this.pathOf(increment));
    try {
      // The file is there before the manifest says so.
      this.files.syncFolder(this.folder);
      if (isListed) this.save({ ...this.manifest, increments: [...this.manifest.increments, increment] });
      else this.unlisted = increment;
    } catch (error) {
      this.files.close(fd);
      throw error;
    }
    return fd;
  }

  /** The temporary base is whole and synced: it and the last increment are the log from now on, and all others are removed. */
  commitBase(): void {
    const { files, manifest } = this;
    const last = this.unlisted ?? manifest.increments.at(-1);
    if (last === undefined) throw new Error('a base without an increment behind it');
    const sequence = (manifest.base?.sequence ?? 0) + 1;
    const base: ManifestFile = { name: `${this.name}.${sequence}.base.aof`, sequence, type: 'b' };
    files.rename(this.temporaryBase, this.pathOf(base));
    // The base has its name before the manifest says so, whatever order the disk keeps names in.
    files.syncFolder(this.folder);
    const old = this.loadable.filter((file) => file.name !== last.name);
    this.save({ base, increments: [last], history: old.map((file) => ({ ...file, type: 'h' })) });
    this.unlisted = null;
    for (const file of old) this.removeQuietly(this.pathOf(file));
    this.save({ base, increments: [last], history: [] });
  }
  /** The rewrite has come to nothing. The increment that it began with stays. */
  dropBase(): void {
    this.removeQuietly(this.temporaryBase);
  }
  private removeQuietly(file: string): void {
    try {
      this.files.unlink(file);
    } catch {
      // It isn't there, or can't be removed: the next start tries again.
    }
  }
}
