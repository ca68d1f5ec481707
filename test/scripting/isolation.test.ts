// While a script runs, others see the keys that were there before it: in DBSIZE, KEYS, SCAN and RANDOMKEY at once, everywhere else when
// it has ended.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { RawClient } from '../support/raw-client.ts';
import { parseReply } from '../support/reply.ts';
import { serveTests } from '../support/served.ts';
import { REACTORS, type RunningServer } from '../support/server.ts';

/** Far more than a look at the keyspace takes, and far less than the scripts do. */
const AT_ONCE_MS = 5000;
const CHANGES = `
  redis.call('set', 'made', 1)
  redis.call('del', 'gone')
  redis.call('rename', 'list', 'moved')
  redis.call('pexpire', 'brief', 1)
  redis.call('persist', 'over')
  redis.call('del', 'typed') redis.call('hset', 'typed', 'f', 'v')
  redis.call('set', 'passing', 1) redis.call('del', 'passing')
  redis.call('del', 'again') redis.call('set', 'again', 2)
  for index = 1, 300 do redis.call('set', 'more:' .. index, 1) redis.call('del', 'less:' .. index) end
  redis.log(redis.LOG_WARNING, 'all is changed')`;
/** A script takes no lock to count keys, so it can be told to end: by a key in a database of its own. */
const UNTIL_TOLD = `
  redis.call('select', 5) while redis.call('dbsize') == 0 do end redis.call('select', 0)`;

type Look = { size: number; keys: string[]; scanned: string[]; lists: string[]; hashes: string[]; random: string | null; info: string };

