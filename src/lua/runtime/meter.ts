/**
 * What a running script has used: ticks (loop turns and calls) and memory. One thread runs one script at a time, so the meter is
 * the thread's own object, and emitted code counts down its fields in place.
 *
 * Ticks are counted down from a slice; at its end the host's interrupt is asked. Memory is counted up by what was asked for, not
 * by what is still alive; when the count passes a mark, the heap itself is looked at, and collected first when it seems full.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BYTES_PER_LOOK, LOOP_TICKS, meter, SLICE_TICKS } from './counters.ts';
import { LuaError } from './errors.ts';

export { meter };
/** No string may become longer: V8's own limit is 2^29 - 24. */
export const MAX_STRING_BYTES = 2 ** 29 - 32;

/** Ends a script that was killed or ran over its time. No pcall catches it. */
export class ScriptInterrupt extends Error {}

export type Limits = {
  /** Asked at the end of each slice; a text ends the script. */
  readonly interrupt: () => string | null;
  /** SLICE_TICKS, or less where a script is to be ended sooner. */
  readonly sliceTicks: number;
  /** What it may ask for in all, whether it keeps it or not; more ends it. Infinity for no such bound. */
  readonly spendBytes: number;
  /** Ticks until the script is ended, Infinity for none. */
  readonly maxTicks: number;
  readonly memoryBytes: number;
};

const NO_LIMITS: Limits = {
  interrupt: () => null,
  sliceTicks: SLICE_TICKS,
  spendBytes: Number.POSITIVE_INFINITY,
  maxTicks: Number.POSITIVE_INFINITY,
  memoryBytes: Number.POSITIVE_INFINITY,
};
let limits = NO_LIMITS;
let ticksLeft = Number.POSITIVE_INFINITY;

// What the heap holds when no script runs: the least that was seen at the start of a run, since most samples have garbage in them.
// Two windows, so that it can also grow, with the cache of compiled scripts.
const RUNS_PER_SAMPLE = 64;
const SAMPLES_PER_WINDOW = 256;
const idle = {
  runs: 0,
  samples: 0,
  leastBytes: Number.POSITIVE_INFINITY,
  previousLeastBytes: Number.POSITIVE_INFINITY,
};
/** Looks at the heap while no script runs. */
export function sampleIdleHeap(): void {
  if (++idle.samples > SAMPLES_PER_WINDOW) {
    idle.previousLeastBytes = idle.leastBytes;
    idle.leastBytes = Number.POSITIVE_INFINITY;
    idle.samples = 0;
  }
  meter.idleHeapBytes = liveBytes();
  idle.leastBytes = Math.min(idle.leastBytes, meter.idleHeapBytes);
}

/** Before a script runs. */
export function startMeter(given: Limits): void {
  limits = given;
  ticksLeft = given.maxTicks;
  meter.tails = 0;
  meter.allocated = 0;
  meter.ticks = Math.min(given.sliceTicks, ticksLeft);
  meter.allocatedMark = Math.min(BYTES_PER_LOOK, given.spendBytes, Math.max(65_536, given.memoryBytes / 4));
  if (given.memoryBytes !== Number.POSITIVE_INFINITY && ++idle.runs % RUNS_PER_SAMPLE === 0) sampleIdleHeap();
}
export function stopMeter(): void {
  limits = NO_LIMITS;
  ticksLeft = Number.POSITIVE_INFINITY;
}

/** The slice is used up: asks the host whether to go on. */
export function endSlice(): void {
  ticksLeft -= limits.sliceTicks - Math.min(0, meter.ticks);
  meter.ticks = limits.sliceTicks;
  const reason = ticksLeft <= 0 ? 'Script ran over its budget of instructions' : limits.interrupt();
  if (reason !== null) interruptScript(reason);
}
function interruptScript(reason: string): never {
  // Whatever catches the exception must not run on for a whole slice.
  meter.ticks = 0;
  throw new ScriptInterrupt(reason);
}
/** A loop's local counter is used up: it pays for the next LOOP_TICKS turns. */
export function chargeLoop(): void {
  meter.ticks -= LOOP_TICKS;
  if (meter.ticks < 0) endSlice();
}
/** Work of a library function: about one tick for what takes some nanoseconds. */
export function charge(ticks: number): void {
  meter.ticks -= ticks;
  if (meter.ticks < 0) endSlice();
}

export function chargeMemory(bytes: number): void {
  meter.allocated += bytes;
  if (meter.allocated > meter.allocatedMark) lookAtHeap();
}
/** Before one large allocation: refuses what can't fit at all. */
export function reserveMemory(bytes: number): void {
  if (bytes > limits.memoryBytes || bytes > MAX_STRING_BYTES) throw outOfMemory();
  chargeMemory(bytes);
}
export const outOfMemory = (): LuaError => new LuaError('not enough memory');

let collect: (() => void) | null = null;
function collectGarbage(): void {
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
const liveBytes = (): number => {
  const statistics = getHeapStatistics();
  return statistics.used_heap_size + statistics.external_memory;
};

/** The mark was passed: is the script really over its limit, or was most of it garbage? */
function lookAtHeap(): void {
  const { memoryBytes } = limits;
  if (limits.spendBytes !== Number.POSITIVE_INFINITY) interruptScript('Script asked for more memory than it was given');
  meter.allocated = 0;
  if (memoryBytes === Number.POSITIVE_INFINITY) return;
  const baseBytes = Math.min(idle.leastBytes, idle.previousLeastBytes);
  let used = liveBytes() - baseBytes;
  if (used > memoryBytes) {
    collectGarbage();
    used = liveBytes() - baseBytes;
    if (used > memoryBytes) throw outOfMemory();
  }
  // Near the limit a look may mean a collection: it comes again only when a sixteenth of the limit was asked for.
  meter.allocatedMark = Math.min(BYTES_PER_LOOK, Math.max((memoryBytes - used) / 2, memoryBytes / 16));
}
