// Functions on a whole server: they are transactions as scripts are, all threads have the same ones, and a change of them is whole.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { elements } from '../support/compare.ts';
import { encode, type RawClient } from '../support/raw-client.ts';
import { parseReply, type Value } from '../support/reply.ts';
import { endLoopingThread } from '../support/script-threads.ts';
import { serveTests } from '../support/served.ts';
import { REACTORS } from '../support/server.ts';

const library = (body: string, name = 'lib', options = ''): string => `#!lua name=${name}${options}\n${body}`;
const register = (name: string, body: string): string => `redis.register_function('${name}', function(keys, args) ${body} end)\n`;
const flagged = (name: string, flags: string, body: string): string =>
  `redis.register_function{function_name='${name}', callback=function(keys, args) ${body} end, flags={${flags}}}\n`;

for (const reactor of REACTORS) {
  describe(`functions on the ${reactor} reactor`, () => {
    const directives = { 'io-threads': 2, 'script-threads': 4, 'enable-debug-command': 'yes' };
    const testServed = serveTests({ reactor, directives }, 30_000, [['FLUSHALL'], ['FUNCTION', 'FLUSH']]);
    const run = async (client: RawClient, ...args: readonly (string | number)[]): Promise<string> =>
      (await client.command(...args)).toString('latin1');
    const load = async (client: RawClient, body: string, name = 'lib', options = ''): Promise<void> => {
      const reply = await run(client, 'FUNCTION', 'LOAD', 'REPLACE', library(body, name, options));
      assert.equal(reply, `$${name.length}\r\n${name}\r\n`);
    };

    testServed('a function that fails leaves nothing, unless it or its library says so', async (connect) => {
      const client = await connect();
      const body = "redis.call('set', keys[1], 'x') redis.call('rpush', 'undeclared', 1) error('no')";
      await load(client, register('fails', body) + flagged('keeps', "'rollback=no'", body));
      assert.equal(await run(client, 'FCALL', 'fails', 1, 'k'), '-ERR user_function:2: no script: fails, on @user_function:2.\r\n');
      assert.equal(await run(client, 'EXISTS', 'k', 'undeclared'), ':0\r\n');
      assert.equal(await run(client, 'FCALL', 'KEEPS', 1, 'k'), '-ERR user_function:3: no script: keeps, on @user_function:3.\r\n');
      assert.equal(await run(client, 'EXISTS', 'k', 'undeclared'), ':2\r\n');
      await load(client, register('all', body), 'lenient', ' rollback=no');
      await run(client, 'FCALL', 'all', 1, 'other');
      assert.equal(await run(client, 'EXISTS', 'other'), ':1\r\n');
      assert.match(await run(client, 'FUNCTION', 'LIST', 'LIBRARYNAME', 'lib'), /\*1\r\n\+rollback=no\r\n/);
      await load(client, register('catches', "redis.pcall('incr', 'undeclared') return redis.call('llen', 'undeclared')"), 'catching');
      assert.equal(await run(client, 'FCALL', 'catches', 0), ':2\r\n');
    });

    testServed('what fails to load changes nothing', async (connect) => {
      const client = await connect();
      await load(client, register('f', "return 'old'"));
      await load(client, register('g', 'return 1'), 'other');
      for (const code of [
        library('not Lua at all'),
        library('local x'),
        library(`${register('f', 'return 1')} local x = nil; x()`),
        library(register('f', 'return 1') + register('g', 'return 1')),
        library(register('f', 'return 1') + register('a-b', 'return 1')),
        library(`${register('f', 'return 1')} while true do end`),
        library(register('f', 'return 1'), 'lib', ' unknown=1'),
        `#!js name=lib\n${register('f', 'return 1')}`,
        register('f', 'return 1'),
      ]) {
        assert.match(await run(client, 'FUNCTION', 'LOAD', 'REPLACE', code), /^-ERR /);
        assert.equal(await run(client, 'FCALL', 'f', 0), '$3\r\nold\r\n');
        assert.equal(await run(client, 'FCALL', 'g', 0), ':1\r\n');
      }
      assert.equal(await run(client, 'FUNCTION', 'DELETE', 'lib'), '+OK\r\n');
      assert.equal(await run(client, 'FCALL', 'f', 0), '-ERR Function not found\r\n');
    });

    testServed('a library that loops while it loads is ended, and holds nobody up', async (connect) => {
      const [client, other] = [await connect(), await connect()];
      await load(other, register('f', 'return 1') + register('spins', 'while true do end'), 'other');
      // A second thread is there, so that none has to be started while the library loads.
      client.send(encode(['FCALL', 'spins', '0']));
      await sleep(100);
      assert.equal(await run(other, 'FCALL', 'f', 0), ':1\r\n');
      assert.equal(await run(other, 'FUNCTION', 'KILL'), '+OK\r\n');
      await client.readReply();
      const begun = performance.now();
      let isLoading = true;
      const loaded = run(client, 'FUNCTION', 'LOAD', library('while true do end')).finally(() => {
        isLoading = false;
      });
      let served = 0;
      while (isLoading) {
        assert.equal(await run(other, 'SET', 'k', served), '+OK\r\n');
        assert.equal(await run(other, 'FCALL', 'f', 0), ':1\r\n');
        if (isLoading) served++;
      }
      assert.equal(await loaded, '-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n');
      assert.ok(performance.now() - begun >= 450, 'it was ended too early');
      assert.ok(served > 0, 'nothing was served beside it');
    });

    testServed('every thread has the version whose loading was answered, or a later one', async (connect) => {
      const loader = await connect();
      let version = 1;
      const loadNext = async (): Promise<void> => {
        await load(loader, register('version', `return ${version}`));
      };
      await loadNext();
      let isOver = false;
      const read = async (): Promise<void> => {
        const client = await connect();
        while (!isOver) {
          const least = version - 1;
          client.send(Buffer.concat(new Array(5).fill(encode(['FCALL', 'version', '0']))));
          for (const reply of await client.readReplies(5)) {
            const got = Number(String(reply).slice(1, -2));
            assert.ok(got >= Math.max(1, least), `${String(reply)} after version ${least}`);
          }
        }
      };
      const readers = Array.from({ length: 6 }, read);
      for (let round = 0; round < 60; round++) {
        version++;
        await loadNext();
      }
      isOver = true;
      await Promise.all(readers);
      assert.equal(await run(loader, 'FCALL', 'version', 0), `:${version}\r\n`);
    });

    testServed('short functions run on their reactor; those that may keep something between calls never do', async (connect) => {
      const [client, other] = [await connect(), await connect()];
      const inline = async (name: string, expected: (round: number) => string): Promise<number> => {
        const runs = async (): Promise<number> => {
          const [reactors = ''] = (await run(client, 'SCRIPT', 'STATS')).split('threads\r\n');
          return [...reactors.matchAll(/\r\nruns\r\n:(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
        };
        const before = await runs();
        for (let round = 1; round <= 30; round++) assert.equal(await run(client, 'FCALL', name, 1, `key:${name}`, round), expected(round));
        return (await runs()) - before;
      };
      const incr = "return redis.call('incr', keys[1])";
      await load(client, `local step, function_name = 1, 'incr'\nlocal function double(n) return n * 2 end\n${register('plain', incr)}`);
      await load(
        client,
        flagged('named', "'allow-oom'", "return {keys[1], 'x' .. args[1], redis.call('strlen', keys[1])}") +
          register('fails', "redis.call('set', keys[1], 1) error('no')") +
          register('long', 'for i = 1, 1e6 do end return 1'),
        'named',
      );
      await load(client, `local step = 2\nlocal function add(n) return n + step end\n${register('adds', 'return add(args[1])')}`, 'pure');
      assert.ok((await inline('plain', (round) => `:${round}\r\n`)) >= 20);
      assert.ok((await inline('adds', (round) => `:${round + 2}\r\n`)) >= 20);
      assert.ok((await inline('named', (round) => `*3\r\n$9\r\nkey:named\r\n$${String(round).length + 1}\r\nx${round}\r\n:0\r\n`)) >= 20);
      assert.ok((await inline('fails', () => '-ERR user_function:3: no script: fails, on @user_function:3.\r\n')) >= 20);
      assert.equal(await run(client, 'EXISTS', 'key:fails'), ':0\r\n');
      assert.ok((await inline('long', () => ':1\r\n')) <= 1);
      for (const [state, body] of [
        ['local n = 0', 'n = n + 1 return args[1]'],
        ['local t = {}', 't[#t + 1] = 1 return args[1]'],
        ['local function make() local n = 0 return function() n = n + 1 return n end end local f = make()', 'f() return args[1]'],
        ['local r = redis', 'return args[1]'],
        ['local f for i = 1, 2 do f = function() return i end end', 'f() return args[1]'],
      ] as const) {
        const isKept = !state.includes('= redis');
        await load(client, `${state}\n${register('keeps', body)}`, 'keeping');
        const runs = await inline('keeps', (round) => `$${String(round).length}\r\n${round}\r\n`);
        assert.ok(isKept ? runs === 0 : runs >= 20, `${state}: ${runs}`);
      }
      // A new version is there at once.
      await load(other, register('plain', "return 'new'"));
      assert.equal(await run(client, 'FCALL', 'plain', 0), '$3\r\nnew\r\n');
      await run(other, 'FUNCTION', 'FLUSH');
      assert.equal(await run(client, 'FCALL', 'plain', 0), '-ERR Function not found\r\n');
    });

    testServed('a function that was stopped leaves nothing half done in the variables of its library', async (connect) => {
      const [client, other] = [await connect(), await connect()];
      const body =
        "if not cache then cache = {} if args[1] == 'loop' then redis.call('set', 'started', 1) while true do end end cache.ready = 1 end return cache.ready or 'torn'";
      await load(client, `local cache\n${register('cached', body)}`);
      const looping = client.command('FCALL', 'cached', 0, 'loop');
      for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(5)) {
        if ((await run(other, 'FUNCTION', 'KILL')) === '+OK\r\n') break;
      }
      assert.match(String(await looping), /^-ERR Script killed/);
      for (let round = 0; round < 20; round++) assert.equal(await run(client, 'FCALL', 'cached', 0), ':1\r\n');
      // Keys in opposite orders: whoever has to begin again begins with a cache that isn't half full.
      const fills =
        "if not cache then cache = {} redis.call('incr', args[1]) for i = 1, 2000 do end redis.call('incr', args[2]) cache.ready = 1 end " +
        "local ready = cache.ready cache = nil return ready or 'torn'";
      await load(client, `local cache\n${register('fills', fills)}`);
      await Promise.all(
        Array.from({ length: 6 }, async (_, index) => {
          const own = await connect();
          const keys = index % 2 === 0 ? ['x', 'y'] : ['y', 'x'];
          for (let round = 0; round < 50; round++) assert.equal(await run(own, 'FCALL', 'fills', 0, ...keys), ':1\r\n');
        }),
      );
    });

    testServed('FUNCTION KILL, FUNCTION STATS, SCRIPT KILL: each sees its own kind', async (connect) => {
      const [looping, other] = [await connect(), await connect()];
      await load(other, register('loops', "redis.call('set', keys[1], 1) while true do end"));
      assert.match(await run(other, 'FUNCTION', 'KILL'), /^-NOTBUSY /);
      looping.send(encode(['FCALL', 'Loops', '1', 'held', 'an argument']));
      let stats = '';
      for (const deadline = Date.now() + 5000; !stats.includes('duration_ms') && Date.now() < deadline; await sleep(5)) {
        stats = await run(other, 'FUNCTION', 'STATS');
      }
      assert.match(
        stats,
        /running_script\r\n\*6\r\n\$4\r\nname\r\n\$5\r\nloops\r\n\$7\r\ncommand\r\n\*5\r\n\$5\r\nFCALL\r\n\$5\r\nLoops\r\n\$1\r\n1\r\n\$4\r\nheld\r\n\$11\r\nan argument\r\n\$11\r\nduration_ms\r\n:\d+\r\n/,
      );
      assert.match(await run(other, 'SCRIPT', 'KILL'), /^-BUSY .* FUNCTION KILL or SHUTDOWN NOSAVE\.\r\n$/);
      assert.equal(await run(other, 'FUNCTION', 'KILL'), '+OK\r\n');
      assert.match(String(await looping.readReply()), /^-ERR Script killed by user with /);
      assert.equal(await run(other, 'EXISTS', 'held'), ':0\r\n');
      looping.send(encode(['EVAL', 'while true do end', '0']));
      await sleep(50);
      assert.match(await run(other, 'FUNCTION', 'KILL'), /^-BUSY .* SCRIPT KILL or SHUTDOWN NOSAVE\.\r\n$/);
      assert.match(await run(other, 'FUNCTION', 'STATS'), /running_script\r\n\$-1\r\n/);
      assert.equal(await run(other, 'SCRIPT', 'KILL'), '+OK\r\n');
      await looping.readReply();
    });

    testServed('in pipelines and transactions, with scripts and commands around them', async (connect) => {
      const client = await connect();
      const pipeline = async (...requests: readonly (readonly string[])[]): Promise<string> => {
        client.send(Buffer.concat(requests.map((request) => encode(request))));
        return (await client.readReplies(requests.length)).join('');
      };
      await load(client, register('incr', "return redis.call('incr', keys[1])"));
      const requests: string[][] = [];
      let expected = '';
      for (let index = 1; index <= 120; index++) {
        const [first, second] = [
          ['FCALL', 'incr', '1', 'n'],
          ['EVAL', "return redis.call('incr', KEYS[1])", '1', 'n'],
        ] as const;
        requests.push(index % 7 === 0 ? ['INCR', 'n'] : [...(index % 3 === 0 ? second : first)]);
        expected += `:${index}\r\n`;
      }
      requests.push(['FCALL', 'incr', 'x'], ['FCALL', 'nope', '0'], ['fcall_ro', 'incr', '1', 'n'], ['GET', 'n']);
      expected += '-ERR Bad number of keys provided\r\n-ERR Function not found\r\n';
      expected += '-ERR Can not execute a script with write flag using *_ro command.\r\n$3\r\n120\r\n';
      assert.equal(await pipeline(...requests), expected);
      const other = library(register('decr', "return redis.call('decr', keys[1])"), 'other');
      assert.match(
        await pipeline(['MULTI'], ['FUNCTION', 'LOAD', other], ['FCALL', 'decr', '1', 'n'], ['FUNCTION', 'DELETE', 'other'], ['EXEC']),
        /\*3\r\n\$5\r\nother\r\n:119\r\n\+OK\r\n$/,
      );
      assert.equal(await pipeline(['FUNCTION', 'LOAD', other], ['FCALL', 'decr', '1', 'n']), '$5\r\nother\r\n:118\r\n');
    });

    testServed(
      'libraries of a transaction that is taken back are not there, and one that is run again loads them once',
      async (connect) => {
        const [client, admin] = [await connect(), await connect()];
        const transact = async (on: RawClient, ...requests: readonly (readonly string[])[]): Promise<Buffer> => {
          on.send(Buffer.concat([['MULTI'], ...requests, ['EXEC']].map((request) => encode(request))));
          return (await on.readReplies(requests.length + 2)).at(-1) as Buffer;
        };
        await load(client, register('kept', 'return 1'), 'kept');
        await run(admin, 'CONFIG', 'SET', 'transaction-rollback', 'yes');
        const outcome = await transact(
          client,
          ['FUNCTION', 'FLUSH'],
          ['FUNCTION', 'LOAD', library(register('f', 'return 1'))],
          ['FCALL', 'f', '0'],
          ['FCALL', 'nope', '0'],
        );
        assert.match(String(outcome), /^-EXECABORT Transaction rolled back because of: ERR Function not found/);
        assert.match(await run(client, 'FUNCTION', 'LIST'), /^\*1\r\n[\s\S]*\$4\r\nkept\r\n/);
        await run(admin, 'CONFIG', 'SET', 'transaction-rollback', 'no');
        // Undeclared keys in opposite orders: now and then one of them has to begin again.
        const touch = "redis.call('incr', ARGV[1]) for i = 1, 3000 do end return redis.call('incr', ARGV[2])";
        await Promise.all(
          Array.from({ length: 6 }, async (_, index) => {
            const own = await connect();
            const keys = index % 2 === 0 ? ['x', 'y'] : ['y', 'x'];
            const code = library(register(`f${index}`, 'return 1'), `lib${index}`);
            for (let round = 0; round < 25; round++) {
              const requests = [
                ['FUNCTION', 'LOAD', code],
                ['EVAL', touch, '0', ...keys],
                ['FUNCTION', 'DELETE', `lib${index}`],
              ];
              if (index < 3) {
                const replies = elements(await transact(own, ...requests)) ?? [];
                assert.deepEqual([String(replies[0]), String(replies[2])], [`$4\r\nlib${index}\r\n`, '+OK\r\n']);
              } else assert.match(await run(own, 'EVAL', touch, 0, ...keys), /^:/);
            }
          }),
        );
        assert.equal(await run(client, 'MGET', 'x', 'y'), '*2\r\n$3\r\n150\r\n$3\r\n150\r\n');
        assert.match(await run(client, 'FUNCTION', 'LIST'), /^\*1\r\n/);
      },
    );

    testServed('a thread that dies takes no library along', async (connect) => {
      const [looping, other] = [await connect(), await connect()];
      await load(other, register('loops', "redis.call('set', keys[1], 1) while true do end") + register('f', 'return 1'));
      looping.send(encode(['FCALL', 'loops', '1', 'held']));
      await endLoopingThread(other);
      assert.match(String(await looping.readReply()), /^-ERR The thread of the script failed/);
      for (let round = 0; round < 20; round++) assert.equal(await run(looping, 'FCALL', 'f', 0), ':1\r\n');
      assert.equal(await run(other, 'EXISTS', 'held'), ':0\r\n');
      assert.equal(await run(other, 'DEBUG', 'CHECK-MEMORY'), '+OK\r\n');
    });

    testServed('limits: memory, time, and what flags allow when memory is short', async (connect) => {
      const client = await connect();
      const body = "return redis.call('get', 'k')";
      await load(
        client,
        register('plain', body) +
          flagged('reads', "'no-writes'", body) +
          flagged('grows', "'allow-oom'", "return redis.call('set', 'k', 'v')") +
          register('hoards', 'local t = {} for i = 1, 1e9 do t[i] = {i} end') +
          register('loops', "redis.call('set', 'k', 'lost') while true do end"),
      );
      await run(client, 'CONFIG', 'SET', 'maxmemory', 1);
      const oom = /^-OOM command not allowed when used memory > 'maxmemory'\.\r\n$/;
      assert.match(await run(client, 'FCALL', 'plain', 0), oom);
      assert.match(await run(client, 'EVAL', '#!lua\nreturn 1', 0), oom);
      assert.match(await run(client, 'FUNCTION', 'LOAD', 'REPLACE', library(register('f', 'return 1'))), oom);
      assert.equal(await run(client, 'FCALL', 'grows', 0), '+OK\r\n');
      assert.equal(await run(client, 'FCALL', 'reads', 0), '$1\r\nv\r\n');
      await run(client, 'CONFIG', 'SET', 'maxmemory', 0);
      await run(client, 'CONFIG', 'SET', 'script-memory-limit', '20mb');
      assert.match(await run(client, 'FCALL', 'hoards', 0), /^-ERR .*not enough memory/);
      assert.match(
        await run(client, 'FUNCTION', 'LOAD', library('local t = {} for i = 1, 1e9 do t[i] = {i} end', 'big')),
        /^-ERR Error registering/,
      );
      await run(client, 'CONFIG', 'SET', 'script-memory-limit', '256mb');
      await run(client, 'CONFIG', 'SET', 'script-deadline', 50);
      assert.match(await run(client, 'FCALL', 'loops', 0), /^-ERR Script ran longer than script-deadline/);
      await run(client, 'CONFIG', 'SET', 'script-deadline', 0);
      assert.equal(await run(client, 'GET', 'k'), '$1\r\nv\r\n');
      const code = `${'-- much text\n'.repeat(30_000)}${register('large', 'return #args[1]')}`;
      await load(client, code, 'large');
      assert.equal(await run(client, 'FCALL', 'large', 0, 'x'.repeat(200_000)), ':200000\r\n');
    });

    testServed('SCRIPT STATS and INFO count scripts and functions', async (connect) => {
      const [client, other] = [await connect(), await connect()];
      await run(client, 'CONFIG', 'RESETSTAT');
      await load(
        client,
        register('works', "for i = 1, 200000 do end return redis.call('set', keys[1], 1)") + register('fails', "error('no')"),
      );
      const script = "return redis.call('incr', KEYS[1])";
      const sha = (await run(client, 'SCRIPT', 'LOAD', script)).slice(5, 45);
      await Promise.all(
        [client, other].map(async (one) => {
          for (let round = 0; round < 50; round++) {
            await run(one, 'FCALL', 'works', 1, 'k');
            await run(one, 'FCALL', 'fails', 0);
            await run(one, 'EVALSHA', sha, 1, 'n');
          }
        }),
      );
      const statistics = async (...more: string[]): Promise<Map<string, Map<string, Value>>> => {
        await client.command('HELLO', '3');
        const reply = parseReply(await client.command('SCRIPT', 'STATS', ...more)) as Map<string, Value>;
        await client.command('HELLO', '2');
        const rows = reply.get('statistics') as Map<string, Value>[];
        return new Map(rows.map((row) => [String(row.get('name')), row]));
      };
      const all = await statistics();
      assert.deepEqual([...all.keys()].sort(), [sha, 'fails', 'works'].sort());
      const works = all.get('works') as Map<string, Value>;
      assert.deepEqual(
        ['type', 'runs', 'errors', 'rollbacks'].map((name) => works.get(name)),
        ['function', 100, 0, 0],
      );
      // Both clients want one key: one run on a reactor may meet the other's.
      assert.ok(Number(works.get('conflicts')) <= 100);
      const [p50, p99, max] = ['p50-usec', 'p99-usec', 'max-usec'].map((name) => Number(works.get(name))) as [number, number, number];
      assert.ok(p50 > 0 && p50 <= p99 && p99 <= max, `${p50} ${p99} ${max}`);
      assert.ok(Number(works.get('total-usec')) >= max);
      const fails = all.get('fails') as Map<string, Value>;
      assert.deepEqual([fails.get('runs'), fails.get('errors'), fails.get('rollbacks')], [100, 100, 100]);
      assert.equal(all.get(sha)?.get('type'), 'script');
      assert.equal(all.get(sha)?.get('runs'), 100);
      assert.deepEqual([...(await statistics('COUNT', '1')).keys()], [[...all.keys()][0]]);
      assert.equal(await run(client, 'SCRIPT', 'STATS', 'COUNT'), '-ERR syntax error\r\n');
      assert.equal(await run(client, 'SCRIPT', 'STATS', 'COUNT', 'x'), '-ERR value is not an integer or out of range\r\n');
      const info = await run(client, 'INFO', 'memory');
      const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)\\r$`, 'm').exec(info)?.[1]);
      assert.deepEqual([field('number_of_functions'), field('number_of_libraries')], [2, 1]);
      assert.ok(field('number_of_cached_scripts') >= 1 && field('used_memory_scripts_eval') >= script.length);
      assert.ok(field('used_memory_functions') > 100 && field('used_memory_vm_total') > 100_000);
      assert.equal(field('used_memory_scripts'), field('used_memory_scripts_eval') + field('used_memory_functions'));
      await run(client, 'CONFIG', 'RESETSTAT');
      assert.deepEqual([...(await statistics()).keys()], []);
      await run(client, 'FCALL', 'works', 1, 'k');
      assert.equal((await statistics()).get('works')?.get('runs'), 1);
    });
  });
}
