// Clients that go from one reactor to another while they are served: nothing of them is lost, repeated, or answered out of order.
import assert from 'node:assert/strict';
import { describe, test as plainTest } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer as startEmbedded } from '../../src/index.ts';
import { encode, RawClient } from '../support/raw-client.ts';
import { parseReply } from '../support/reply.ts';
import { Random, SEED } from '../support/seed.ts';
import { serveTests } from '../support/served.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer, TARGET } from '../support/server.ts';

const CLIENTS = 24;
const TOGGLE_MS = 130;
/** Clients with a timeout of 2 s are closed within this: each reactor looks once a second. */
const IDLE_MS = 8000;
const STRESS_MS = process.env['FERRITE_LONG'] === '1' ? 60_000 : 3_000;
const DIRECTIVES = { 'io-threads': 2, 'io-threads-elastic': 'yes', 'enable-debug-command': 'yes' };

const field = async (client: RawClient, name: string): Promise<number> => {
  const text = parseReply(await client.command('INFO', 'server', 'stats')) as string;
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]);
};
const say = async (client: RawClient, ...request: (string | number)[]): Promise<string> =>
  (await client.command(...request)).toString('latin1');

/** Gathers all connections on one reactor and spreads them over all, again and again, until `isOver`. */
async function toggle(client: RawClient, isOver: () => boolean): Promise<void> {
  for (let isElastic = false; !isOver(); isElastic = !isElastic) {
    assert.equal(await say(client, 'CONFIG', 'SET', 'io-threads-elastic', isElastic ? 'yes' : 'no'), '+OK\r\n');
    await sleep(TOGGLE_MS);
  }
  assert.equal(await say(client, 'CONFIG', 'SET', 'io-threads-elastic', 'yes'), '+OK\r\n');
}

/** Requests of all kinds whose replies tell whether one was lost, run twice, or answered in another order; until `isOver`. */
async function work(port: number, number: number, isOver: () => boolean): Promise<number> {
  const client = await RawClient.connect(port);
  const random = new Random(SEED + number);
  const own = `moving:${number}`;
  const database = number % 4;
  assert.equal(await say(client, 'SELECT', database), '+OK\r\n');
  assert.equal(await say(client, 'CLIENT', 'SETNAME', own), '+OK\r\n');
  let count = 0;
  for (; !isOver(); ) {
    const size = 1 + random.below(20);
    const bytes = Buffer.concat(Array.from({ length: size }, () => encode(['INCR', own])));
    // In two pieces, so that a part of a request is on the server when its client moves.
    const cut = random.below(bytes.length);
    client.send(bytes.subarray(0, cut));
    if (random.below(3) === 0) await sleep(random.below(20));
    client.send(bytes.subarray(cut));
    for (let each = 0; each < size; each++) {
      count++;
      assert.equal((await client.readReply()).toString('latin1'), `:${count}\r\n`, `client ${number}, FERRITE_SEED=${SEED}`);
    }
    if (random.below(8) === 0) {
      await say(client, 'WATCH', own);
      await say(client, 'MULTI');
      await sleep(random.below(10));
      await say(client, 'INCR', own);
      count++;
      assert.equal(await say(client, 'EXEC'), `*1\r\n:${count}\r\n`);
    }
    if (random.below(8) === 0) {
      const text = await say(client, 'CLIENT', 'INFO');
      assert.match(text, new RegExp(`name=${own} .* db=${database} `));
    }
  }
  client.destroy();
  return count;
}

async function stress(first: RawClient, server: RunningServer): Promise<void> {
  const before = await field(first, 'total_connections_moved');
  const deadline = Date.now() + STRESS_MS;
  const isOver = (): boolean => Date.now() > deadline;
  const toggling = toggle(first, isOver);
  const counts = await Promise.all(Array.from({ length: CLIENTS }, (_, number) => work(server.port, number, isOver)));
  await toggling;
  for (const [number, count] of counts.entries()) {
    await say(first, 'SELECT', number % 4);
    assert.equal(parseReply(await first.command('GET', `moving:${number}`)), String(count));
  }
  const moved = (await field(first, 'total_connections_moved')) - before;
  assert.ok(moved > CLIENTS, `${moved} moves: too few to tell anything`);
}

