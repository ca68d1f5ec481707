// The log as a server has it: shutdowns that lose nothing, Redis's own tools and servers on the same folder, damage, disks that are full,
// and switching it on and off.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { JournalWriter } from '../support/journal.ts';
import { ask, info, rewritten, start, temporaryFolder, until } from '../support/log-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { endLoopingThread } from '../support/script-threads.ts';
import { SEED, sayShownSeed } from '../support/seed.ts';
import { installed, LONG, type ReactorKind, spawnServer, startServer } from '../support/server.ts';

const MANIFEST = 'appendonlydir/appendonly.aof.manifest';

async function shutDownUnderLoad(context: TestContext, appendfsync: string, reactor: ReactorKind): Promise<void> {
  sayShownSeed(context);
  const dir = temporaryFolder(context);
  const writers = Array.from({ length: 8 }, (_, index) => new JournalWriter(String(index), SEED + index));
  const rounds = LONG ? 100 : 2;
  for (let round = 0; round <= rounds; round++) {
    const server = await startServer({ reactor, directives: { dir, appendonly: 'yes', appendfsync, 'io-threads': 2 } });
    context.after(() => server.stop());
    const { port } = server;
    const reader = await RawClient.connect(port);
    for (const writer of writers) await writer.check(reader, 0, 0, true);
    reader.socket.destroy();
    if (round === rounds) break;
    const runs = writers.map((writer) => writer.run(port));
    await sleep(100);
    if (round % 2 === 0) process.kill(server.pid, 'SIGTERM');
    else (await RawClient.connect(port)).send('SHUTDOWN\r\n');
    assert.equal((await server.exited).code, 0);
    await Promise.all(runs);
  }
}
for (const reactor of ['io_uring', 'portable'] as const) {
  test(`shutdown under full load, everysec, ${reactor}: the journal and the data agree exactly`, (context) =>
    shutDownUnderLoad(context, 'everysec', reactor));
  test(`shutdown under full load, always, ${reactor}: the journal and the data agree exactly`, (context) =>
    shutDownUnderLoad(context, 'always', reactor));
}

/** Every kind of value, expiries, three databases. */
async function fill(client: RawClient): Promise<void> {
  for (let index = 0; index < 300; index++) {
    await client.command('SET', `s:${index}`, 'x'.repeat(index * 10), 'EX', 1000 + index);
    await client.command('RPUSH', 'list', index, `element ${index}`);
    await client.command('SADD', 'set', index, `member ${index}`);
    await client.command('HSET', 'hash', `field ${index}`, index);
    await client.command('ZADD', 'zset', index / 4, `member ${index}`);
  }
  await client.command('SPOP', 'set', 20);
  await client.command('INCRBYFLOAT', 'float', '0.1');
  await client.command('SELECT', 3);
  await client.command('MSET', 'a', 'line\r\nbreak', 'b', '\u00e9');
  await client.command('SELECT', 0);
}
/** The data of all databases, in an order of their own. */
async function contents(client: RawClient): Promise<string[]> {
  const lines: string[] = [];
  const sorted = (reply: string): string => reply.split('\r\n').sort().join(' ');
  for (const database of [0, 3]) {
    await client.command('SELECT', database);
    for (const key of (await ask(client, 'KEYS', '*')).split('\r\n').filter((line) => /^[a-z]/.test(line))) {
      const type = (await ask(client, 'TYPE', key)).slice(1);
      const read: Record<string, (string | number)[]> = {
        string: ['GET', key],
        list: ['LRANGE', key, 0, -1],
        set: ['SMEMBERS', key],
        hash: ['HGETALL', key],
        zset: ['ZRANGE', key, 0, -1, 'WITHSCORES'],
      };
      const reply = await ask(client, ...(read[type] as (string | number)[]));
      const value = type === 'set' || type === 'hash' ? sorted(reply) : reply;
      lines.push(`${database} ${key} ${await ask(client, 'PEXPIRETIME', key)} ${value}`);
    }
  }
  return lines.sort();
}

