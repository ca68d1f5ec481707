/**
 * The janitor's thread: ten times a second it deletes keys whose time is over, frees what FLUSHALL detached, gives empty pages back
 * to the system, and notes the LRU clock. It works within a budget of time, in slices of less than a millisecond, one short latch after the
 * other, so it never stands in anybody's way.
 */
import { workerData } from 'node:worker_threads';
import { EffectLog } from '../keyspace/effect-log.ts';
import { expireFields } from '../keyspace/expire-fields.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { noteSecond } from '../keyspace/lru-clock.ts';
import { expireSome, freeDetached } from '../keyspace/walk.ts';
import { RingProducer } from '../memory/byte-ring.ts';
import { HandOver } from '../persistence/snapshot.ts';
import type { ThreadSetup } from './control.ts';
import * as control from './control.ts';
import { Rates } from './rates.ts';
import { Slices } from './slices.ts';
import { createTrimmer } from './trim.ts';

/** For each of its duties: so the next cycle is on time. */
const BUDGET_MS = 25;
/** While there is memory to free it works about half of the time: deleted values shouldn't hold memory for long. */
const BUSY_PERIOD_MS = 50;
const TRIM_EVERY_MS = 1000;
/** Enough for all of a bank: what is on its way back to the system isn't there for those who need memory. */
const TRIM_BUDGET_MS = 250;
const MAX_HZ = 500;

const setup = workerData as ThreadSetup;
const keyspace = new Keyspace(setup.control, setup.banks);
const words = keyspace.control;
keyspace.log = new EffectLog(words, setup.logRing, setup.index, setup.logPort);
keyspace.snapshot = new HandOver(new RingProducer(setup.snapshotRing, setup.index, setup.snapshotPort));
const clock = new Int32Array(setup.lruClock);
const stats = new Float64Array(setup.stats, setup.index * control.STAT_WORDS * 8, control.STAT_WORDS);
const trim = createTrimmer(keyspace.banks);
const slices = new Slices(words, layout.GLOBAL_STOP);
const allStats = new Float64Array(setup.stats);
const rates = new Rates();

/** INFO's figures that need a look now and then: rates, and the most memory that was used. */
function measure(nowMs: number): void {
  const [operations, input, output] = rates.look(nowMs, [
    control.totalOf(allStats, control.STAT_COMMANDS),
    control.totalOf(allStats, control.STAT_INPUT_BYTES),
    control.totalOf(allStats, control.STAT_OUTPUT_BYTES),
  ]) as [number, number, number];
  stats[control.STAT_OPS_PER_SECOND] = Math.round(operations);
  stats[control.STAT_INPUT_KBPS] = input / 1024;
  stats[control.STAT_OUTPUT_KBPS] = output / 1024;
  stats[control.STAT_PEAK_BYTES] = Math.max(stats[control.STAT_PEAK_BYTES] as number, keyspace.usedBytes());
  // Added and not stored: CONFIG RESETSTAT sets the word back.
  stats[control.STAT_EXPIRED]! += keyspace.expired;
  keyspace.expired = 0;
  stats[control.STAT_LONGEST_SLICE_US] = Math.max(stats[control.STAT_LONGEST_SLICE_US] as number, slices.longestMicros);
  slices.longestMicros = 0;
}

let trimmedMs = Date.now();

while (Atomics.load(words, layout.GLOBAL_STOP) === 0) {
  const begin = Date.now();
  noteSecond(clock, Atomics.load(words, layout.GLOBAL_LRU_STAMP), Math.floor(begin / 1000));
  if (words[layout.GLOBAL_ACTIVE_EXPIRE] === 1) {
    slices.run(BUDGET_MS, (deadlineMs) => expireSome(keyspace, deadlineMs) && expireFields(keyspace, deadlineMs));
  }
  keyspace.log.publish();
  const isAllFree = slices.run(BUDGET_MS, (deadlineMs) => freeDetached(keyspace, deadlineMs));
  measure(begin);
  if (begin - trimmedMs >= TRIM_EVERY_MS && slices.run(TRIM_BUDGET_MS, trim)) trimmedMs = begin;
  const periodMs = 1000 / Math.min(MAX_HZ, Math.max(1, Atomics.load(words, layout.GLOBAL_HZ)));
  const pauseMs = isAllFree ? periodMs : Math.min(periodMs, BUSY_PERIOD_MS);
  Atomics.wait(words, layout.GLOBAL_STOP, 0, Math.max(1, pauseMs - (Date.now() - begin)));
}
setup.port.close();
if (Atomics.load(words, layout.GLOBAL_STOP) === layout.STOP_BY_PANIC) throw new Error('crashed by DEBUG PANIC');
