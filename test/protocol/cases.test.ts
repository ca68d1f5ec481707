// Runs the text cases of cases/*.txt on each reactor. Files named *.auth.txt get a server with the password "secret".
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawClient, show } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';
import { type CaseLine, parseCases } from './case-format.ts';

const DIRECTORY = path.join(import.meta.dirname, 'cases');
const QUIET_MS = 50;
const TIMEOUT_MS = 5_000;

/** Waits until `length` bytes are unread, the connection is closed, or time is over; gives what has come. */
async function unread(client: RawClient, length: number): Promise<Buffer> {
  const deadline = Date.now() + TIMEOUT_MS;
  while (client.unread.length < length && !client.isClosed && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
  return client.unread;
}

/** Reads as many whole replies as the expected bytes hold. Gives what came, be it less. */
async function receive(client: RawClient, expected: Buffer): Promise<Buffer> {
  await unread(client, expected.length);
  return client.take(expected.length);
}

async function runLine(client: RawClient, line: CaseLine): Promise<void> {
  switch (line.kind) {
    case 'send':
      client.send(line.bytes);
      return;
    case 'expect':
      assert.equal(show(await receive(client, line.bytes), 2_000), show(line.bytes, 2_000));
      return;
    case 'match':
      assert.match((await client.readReply(TIMEOUT_MS)).toString('latin1'), line.pattern);
      return;
    case 'closed':
      await unread(client, Number.POSITIVE_INFINITY);
      assert.ok(client.isClosed, 'the server did not close the connection');
      assert.equal(show(client.unread), '');
      return;
    case 'open':
      assert.equal(show(client.unread), '');
      assert.equal(show(await client.command('PING')), '+PONG\\r\\n');
      return;
    case 'nothing':
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
      assert.equal(show(client.unread), '');
      assert.ok(!client.isClosed, 'the server closed the connection');
  }
}

for (const reactor of REACTORS) {
  for (const file of readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'))) {
    describe(`${file} on the ${reactor} reactor`, () => {
      let server: RunningServer | undefined;
      before(async () => {
        try {
          const password = file.endsWith('.auth.txt') ? { requirepass: 'secret' } : {};
          server = await startServer({ reactor, directives: { 'io-threads': 1, ...password } });
        } catch (error) {
          if (!isReactorRefused(error)) throw error;
        }
      });
      after(async () => {
        await server?.stop();
      });
      for (const one of parseCases(readFileSync(path.join(DIRECTORY, file), 'utf8'))) {
        test(`${one.name} (line ${one.line})`, async (context) => {
          if (server === undefined) {
            context.skip(`this machine refuses ${reactor}`);
            return;
          }
          const client = await RawClient.connect(server.port);
          try {
            for (const line of one.lines) await runLine(client, line);
            // A reply too many is as wrong as one too few.
            assert.equal(show(client.unread), '', 'bytes were left over');
          } finally {
            client.destroy();
          }
          server.assertAlive();
        });
      }
    });
  }
}