test("redis-check-aof and redis-server read Ferrite's folder, and Ferrite redis-server's", {
  skip: !installed('redis-server'),
}, async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir, { 'io-threads': 2 });
  let client = await RawClient.connect(server.port);
  await fill(client);
  await rewritten(client);
  // Both threads, and both databases: SELECTs and comments among the records.
  const others = await Promise.all(Array.from({ length: 8 }, () => RawClient.connect(server.port)));
  await Promise.all(
    others.map(async (other, index) => {
      await other.command('SELECT', index % 2 === 0 ? 0 : 3);
      for (let n = 0; n < 200; n++) await other.command('SET', `more:${index}:${n}`, n);
    }),
  );
  const expected = await contents(client);
  await server.stop();
  const check = spawnSync('redis-check-aof', [path.join(dir, MANIFEST)], { encoding: 'latin1' });
  assert.equal(check.status, 0, check.stdout);
  assert.match(check.stdout, /All AOF files and manifest are valid/);

  server = await start(context, dir, {}, 'redis-server');
  client = await RawClient.connect(server.port);
  assert.deepEqual(await contents(client), expected);
  await client.command('SET', 'by redis', 'x', 'PX', 1000000);
  await client.command('MULTI');
  await client.command('INCR', 'counter');
  await client.command('LPUSH', 'list', 'first');
  await client.command('EXEC');
  await rewritten(client).catch(() => undefined);
  await sleep(300);
  await client.command('SELECT', 0);
  const afterwards = await contents(client);
  await server.stop();

  server = await start(context, dir);
  client = await RawClient.connect(server.port);
  assert.deepEqual(await contents(client), afterwards);
});

test('damage in the middle stops the start with the place and what to do; a torn end is cut, or stops it', async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir);
  const client = await RawClient.connect(server.port);
  await fill(client);
  await server.stop();
  const file = path.join(dir, 'appendonlydir/appendonly.aof.1.incr.aof');
  const whole = readFileSync(file);
  appendFileSync(file, '*3\r\n$3\r\nSET\r\n$4\r\nto');
  const refused = await spawnServer({ directives: { dir, appendonly: 'yes', 'aof-load-truncated': 'no', 'io-threads': 2 } });
  const startedMs = Date.now();
  assert.equal((await refused.exited).code, 1);
  // A thread that isn't told to end is terminated after 15 s.
  assert.ok(Date.now() - startedMs < 15_000, 'a refusal to start waits for threads that nobody has told');
  assert.match(refused.log, new RegExp(`whole up to offset ${whole.length}.*aof-load-truncated yes`));
  server = await start(context, dir);
  assert.match(server.log, new RegExp(`whole up to offset ${whole.length} of ${whole.length + 19}`));
  await server.stop();
  assert.equal(statSync(file).size, whole.length);
  const at = whole.indexOf('*4\r\n$5\r\nRPUSH', 2000);
  assert.ok(at > 0);
  const damaged = Buffer.from(whole);
  damaged[at] = 33;
  writeFileSync(file, damaged);
  const stopped = await spawnServer({ directives: { dir, appendonly: 'yes', 'io-threads': 1 } });
  assert.equal((await stopped.exited).code, 1);
  assert.match(stopped.log, new RegExp(`at offset ${at}\\..*redis-check-aof`));
});

test('clients are told that data are being loaded', async (context) => {
  const dir = temporaryFolder(context);
  const server = await start(context, dir);
  const client = await RawClient.connect(server.port);
  for (let n = 0; n < 300; n++) await client.command('SET', `key:${n}`, 'x'.repeat(60_000));
  for (let n = 0; n < 40; n++) await client.command('APPEND', 'grown', 'x'.repeat(1_000_000));
  await server.stop();
  const loading = await spawnServer({ directives: { dir, appendonly: 'yes' } });
  context.after(() => loading.stop());
  const seen = new Set<string>();
  for (const deadline = Date.now() + 10_000; !loading.ready && Date.now() < deadline; await sleep(1)) {
    const early = await RawClient.connect(loading.port).catch(() => null);
    if (early === null) continue;
    seen.add(await ask(early, 'GET', 'key:1').then((reply) => reply.slice(0, 12), String));
    seen.add(await info(early, 'loading_loaded_perc').then((percent) => percent.replace(/\d+/g, 'n'), String));
    early.socket.destroy();
  }
  assert.ok(seen.has('-LOADING Red') && seen.has('n.n'), [...seen].join());
  assert.match(loading.log, /DB loaded from append only file: 100%, 34\d records, \d+\.\d MiB in \d+\.\d+ seconds \(\d+\.\d MiB\/s\)/);
});

