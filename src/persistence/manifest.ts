/**
 * The manifest of the append-only files, in Redis 7's format: one line a file, in the order in which they are loaded.
 *
 *   file appendonly.aof.2.base.aof seq 2 type b       what the data were when the last rewrite began
 *   file appendonly.aof.4.incr.aof seq 4 type i       effects since then; the last one is being written
 *   file appendonly.aof.3.incr.aof seq 3 type h       no longer needed: to be removed
 */
export type ManifestFile = { readonly name: string; readonly sequence: number; readonly type: 'b' | 'i' | 'h' };

export type Manifest = {
  readonly base: ManifestFile | null;
  /** By rising sequence number. */
  readonly increments: readonly ManifestFile[];
  readonly history: readonly ManifestFile[];
};

export const EMPTY_MANIFEST: Manifest = { base: null, increments: [], history: [] };

/** Throws with the line that is wrong. */
export function parseManifest(text: string): Manifest {
  let base: ManifestFile | null = null;
  const increments: ManifestFile[] = [];
  const history: ManifestFile[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const refuse = (why: string): never => {
      throw new Error(`line ${index + 1} of the manifest, '${line}': ${why}`);
    };
    const fields = fieldsOf(line);
    const name = fields.get('file');
    const sequence = Number(fields.get('seq'));
    const type = fields.get('type');
    if (name === undefined || name.includes('/') || !Number.isInteger(sequence) || sequence < 1)
      return refuse('it names no file and number');
    if (type === 'b') {
      if (base !== null) refuse('there is a base already');
      base = { name, sequence, type };
    } else if (type === 'i') {
      const last = increments.at(-1);
      if (last !== undefined && last.sequence >= sequence) refuse('numbers of increments rise');
      increments.push({ name, sequence, type });
    } else if (type === 'h') history.push({ name, sequence, type });
    else refuse(`there is no type '${type}'`);
  }
  return { base, increments, history };
}

/** Pairs of words; a name with spaces stands in double quotes, with C's escapes. */
function fieldsOf(line: string): Map<string, string> {
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((match) => match[2] ?? unquote(match[1] as string));
  const fields = new Map<string, string>();
  for (let index = 0; index + 1 < words.length; index += 2) fields.set(words[index] as string, words[index + 1] as string);
  return fields;
}
function unquote(quoted: string): string {
  return quoted.replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number.parseInt(escaped.slice(1), 16)) : escaped,
  );
}

export function printManifest(manifest: Manifest): string {
  const files = [...(manifest.base === null ? [] : [manifest.base]), ...manifest.history, ...manifest.increments];
  return files.map(({ name, sequence, type }) => `file ${quoted(name)} seq ${sequence} type ${type}\n`).join('');
}
function quoted(name: string): string {
  return /[\s"\\]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name;
}
