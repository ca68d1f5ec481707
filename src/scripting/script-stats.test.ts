import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bucketOf,
  type Counted,
  createScriptStats,
  FUNCTION,
  middleOf,
  percentileOf,
  SCRIPT,
  ScriptStats,
  ScriptStatsReader,
} from './script-stats.ts';

const script = (name: string, kind = SCRIPT): Counted => ({ name, kind, row: 0 });

test('buckets follow one another, and none is wider than an eighth of what it holds', () => {
  let last = 0;
  for (let units = 0; units < 100_000; units++) {
    const bucket = bucketOf(units);
    assert.ok(bucket === last || bucket === last + 1, `${units}`);
    assert.ok(Math.abs(middleOf(bucket) - units) <= Math.max(0.5, units / 8), `${units}: ${middleOf(bucket)}`);
    last = bucket;
  }
  assert.ok(bucketOf(0x7fffffff) < 128);
});

test('figures of a script are summed over threads, and a function of the same name is another', () => {
  const buffer = createScriptStats(3);
  const reader = new ScriptStatsReader(buffer);
  for (let writer = 0; writer < 3; writer++) {
    const stats = new ScriptStats(buffer, writer);
    const one = script('f'.repeat(40));
    const other = script('f'.repeat(40), FUNCTION);
    stats.start();
    for (let run = 1; run <= 10; run++) {
      stats.begin(one, run);
      if (run === 3) stats.conflict(one);
      stats.end(one, run % 2 === 0, run % 5 === 0);
    }
    stats.begin(other, 11);
    assert.deepEqual(reader.running(writer), { kind: FUNCTION, name: other.name });
    stats.end(other, false, false);
    assert.equal(reader.running(writer), null);
  }
  const [found, ...rest] = reader.read().filter(({ kind }) => kind === SCRIPT);
  assert.equal(rest.length, 0);
  assert.ok(found !== undefined);
  assert.deepEqual([found.runs, found.errors, found.rollbacks, found.conflicts], [30, 15, 6, 3]);
  assert.ok(percentileOf(found, 0.5) <= percentileOf(found, 0.99) && percentileOf(found, 0.99) <= found.max);
  assert.equal(reader.read().find(({ kind }) => kind === FUNCTION)?.runs, 3);
  reader.reset();
  assert.deepEqual(reader.read(), []);
});

test('percentiles of known times', () => {
  const histogram = new Float64Array(128);
  histogram[bucketOf(80)] = 90;
  histogram[bucketOf(8000)] = 10;
  const figures = { name: '', kind: SCRIPT, runs: 100, errors: 0, rollbacks: 0, conflicts: 0, micros: 0, max: 1000, histogram };
  assert.ok(Math.abs(percentileOf(figures, 0.5) - 10) < 1.3);
  assert.ok(Math.abs(percentileOf(figures, 0.99) - 1000) < 125);
});

test('more scripts than rows: the sums stay, and those in use keep their rows', () => {
  const buffer = createScriptStats(1);
  const stats = new ScriptStats(buffer, 0);
  const reader = new ScriptStatsReader(buffer);
  const hot = script('hot', FUNCTION);
  let run = 0;
  const runOnce = (counted: Counted): void => {
    stats.begin(counted, ++run);
    stats.end(counted, false, false);
  };
  stats.start();
  for (let index = 0; index < 5000; index++) {
    runOnce(script(`once ${index}`));
    runOnce(hot);
  }
  const all = reader.read();
  assert.equal(all.length, 1024);
  assert.equal(
    all.reduce((sum, { runs }) => sum + runs, 0),
    10_000,
  );
  assert.equal(all.find(({ name }) => name === 'hot')?.runs, 5000);
  assert.equal(all.at(-1)?.kind, 0);
  // A script that lost its row and comes again is counted anew.
  const again = script('once 1');
  runOnce(again);
  assert.equal(reader.read().find(({ name }) => name === 'once 1')?.runs, 1);
});

test('the request of a run, as far as there is room for it', () => {
  const buffer = createScriptStats(2);
  const stats = new ScriptStats(buffer, 1);
  const reader = new ScriptStatsReader(buffer);
  const words = ['FCALL', 'f', '\xff\x00', 'x'.repeat(5000), ...new Array<string>(100).fill('y')];
  stats.describe(7, words.length, (index) => words[index] as string);
  assert.equal(reader.description(1, 6), null);
  assert.equal(reader.description(0, 7), null);
  const found = reader.description(1, 7);
  assert.equal(found?.length, 64);
  assert.deepEqual(found?.slice(0, 3), words.slice(0, 3));
  assert.match(found?.[3] ?? '', /^x{3000,5000}$/);
});
