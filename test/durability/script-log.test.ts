// What scripts leave in the log, where a thread of theirs goes on to another script that loops.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, start, temporaryFolder } from '../support/log-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { REACTORS } from '../support/server.ts';

const LOOP_MS = 3000;
const BUSY =
  "local t = redis.call('TIME') local start = t[1] * 1000 + t[2] / 1000 repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 - start > tonumber(ARGV[1]) return 'looped'";

for (const reactor of REACTORS) {
  test(`a script that loops holds up nobody's log, and no reply to what its thread did before (${reactor})`, async (context) => {
    const dir = temporaryFolder(context);
    const directives = { appendfsync: 'always', 'script-threads': 1, 'script-inline': 'no', reactor };
    const server = await start(context, dir, directives);
    const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(server.port)));
    const [first, writer, looper, other] = clients as [RawClient, RawClient, RawClient, RawClient];
    await first.command('EVAL', "return redis.call('SET', KEYS[1], 0)", 1, 'warm');
    // While the thread is busy, two more jobs come into its queue: a short one that writes, and one that loops.
    const busy = first.command('EVAL', BUSY, 0, 300);
    await other.command('PING');
    const written = writer.command('EVAL', "return redis.call('INCR', KEYS[1])", 1, 'counted');
    await other.command('PING');
    let hasLooped = false;
    const looped = looper.command('EVAL', BUSY, 0, LOOP_MS).then((reply) => {
      hasLooped = true;
      return reply;
    });
    assert.equal((await busy).toString(), '$6\r\nlooped\r\n');
    assert.equal((await written).toString(), ':1\r\n');
    assert.equal(await ask(other, 'SET', 'plain', 1), '+OK');
    assert.equal(hasLooped, false, 'they waited for the loop');
    assert.equal((await looped).toString(), '$6\r\nlooped\r\n');
  });
}
