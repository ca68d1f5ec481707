// Random commands on sorted sets. The servers under test are started with a small zset-max-listpack-entries, so that short sequences
// cross it.
import fc from 'fast-check';
import { binary, count, generic, index, key, other, setup, small } from './generators-lists.ts';
import { choose, command, exact, flatten, list, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

// Doubles that are sums of few powers of two print alike in all versions of Redis; 7.0 prints others with 17 digits, and 7.2 with the
// fewest that read back the same, so those are compared as numbers.
const plainScore = weighted(
  [6, fc.integer({ min: -10, max: 10 }).map(String)],
  [3, words('0.5', '-0.5', '1.25', '2.75', '1e3', '1048576.5', '-3')],
  [2, words('inf', '-inf', '+inf', '0', '-0')],
);
const score = weighted(
  [10, plainScore],
  [1, words('nan', 'x', '', ' 1', '1 ', '0x10', '1e400', '1e-400', 'infinity', '+5', '.5', '5.', '1e', '--1')],
);
const anyScore = weighted([4, plainScore], [4, words('0.1', '-0.3', '1e17', '1e300', '3.14159265358979', '1e-7', '123456789012345678')]);
const bound = weighted(
  [6, fc.integer({ min: -10, max: 10 }).map(String)],
  [4, fc.integer({ min: -10, max: 10 }).map((n) => `(${n}`)],
  [2, words('-inf', '+inf', '(inf', '(-inf', '0.5', '(1.25')],
  [1, words('x', '', '(', ' 1', '1 ', 'nan', '(x')],
);
const member = weighted(
  [6, words('a', 'b', 'c', 'd', 'e', 'aa', 'ab', 'b\x00', '10', '9', '007')],
  [3, small],
  [2, binary],
  [1, fc.integer({ min: 62, max: 68 }).map((length) => 'm'.repeat(length))],
);
const lexBound = weighted(
  [6, sequence(words('[', '('), member).map((part) => Buffer.concat(flatten(part, [])))],
  [3, words('-', '+')],
  [1, words('', 'a', '(', '[', '--')],
);
const zsetKey = weighted([24, key], [2, other], [3, words('set1', 'set2')]);
const addFlags = list(words('NX', 'XX', 'GT', 'LT', 'CH', 'INCR', 'ch'), 0, 2);
const limit = sequence(
  'LIMIT',
  weighted([6, words('0', '1', '2', '-1')], [1, words('x')]),
  weighted([6, words('0', '1', '3', '-1', '-2')], [1, words('x')]),
);
const withScores = words('WITHSCORES', 'withscores');
const numkeys = weighted([8, words('1', '2', '3')], [1, words('0', '-1', 'x')]);
const someKeys = list(zsetKey, 1, 3);
const weights = sequence('WEIGHTS', list(weighted([8, words('1', '2', '-1', '0.5', 'inf', '0')], [1, words('x')]), 1, 3));
const aggregate = sequence('AGGREGATE', weighted([8, words('SUM', 'MIN', 'MAX', 'min')], [1, words('bogus')]));
const algebraOptions = list(fc.oneof(weights, aggregate), 0, 2);

const zscan: fc.Arbitrary<Step> = fc
  .tuple(key, maybe(sequence('MATCH', words('*', 'a*', '?', '[0-9]'))), maybe(sequence('COUNT', words('1', '3', '1000'))))
  .map(([of, ...args]): Step => ({ kind: 'scan', of: flatten(['ZSCAN', of], []), args: flatten(args, []), group: 2 }));

/** numkeys that agree with the keys behind them, most of the time. */
const counted = fc.oneof(
  { weight: 6, arbitrary: fc.array(zsetKey, { minLength: 1, maxLength: 3 }).map((keys): Part => [String(keys.length), ...keys]) },
  { weight: 1, arbitrary: sequence(numkeys, someKeys) },
);
/** As many weights as keys. */
const weightedUnion = fc
  .array(fc.tuple(zsetKey, words('1', '2', '-1', '0.5', '-inf', '3')), { minLength: 1, maxLength: 3 })
  .map((pairs): Part => [String(pairs.length), ...pairs.map(([one]) => one), 'WEIGHTS', ...pairs.map(([, weight]) => weight)]);

const add: fc.Arbitrary<Step> = choose(
  [8, exact('ZADD', zsetKey, addFlags, list(sequence(score, member), 1, 6))],
  [4, exact('ZADD', zsetKey, list(sequence(plainScore, member), 4, 40))],
  [3, exact('ZINCRBY', zsetKey, score, member)],
);

export const sortedSets: fc.Arbitrary<Step> = choose(
  [1, setup],
  [2, generic],
  [12, add],
  [2, exact('OBJECT', 'ENCODING', key)],
  [2, exact('SADD', words('set1', 'set2'), list(member, 1, 6))],
  [3, exact('ZREM', zsetKey, list(member, 1, 4))],
  [1, exact('ZCARD', zsetKey)],
  [3, exact('ZSCORE', zsetKey, member)],
  [2, exact('ZMSCORE', zsetKey, list(member, 1, 4))],
  [3, exact(words('ZPOPMIN', 'ZPOPMAX'), zsetKey, maybe(count))],
  [2, exact('ZMPOP', counted, words('MIN', 'MAX', 'bogus'), maybe(sequence(words('COUNT', 'bogus'), count)))],
  [4, exact('ZCOUNT', zsetKey, bound, bound)],
  [4, exact(words('ZRANGE', 'ZREVRANGE'), zsetKey, index, index, maybe(withScores))],
  [4, exact('ZRANGE', zsetKey, index, index, list(fc.oneof(words('REV', 'WITHSCORES', 'BYSCORE', 'BYLEX'), limit), 0, 3))],
  [4, exact('ZRANGE', zsetKey, bound, bound, 'BYSCORE', list(fc.oneof(words('REV', 'WITHSCORES'), limit), 0, 3))],
  [4, exact(words('ZRANGEBYSCORE', 'ZREVRANGEBYSCORE'), zsetKey, bound, bound, list(fc.oneof(withScores, limit), 0, 2))],
  [2, exact('ZRANGESTORE', zsetKey, zsetKey, bound, bound, 'BYSCORE', list(fc.oneof(words('REV'), limit), 0, 2))],
  [2, exact('ZRANGESTORE', zsetKey, zsetKey, index, index, maybe(words('REV', 'WITHSCORES')))],
  [2, exact('ZREMRANGEBYRANK', zsetKey, index, index)],
  [2, exact('ZREMRANGEBYSCORE', zsetKey, bound, bound)],
  [3, exact(words('ZUNION', 'ZINTER'), counted, algebraOptions, maybe(withScores))],
  [3, exact(words('ZUNION', 'ZINTER'), weightedUnion, maybe(aggregate), maybe(withScores))],
  [3, exact(words('ZUNIONSTORE', 'ZINTERSTORE'), zsetKey, weightedUnion, maybe(aggregate))],
  [2, exact(words('ZUNIONSTORE', 'ZINTERSTORE'), zsetKey, counted, algebraOptions)],
  [2, exact('ZDIFF', counted, maybe(withScores))],
  [2, exact('ZDIFFSTORE', zsetKey, counted)],
  [2, exact('ZINTERCARD', counted, maybe(sequence('LIMIT', words('0', '1', '2', '-1', 'x'))))],
  [1, command('shape', 'ZRANDMEMBER', zsetKey)],
  [2, zscan],
);

/**
 * What may not lose a word: ZRANDMEMBER without its count is random. ZRANK takes WITHSCORE since 7.2, so its arity isn't that of the
 * oracle; its scores are compared as numbers.
 */
export const ranks: fc.Arbitrary<Step> = choose(
  [6, exact('ZADD', key, list(sequence(anyScore, member), 1, 6))],
  [2, command('numbers', 'ZINCRBY', key, anyScore, member)],
  [1, exact('ZRANDMEMBER', zsetKey, words('0', 'x', ''))],
  [2, command('sorted', 'ZRANDMEMBER', zsetKey, '1000')],
  [4, exact(words('ZRANK', 'ZREVRANK'), zsetKey, member)],
  [4, command('numbers', 'ZRANGE', key, '0', '-1', 'WITHSCORES')],
  [2, command('numbers', 'ZSCORE', key, member)],
  [1, command('numbers', 'ZADD', key, 'INCR', anyScore, member)],
);

/** Members of one score, as the order by bytes asks for. */
export const lexical: fc.Arbitrary<Step> = choose(
  [8, exact('ZADD', key, list(sequence('0', member), 1, 30))],
  [2, exact('ZREM', key, list(member, 1, 4))],
  [5, exact('ZRANGEBYLEX', key, lexBound, lexBound, maybe(limit))],
  [5, exact('ZREVRANGEBYLEX', key, lexBound, lexBound, maybe(limit))],
  [4, exact('ZRANGE', key, lexBound, lexBound, 'BYLEX', list(fc.oneof(words('REV', 'WITHSCORES'), limit), 0, 3))],
  [2, exact('ZRANGESTORE', key, key, lexBound, lexBound, 'BYLEX', maybe(limit))],
  [3, exact('ZLEXCOUNT', key, lexBound, lexBound)],
  [2, exact('ZREMRANGEBYLEX', key, lexBound, lexBound)],
  [2, exact('OBJECT', 'ENCODING', key)],
);

/** For words that come by chance, and may be scores that print otherwise since Redis 7.2; ZRANDMEMBER may lose its count. */
export const asNumbers = (steps: fc.Arbitrary<Step>): fc.Arbitrary<Step> =>
  steps.map((step) => {
    if (step.kind !== 'command' || step.compare !== 'exact') return step;
    const isRandom = step.args[0]?.toString('latin1').toLowerCase() === 'zrandmember';
    return { ...step, compare: isRandom ? 'shape' : 'numbers' };
  });
