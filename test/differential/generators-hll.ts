// Random commands on HyperLogLogs, none of them corrupt: redis-server 7.0 ends when it's asked about such ones; the strings
// themselves are compared too. Bursts make them cross hll-sparse-max-bytes.
import fc from 'fast-check';
import { choose, exact, list, type Part, type Step, weighted, words } from './parts.ts';

const key = words('a', 'b', 'c', '{t}x');
const element: fc.Arbitrary<Part> = weighted(
  [4, words('', 'a', 'foo', '1', '2')],
  [4, fc.nat(1000).map((n) => `element:${n}`)],
  [2, fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))],
);
const burst: fc.Arbitrary<Part> = fc
  .tuple(fc.nat(100_000), fc.integer({ min: 100, max: 2000 }))
  .map(([from, count]): Part => Array.from({ length: count }, (_, at) => String(from + at)));

export const sketches: fc.Arbitrary<Step> = choose(
  [8, exact('PFADD', key, list(element, 0, 20))],
  [1, exact('PFADD', key, burst)],
  [6, exact('PFCOUNT', list(key, 1, 3))],
  [4, exact('PFMERGE', key, list(key, 0, 3))],
  [5, exact('GET', key)],
  [1, exact('PFDEBUG', words('ENCODING', 'ENCODING', 'DECODE', 'TODENSE', 'GETREG'), key)],
  [1, exact('SET', key, words('no sketch', 'HYLL', 'HYLL\x02'))],
  [1, exact('DEL', key)],
  [1, exact('RPUSH', 'c', 'x')],
  [1, exact('STRLEN', key)],
  [1, exact('OBJECT', 'ENCODING', words('a', 'b'))],
);
