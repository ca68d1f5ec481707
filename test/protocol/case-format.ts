// Protocol cases are text that a person can read:
//
//   # a comment
//   === the name of the case
//   > *1\r\n$4\r\nPING\r\n        bytes sent as they stand; consecutive lines are joined, nothing is added
//   >> SET key "a b"               a request of words, sent as an array of bulk strings
//   < +PONG\r\n                    bytes that must come now, all of them
//   <~ ^\*\d+\r\n                  one whole reply, as a regular expression
//   <closed                        the server must have closed the connection, and sent nothing more
//   <open                          the connection must still serve (checked by a PING)
//   <nothing                       no byte may come within 50 ms
//
// In bytes: \r \n \t \0 \\ \xHH, and {x*1000} for a repetition of what stands before the star.

export type CaseLine =
  | { readonly kind: 'send' | 'expect'; readonly bytes: Buffer }
  | { readonly kind: 'match'; readonly pattern: RegExp }
  | { readonly kind: 'closed' | 'open' | 'nothing' };

export type ProtocolCase = { readonly name: string; readonly line: number; readonly lines: readonly CaseLine[] };

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' };

/** Escapes and repetitions to bytes. Throws on an escape that isn't known. */
export function decodeBytes(text: string): Buffer {
  const repeated = text.replace(/\{([^{}]+)\*(\d+)\}/g, (_, unit: string, count: string) => unit.repeat(Number(count)));
  const plain = repeated.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (all, hex: string | undefined, letter: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    const known = ESCAPES[letter ?? ''];
    if (known === undefined) throw new Error(`unknown escape ${all}`);
    return known;
  });
  return Buffer.from(plain, 'latin1');
}

function encodeWords(text: string): Buffer {
  const words = [...text.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => decodeBytes(match[1] ?? match[2] ?? ''));
  const parts = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

function parseLine(line: string): CaseLine {
  if (line.startsWith('>> ')) return { kind: 'send', bytes: encodeWords(line.slice(3)) };
  if (line.startsWith('> ')) return { kind: 'send', bytes: decodeBytes(line.slice(2)) };
  if (line.startsWith('<~ ')) return { kind: 'match', pattern: new RegExp(line.slice(3)) };
  if (line.startsWith('< ')) return { kind: 'expect', bytes: decodeBytes(line.slice(2)) };
  if (line === '<closed' || line === '<open' || line === '<nothing') return { kind: line.slice(1) as 'closed' };
  throw new Error(`not a line of a case: ${line}`);
}

/** Reads the cases of one file. Throws, with the line's number, on what it doesn't understand. */
export function parseCases(text: string): ProtocolCase[] {
  const cases: { name: string; line: number; lines: CaseLine[] }[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trimEnd();
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('=== ')) {
      cases.push({ name: line.slice(4), line: index + 1, lines: [] });
      continue;
    }
    const current = cases.at(-1);
    if (current === undefined) throw new Error(`line ${index + 1} stands before the first case`);
    const parsed = parseLine(line);
    const last = current.lines.at(-1);
    // Consecutive pieces are one write, and one expectation.
    if (last !== undefined && 'bytes' in last && 'bytes' in parsed && last.kind === parsed.kind) {
      current.lines[current.lines.length - 1] = { kind: last.kind, bytes: Buffer.concat([last.bytes, parsed.bytes]) };
    } else {
      current.lines.push(parsed);
    }
  }
  return cases;
}
