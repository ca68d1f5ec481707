/** A thread of bank.test.ts's stress: allocates and frees in a bank that others use as well, each block full of words of its own. */
import { Random } from '../../test/support/seed.ts';
import { stressThread } from '../../test/support/workers.ts';
import { Bank } from './bank.ts';

export type BankStress = { readonly buffer: SharedArrayBuffer; readonly seed: number; readonly rounds: number };
/** `keptWords`: in the blocks that the thread left alive; `torn`: blocks that somebody else wrote into. */
export type BankStressResult = { readonly keptWords: number; readonly torn: number; readonly refused: number };

const MAX_LIVE = 400;

stressThread<BankStress, BankStressResult>(({ data, index }) => {
  const bank = new Bank(data.buffer, 0);
  const random = new Random(data.seed + index * 7919);
  const live: { ref: number; words: number; mark: number }[] = [];
  let torn = 0;
  let refused = 0;
  for (let round = 0; round < data.rounds; round++) {
    if (live.length < MAX_LIVE && random.below(5) < 3) {
      const words = random.below(20) === 0 ? 2000 + random.below(20_000) : 1 + random.below(200);
      const ref = bank.alloc(words);
      if (ref === 0) {
        refused++;
        continue;
      }
      const mark = (index << 24) | (round & 0xffffff);
      bank.i32.fill(mark, ref, ref + words);
      live.push({ ref, words, mark });
    } else if (live.length > 0) {
      const [block] = live.splice(random.below(live.length), 1);
      if (!isWhole(bank, block!)) torn++;
      bank.free(block!.ref);
    }
    if (round % 2000 === 1999) trimOne(bank);
  }
  let keptWords = 0;
  for (const block of live) {
    if (!isWhole(bank, block)) torn++;
    keptWords += bank.sizeWords(block.ref);
  }
  return { keptWords, torn, refused };
});

function isWhole(bank: Bank, block: { ref: number; words: number; mark: number }): boolean {
  for (let at = block.ref; at < block.ref + block.words; at++) if (bank.i32[at] !== block.mark) return false;
  return true;
}
/** As the janitor does it, with a pause in which the run is nobody else's. */
function trimOne(bank: Bank): void {
  const run = bank.takeIdleRun(1);
  if (run === 0) return;
  bank.i32.fill(-1, run << 12, (run + bank.runPages(run)) << 12);
  bank.returnIdleRun(run);
}
