// A thread's load, of threads that work, that sleep, and that have no core to work on.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ThreadLoad } from './thread-load.ts';

const skip = process.platform !== 'linux';

function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

test('a thread that sleeps has no load, and one that works is busy', { skip }, async () => {
  const load = new ThreadLoad();
  assert.equal(load.look(performance.now()), null);
  await sleep(200);
  const asleep = load.look(performance.now());
  assert.ok(asleep !== null && asleep.cpu < 0.5, JSON.stringify(asleep));
  work(200);
  const awake = load.look(performance.now());
  assert.ok(awake !== null && awake.busy > 0.8 && awake.busy < 1.2, JSON.stringify(awake));
  work(200);
  const again = load.look(performance.now());
  assert.ok(again !== null && again.spareCores >= 0 && again.spareCores <= availableParallelism() + 0.2, JSON.stringify(again));
});

test('a thread that has to share a core with others is busy all the same', { skip, timeout: 60_000 }, async () => {
  const code = 'for (const end = performance.now() + 1500; performance.now() < end; );';
  const others = Array.from({ length: availableParallelism() * 3 }, () => new Worker(code, { eval: true }));
  await Promise.all(others.map((other) => new Promise((resolve) => other.once('online', resolve))));
  const load = new ThreadLoad();
  load.look(performance.now());
  work(700);
  const looked = load.look(performance.now());
  work(300);
  const spare = load.look(performance.now())?.spareCores;
  await Promise.all(others.map((other) => other.terminate()));
  assert.ok(looked !== null && looked.busy > 0.8, JSON.stringify(looked));
  assert.ok(looked.cpu < looked.busy - 0.1, JSON.stringify(looked));
  assert.ok(spare !== undefined && spare < 0.5, `${spare} cores are said to be idle`);
});
