/** The first line of a script that says how it is meant: #!lua flags=no-writes,allow-oom (Redis 7's "shebang"). */
export type ScriptFlags = {
  readonly noWrites: boolean;
  readonly allowOom: boolean;
  readonly rollsBack: boolean;
  /** A script without such a line: each of its commands is looked at by itself. With one, and for functions, flags decide at once. */
  readonly isPlain: boolean;
};
export type ScriptSource = { readonly body: string; readonly flags: ScriptFlags };

/** The flags there are, in the order in which they are shown. */
export const FLAGS = ['no-writes', 'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'] as const;
/** Ferrite's own: what has been done stays, whatever comes. */
export const NO_ROLLBACK = 'rollback=no';
const PLAIN: ScriptFlags = { noWrites: false, allowOom: false, rollsBack: true, isPlain: true };

export function flagsOf(names: readonly string[], rollsBack: boolean): ScriptFlags {
  const noWrites = names.includes('no-writes');
  return { noWrites, allowOom: noWrites || names.includes('allow-oom'), rollsBack, isPlain: false };
}

/** Parts a script's text; a string is the error. Line numbers stay those of the text. */
export function parseSource(text: string): ScriptSource | string {
  if (!text.startsWith('#!')) return { body: text, flags: PLAIN };
  const end = text.indexOf('\n');
  if (end < 0) return 'ERR Invalid script shebang';
  const [engine = '', ...options] = text.slice(0, end).trim().split(/\s+/);
  if (engine !== '#!lua') return `ERR Unexpected engine in script shebang: ${engine}`;
  let flags: string[] = [];
  let rollsBack = true;
  for (const option of options) {
    if (option.startsWith('flags='))
      flags = option
        .slice(6)
        .split(',')
        .filter((flag) => flag !== '');
    else if (option === NO_ROLLBACK) rollsBack = false;
    else if (option === 'rollback=yes') rollsBack = true;
    else return `ERR Unknown lua shebang option: ${option}`;
  }
  const unknown = flags.find((flag) => !(FLAGS as readonly string[]).includes(flag));
  if (unknown !== undefined) return `ERR Unexpected flag in script shebang: ${unknown}`;
  return { body: text.slice(end), flags: flagsOf(flags, rollsBack) };
}
