import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { replyEnd } from '../../test/support/raw-client.ts';
import { chance } from '../../test/support/seed.ts';
import { ReplyWriter } from './reply.ts';

function written(resp: 2 | 3, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter();
  reply.resp = resp;
  write(reply);
  return reply.buffer.latin1Slice(0, reply.length);
}

/** What is written, in RESP2 and in RESP3 where that differs. */
const CASES: readonly [string, (reply: ReplyWriter) => void, string, string?][] = [
  ['ok', (reply) => reply.ok(), '+OK\r\n'],
  ['simple', (reply) => reply.simple('PONG'), '+PONG\r\n'],
  ['error', (reply) => reply.error('ERR no'), '-ERR no\r\n'],
  ['error with line ends', (reply) => reply.error('ERR a\r\n+OK'), '-ERR a  +OK\r\n'],
  ['integer', (reply) => reply.integer(7), ':7\r\n'],
  ['negative integer', (reply) => reply.integer(-7), ':-7\r\n'],
  ['large integer', (reply) => reply.integer(9223372036854775807n), ':9223372036854775807\r\n'],
  ['bulk string', (reply) => reply.bulkString('hé'), '$2\r\nhé\r\n'],
  ['UTF-8', (reply) => reply.bulkUtf8('é'), '$2\r\n\xc3\xa9\r\n'],
  ['nil', (reply) => reply.nil(), '$-1\r\n', '_\r\n'],
  ['nil array', (reply) => reply.nilArray(), '*-1\r\n', '_\r\n'],
  ['array', (reply) => reply.array(2), '*2\r\n'],
  ['long array', (reply) => reply.array(123456), '*123456\r\n'],
  ['map', (reply) => reply.map(2), '*4\r\n', '%2\r\n'],
  ['set', (reply) => reply.set(3), '*3\r\n', '~3\r\n'],
  ['push', (reply) => reply.push(3), '*3\r\n', '>3\r\n'],
  ['double', (reply) => reply.double(1.5), '$3\r\n1.5\r\n', ',1.5\r\n'],
  ['infinite double', (reply) => reply.double(Number.NEGATIVE_INFINITY), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['true', (reply) => reply.boolean(true), ':1\r\n', '#t\r\n'],
  ['false', (reply) => reply.boolean(false), ':0\r\n', '#f\r\n'],
  ['verbatim text', (reply) => reply.verbatim('txt', 'é'), '$2\r\n\xc3\xa9\r\n', '=6\r\ntxt:\xc3\xa9\r\n'],
  ['big number', (reply) => reply.bigNumber('123'), '$3\r\n123\r\n', '(123\r\n'],
];

describe('reply writer', () => {
  for (const [name, write, resp2, resp3] of CASES) {
    test(`${name} in RESP2 and RESP3`, () => {
      assert.equal(written(2, write), resp2);
      assert.equal(written(3, write), resp3 ?? resp2);
    });
  }

  test('bulk strings of every length up to 1200, from the middle of a buffer', () => {
    const reply = new ReplyWriter();
    const bytes = Buffer.alloc(1300, 'abcdefghijklmnopq');
    for (let length = 0; length <= 1200; length++) {
      reply.length = 0;
      reply.bulk(bytes, 3, 3 + length);
      const text = bytes.latin1Slice(3, 3 + length);
      assert.equal(reply.buffer.latin1Slice(0, reply.length), `$${length}\r\n${text}\r\n`);
      reply.length = 0;
      reply.bulkString(text);
      assert.equal(reply.buffer.latin1Slice(0, reply.length), `$${length}\r\n${text}\r\n`);
    }
  });

  test('grows as far as the replies need, and lets a huge buffer go again', () => {
    const reply = new ReplyWriter();
    const first = reply.buffer.length;
    const value = Buffer.alloc(5 * 1048576, 'z');
    reply.ok();
    reply.bulk(value, 0, value.length);
    reply.ok();
    assert.equal(reply.length, 5 + `$${value.length}\r\n`.length + value.length + 2 + 5);
    assert.equal(reply.buffer.latin1Slice(0, 6), '+OK\r\n$');
    assert.equal(reply.buffer.latin1Slice(reply.length - 8, reply.length), 'z\r\n+OK\r\n');
    reply.reset();
    assert.equal(reply.length, 0);
    assert.equal(reply.buffer.length, first);
  });

  test('integers, lengths and doubles have the digits that String gives them', () => {
    const power = fc.integer({ min: 0, max: 31 }).map((bits) => 2 ** bits);
    const number = fc.oneof(
      fc.maxSafeInteger(),
      fc.integer({ min: 0, max: 20000 }),
      fc.tuple(power, fc.integer()).map(([a, b]) => a + (b % 3)),
    );
    fc.assert(
      fc.property(number, (value) => {
        const digits = String(value);
        assert.equal(
          written(2, (reply) => reply.integer(value)),
          `:${digits}\r\n`,
        );
        assert.equal(
          written(2, (reply) => reply.double(value)),
          `$${digits.length}\r\n${digits}\r\n`,
        );
        if (value >= 0)
          assert.equal(
            written(2, (reply) => reply.array(value)),
            `*${digits}\r\n`,
          );
      }),
      chance(500),
    );
  });

  test('runs of bulk strings of any length and place', () => {
    fc.assert(
      fc.property(fc.nat(140), fc.integer({ min: 1, max: 5 }), fc.nat(7), (size, count, start) => {
        const bytes = Buffer.from(Array.from({ length: start + size * count }, (_, index) => 97 + (index % 26)));
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        let wanted = '';
        for (let at = start; at < bytes.length || (size === 0 && wanted === ''); at += Math.max(size, 1)) {
          wanted += `$${size}\r\n${bytes.latin1Slice(at, at + size)}\r\n`.repeat(size === 0 ? count : 1);
        }
        assert.equal(
          written(2, (reply) => reply.bulkRun(view, start, count, size)),
          wanted,
        );
      }),
      chance(300),
    );
  });

  test('whatever is written one after the other, a client finds each reply again', () => {
    const single = fc.constantFrom(...CASES.filter(([name]) => !/array|map|set|push/.test(name)));
    fc.assert(
      fc.property(fc.constantFrom(2, 3), fc.array(single, { maxLength: 40, size: 'max' }), (resp, list) => {
        const reply = new ReplyWriter();
        reply.resp = resp as 2 | 3;
        const ends = list.map(([, write]) => {
          write(reply);
          return reply.length;
        });
        let at = 0;
        for (const end of ends) {
          at = replyEnd(reply.buffer, at, reply.length);
          assert.equal(at, end);
        }
      }),
      chance(100),
    );
  });

  test('counts errors and keeps the last one', () => {
    const reply = new ReplyWriter();
    reply.error('ERR first');
    reply.error('WRONGTYPE second');
    assert.equal(reply.errorCount, 2);
    assert.equal(reply.lastError, 'WRONGTYPE second');
  });
});
