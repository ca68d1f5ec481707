/** Nanoseconds of the allocator, alone and beside other blocks: node scripts/node26.js src/memory/bank.bench.ts */
import { measure } from '../../test/support/measure.ts';
import { Bank, createBanks } from './bank.ts';

const MEBIBYTE = 1048576;
const LIVE = 4096;
const bank = new Bank(createBanks(1, 1024 * MEBIBYTE)[0]!, 0, new Int32Array(1), 0);

for (const words of [8, 16, 64, 300, 1500]) {
  measure(`alloc and free, ${words} words`, 2, () => {
    bank.free(bank.alloc(words));
  });
}
for (const words of [5000, 50_000]) {
  measure(`alloc and free, ${words} words (a run of pages)`, 2, () => {
    bank.free(bank.alloc(words));
  });
}

// A ring of live blocks of sizes as a database has them: each round frees the oldest and takes a new one.
const ring = new Int32Array(LIVE);
const sizes = Array.from({ length: LIVE }, (_, index) => 6 + ((index * 7) % 60) + (index % 64 === 0 ? 1000 : 0));
for (let index = 0; index < LIVE; index++) ring[index] = bank.alloc(sizes[index]!);
measure(`free and alloc, mixed sizes beside ${LIVE} others`, 2, (round) => {
  const at = round % LIVE;
  bank.free(ring[at]!);
  ring[at] = bank.alloc(sizes[(round * 31) % LIVE]!);
});
measure('size of a block', 1, (round) => {
  bank.sizeWords(ring[round % LIVE]!);
});
bank.check();
