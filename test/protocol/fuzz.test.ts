// Requests cut at random places, random bytes, and requests with damaged bytes: never a crash, a hang, or a reply out of order.
// `FERRITE_SEED=<seed>` runs a failure again.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { encode, RawClient, show } from '../support/raw-client.ts';
import { isReactorRefused, LONG, REACTORS, type RunningServer, startServer } from '../support/server.ts';

const RUNS = LONG ? 2_000 : 60;
const SEED = Number(process.env['FERRITE_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));
const REPLY_TIMEOUT_MS = 5_000;
const SETTLE_MS = 5;

const word = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(Buffer.from('\r\n$5\r\n*3\r\n'), Buffer.alloc(0), Buffer.alloc(20_000, 'z')),
);
const inlineWord = fc.stringMatching(/^[a-z0-9]{1,30}$/);

type Echo = { readonly request: Buffer; readonly reply: Buffer };
const bulk = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
// Each request's reply is known in advance, so a reply out of its place can't go unseen.
const echo: fc.Arbitrary<Echo> = fc.oneof(
  { weight: 6, arbitrary: word.map((bytes) => ({ request: encode(['ECHO', bytes]), reply: bulk(bytes) })) },
  { weight: 2, arbitrary: inlineWord.map((text) => ({ request: Buffer.from(`ECHO ${text}\r\n`), reply: bulk(Buffer.from(text)) })) },
  { weight: 1, arbitrary: fc.constant({ request: Buffer.from('*0\r\n\r\n'), reply: Buffer.alloc(0) }) },
  { weight: 1, arbitrary: fc.constant({ request: encode(['GET', 'fuzz:missing']), reply: Buffer.from('$-1\r\n') }) },
);
const echoes = fc.array(echo, { minLength: 1, maxLength: 30, size: 'max' });
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 25, size: 'max' });

/** Writes the bytes in pieces, and lets the event loop turn between them so that they travel apart. */
async function sendCut(client: RawClient, bytes: Buffer, places: readonly number[]): Promise<void> {
  const offsets = [...new Set(places.map((place) => Math.floor(place * bytes.length)))].sort((a, b) => a - b);
  let start = 0;
  for (const offset of [...offsets, bytes.length]) {
    if (offset > start) client.send(bytes.subarray(start, offset));
    start = offset;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function assertServes(server: RunningServer): Promise<void> {
  server.assertAlive();
  const client = await RawClient.connect(server.port);
  client.send(encode(['PING']));
  assert.equal((await client.readReply(REPLY_TIMEOUT_MS)).toString(), '+PONG\r\n');
  client.destroy();
}

for (const reactor of REACTORS) {
  describe(`protocol fuzz on the ${reactor} reactor`, () => {
    let server: RunningServer | undefined;
    before(async () => {
      try {
        server = await startServer({ reactor });
      } catch (error) {
        if (!isReactorRefused(error)) throw error;
      }
    });
    after(async () => {
      await server?.stop();
    });
    const testServed = (name: string, body: (served: RunningServer) => Promise<void>): void => {
      test(name, async (context) => {
        if (server === undefined) {
          context.skip(`this machine refuses ${reactor}`);
          return;
        }
        context.diagnostic(`seed ${SEED}`);
        await body(server);
        await assertServes(server);
      });
    };

    testServed('requests cut anywhere are answered in order', async (served) => {
      const property = fc.asyncProperty(echoes, cuts, async (all, places) => {
        const client = await RawClient.connect(served.port);
        try {
          const expected = Buffer.concat([...all.map((one) => one.reply), Buffer.from('+PONG\r\n')]);
          const count = all.filter((one) => one.reply.length > 0).length + 1;
          const replies = client.readReplies(count, REPLY_TIMEOUT_MS);
          await sendCut(client, Buffer.concat([...all.map((one) => one.request), encode(['PING'])]), places);
          const actual = Buffer.concat(await replies);
          assert.ok(actual.equals(expected), `actual:   ${show(actual)}\nexpected: ${show(expected)}`);
        } finally {
          client.destroy();
        }
      });
      await fc.assert(property, { seed: SEED, numRuns: RUNS });
    });

    testServed('one byte at a time', async (served) => {
      const client = await RawClient.connect(served.port);
      const bytes = Buffer.concat([encode(['SET', 'fuzz:byte', 'va\r\nlue']), Buffer.from('PING\r\n'), encode(['GET', 'fuzz:byte'])]);
      const replies = client.readReplies(3, REPLY_TIMEOUT_MS);
      for (const byte of bytes) {
        client.send(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(show(Buffer.concat(await replies)), '+OK\\r\\n+PONG\\r\\n$7\\r\\nva\\r\\nlue\\r\\n');
      client.destroy();
    });

    testServed('random bytes after good requests: those are answered first', async (served) => {
      const garbage = fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.stringMatching(/^[*$0-9\r\n"' -]{1,60}$/).map((text) => Buffer.from(text)),
      );
      const property = fc.asyncProperty(echoes, garbage, cuts, async (all, bytes, places) => {
        const client = await RawClient.connect(served.port);
        try {
          const expected = Buffer.concat(all.map((one) => one.reply));
          await sendCut(client, Buffer.concat([...all.map((one) => one.request), bytes]), places);
          const deadline = Date.now() + REPLY_TIMEOUT_MS;
          while (client.unread.length < expected.length && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
          const actual = client.unread.subarray(0, expected.length);
          assert.ok(actual.equals(expected), `actual:   ${show(actual)}\nexpected: ${show(expected)}`);
        } finally {
          client.destroy();
        }
      });
      await fc.assert(property, { seed: SEED, numRuns: RUNS });
    });

    testServed('requests with damaged bytes end neither the server nor other connections', async (served) => {
      const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), { minLength: 1, maxLength: 6 });
      const request = fc.array(
        fc.constantFrom(
          encode(['SET', 'fuzz:a', 'value', 'EX', '1000']),
          encode(['MSET', 'fuzz:a', '1', 'fuzz:b', '2']),
          encode(['BITFIELD', 'fuzz:a', 'SET', 'u8', '0', '255']),
          encode(['SCAN', '0', 'MATCH', '*', 'COUNT', '10']),
          encode(['GETRANGE', 'fuzz:a', '0', '-1']),
        ),
        { minLength: 1, maxLength: 8 },
      );
      const bystander = await RawClient.connect(served.port);
      const property = fc.asyncProperty(request, damage, async (all, places) => {
        const bytes = Buffer.concat(all);
        for (const [place, byte] of places) bytes[Math.floor(place * bytes.length)] = byte;
        const client = await RawClient.connect(served.port);
        client.send(bytes);
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
        client.destroy();
        bystander.send(encode(['PING']));
        assert.equal((await bystander.readReply(REPLY_TIMEOUT_MS)).toString(), '+PONG\r\n');
        served.assertAlive();
      });
      await fc.assert(property, { seed: SEED, numRuns: RUNS });
      bystander.destroy();
    });

    testServed('connections that end in the middle of a request', async (served) => {
      const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.connect(served.port)));
      for (const [i, client] of clients.entries()) {
        client.send(`*3\r\n$3\r\nSET\r\n$6\r\nfuzz:c\r\n$${100_000 + i}\r\nabc`);
        if (i % 2 === 0) client.socket.resetAndDestroy();
        else client.socket.end();
      }
      await Promise.all(clients.map((client) => client.closed));
    });
  });
}
