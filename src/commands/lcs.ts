/** LCS: the longest common subsequence of two strings, by the classic table of lengths. */
import { parseInt64 } from '../base/numbers.ts';
import { TYPE_STRING } from '../keyspace/keyspace.ts';
import { type CommandContext, ERR_NOT_INTEGER, ERR_SYNTAX, type Handler } from './context.ts';

/** The table has 4 bytes for each pair of places. */
const MAX_TABLE_BYTES = 2 ** 30;

type Options = { withLength: boolean; withPlaces: boolean; withMatchLength: boolean; minimum: number };
type Match = { a: [number, number]; b: [number, number]; length: number };

function parseOptions(ctx: CommandContext): Options | null {
  const options: Options = { withLength: false, withPlaces: false, withMatchLength: false, minimum: 0 };
  for (let index = 3; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (word === 'len') options.withLength = true;
    else if (word === 'idx') options.withPlaces = true;
    else if (word === 'withmatchlen') options.withMatchLength = true;
    else if (word === 'minmatchlen' && index + 1 < ctx.argc) {
      const given = parseInt64(ctx.bytes, ctx.start(++index), ctx.end(index));
      if (given === null) {
        ctx.reply.error(ERR_NOT_INTEGER);
        return null;
      }
      options.minimum = Math.max(0, Number(given));
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
  }
  if (options.withLength && options.withPlaces) {
    ctx.reply.error('ERR If you want both the length and indexes, please just use IDX.');
    return null;
  }
  return options;
}

/** A copy of the value of an argument's key, or null after an error. */
function stringOf(ctx: CommandContext, index: number): Buffer | null {
  ctx.locate(index);
  const { keyspace } = ctx;
  const entry = keyspace.read();
  if (entry === 0) return Buffer.alloc(0);
  if (keyspace.type(entry) !== TYPE_STRING) {
    ctx.reply.error('ERR The specified keys must contain string values');
    return null;
  }
  const start = keyspace.stringStart(entry);
  return Buffer.from(keyspace.bank.u8.subarray(start, start + keyspace.stringLength(entry)));
}

/** table[i * (b.length + 1) + j]: the length for the first i bytes of a and the first j of b. */
function lengths(a: Buffer, b: Buffer): Uint32Array {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const at = i * width + j;
      if (a[i - 1] === b[j - 1]) table[at] = table[at - width - 1]! + 1;
      else table[at] = Math.max(table[at - width]!, table[at - 1]!);
    }
  }
  return table;
}

/** Walks the table from its end; matches come last one first, as Redis replies them. */
function trace(a: Buffer, b: Buffer, table: Uint32Array): { text: Buffer; matches: Match[] } {
  const width = b.length + 1;
  let i = a.length;
  let j = b.length;
  let left = table[i * width + j]!;
  const text = Buffer.alloc(left);
  const matches: Match[] = [];
  let open: Match | null = null;
  while (left > 0) {
    if (a[i - 1] === b[j - 1]) {
      text[--left] = a[i - 1]!;
      i--;
      j--;
      if (open !== null && open.a[0] === i + 1 && open.b[0] === j + 1) {
        open.a[0] = i;
        open.b[0] = j;
        open.length++;
      } else {
        open = { a: [i, i], b: [j, j], length: 1 };
        matches.push(open);
      }
    } else if (table[(i - 1) * width + j]! > table[i * width + j - 1]!) {
      i--;
    } else {
      j--;
    }
  }
  return { text, matches };
}

function lcs(ctx: CommandContext): void {
  const a = stringOf(ctx, 1);
  if (a === null) return;
  const b = stringOf(ctx, 2);
  if (b === null) return;
  const options = parseOptions(ctx);
  if (options === null) return;
  const { reply } = ctx;
  if ((a.length + 1) * (b.length + 1) * 4 > MAX_TABLE_BYTES) {
    reply.error('ERR String too long for LCS');
    return;
  }
  const table = lengths(a, b);
  const total = table[table.length - 1]!;
  if (options.withLength) {
    reply.integer(total);
    return;
  }
  const { text, matches } = trace(a, b, table);
  if (!options.withPlaces) {
    reply.bulk(text, 0, text.length);
    return;
  }
  const listed = matches.filter((match) => match.length >= options.minimum);
  reply.map(2);
  reply.bulkString('matches');
  reply.array(listed.length);
  for (const match of listed) {
    reply.array(options.withMatchLength ? 3 : 2);
    for (const [first, last] of [match.a, match.b]) {
      reply.array(2);
      reply.integer(first);
      reply.integer(last);
    }
    if (options.withMatchLength) reply.integer(match.length);
  }
  reply.bulkString('len');
  reply.integer(total);
}

export const lcsHandlers: Record<string, Handler> = { lcs };
