/** Whether the log that is to be loaded is large enough for more than one thread. */
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Config } from './config.ts';

/** Less isn't worth another thread's start. */
const MIN_BYTES_TO_SHARE = 33554432;
const MAX_HELPERS = 7;

/** How many threads should help the log's thread: none where there is little to load, or one core. */
export function helpersWanted(config: Config): number {
  const dir = config.getString('dir');
  const folder = path.resolve(dir, config.getString('appenddirname'));
  const single = path.resolve(dir, config.getString('appendfilename'));
  const files = [single, ...namesIn(folder).map((name) => path.join(folder, name))];
  const bytes = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  return bytes < MIN_BYTES_TO_SHARE ? 0 : Math.min(MAX_HELPERS, availableParallelism() - 1);
}
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
