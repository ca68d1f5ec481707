// ioredis as its users know it, against both reactors.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Redis } from 'ioredis';
import { isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

const CONNECTIONS = 100;

for (const reactor of REACTORS) {
  describe(`ioredis on the ${reactor} reactor`, () => {
    let server: RunningServer | undefined;
    const open: Redis[] = [];

    const connect = (options: object = {}): Redis => {
      assert.ok(server !== undefined);
      const client = new Redis({ port: server.port, host: '127.0.0.1', ...options });
      // Without a listener ioredis prints the errors of every attempt to reconnect.
      client.on('error', () => {});
      open.push(client);
      return client;
    };

    before(async (context) => {
      try {
        server = await startServer({ reactor });
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
        (context as { skip?: (why: string) => void }).skip?.(`this machine refuses ${reactor}`);
      }
    });
    after(async () => {
      for (const client of open) client.disconnect();
      await server?.stop();
    });
    const testServed = (name: string, body: () => Promise<void>): void => {
      test(name, async (context) => {
        if (server === undefined) context.skip(`this machine refuses ${reactor}`);
        else await body();
        server?.assertAlive();
      });
    };

    testServed('connects, sets and gets, with a connection name and a database', async () => {
      const client = connect({ connectionName: 'shop', db: 3 });
      assert.equal(await client.set('greeting', 'hello'), 'OK');
      assert.equal(await client.get('greeting'), 'hello');
      assert.equal(await client.client('GETNAME'), 'shop');
      assert.match(String(await client.client('INFO')), /name=shop .*db=3 /);
      assert.equal(await connect().get('greeting'), null);
    });

    for (const protocol of [2, 3]) {
      testServed(`keeps the order of a pipeline of 10000 in RESP${protocol}`, async () => {
        const client = connect({ protocol });
        const pipeline = client.pipeline();
        for (let i = 0; i < 5_000; i++) pipeline.set(`p:${i}`, `value ${i}`).get(`p:${i}`);
        const results = (await pipeline.exec()) ?? [];
        assert.equal(results.length, 10_000);
        for (let i = 0; i < 5_000; i++) assert.deepEqual(results[2 * i + 1], [null, `value ${i}`]);
      });
    }

    testServed('keeps binary keys and values', async () => {
      const client = connect();
      const key = Buffer.from([0, 255, 254, 13, 10, 128]);
      const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      await client.set(key, value);
      assert.deepEqual(await client.getBuffer(key), value);
    });

    testServed('keeps values of 1 MB, twenty at once', async () => {
      const client = connect();
      const values = Array.from({ length: 20 }, (_, i) => Buffer.alloc(1 << 20, i));
      await Promise.all(values.map((value, i) => client.set(`big:${i}`, value)));
      const read = await Promise.all(values.map((_, i) => client.getBuffer(`big:${i}`)));
      for (const [i, value] of values.entries()) assert.ok(read[i]?.equals(value));
    });

    testServed('serves 100 connections at once', async () => {
      const clients = Array.from({ length: CONNECTIONS }, () => connect());
      const names = await Promise.all(
        clients.map(async (client, i) => {
          await client.set(`conn:${i}`, String(i));
          return client.get(`conn:${i}`);
        }),
      );
      assert.deepEqual(
        names,
        clients.map((_, i) => String(i)),
      );
      const counter = await Promise.all(clients.flatMap((client) => [client.incr('shared'), client.incr('shared'), client.incr('shared')]));
      // Each increment is seen once: no update of another thread was lost.
      assert.equal(new Set(counter).size, 3 * CONNECTIONS);
      const listed = String(await connect().client('LIST'))
        .trim()
        .split('\n');
      assert.ok(listed.length > CONNECTIONS);
      for (const client of clients) client.disconnect();
    });

    testServed('streams SCAN over 5000 keys', async () => {
      const client = connect({ db: 5 });
      const pipeline = client.pipeline();
      for (let i = 0; i < 5_000; i++) pipeline.set(`scan:${i}`, '1');
      await pipeline.exec();
      const seen = new Set<string>();
      for await (const keys of client.scanStream({ match: 'scan:*', count: 100 })) for (const key of keys as string[]) seen.add(key);
      assert.equal(seen.size, 5_000);
    });

    testServed('reads and sets the configuration', async () => {
      const client = connect();
      assert.deepEqual(Object.values(Object(await client.config('GET', 'appendonly'))).at(-1), 'no');
      assert.equal(await client.config('SET', 'maxmemory-policy', 'allkeys-lru'), 'OK');
      assert.equal(Object.values(Object(await client.config('GET', 'maxmemory-policy'))).at(-1), 'allkeys-lru');
      await client.config('SET', 'maxmemory-policy', 'noeviction');
      await assert.rejects(client.config('SET', 'no-such-directive', '1'), /^ReplyError: ERR Unknown option/);
    });

    testServed('kills another connection, which reconnects by itself', async () => {
      const victim = connect();
      const id = Number(await victim.client('ID'));
      const closed = new Promise((resolve) => victim.once('close', resolve));
      assert.equal(await connect().client('KILL', 'ID', id), 1);
      await closed;
      assert.equal(await victim.ping(), 'PONG');
      assert.notEqual(Number(await victim.client('ID')), id);
    });

    testServed('gets the errors that clients look for', async () => {
      const client = connect();
      await client.set('text', 'abc');
      await assert.rejects(client.incr('text'), { message: 'ERR value is not an integer or out of range' });
      await assert.rejects(client.call('NOSUCH', 'a'), { message: "ERR unknown command 'NOSUCH', with args beginning with: 'a' " });
    });
  });

  test(`ioredis reconnects when the server comes back (${reactor})`, async (context) => {
    let first: RunningServer;
    try {
      first = await startServer({ reactor, directives: { 'io-threads': 1 } });
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
      context.skip(`this machine refuses ${reactor}`);
      return;
    }
    const client = new Redis({ port: first.port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null });
    client.on('error', () => {});
    let second: RunningServer | undefined;
    try {
      assert.equal(await client.ping(), 'PONG');
      await first.stop();
      const pending = client.ping();
      second = await startServer({ reactor, port: first.port, directives: { 'io-threads': 1 } });
      assert.equal(await pending, 'PONG');
    } finally {
      client.disconnect();
      await Promise.all([first.stop(), second?.stop()]);
    }
  });

  test(`ioredis authenticates against requirepass (${reactor})`, async (context) => {
    let server: RunningServer;
    try {
      server = await startServer({ reactor, directives: { requirepass: 'secret', 'io-threads': 1 } });
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
      context.skip(`this machine refuses ${reactor}`);
      return;
    }
    const right = new Redis({ port: server.port, host: '127.0.0.1', password: 'secret' });
    const wrong = new Redis({
      port: server.port,
      host: '127.0.0.1',
      password: 'guess',
      retryStrategy: () => null,
      enableReadyCheck: false,
      lazyConnect: true,
    });
    try {
      assert.equal(await right.ping(), 'PONG');
      const failure = new Promise<Error>((resolve) => wrong.on('error', resolve));
      wrong.connect().catch(() => {});
      assert.match((await failure).message, /WRONGPASS/);
    } finally {
      right.disconnect();
      wrong.disconnect();
      await server.stop();
    }
  });
}
