// Every micro-benchmark still runs: with tiny counts, for its end and its lines, not for its figures.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ROOT, textFiles } from './support/tree.ts';

const TINY = { BENCH_ROUNDS: '40', BENCH_KEYS: '200', BENCH_ELEMENTS: '8' };

describe('micro-benchmarks', { concurrency: 2 }, () => {
  for (const file of textFiles().filter(({ path: name }) => name.startsWith('src/') && name.endsWith('.bench.ts'))) {
    test(file.path, () => {
      const args = [path.join(ROOT, file.path)];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        env: { ...process.env, ...TINY },
        encoding: 'utf8',
        timeout: 60_000,
      });
      assert.equal(status, 0, stderr);
      const lines = stdout.trim().split('\n');
      assert.ok(lines.length >= 3, stdout);
      for (const line of lines) assert.match(line, /^\S.* +[\d.]+ (ns|us|bytes)$/);
    });
  }
});
