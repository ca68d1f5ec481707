/**
 * The janitor's thread: ten times a second it deletes keys whose time is over, frees what FLUSHALL detached, gives empty pages back
 * to the system, and notes the LRU clock. It works within a budget of time, one short latch after the other, so it never stands in
 * anybody's way.
 */
import { workerData } from 'node:worker_threads';
import { expireFields } from '../keyspace/expire-fields.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { noteSecond } from '../keyspace/lru-clock.ts';
import { expireSome, freeDetached } from '../keyspace/walk.ts';
import type { ThreadSetup } from './control.ts';
import * as control from './control.ts';
import { createTrimmer } from './trim.ts';

/** At the most a quarter of one core, in slices short enough that the next cycle is on time. */
const BUDGET_MS = 25;
/** While there is memory to free it works about half of the time: deleted values shouldn't hold memory for long. */
const BUSY_PERIOD_MS = 50;
const TRIM_EVERY_MS = 1000;

const setup = workerData as ThreadSetup;
const keyspace = new Keyspace(setup.control, setup.banks);
const words = keyspace.control;
const clock = new Int32Array(setup.lruClock);
const stats = new Float64Array(setup.stats, setup.index * control.STAT_WORDS * 8, control.STAT_WORDS);
const trim = createTrimmer(keyspace.banks);

let trimmedMs = Date.now();
let periodMs = 100;
for (const [name, value] of setup.config) if (name === 'hz') periodMs = 1000 / Number(value);

while (Atomics.load(words, layout.GLOBAL_STOP) === 0) {
  const begin = Date.now();
  noteSecond(clock, Atomics.load(words, layout.GLOBAL_LRU_STAMP), Math.floor(begin / 1000));
  if (words[layout.GLOBAL_ACTIVE_EXPIRE] === 1) {
    expireSome(keyspace, begin + BUDGET_MS);
    expireFields(keyspace, begin + BUDGET_MS);
  }
  const isAllFree = freeDetached(keyspace, begin + 2 * BUDGET_MS);
  stats[control.STAT_EXPIRED] = keyspace.expired;
  if (begin - trimmedMs >= TRIM_EVERY_MS) {
    trimmedMs = begin;
    trim();
  }
  const pauseMs = isAllFree ? periodMs : Math.min(periodMs, BUSY_PERIOD_MS);
  Atomics.wait(words, layout.GLOBAL_STOP, 0, Math.max(1, pauseMs - (Date.now() - begin)));
}
setup.port.close();
if (Atomics.load(words, layout.GLOBAL_STOP) === layout.STOP_BY_PANIC) throw new Error('crashed by DEBUG PANIC');
