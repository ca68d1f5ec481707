// The commands by which a server is looked at and steered, over two reactor threads: what one connection sets, another one on the
// other thread must see.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer, TARGET } from '../support/server.ts';

/** So many connections are spread over both threads, whatever the kernel chooses. */
const CONNECTIONS = 12;
const ferriteOnly = TARGET !== 'ferrite' && 'the server under test has no such thing';

for (const reactor of REACTORS) {
  describe(`administration on the ${reactor} reactor`, () => {
    const configFile = path.join(tmpdir(), `ferrite-admin-${process.pid}-${reactor}.conf`);
    let server: RunningServer | undefined;
    let clients: RawClient[] = [];

    before(async () => {
      writeFileSync(configFile, '# kept\nslowlog-max-len 64\n');
      try {
        const threads = TARGET === 'ferrite' ? { 'io-threads': 2 } : {};
        server = await startServer({
          reactor,
          leadingArguments: [configFile],
          directives: { 'enable-debug-command': 'yes', ...threads },
        });
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
        return;
      }
      const { port } = server;
      clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawClient.connect(port)));
    });
    after(async () => {
      for (const client of clients) client.destroy();
      await server?.stop();
    });

    const testServed = (name: string, body: (client: RawClient) => Promise<void>, skip: string | false = false): void => {
      test(name, { skip }, async (context) => {
        if (server === undefined) context.skip(`this machine refuses ${reactor}`);
        else await body(clients[0] as RawClient);
        server?.assertAlive();
      });
    };
    const ask = async (client: RawClient, line: string): Promise<string> => (await client.command(...line.split(' '))).toString('latin1');
    const askEach = (line: string): Promise<string[]> => Promise.all(clients.map((client) => ask(client, line)));

    testServed('OBJECT IDLETIME, FREQ and REFCOUNT', async (client) => {
      assert.equal(await ask(client, 'SET object:a 1'), '+OK\r\n');
      assert.match(await ask(client, 'OBJECT IDLETIME object:a'), /^:[01]\r\n$/);
      assert.match(await ask(client, 'OBJECT REFCOUNT object:a'), /^:\d+\r\n$/);
      assert.match(await ask(client, 'OBJECT FREQ object:a'), /^-ERR An LFU maxmemory policy is not selected/);
      assert.equal(await ask(client, 'CONFIG SET maxmemory-policy allkeys-lfu'), '+OK\r\n');
      assert.equal(await ask(client, 'SET object:b some'), '+OK\r\n');
      assert.match(await ask(client, 'OBJECT FREQ object:b'), /^:[1-9]\r\n$/);
      assert.match(await ask(client, 'OBJECT IDLETIME object:b'), /^-ERR An LFU maxmemory policy is selected/);
      assert.equal(await ask(client, 'CONFIG SET maxmemory-policy noeviction'), '+OK\r\n');
    });

    testServed('WAIT without replicas answers 0 when its time is over, and the connection serves on', async (client) => {
      const begin = performance.now();
      assert.equal(await ask(client, 'WAIT 1 120'), ':0\r\n');
      assert.ok(performance.now() - begin >= 110);
      assert.equal(await ask(client, 'WAIT 0 0'), ':0\r\n');
      assert.equal(await ask(client, 'WAIT 1 -1'), '-ERR timeout is negative\r\n');
    });

    testServed(
      'CLIENT SETINFO shows in CLIENT INFO, and refuses what would break the line',
      async (client) => {
        assert.equal(await ask(client, 'CLIENT SETINFO LIB-NAME bench'), '+OK\r\n');
        assert.equal(await ask(client, 'CLIENT SETINFO LIB-VER 1.2.3'), '+OK\r\n');
        assert.match(await ask(client, 'CLIENT INFO'), /lib-name=bench lib-ver=1\.2\.3/);
        assert.match((await client.command('CLIENT', 'SETINFO', 'LIB-NAME', 'a b')).toString(), /^-ERR /);
        assert.match(await ask(client, 'CLIENT SETINFO COLOUR red'), /^-ERR /);
      },
      ferriteOnly,
    );

    testServed('CLIENT PAUSE WRITE holds writes back on every thread until CLIENT UNPAUSE; reads go on', async (client) => {
      assert.equal(await ask(client, 'SET paused 0'), '+OK\r\n');
      assert.equal(await ask(client, 'CLIENT PAUSE 20000 WRITE'), '+OK\r\n');
      const writers = clients.slice(1);
      let answered = 0;
      const writes = writers.map(async (writer) => {
        await ask(writer, 'INCR paused');
        answered++;
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(answered, 0);
      assert.equal(await ask(client, 'GET paused'), '$1\r\n0\r\n');
      assert.equal(await ask(client, 'CLIENT UNPAUSE'), '+OK\r\n');
      await Promise.all(writes);
      assert.equal(await ask(client, 'GET paused'), `$2\r\n${writers.length}\r\n`);
    });

    testServed('CLIENT PAUSE ends by itself', async (client) => {
      const begin = performance.now();
      assert.equal(await ask(client, 'CLIENT PAUSE 80 ALL'), '+OK\r\n');
      assert.equal(await ask(clients[1] as RawClient, 'PING'), '+PONG\r\n');
      assert.ok(performance.now() - begin >= 70);
    });

    testServed(
      'CLIENT NO-EVICT and CLIENT NO-TOUCH take on and off only',
      async (client) => {
        for (const name of ['NO-EVICT', 'NO-TOUCH']) {
          assert.equal(await ask(client, `CLIENT ${name} on`), '+OK\r\n');
          assert.equal(await ask(client, `CLIENT ${name} off`), '+OK\r\n');
          assert.equal(await ask(client, `CLIENT ${name} perhaps`), '-ERR syntax error\r\n');
        }
      },
      ferriteOnly,
    );

    testServed(
      'CLIENT NO-TOUCH leaves the frequency of keys alone, and lfu-log-factor 0 counts each use',
      async (client) => {
        assert.equal(await ask(client, 'CONFIG SET maxmemory-policy allkeys-lfu lfu-log-factor 0'), '+OK\r\n');
        assert.equal(await ask(client, 'SET touched v'), '+OK\r\n');
        for (const each of clients.slice(0, 4)) await ask(each, 'GET touched');
        assert.equal(await ask(client, 'OBJECT FREQ touched'), ':9\r\n');
        assert.equal(await ask(client, 'CLIENT NO-TOUCH on'), '+OK\r\n');
        assert.match(await ask(client, 'CLIENT INFO'), / flags=T /);
        for (let count = 0; count < 4; count++) assert.equal(await ask(client, 'GET touched'), '$1\r\nv\r\n');
        assert.equal(await ask(client, 'OBJECT FREQ touched'), ':9\r\n');
        assert.equal(await ask(client, 'CLIENT NO-TOUCH off'), '+OK\r\n');
        await ask(client, 'GET touched');
        assert.equal(await ask(client, 'OBJECT FREQ touched'), ':10\r\n');
        assert.equal(await ask(client, 'CONFIG SET maxmemory-policy noeviction lfu-log-factor 10'), '+OK\r\n');
      },
      ferriteOnly,
    );

    testServed('every HELP is a list that names the command', async (client) => {
      const lines = [
        'CLIENT HELP',
        'COMMAND HELP',
        'CONFIG HELP',
        'LATENCY HELP',
        'MEMORY HELP',
        'OBJECT HELP',
        'SCRIPT HELP',
        'SLOWLOG HELP',
      ];
      for (const line of lines) {
        const name = line.replace(' HELP', '');
        assert.match(await ask(client, line), new RegExp(`^\\*\\d+\\r\\n[+$][^]*${name} <subcommand>`), line);
      }
    });

    testServed('COMMAND COUNT, COMMAND LIST and COMMAND DOCS agree', async (client) => {
      const count = Number((await ask(client, 'COMMAND COUNT')).slice(1));
      assert.ok(count > 70, String(count));
      // The list has the subcommands too, as client|list; COMMAND COUNT doesn't count them.
      const names = (await ask(client, 'COMMAND LIST')).split('\r\n').filter((line) => /^[a-z]/.test(line));
      assert.equal(names.filter((name) => !name.includes('|')).length, count);
      assert.ok(names.includes('client|list'));
      assert.match(await ask(client, 'COMMAND LIST FILTERBY PATTERN getr*'), /^\*1\r\n\$8\r\ngetrange\r\n$/);
      const docs = await ask(client, 'COMMAND DOCS get set nosuch');
      assert.match(docs, /^\*4\r\n\$3\r\nget\r\n/);
      assert.match(docs, /\$7\r\nsummary\r\n/);
      assert.match(docs, /\$10\r\ncomplexity\r\n/);
    });

    testServed('COMMAND GETKEYS and GETKEYSANDFLAGS find the keys of a command line', async (client) => {
      assert.equal(await ask(client, 'COMMAND GETKEYS MSET a 1 b 2'), '*2\r\n$1\r\na\r\n$1\r\nb\r\n');
      assert.match(await ask(client, 'COMMAND GETKEYSANDFLAGS GET a'), /^\*1\r\n\*2\r\n\$1\r\na\r\n[*~]\d+\r\n\+RO\r\n/);
      assert.match(await ask(client, 'COMMAND GETKEYS PING hello'), /^-ERR The command has no key arguments/);
      assert.match(await ask(client, 'COMMAND GETKEYS NOSUCH a'), /^-ERR Invalid command/);
    });

    testServed('CONFIG SET reaches every thread; CONFIG REWRITE keeps it, and the comments', async (client) => {
      assert.equal(await ask(client, 'CONFIG SET slowlog-max-len 33 timeout 77'), '+OK\r\n');
      for (const reply of await askEach('CONFIG GET slowlog-max-len')) assert.equal(reply, '*2\r\n$15\r\nslowlog-max-len\r\n$2\r\n33\r\n');
      assert.equal(await ask(client, 'CONFIG REWRITE'), '+OK\r\n');
      const written = readFileSync(configFile, 'utf8');
      assert.match(written, /^# kept\nslowlog-max-len 33\n/);
      assert.match(written, /^timeout 77$/m);
      assert.equal(await ask(client, 'CONFIG SET timeout 0'), '+OK\r\n');
    });

    testServed('CONFIG RESETSTAT sets the counters of all threads to zero', async (client) => {
      await askEach('GET resetstat:nothing');
      assert.match(await ask(client, 'INFO stats'), /keyspace_misses:[1-9]/);
      assert.equal(await ask(client, 'CONFIG RESETSTAT'), '+OK\r\n');
      assert.match(await ask(client, 'INFO stats'), /keyspace_misses:0\r\n/);
    });

    testServed('SLOWLOG tells of a slow command by its arguments, newest first, from any thread', async (client) => {
      assert.equal(await ask(client, 'CONFIG SET slowlog-log-slower-than 20000'), '+OK\r\n');
      assert.equal(await ask(client, 'SLOWLOG RESET'), '+OK\r\n');
      assert.equal(await ask(client, 'DEBUG SLEEP 0.03'), '+OK\r\n');
      assert.equal(await ask(clients[1] as RawClient, 'DEBUG SLEEP 0.031'), '+OK\r\n');
      for (const reply of await askEach('SLOWLOG LEN')) assert.equal(reply, ':2\r\n');
      const entries = await ask(client, 'SLOWLOG GET 10');
      assert.match(
        entries,
        /^\*2\r\n\*6\r\n:\d+\r\n:\d+\r\n:\d{5}\r\n\*3\r\n\$5\r\nDEBUG\r\n\$5\r\nSLEEP\r\n\$5\r\n0\.031\r\n\$\d+\r\n127\./,
      );
      assert.match(await ask(client, 'SLOWLOG GET 1'), /^\*1\r\n/);
      assert.equal(await ask(client, 'SLOWLOG RESET'), '+OK\r\n');
      assert.equal(await ask(client, 'SLOWLOG LEN'), ':0\r\n');
      assert.equal(await ask(client, 'CONFIG SET slowlog-log-slower-than 10000'), '+OK\r\n');
    });

    testServed('LATENCY HISTOGRAM counts the calls of all threads', async (client) => {
      await ask(client, 'CONFIG RESETSTAT');
      await askEach('GETRANGE latency 0 1');
      const reply = await ask(client, 'LATENCY HISTOGRAM getrange');
      assert.match(reply, new RegExp(`^\\*2\\r\\n\\$8\\r\\ngetrange\\r\\n\\*4\\r\\n\\$5\\r\\ncalls\\r\\n:${CONNECTIONS}\\r\\n`));
      assert.match(reply, /histogram_usec\r\n/);
    });

    testServed('LATENCY LATEST, HISTORY, GRAPH and DOCTOR tell of spikes on any thread; RESET forgets them', async (client) => {
      assert.match(await ask(client, 'LATENCY DOCTOR'), /^[$=]\d+\r\n/);
      assert.equal(await ask(client, 'CONFIG SET latency-monitor-threshold 20'), '+OK\r\n');
      assert.equal(await ask(client, 'LATENCY LATEST'), '*0\r\n');
      assert.match(await ask(client, 'LATENCY GRAPH command'), /^-ERR No samples available for event 'command'/);
      for (const sleeper of clients.slice(1, 4)) assert.equal(await ask(sleeper, 'DEBUG SLEEP 0.03'), '+OK\r\n');
      assert.match(
        await ask(client, 'LATENCY LATEST'),
        /^\*1\r\n\*4\r\n\$7\r\ncommand\r\n:\d{10}\r\n:([3-9]\d|\d{3,})\r\n:([3-9]\d|\d{3,})\r\n$/,
      );
      assert.match(await ask(client, 'LATENCY HISTORY command'), /^\*[12]\r\n\*2\r\n:\d{10}\r\n:([3-9]\d|\d{3,})\r\n/);
      assert.match(await ask(client, 'LATENCY GRAPH command'), /command - high \d+ ms, low \d+ ms/);
      assert.match(await ask(client, 'LATENCY DOCTOR'), /command/);
      assert.equal(await ask(client, 'LATENCY RESET command nosuch'), ':1\r\n');
      assert.equal(await ask(client, 'LATENCY HISTORY command'), '*0\r\n');
      assert.equal(await ask(client, 'CONFIG SET latency-monitor-threshold 0'), '+OK\r\n');
    });

    testServed('MEMORY USAGE grows with the value; STATS and DOCTOR answer', async (client) => {
      await ask(client, `SET memory:small ${'x'.repeat(10)}`);
      await ask(client, `SET memory:large ${'x'.repeat(10_000)}`);
      const small = Number((await ask(client, 'MEMORY USAGE memory:small')).slice(1));
      const large = Number((await ask(client, 'MEMORY USAGE memory:large')).slice(1));
      assert.ok(small >= 20 && small < 200, String(small));
      assert.ok(large >= 10_000 && large < 24_000, String(large));
      assert.equal(await ask(client, 'MEMORY USAGE memory:none'), '$-1\r\n');
      assert.match(await ask(client, 'MEMORY STATS'), /keys\.count\r\n:[1-9]/);
      assert.match(await ask(client, 'MEMORY DOCTOR'), /^\$\d+\r\n./);
    });

    testServed('MODULE LIST is empty, LOLWUT shows the version, DEBUG checks the memory', async (client) => {
      assert.equal(await ask(client, 'MODULE LIST'), '*0\r\n');
      assert.match(await ask(client, 'LOLWUT'), /Redis ver\. \d/);
      if (TARGET === 'ferrite') assert.equal(await ask(client, 'DEBUG CHECK-MEMORY'), '+OK\r\n');
      assert.match(await ask(client, 'DEBUG NOSUCH'), /^-ERR unknown subcommand/i);
    });

    testServed('SHUTDOWN refuses what it cannot do, and NOSAVE ends the server in order', async (client) => {
      assert.equal(await ask(client, 'SHUTDOWN SOON'), '-ERR syntax error\r\n');
      assert.match(await ask(client, 'SHUTDOWN ABORT'), /^-ERR No shutdown in progress/);
      assert.ok(server !== undefined && existsSync(server.directory));
      client.send('SHUTDOWN NOSAVE\r\n');
      assert.deepEqual(await server.exited, { code: 0, signal: null });
      await Promise.all(clients.map((each) => each.closed));
      server = undefined;
    });
  });
}
