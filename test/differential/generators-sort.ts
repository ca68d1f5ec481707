// SORT over lists, sets and sorted sets, with weights and values in strings and hashes.
import fc from 'fast-check';
import { choose, command, exact, list, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

const key = words('l', 'z', 'strings');
const number = weighted([8, fc.integer({ min: 0, max: 12 }).map(String)], [1, words('1.5', '-3', 'inf', '1e3', 'abc', '')]);
const whole: fc.Arbitrary<Part> = fc.integer({ min: 0, max: 12 }).map(String);
const pattern = words('w_*', 'h_*->f', 'h_*->g', '#', 'nosuch_*', 'fixed', 'h_*->', '*');
const limit = sequence('LIMIT', words('-1', '0', '1', '3', '100', 'x'), words('-1', '0', '2', '100', 'x'));
const option = fc.oneof(words('ASC', 'DESC'), limit, sequence('GET', pattern), words('bogus'));
const options = list(fc.oneof({ weight: 4, arbitrary: option }, { weight: 1, arbitrary: words('ALPHA', 'alpha') }), 0, 4);
/** BY with ALPHA leaves equal weights in an order of Redis's table: no two servers need agree on it. */
const byOptions = list(option, 0, 3);

export const sorting: fc.Arbitrary<Step> = choose(
  [4, exact('RPUSH', 'l', list(whole, 1, 10))],
  [1, exact('RPUSH', 'l', number)],
  [2, exact('SADD', 's', list(whole, 1, 10))],
  [3, exact('ZADD', 'z', list(sequence(number, whole), 1, 6))],
  [
    4,
    exact(
      'MSET',
      list(
        sequence(
          fc.nat(12).map((n) => `w_${n}`),
          whole,
        ),
        1,
        8,
      ),
    ),
  ],
  [
    3,
    exact(
      'HSET',
      fc.nat(12).map((n) => `h_${n}`),
      list(sequence(words('f', 'g'), whole), 1, 2),
    ),
  ],
  [1, exact('SET', 'strings', 'x')],
  [1, exact('DEL', key)],
  [8, exact(words('SORT', 'SORT_RO'), key, options)],
  [5, exact(words('SORT', 'SORT_RO'), key, 'BY', pattern, byOptions)],
  [2, command('sorted', 'SORT', key, 'BY', pattern, 'ALPHA')],
  [2, exact('SORT', 's', maybe(words('DESC', 'ALPHA')), maybe(limit))],
  [1, command('sorted', 'SORT', 's', 'BY', 'nosort')],
  [3, exact('SORT', words('l', 's', 'z'), maybe(sequence('BY', pattern)), byOptions, 'STORE', words('l', 'out', 'z'))],
  [3, exact('LRANGE', words('l', 'out'), '0', '-1')],
  [1, exact('TYPE', words('l', 'out', 'z'))],
);
