// The benchmark still runs: every suite for a moment, with next to no data. The figures mean nothing here; that there are some does.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Report } from '../bench/support/report.ts';
import { installed } from './support/server.ts';
import { ROOT } from './support/tree.ts';

const SMALLEST = ['--json', '--quick', '--rounds', '1', '--seconds', '0.02', '--scale', '0.0001'];
const HAS_GENERATOR = installed('redis-benchmark');
const HAS_REDIS = installed('redis-server');
/** The status of a benchmark that was called wrongly, or whose server can't do yet what the suite measures. */
const CANNOT_RUN = 2;
/** A benchmark that waits for something that never comes is ended, and its progress is the failure's message. */
const DEADLINE_MS = 120_000;

type Ended = { status: number | null; stdout: string; stderr: string };

/** Runs the benchmark with its own folder for temporary files, and checks that it leaves nothing in it. */
async function bench(out: string, ...args: string[]): Promise<Ended> {
  const temporary = mkdtempSync(path.join(tmpdir(), 'ferrite-bench-test-'));
  const child = spawn(process.execPath, [path.join(ROOT, 'bench/main.ts'), ...args, '--out', out], {
    env: { ...process.env, TMPDIR: temporary, NODE_TEST_CONTEXT: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGTERM'), DEADLINE_MS);
  const ended: Ended = { status: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text: Buffer) => {
    ended.stdout += text.toString();
  });
  child.stderr.on('data', (text: Buffer) => {
    ended.stderr += text.toString();
  });
  ended.status = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  const left = readdirSync(temporary);
  rmSync(temporary, { recursive: true, force: true });
  assert.deepEqual(left, [], 'temporary folders are removed');
  return ended;
}

function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'ferrite-bench-test-'));
  return run(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
}

/** Runs the suite for Ferrite; where Ferrite can't yet, it must say so, and the suite itself is tried on Redis alone. */
async function smoke(t: TestContext, suite: string): Promise<void> {
  await inFolder(async (out) => {
    let ended = await bench(out, suite, ...SMALLEST);
    if (ended.status === CANNOT_RUN) {
      assert.match(ended.stderr, new RegExp(`the suite '${suite}' can't run: ferrite (doesn't know|writes no log)`));
      t.diagnostic(`Ferrite can't run '${suite}' yet: ${ended.stderr.trim().split('\n').at(-1)}`);
      if (!HAS_REDIS) return t.skip('and redis-server, to try the suite on, is not installed');
      ended = await bench(out, suite, ...SMALLEST, '--subject', 'redis-server');
    }
    assert.equal(ended.status, 0, ended.stderr);
    const report = JSON.parse(ended.stdout) as Report;
    assert.equal(report.suite, suite);
    assert.ok(report.measurements.every((row) => row.median.perSecond > 0 && row.median.cpuMicroseconds >= 0));
    assert.ok(report.tables.every((table) => table.rows.length > 0 && table.rows.every((row) => row.length === table.columns.length)));
    if (HAS_REDIS) {
      const missing = report.bars.filter((bar) => bar.verdict === 'not measured').map((bar) => bar.what);
      // A resolution of 10 ms gives no CPU time in so short a run, and a ratio to nothing isn't one.
      assert.deepEqual(
        missing.filter((what) => !what.includes('CPU')),
        [],
      );
    }
    const files = readdirSync(out).sort();
    assert.deepEqual(files, [`tmp-${report.date}-${suite}.json`, `tmp-${report.date}-${suite}.md`]);
  });
}

const skip = !HAS_GENERATOR ? 'redis-benchmark is not installed' : process.platform !== 'linux' ? 'the benchmark runs on Linux' : false;
for (const suite of ['core', 'durability', 'scripts', 'collections']) {
  test(`npm run bench -- ${suite}`, { skip }, (t) => smoke(t, suite));
}

test('a benchmark that is called wrongly says how it is called', async () => {
  await inFolder(async (out) => {
    const ended = await bench(out, 'everything');
    assert.equal(ended.status, CANNOT_RUN);
    assert.match(ended.stderr, /there is no suite 'everything'\n\nusage: npm run bench/);
  });
});

test('an interrupted benchmark stops its servers and leaves no folders', { skip }, async () => {
  const temporary = mkdtempSync(path.join(tmpdir(), 'ferrite-bench-test-'));
  const child = spawn(process.execPath, [path.join(ROOT, 'bench/main.ts'), 'core', '--quick', '--out', temporary], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let progress = '';
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stderr.on('data', (text: Buffer) => {
    progress += text.toString();
    // Once, in the middle of a load.
    if (progress.includes('warming up') && !child.killed) child.kill('SIGINT');
  });
  // 'close' comes when all who hold the pipe are gone; the folders of the servers are removed as these end.
  assert.equal(await ended, 130, progress);
  assert.deepEqual(readdirSync(temporary), []);
  rmSync(temporary, { recursive: true, force: true });
});
