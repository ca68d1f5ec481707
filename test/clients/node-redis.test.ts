// node-redis as its users know it, against both reactors.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createClient, RESP_TYPES } from 'redis';
import { isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

const BIG_BYTES = 64 * 1024 * 1024;

type Client = ReturnType<typeof createClient>;

for (const [index, reactor] of REACTORS.entries()) {
  describe(`node-redis on the ${reactor} reactor`, () => {
    let server: RunningServer | undefined;
    const open: Client[] = [];

    const connect = async (options: Parameters<typeof createClient>[0] = {}): Promise<Client> => {
      assert.ok(server !== undefined);
      const client = createClient({
        ...options,
        socket: { port: server.port, host: '127.0.0.1', reconnectStrategy: 20 },
      }) as unknown as Client;
      client.on('error', () => {});
      open.push(client);
      await client.connect();
      return client;
    };

    before(async () => {
      try {
        server = await startServer({ reactor, directives: { requirepass: 'secret' } });
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
      }
    });
    after(async () => {
      for (const client of open) client.destroy();
      await server?.stop();
    });
    const testServed = (name: string, body: () => Promise<void>): void => {
      test(name, async (context) => {
        if (server === undefined) context.skip(`this machine refuses ${reactor}`);
        else await body();
        server?.assertAlive();
      });
    };

    for (const RESP of [2, 3] as const) {
      testServed(`connects with a password, a name and a database in RESP${RESP}`, async () => {
        const client = await connect({ RESP, password: 'secret', name: 'till', database: 2 });
        assert.equal(await client.set('greeting', 'hello', { expiration: { type: 'EX', value: 100 } }), 'OK');
        assert.equal(await client.get('greeting'), 'hello');
        assert.ok((await client.ttl('greeting')) > 90);
        assert.equal(await client.clientGetName(), 'till');
        const info = await client.clientInfo();
        assert.equal(info.db, 2);
      });
    }

    testServed('is refused with a wrong password, and without one', async () => {
      assert.ok(server !== undefined);
      for (const [password, words] of [
        ['guess', /WRONGPASS/],
        [undefined, /NOAUTH/],
      ] as const) {
        const client = createClient({
          ...(password === undefined ? {} : { password }),
          socket: { port: server.port, host: '127.0.0.1', reconnectStrategy: false },
        });
        client.on('error', () => {});
        await assert.rejects(async () => {
          await client.connect();
          await client.get('a');
        }, words);
        if (client.isOpen) client.destroy();
      }
    });

    testServed('pipelines by itself, in order', async () => {
      const client = await connect({ password: 'secret' });
      const replies = await Promise.all(Array.from({ length: 10_000 }, (_, i) => client.echo(String(i))));
      assert.deepEqual(
        replies,
        Array.from({ length: 10_000 }, (_, i) => String(i)),
      );
    });

    testServed('iterates SCAN', async () => {
      const client = await connect({ password: 'secret', database: 6 });
      await client.mSet(Array.from({ length: 3_000 }, (_, i) => [`scan:${i}`, '1'] as [string, string]));
      const seen = new Set<string>();
      for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 50 })) for (const key of keys) seen.add(String(key));
      assert.equal(seen.size, 3_000);
    });

    testServed('reads INFO, CONFIG, COMMAND, DBSIZE, TIME', async () => {
      const client = await connect({ password: 'secret' });
      const info = String(await client.info());
      for (const field of [
        'redis_version',
        'process_id',
        'used_memory',
        'connected_clients',
        'maxmemory_policy',
        'total_commands_processed',
        'role',
        'loading',
      ]) {
        assert.match(info, new RegExp(`^${field}:\\S+\\r$`, 'm'));
      }
      assert.match(info, /^# Server\r$/m);
      assert.deepEqual({ ...(await client.configGet('databases')) }, { databases: '16' });
      assert.ok((await client.commandCount()) > 40);
      assert.equal(typeof (await client.dbSize()), 'number');
      assert.equal(((await client.sendCommand(['TIME'])) as unknown as string[]).length, 2);
    });

    // Once is enough for so large a value; the other reactor's size limits are tested with 1 MB.
    if (index === 0) {
      testServed('keeps a value of 64 MB', async () => {
        const client = await connect({ password: 'secret' });
        const value = Buffer.alloc(BIG_BYTES, 'ferrite ');
        value[BIG_BYTES - 1] = 0xff;
        await client.set('big', value);
        assert.equal(await client.strLen('big'), BIG_BYTES);
        const read = await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get('big');
        assert.ok(Buffer.isBuffer(read) && read.equals(value));
        await client.del('big');
      });
    }
  });
}
