// Seeds for tests by chance: `FERRITE_SEED=<seed>` runs a failure again, and every use prints its seed.
import type { TestContext } from 'node:test';
import type { Parameters } from 'fast-check';

export const SEED = Number(process.env['FERRITE_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));
export const LONG = process.env['FERRITE_LONG'] === '1';

/** What fast-check gets: the seed, and ten times the runs for `npm run test:long`. fast-check prints the seed on a failure. */
export function chance(numRuns: number): Parameters<unknown> {
  return { seed: SEED, numRuns: LONG ? numRuns * 10 : numRuns };
}

export function sayShownSeed(context: TestContext, seed = SEED): number {
  context.diagnostic(`FERRITE_SEED=${seed}`);
  return seed;
}

/** Numbers that look random and depend on the seed alone: xorshift32 (G. Marsaglia, "Xorshift RNGs", 2003). */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed | 0 || 1;
  }
  /** An unsigned 32-bit number. */
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
}
