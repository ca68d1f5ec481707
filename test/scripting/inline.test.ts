// Scripts that run on their client's reactor: the same replies as on a script thread, all of a script or nothing of it however it is
// given up, and totals that say so themselves while scripts of both kinds want the same keys.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { elements, payload } from '../support/compare.ts';
import { encode, RawClient } from '../support/raw-client.ts';
import { serveTests } from '../support/served.ts';
import { type Directives, isReactorRefused, REACTORS, startServer } from '../support/server.ts';

/** A script is on its reactor after so many runs, and some more. */
const WARM_RUNS = 12;
const ACCOUNTS = 8;
const BALANCE = 1000;
const TRANSFERS = 100;
const LONG_TURNS = 400_000;

const run = async (client: RawClient, ...args: readonly (string | number)[]): Promise<string> =>
  (await client.command(...args)).toString('latin1');

type Counters = { runs: number; givenUp: number; conflicts: number; onThreads: number };

/** Sums of SCRIPT STATS over all reactors, and over all script threads. */
async function counters(client: RawClient): Promise<Counters> {
  const stats = await run(client, 'SCRIPT', 'STATS');
  const [reactors = '', threads = ''] = stats.split(/(?:threads|statistics)\r\n/);
  const sum = (text: string, name: string): number =>
    [...text.matchAll(new RegExp(`\\r\\n${name}\\r\\n:(\\d+)`, 'g'))].reduce((total, match) => total + Number(match[1]), 0);
  return {
    runs: sum(reactors, 'runs'),
    givenUp: sum(reactors, 'given-up'),
    conflicts: sum(reactors, 'conflicts'),
    onThreads: sum(threads, 'runs'),
  };
}

