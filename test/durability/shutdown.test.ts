// A shutdown while the disk is full: it's bounded by shutdown-timeout, and a second signal ends it at once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { ask, info, start, temporaryFolder, until } from '../support/log-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { type Directives, installed, type RunningServer } from '../support/server.ts';

/** A server whose last write can't be written. */
async function startWithFullDisk(context: TestContext, dir: string, directives: Directives): Promise<RunningServer> {
  const server = await start(context, dir, { appendfsync: 'always', ...directives });
  const [client, admin] = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
  await client.command('SET', 'first', 1);
  assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), '--fsize=200:unlimited']).status, 0);
  client.command('SET', 'second', 'x'.repeat(500)).catch(() => undefined);
  await until('the failure', async () => (await info(admin, 'aof_last_write_status')) === 'err');
  return server;
}

/** What is there after the next start: everything but what never was acknowledged. */
async function checkAgain(context: TestContext, dir: string): Promise<void> {
  const again = await start(context, dir);
  assert.equal(await ask(await RawClient.connect(again.port), 'MGET', 'first', 'second'), '*2\r\n$1\r\n1\r\n$-1');
}

test('a shutdown waits for a full disk no longer than shutdown-timeout, and says what is lost', {
  skip: !installed('prlimit'),
}, async (context) => {
  const dir = temporaryFolder(context);
  const server = await startWithFullDisk(context, dir, { 'shutdown-timeout': 1 });
  const startedMs = Date.now();
  process.kill(server.pid, 'SIGTERM');
  assert.equal((await server.exited).code, 1);
  const tookMs = Date.now() - startedMs;
  assert.ok(tookMs >= 1000 && tookMs < 8000, `it took ${tookMs} ms`);
  assert.match(server.log, /the shutdown waits up to 1 s/);
  assert.match(server.log, /can't be written at shutdown: \d+ bytes of it are lost/);
  await checkAgain(context, dir);
});

test('a second signal ends a shutdown that waits', { skip: !installed('prlimit') }, async (context) => {
  const dir = temporaryFolder(context);
  const server = await startWithFullDisk(context, dir, { 'shutdown-timeout': 600 });
  process.kill(server.pid, 'SIGTERM');
  await until('the shutdown to wait', async () => server.log.includes('the shutdown waits'));
  process.kill(server.pid, 'SIGINT');
  assert.equal((await server.exited).code, 1);
  assert.match(server.log, /Received SIGINT while shutting down: ending now/);
  await checkAgain(context, dir);
});
