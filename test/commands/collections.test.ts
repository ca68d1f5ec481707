// Collections leave nothing behind: after everything is deleted the allocators hold what they held before. And what holds for all of them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { elements, payload } from '../support/compare.ts';
import { encode, RawClient } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';

function assertFair(drawn: readonly string[], names: readonly string[], expected: number, most: number, what: string): void {
  const counts = new Map(names.map((name) => [name, 0]));
  for (const name of drawn) counts.set(name, (counts.get(name) ?? Number.NaN) + 1);
  for (const [name, count] of counts) assert.ok(Math.abs(count - expected) <= most, `${what}: ${name} was drawn ${count} times`);
}

describe('collections', () => {
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

  test('collections of every type give all of it back', async () => {
    const atStart = await used();
    assert.ok(Number.isFinite(atStart));
    const many = Array.from({ length: 1000 }, (_, index) => `element:${index}`);
    for (let round = 0; round < 10; round++) {
      assert.match(await text('RPUSH', `list:${round}`, ...many), /^:/);
      assert.match(await text('ZADD', `zset:${round}`, ...many.flatMap((name, index) => [(index * 7919) % 997, name])), /^:/);
      assert.match(await text('ZADD', `small:${round}`, 1, 'a', 2, 'b'), /^:/);
      assert.match(await text('SADD', `set:${round}`, ...many), /^:/);
      assert.match(await text('SADD', `integers:${round}`, ...many.map((_, index) => index * 3)), /^:/);
      assert.match(await text('HSET', `hash:${round}`, ...many.flatMap((name) => [name, name])), /^:/);
      assert.match(await text('HSET', `fields:${round}`, ...many.flatMap((name) => [name, 'v'.repeat(300)])), /^:/);
      assert.match(await text('HEXPIRE', `fields:${round}`, 1000 + round, 'FIELDS', 500, ...many.slice(0, 500)), /^\*/);
      assert.match(await text('PFADD', `sketch:${round}`, ...many), /^:/);
      assert.match(await text('GEOADD', `places:${round}`, 13.4, 52.5, 'Berlin', 2.35, 48.86, 'Paris'), /^:/);
    }
    assert.match(await text('ZUNIONSTORE', 'union', 3, 'zset:0', 'zset:1', 'small:0'), /^:/);
    assert.match(await text('SORT', 'list:0', 'ALPHA', 'STORE', 'sorted'), /^:/);
    assert.match(await text('COPY', 'zset:1', 'copied'), /^:1/);
    assert.match(await text('COPY', 'fields:1', 'copiedfields'), /^:1/);
    assert.match(await text('SUNIONSTORE', 'setunion', 'set:0', 'integers:1'), /^:/);
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

  test('HSCAN, SSCAN and ZSCAN return every element that stays, while others come and go', async () => {
    const stays = Array.from({ length: 2000 }, (_, index) => `stays:${index}`);
    const goes = Array.from({ length: 3000 }, (_, index) => `goes:${index}`);
    const kinds = [
      ['HSCAN', 'HSET', 'HDEL', (name: string) => [name, 'v'], 2],
      ['SSCAN', 'SADD', 'SREM', (name: string) => [name], 1],
      ['ZSCAN', 'ZADD', 'ZREM', (name: string) => [String(name.length), name], 2],
    ] as const;
    for (const [scan, add, remove, argumentsOf, group] of kinds) {
      const key = `scanned:${scan}`;
      await text(add, key, ...[...stays, ...goes].flatMap(argumentsOf));
      const seen = new Set<string>();
      let cursor = '0';
      let step = 0;
      do {
        const reply = (elements(await client.command(scan, key, cursor, 'COUNT', 20)) ?? []) as Buffer[];
        cursor = payload(reply[0] as Buffer)?.toString() ?? '';
        const found = (elements(reply[1] as Buffer) ?? []).map((each) => payload(each)?.toString() ?? '');
        for (let index = 0; index < found.length; index += group) seen.add(found[index] as string);
        // The table shrinks to less than half meanwhile, and grows to twice of what it was.
        const some = goes.slice((step % 30) * 100, (step % 30) * 100 + 100);
        if (step < 30) await text(remove, key, ...some);
        else await text(add, key, ...some.flatMap((name) => argumentsOf(`${name}:${step}`)));
        step++;
      } while (cursor !== '0' && step < 5000);
      assert.equal(cursor, '0', `${scan} comes to an end`);
      assert.deepEqual(
        stays.filter((name) => !seen.has(name)),
        [],
        scan,
      );
    }
    assert.match(await text('FLUSHALL'), /^\+OK/);
  });

  test('what is drawn by chance is drawn as often as anything else, in every encoding', async () => {
    const draws = 4000;
    for (const [size, lengths] of [
      [8, 'packed'],
      [8, 'integers'],
      [40, 'table'],
    ] as const) {
      const names = Array.from({ length: size }, (_, index) => (lengths === 'integers' ? String(index) : `member:${index}`));
      await text('DEL', 's', 'h', 'z');
      await text('SADD', 's', ...names);
      await text('HSET', 'h', ...names.flatMap((name) => [name, 'v'.repeat(lengths === 'table' ? 100 : 1)]));
      await text('ZADD', 'z', ...names.flatMap((name, index) => [index, name]));
      const expected = draws / size;
      // Nine standard deviations: once in 10^18 runs by chance.
      const most = 9 * Math.sqrt(expected);
      const requests: readonly (readonly string[])[] = [
        ['SRANDMEMBER', 's', String(-draws)],
        ['HRANDFIELD', 'h', String(-draws)],
        ['ZRANDMEMBER', 'z', String(-draws)],
      ];
      for (const request of requests) {
        const drawn = (elements(await client.command(...request)) ?? []).map((each) => payload(each)?.toString() ?? '');
        assert.equal(drawn.length, draws);
        assertFair(drawn, names, expected, most, request.join(' '));
      }
      // SPOP takes away: what it took is put back.
      const popped: string[] = [];
      for (let draw = 0; draw < draws; draw++) {
        client.send(encode(['SPOP', 's']));
        const name = payload(await client.readReply())?.toString() ?? '';
        popped.push(name);
        await text('SADD', 's', name);
      }
      assertFair(popped, names, expected, most, `SPOP, ${lengths}`);
    }
    assert.match(await text('FLUSHALL'), /^\+OK/);
  });

  test('PFSELFTEST finds nothing wrong', async () => {
    assert.equal(await text('PFSELFTEST'), '+OK\r\n');
  });
});
