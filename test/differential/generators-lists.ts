// Random commands on lists: elements of equal lengths and of others, integers and what only looks like one, some larger than a node.
import fc from 'fast-check';
import { choose, exact, list, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

export const key = words('a', 'b', 'c', '{t}x', '{t}y', '');
export const other = words('string', 'zset', 'list');
const listKey = weighted([12, key], [1, other]);

export const binary = fc.uint8Array({ minLength: 0, maxLength: 12 }).map((bytes) => Buffer.from(bytes));
export const small = fc.integer({ min: 0, max: 20 }).map(String);
const element: fc.Arbitrary<Part> = weighted(
  [6, small],
  [3, words('', 'a', 'b', 'foo', '007', '-0', '+1', '2147483647', '2147483648', '-2147483648', '9007199254740993', '-1')],
  [2, binary],
  [2, fc.integer({ min: 60, max: 70 }).map((length) => 'x'.repeat(length))],
  [1, fc.integer({ min: 250, max: 260 }).map((length) => 'y'.repeat(length))],
);
const long: fc.Arbitrary<Part> = fc.integer({ min: 4000, max: 9000 }).map((length) => 'z'.repeat(length));
export const index = weighted(
  [10, fc.integer({ min: -12, max: 12 }).map(String)],
  [1, words('9223372036854775807', '-9223372036854775808', '1000')],
  [1, words('x', '', '1.5')],
);
export const count = weighted([10, fc.integer({ min: 0, max: 8 }).map(String)], [1, words('-1', 'x', '9223372036854775807', '1000')]);
const side = weighted([8, words('LEFT', 'RIGHT', 'left')], [1, words('bogus')]);

export const setup: fc.Arbitrary<Step> = choose(
  [1, exact('SET', 'string', 'value')],
  [1, exact('ZADD', 'zset', '1', 'one')],
  [1, exact('RPUSH', 'list', 'one')],
);
export const generic: fc.Arbitrary<Step> = choose(
  [2, exact('TYPE', key)],
  [2, exact('EXISTS', key)],
  [1, exact('DEL', list(key, 1, 2))],
  [2, exact('RENAME', key, key)],
  [2, exact('COPY', key, key, maybe(words('REPLACE')))],
  [1, exact('EXPIRE', key, '100000')],
  [1, exact('PERSIST', key)],
);

export const lists: fc.Arbitrary<Step> = choose(
  [1, setup],
  [3, generic],
  [8, exact(words('LPUSH', 'RPUSH', 'lpush'), listKey, list(element, 1, 8))],
  [
    3,
    exact(
      words('LPUSH', 'RPUSH'),
      listKey,
      fc
        .array(element, { minLength: 1, maxLength: 1 })
        .chain(([one]) => fc.integer({ min: 20, max: 400 }).map((times): Part => Array(times).fill(one))),
    ),
  ],
  [1, exact(words('LPUSH', 'RPUSH'), listKey, list(long, 1, 3))],
  [2, exact(words('LPUSHX', 'RPUSHX'), listKey, list(element, 1, 3))],
  [5, exact(words('LPOP', 'RPOP'), listKey, maybe(count))],
  [
    3,
    exact(
      'LMPOP',
      weighted([8, words('1', '2')], [1, words('0', '-1', 'x', '3')]),
      listKey,
      maybe(listKey),
      side,
      maybe(sequence(words('COUNT', 'bogus'), count)),
    ),
  ],
  [4, exact('LMOVE', listKey, listKey, side, side)],
  [2, exact('RPOPLPUSH', listKey, listKey)],
  [2, exact('LLEN', listKey)],
  [4, exact('LINDEX', listKey, index)],
  [4, exact('LSET', listKey, index, weighted([6, element], [1, long]))],
  [8, exact('LRANGE', listKey, index, index)],
  [4, exact('LRANGE', listKey, '0', '-1')],
  [3, exact('LTRIM', listKey, index, index)],
  [
    5,
    exact(
      'LINSERT',
      listKey,
      weighted([8, words('BEFORE', 'AFTER', 'before')], [1, words('bogus')]),
      element,
      weighted([6, element], [1, long]),
    ),
  ],
  [4, exact('LREM', listKey, weighted([6, fc.integer({ min: -3, max: 3 }).map(String)], [1, words('x', '-1000')]), element)],
  [
    4,
    exact(
      'LPOS',
      listKey,
      element,
      list(
        fc.oneof(
          sequence(words('RANK', 'rank'), words('1', '2', '-1', '-2', '0', 'x')),
          sequence('COUNT', words('0', '1', '2', '-1')),
          sequence('MAXLEN', words('0', '1', '3', '-1')),
          words('bogus', 'RANK'),
        ),
        0,
        3,
      ),
    ),
  ],
  [1, exact('LPUSH', 'sorted', list(element, 1, 20))],
);