test('WAITAOF waits for the disk under every policy', async (context) => {
  const dir = temporaryFolder(context);
  const server = await start(context, dir, { appendfsync: 'no' });
  const client = await RawClient.connect(server.port);
  for (const policy of ['no', 'everysec', 'always']) {
    await client.command('CONFIG', 'SET', 'appendfsync', policy);
    const syncs = Number(await info(client, 'aof_syncs'));
    await client.command('SET', 'key', policy);
    assert.equal(await ask(client, 'WAITAOF', 1, 0, 5000), '*2\r\n:1\r\n:0');
    // The count is told a moment after the position that WAITAOF waits for.
    await until('the sync is counted', async () => Number(await info(client, 'aof_syncs')) > syncs);
  }
  assert.equal(await ask(client, 'WAITAOF', 1, 1, 50), '*2\r\n:1\r\n:0');
  assert.match(await ask(client, 'WAITAOF', 2, 0, 0), /^-ERR value is out of range/);
  await client.command('CONFIG', 'SET', 'appendonly', 'no');
  assert.match(await ask(client, 'WAITAOF', 1, 0, 0), /^-ERR WAITAOF cannot be used/);
});

test('appendonly is switched on and off while the server runs', async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir, { appendonly: 'no' });
  let client = await RawClient.connect(server.port);
  assert.match(await ask(client, 'BGREWRITEAOF'), /^-ERR appendonly is off/);
  await client.command('SET', 'before', 1);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
  await client.command('SET', 'after', 1);
  await until('the first base', async () => Number(await info(client, 'aof_rewrites')) === 1);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'appendonly', 'no'), '+OK');
  await client.command('SET', 'off', 1);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
  await until('the second base', async () => Number(await info(client, 'aof_rewrites')) === 2);
  const expected = await ask(client, 'DBSIZE');
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  server = await start(context, dir);
  client = await RawClient.connect(server.port);
  assert.equal(await ask(client, 'DBSIZE'), expected);
  assert.equal(expected, ':3');
});