/** Scripts of all sorts: what they answer, and whether they are for a reactor at all. */
const SORTS: readonly (readonly [script: string, keys: readonly string[], args: readonly string[]])[] = [
  ["return 'hello'", [], []],
  ['return {KEYS[1], ARGV[1], ARGV[2], #KEYS, #ARGV, 1.9, false, {1, {2}}}', ['k'], ['a', '']],
  ["return redis.call('set', KEYS[1], ARGV[1], 'EX', 100)", ['k'], ['v']],
  ["redis.call('set', KEYS[1], 5) return redis.call('incr', KEYS[1])", ['k'], []],
  ["redis.call('rpush', KEYS[1], 1, 2, 3) return redis.call('lrange', KEYS[1], 0, -1)", ['l'], []],
  ["redis.call('mset', 'a', 1, 'b', 2, 'c', 3) return redis.call('mget', 'c', 'b', 'a', 'none')", [], []],
  ["redis.call('set', 'a', 'text') redis.call('copy', 'a', 'b', 'DB', '3') redis.call('select', 3) return redis.call('get', 'b')", [], []],
  ["return redis.call('get', 'b')", [], []],
  ["redis.call('set', 'a', 'text') return redis.call('incr', 'a')", [], []],
  ["redis.call('set', 'a', 'text') return {redis.pcall('incr', 'a').err, redis.call('get', 'a')}", [], []],
  ["redis.call('set', 'made', 1) error({err = 'MY words'})", [], []],
  ["redis.call('set', 'made', 1) error('a text')", [], []],
  ["redis.call('set', 'made', 1) local x = nil + 1", [], []],
  ["return redis.call('exists', 'made')", [], []],
  ["#!lua rollback=no\nredis.call('set', 'kept', 1) error('a text')", [], []],
  ["return redis.call('exists', 'kept')", [], []],
  ["#!lua flags=no-writes\nreturn redis.call('set', 'a', 1)", [], []],
  ["return redis.call('nope')", [], []],
  ["return redis.call('get')", [], []],
  ["return redis.call('multi')", [], []],
  ["return redis.call('info')", [], []],
  ["redis.setresp(3) redis.call('hset', 'h', 'f', 'v') return {redis.call('hgetall', 'h'), true, false}", [], []],
  ["redis.call('set', 'z', 1) redis.call('flushdb') return redis.call('dbsize')", [], []],
  ["redis.call('set', 'z', 1) return #redis.call('keys', '*')", [], []],
  ["redis.call('rpush', 's', 3, 1, 2) return redis.call('sort', 's', 'GET', '#', 'GET', 'x*')", [], []],
  ["local t = {} for i = 1, 200 do t[i] = i end return table.concat(t, ' ')", [], []],
  ["local s = 0 for i = 1, 300000 do s = s + i % 7 end redis.call('set', 'sum', s) return redis.call('get', 'sum')", [], []],
  ["return #string.rep('x', 3000000)", [], []],
  ['local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(12000)', [], []],
  ["KEYS[1] = 'other' return {KEYS[1], rawget(_G, 'KEYS') == KEYS}", ['k'], []],
  ['cjson.encode_max_depth(2) local ok = pcall(cjson.encode, {{{1}}}) return tostring(ok)', [], []],
  ['local ok = pcall(cjson.encode, {{{1}}}) return tostring(ok)', [], []],
  ["redis.call('zadd', 'zs', 1, 'a', 2, 'b') return redis.call('zrangebyscore', 'zs', '-inf', '+inf', 'WITHSCORES')", [], []],
  ["redis.call('lpush', 'from', 'x') redis.call('rename', 'from', 'to') return redis.call('rpoplpush', 'to', 'from')", [], []],
  ["return redis.call('set', 'n', 12345678901) ", [], []],
  ["return {redis.call('set', 'n', -7.25).ok, redis.call('get', 'n'), redis.call('set', 'n', 3e20).ok, redis.call('get', 'n')}", [], []],
  ["return {redis.call('set', 'n', -2147483648).ok, redis.call('get', 'n'), redis.call('incrby', 'n', 2^31)}", [], []],
  // A script's own keys and arguments, handed on to commands: alike, empty, with what lies beside them growing, in two databases, many.
  [
    "redis.call('set', KEYS[1], ARGV[1]) redis.call('set', KEYS[2], ARGV[2]) return redis.call('mget', KEYS[2], KEYS[1], ARGV[1], 'a1', 'k2')",
    ['k1', 'k2'],
    ['k1', 'a1'],
  ],
  [
    "redis.call('set', KEYS[1], ARGV[1]) return {redis.call('get', ''), redis.call('get', KEYS[1]), redis.call('append', KEYS[2], ARGV[2])}",
    ['', 'x'],
    ['v', ''],
  ],
  [
    "redis.call('set', KEYS[1], 'x') redis.call('set', 'big', string.rep('y', 40000)) " +
      "return {redis.call('get', KEYS[1]), redis.call('strlen', 'big'), redis.call('append', KEYS[1], ARGV[1])}",
    ['k'],
    ['more'],
  ],
  [
    "redis.call('set', KEYS[1], 'zero') redis.call('select', 1) local before = redis.call('get', KEYS[1]) " +
      "redis.call('set', KEYS[1], 'one') redis.call('select', 0) return {before, redis.call('get', KEYS[1])}",
    ['k'],
    [],
  ],
  ["return redis.call('rpush', unpack(KEYS), unpack(ARGV))", ['l'], ['1', '2', '3', '4', '5', '6', '7', '8', '9']],
  [
    "redis.call('rpush', KEYS[1], unpack(ARGV)) return redis.call('lrange', KEYS[1], 0, -1)",
    ['l'],
    ['a', 'bb', 'a', '', '\0', '\xff', 'lrange'],
  ],
  [
    "local n for bits = 0, 63 do local name = '' for at = 1, 6 do local c = ('incrby'):sub(at, at) " +
      'name = name .. (math.floor(bits / 2 ^ (at - 1)) % 2 == 1 and c:upper() or c) end n = redis.call(name, KEYS[1], bits) end return n',
    ['k'],
    [],
  ],
  ["redis.call('set', KEYS[1], '007') return {redis.call('get', KEYS[1]), redis.call('get', KEYS[1]) + 0}", ['k'], []],
  ['foo(', [], []],
];

