/**
 * Calls, time and latencies of every command and the counts of errors by their code, kept by each thread in its own part of one
 * shared block (one writer a word), and summed by INFO commandstats, errorstats and LATENCY HISTOGRAM.
 *
 *   thread: [command: calls, microseconds, rejected, failed, 32 buckets] x commands, then one count for each of ERROR_CODES
 *   bucket b: calls that took at most 2^b microseconds, as Redis prints its histograms
 */
import { COMMANDS } from '../commands/lookup.ts';

export const BUCKETS = 32;
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
  'NOPROTO',
  'OOM',
  'NOSCRIPT',
  'BUSY',
  'EXECABORT',
  'MISCONF',
  'UNKILLABLE',
  'NOTBUSY',
  'BUSYKEY',
  'NOPERM',
  'CROSSSLOT',
  'READONLY',
  'NOREPLICAS',
  'BUSYGROUP',
  'NOGROUP',
  'OTHER',
] as const;
const THREAD_WORDS = COMMANDS.length * COMMAND_WORDS + ERROR_CODES.length;

/** The block for so many threads. */
export function createCommandStats(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(THREAD_WORDS * threads * 8);
}

export type CommandTotal = { calls: number; micros: number; rejected: number; failed: number; buckets: number[] };

export class CommandStats {
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
    const bucket = micros <= 1 ? 0 : 32 - Math.clz32(Math.ceil(micros) - 1);
    own[at + FIRST_BUCKET + Math.min(bucket, BUCKETS - 1)]!++;
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
  /** Forgets this thread's part: of one command, or of all. */
  reset(): void {
    this.own.fill(0);
  }

  /** The sums over all threads for one command. */
  total(command: number): CommandTotal {
    const sum = (word: number): number => this.sum(command * COMMAND_WORDS + word);
    return {
      calls: sum(CALLS),
      micros: sum(MICROS),
      rejected: sum(REJECTED),
      failed: sum(FAILED),
      buckets: Array.from({ length: BUCKETS }, (_, bucket) => sum(FIRST_BUCKET + bucket)),
    };
  }
  /** Pairs of an error's code and its count, without those that never came. */
  errors(): [string, number][] {
    const base = COMMANDS.length * COMMAND_WORDS;
    return ERROR_CODES.map((code, index): [string, number] => [code, this.sum(base + index)]).filter(([, count]) => count > 0);
  }
  private sum(word: number): number {
    let total = 0;
    for (let at = word; at < this.all.length; at += THREAD_WORDS) total += this.all[at]!;
    return total;
  }
}

/** The microseconds within which a share (0 to 1) of the calls stayed: the upper edge of its bucket. */
export function percentile(total: CommandTotal, share: number): number {
  let left = total.calls * share;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    left -= total.buckets[bucket] as number;
    if (left <= 0) return 2 ** bucket;
  }
  return 2 ** (BUCKETS - 1);
}
