import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupCommit } from './group-commit.ts';

/** Syncs of `tookMs` for which `held` replies waited, until the averages have settled. */
function used(tookMs: number, held: number): GroupCommit {
  const commits = new GroupCommit();
  for (let sync = 0; sync < 200; sync++) commits.synced(tookMs, held);
  return commits;
}

test('a lone client never waits for others', () => {
  assert.equal(used(1, 1).patience(0, 1), 0);
  assert.equal(new GroupCommit().patience(0, 1), 0);
});

test('the first of a crowd waits for the others, three quarters of a sync at most, and 2 ms', () => {
  const commits = used(1, 100);
  assert.ok(Math.abs(commits.patience(10, 5) - 0.75) < 0.01);
  assert.ok(Math.abs(commits.patience(10.5, 40) - 0.25) < 0.01, 'time runs from the first look');
  assert.equal(commits.patience(10.6, 80), 0, 'enough of them are there');
  assert.equal(commits.patience(10.8, 40), 0, 'the time is over');
  commits.synced(1, 40);
  assert.ok(commits.patience(20, 5) > 0.7, 'the next batch has its own time');
  assert.ok(Math.abs(used(50, 100).patience(0, 5) - 2) < 0.01);
});

test('a crowd that has gone is forgotten', () => {
  const commits = used(1, 100);
  for (let sync = 0; sync < 300; sync++) commits.synced(1, 2);
  assert.equal(commits.patience(0, 2), 0);
});
