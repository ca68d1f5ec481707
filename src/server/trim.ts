/** Empty pages go back to the system: the free runs of the banks. */
import type { Bank } from '../memory/bank.ts';
import { createAdvise, DONT_NEED } from './madvise.ts';

/** Shorter runs are soon used again; a system call for them costs more than it gives. */
const MIN_PAGES = 16;
const PAGE_BYTES = 16384;
/** Runs given back in one call, so that the janitor's other duties aren't late. */
const MAX_RUNS = 256;

/** A function that gives back what it finds, and returns the bytes. Without madvise memory stays with the process, to be used again. */
export function createTrimmer(banks: readonly Bank[]): () => number {
  const advise = createAdvise(banks);
  if (advise === null) return () => 0;
  return () => {
    let given = 0;
    let runs = 0;
    for (const bank of banks) {
      for (; runs < MAX_RUNS; runs++) {
        const page = bank.takeIdleRun(MIN_PAGES);
        if (page === 0) break;
        const bytes = bank.runPages(page) * PAGE_BYTES;
        advise(bank, page * PAGE_BYTES, bytes, DONT_NEED);
        bank.returnIdleRun(page);
        given += bytes;
      }
    }
    return given;
  };
}