for (const reactor of REACTORS.filter((each) => each === 'io_uring' && TARGET === 'ferrite')) {
  describe('clients that move between reactors', () => {
    const test = serveTests({ reactor, directives: DIRECTIVES }, STRESS_MS + 60_000);

    test('connections are gathered on one reactor, with all that a client has set', async (connect) => {
      const first = await connect();
      await say(first, 'CONFIG', 'SET', 'requirepass', 'secret', 'io-threads-elastic', 'no');
      const clients = await Promise.all(Array.from({ length: CLIENTS }, connect));
      for (const [index, client] of clients.entries()) {
        assert.equal(await say(client, 'AUTH', 'secret'), '+OK\r\n');
        await client.command('HELLO', 3, 'SETNAME', `client-${index}`);
        await say(client, 'CLIENT', 'SETINFO', 'LIB-NAME', 'lib');
        await say(client, 'SELECT', index % 16);
        await say(client, 'SET', `of-${index}`, index);
        await say(client, 'CLIENT', 'NO-TOUCH', 'on');
      }
      await say(first, 'CONFIG', 'SET', 'requirepass', '');
      const before = await field(first, 'total_connections_moved');
      await say(first, 'CONFIG', 'SET', 'io-threads-elastic', 'yes');
      for (let wait = 0; wait < 100 && (await field(first, 'total_connections_moved')) === before; wait++) await sleep(20);
      await sleep(200);
      assert.ok((await field(first, 'total_connections_moved')) > before, 'some connections were accepted by the second reactor');
      assert.equal(await field(first, 'reactors_active'), 1);
      for (const [index, client] of clients.entries()) {
        assert.equal(await say(client, 'GET', `of-${index}`), `$${String(index).length}\r\n${index}\r\n`);
        const info = await say(client, 'CLIENT', 'INFO');
        assert.match(info, new RegExp(`name=client-${index} .* db=${index % 16} .* user=default .* resp=3 lib-name=lib`));
      }
      const list = parseReply(await first.command('CLIENT', 'LIST')) as string;
      assert.equal(list.trim().split('\n').length, CLIENTS + 2);
      assert.equal(
        Number(/^connected_clients:(\d+)/m.exec(parseReply(await first.command('INFO', 'clients')) as string)?.[1]),
        CLIENTS + 2,
      );
    });

    test('nothing is lost or repeated while connections go to and fro', async (connect, server) => stress(await connect(), server));

    test('a client that moves is listed once, and is killed when it is to be', async (connect) => {
      const first = await connect();
      let isOver = false;
      const toggling = toggle(await connect(), () => isOver);
      try {
        const ids = (list: string): number[] => [...list.matchAll(/^id=(\d+)/gm)].map((match) => Number(match[1]));
        for (let round = 0; round < 12; round++) {
          const clients = await Promise.all(Array.from({ length: CLIENTS }, connect));
          const own: number[] = [];
          for (const client of clients) own.push(parseReply(await client.command('CLIENT', 'ID')) as number);
          for (let look = 0; look < 5; look++) {
            const listed = ids(parseReply(await first.command('CLIENT', 'LIST')) as string);
            assert.equal(new Set(listed).size, listed.length, 'nobody is listed twice');
            for (const id of own) assert.ok(listed.includes(id), `client ${id} is listed`);
            await sleep(7);
          }
          for (const id of own) assert.equal(await say(first, 'CLIENT', 'KILL', 'ID', id), ':1\r\n');
          await Promise.all(clients.map((client) => client.closed));
        }
      } finally {
        isOver = true;
        await toggling;
      }
    });

    test('clients that do nothing are closed in time, however often they move', async (connect) => {
      const first = await connect();
      const idle = await Promise.all(Array.from({ length: CLIENTS }, connect));
      for (const client of idle) await say(client, 'PING');
      const before = await field(first, 'total_connections_moved');
      const deadline = Date.now() + IDLE_MS;
      let isOver = false;
      const toggling = toggle(first, () => isOver);
      await say(await connect(), 'CONFIG', 'SET', 'timeout', 2);
      await Promise.race([Promise.all(idle.map((client) => client.closed)), sleep(deadline - Date.now())]);
      isOver = true;
      await toggling;
      await say(first, 'CONFIG', 'SET', 'timeout', 0);
      assert.equal(idle.filter((client) => !client.isClosed).length, 0, 'some are still there');
      assert.ok((await field(first, 'total_connections_moved')) > before, 'some have moved');
    });

    test('a client with slow commands is moved away from the others', async (connect) => {
      const first = await connect();
      const slow = await connect();
      await sleep(300);
      await say(first, 'SET', 'a', 'ab'.repeat(1200));
      await say(first, 'SET', 'b', 'ba'.repeat(1200));
      const before = await field(first, 'total_connections_moved');
      let moved = 0;
      for (let round = 0; round < 200 && moved === 0; round++) {
        await say(slow, 'LCS', 'a', 'b', 'LEN');
        moved = (await field(first, 'total_connections_moved')) - before;
      }
      assert.ok(moved > 0, 'the slow client was moved');
      assert.equal(await say(slow, 'PING'), '+PONG\r\n');
    });
  });

  describe('clients that move while their replies wait for the disk', () => {
    const directives = { ...DIRECTIVES, 'io-threads': 3, appendonly: 'yes', appendfsync: 'always' };
    const test = serveTests({ reactor, directives }, STRESS_MS + 60_000);
    test('nothing is lost or repeated', async (connect, server) => stress(await connect(), server));
  });

  plainTest('a server that is stopped while clients move ends, and closes all connections', { timeout: 60_000 }, async (context) => {
    let server: RunningServer;
    try {
      server = await startServer({ reactor, directives: DIRECTIVES });
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
      context.skip(`this machine refuses ${reactor}`);
      return;
    }
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(server.port)));
    const spreads = clients[0] as RawClient;
    await say(spreads, 'CONFIG', 'SET', 'io-threads-elastic', 'no');
    await sleep(TOGGLE_MS);
    for (const client of clients) client.send(encode(['PING']));
    await say(spreads, 'CONFIG', 'SET', 'io-threads-elastic', 'yes');
    const status = await server.stop();
    assert.equal(status.code, 0, server.log);
    await Promise.all(clients.map((client) => client.closed));
  });

  plainTest(
    'a server in a busy process that is stopped while clients move closes all descriptors',
    { timeout: 60_000 },
    async (context) => {
      const config = { reactor, 'io-threads-elastic': 'no' };
      const start = async (): ReturnType<typeof startEmbedded> => startEmbedded({ threads: 2, config });
      const block = (milliseconds: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      let server: Awaited<ReturnType<typeof start>>;
      try {
        await (await start()).stop();
        server = await start();
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
        context.skip(`this machine refuses ${reactor}`);
        return;
      }
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => RawClient.connect(server.port)));
      const first = clients[0] as RawClient;
      for (const client of clients) await say(client, 'PING');
      await say(first, 'CONFIG', 'SET', 'io-threads-elastic', 'yes');
      // The clients of the second reactor are on their way, and main hears of it when that thread has ended.
      block(1500);
      const stopped = server.stop();
      block(2500);
      await stopped;
      await Promise.all(clients.map((client) => client.closed));
    },
  );
}
