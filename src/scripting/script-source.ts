/** The first line of a script that says how it is meant: #!lua flags=no-writes,allow-oom (Redis 7's "shebang"). */
export type ScriptFlags = { readonly noWrites: boolean; readonly allowOom: boolean; readonly rollsBack: boolean; readonly name: string };
export type ScriptSource = { readonly body: string; readonly flags: ScriptFlags };

const PLAIN: ScriptFlags = { noWrites: false, allowOom: false, rollsBack: true, name: '' };
const KNOWN = ['no-writes', 'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'];

/** Parts a script's text; a string is the error. Line numbers stay those of the text. `isLibrary` asks for a name. */
export function parseSource(text: string, isLibrary = false): ScriptSource | string {
  if (!text.startsWith('#!')) return isLibrary ? 'ERR Missing library metadata' : { body: text, flags: PLAIN };
  const end = text.indexOf('\n');
  if (end < 0) return 'ERR Invalid script shebang';
  const [engine = '', ...options] = text.slice(2, end).trim().split(/\s+/);
  if (engine !== 'lua') return isLibrary ? `ERR Engine '${engine}' not found` : `ERR Unexpected engine in script shebang: ${engine}`;
  let flags: string[] = [];
  let rollsBack = true;
  let name = '';
  for (const option of options) {
    if (option.startsWith('flags='))
      flags = option
        .slice(6)
        .split(',')
        .filter((flag) => flag !== '');
    else if (option === 'rollback=no') rollsBack = false;
    else if (option === 'rollback=yes') rollsBack = true;
    else if (option.startsWith('name=') && isLibrary) name = option.slice(5);
    else return isLibrary ? `ERR Invalid metadata value given: ${option}` : `ERR Unknown lua shebang option: ${option}`;
  }
  const unknown = flags.find((flag) => !KNOWN.includes(flag));
  if (unknown !== undefined) return `ERR Unexpected flag in script shebang: ${unknown}`;
  const noWrites = flags.includes('no-writes');
  return { body: text.slice(end), flags: { noWrites, allowOom: noWrites || flags.includes('allow-oom'), rollsBack, name } };
}
