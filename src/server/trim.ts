/** Empty pages go back to the system: madvise(2) on the free runs of the banks, where node:ffi can reach it. */
import { createRequire } from 'node:module';
import type { Bank } from '../memory/bank.ts';

const MADV_DONTNEED = 4;
/** Shorter runs are soon used again; a system call for them costs more than it gives. */
const MIN_PAGES = 16;
const PAGE_BYTES = 16384;
/** Runs given back in one call, so that the janitor's other duties aren't late. */
const MAX_RUNS = 256;

type Madvise = (address: bigint, bytes: number, advice: number) => number;

/** A function that gives back what it finds, and returns the bytes. Does nothing on other systems than Linux. */
export function createTrimmer(banks: readonly Bank[]): () => number {
  if (process.platform !== 'linux') return () => 0;
  let addresses: bigint[];
  let madvise: Madvise;
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as typeof import('node:ffi');
    const { functions } = ffi.dlopen(null, { madvise: { arguments: ['pointer', 'u64', 'i32'], return: 'i32' } });
    madvise = (address, bytes, advice) => Number(functions.madvise(address, BigInt(bytes), advice));
    addresses = banks.map((bank) => ffi.getRawPointer(bank.u8));
  } catch {
    // An older Node, or one without ffi: memory stays with the process, to be used again.
    return () => 0;
  }
  return () => {
    let given = 0;
    let runs = 0;
    for (const bank of banks) {
      for (; runs < MAX_RUNS; runs++) {
        const page = bank.takeIdleRun(MIN_PAGES);
        if (page === 0) break;
        const bytes = bank.runPages(page) * PAGE_BYTES;
        madvise((addresses[bank.index] as bigint) + BigInt(page * PAGE_BYTES), bytes, MADV_DONTNEED);
        bank.returnIdleRun(page);
        given += bytes;
      }
    }
    return given;
  };
}