for (const reactor of REACTORS) {
  describe(`isolation, on ${reactor}`, { timeout: 60_000 }, () => {
    const directives = { 'io-threads': 2, 'script-threads': 2, 'enable-debug-command': 'yes' };
    const testServed = serveTests({ reactor, directives }, 30_000);
    const ask = async (client: RawClient, ...args: readonly (string | number)[]): Promise<unknown> =>
      parseReply(await client.command(...args));

    async function look(client: RawClient): Promise<Look> {
      const scan = async (...options: string[]): Promise<string[]> => {
        const found = new Set<string>();
        let cursor = '0';
        do {
          const [next, keys] = (await ask(client, 'SCAN', cursor, ...options)) as [string, string[]];
          for (const key of keys) found.add(key);
          cursor = next;
        } while (cursor !== '0');
        return [...found].sort();
      };
      return {
        size: (await ask(client, 'DBSIZE')) as number,
        keys: ((await ask(client, 'KEYS', '*')) as string[]).sort(),
        scanned: await scan(),
        lists: await scan('TYPE', 'list', 'COUNT', '100'),
        hashes: await scan('TYPE', 'hash'),
        random: (await ask(client, 'RANDOMKEY')) as string | null,
        info: /^db0:keys=\d+/m.exec((await ask(client, 'INFO', 'keyspace')) as string)?.[0] ?? '',
      };
    }
    /** As `look`, with what chance decides taken out when it's true. */
    async function lookAndCheck(client: RawClient): Promise<Look> {
      const seen = await look(client);
      assert.deepEqual(seen.scanned, seen.keys);
      if (seen.random === null) assert.equal(seen.keys.length, 0);
      else assert.ok(seen.keys.includes(seen.random), `${seen.random} is no key`);
      return { ...seen, random: null };
    }
    async function fill(client: RawClient): Promise<void> {
      await ask(client, 'DEBUG', 'SET-ACTIVE-EXPIRE', '0');
      for (const key of ['gone', 'brief', 'typed', 'again']) await ask(client, 'SET', key, '1');
      await ask(client, 'RPUSH', 'list', 'a');
      await ask(client, 'SET', 'over', '1', 'PX', '1');
      const less = Array.from({ length: 300 }, (_, index) => [`less:${index + 1}`, '1']).flat();
      await ask(client, 'MSET', ...less);
      while (((await ask(client, 'KEYS', 'over')) as string[]).length > 0);
    }
    async function changed(running: RunningServer, times: number): Promise<void> {
      while (running.log.split('all is changed').length <= times) await new Promise((resolve) => setTimeout(resolve, 2));
    }

    async function tell(connect: () => Promise<RawClient>): Promise<void> {
      const client = await connect();
      await ask(client, 'SELECT', '5');
      await ask(client, 'SET', 'go', '1');
    }

    testServed('keys are what they were while a script runs, and when it is killed', async (connect, running) => {
      const client = await connect();
      const other = await connect();
      await fill(client);
      const begin = await lookAndCheck(other);
      assert.deepEqual(begin.lists, ['list']);
      const times = running.log.split('all is changed').length;
      const reply = client.command('EVAL', `${CHANGES} while true do end`, 0);
      await changed(running, times);
      const started = Date.now();
      assert.deepEqual(await lookAndCheck(other), begin);
      assert.ok(Date.now() - started < AT_ONCE_MS, 'whoever looks at the keys waits for the script');
      assert.equal(await ask(other, 'SCRIPT', 'KILL'), 'OK');
      assert.match((await reply).toString('latin1'), /^-ERR .*killed by user/i);
      assert.deepEqual(await lookAndCheck(other), begin);
      await ask(other, 'DEBUG', 'SET-ACTIVE-EXPIRE', '1');
    });

    testServed('a script sees its own changes, and others do when it has ended', async (connect, running) => {
      const client = await connect();
      const other = await connect();
      await fill(client);
      const begin = await lookAndCheck(other);
      const times = running.log.split('all is changed').length;
      const size = "redis.call('dbsize')";
      const reply = client.command('EVAL', `local a = ${size} ${CHANGES} ${UNTIL_TOLD} return {a, ${size}, #redis.call('keys', '*')}`, 0);
      await changed(running, times);
      assert.deepEqual(await lookAndCheck(other), begin);
      await tell(connect);
      // As many were made as taken away, but "over", which PERSIST found to be over. For the script no time passes, and "brief" stays.
      assert.deepEqual(parseReply(await reply), [begin.size, begin.size - 1, begin.size - 1]);
      const end = await lookAndCheck(other);
      assert.equal(end.size, begin.size - 1);
      assert.deepEqual([end.lists, end.hashes], [['moved'], ['typed']]);
      assert.ok(
        end.keys.includes('more:300') && !end.keys.includes('brief') && !end.keys.includes('less:1') && !end.keys.includes('passing'),
      );
      await ask(other, 'DEBUG', 'SET-ACTIVE-EXPIRE', '1');
    });

    testServed('databases that a script empties and exchanges are as they were', async (connect, running) => {
      const client = await connect();
      const other = await connect();
      await fill(client);
      await ask(client, 'SELECT', '1');
      await ask(client, 'SET', 'in one', '1');
      const begin = await lookAndCheck(other);
      const times = running.log.split('all is changed').length;
      const body = `redis.call('swapdb', 0, 1) redis.call('set', 'made', 1) redis.call('select', 1) redis.call('del', 'list')
        redis.call('select', 2) redis.call('set', 'x', 1) redis.call('swapdb', 2, 1) redis.call('flushdb')
        redis.log(redis.LOG_WARNING, 'all is changed') while true do end`;
      const reply = client.command('EVAL', body, 0);
      await changed(running, times);
      assert.deepEqual(await lookAndCheck(other), begin);
      await ask(other, 'SELECT', '1');
      assert.deepEqual((await lookAndCheck(other)).keys, ['in one']);
      await ask(other, 'SELECT', '2');
      assert.deepEqual((await lookAndCheck(other)).keys, []);
      assert.equal(await ask(other, 'SCRIPT', 'KILL'), 'OK');
      assert.match((await reply).toString('latin1'), /^-ERR .*killed by user/i);
      await ask(other, 'SELECT', '0');
      assert.deepEqual(await lookAndCheck(other), begin);
      await ask(other, 'DEBUG', 'SET-ACTIVE-EXPIRE', '1');
    });

    testServed(
      'what is evicted for a script is gone, also when the script is taken back, and is never a key that it holds',
      async (connect) => {
        const client = await connect();
        const value = 'x'.repeat(1000);
        for (let first = 0; first < 4000; first += 100) {
          const pairs = Array.from({ length: 100 }, (__, index) => [`key:${first + index}`, value]).flat();
          await ask(client, 'MSET', ...pairs);
        }
        const used = Number(/used_memory:(\d+)/.exec((await ask(client, 'INFO', 'memory')) as string)?.[1]);
        await ask(client, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru', 'maxmemory', used);
        try {
          const body = `for index = 1, 500 do redis.call('set', 'new:' .. index, ARGV[1]) end
          local kept = redis.call('exists', KEYS[1]) redis.call('set', KEYS[1], 1) error({err = 'KEPT ' .. kept})`;
          assert.match((await ask(client, 'EVAL', body, 1, 'key:0', value)) as string, /^-KEPT 1 /);
          assert.equal(await ask(client, 'GET', 'key:0'), value);
          assert.equal(await ask(client, 'EXISTS', 'new:1', 'new:500'), 0);
          const evicted = Number(/evicted_keys:(\d+)/.exec((await ask(client, 'INFO', 'stats')) as string)?.[1]);
          assert.ok(evicted > 300, `only ${evicted} keys were evicted`);
          assert.equal(await ask(client, 'DBSIZE'), 4000 - evicted);
          assert.equal(await ask(client, 'DEBUG', 'CHECK-MEMORY'), 'OK');
        } finally {
          await ask(client, 'CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
          await ask(client, 'CONFIG', 'RESETSTAT');
        }
      },
    );

    testServed('SORT waits for a key that its pattern leads to, and for no other', async (connect, running) => {
      const client = await connect();
      const other = await connect();
      for (const key of ['weight:a', 'weight:b', 'else']) await ask(client, 'SET', key, '1');
      await ask(client, 'RPUSH', 'list', 'a', 'b');
      let times = running.log.split('all is changed').length;
      const told = "redis.log(redis.LOG_WARNING, 'all is changed')";
      let reply = client.command('EVAL', `redis.call('set', 'else', 2) ${told} while true do end`, 0);
      await changed(running, times);
      assert.deepEqual(await ask(other, 'SORT', 'list', 'BY', 'weight:*', 'GET', 'weight:*'), ['1', '1']);
      assert.match((await ask(other, 'DEBUG', 'OBJECT', 'list')) as string, /encoding:/);
      await ask(other, 'SCRIPT', 'KILL');
      await reply;
      times = running.log.split('all is changed').length;
      reply = client.command('EVAL', `redis.call('set', 'weight:a', 2) ${told} ${UNTIL_TOLD}`, 0);
      await changed(running, times);
      const sorted = ask(other, 'SORT', 'list', 'BY', 'weight:*', 'GET', 'weight:*');
      await tell(connect);
      assert.deepEqual(await sorted, ['1', '2']);
      await reply;
    });
  });
}
