// Clients that send and don't read: the server must not keep their replies without bound, must serve the others meanwhile, and
// must close the connection that goes over client-output-buffer-limit.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { encode, RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer, TARGET } from '../support/server.ts';

const MEGABYTE = 1 << 20;
const REPLIES = 200;
const GROWTH_MAX_MB = 100;
const PING_MAX_MS = 1_000;
/** A reactor that sleeps over a reply that has been sent looks up a second later. */
const STALLED_MS = 1_000;

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
}

for (const reactor of REACTORS) {
  describe(`slow readers on the ${reactor} reactor`, () => {
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
        if (server === undefined) context.skip(`this machine refuses ${reactor}`);
        else await body(server);
        server?.assertAlive();
      });
    };

    testServed('large replies come one right behind the other, and the end of the connection right behind the last', async (served) => {
      const client = await RawClient.connect(served.port);
      await client.command('SET', 'large', Buffer.alloc(MEGABYTE, 120));
      const replies = 20;
      const start = performance.now();
      client.send(Buffer.concat([...Array.from({ length: replies }, () => encode(['GET', 'large'])), encode(['QUIT'])]));
      for (let i = 0; i < replies; i++) assert.equal((await client.readReply()).length, MEGABYTE + 12);
      assert.equal((await client.readReply()).toString('latin1'), '+OK\r\n');
      assert.ok(performance.now() - start < (replies * STALLED_MS) / 2, 'most replies waited for the next look');
      // Most of these are fast, or each of them waits for the next look.
      let prompt = 0;
      for (let round = 0; round < 5; round++) {
        const brief = await RawClient.connect(served.port);
        const asked = performance.now();
        brief.send(encode(['QUIT']));
        await brief.closed;
        if (performance.now() - asked < STALLED_MS / 4) prompt++;
      }
      assert.ok(prompt >= 3, `${prompt} of 5 connections were closed at once`);
    });

    testServed('a client that does not read is waited for, and gets every reply in order in the end', async (served) => {
      const other = await RawClient.connect(served.port);
      const values = [0, 1, 2, 3].map((i) => Buffer.alloc(MEGABYTE, 97 + i));
      for (const [i, value] of values.entries()) await other.command('SET', `slow:${i}`, value);
      const before = process.platform === 'linux' ? residentMegabytes(served.pid) : 0;
      const slow = await RawClient.connect(served.port);
      slow.socket.pause();
      for (let i = 0; i < REPLIES; i++) slow.send(encode(['GET', `slow:${i % 4}`]));
      for (let i = 0; i < 50; i++) {
        const start = performance.now();
        await other.command('PING');
        assert.ok(performance.now() - start < PING_MAX_MS, 'another client waited for the slow one');
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      // Redis itself keeps all the replies; Ferrite stops reading the requests instead.
      if (TARGET === 'ferrite' && process.platform === 'linux') {
        const growth = residentMegabytes(served.pid) - before;
        assert.ok(growth < GROWTH_MAX_MB, `the server grew by ${growth.toFixed(0)} MB for ${REPLIES} MB of replies`);
      }
      slow.socket.resume();
      for (let i = 0; i < REPLIES; i++) {
        const reply = await slow.readReply();
        assert.equal(reply.length, MEGABYTE + 12);
        assert.equal(reply[20], 97 + (i % 4));
        assert.equal(reply[MEGABYTE], 97 + (i % 4));
      }
      slow.destroy();
      other.destroy();
    });

    testServed('the output limit closes the connection that goes over it, and no other', async (served) => {
      const other = await RawClient.connect(served.port);
      await other.command('SET', 'slow:huge', Buffer.alloc(48 * MEGABYTE, 120));
      assert.equal((await other.command('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 8mb 0 0')).toString(), '+OK\r\n');
      const slow = await RawClient.connect(served.port);
      slow.socket.pause();
      slow.send(encode(['GET', 'slow:huge']));
      // What the kernel had taken already may still be read; then the connection must end, short of the whole reply.
      const id = await waitForClosed(other);
      assert.ok(id, 'the connection was not closed');
      let bytes = 0;
      slow.socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      slow.socket.resume();
      await slow.closed;
      assert.ok(bytes < 48 * MEGABYTE);
      assert.equal((await other.command('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0')).toString(), '+OK\r\n');
      await other.command('DEL', 'slow:huge');
      other.destroy();
    });
  });
}

/** Waits until CLIENT LIST shows one connection alone, the asking one. */
async function waitForClosed(client: RawClient): Promise<boolean> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const list = (await client.command('CLIENT', 'LIST')).toString('latin1');
    if ((list.match(/^id=|\nid=/g) ?? []).length === 1) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}
