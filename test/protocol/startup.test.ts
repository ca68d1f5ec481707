// What goes wrong at the start must end the process with a status that isn't zero, and words that say what it was.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { REACTORS, spawnServer, startServer, TARGET } from '../support/server.ts';

const START_TIMEOUT_MS = 10_000;

async function endsWith(server: Awaited<ReturnType<typeof spawnServer>>, words: RegExp): Promise<void> {
  const timer = setTimeout(() => void server.stop(), START_TIMEOUT_MS);
  const status = await server.exited;
  clearTimeout(timer);
  assert.ok(!server.ready, `it was ready in spite of the mistake\n${server.log}`);
  assert.ok(status.code !== 0 && status.code !== null, `it ended with ${JSON.stringify(status)}\n${server.log}`);
  assert.match(server.log, words);
}

for (const reactor of REACTORS) {
  test(`a port in use stops the start (${reactor})`, async () => {
    const holder = await startServer({ kind: TARGET, reactor: 'portable' });
    try {
      await endsWith(await spawnServer({ reactor, port: holder.port }), /in use/i);
      holder.assertAlive();
      const client = await RawClient.connect(holder.port);
      assert.equal((await client.command('PING')).toString(), '+PONG\r\n');
      client.destroy();
    } finally {
      await holder.stop();
    }
  });

  test(`SIGTERM ends the server with status 0 (${reactor})`, async () => {
    const server = await startServer({ reactor });
    assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.log);
  });
}

test('a wrong value on the command line stops the start', async () => {
  await endsWith(await spawnServer({ directives: { maxmemory: 'abc' } }), /maxmemory/);
});

test('a configuration file is read; a wrong value in it stops the start', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-conf-'));
  try {
    const good = path.join(directory, 'good.conf');
    writeFileSync(good, '# a comment\ndatabases 7\nmaxmemory-policy "allkeys-lru"\n');
    const server = await startServer({ leadingArguments: [good] });
    try {
      const client = await RawClient.connect(server.port);
      assert.equal((await client.command('CONFIG', 'GET', 'databases')).toString(), '*2\r\n$9\r\ndatabases\r\n$1\r\n7\r\n');
      assert.equal((await client.command('SELECT', '7')).toString(), '-ERR DB index is out of range\r\n');
      client.destroy();
    } finally {
      await server.stop();
    }
    const bad = path.join(directory, 'bad.conf');
    writeFileSync(bad, 'databases 7\nmaxmemory-policy sometimes\n');
    await endsWith(await spawnServer({ leadingArguments: [bad] }), /maxmemory-policy/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a configuration file that is missing stops the start', async () => {
  await endsWith(await spawnServer({ leadingArguments: ['/nonexistent/ferrite.conf'] }), /nonexistent/);
});
