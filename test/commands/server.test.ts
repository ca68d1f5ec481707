// What operators ask of a running server: INFO, latencies, statistics, limits of clients, and clients seen across threads.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { parseReply, type Value } from '../support/reply.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

const CLOSE_TIMEOUT_MS = 6_000;
/** So many connections to two reactors are on one of them alone once in 2^11 runs. */
const CROWD = 12;

async function info(client: RawClient, ...sections: string[]): Promise<Map<string, string>> {
  const text = parseReply(await client.command('INFO', ...sections)) as string;
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}
async function text(client: RawClient, ...words: string[]): Promise<Value> {
  return parseReply(await client.command(...words));
}
async function isClosedInTime(client: RawClient): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
  });
  await Promise.race([client.closed, late]);
  clearTimeout(timer);
  return client.isClosed;
}

/** Fields that clients and exporters read, see the INFO sections of Redis 7.2. */
const FIELDS =
  'redis_version ferrite_version redis_mode role loading loading_eta_seconds maxmemory_policy maxmemory used_memory used_memory_human ' +
  'used_memory_peak_human used_memory_rss connected_clients blocked_clients uptime_in_seconds uptime_in_days instantaneous_ops_per_sec ' +
  'instantaneous_input_kbps instantaneous_output_kbps keyspace_hits keyspace_misses evicted_keys expired_keys total_commands_processed ' +
  'total_connections_received aof_enabled aof_last_write_status aof_delayed_fsync rdb_last_bgsave_status number_of_cached_scripts ' +
  'used_cpu_sys used_cpu_user master_repl_offset run_id tcp_port process_id maxclients total_error_replies db0';

