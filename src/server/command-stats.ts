/**
 * Calls, time and latencies of every command and the counts of errors by their code, kept by each thread in its own part of one
 * shared block (one writer a word), and summed by INFO commandstats, errorstats, latencystats and LATENCY HISTOGRAM.
 *
 *   thread: [command: calls, microseconds, rejected, failed, 512 buckets] x commands, then one count for each of ERROR_CODES
 *
 * Buckets are log-linear: one for each microsecond below 64, and from there 32 for each doubling (so within 3%), up to 2^20 - 1, where
 * Redis's own histogram ends too, at one second. What a command never reaches is memory that is never touched.
 */
import { COMMANDS } from '../commands/lookup.ts';
import type { CommandTotal, CommandTotals } from '../commands/services.ts';

const LINEAR = 64;
const HALF = LINEAR / 2;
export const BUCKETS = 512;
const MAX_MICROS = 2 ** 20 - 1;
const CALLS = 0;
const MICROS = 1;
const REJECTED = 2;
const FAILED = 3;
const FIRST_BUCKET = 4;
const COMMAND_WORDS = FIRST_BUCKET + BUCKETS;
/** What an error reply may begin with; anything else is counted as the last. */
const ERROR_CODES = [
  'ERR',
  'WRONGTYPE',
  'NOAUTH',
  'WRONGPASS',
  'NOPERM',
  'NOPROTO',
  'OOM',
  'NOSCRIPT',
  'BUSY',
  'EXECABORT',
  'MISCONF',
  'UNKILLABLE',
  'NOTBUSY',
  'BUSYKEY',
  'BUSYGROUP',
  'NOGROUP',
  'INVALIDOBJ',
  'LOADING',
  'READONLY',
  'NOREPLICAS',
  'MASTERDOWN',
  'MOVED',
  'ASK',
  'CROSSSLOT',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'UNBLOCKED',
  'OTHER',
] as const;
const THREAD_WORDS = COMMANDS.length * COMMAND_WORDS + ERROR_CODES.length;

/** The block for so many threads. */
export function createCommandStats(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(THREAD_WORDS * threads * 8);
}

function bucketOf(micros: number): number {
  if (micros < LINEAR) return micros;
  const shift = 26 - Math.clz32(micros);
  return HALF * shift + (micros >>> shift);
}
function lowestOf(bucket: number): number {
  if (bucket < LINEAR) return bucket;
  const shift = (bucket >>> 5) - 1;
  return (bucket - HALF * shift) << shift;
}
function highestOf(bucket: number): number {
  return bucket === BUCKETS - 1 ? MAX_MICROS : lowestOf(bucket + 1) - 1;
}

export class CommandStats implements CommandTotals {
  /** `latency-tracking`: without it only calls and time are counted. */
  tracksLatency = true;
  private readonly all: Float64Array;
  private readonly own: Float64Array;

  constructor(shared: SharedArrayBuffer, thread: number) {
    this.all = new Float64Array(shared);
    this.own = new Float64Array(shared, thread * THREAD_WORDS * 8, THREAD_WORDS);
  }

  /** A command ran; `micros` is what it took. */
  ran(command: number, micros: number): void {
    const { own } = this;
    const at = command * COMMAND_WORDS;
    own[at + CALLS]!++;
    own[at + MICROS]! += micros;
    if (this.tracksLatency) own[at + FIRST_BUCKET + bucketOf(micros < MAX_MICROS ? micros | 0 : MAX_MICROS)]!++;
  }
  /** It replied an error, from its handler (failed) or before it (rejected). */
  erred(command: number, error: string, wasRejected: boolean): void {
    this.own[command * COMMAND_WORDS + (wasRejected ? REJECTED : FAILED)]!++;
    this.countError(error);
  }
  countError(error: string): void {
    const space = error.indexOf(' ');
    const code = ERROR_CODES.findIndex((each) => each === (space < 0 ? error : error.slice(0, space)));
    this.own[COMMANDS.length * COMMAND_WORDS + (code < 0 ? ERROR_CODES.length - 1 : code)]!++;
  }
  /** Forgets this thread's part. */
  reset(): void {
    this.own.fill(0);
  }

  /** The sums over all threads for one command. */
  total(command: number): CommandTotal {
    const at = command * COMMAND_WORDS;
    const buckets = new Float64Array(BUCKETS);
    const total = { calls: this.sum(at + CALLS), micros: 0, rejected: this.sum(at + REJECTED), failed: this.sum(at + FAILED), buckets };
    if (total.calls === 0) return total;
    total.micros = Math.round(this.sum(at + MICROS));
    for (let bucket = 0; bucket < BUCKETS; bucket++) buckets[bucket] = this.sum(at + FIRST_BUCKET + bucket);
    return total;
  }
  /** Pairs of an error's code and its count, without those that never came. */
  errors(): [string, number][] {
    const base = COMMANDS.length * COMMAND_WORDS;
    return ERROR_CODES.map((code, index): [string, number] => [code, this.sum(base + index)]).filter(([, count]) => count > 0);
  }
  /**
   * LATENCY HISTOGRAM's pairs of microseconds and the calls that took at most so long: doubling steps of 1.024 us, widened by the 1/128th
   * that Redis's histogram can't tell apart, so that the numbers are the same as Redis's.
   */
  histogram(total: CommandTotal): [micros: number, calls: number][] {
    const pairs: [number, number][] = [];
    let sum = 0;
    let bucket = 0;
    for (let step = 0; step <= 20; step++) {
      const limit = step === 20 ? 1073741 : Math.floor((1032 * 2 ** step - 1) / 1000);
      const before = sum;
      for (; bucket < BUCKETS && lowestOf(bucket) <= limit; bucket++) sum += total.buckets[bucket] as number;
      if (sum > before) pairs.push([limit, sum]);
    }
    return pairs;
  }
  private sum(word: number): number {
    let total = 0;
    for (let at = word; at < this.all.length; at += THREAD_WORDS) total += this.all[at]!;
    return total;
  }
}

/** Redis keeps latencies in nanoseconds to two digits: the largest that it can't tell from so many microseconds. */
function indistinct(micros: number): number {
  const nanoseconds = Math.max(1, micros * 1000);
  const unit = 2 ** Math.max(0, 31 - Math.clz32(nanoseconds | 255) - 7);
  return (Math.floor(nanoseconds / unit) * unit + unit - 1) / 1000;
}

/** The microseconds within which a share (0 to 1) of the calls stayed. */
export function percentile(total: CommandTotal, share: number): number {
  const calls = total.buckets.reduce((sum, count) => sum + count, 0);
  let left = Math.max(1, Math.floor(calls * share + 0.5));
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    left -= total.buckets[bucket] as number;
    if (left <= 0) return indistinct(highestOf(bucket));
  }
  return indistinct(MAX_MICROS);
}
