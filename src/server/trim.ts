/** Empty pages go back to the system: the free runs of the banks. */
import type { Bank } from '../memory/bank.ts';
import { createAdvise, DONT_NEED } from './madvise.ts';

/** Shorter runs are soon used again; a system call for them costs more than it gives. */
const MIN_PAGES = 16;
const PAGE_BYTES = 16384;
/** Given back by one system call: on virtual machines, where tables of pages are dear, 1 MiB took milliseconds. */
const BYTES_AT_ONCE = 131072;
/** Of one bank in one round: while others free memory as well, a round must end all the same. */
const MAX_RUNS = 4096;

/**
 * A function that gives back what it finds until `deadlineMs` of the clock of performance.now(); true when it has been through all banks.
 * It goes on where it was. Without madvise memory stays with the process, to be used again.
 */
export function createTrimmer(banks: readonly Bank[]): (deadlineMs: number) => boolean {
  const advise = createAdvise(banks);
  if (advise === null) return () => true;
  let index = 0;
  /** A run that was taken out of its bank, and how much of it is given back. */
  let run = 0;
  let done = 0;
  let runs = 0;
  return (deadlineMs) => {
    for (; index < banks.length; index++) {
      const bank = banks[index]!;
      for (;;) {
        if (run === 0 && runs++ < MAX_RUNS) run = bank.takeIdleRun(MIN_PAGES);
        if (run === 0) break;
        const bytes = Math.min(BYTES_AT_ONCE, bank.runPages(run) * PAGE_BYTES - done);
        advise(bank, run * PAGE_BYTES + done, bytes, DONT_NEED);
        done += bytes;
        if (done === bank.runPages(run) * PAGE_BYTES) {
          bank.returnIdleRun(run);
          run = 0;
          done = 0;
        }
        if (performance.now() >= deadlineMs) return false;
      }
      runs = 0;
    }
    index = 0;
    return true;
  };
}