for (const reactor of REACTORS) {
  // With one thread for clients nothing depends on how bytes come: the first reactor is enough.
  for (const threads of reactor === REACTORS[0] ? [1, 2] : [2]) {
    describe(`scripts on their client's thread, ${reactor}, io-threads ${threads}`, () => {
      const testServed = serveTests({ reactor, directives: { 'io-threads': threads, 'script-threads': 3 } }, 60_000);

      testServed('every sort of script answers on its reactor what it answers on a script thread', async (connect) => {
        const client = await connect();
        for (const resp of [2, 3]) {
          await run(client, 'HELLO', resp);
          for (const [script, keys, args] of SORTS) {
            const ask = (): Promise<string> => run(client, 'EVAL', script, keys.length, ...keys, ...args);
            await run(client, 'FLUSHALL');
            await run(client, 'CONFIG', 'SET', 'script-inline', 'no');
            const expected = await ask();
            await run(client, 'CONFIG', 'SET', 'script-inline', 'yes');
            for (let round = 0; round < WARM_RUNS; round++) {
              await run(client, 'FLUSHALL');
              assert.equal(await ask(), expected, script);
            }
          }
        }
        const { runs, givenUp } = await counters(client);
        assert.ok(runs > SORTS.length, `${runs} runs on reactors`);
        assert.ok(givenUp > 0, 'some of these scripts are too long for a reactor');
      });

      testServed('EVALSHA, SCRIPT FLUSH, and the switch', async (connect) => {
        const client = await connect();
        const body = "return redis.call('incr', KEYS[1])";
        const sha = (await run(client, 'SCRIPT', 'LOAD', body)).split('\r\n')[1] as string;
        const before = await counters(client);
        for (let round = 1; round <= 20; round++) assert.equal(await run(client, 'EVALSHA', sha, 1, 'n'), `:${round}\r\n`);
        const between = await counters(client);
        assert.equal(between.runs - before.runs + between.onThreads - before.onThreads, 20);
        assert.ok(between.runs - before.runs >= 10, `${between.runs - before.runs} runs on reactors`);
        assert.match(await run(client, 'EVALSHA_RO', sha, 1, 'n'), /^-ERR Write commands are not allowed from read-only scripts\./);
        assert.equal(await run(client, 'SCRIPT', 'FLUSH'), '+OK\r\n');
        for (let round = 0; round < 10; round++) assert.match(await run(client, 'EVALSHA', sha, 1, 'n'), /^-NOSCRIPT /);
        await run(client, 'EVAL', body, 1, 'n');
        for (let round = 22; round <= 40; round++) assert.equal(await run(client, 'EVALSHA', sha, 1, 'n'), `:${round}\r\n`);
        await run(client, 'CONFIG', 'SET', 'script-inline', 'no');
        const last = await counters(client);
        for (let round = 41; round <= 60; round++) assert.equal(await run(client, 'EVAL', body, 1, 'n'), `:${round}\r\n`);
        assert.equal((await counters(client)).runs, last.runs);
        await run(client, 'CONFIG', 'SET', 'script-inline', 'yes');
      });

      testServed('a script that is given up half way has done nothing, and is done once on a script thread', async (connect) => {
        const body =
          "redis.call('incr', KEYS[1]) redis.call('rpush', KEYS[2], ARGV[1]) redis.call('hincrby', 'undeclared', 'field', 1) " +
          "for i = 1, tonumber(ARGV[2]) do end return redis.call('incr', KEYS[1])";
        const clients = await Promise.all(Array.from({ length: 4 }, connect));
        const before = await counters(clients[0] as RawClient);
        const rounds = 400;
        await Promise.all(
          clients.map(async (client, index) => {
            for (let round = 0; round < rounds; round++) {
              // Every so many is far beyond the budget, and those in between are short.
              const turns = round % 50 === 49 ? LONG_TURNS : 3;
              assert.match(await run(client, 'EVAL', body, 2, 'count', `list:${index}`, round, turns), /^:\d+\r\n$/);
            }
          }),
        );
        const [client] = clients as [RawClient];
        assert.equal(await run(client, 'GET', 'count'), `$4\r\n${clients.length * rounds * 2}\r\n`);
        assert.equal(await run(client, 'HGET', 'undeclared', 'field'), `$4\r\n${clients.length * rounds}\r\n`);
        for (let index = 0; index < clients.length; index++) {
          const list = (elements(await client.command('LRANGE', `list:${index}`, '0', '-1')) ?? []).map((one) => String(payload(one)));
          assert.deepEqual(
            list,
            Array.from({ length: rounds }, (_, round) => String(round)),
          );
        }
        const later = await counters(client);
        assert.ok(later.givenUp > before.givenUp, 'none was given up');
        assert.ok(later.runs > before.runs, 'none ran on a reactor');
      });

      testServed('transfers by short scripts and long ones, EXEC and plain commands: the total never changes', async (connect) => {
        const names = Array.from({ length: ACCOUNTS }, (_, index) => `account:${index}`);
        await (await connect()).command('MSET', ...names.flatMap((name) => [name, BALANCE]));
        const transfer =
          "redis.call('decrby', ARGV[2], ARGV[1]) for i = 1, tonumber(ARGV[4]) do end if ARGV[5] == 'fail' then error('on purpose') end " +
          "redis.call('incrby', ARGV[3], ARGV[1]) return 1";
        let isOver = false;
        const work = async (first: number): Promise<void> => {
          const client = await connect();
          for (let round = first; round < first + TRANSFERS; round++) {
            const [from, to] = [names[(round * 7) % ACCOUNTS] as string, names[(round * 5 + 3) % ACCOUNTS] as string];
            const keys = round % 3 === 0 ? [from, to] : round % 3 === 1 ? [from] : [];
            const turns = round % 97 === 0 ? LONG_TURNS : 2;
            const text = round % 2 === 0 ? transfer : `${transfer} `;
            const how = round % 11 === 0 ? 'fail' : 'go';
            const reply = await run(client, 'EVAL', text, keys.length, ...keys, 1 + (round % 9), from, to, turns, how);
            if (how === 'go') assert.equal(reply, ':1\r\n');
            else assert.match(reply, /on purpose/);
          }
        };
        const move = async (): Promise<void> => {
          const client = await connect();
          const requests = [['MULTI'], ['DECRBY', names[0] as string, '3'], ['INCRBY', names[5] as string, '3'], ['EXEC']];
          while (!isOver) {
            client.send(Buffer.concat(requests.map((request) => encode(request))));
            assert.match(String((await client.readReplies(4)).at(-1)), /^\*2\r\n:/);
          }
        };
        const read = async (): Promise<void> => {
          const client = await connect();
          while (!isOver) {
            const values = elements(await client.command('MGET', ...names)) ?? [];
            const total = values.reduce((sum, one) => sum + Number(payload(one)), 0);
            assert.equal(total, ACCOUNTS * BALANCE);
          }
        };
        const others = [move(), read(), read()];
        await Promise.all([work(0), work(1000), work(2000), work(3000), work(4000)]);
        isOver = true;
        await Promise.all(others);
      });

      testServed('a short script that wants the key of a long one waits for it, and its reactor serves on', async (connect) => {
        const [long, short, other] = [await connect(), await connect(), await connect()];
        const body = "return redis.call('append', KEYS[1], 'x')";
        for (let round = 1; round <= WARM_RUNS; round++) assert.equal(await run(short, 'EVAL', body, 1, 'wanted'), `:${round}\r\n`);
        const before = await counters(short);
        long.send(encode(['EVAL', "redis.call('set', KEYS[1], 'lost') while true do end", '1', 'wanted']));
        // Its thread may have to be loaded first; when it has been running for ten milliseconds or more, the key is its own.
        while (!/running-ms\r\n:[1-9]\d/.test(await run(other, 'SCRIPT', 'STATS'))) await sleep(5);
        let reply = '';
        const waits = run(short, 'EVAL', body, 1, 'wanted').then((got) => {
          reply = got;
        });
        for (let round = 1; round <= 20; round++) assert.equal(await run(other, 'EVAL', body, 1, 'free'), `:${round}\r\n`);
        assert.equal(reply, '');
        assert.ok((await counters(other)).conflicts > before.conflicts, 'no conflict was counted');
        assert.equal(await run(other, 'SCRIPT', 'KILL'), '+OK\r\n');
        assert.match(String(await long.readReply()), /^-ERR Script killed/);
        await waits;
        assert.equal(reply, `:${WARM_RUNS + 1}\r\n`);
      });

      testServed('who waits for a key is served by a short script; WATCH sees what it wrote', async (connect) => {
        const [client, waiting] = [await connect(), await connect()];
        const body = "redis.call('rpush', KEYS[1], 'a', 'b') redis.call('lpop', KEYS[1]) return 1";
        for (let round = 0; round < WARM_RUNS; round++) {
          waiting.send(encode(['BLPOP', 'queue', '5']));
          while (!/blocked_clients:1/.test(await run(client, 'INFO', 'clients')));
          assert.equal(await run(client, 'EVAL', body, 1, 'queue'), ':1\r\n');
          assert.match(String(await waiting.readReply()), /queue\r\n\$1\r\nb\r\n$/);
        }
        const write = "return redis.call('set', KEYS[1], ARGV[1])";
        for (let round = 0; round < 8; round++) {
          await run(client, 'WATCH', 'watched');
          await run(waiting, 'EVAL', write, 1, 'watched', round);
          await run(client, 'MULTI');
          await run(client, 'SET', 'watched', 'mine');
          assert.equal(await run(client, 'EXEC'), '*-1\r\n');
          assert.equal(await run(client, 'GET', 'watched'), `$1\r\n${round}\r\n`);
        }
      });
    });
  }

  test(`what short scripts did is in the log as wholes (${reactor})`, { timeout: 60_000 }, async (context) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'ferrite-inline-'));
    const directives: Directives = { dir, appendonly: 'yes', appendfsync: 'always', 'io-threads': 2 };
    try {
      let server = await startServer({ reactor, directives });
      let client = await RawClient.connect(server.port);
      const body = "redis.call('incr', KEYS[1]) redis.call('lpush', KEYS[2], ARGV[1]) if ARGV[1] % 5 == 0 then error('no') end return 1";
      for (let round = 1; round <= 50; round++) {
        const reply = await run(client, 'EVAL', body, 2, 'count', 'list', round);
        if (round % 5 === 0) assert.match(reply, /^-ERR user_script:1: no/);
        else assert.equal(reply, ':1\r\n');
      }
      const { runs } = await counters(client);
      assert.ok(runs > 25, `${runs} runs on reactors`);
      client.destroy();
      process.kill(server.pid as number, 'SIGKILL');
      await server.exited;
      server = await startServer({ reactor, directives });
      client = await RawClient.connect(server.port);
      assert.equal(await run(client, 'GET', 'count'), '$2\r\n40\r\n');
      assert.equal(await run(client, 'LLEN', 'list'), ':40\r\n');
      client.destroy();
      await server.stop();
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
      context.skip(`this machine refuses ${reactor}`);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
