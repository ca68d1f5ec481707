// Random commands on hashes, around the limits of the packed encoding.
import fc from 'fast-check';
import { choose, command, exact, list, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

const key = words('a', 'b', 'c', '{t}x', '{t}y', '');
const other = words('string', 'set', 'hash');
const hashKey = weighted([12, key], [1, other]);

const binary = fc.uint8Array({ minLength: 0, maxLength: 12 }).map((bytes) => Buffer.from(bytes));
const field: fc.Arbitrary<Part> = weighted(
  [8, fc.integer({ min: 0, max: 15 }).map((n) => `f${n}`)],
  [2, words('', '0', '-1', '127', '128', '007', '9007199254740993')],
  [1, binary],
  // The limit of the packed encoding is 20 here; a length of 255 is the longest that a node's header holds.
  [1, fc.integer({ min: 19, max: 22 }).map((length) => 'f'.repeat(length))],
  [1, fc.integer({ min: 254, max: 257 }).map((length) => 'f'.repeat(length))],
);
const integer = words('0', '1', '-1', '5', '9223372036854775807', '-9223372036854775808', '9007199254740991', '4611686018427387904');
const notInteger = words('', 'x', '1.5', ' 1', '9223372036854775808', '+1', '-0');
const float = words('0.1', '-0.1', '3.0e3', '5', '1e-7', '10.5', 'abc', '', ' 1', 'nan', 'inf', '-inf', '1..2', '123456789.125');
const value: fc.Arbitrary<Part> = weighted(
  [4, words('v', '', 'hello')],
  [3, integer],
  [1, notInteger],
  [2, float],
  [2, binary],
  [1, fc.integer({ min: 19, max: 22 }).map((length) => 'v'.repeat(length))],
  [1, fc.integer({ min: 250, max: 260 }).map((length) => 'v'.repeat(length))],
  [1, fc.integer({ min: 4000, max: 20000 }).map((length) => 'w'.repeat(length))],
);
const count = weighted([8, fc.integer({ min: -8, max: 8 }).map(String)], [1, words('x', '', '1.5', '-9223372036854775808', '1000')]);
const scanOptions = list(
  fc.oneof(sequence('MATCH', words('*', 'f*', 'f?', '[^f]*', '')), sequence('COUNT', words('1', '3', '100', '0', 'x'))),
  0,
  2,
);
const hscan: fc.Arbitrary<Step> = fc
  .tuple(key, scanOptions)
  .map(([of, options]): Step => ({ kind: 'scan', of: [Buffer.from('HSCAN'), asBytes(of)], group: 2, args: asList(options) }));
function asBytes(part: Part): Buffer {
  return Buffer.isBuffer(part) ? part : Buffer.from(String(part), 'latin1');
}
function asList(part: Part): Buffer[] {
  return Array.isArray(part) ? part.flatMap(asList) : [asBytes(part)];
}

const generic: fc.Arbitrary<Step> = choose(
  [1, exact('SET', 'string', 'value')],
  [1, exact('SADD', 'set', 'one')],
  [1, exact('HSET', 'hash', 'one', '1')],
  [2, exact('TYPE', key)],
  [6, exact('OBJECT', 'ENCODING', words('a', 'b', 'c', '{t}x', '{t}y', ''))],
  [2, exact('EXISTS', key)],
  [1, exact('DEL', list(key, 1, 2))],
  [1, exact('UNLINK', key)],
  [2, exact('RENAME', key, key)],
  [1, exact('RENAMENX', key, key)],
  [2, exact('COPY', key, key, maybe(words('REPLACE')))],
  [1, exact('COPY', key, key, 'DB', '1', 'REPLACE')],
  [1, exact('MOVE', key, '1')],
  [1, exact('SWAPDB', '0', '1')],
  [1, exact('EXPIRE', key, '100000')],
  [1, exact('PERSIST', key)],
  [1, exact('GET', key)],
  [1, exact('SET', key, 'text')],
  [1, exact('DBSIZE')],
);

export const hashes: fc.Arbitrary<Step> = choose(
  [3, generic],
  [12, exact(words('HSET', 'HMSET', 'hset'), hashKey, list(sequence(field, value), 1, 4))],
  [2, exact('HSET', key, list(sequence(field, value), 8, 16))],
  [2, exact('HSETNX', hashKey, field, value)],
  [4, exact('HGET', hashKey, field)],
  [3, exact('HMGET', hashKey, list(field, 1, 4))],
  [3, command('pairs', 'HGETALL', hashKey)],
  [2, command('sorted', words('HKEYS', 'HVALS'), hashKey)],
  [2, exact('HLEN', hashKey)],
  [2, exact('HEXISTS', hashKey, field)],
  [2, exact('HSTRLEN', hashKey, field)],
  [5, exact('HDEL', hashKey, list(field, 1, 4))],
  [5, exact('HINCRBY', hashKey, field, weighted([4, integer], [1, notInteger]))],
  [5, exact('HINCRBYFLOAT', hashKey, field, float)],
  [3, hscan],
);

/** What may not lose a word: without its count HRANDFIELD is random. */
export const randomFields: fc.Arbitrary<Step> = choose(
  [6, exact('HSET', key, list(sequence(field, value), 1, 12))],
  [1, exact('HDEL', key, list(field, 1, 4))],
  [2, command('shape', 'HRANDFIELD', hashKey)],
  [2, command('shape', 'HRANDFIELD', hashKey, count)],
  [2, command('sorted', 'HRANDFIELD', hashKey, '1000')],
  [2, command('pairs', 'HRANDFIELD', hashKey, '1000', words('WITHVALUES', 'withvalues'))],
  [1, exact('HRANDFIELD', hashKey, words('0', 'x', '', '9223372036854775808'), maybe(words('WITHVALUES', 'bogus')))],
  [1, exact('HRANDFIELD', hashKey, words('9223372036854775807', '-9223372036854775807'), 'WITHVALUES')],
  [1, exact('HRANDFIELD', hashKey, count, 'WITHVALUES', 'bogus')],
);
