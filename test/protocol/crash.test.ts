// A thread that fails takes the whole process with it, with words in the log and a status that isn't zero: never a half-alive server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, startServer } from '../support/server.ts';

const END_TIMEOUT_MS = 5_000;

for (const reactor of REACTORS) {
  for (const thread of ['REACTOR', 'JANITOR', 'MAIN']) {
    test(`the process ends when a thread fails: ${thread.toLowerCase()} (${reactor})`, async (context) => {
      const started = startServer({ reactor, directives: { 'io-threads': 2, 'enable-debug-command': 'yes' } });
      const server = await started.catch((error: unknown) => {
        if (!isReactorRefused(error)) throw error;
        return null;
      });
      if (server === null) {
        context.skip(`this machine refuses ${reactor}`);
        return;
      }
      // A second connection, likely on the other reactor, that waits: nothing may wait for it.
      const other = await RawClient.connect(server.port);
      const client = await RawClient.connect(server.port);
      try {
        assert.equal((await other.command('PING')).toString(), '+PONG\r\n');
        client.send(`DEBUG PANIC ${thread}\r\n`);
        const timer = setTimeout(() => void server.stop(), END_TIMEOUT_MS);
        const status = await server.exited;
        clearTimeout(timer);
        assert.deepEqual(status, { code: 1, signal: null }, server.log);
        assert.match(server.log, /A thread has failed, so the server ends.*crashed by DEBUG PANIC/);
      } finally {
        client.destroy();
        other.destroy();
        await server.stop();
      }
    });
  }
}
