import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encode } from '../../test/support/raw-client.ts';
import { chance } from '../../test/support/seed.ts';
import { COMPLETE, ERROR, INCOMPLETE, RequestParser } from './request.ts';

type Parsed = { readonly requests: string[][]; readonly error: string; readonly used: number };

function argumentsOf(parser: RequestParser): string[] {
  return Array.from({ length: parser.argc }, (_, index) => {
    const start = parser.offsets[index]!;
    return parser.bytes.latin1Slice(start, start + parser.lengths[index]!);
  });
}

/** What a session does with bytes that arrive up to the places in `cuts`: it parses what is there, and goes on when more has come. */
function parseInPieces(bytes: Buffer, cuts: readonly number[], resumes: boolean, configure?: (parser: RequestParser) => void): Parsed {
  const parser = new RequestParser();
  configure?.(parser);
  const requests: string[][] = [];
  let at = 0;
  let wantedEnd = 0;
  for (const end of [...cuts, bytes.length]) {
    // A session doesn't try again before the bytes that the parser asked for have come; the last look takes all.
    if (end < wantedEnd && end !== bytes.length) continue;
    for (;;) {
      // The bytes behind `end` haven't come: they hold something else, which the parser must not look at.
      const arrived = Buffer.concat([bytes.subarray(0, end), Buffer.from('\r\n*1\r\n$4\r\nXXXX\r\n')]);
      const status = parser.parse(arrived, at, end);
      if (status === ERROR) return { requests, error: parser.error, used: at };
      if (status === INCOMPLETE) {
        wantedEnd = at + parser.wanted;
        if (!resumes) parser.restart();
        break;
      }
      assert.ok(parser.next > at && parser.next <= end, 'a request that takes no bytes, or too many');
      if (parser.argc > 0) requests.push(argumentsOf(parser));
      at = parser.next;
    }
  }
  return { requests, error: '', used: at };
}
function parseAll(bytes: Buffer, configure?: (parser: RequestParser) => void): Parsed {
  return parseInPieces(bytes, [], true, configure);
}
function parseText(text: string, configure?: (parser: RequestParser) => void): Parsed {
  return parseAll(Buffer.from(text, 'latin1'), configure);
}

const argument = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.integer({ min: 95, max: 1100 }).map((length) => Buffer.alloc(length, 'v')) },
  { weight: 1, arbitrary: fc.constantFrom(Buffer.from('\r\n'), Buffer.from('*2\r\n$3\r\n'), Buffer.alloc(0)) },
);
const request = fc.array(argument, { minLength: 1, maxLength: 8 });
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30, size: 'max' });

function cutsOf(bytes: Buffer, list: readonly number[]): number[] {
  return [...new Set(list.map((place) => Math.floor(place * bytes.length)))].sort((a, b) => a - b);
}

