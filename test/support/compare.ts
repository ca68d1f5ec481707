// How two servers' replies are compared. Bytes must be equal, except where a reply can't be: times that pass, orders that are
// free, choices that are random.
import { replyEnd, show } from './raw-client.ts';

export type Compare =
  /** Byte for byte. */
  | 'exact'
  /** An array whose order is free: equal after sorting. */
  | 'sorted'
  /** A map, or an array of pairs one after the other, whose order is free: equal after sorting. */
  | 'pairs'
  /** Integers in seconds (milliseconds) that may differ by the time between the two requests; negative ones are exact. */
  | 'near-seconds'
  | 'near-milliseconds'
  /** As exact, but texts that are both numbers need only have the same value: doubles print with fewer digits since Redis 7.2. */
  | 'numbers'
  /** Only the type must be equal, and whether it's null: RANDOMKEY. */
  | 'shape';

const NEAR_SECONDS = 3;
const NEAR_MILLISECONDS = 3_000;

/** The raw elements of an array, set, map or push reply, not decoded; null when the reply is none of them. */
export function elements(reply: Buffer): Buffer[] | null {
  if (!/^[*~>%]/.test(reply.toString('latin1', 0, 1))) return null;
  const found: Buffer[] = [];
  let position = reply.indexOf(10) + 1;
  while (position < reply.length) {
    const end = replyEnd(reply, position, reply.length);
    found.push(reply.subarray(position, end));
    position = end;
  }
  return found;
}

/** The bytes of a bulk, simple or error reply without its frame; null for a null. */
export function payload(reply: Buffer): Buffer | null {
  const lineEnd = reply.indexOf(10) + 1;
  const type = reply.toString('latin1', 0, 1);
  if (type === '_' || reply.toString('latin1', 0, 3) === '$-1' || reply.toString('latin1', 0, 3) === '*-1') return null;
  return type === '$' || type === '=' || type === '!' ? reply.subarray(lineEnd, reply.length - 2) : reply.subarray(1, lineEnd - 2);
}

/** The number of an integer reply; null for any other. */
export function integer(reply: Buffer): number | null {
  const text = reply.toString('latin1');
  return /^:-?\d+\r\n$/.test(text) ? Number(text.slice(1, -2)) : null;
}

function sortedElements(reply: Buffer): Buffer | null {
  const found = elements(reply);
  return found === null ? null : Buffer.concat(found.sort(Buffer.compare));
}

/** In RESP3 HRANDFIELD's pairs are arrays of their own. */
function sortedPairs(reply: Buffer): Buffer | null {
  const found = elements(reply);
  if (found === null) return null;
  if (found.some((one) => elements(one) !== null)) return Buffer.concat(found.sort(Buffer.compare));
  const pairs = found
    .filter((_, index) => index % 2 === 0)
    .map((one, index) => Buffer.concat([one, found[index * 2 + 1] ?? Buffer.alloc(0)]));
  return Buffer.concat(pairs.sort(Buffer.compare));
}

function isNear(actual: Buffer, expected: Buffer, tolerance: number): boolean {
  const a = integer(actual);
  const b = integer(expected);
  return a !== null && b !== null && a >= 0 && b >= 0 && Math.abs(a - b) <= tolerance;
}

/** Equal, or so close as distances are: sines differ in the last place between libraries, and arc sines of small angles enlarge that. */
function isClose(a: number, b: number): boolean {
  return a === b || Math.abs(a - b) <= Math.abs(b) * 1e-12;
}

function sameNumbers(actual: Buffer, expected: Buffer): boolean {
  if (actual.equals(expected)) return true;
  const a = elements(actual);
  const b = elements(expected);
  if (a === null || b === null) {
    if (a !== null || b !== null || actual[0] !== expected[0]) return false;
    const left = payload(actual)?.toString('latin1') ?? '';
    const right = payload(expected)?.toString('latin1') ?? '';
    return left !== '' && right !== '' && isClose(Number(left), Number(right));
  }
  return actual[0] === expected[0] && a.length === b.length && a.every((one, at) => sameNumbers(one, b[at] as Buffer));
}

/** Are the two replies the same for this way of comparing? */
export function sameReply(compare: Compare, actual: Buffer, expected: Buffer): boolean {
  if (actual.equals(expected)) return true;
  switch (compare) {
    case 'exact':
      return false;
    case 'sorted': {
      const a = sortedElements(actual);
      const b = sortedElements(expected);
      return a !== null && b !== null && actual[0] === expected[0] && a.equals(b);
    }
    case 'pairs': {
      const a = sortedPairs(actual);
      const b = sortedPairs(expected);
      return a !== null && b !== null && actual[0] === expected[0] && a.equals(b);
    }
    case 'near-seconds':
      return isNear(actual, expected, NEAR_SECONDS);
    case 'near-milliseconds':
      return isNear(actual, expected, NEAR_MILLISECONDS);
    case 'numbers':
      return sameNumbers(actual, expected);
    case 'shape':
      return actual[0] === expected[0] && (payload(actual) === null) === (payload(expected) === null);
  }
}

/** The words of a mismatch: the request, and both replies. */
export function describeMismatch(request: readonly Uint8Array[], actual: Buffer, expected: Buffer): string {
  const words = request.map((argument) => `"${show(argument, 120)}"`).join(' ');
  return `replies differ for ${words}\n  actual:   ${show(actual)}\n  expected: ${show(expected)}`;
}
