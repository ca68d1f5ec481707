// A thread that fails takes the whole process with it, with words in the log and a status that isn't zero: never a half-alive server.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { encode, RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, spawnServer, startServer, TARGET } from '../support/server.ts';

/** It ends within milliseconds; a start on a machine with much else to do takes longer. */
const END_TIMEOUT_MS = 30_000;
const FAILING = pathToFileURL(path.join(import.meta.dirname, '../support/failing-thread.ts')).href;
/** So much of a log that other threads help to load it. */
const LARGE_LOG_MEBIBYTES = 33;
const MEBIBYTE = 1048576;

for (const reactor of REACTORS) {
  for (const thread of ['REACTOR', 'JANITOR', 'MAIN']) {
    test(`the process ends when a thread fails: ${thread.toLowerCase()} (${reactor})`, async (context) => {
      const started = startServer({ reactor, directives: { 'io-threads': 2, 'enable-debug-command': 'yes' } });
      const server = await started.catch((error: unknown) => {
        if (!isReactorRefused(error)) throw error;
        return null;
      });
      if (server === null) {
        context.skip(`this machine refuses ${reactor}`);
        return;
      }
      // A second connection, likely on the other reactor, that waits: nothing may wait for it.
      const other = await RawClient.connect(server.port);
      const client = await RawClient.connect(server.port);
      try {
        assert.equal((await other.command('PING')).toString(), '+PONG\r\n');
        client.send(`DEBUG PANIC ${thread}\r\n`);
        const timer = setTimeout(() => void server.stop(), END_TIMEOUT_MS);
        const status = await server.exited;
        clearTimeout(timer);
        assert.deepEqual(status, { code: 1, signal: null }, server.log);
        assert.match(server.log, /A thread has failed, so the server ends.*crashed by DEBUG PANIC/);
      } finally {
        client.destroy();
        other.destroy();
        await server.stop();
      }
    });
  }
}

/** The status with which the server ends; one that goes on is killed, and the status says so. */
async function endOf(server: RunningServer): Promise<unknown> {
  const timer = setTimeout(() => void server.stop(), END_TIMEOUT_MS);
  const status = await server.exited;
  clearTimeout(timer);
  return status;
}
/** Gives `body` a folder, and the environment in which the thread of that name fails as soon as the folder has a file `now`. */
async function withFailing(
  thread: string,
  body: (folder: string, env: Record<string, string>, now: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'ferrite-failing-'));
  const now = path.join(folder, 'now');
  try {
    await body(folder, { NODE_OPTIONS: `--import=${FAILING}`, FERRITE_TEST_FAILING_THREAD: thread, FERRITE_TEST_FAIL_WHEN: now }, now);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const ferriteOnly = TARGET !== 'ferrite' && 'the server under test has no such threads';

for (const thread of ['log', 'snapshot', 'janitor']) {
  test(`the process ends when a thread fails in its loop: ${thread}`, { skip: ferriteOnly }, () =>
    withFailing(thread, async (dir, env, now) => {
      const server = await startServer({ env, directives: { dir, appendonly: 'yes' } });
      const client = await RawClient.connect(server.port);
      assert.equal((await client.command('SET', 'k', 'v')).toString(), '+OK\r\n');
      server.assertAlive();
      writeFileSync(now, '');
      assert.deepEqual(await endOf(server), { code: 1, signal: null }, server.log);
      assert.match(server.log, new RegExp(`A thread has failed, so the server ends.*thread ${thread}: failed for a test`));
      client.destroy();
    }),
  );
}

const helperSkip = ferriteOnly || (availableParallelism() < 2 && 'one core: nobody helps');
test('a thread that fails while it helps to load ends the start', { skip: helperSkip }, () =>
  withFailing('recovery 0', async (dir, env, now) => {
    mkdirSync(path.join(dir, 'appendonlydir'));
    writeFileSync(path.join(dir, 'appendonlydir/appendonly.aof.manifest'), 'file appendonly.aof.1.incr.aof seq 1 type i\n');
    const sets = Array.from({ length: LARGE_LOG_MEBIBYTES }, (_, index) => encode(['SET', `k${index}`, Buffer.alloc(MEBIBYTE, 120)]));
    writeFileSync(path.join(dir, 'appendonlydir/appendonly.aof.1.incr.aof'), Buffer.concat(sets));
    const whole = await startServer({ env, directives: { dir, appendonly: 'yes' } });
    const client = await RawClient.connect(whole.port);
    assert.equal((await client.command('DBSIZE')).toString(), `:${LARGE_LOG_MEBIBYTES}\r\n`);
    client.destroy();
    await whole.stop();
    writeFileSync(now, '');
    const server = await spawnServer({ env, directives: { dir, appendonly: 'yes' } });
    const status = (await endOf(server)) as { code: number | null };
    assert.equal(status.code, 1, server.log);
    assert.ok(!server.ready, server.log);
    assert.match(server.log, /thread recovery 0: failed for a test/);
  }),
);
