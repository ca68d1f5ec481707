// What goes wrong at the start must end the process with a status that isn't zero, and words that say what it was.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
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

for (const thread of ['janitor', 'log', 'reactor 1']) {
  test(`a thread that fails while it starts stops the start, with its words: ${thread}`, { skip: TARGET !== 'ferrite' }, async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-failing-'));
    const preload = path.join(directory, 'fail.cjs');
    writeFileSync(preload, `if (require('node:worker_threads').threadName === '${thread}') throw new Error('made to fail');`);
    try {
      const directives = { 'io-threads': 2, appendonly: 'yes' };
      const server = await spawnServer({ directives, env: { NODE_OPTIONS: `--require=${preload}` } });
      await endsWith(server, new RegExp(`thread ${thread}: made to fail`));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
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
    const server = await startServer({ leadingArguments: [good], directives: { 'io-threads': 1 } });
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

test('what is wrong in a file is said with the file, the line and its text', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-conf-'));
  try {
    const file = path.join(directory, 'ferrite.conf');
    for (const [line, words] of [
      ['timeout soon', /ferrite\.conf, at line 2\n>>> 'timeout soon'\nargument couldn't be parsed into an integer/],
      ['requirepass "open', /at line 2\n>>> 'requirepass "open'\nUnbalanced quotes/],
      ['save 900 1', /at line 2\n>>> 'save 900 1'\nsnapshots aren't written by this version/],
    ] as const) {
      writeFileSync(file, `# a comment\n${line}\n`);
      await endsWith(await spawnServer({ leadingArguments: [file] }), words);
    }
    await endsWith(await spawnServer({ directives: { logfile: path.join(directory, 'no', 'such.log') } }), /can't open the logfile/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

for (const reactor of REACTORS) {
  test(`the banner says the version, the addresses, the reactor, the threads and the memory limit (${reactor})`, async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-banner-'));
    const unixsocket = path.join(directory, 'ferrite.sock');
    const limit = { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' };
    const server = await startServer({ reactor, directives: { bind: '127.0.0.1', unixsocket, 'io-threads': 2, ...limit } });
    try {
      // On a machine that refuses it, io_uring stops the start: what is said is what serves.
      const lines = server.log.split('\n').map((line) => line.replace(/^\d+ \S+Z \* /, ''));
      assert.match(lines[0] as string, /^Ferrite \d+\.\d+\.\d+ \(Redis 7\.2\.\d+ protocol\), Node v\d+\.\d+\.\d+, PID: \d+$/);
      assert.deepEqual(lines.slice(1), [
        `Listening on 127.0.0.1:${server.port}`,
        `Listening on ${unixsocket}`,
        `Reactor: ${reactor}, 2 threads, memory limit: 100.0 MiB, allkeys-lru`,
        'Ready to accept connections',
        '',
      ]);
    } finally {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
}

test('log-format json: every line is an object with time, level, process and message', async () => {
  const server = await startServer({ directives: { 'log-format': 'json', 'enable-debug-command': 'yes' } });
  const client = await RawClient.connect(server.port);
  const message = 'with "quotes", a \\ and\na line break';
  assert.equal((await client.command('DEBUG', 'LOG', message)).toString(), '+OK\r\n');
  client.destroy();
  await server.stop();
  const lines = server.log.trimEnd().split('\n');
  const entries = lines.map((line) => JSON.parse(line) as { level: number; time: number; pid: number; msg: string });
  for (const { level, time, pid } of entries) {
    assert.equal(level, 30);
    assert.equal(pid, server.pid);
    assert.ok(Math.abs(Date.now() - time) < 60_000);
  }
  const said = entries.map(({ msg }) => msg);
  for (const words of ['Ready to accept connections', `DEBUG LOG: ${message}`, 'Received SIGTERM: shutting down', 'Bye']) {
    assert.ok(said.includes(words), `${words} is missing in\n${server.log}`);
  }
});

test('an unknown directive in a file is a warning with its line', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-conf-'));
  const file = path.join(directory, 'ferrite.conf');
  writeFileSync(file, 'hz 20\nno-such-thing 1\n');
  const server = await startServer({ leadingArguments: [file], directives: { 'io-threads': 1 } });
  try {
    assert.match(server.log, /ferrite\.conf, at line 2: unknown directive 'no-such-thing' is ignored/);
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});

test('the log goes to logfile, which only its owner reads, from loglevel on', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-log-'));
  const logfile = path.join(directory, 'ferrite.log');
  const server = await spawnServer({ directives: { logfile, loglevel: 'notice', 'enable-debug-command': 'yes', 'io-threads': 1 } });
  try {
    const deadline = Date.now() + START_TIMEOUT_MS;
    const log = (): string => (existsSync(logfile) ? readFileSync(logfile, 'utf8') : '');
    while (!log().includes('Ready to accept connections') && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.match(log(), / PID: \d+/);
    assert.equal(statSync(logfile).mode & 0o777, 0o600);
    assert.equal(server.log, '');
    const client = await RawClient.connect(server.port);
    await client.command('DEBUG', 'LOG', 'first');
    assert.equal((await client.command('CONFIG', 'SET', 'loglevel', 'warning')).toString(), '+OK\r\n');
    await client.command('DEBUG', 'LOG', 'second');
    assert.equal((await client.command('CONFIG', 'SET', 'loglevel', 'notice')).toString(), '+OK\r\n');
    await client.command('DEBUG', 'LOG', 'third');
    // The log is written by another thread: an answer of that thread comes behind the line.
    await client.command('CLIENT', 'LIST');
    client.destroy();
    assert.match(log(), /DEBUG LOG: first/);
    assert.doesNotMatch(log(), /DEBUG LOG: second/);
    assert.match(log(), /DEBUG LOG: third/);
  } finally {
    const pid = /PID: (\d+)/.exec(existsSync(logfile) ? readFileSync(logfile, 'utf8') : '')?.[1];
    if (pid !== undefined) process.kill(Number(pid), 'SIGTERM');
    await server.exited;
    rmSync(directory, { recursive: true, force: true });
  }
});

for (const reactor of REACTORS) {
  test(`a Unix socket has its permissions and serves (${reactor})`, async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-unix-'));
    const unixsocket = path.join(directory, 'ferrite.sock');
    const server = await startServer({ reactor, directives: { unixsocket, unixsocketperm: '770', 'io-threads': 2 } });
    try {
      assert.equal(statSync(unixsocket).mode & 0o777, 0o770);
      const client = new RawClient(connect(unixsocket));
      assert.equal((await client.command('PING')).toString(), '+PONG\r\n');
      assert.match((await client.command('CLIENT', 'INFO')).toString(), new RegExp(` addr=${unixsocket}:0 .* cmd=client\\|info `));
      client.destroy();
    } finally {
      await server.stop();
      assert.ok(!existsSync(unixsocket), 'the socket is left behind');
      rmSync(directory, { recursive: true, force: true });
    }
  });

  for (const words of [['SHUTDOWN'], ['SHUTDOWN', 'NOSAVE', 'NOW', 'FORCE']]) {
    test(`${words.join(' ')} ends the server with status 0 (${reactor})`, async () => {
      const server = await startServer({ reactor, directives: { 'io-threads': 1 } });
      const client = await RawClient.connect(server.port);
      client.send(`${words.join(' ')}\r\n`);
      await client.closed;
      assert.equal(client.unread.length, 0);
      assert.deepEqual(await server.exited, { code: 0, signal: null }, server.log);
    });
  }
}

test('connections of a Unix socket are spread over the reactors of io_uring', { skip: !REACTORS.includes('io_uring') }, async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-unix-'));
  const unixsocket = path.join(directory, 'ferrite.sock');
  const directives = { unixsocket, port: 0, 'io-threads': 2, 'enable-debug-command': 'yes' };
  const server = await startServer({ reactor: 'io_uring', directives });
  const clients: RawClient[] = [];
  try {
    for (let index = 0; index < 20; index++) {
      const client = new RawClient(connect(unixsocket));
      clients.push(client);
      assert.equal((await client.command('PING')).toString(), '+PONG\r\n');
    }
    // The reactor of the first one sleeps, and with it all that it serves.
    const asleep = clients[0]!.command('DEBUG', 'SLEEP', '1').then(() => 'awake');
    const answered = await Promise.all(
      clients.slice(1).map((client) => Promise.race([asleep, client.command('PING').then(() => 'served')])),
    );
    const others = answered.filter((outcome) => outcome === 'served').length;
    assert.ok(others > 3 && others < 17, `${others} of 19 are served by the other reactor`);
  } finally {
    for (const client of clients) client.destroy();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});
