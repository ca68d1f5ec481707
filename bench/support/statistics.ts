// The few figures that samples are reduced to.

/** NaN for no values. Doesn't change what it's given. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export type Latencies = {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly p9999Ms: number;
  readonly maxMs: number;
};

/** Nearest-rank percentiles. Sorts the samples in place. */
export function latencies(milliseconds: Float64Array): Latencies {
  milliseconds.sort();
  const at = (share: number): number => milliseconds[Math.max(0, Math.ceil(share * milliseconds.length) - 1)] ?? Number.NaN;
  return { samples: milliseconds.length, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), p9999Ms: at(0.9999), maxMs: at(1) };
}
