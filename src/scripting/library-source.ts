/** The first line of a library: `#!lua name=mylib`, parted as Redis parts a command line: quotes are possible. */
import { COMPLETE, RequestParser } from '../resp/request.ts';

export type LibrarySource = {
  readonly name: string;
  /** What is compiled: from the end of the first line on, so that lines count from 1 all the same. */
  readonly body: string;
  /** rollback=no, which is Ferrite's own: what functions do stays when they fail. */
  readonly rollsBack: boolean;
};

export const ERR_NAME = 'Library names can only contain letters, numbers, or underscores(_) and must be at least one character long';

/** What libraries and functions may be called. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9_]+$/.test(text);
}

/** Parts a library's text; a string is the error. */
export function parseLibrary(text: string): LibrarySource | string {
  if (!text.startsWith('#!')) return 'ERR Missing library metadata';
  const end = text.indexOf('\n');
  const words = end < 0 ? null : wordsOf(text.slice(0, end));
  if (words === null) return 'ERR Invalid library metadata';
  let name: string | null = null;
  let rollsBack = true;
  for (const word of words.slice(1)) {
    const lower = word.toLowerCase();
    if (lower.startsWith('name=')) {
      if (name !== null) return 'ERR Invalid metadata value, name argument was given multiple times';
      name = word.slice(5);
    } else if (lower === 'rollback=no' || lower === 'rollback=yes') rollsBack = lower === 'rollback=yes';
    else return `ERR Invalid metadata value given: ${word}`;
  }
  if (name === null) return 'ERR Library name was not given';
  if (!isName(name)) return `ERR ${ERR_NAME}`;
  const engine = (words[0] as string).slice(2);
  if (engine.toLowerCase() !== 'lua') return `ERR Engine '${engine}' not found`;
  return { name, body: text.slice(end), rollsBack };
}

/** The words of a line, or null when a quote stays open. C's strings end at a NUL: behind one there is no line's end. */
function wordsOf(line: string): string[] | null {
  if (line.includes('\0')) return null;
  const parser = new RequestParser();
  const bytes = Buffer.from(`${line}\n`, 'latin1');
  if (parser.parse(bytes, 0, bytes.length) !== COMPLETE) return null;
  return Array.from({ length: parser.argc }, (_, index) => {
    const start = parser.offsets[index] as number;
    return parser.bytes.latin1Slice(start, start + (parser.lengths[index] as number));
  });
}
