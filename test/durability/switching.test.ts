// appendonly switched on and off while the server runs: in the middle of a rewrite, and because the disk is full. And a base that can't be
// written.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, info, rewritten, start, temporaryFolder, until } from '../support/log-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { Random, sayShownSeed } from '../support/seed.ts';
import { installed, LONG, type RunningServer } from '../support/server.ts';

/** No file of the server may grow beyond `bytes`. */
function limitFiles(server: RunningServer, bytes: string): void {
  assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}`]).status, 0);
}
async function fill(client: RawClient, keys: number, valueBytes: number): Promise<void> {
  const value = 'x'.repeat(valueBytes);
  for (let n = 0; n < keys; n += 500) {
    await client.command('MSET', ...Array.from({ length: 500 }, (_, index) => [`bulk:${n + index}`, value]).flat());
  }
}
/** Counts one key up until `isDone`; returns how far. */
async function count(port: number, key: string, isDone: () => boolean): Promise<number> {
  const client = await RawClient.connect(port);
  let n = 0;
  for (; !isDone(); n += 10) {
    client.send(`INCR ${key}\r\n`.repeat(10));
    for (let reply = 1; reply <= 10; reply++) assert.equal((await client.readReply()).toString(), `:${n + reply}\r\n`);
  }
  client.socket.destroy();
  return n;
}

async function switchUnderLoad(context: TestContext, appendfsync: string): Promise<void> {
  const random = new Random(sayShownSeed(context));
  const dir = temporaryFolder(context);
  let server = await start(context, dir, { appendfsync, 'auto-aof-rewrite-percentage': 0 });
  const client = await RawClient.connect(server.port);
  // So many that a base takes longer than the time between two switches.
  await fill(client, 60_000, 100);
  let isDone = false;
  const counters = ['a', 'b', 'c', 'd'].map((key) => count(server.port, key, () => isDone));
  const rounds = LONG ? 60 : 8;
  for (let round = 1; round <= rounds; round++) {
    const isLast = round === rounds;
    if (isLast || random.below(2) === 0) await client.command('BGREWRITEAOF');
    for (const word of ['no', 'yes']) {
      assert.equal(await ask(client, 'CONFIG', 'SET', 'appendonly', word), '+OK');
      if (!isLast && random.below(3) > 0) await sleep(random.below(200));
    }
  }
  await until(
    'the last base',
    async () => (await info(client, 'aof_rewrite_in_progress')) === '0' && (await info(client, 'aof_enabled')) === '1',
  );
  await sleep(50);
  isDone = true;
  const counted = (await Promise.all(counters)).map(String);
  assert.equal(await ask(client, 'WAITAOF', 0, 0, 0), '*2\r\n:1\r\n:0');
  await client.command('SET', 'last', 'x');
  assert.equal(await ask(client, 'WAITAOF', 1, 0, 5000), '*2\r\n:1\r\n:0');
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  server = await start(context, dir);
  const found = await ask(await RawClient.connect(server.port), 'MGET', 'a', 'b', 'c', 'd', 'bulk:59999', 'last');
  const lines = found.split('\r\n');
  assert.deepEqual([lines[2], lines[4], lines[6], lines[8]], counted);
  assert.deepEqual([lines[10], lines[12]], ['x'.repeat(100), 'x']);
}
for (const appendfsync of ['always', 'everysec']) {
  test(`appendonly off and on again under load, in the middle of rewrites, ${appendfsync}: nothing is lost or there twice`, (context) =>
    switchUnderLoad(context, appendfsync));
}

test('a full disk, and appendonly is switched off: who waits for the disk is answered, and writes are taken', {
  skip: !installed('prlimit'),
}, async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir, { appendfsync: 'always' });
  const [client, admin] = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
  await client.command('SET', 'first', 1);
  limitFiles(server, '200:unlimited');
  const late = client.command('SET', 'second', 'x'.repeat(500));
  await until('the failure', async () => (await info(admin, 'aof_last_write_status')) === 'err');
  assert.match(await ask(admin, 'SET', 'third', 1), /^-MISCONF/);
  assert.equal(await ask(admin, 'CONFIG', 'SET', 'appendonly', 'no'), '+OK');
  assert.equal((await late).toString(), '+OK\r\n');
  assert.equal(await ask(admin, 'SET', 'third', 1), '+OK');
  assert.equal(await info(admin, 'aof_last_write_status'), 'ok');
  limitFiles(server, 'unlimited:unlimited');
  assert.equal(await ask(admin, 'CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
  await until('the base', async () => Number(await info(admin, 'aof_rewrites')) === 1);
  await client.command('APPEND', 'third', 2);
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  server = await start(context, dir);
  const again = await RawClient.connect(server.port);
  assert.equal(await ask(again, 'MGET', 'first', 'third'), '*2\r\n$1\r\n1\r\n$2\r\n12');
  assert.equal(await ask(again, 'STRLEN', 'second'), ':500');
});

test("a base that can't be written: the files stay as they are, and growth doesn't ask for the next one at once", {
  skip: !installed('prlimit'),
}, async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir, { appendfsync: 'always', 'auto-aof-rewrite-percentage': 0 });
  const client = await RawClient.connect(server.port);
  await fill(client, 2000, 1000);
  await rewritten(client);
  await client.command('SET', 'counter', 0);
  limitFiles(server, '1000000:unlimited');
  assert.equal(await ask(client, 'BGREWRITEAOF'), '+Background append only file rewriting started');
  await until('the failure', async () => (await info(client, 'aof_last_bgrewrite_status')) === 'err');
  assert.equal(await ask(client, 'INCR', 'counter'), ':1');
  assert.deepEqual(
    readdirSync(path.join(dir, 'appendonlydir')).filter((name) => name.startsWith('temp-')),
    [],
  );
  // From here on the file is too large at every look.
  await client.command('CONFIG', 'SET', 'auto-aof-rewrite-min-size', '1kb', 'auto-aof-rewrite-percentage', '1');
  await fill(client, 500, 1000);
  await until('it is scheduled', async () => (await info(client, 'aof_rewrite_scheduled')) === '1');
  await sleep(300);
  assert.equal(server.log.split('Background AOF rewrite failed').length - 1, 1);
  limitFiles(server, 'unlimited:unlimited');
  await rewritten(client);
  assert.equal(await info(client, 'aof_last_bgrewrite_status'), 'ok');
  assert.equal(await ask(client, 'INCR', 'counter'), ':2');
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  server = await start(context, dir);
  const again = await RawClient.connect(server.port);
  assert.equal(await ask(again, 'MGET', 'counter'), '*1\r\n$1\r\n2');
  assert.equal(await ask(again, 'DBSIZE'), ':2001');
});

test('INFO tells how far a rewrite is', async (context) => {
  const dir = temporaryFolder(context);
  const server = await start(context, dir, { 'auto-aof-rewrite-percentage': 0 });
  const client = await RawClient.connect(server.port);
  await fill(client, 60_000, 20);
  let keys = 0;
  await until('a look at a rewrite that runs', async () => {
    await client.command('BGREWRITEAOF');
    while (keys === 0 && (await info(client, 'aof_rewrite_in_progress')) === '1') keys = Number(await info(client, 'aof_rewrite_keys'));
    return keys > 0;
  });
  assert.ok(keys <= 60_000);
});
