import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encode, RawClient } from '../../test/support/raw-client.ts';
import { chance, SEED, sayShownSeed } from '../../test/support/seed.ts';
import { installed, startServer } from '../../test/support/server.ts';
import { addLongDouble, formatDouble, isLongDouble, parseInt64, parsePlainFloat } from './numbers.ts';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

function parse(text: string): number | bigint | null {
  // Bytes around the number must not be looked at.
  const bytes = Buffer.from(`7${text}7`, 'latin1');
  return parseInt64(bytes, 1, bytes.length - 1);
}

describe('64-bit integers', () => {
  test('reads every canonical number exactly, as a double while that is exact', () => {
    const near = fc.constantFrom(MIN, MAX, 0n, 2n ** 53n, -(2n ** 53n), 2n ** 31n, 10n ** 15n, 10n ** 18n);
    const number = fc.oneof(
      fc.bigInt({ min: MIN, max: MAX }),
      fc.tuple(near, fc.bigInt({ min: -3n, max: 3n })).map(([base, delta]) => base + delta),
    );
    fc.assert(
      fc.property(number, (value) => {
        const parsed = parse(String(value));
        if (value < MIN || value > MAX) assert.equal(parsed, null);
        else {
          assert.equal(BigInt(parsed!), value);
          assert.equal(typeof parsed === 'number', value >= -(2n ** 53n) + 1n && value <= 2n ** 53n - 1n);
        }
      }),
      chance(500),
    );
  });

  for (const text of [
    '',
    '-',
    '+1',
    '01',
    '-0',
    '-01',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    '--1',
    '1-',
    '\x001',
    '99999999999999999999',
    '123456789012345678901',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parse(text), null));
  }

  test('takes any bytes without harm, and only what prints the same', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[-+0-9. a]{0,22}$/), (text) => {
        const parsed = parse(text);
        if (parsed !== null) assert.equal(String(parsed), text);
      }),
      chance(500),
    );
  });
});

describe('floats without an exponent', () => {
  test('are read as Number reads them, or left to others', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[-+]?[0-9.]{0,18}[a e]?$/), (text) => {
        const bytes = Buffer.from(`7${text}7`, 'latin1');
        const value = parsePlainFloat(bytes, 1, bytes.length - 1);
        if (Number.isNaN(value)) return;
        assert.match(text, /^[-+]?(\d+\.?\d*|\.\d+)$/);
        assert.ok(Object.is(value, Number(text)), text);
      }),
      chance(2000),
    );
    for (const [text, value] of [
      ['000000012345', 12345],
      ['-0', -0],
      ['0.1', 0.1],
      ['123456.789012345', 123456.789012345],
    ] as const) {
      assert.ok(Object.is(parsePlainFloat(Buffer.from(text), 0, text.length), value), text);
    }
  });
});

describe('doubles', () => {
  for (const [value, text] of [
    [0, '0'],
    [-0, '-0'],
    [1.5, '1.5'],
    [3, '3'],
    [Number.NaN, 'nan'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [0.1, '0.1'],
    [1e17, '100000000000000000'],
    [2 ** 60, '1152921504606846976'],
    [3e20, '3e+20'],
    [1e300, '1e+300'],
    [-1.5e-7, '-1.5e-7'],
    [0.00123, '0.00123'],
    [0.000123456789, '1.23456789e-4'],
    [0.001234567, '0.001234567'],
  ] as const) {
    test(`${value} is printed as ${text}`, () => assert.equal(formatDouble(value), text));
  }
  test('every finite double reads back the same', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.ok(Object.is(Number(formatDouble(value)), value));
      }),
      chance(300),
    );
  });
});

describe('INCRBYFLOAT', () => {
  for (const [a, b, sum] of [
    ['0', '0', '0'],
    ['10.50', '0.1', '10.6'],
    ['5.0e3', '2.0e2', '5200'],
    ['3', '-3', '0'],
    ['-1.5', '1', '-0.5'],
    ['.5', '5.', '5.5'],
    ['1', 'x', null],
    ['', '1', null],
    [' 1', '1', null],
    ['nan', '1', null],
    ['1e5000', '1', null],
  ] as const) {
    test(`${a} + ${b} is ${sum}`, () => assert.equal(addLongDouble(a, b), sum));
  }
  test('says what a float is', () => {
    assert.equal(isLongDouble('1e10'), true);
    assert.equal(isLongDouble('1e'), false);
    assert.equal(isLongDouble('.'), false);
  });

  const decimals = fc
    .tuple(fc.constantFrom('', '-'), fc.bigInt({ min: 0n, max: 10n ** 17n }), fc.integer({ min: 0, max: 17 }))
    .map(([sign, digits, point]) => {
      const padded = String(digits).padStart(point + 1, '0');
      return point === 0 ? sign + padded : `${sign}${padded.slice(0, -point)}.${padded.slice(-point)}`;
    });
  const exponents = fc
    .tuple(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: -12, max: 18 }))
    .map(([mantissa, exponent]) => `${mantissa}e${exponent}`);
  const floats = fc.oneof(
    decimals,
    exponents,
    fc.integer().map(String),
    fc.constantFrom('0.1', '0.2', '-0.0', '1e-17', '5e-18', '123456789.987654321'),
  );

  test('prints sums as redis-server does', {
    skip: !installed('redis-server') && 'redis-server is not installed',
  }, async (context) => {
    sayShownSeed(context);
    const server = await startServer({ kind: 'redis-server' });
    try {
      const client = await RawClient.connect(server.port);
      const pairs = fc.sample(fc.tuple(floats, floats), { seed: SEED, numRuns: 800 });
      for (const [a, b] of pairs) client.send(Buffer.concat([encode(['SET', 'k', a]), encode(['INCRBYFLOAT', 'k', b])]));
      const replies = await client.readReplies(pairs.length * 2);
      for (const [index, [a, b]] of pairs.entries()) {
        const reply = replies[index * 2 + 1]!.toString('latin1');
        const expected = reply.startsWith('-') ? null : reply.split('\r\n')[1];
        assert.equal(addLongDouble(a, b), expected, `${a} + ${b}`);
      }
      client.destroy();
    } finally {
      await server.stop();
    }
  });
});
