/** Recovery at the start: every file of the log through the executor, with progress for people and for INFO. */
import { createRequire } from 'node:module';
import { REDIS_VERSION } from '../base/version.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { AofFolder } from '../persistence/aof-folder.ts';
import type { LogFiles } from '../persistence/files.ts';
import { createRecoveryBuffers, type RecoveryBuffers } from '../persistence/recovery-batch.ts';
import { DamagedLog, Replay } from '../persistence/replay.ts';
import { FunctionLibraries } from '../scripting/function-library.ts';
import { FunctionStore } from '../scripting/function-store.ts';
import type { LibraryLoader } from '../scripting/library-loader.ts';
import type { Config } from './config.ts';
import * as stats from './persistence-stats.ts';
import { joinRecovery, recoveryContext } from './recovery.ts';

const REPORT_EVERY_MS = 2000;

/**
 * For the first library that is met. Libraries call nothing while they load. The Lua engine comes with the first of them: it's a quarter
 * of all code, and most logs need none of it.
 */
function makeLoader(): LibraryLoader {
  const file = `../scripting/library-loader.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
  const module = createRequire(import.meta.url)(file) as typeof import('../scripting/library-loader.ts');
  const refuse = (): never => {
    throw new DamagedLog('a library in the append-only file calls a command while it is loaded');
  };
  const host = { version: REDIS_VERSION, call: refuse, pcall: refuse, log: () => undefined, setResp: refuse };
  return new module.LibraryLoader(host, () => null, {});
}

/**
 * Loads all files of the folder into an empty keyspace, with the threads that have joined by `buffers`. Throws DamagedLog, in words for
 * the operator, when they aren't whole.
 */
export function loadFolder(
  folder: AofFolder,
  files: LogFiles,
  keyspace: Keyspace,
  functions: SharedArrayBuffer,
  config: Config,
  numbers: Float64Array,
  log: (level: 'info' | 'warn', message: string) => void,
  buffers: RecoveryBuffers = createRecoveryBuffers(),
): void {
  const loadable = folder.loadable;
  if (loadable.length === 0) return;
  const startedMs = Date.now();
  let reportedMs = startedMs;
  numbers[stats.LOADING_STARTED_MS] = startedMs;
  const libraries = new FunctionLibraries(new FunctionStore(functions, keyspace.banks), makeLoader);
  const ctx = recoveryContext(keyspace, config, libraries);
  const queue = joinRecovery(buffers, ctx);
  const replay = new Replay(ctx, files, queue, {
    warn: (message) => log('warn', message),
    progress: (bytes) => {
      numbers[stats.LOADING_DONE_BYTES]! += bytes;
      numbers[stats.LOADING_RECORDS] = replay.records;
      const now = Date.now();
      if (now - reportedMs < REPORT_EVERY_MS) return;
      reportedMs = now;
      log('info', `Loading: ${progressText(numbers, now - startedMs)}`);
    },
  });
  let total = 0;
  for (const file of loadable) total += sizeOf(files, folder.pathOf(file));
  numbers[stats.LOADING_TOTAL_BYTES] = total;
  try {
    loadable.forEach((file, index) => {
      const place = folder.pathOf(file);
      const whole = replay.run(place);
      if (whole === sizeOf(files, place)) return;
      // The increments behind it are empty when the crash came while a rewrite began: they are written to when this one is whole.
      const isLast = loadable.slice(index + 1).every((later) => sizeOf(files, folder.pathOf(later)) === 0);
      cutTail(place, whole, isLast, config, files, log);
    });
  } finally {
    queue.end();
  }
  replay.warnOfRefused();
  numbers[stats.LOADING_RECORDS] = replay.records;
  log('info', `DB loaded from append only file: ${progressText(numbers, Date.now() - startedMs)}`);
}

function sizeOf(files: LogFiles, place: string): number {
  try {
    const fd = files.openRead(place);
    const bytes = files.size(fd);
    files.close(fd);
    return bytes;
  } catch (error) {
    throw new DamagedLog(`the manifest names ${place}, which can't be read (${(error as Error).message}). Restore it from a backup`);
  }
}

function cutTail(
  place: string,
  whole: number,
  isLast: boolean,
  config: Config,
  files: LogFiles,
  log: (level: 'info' | 'warn', message: string) => void,
): void {
  const where = `${place} ends in the middle of a request or transaction, whole up to offset ${whole} of ${sizeOf(files, place)}`;
  if (!isLast) throw new DamagedLog(`${where}. It isn't the last file, so more than a crash has happened. Restore it from a backup`);
  if (!config.getBoolean('aof-load-truncated')) {
    throw new DamagedLog(`${where}. Start with aof-load-truncated yes to cut it there, or run redis-check-aof --fix on its manifest`);
  }
  log('warn', `${where}: a crash tore the last write, the file is cut there (aof-load-truncated yes)`);
  const fd = files.openAppend(place);
  try {
    files.truncate(fd, whole);
    files.sync(fd);
  } finally {
    files.close(fd);
  }
}

function progressText(numbers: Float64Array, milliseconds: number): string {
  const done = numbers[stats.LOADING_DONE_BYTES]!;
  const total = Math.max(1, numbers[stats.LOADING_TOTAL_BYTES]!);
  const seconds = Math.max(0.001, milliseconds / 1000);
  return (
    `${Math.min(100, (done * 100) / total).toFixed(0)}%, ${numbers[stats.LOADING_RECORDS]} records, ` +
    `${(done / 1048576).toFixed(1)} MiB in ${seconds.toFixed(3)} seconds (${(done / 1048576 / seconds).toFixed(1)} MiB/s)`
  );
}
