// Scripts on a whole server: what they answer, that they are transactions for everybody else, and that nobody waits who needn't.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { elements, payload } from '../support/compare.ts';
import { encode, type RawClient } from '../support/raw-client.ts';
import { endLoopingThread } from '../support/script-threads.ts';
import { serveTests } from '../support/served.ts';
import { REACTORS } from '../support/server.ts';

const ACCOUNTS = 10;
const BALANCE = 1000;
const RUN_MS = 1500;
const FOREVER = "redis.call('set', KEYS[1], 'changed') while true do end";

for (const reactor of REACTORS) {
  describe(`scripts on the ${reactor} reactor`, () => {
    const directives = { 'io-threads': 2, 'script-threads': 4, 'enable-debug-command': 'yes' };
    const testServed = serveTests({ reactor, directives }, 30_000);
    const run = async (client: RawClient, ...args: readonly (string | number)[]): Promise<string> =>
      (await client.command(...args)).toString('latin1');

    testServed('EVAL, EVALSHA and SCRIPT answer as Redis does', async (connect) => {
      const client = await connect();
      assert.equal(
        await run(client, 'EVAL', "return {KEYS[1], ARGV[1], 7, redis.call('set', KEYS[1], 'v'), false}", 1, 'k', 'a'),
        '*5\r\n$1\r\nk\r\n$1\r\na\r\n:7\r\n+OK\r\n$-1\r\n',
      );
      assert.equal(await run(client, 'SCRIPT', 'LOAD', 'return 1'), '$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n');
      assert.equal(await run(client, 'EVALSHA', 'E0E1F9FABFC9D4800C877A703B823AC0578FF8DB', 0), ':1\r\n');
      assert.equal(await run(client, 'EVALSHA_RO', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 0), ':1\r\n');
      assert.equal(await run(client, 'SCRIPT', 'EXISTS', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 'x'), '*2\r\n:1\r\n:0\r\n');
      assert.equal(await run(client, 'SCRIPT', 'FLUSH'), '+OK\r\n');
      assert.match(
        await run(client, 'EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 0),
        /^-NOSCRIPT No matching script\. Please use EVAL\.\r\n$/,
      );
      assert.equal(await run(client, 'EVAL', 'return 1', 'x'), '-ERR value is not an integer or out of range\r\n');
      assert.equal(await run(client, 'EVAL', 'return 1', -1), "-ERR Number of keys can't be negative\r\n");
      assert.equal(await run(client, 'EVAL', 'return 1', 2, 'a'), "-ERR Number of keys can't be greater than number of args\r\n");
      assert.match(await run(client, 'EVAL', 'foo', 0), /^-ERR Error compiling script \(new function\): user_script:1: /);
      assert.match(
        await run(client, 'EVAL', "return redis.call('nope')", 0),
        /^-ERR Unknown Redis command called from script script: [0-9a-f]{40}, on @user_script:1\.\r\n$/,
      );
      assert.match(
        await run(client, 'EVAL', "return redis.call('get')", 0),
        /^-ERR Wrong number of args calling Redis command from script script: /,
      );
      assert.match(
        await run(client, 'EVAL', "return redis.call('multi')", 0),
        /^-ERR This Redis command is not allowed from script script: /,
      );
      assert.match(
        await run(client, 'EVAL_RO', "return redis.call('set', 'a', 1)", 0),
        /^-ERR Write commands are not allowed from read-only scripts\. script: /,
      );
      assert.match(await run(client, 'EVAL', "#!lua flags=no-writes\nreturn redis.call('set', 'a', 1)", 0), /on @user_script:2\.\r\n$/);
      assert.match(await run(client, 'EVAL', '#!lua flags=nonsense\nreturn 1', 0), /^-ERR Unexpected flag in script shebang: nonsense/);
      assert.match(await run(client, 'EVAL', "error({err = 'MY words'})", 0), /^-MY words script: [0-9a-f]{40}, on @user_script:1\.\r\n$/);
      assert.equal(
        await run(client, 'EVAL', "return redis.pcall('incr', KEYS[1])", 1, 'k'),
        '-ERR value is not an integer or out of range\r\n',
      );
      assert.equal(await run(client, 'EVAL', "redis.call('select', 3) return redis.call('set', 'there', 1)", 0), '+OK\r\n');
      assert.equal(await run(client, 'EXISTS', 'there'), ':0\r\n');
      assert.match(await run(client, 'SCRIPT', 'DEBUG', 'YES'), /^-ERR There is no script debugger/);
      assert.match(await run(client, 'SCRIPT', 'HELP'), /SCRIPT/);
      assert.match(await run(client, 'SCRIPT', 'STATS'), /scripts[\s\S]*queued/);
      assert.match(await run(client, 'SCRIPT', 'KILL'), /^-NOTBUSY /);
      const large = 'x'.repeat(300_000);
      assert.equal(await run(client, 'EVAL', 'return ARGV[1] .. #ARGV[1]', 0, large), `$300006\r\n${large}300000\r\n`);
    });

    testServed('a script that fails leaves nothing, unless it is told to', async (connect) => {
      const client = await connect();
      await run(client, 'RPUSH', 'l', 'a', 'b', 'c');
      const body =
        "redis.call('set', 'new', 1) redis.call('lpop', 'l') redis.call('rpush', 'l', 'd') redis.call('hset', 'h', 'f', 'v') error('no')";
      assert.match(await run(client, 'EVAL', body, 0), /^-ERR user_script:1: no script: /);
      assert.equal(await run(client, 'LRANGE', 'l', 0, -1), '*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n');
      assert.equal(await run(client, 'EXISTS', 'new', 'h'), ':0\r\n');
      assert.match(await run(client, 'EVAL', `#!lua rollback=no\n${body}`, 0), /^-ERR user_script:2: no script: /);
      assert.equal(await run(client, 'EXISTS', 'new', 'h'), ':2\r\n');
      assert.equal(await run(client, 'EVAL', "redis.pcall('incr', 'l') return redis.call('llen', 'l')", 0), ':3\r\n');
    });

    testServed(
      'transfers between accounts: declared and undeclared keys, failing on purpose, killed; the total never changes',
      async (connect) => {
        const names = Array.from({ length: ACCOUNTS }, (_, index) => `account:${index}`);
        const setup = await connect();
        await setup.command('MSET', ...names.flatMap((name) => [name, BALANCE]));
        const transfer =
          "local from, to = KEYS[1] or ARGV[2], KEYS[2] or ARGV[3] redis.call('decrby', from, ARGV[1]) " +
          "if ARGV[4] == 'fail' then error('on purpose') end if ARGV[4] == 'slow' then for i = 1, 300000 do end end " +
          "redis.call('incrby', to, ARGV[1]) return redis.call('mget', from, to)";
        const until = Date.now() + RUN_MS;
        let done = 0;
        // However slow the machine is, some are done.
        const isOver = (): boolean => Date.now() >= until && done > 10;
        const pick = (): string => names[Math.floor(Math.random() * ACCOUNTS)] as string;
        const work = async (seed: number): Promise<void> => {
          const client = await connect();
          for (let round = seed; !isOver(); round++) {
            const [from, to] = [pick(), pick()];
            if (from === to) continue;
            const how = round % 7 === 0 ? 'fail' : round % 5 === 0 ? 'slow' : 'go';
            const declared = round % 2 === 0 ? [2, from, to] : [0];
            const reply = await run(client, 'EVAL', transfer, ...declared, 1 + (round % 9), from, to, how);
            if (reply.startsWith('*2')) done++;
            else assert.match(reply, /on purpose|killed by user/);
          }
        };
        const read = async (isExec: boolean): Promise<void> => {
          const client = await connect();
          while (!isOver()) {
            let reply: Buffer;
            if (isExec) {
              client.send(Buffer.concat([encode(['MULTI']), ...names.map((name) => encode(['GET', name])), encode(['EXEC'])]));
              reply = (await client.readReplies(ACCOUNTS + 2)).at(-1) as Buffer;
            } else reply = await client.command('MGET', ...names);
            const total = (elements(reply) ?? []).reduce((sum, one) => sum + Number(payload(one)), 0);
            assert.equal(total, ACCOUNTS * BALANCE);
          }
        };
        const kill = async (): Promise<void> => {
          const client = await connect();
          while (!isOver()) {
            await client.command('SCRIPT', 'KILL');
            await sleep(5);
          }
        };
        await Promise.all([work(0), work(1), work(2), work(3), work(4), work(5), read(false), read(true), kill()]);
      },
    );

    testServed('scripts that want the same keys in opposite orders all finish', async (connect) => {
      const body = "redis.call('incr', ARGV[1]) for i = 1, 20000 do end redis.call('incr', ARGV[2]) return 1";
      const clients = await Promise.all(Array.from({ length: 8 }, connect));
      await Promise.all(
        clients.map(async (client, index) => {
          const keys = index % 2 === 0 ? ['x', 'y'] : ['y', 'x'];
          for (let round = 0; round < 40; round++) assert.equal(await run(client, 'EVAL', body, 0, ...keys), ':1\r\n');
        }),
      );
      assert.equal(await run(clients[0] as RawClient, 'MGET', 'x', 'y'), '*2\r\n$3\r\n320\r\n$3\r\n320\r\n');
    });

    testServed('a script that never ends holds up only who wants its key, and is taken back when killed', async (connect) => {
      const [looping, other, waiting] = [await connect(), await connect(), await connect()];
      await run(other, 'SET', 'held', 'before');
      looping.send(encode(['EVAL', FOREVER, '1', 'held']));
      while (!/running-ms\r\n:[1-9]\d/.test(await run(other, 'SCRIPT', 'STATS'))) await sleep(5);
      const times: number[] = [];
      for (let round = 0; round < 200; round++) {
        const begun = performance.now();
        assert.equal(await run(other, 'SET', `free:${round}`, 1), '+OK\r\n');
        times.push(performance.now() - begun);
      }
      times.sort((a, b) => a - b);
      assert.ok((times[190] as number) < 100, `a SET took ${times[190]} ms while a script ran`);
      assert.equal(await run(other, 'EVAL', "return redis.call('get', 'free:1')", 0), '$1\r\n1\r\n');
      let got = '';
      const get = run(waiting, 'GET', 'held').then((reply) => {
        got = reply;
      });
      await sleep(50);
      assert.equal(got, '');
      assert.equal(await run(other, 'SCRIPT', 'KILL'), '+OK\r\n');
      assert.match(String(await looping.readReply()), /^-ERR Script killed by user with SCRIPT KILL\./);
      await get;
      assert.equal(got, '$6\r\nbefore\r\n');
    });

    testServed('a thread that dies is replaced, and its transaction taken back', async (connect) => {
      const [looping, other] = [await connect(), await connect()];
      await run(other, 'RPUSH', 'held', 'a', 'b');
      looping.send(encode(['EVAL', "redis.call('lpop', KEYS[1]) redis.call('set', 'made', 1) while true do end", '1', 'held']));
      await endLoopingThread(other);
      assert.match(String(await looping.readReply()), /^-ERR The thread of the script failed/);
      assert.equal(await run(other, 'LRANGE', 'held', 0, -1), '*2\r\n$1\r\na\r\n$1\r\nb\r\n');
      assert.equal(await run(other, 'EXISTS', 'made'), ':0\r\n');
      for (let round = 0; round < 20; round++)
        assert.equal(await run(looping, 'EVAL', "return redis.call('llen', KEYS[1])", 1, 'held'), ':2\r\n');
    });

    testServed('script-deadline ends a script', async (connect) => {
      const client = await connect();
      await run(client, 'CONFIG', 'SET', 'script-deadline', 50);
      assert.match(await run(client, 'EVAL', FOREVER, 1, 'k'), /^-ERR Script ran longer than script-deadline/);
      assert.equal(await run(client, 'EXISTS', 'k'), ':0\r\n');
      await run(client, 'CONFIG', 'SET', 'script-deadline', 0);
    });

    testServed('scripts in MULTI, with WATCH, and in a pipeline with other commands', async (connect) => {
      const [client, other] = [await connect(), await connect()];
      const pipeline = async (...requests: readonly (readonly string[])[]): Promise<string> => {
        client.send(Buffer.concat(requests.map((request) => encode(request))));
        return (await client.readReplies(requests.length)).join('');
      };
      const incr = "return redis.call('incr', KEYS[1])";
      const requests: string[][] = [];
      let expected = '';
      for (let index = 1; index <= 100; index++) {
        requests.push(index % 3 === 0 ? ['INCR', 'n'] : ['EVAL', incr, '1', 'n']);
        expected += `:${index}\r\n`;
      }
      requests.push(['EVAL', incr, 'x'], ['GET', 'n']);
      assert.equal(await pipeline(...requests), `${expected}-ERR value is not an integer or out of range\r\n$3\r\n100\r\n`);
      const fails = "redis.call('set', KEYS[1], 'lost') error('x')";
      assert.match(
        await pipeline(
          ['MULTI'],
          ['SET', 'q', '1'],
          ['EVAL', incr, '1', 'q'],
          ['EVAL', fails, '1', 'q'],
          ['SELECT', '2'],
          ['SET', 'q', 'two'],
          ['EXEC'],
        ),
        /\*5\r\n\+OK\r\n:2\r\n-ERR user_script:1: x [^\r]*\r\n\+OK\r\n\+OK\r\n$/,
      );
      assert.equal(await pipeline(['GET', 'q'], ['SELECT', '0'], ['GET', 'q']), '$3\r\ntwo\r\n+OK\r\n$1\r\n2\r\n');
      await pipeline(['WATCH', 'q']);
      await run(other, 'SET', 'q', 'other');
      assert.match(await pipeline(['MULTI'], ['EVAL', incr, '1', 'n'], ['EXEC'], ['GET', 'n']), /\*-1\r\n\$3\r\n100\r\n$/);
      assert.match(await pipeline(['WATCH', 'q'], ['MULTI'], ['EVAL', incr, '1', 'n'], ['EXEC']), /\*1\r\n:101\r\n$/);
    });

    testServed('who waits for a key is served when the script is done; FLUSHALL comes between scripts', async (connect) => {
      const [client, other, third] = [await connect(), await connect(), await connect()];
      other.send(encode(['BLPOP', 'queue', '5']));
      await sleep(50);
      assert.equal(await run(client, 'EVAL', "redis.call('rpush', 'queue', 'a', 'b') redis.call('lpop', 'queue') return 1", 0), ':1\r\n');
      assert.match(String(await other.readReply()), /queue\r\n\$1\r\nb\r\n$/);
      let isOver = false;
      const busy = (async (): Promise<void> => {
        while (!isOver)
          await run(client, 'EVAL', "redis.call('set', KEYS[1], 1) for i = 1, 50000 do end return redis.call('get', KEYS[1])", 1, 'k');
      })();
      for (let round = 0; round < 10; round++) {
        assert.equal(await run(third, 'FLUSHALL'), '+OK\r\n');
        // While this one waits for all keys, the other script must still be able to use its own.
        assert.equal(await run(third, 'EVAL', "redis.call('flushall') return 1", 0), ':1\r\n');
      }
      assert.equal(await run(third, 'EVAL', "redis.call('set', 'z', 1) redis.call('flushall') return redis.call('dbsize')", 0), ':0\r\n');
      isOver = true;
      await busy;
    });
  });
}
