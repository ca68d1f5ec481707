/** Nanoseconds of the operations on a packed sequence of 16-byte elements: node scripts/node26.js src/structures/packed.bench.ts */
import { Bank, createBanks } from '../memory/bank.ts';
import * as packed from './packed.ts';

const ELEMENTS = Number(process.env['BENCH_ELEMENTS'] ?? 64);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 200_000);
const bank = new Bank(createBanks(1, 64 * 1048576)[0]!, 0);
const names = Array.from({ length: ELEMENTS }, (_, index) => Buffer.from(`element:${String(index).padStart(8, '0')}`));
const element = new packed.Element();

function measure(name: string, perRound: number, run: () => void): void {
  for (let warm = 0; warm < ROUNDS / 10; warm++) run();
  const begin = process.hrtime.bigint();
  for (let round = 0; round < ROUNDS; round++) run();
  const nanoseconds = Number(process.hrtime.bigint() - begin) / ROUNDS / perRound;
  console.log(`${name.padEnd(34)} ${nanoseconds.toFixed(1)} ns`);
}

function build(): number {
  let ref = packed.create(bank);
  for (const name of names) ref = packed.append(bank, ref, name, 0, name.length);
  return ref;
}

let ref = build();
const middle = names[ELEMENTS >>> 1]!;
measure(`find the middle one of ${ELEMENTS}`, 1, () => {
  packed.find(bank, ref, packed.first(bank, ref), middle, 0, middle.length, 1);
});
measure('walk and read, an element', ELEMENTS, () => {
  for (let at = packed.first(bank, ref); at !== 0; at = packed.next(bank, ref, at)) packed.read(bank, at, element);
});
measure('walk backwards, an element', ELEMENTS, () => {
  for (let at = packed.last(bank, ref); at !== 0; at = packed.previous(bank, ref, at)) packed.read(bank, at, element);
});
measure('replace in place', 1, () => {
  ref = packed.replace(bank, ref, packed.first(bank, ref), middle, 0, middle.length);
});
measure('append and remove the first', 1, () => {
  ref = packed.append(bank, ref, middle, 0, middle.length);
  ref = packed.remove(bank, ref, packed.first(bank, ref), 1);
});
const rounds = Math.max(1, Math.floor(ROUNDS / 50));
const begin = process.hrtime.bigint();
for (let round = 0; round < rounds; round++) packed.free(bank, build());
const each = Number(process.hrtime.bigint() - begin) / rounds / ELEMENTS;
console.log(`${'append from empty, an element'.padEnd(34)} ${each.toFixed(1)} ns`);
