/** Nanoseconds of the operations on a dict, and its longest steps: node scripts/node26.js src/structures/dict.bench.ts */
import { longestSteps, TestDict } from '../../test/support/dict.ts';
import { measure, print, ROUNDS } from '../../test/support/measure.ts';

const KEYS = Number(process.env['BENCH_KEYS'] ?? 1_000_000);
const MEBIBYTE = 1048576;

const keys = Array.from({ length: KEYS }, (_, index) => Buffer.from(`key:${String(index).padStart(12, '0')}`, 'latin1'));
const missing = keys.map((key) => Buffer.from(`no${key.toString('latin1')}`, 'latin1'));
const table = new TestDict(Math.max(8 * MEBIBYTE, KEYS * 96));

const begin = performance.now();
for (const key of keys) table.add(key);
print(`insert, up to ${KEYS} keys`, ((performance.now() - begin) * 1e6) / KEYS, 'ns');

// A stride that visits all keys out of order, so that the caches don't know them.
const STRIDE = 7919;
measure('find a key that is there', 1, (round) => {
  table.find(keys[(round * STRIDE) % KEYS]!);
});
measure('find one of the same 64 keys', 1, (round) => {
  table.find(keys[(round & 63) % KEYS]!);
});
measure('find a key that is not there', 1, (round) => {
  table.find(missing[(round * STRIDE) % KEYS]!);
});
measure('delete and insert', 2, (round) => {
  const key = keys[(round * STRIDE) % KEYS]!;
  table.delete(key);
  table.add(key);
});
measure(
  `scan, a key of ${KEYS}`,
  KEYS,
  () => {
    let cursor = 0;
    do cursor = table.scanNodes(cursor, () => undefined);
    while (cursor !== 0);
  },
  Math.max(1, Math.floor(ROUNDS / 1_000_000)),
);
const { growUs, shrinkUs } = longestSteps(KEYS, 4);
print(`longest insert of ${KEYS}`, growUs, 'us');
print(`longest removal of ${KEYS}`, shrinkUs, 'us');