test('a full disk: MISCONF, SHUTDOWN refused, ABORT, and writes again when there is room', {
  skip: !installed('prlimit'),
}, async (context) => {
  const dir = temporaryFolder(context);
  const server = await start(context, dir, { appendfsync: 'always' });
  const client = await RawClient.connect(server.port);
  const limit = (bytes: string): void => {
    assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}`]).status, 0);
  };
  await client.command('SET', 'first', 1);
  const admin = await RawClient.connect(server.port);
  limit('200:unlimited');
  // This one is never acknowledged while the disk is full.
  const late = client.command('SET', 'second', 'x'.repeat(500));
  await until('the failure', async () => (await info(admin, 'aof_last_write_status')) === 'err');
  assert.match(await ask(admin, 'SET', 'third', 1), /^-MISCONF Errors writing to the AOF file: .*[Ff]ile too large/);
  assert.equal(await ask(admin, 'GET', 'first'), '$1\r\n1');
  assert.equal(await ask(admin, 'SHUTDOWN'), '-ERR Errors trying to SHUTDOWN. Check logs.');
  assert.equal(await ask(admin, 'SHUTDOWN', 'ABORT'), '-ERR No shutdown in progress.');
  process.kill(server.pid, 'SIGTERM');
  await until('the shutdown to wait', async () => server.log.includes('the shutdown waits'));
  assert.equal(await ask(admin, 'SHUTDOWN', 'ABORT'), '+OK');
  limit('unlimited:unlimited');
  assert.equal((await late).toString(), '+OK\r\n');
  assert.equal(await ask(admin, 'SET', 'third', 1), '+OK');
  assert.equal(await info(admin, 'aof_last_write_status'), 'ok');
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  const again = await start(context, dir);
  assert.equal(await ask(await RawClient.connect(again.port), 'MGET', 'first', 'third'), '*2\r\n$1\r\n1\r\n$1\r\n1');
});

test('a client that is served out of its wait for a key gets nothing before the disk has it', {
  skip: process.platform !== 'linux',
}, async (context) => {
  const dir = temporaryFolder(context);
  const server = await start(context, dir, { appendfsync: 'always', 'io-threads': 2 });
  const [pusher, waiter, admin] = [
    await RawClient.connect(server.port),
    await RawClient.connect(server.port),
    await RawClient.connect(server.port),
  ];
  const limit = (bytes: string): void => {
    assert.equal(spawnSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}`]).status, 0);
  };
  await pusher.command('SET', 'first', 1);
  let served = '';
  const waiting = waiter.command('BLPOP', 'queue', 0).then((reply) => {
    served = reply.toString('latin1');
  });
  await until('the wait', async () => /blocked_clients:1/.test(await ask(admin, 'INFO', 'clients')));
  limit('200:unlimited');
  const pushed = pusher.command('RPUSH', 'queue', 'x'.repeat(500));
  await until('the failure', async () => (await info(admin, 'aof_last_write_status')) === 'err');
  await sleep(50);
  assert.equal(served, '');
  limit('unlimited:unlimited');
  assert.equal((await pushed).toString(), ':1\r\n');
  await waiting;
  assert.match(served, /^\*2\r\n\$5\r\nqueue\r\n\$500\r\nx/);
});

test('a script thread that dies with changes in hand holds up no rewrite', async (context) => {
  const dir = temporaryFolder(context);
  const server = await start(context, dir, { 'enable-debug-command': 'yes' });
  const [looping, client] = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
  await client.command('SET', 'kept', 1);
  const died = looping.command('EVAL', "redis.call('set', KEYS[1], 2) while true do end", 1, 'kept');
  await endLoopingThread(client);
  assert.match((await died).toString(), /^-ERR The thread of the script failed/);
  await rewritten(client);
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  const again = await start(context, dir);
  assert.equal(await ask(await RawClient.connect(again.port), 'GET', 'kept'), '$1\r\n1');
});

test('a rewrite beside all kinds of traffic is of one moment', async (context) => {
  const dir = temporaryFolder(context);
  sayShownSeed(context);
  const server = await start(context, dir, { 'auto-aof-rewrite-percentage': 0, 'io-threads': 2 });
  const client = await RawClient.connect(server.port);
  await fill(client);
  for (let n = 0; n < 4000; n += 1000) {
    await client.command('MSET', ...Array.from({ length: 1000 }, (_, index) => [`bulk:${n + index}`, n]).flat());
  }
  const writers = Array.from({ length: 4 }, (_, index) => new JournalWriter(String(index), SEED + index));
  const runs = writers.map((writer) => writer.run(server.port));
  const flusher = (async () => {
    const other = await RawClient.connect(server.port);
    await other.command('SELECT', 5);
    for (let n = 0; n < 100; n++) {
      await other.command('SET', 'gone', n);
      if (n % 10 === 0) await other.command('FLUSHDB');
      await sleep(5);
    }
  })();
  for (let n = 0; n < 3; n++) await rewritten(client);
  await flusher;
  for (const writer of writers) writer.stop();
  await Promise.all(runs);
  const expected = await contents(client);
  assert.equal(readdirSync(path.join(dir, 'appendonlydir')).length, 3);
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  const again = await start(context, dir);
  const found = await contents(await RawClient.connect(again.port));
  const differences = [
    ...expected.filter((line) => !found.includes(line)).map((line) => `missing: ${line}`),
    ...found.filter((line) => !expected.includes(line)).map((line) => `new: ${line}`),
  ];
  assert.deepEqual(
    differences.map((line) => line.slice(0, 200)),
    [],
  );
});