for (const reactor of REACTORS) {
  describe(`the server on the ${reactor} reactor`, () => {
    let server: RunningServer | undefined;
    let clients: RawClient[] = [];
    const open = async (): Promise<RawClient> => {
      const client = await RawClient.connect((server as RunningServer).port);
      clients.push(client);
      return client;
    };
    before(async () => {
      try {
        server = await startServer({ reactor, directives: { 'io-threads': 2, 'enable-debug-command': 'yes' } });
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
      }
    });
    after(async () => {
      await server?.stop();
    });
    const served = (name: string, body: () => Promise<void>): void => {
      test(name, async (context) => {
        if (server === undefined) {
          context.skip(`this machine refuses ${reactor}`);
          return;
        }
        try {
          await body();
        } finally {
          for (const client of clients) client.destroy();
          clients = [];
        }
        server.assertAlive();
      });
    };

    served('INFO has the fields that clients read, in its sections', async () => {
      const client = await open();
      await client.command('SET', 'a', '1');
      const all = await info(client);
      for (const field of FIELDS.split(' ')) assert.ok(all.has(field), `${field} is missing`);
      assert.equal(all.get('tcp_port'), String((server as RunningServer).port));
      assert.match(all.get('run_id') as string, /^[0-9a-f]{40}$/);
      assert.match(all.get('db0') as string, /^keys=\d+,expires=0,avg_ttl=\d+$/);
      const sections = (await text(client, 'INFO', 'everything')) as string;
      assert.deepEqual(
        [...sections.matchAll(/^# (\w+)\r$/gm)].map(([, title]) => title),
        'Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Latencystats Cluster Keyspace'.split(' '),
      );
      assert.doesNotMatch((await text(client, 'INFO')) as string, /commandstats|latencystats/i);
      assert.match((await text(client, 'INFO', 'cpu', 'commandstats')) as string, /^# CPU\r\n[^#]*\r\n\r\n# Commandstats\r\n[^#]*$/);
      assert.equal(await text(client, 'INFO', 'nosuch'), '');
    });

    served("INFO's avg_ttl is the time that keys with an expiry have left", async () => {
      const client = await open();
      const field = async (): Promise<number[]> => {
        const found = /keys=(\d+),expires=(\d+),avg_ttl=(\d+)$/.exec((await info(client, 'keyspace')).get('db5') ?? '');
        return (found ?? []).slice(1).map(Number);
      };
      assert.equal(await text(client, 'SELECT', '5'), 'OK');
      await client.command('SET', 'stays', '1');
      assert.deepEqual(await field(), [1, 0, 0]);
      for (let index = 0; index < 300; index++)
        await client.command('SET', `expires:${index}`, '1', 'EX', index % 2 === 0 ? '1000' : '3000');
      const [keys, expires, average] = (await field()) as [number, number, number];
      assert.deepEqual([keys, expires], [301, 300]);
      // 2 million on the average, drawn from 300 keys.
      assert.ok(average > 1_500_000 && average < 2_500_000, String(average));
      await client.command('FLUSHDB');
    });

    served('commands and errors are counted over all threads, and set back', async () => {
      const crowd = await Promise.all(Array.from({ length: CROWD }, open));
      const [client] = crowd as [RawClient];
      assert.equal(await text(client, 'CONFIG', 'RESETSTAT'), 'OK');
      for (const each of crowd) {
        await each.command('STRLEN', 'none');
        await each.command('STRLEN');
        await each.command('SET', 'word', 'x');
        await each.command('INCR', 'word');
        await each.command('NOSUCH');
      }
      const stats = await info(client, 'commandstats', 'errorstats', 'latencystats', 'stats');
      assert.match(
        stats.get('cmdstat_strlen') as string,
        new RegExp(`^calls=${CROWD},usec=\\d+,usec_per_call=\\d+\\.\\d\\d,rejected_calls=${CROWD},failed_calls=0$`),
      );
      assert.match(stats.get('cmdstat_incr') as string, new RegExp(`^calls=${CROWD},.*,rejected_calls=0,failed_calls=${CROWD}$`));
      assert.equal(stats.get('errorstat_ERR'), `count=${3 * CROWD}`);
      assert.equal(stats.get('total_error_replies'), String(3 * CROWD));
      assert.match(stats.get('latency_percentiles_usec_strlen') as string, /^p50=\d+\.\d{3},p99=\d+\.\d{3},p99\.9=\d+\.\d{3}$/);
      const [name, [, calls, , pairs]] = (await text(client, 'LATENCY', 'HISTOGRAM', 'strlen', 'nosuch')) as [
        string,
        [string, number, string, number[]],
      ];
      assert.equal(name, 'strlen');
      assert.equal(calls, CROWD);
      assert.equal(pairs[pairs.length - 1], CROWD);
      for (let at = 0; at < pairs.length; at += 2)
        assert.ok(
          [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633].includes(pairs[at] as number),
          String(pairs),
        );
      assert.equal(await text(client, 'CONFIG', 'RESETSTAT'), 'OK');
      const fresh = await info(client, 'commandstats', 'errorstats', 'latencystats', 'stats');
      assert.equal(fresh.get('cmdstat_strlen'), undefined);
      assert.equal(fresh.get('errorstat_ERR'), undefined);
      assert.equal(fresh.get('total_error_replies'), '0');
    });

    served('an error of a command that other threads answer is counted as its own', async () => {
      const client = await open();
      await client.command('CONFIG', 'RESETSTAT');
      assert.match((await text(client, 'CLIENT', 'KILL', '1.1.1.1:1')) as string, /^-ERR No such client/);
      assert.match((await text(client, 'CONFIG', 'SET', 'hz', 'x')) as string, /^-ERR CONFIG SET failed/);
      await client.command('PING');
      const stats = await info(client, 'commandstats');
      assert.match(stats.get('cmdstat_client|kill') as string, /failed_calls=1$/);
      assert.match(stats.get('cmdstat_config|set') as string, /failed_calls=1$/);
      assert.match(stats.get('cmdstat_ping') as string, /failed_calls=0$/);
    });

    served('rates and the peak of memory are measured', async () => {
      const client = await open();
      await client.command('SET', 'big', 'x'.repeat(3_000_000));
      const deadline = Date.now() + 5_000;
      let stats = await info(client);
      while (
        Date.now() < deadline &&
        (Number(stats.get('used_memory_peak')) < 3_000_000 || Number(stats.get('instantaneous_ops_per_sec')) === 0)
      ) {
        for (let count = 0; count < 20; count++) await client.command('PING');
        stats = await info(client);
      }
      assert.ok(Number(stats.get('used_memory_peak')) >= 3_000_000);
      assert.ok(Number(stats.get('instantaneous_ops_per_sec')) > 0);
      assert.ok(Number(stats.get('instantaneous_input_kbps')) > 0);
      const peak = (await text(client, 'MEMORY', 'STATS')) as Value[];
      assert.ok(Number(peak[peak.indexOf('peak.allocated') + 1]) >= 3_000_000);
      await client.command('DEL', 'big');
    });

    served('MEMORY and the lesser commands answer', async () => {
      const client = await open();
      await client.command('SET', 'x', 'y'.repeat(1_000_000));
      assert.match((await text(client, 'MEMORY', 'MALLOC-STATS')) as string, /^bank .*\n +\d+ +\d+ +\d+\n/);
      await client.command('FLUSHALL');
      assert.equal(await text(client, 'MEMORY', 'PURGE'), 'OK');
      assert.match((await text(client, 'MEMORY', 'DOCTOR')) as string, /\n$/);
      await client.command('SET', 'x', '1', 'EX', '1000');
      const stats = (await text(client, 'MEMORY', 'STATS')) as Value[];
      const figure = (name: string): Value => stats[stats.indexOf(name) + 1] as Value;
      const [main, expires] = [1, 3].map((at) => (figure('db.0') as number[])[at]) as [number, number];
      assert.ok(main > 0 && expires > 0);
      assert.equal(figure('overhead.total'), main + expires);
      assert.equal(figure('dataset.bytes'), (figure('total.allocated') as number) - main - expires);
      const started = (await text(client, 'LASTSAVE')) as number;
      assert.ok(Math.abs(started - Date.now() / 1000) < 300);
      assert.equal(await text(client, 'CLIENT', 'GETREDIR'), -1);
      assert.deepEqual(await text(client, 'CLIENT', 'TRACKINGINFO'), ['flags', ['off'], 'redirect', -1, 'prefixes', []]);
      assert.ok(((await text(client, 'MODULE', 'HELP')) as string[]).includes('LIST'));
      for (const parent of ['CONFIG', 'LATENCY', 'OBJECT', 'CLIENT', 'COMMAND', 'MEMORY', 'SLOWLOG', 'DEBUG']) {
        const lines = (await text(client, parent, 'HELP')) as string[];
        assert.match(lines[0] as string, new RegExp(`^${parent} <subcommand>`));
        assert.ok(lines.includes('HELP'));
      }
    });

    served('idle clients are closed after `timeout`, and only they', async () => {
      const admin = await open();
      const idle = await open();
      assert.equal(await text(admin, 'CONFIG', 'SET', 'timeout', '1'), 'OK');
      const busy = setInterval(() => admin.send('PING\r\n'), 200);
      try {
        assert.ok(await isClosedInTime(idle), 'the idle client is still there');
        assert.ok(!admin.isClosed);
      } finally {
        clearInterval(busy);
      }
      const again = await open();
      assert.equal(await text(again, 'CONFIG', 'SET', 'timeout', '0', 'tcp-keepalive', '60'), 'OK');
      assert.equal(await text(await open(), 'PING'), 'PONG');
    });

    served('a client that leaves too much unread for too long is closed', async () => {
      const admin = await open();
      const limit = 'client-output-buffer-limit';
      assert.equal(await text(admin, 'CONFIG', 'SET', limit, 'normal 0 64kb 1'), 'OK');
      await admin.command('SET', 'big', 'x'.repeat(8_000_000));
      const slow = await open();
      slow.socket.pause();
      for (let count = 0; count < 4; count++) slow.send('GET big\r\n');
      const deadline = Date.now() + CLOSE_TIMEOUT_MS;
      const own = `laddr=${slow.socket.remoteAddress}:${slow.socket.remotePort}`;
      const port = `:${slow.socket.localPort} `;
      let list = '';
      do {
        await new Promise((resolve) => setTimeout(resolve, 100));
        list = (await text(admin, 'CLIENT', 'LIST')) as string;
        assert.ok(list.includes(own));
      } while (list.includes(port) && Date.now() < deadline);
      assert.ok(!list.includes(port), 'it is still connected');
      assert.equal(await text(admin, 'CONFIG', 'SET', limit, 'normal 0 0 0'), 'OK');
      await admin.command('DEL', 'big');
    });

    served('beyond maxmemory-clients those that keep most in buffers are closed, but for those with CLIENT NO-EVICT', async () => {
      const admin = await open();
      await admin.command('CONFIG', 'RESETSTAT');
      const [large, spared, small] = [await open(), await open(), await open()];
      assert.equal(await text(spared, 'CLIENT', 'NO-EVICT', 'on'), 'OK');
      assert.match((await text(spared, 'CLIENT', 'INFO')) as string, / flags=e /);
      // A request that never becomes whole is kept; MULTI's queue is, too.
      for (const client of [large, spared]) client.send(`*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4000000\r\n${'x'.repeat(3_000_000)}`);
      await small.command('MULTI');
      await small.command('SET', 'a', 'x'.repeat(10_000));
      const kept = async (client: RawClient): Promise<number> => {
        const list = (await text(admin, 'CLIENT', 'LIST')) as string;
        const own = list.split('\n').find((line) => line.includes(`:${client.socket.localPort} `)) ?? '';
        return Number(/ tot-mem=(\d+)/.exec(own)?.[1] ?? -1);
      };
      while ((await kept(large)) < 3_000_000 || (await kept(spared)) < 3_000_000) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.ok((await kept(small)) > 10_000);
      assert.match(
        (await text(admin, 'CONFIG', 'SET', 'maxmemory-clients', 'much')) as string,
        /argument must be a memory or percent value/,
      );
      assert.equal(await text(admin, 'CONFIG', 'SET', 'maxmemory-clients', '5mb'), 'OK');
      try {
        assert.ok(await isClosedInTime(large), 'the client that keeps most is still there');
        assert.equal((await info(admin)).get('evicted_clients'), '1');
        assert.ok(!spared.isClosed && !small.isClosed);
        assert.deepEqual(await text(small, 'EXEC'), ['OK']);
        assert.equal(await text(admin, 'CONFIG', 'SET', 'maxmemory', '100mb', 'maxmemory-clients', '50%'), 'OK');
        assert.deepEqual(await text(admin, 'CONFIG', 'GET', 'maxmemory-clients'), ['maxmemory-clients', '50%']);
      } finally {
        await admin.command('CONFIG', 'SET', 'maxmemory', '0', 'maxmemory-clients', '0');
      }
      await admin.command('DEL', 'a');
    });

    served('more clients than maxclients are refused with a word', async () => {
      const admin = await open();
      assert.equal(await text(admin, 'CONFIG', 'SET', 'maxclients', '1'), 'OK');
      const refused = await open();
      assert.equal((await refused.readReply()).toString(), '-ERR max number of clients reached\r\n');
      await refused.closed;
      assert.equal((await info(admin)).get('rejected_connections') === '0', false);
      assert.equal(await text(admin, 'CONFIG', 'SET', 'maxclients', '10000'), 'OK');
      assert.equal(await text(await open(), 'PING'), 'PONG');
    });

    served('values longer than proto-max-bulk-len are refused', async () => {
      const client = await open();
      assert.equal(await text(client, 'CONFIG', 'SET', 'proto-max-bulk-len', '1mb'), 'OK');
      try {
        const long = await open();
        long.send('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n');
        assert.equal((await long.readReply()).toString(), '-ERR Protocol error: invalid bulk length\r\n');
        assert.match((await text(client, 'SETRANGE', 'a', '1048576', 'x')) as string, /^-ERR string exceeds maximum allowed size/);
      } finally {
        await client.command('CONFIG', 'SET', 'proto-max-bulk-len', '512mb');
      }
    });

    served('what this version does not write to disk cannot be switched on', async () => {
      const client = await open();
      assert.match((await text(client, 'CONFIG', 'SET', 'save', '900 1')) as string, /^-ERR CONFIG SET failed.*snapshots aren't written/);
      assert.deepEqual(await text(client, 'CONFIG', 'GET', 'save'), ['save', '']);
    });

    served('CLIENT LIST, KILL and PAUSE reach all threads', async () => {
      const crowd = await Promise.all(Array.from({ length: CROWD }, open));
      const [admin, ...others] = crowd as [RawClient, ...RawClient[]];
      const ids = (await Promise.all(crowd.map((client) => text(client, 'CLIENT', 'ID')))) as number[];
      const list = (await text(admin, 'CLIENT', 'LIST')) as string;
      for (const id of ids) assert.match(list, new RegExp(`^id=${id} addr=`, 'm'));
      const two = (await text(admin, 'CLIENT', 'LIST', 'ID', String(ids[1]), String(ids[2]))) as string;
      assert.equal(two.trim().split('\n').length, 2);
      assert.equal(await text(admin, 'CLIENT', 'LIST', 'TYPE', 'pubsub'), '');
      const address = `127.0.0.1:${others[0]?.socket.localPort}`;
      assert.equal(await text(admin, 'CLIENT', 'KILL', 'ADDR', address), 1);
      assert.equal(await text(admin, 'CLIENT', 'KILL', 'ID', String(ids[2])), 1);
      await Promise.all([others[0]?.closed, others[1]?.closed]);
      assert.equal(await text(admin, 'CLIENT', 'PAUSE', '10000', 'WRITE'), 'OK');
      const started = Date.now();
      const writes = others.slice(2).map((client) => text(client, 'SET', 'paused', '1'));
      assert.equal(await text(admin, 'GET', 'paused'), null);
      assert.equal(await text(admin, 'CLIENT', 'UNPAUSE'), 'OK');
      assert.deepEqual([...new Set(await Promise.all(writes))], ['OK']);
      assert.ok(Date.now() - started < 5_000);
      await admin.command('DEL', 'paused');
      assert.equal(await text(admin, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'), others.length - 2);
      await Promise.all(others.map((client) => client.closed));
      assert.equal(await text(admin, 'PING'), 'PONG');
    });

    served('DEBUG PROTOCOL pushes in RESP3', async () => {
      const client = await open();
      await client.command('HELLO', '3');
      client.send('DEBUG PROTOCOL push\r\n');
      assert.match((await client.readReply()).toString(), /^>2\r\n\$16\r\nserver-cpu-usage\r\n:42\r\n$/);
      assert.match((await client.readReply()).toString(), /following the push reply/);
    });
  });
}
