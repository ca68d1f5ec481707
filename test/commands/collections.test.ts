// Collections leave nothing behind: after everything is deleted the allocators hold what they held before.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';

describe('memory of collections', () => {
  let server: RunningServer;
  let client: RawClient;
  before(async () => {
    server = await startServer({ directives: { 'enable-debug-command': 'yes', 'zset-max-listpack-entries': 16 } });
    client = await RawClient.connect(server.port);
  });
  after(async () => {
    client.destroy();
    await server.stop();
  });
  const text = async (...args: (string | number)[]): Promise<string> => (await client.command(...args)).toString('latin1');
  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await text('INFO', 'memory'))?.[1] ?? Number.NaN);

  test('lists, sorted sets and sketches give all of it back', async () => {
    const atStart = await used();
    assert.ok(Number.isFinite(atStart));
    const many = Array.from({ length: 1000 }, (_, index) => `element:${index}`);
    for (let round = 0; round < 10; round++) {
      assert.match(await text('RPUSH', `list:${round}`, ...many), /^:/);
      assert.match(await text('ZADD', `zset:${round}`, ...many.flatMap((name, index) => [(index * 7919) % 997, name])), /^:/);
      assert.match(await text('ZADD', `small:${round}`, 1, 'a', 2, 'b'), /^:/);
      assert.match(await text('PFADD', `sketch:${round}`, ...many), /^:/);
      assert.match(await text('GEOADD', `places:${round}`, 13.4, 52.5, 'Berlin', 2.35, 48.86, 'Paris'), /^:/);
    }
    assert.match(await text('ZUNIONSTORE', 'union', 3, 'zset:0', 'zset:1', 'small:0'), /^:/);
    assert.match(await text('SORT', 'list:0', 'ALPHA', 'STORE', 'sorted'), /^:/);
    assert.match(await text('COPY', 'zset:1', 'copied'), /^:1/);
    assert.match(await text('RENAME', 'list:1', 'renamed'), /^\+OK/);
    assert.match(await text('LTRIM', 'renamed', 100, 200), /^\+OK/);
    assert.match(await text('ZREMRANGEBYRANK', 'copied', 0, -2), /^:/);
    assert.ok((await used()) > atStart + 500_000);
    const keys = (await text('KEYS', '*')).split('\r\n').filter((line) => /^[a-z]/.test(line));
    assert.match(await text('UNLINK', ...keys), /^:/);
    assert.equal(await text('DBSIZE'), ':0\r\n');
    // What is large is freed by the janitor, ten times a second.
    let left = await used();
    for (let tries = 0; tries < 100 && left > atStart + 4096; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      left = await used();
    }
    assert.ok(left <= atStart + 4096, `${left} bytes are in use, ${atStart} were at the start`);
    assert.equal(await text('DEBUG', 'CHECK-MEMORY'), '+OK\r\n');
  });

  test('PFSELFTEST finds nothing wrong', async () => {
    assert.equal(await text('PFSELFTEST'), '+OK\r\n');
  });
});
