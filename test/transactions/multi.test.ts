// MULTI, EXEC, WATCH on a whole server with several reactor threads: by raw requests, and as ioredis and node-redis send them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { elements, payload } from '../support/compare.ts';
import { encode, RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

const ACCOUNTS = 12;
const BALANCE = 1000;
const RUN_MS = 1200;

for (const reactor of REACTORS) {
  describe(`transactions on the ${reactor} reactor`, () => {
    let server: RunningServer | undefined;
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
    const testServed = (name: string, body: (server: RunningServer) => Promise<void>): void => {
      test(name, async (context) => {
        if (server === undefined) context.skip(`this machine refuses ${reactor}`);
        else {
          const client = await RawClient.connect(server.port);
          await client.command('FLUSHALL');
          client.destroy();
          await body(server);
          server.assertAlive();
        }
      });
    };
    const talk = async (client: RawClient, ...lines: readonly string[]): Promise<string> => {
      client.send(Buffer.concat(lines.map((line) => encode(line.split(' ')))));
      return (await client.readReplies(lines.length)).join('');
    };

    testServed('no reader sees the middle of a transfer, and no transfer under WATCH is lost', async ({ port }) => {
      const names = Array.from({ length: ACCOUNTS }, (_, index) => `account:${index}`);
      const setup = await RawClient.connect(port);
      await setup.command('MSET', ...names.flatMap((name) => [name, BALANCE]));
      const until = Date.now() + RUN_MS;
      let transfers = 0;
      const pick = (): string => names[Math.floor(Math.random() * ACCOUNTS)] as string;
      const transfer = async (): Promise<void> => {
        const client = await RawClient.connect(port);
        while (Date.now() < until) {
          const [from, to] = [pick(), pick()];
          if (from === to) continue;
          await client.command('WATCH', from, to);
          const read = elements(await client.command('MGET', from, to)) ?? [];
          const [a, b] = read.map((one) => Number(payload(one)));
          const amount = Math.floor(Math.random() * 50);
          client.send(
            Buffer.concat([
              encode(['MULTI']),
              encode(['SET', from, String((a as number) - amount)]),
              encode(['SET', to, String((b as number) + amount)]),
              encode(['EXEC']),
            ]),
          );
          const replies = await client.readReplies(4);
          if (String(replies[3]).startsWith('*2')) transfers++;
        }
        client.destroy();
      };
      const read = async (): Promise<void> => {
        const client = await RawClient.connect(port);
        for (let round = 0; Date.now() < until; round++) {
          const sum = async (): Promise<number> => {
            if (round % 2 === 0) return total(await client.command('MGET', ...names));
            client.send(Buffer.concat([encode(['MULTI']), ...names.map((name) => encode(['GET', name])), encode(['EXEC'])]));
            return total((await client.readReplies(ACCOUNTS + 2)).at(-1) as Buffer);
          };
          assert.equal(await sum(), ACCOUNTS * BALANCE);
        }
        client.destroy();
      };
      const total = (reply: Buffer): number => (elements(reply) ?? []).reduce((sum, one) => sum + Number(payload(one)), 0);
      await Promise.all([transfer(), transfer(), transfer(), transfer(), read(), read()]);
      assert.ok(transfers > 20, `only ${transfers} transfers`);
      assert.equal(total(await setup.command('MGET', ...names)), ACCOUNTS * BALANCE);
      setup.destroy();
    });

    testServed('commands that ask other threads are answered in their place', async ({ port }) => {
      const client = await RawClient.connect(port);
      const reply = await talk(client, 'MULTI', 'SET a 1', 'CONFIG GET maxclients', 'SLOWLOG LEN', 'CLIENT LIST', 'GET a', 'EXEC', 'PING');
      assert.match(
        reply,
        /\*5\r\n\+OK\r\n\*2\r\n\$10\r\nmaxclients\r\n\$5\r\n10000\r\n:\d+\r\n\$\d+\r\nid=[\s\S]* cmd=\w+ [\s\S]*\r\n\$1\r\n1\r\n\+PONG\r\n$/,
      );
      client.destroy();
    });

    testServed('CLIENT LIST says how much is queued and watched', async ({ port }) => {
      const [client, other] = [await RawClient.connect(port), await RawClient.connect(port)];
      await talk(client, 'CLIENT SETNAME me', 'WATCH a b', 'MULTI', 'GET a', 'GET b', 'GET c');
      assert.match(String(await other.command('CLIENT', 'LIST')), /name=me .*flags=x .*multi=3 watch=2 /);
      await talk(client, 'DISCARD');
      assert.match(String(await other.command('CLIENT', 'LIST')), /name=me .*flags=N .*multi=-1 watch=0 /);
      client.destroy();
      other.destroy();
    });

    testServed('WATCH hears of expiry, FLUSHDB, SWAPDB and RENAME, and forgets with UNWATCH and RESET', async ({ port }) => {
      const [client, other] = [await RawClient.connect(port), await RawClient.connect(port)];
      const outcome = async (change: () => Promise<unknown>): Promise<string> => {
        await talk(other, 'FLUSHALL', 'SET a 1', 'SET far 1 PX 60000');
        await talk(client, 'SELECT 0', 'WATCH a near far');
        await change();
        return talk(client, 'MULTI', 'PING', 'EXEC');
      };
      const ran = '+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n';
      const refused = '+OK\r\n+QUEUED\r\n*-1\r\n';
      assert.equal(await outcome(() => talk(other, 'SET b 1', 'GET a')), ran);
      assert.equal(await outcome(() => talk(other, 'FLUSHDB')), refused);
      assert.equal(await outcome(() => talk(other, 'SWAPDB 0 1')), refused);
      assert.equal(await outcome(() => talk(other, 'SWAPDB 2 3')), ran);
      assert.equal(await outcome(() => talk(other, 'RENAME a b')), refused);
      assert.equal(await outcome(() => talk(other, 'SET near 1')), refused);
      assert.equal(await outcome(() => talk(other, 'EXPIRE a 100')), refused);
      assert.equal(await outcome(() => talk(client, 'SET a 2')), refused);
      assert.equal(await outcome(() => talk(other, 'SET a 2').then(() => talk(client, 'UNWATCH'))), ran);
      assert.equal(await outcome(() => talk(other, 'SET a 2').then(() => talk(client, 'RESET'))), ran);
      assert.equal(await outcome(() => talk(other, 'PEXPIRE far 1').then(() => sleep(5))), refused);
      // A key that was over before it was watched is no key, and its deletion no change.
      await talk(other, 'DEBUG SET-ACTIVE-EXPIRE 0', 'SET gone 1 PX 1');
      await sleep(5);
      await talk(client, 'WATCH gone');
      await talk(other, 'GET gone', 'DEL gone');
      assert.equal(await talk(client, 'MULTI', 'PING', 'EXEC'), ran);
      // And one whose time comes while it's watched has changed, though nobody has deleted it.
      await talk(other, 'SET soon 1 PX 30');
      await talk(client, 'WATCH soon');
      await sleep(40);
      assert.equal(await talk(client, 'MULTI', 'PING', 'EXEC'), refused);
      await talk(other, 'DEBUG SET-ACTIVE-EXPIRE 1');
      client.destroy();
      other.destroy();
    });

    testServed('whole databases in a transaction, and latches of many shards', async ({ port }) => {
      const client = await RawClient.connect(port);
      const reply = await talk(
        client,
        'MULTI',
        'SET a 1',
        'SELECT 5',
        'SET b 2',
        'SWAPDB 0 5',
        'DBSIZE',
        'KEYS *',
        'RANDOMKEY',
        'SCAN 0 COUNT 1000',
        'FLUSHALL',
        'SET c 3',
        'EXEC',
        'DBSIZE',
        'GET c',
      );
      assert.match(
        reply,
        /\*10\r\n\+OK\r\n\+OK\r\n\+OK\r\n\+OK\r\n:1\r\n\*1\r\n\$1\r\na\r\n\$1\r\na\r\n\*2\r\n\$1\r\n0\r\n\*1\r\n\$1\r\na\r\n\+OK\r\n\+OK\r\n:1\r\n\$1\r\n3\r\n$/,
      );
      await talk(client, 'SELECT 0');
      client.destroy();
    });

    testServed('what EXEC refuses', async ({ port }) => {
      const client = await RawClient.connect(port);
      assert.match(await talk(client, 'MULTI', 'SHUTDOWN', 'EXEC'), /-ERR Command not allowed inside a transaction\r\n-EXECABORT /);
      assert.match(await talk(client, 'MULTI', 'CLIENT NOPE', 'SET a 1', 'EXEC', 'GET a'), /QUEUED\r\n-EXECABORT [^\n]*\n\$-1\r\n$/);
      assert.match(
        await talk(client, 'MULTI', 'MULTI', 'WATCH a', 'SET a 1', 'EXEC'),
        /nested\r\n-ERR WATCH inside MULTI[^\n]*\n.QUEUED\r\n\*1\r\n.OK/,
      );
      assert.match(await talk(client, 'MULTI', 'LPUSH l 1', 'GET l', 'SET b 1', 'EXEC'), /\*3\r\n:1\r\n-WRONGTYPE [^\n]*\n\+OK\r\n$/);
      assert.match(await talk(client, 'MULTI', 'WAIT 1 0', 'EXEC'), /\*1\r\n:0\r\n$/);
      await talk(client, 'SET filler 1', 'CONFIG SET maxmemory 1');
      // While the janitor frees what other tests have left, writes are let through.
      for (let tries = 0; tries < 500 && !(await talk(client, 'SET filler 1')).startsWith('-OOM'); tries++) await sleep(10);
      assert.match(await talk(client, 'MULTI', 'SET a 1', 'EXEC'), /-(OOM command[^\n]*\n-EXECABORT|EXECABORT[^\n]*OOM)/);
      await talk(client, 'CONFIG SET maxmemory 0', 'MULTI', 'SET a 1', 'CONFIG SET maxmemory 0', 'EXEC');
      client.destroy();
    });

    testServed('with transaction-rollback EXEC does all or nothing', async ({ port }) => {
      const client = await RawClient.connect(port);
      await talk(client, 'CONFIG SET transaction-rollback yes', 'RPUSH l a b c', 'SET s 1 PX 100000', 'HSET h f v', 'ZADD z 1 m');
      const before = await talk(client, 'LRANGE l 0 -1', 'GET s', 'HGETALL h', 'ZRANGE z 0 -1 WITHSCORES', 'DBSIZE');
      const reply = await talk(
        client,
        'MULTI',
        'LPUSH l x',
        'LTRIM l 0 1',
        'DEL s',
        'HSET h f w g y',
        'ZADD z 2 m',
        'SET new 1',
        'SELECT 3',
        'SET t 1',
      ).then(() => talk(client, 'LPUSH t 1', 'EXEC'));
      assert.match(reply, /-EXECABORT Transaction rolled back because of: WRONGTYPE/);
      assert.equal(await talk(client, 'LRANGE l 0 -1', 'GET s', 'HGETALL h', 'ZRANGE z 0 -1 WITHSCORES', 'DBSIZE'), before);
      assert.match(await talk(client, 'TTL s'), /:100|:99/);
      assert.equal(
        await talk(client, 'MULTI', 'SET s 2', 'LPOP l', 'EXEC', 'GET s'),
        '+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\na\r\n$1\r\n2\r\n',
      );
      await talk(client, 'CONFIG SET transaction-rollback no');
      client.destroy();
    });

    testServed('ioredis and node-redis', async ({ port }) => {
      const io = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null });
      const results = (await io.multi().set('a', 1).incr('a').lpush('a', 'x').get('a').exec()) ?? [];
      const shown = results.map(([error, value]) => (error === null ? value : error.message.slice(0, 9)));
      assert.deepEqual(shown, ['OK', 2, 'WRONGTYPE', '2']);
      await io.watch('a');
      const rival = createClient({ url: `redis://127.0.0.1:${port}` });
      await rival.connect();
      assert.deepEqual(await rival.multi().set('a', '5').incrBy('a', 2).get('a').exec(), ['OK', 7, '7']);
      assert.equal(await io.multi().set('a', 9).exec(), null);
      await rival.close();
      io.disconnect();
    });
  });
}
