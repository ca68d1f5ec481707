// Nanoseconds an operation and bytes a member, for a set of a million: node scripts/node26.js src/structures/sorted-set.bench.ts
import { Bank, createBanks } from '../memory/bank.ts';
import * as zset from './sorted-set.ts';

const SEED = 12345;
const COUNT = Number(process.env['BENCH_KEYS'] ?? 1_000_000);
const bank = new Bank(createBanks(1, 1024 * 1048576)[0] as SharedArrayBuffer, 0);
const set = zset.create(bank, SEED);
const name = Buffer.alloc(16);
const out = new Int32Array(10);

function measure(what: string, work: (index: number) => void): void {
  const begin = performance.now();
  for (let index = 0; index < COUNT; index++) work(index);
  console.log(`${what.padEnd(24)} ${(((performance.now() - begin) * 1e6) / COUNT).toFixed(0)} ns`);
}
/** A permutation of the members: neighbours in time are no neighbours in order. */
const scatter = (index: number): number => (index * 7919) % COUNT;
function member(index: number): number {
  return name.latin1Write(`member:${scatter(index)}`);
}

measure('add', (index) => zset.add(bank, set, name, 0, member(index), scatter(index) / 2));
console.log(`${'bytes a member'.padEnd(24)} ${((bank.usedWords() * 4) / COUNT).toFixed(1)} bytes`);
measure('find', (index) => zset.find(bank, set, name, 0, member(index)));
measure('rank', (index) => zset.rank(bank, set, zset.find(bank, set, name, 0, member(index))));
measure('collect 10', (index) => zset.collect(bank, set, scatter(index), 10, false, out));
measure('setScore', (index) => zset.setScore(bank, set, zset.find(bank, set, name, 0, member(index)), index));
zset.check(bank, set);
measure('remove', (index) => zset.remove(bank, set, zset.find(bank, set, name, 0, member(index))));
