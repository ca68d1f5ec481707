// The files of the repository as text, for the tests by which it looks after itself.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.resolve(import.meta.dirname, '../..');

const SKIPPED_FOLDERS = new Set(['.git', 'node_modules', 'dist', 'results']);
const TEXT = /(\.(ts|js|json|md|txt|lua|yml|yaml|conf|sh)|\/(LICENSE|run|\.gitignore|\.npmrc))$/;

export type SourceFile = {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
};

function walk(folder: string, found: string[]): void {
  for (const entry of readdirSync(path.join(ROOT, folder), { withFileTypes: true })) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!SKIPPED_FOLDERS.has(entry.name)) walk(name, found);
    } else if (entry.isFile() && TEXT.test(`/${name}`)) {
      found.push(name);
    }
  }
}

/** All text files, in the order of their paths. */
export function textFiles(): SourceFile[] {
  const names: string[] = [];
  walk('', names);
  return names.sort().map((name) => {
    const text = readFileSync(path.join(ROOT, name), 'utf8');
    return { path: name, text, lines: text.split('\n') };
  });
}

/** Fails with all complaints at once: one run tells everything there is to mend. */
export function report(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(`${complaints.length} to mend:\n  ${complaints.join('\n  ')}`);
}