describe('request parser', () => {
  test('random splits give the same requests as no split, whether it resumes or starts over', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 12 }), places, fc.boolean(), (list, where, resumes) => {
        const bytes = Buffer.concat(list.map((args) => encode(args)));
        const expected = list.map((args) => args.map((arg) => arg.toString('latin1')));
        assert.deepEqual(parseAll(bytes), { requests: expected, error: '', used: bytes.length });
        assert.deepEqual(parseInPieces(bytes, cutsOf(bytes, where), resumes), {
          requests: expected,
          error: '',
          used: bytes.length,
        });
      }),
      chance(300),
    );
  });

  test('one byte at a time gives the same requests', () => {
    const bytes = Buffer.concat([encode(['SET', 'key', 'v'.repeat(120)]), Buffer.from('PING "a b"\r\n'), encode(['GET', ''])]);
    const cuts = Array.from({ length: bytes.length }, (_, index) => index);
    const requests = [
      ['SET', 'key', 'v'.repeat(120)],
      ['PING', 'a b'],
      ['GET', ''],
    ];
    assert.deepEqual(parseInPieces(bytes, cuts, true), { requests, error: '', used: bytes.length });
    assert.deepEqual(parseInPieces(bytes, cuts, false), { requests, error: '', used: bytes.length });
  });

  test('damaged requests and random bytes end in requests, an error or a wait, the same for every split', () => {
    const damaged = fc
      .tuple(fc.array(request, { minLength: 1, maxLength: 4 }), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
      .map(([list, damages]) => {
        const bytes = Buffer.concat(list.map((args) => encode(args)));
        for (const [place, byte] of damages) bytes[place % bytes.length] = byte;
        return bytes;
      });
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.stringMatching(/^[*$0-9\r\n"' \\x-]{0,120}$/).map((text) => Buffer.from(text, 'latin1')),
    );
    fc.assert(
      fc.property(fc.oneof(damaged, noise), places, fc.boolean(), (bytes, where, resumes) => {
        assert.deepEqual(parseInPieces(bytes, cutsOf(bytes, where), resumes), parseAll(bytes));
      }),
      chance(600),
    );
  });

  test('says how many bytes it needs, never more than the request has', () => {
    fc.assert(
      fc.property(request, fc.double({ min: 0, max: 1, noNaN: true }), (args, place) => {
        const bytes = encode(args);
        const end = Math.min(bytes.length - 1, Math.floor(place * bytes.length));
        const parser = new RequestParser();
        assert.equal(parser.parse(bytes, 0, end), INCOMPLETE);
        assert.ok(parser.wanted <= bytes.length, `wants ${parser.wanted} of ${bytes.length}`);
        if (end > 0) assert.ok(parser.wanted > end, `has ${end}, wants ${parser.wanted}`);
        assert.equal(parser.parse(bytes, 0, bytes.length), COMPLETE);
        assert.equal(parser.argc, args.length);
      }),
      chance(300),
    );
  });

  test('a value of many megabytes is looked at once, not once a piece', () => {
    const bytes = encode(['SET', 'k', Buffer.alloc(8 * 1048576, 'x')]);
    const parser = new RequestParser();
    assert.equal(parser.parse(bytes, 0, 100), INCOMPLETE);
    assert.equal(parser.wanted, bytes.length);
    const begin = performance.now();
    for (let end = 1000; end < bytes.length; end += 1000) assert.equal(parser.parse(bytes, 0, end), INCOMPLETE);
    assert.ok(performance.now() - begin < 1000);
    assert.equal(parser.parse(bytes, 0, bytes.length), COMPLETE);
  });

  test('a long request behind a longer one keeps the room that there is', () => {
    // Once the arrays had grown beyond what an announced count reserves, the next long request made them smaller, and the thread died.
    const parser = new RequestParser();
    for (const count of [1500, 5000, 4000, 1200, 9000]) {
      const bytes = encode(Array.from({ length: count }, (_, index) => String(index)));
      assert.equal(parser.parse(bytes, 0, bytes.length), COMPLETE);
      assert.equal(parser.argc, count);
      assert.equal(argumentsOf(parser)[count - 1], String(count - 1));
    }
  });
  test('more arguments than its arrays have room for', () => {
    const args = Array.from({ length: 5000 }, (_, index) => `a${index}`);
    assert.deepEqual(parseAll(encode(args)).requests, [args]);
    assert.deepEqual(parseText(`${args.join(' ')}\r\n`).requests, [args]);
  });

  for (const [text, requests] of [
    ['PING\r\n', [['PING']]],
    ['PING\n', [['PING']]],
    ['\r\nPING\r\n', [['PING']]],
    ['  SET  a\tb  \r\n', [['SET', 'a', 'b']]],
    ['SET a "x\\n\\r\\t\\b\\a\\x41\\xzz\\q\\""\r\n', [['SET', 'a', 'x\n\r\t\b\x07AxzzqX'.replace('X', '"')]]],
    ["SET a 'it\\'s \\n'\r\n", [['SET', 'a', "it's \\n"]]],
    ['SET "" \'\'\r\n', [['SET', '', '']]],
    ['a"b c"\r\n', [['ab c']]],
    ['*0\r\nPING\r\n', [['PING']]],
    ['*-1\r\nPING\r\n', [['PING']]],
    ['*1\r\n$4\r\nPINGxxPING\r\n', [['PING'], ['PING']]],
  ] as const) {
    test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseText(text).requests, requests));
  }

  const unauthenticated = (parser: RequestParser): void => {
    parser.authenticated = false;
  };
  const smallBulks = (parser: RequestParser): void => {
    parser.maxBulkLengthBytes = 1000;
  };
  for (const [name, text, error, configure] of [
    ['a count that is no number', '*x\r\n', 'Protocol error: invalid multibulk length', undefined],
    ['a count with zeros in front', '*01\r\n', 'Protocol error: invalid multibulk length', undefined],
    ['a length with zeros in front', '*1\r\n$04\r\nPING\r\n', 'Protocol error: invalid bulk length', undefined],
    ['too many arguments', '*2147483648\r\n', 'Protocol error: invalid multibulk length', undefined],
    ['a count without an end', `*${'1'.repeat(70_000)}`, 'Protocol error: too big mbulk count string', undefined],
    ['no dollar', '*1\r\n+PING\r\n', "Protocol error: expected '$', got '+'", undefined],
    ['a length that is no number', '*1\r\n$x\r\n', 'Protocol error: invalid bulk length', undefined],
    ['a negative length', '*1\r\n$-1\r\n', 'Protocol error: invalid bulk length', undefined],
    ['an oversized length', '*1\r\n$536870913\r\n', 'Protocol error: invalid bulk length', undefined],
    ['a length above the configured one', '*1\r\n$1001\r\n', 'Protocol error: invalid bulk length', smallBulks],
    ['a length without an end', `*1\r\n$${'1'.repeat(70_000)}`, 'Protocol error: too big bulk count string', undefined],
    ['an inline request without an end', 'x'.repeat(70_000), 'Protocol error: too big inline request', undefined],
    ['an open quote', 'SET a "b\r\n', 'Protocol error: unbalanced quotes in request', undefined],
    ['an open apostrophe', "SET a 'b\r\n", 'Protocol error: unbalanced quotes in request', undefined],
    ['a quote that ends inside a word', 'SET "a"b\r\n', 'Protocol error: unbalanced quotes in request', undefined],
    ['many arguments before AUTH', '*11\r\n', 'Protocol error: unauthenticated multibulk length', unauthenticated],
    ['a long argument before AUTH', '*1\r\n$16385\r\n', 'Protocol error: unauthenticated bulk length', unauthenticated],
  ] as const) {
    test(`refuses ${name}`, () => assert.equal(parseText(text, configure).error, error));
  }

  test('limits are inclusive', () => {
    assert.equal(parseText('*1048576\r\n').error, '');
    assert.equal(parseText('*1\r\n$536870912\r\n').error, '');
    assert.equal(parseText('*10\r\n$16384\r\n', unauthenticated).error, '');
    const longest = 'x'.repeat(1000);
    assert.deepEqual(parseText(`*1\r\n$1000\r\n${longest}\r\n`, smallBulks).requests, [[longest]]);
  });
});
