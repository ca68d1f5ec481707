// What the micro-benchmarks beside the modules share: rounds to warm up, rounds that count, and a line of print for each.

/** Rounds of each measurement; the smoke test asks for a few only. */
export const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 1_000_000);
/** Of all measurements the best of so many repetitions counts: the others met something else that ran. */
const REPETITIONS = 3;

/** Prints nanoseconds for each of the `perRound` operations that `run` does; it's given the number of the round. */
export function measure(name: string, perRound: number, run: (round: number) => void, rounds = ROUNDS): void {
  for (let round = 0; round < rounds / 10; round++) run(round);
  let best = Number.POSITIVE_INFINITY;
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const begin = performance.now();
    for (let round = 0; round < rounds; round++) run(round);
    best = Math.min(best, performance.now() - begin);
  }
  print(name, (best * 1e6) / rounds / perRound, 'ns');
}
export function print(name: string, value: number, unit: string): void {
  console.log(`${name.padEnd(52)} ${value.toFixed(1).padStart(9)} ${unit}`);
}
