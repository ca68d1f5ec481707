// Random commands on sets, around the limits of integer sets; OBJECT ENCODING isn't asked, as sets have three encodings since 7.2.
import fc from 'fast-check';
import { choose, command, exact, flatten, list, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

const key = words('a', 'b', 'c', '{t}x', '{t}y', '');
const other = words('string', 'hash', 'set');
const setKey = weighted([16, key], [1, other]);

const binary = fc.uint8Array({ minLength: 0, maxLength: 12 }).map((bytes) => Buffer.from(bytes));
const member: fc.Arbitrary<Part> = weighted(
  [8, fc.integer({ min: -5, max: 20 }).map(String)],
  [2, words('32767', '32768', '-32769', '2147483648', '-2147483649', '9223372036854775807', '-9223372036854775808', '9007199254740993')],
  [3, words('', 'a', 'b', 'c', '007', '-0', '+1', '9223372036854775808', '1.0')],
  [1, binary],
  [1, fc.integer({ min: 62, max: 67 }).map((length) => 'm'.repeat(length))],
  [1, fc.integer({ min: 254, max: 257 }).map((length) => 'm'.repeat(length))],
);
const integers: fc.Arbitrary<Part> = fc
  .integer({ min: 0, max: 100 })
  .chain((first) =>
    fc.integer({ min: 6, max: 40 }).map((total): Part => Array.from({ length: total }, (_, index) => String(first + index))),
  );
const count = weighted([8, fc.integer({ min: -8, max: 8 }).map(String)], [1, words('x', '', '1.5', '-9223372036854775808', '1000')]);
const scanOptions = list(
  fc.oneof(sequence('MATCH', words('*', '1*', '?', '[^1]*', '')), sequence('COUNT', words('1', '3', '100', '0', 'x'))),
  0,
  2,
);
const sscan: fc.Arbitrary<Step> = fc
  .tuple(key, scanOptions)
  .map(([of, options]): Step => ({ kind: 'scan', of: [Buffer.from('SSCAN'), ...flatten(of, [])], args: flatten(options, []) }));
const limit = maybe(sequence(words('LIMIT', 'limit', 'bogus'), words('0', '1', '2', '100', '-1', 'x')));

const generic: fc.Arbitrary<Step> = choose(
  [1, exact('SET', 'string', 'value')],
  [1, exact('SADD', 'set', 'one')],
  [1, exact('HSET', 'hash', 'one', '1')],
  [2, exact('TYPE', key)],
  [2, exact('EXISTS', key)],
  [1, exact('DEL', list(key, 1, 2))],
  [2, exact('RENAME', key, key)],
  [2, exact('COPY', key, key, maybe(words('REPLACE')))],
  [1, exact('MOVE', key, '1')],
  [1, exact('SWAPDB', '0', '1')],
  [1, exact('EXPIRE', key, '100000')],
  [1, exact('PERSIST', key)],
  [1, exact('SET', key, 'text')],
  [1, exact('DBSIZE')],
);

export const sets: fc.Arbitrary<Step> = choose(
  [3, generic],
  [12, exact(words('SADD', 'sadd'), setKey, list(member, 1, 6))],
  [4, exact('SADD', key, integers)],
  [5, exact('SREM', setKey, list(member, 1, 4))],
  [1, exact('SREM', key, integers)],
  [2, exact('SCARD', setKey)],
  [3, exact('SISMEMBER', setKey, member)],
  [2, exact('SMISMEMBER', setKey, list(member, 1, 4))],
  [4, command('sorted', 'SMEMBERS', setKey)],
  [4, exact('SMOVE', setKey, setKey, member)],
  [4, command('sorted', words('SINTER', 'SUNION', 'SDIFF'), list(setKey, 1, 4))],
  [5, exact(words('SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE'), key, list(setKey, 1, 3))],
  [2, exact('SINTERCARD', '2', setKey, setKey, limit)],
  [2, exact('SINTERCARD', words('0', '-1', 'x', '1', '3', '9223372036854775807'), setKey, setKey, limit)],
  [3, sscan],
);

/** What may not lose a word: without their counts, or with others, SPOP and SRANDMEMBER are random. */
export const randomMembers: fc.Arbitrary<Step> = choose(
  [6, exact('SADD', key, list(member, 1, 8))],
  [1, exact('SADD', key, integers)],
  [2, command('shape', 'SRANDMEMBER', setKey)],
  [2, command('shape', 'SRANDMEMBER', setKey, count)],
  [2, command('sorted', 'SRANDMEMBER', setKey, '1000')],
  [1, exact('SRANDMEMBER', setKey, words('0', 'x', '', '9223372036854775808'), maybe(words('bogus')))],
  [2, command('sorted', 'SPOP', setKey, '1000')],
  [1, exact('SPOP', setKey, words('0', '-1', 'x', ''), maybe(words('bogus')))],
  [1, exact('SPOP', words('missing', 'string'))],
  [2, exact('SCARD', key)],
);
