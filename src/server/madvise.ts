/** madvise(2) on memory of the banks, where node:ffi can reach it. */
import { loadFfi } from '../base/ffi.ts';
import type { Bank } from '../memory/bank.ts';

export const DONT_NEED = 4;
export const POPULATE_WRITE = 23;

/** Advises the system on bytes[start, start + length) of a bank, in multiples of 16 KiB. Advice that it doesn't know does nothing. */
export type Advise = (bank: Bank, start: number, length: number, advice: number) => void;

/** Null on other systems than Linux, and in an older Node, or one without ffi. */
export function createAdvise(banks: readonly Bank[]): Advise | null {
  if (process.platform !== 'linux') return null;
  try {
    const ffi = loadFfi();
    const { functions } = ffi.dlopen(null, { madvise: { arguments: ['pointer', 'u64', 'i32'], return: 'i32' } });
    const addresses = banks.map((bank) => ffi.getRawPointer(bank.u8));
    return (bank, start, length, advice) => {
      functions.madvise((addresses[bank.index] as bigint) + BigInt(start), BigInt(length), advice);
    };
  } catch {
    return null;
  }
}
