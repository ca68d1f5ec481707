// A regression: the slow log took the arguments of a command from where the parser had already put those of the next request, which
// wasn't whole yet. An inline request has a buffer of its own, shorter than the places in the other one: the server ended with
// "Index out of range".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode, RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

for (const reactor of REACTORS) {
  test(`the slow log has the arguments of what has run, whatever comes behind (${reactor})`, async (context) => {
    let server: RunningServer;
    try {
      server = await startServer({ reactor, directives: { 'slowlog-log-slower-than': 1000 } });
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
      context.skip(`this machine refuses ${reactor}`);
      return;
    }
    try {
      const client = await RawClient.connect(server.port);
      // Short commands are timed together: the first one here made a slow run of them, and the inline one ended it.
      const slow = encode(['EXISTS', ...Array.from({ length: 50_000 }, (_, index) => `key:${index}`)]);
      const half = encode(['GET', 'a key that is not there', 'x'.repeat(50)]);
      client.send(Buffer.concat([slow, Buffer.from("ECHO 'a word'\r\n"), half.subarray(0, half.length - 20)]));
      assert.deepEqual((await client.readReplies(2)).map(String), [':0\r\n', '$6\r\na word\r\n']);
      client.send(half.subarray(half.length - 20));
      assert.match((await client.readReply()).toString(), /^-ERR wrong number of arguments/);
      const logged = (await client.command('SLOWLOG', 'GET', '-1')).toString('latin1');
      assert.ok(logged.includes('\r\n$6\r\nEXISTS\r\n$5\r\nkey:0\r\n'), logged);
      client.destroy();
    } finally {
      await server.stop();
    }
  });
}
