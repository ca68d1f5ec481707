// FUNCTION and FCALL beside a real redis-server: the same requests in the same order, and the same bytes for replies. Dumps go both ways.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { describeMismatch, payload } from '../support/compare.ts';
import { RawClient } from '../support/raw-client.ts';
import { installed, isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

type Request = readonly (string | number | Buffer)[];

const register = (name: string, body: string): string => `redis.register_function('${name}', function(keys, args) ${body} end)`;
const ECHO = register('f', 'return {keys, args}');
const library = (body: string, head = '#!lua name=lib'): string => `${head}\n${body}`;

/** First lines, right and wrong. */
const HEADS: readonly string[] = [
  '#!lua name=x',
  '#!foo name=x',
  '#! name=x',
  '#!',
  '#!lua',
  '#!lua nme=x',
  '#!lua name=x name=y',
  '#!lua name=',
  '#!lua name=a-b',
  '#!lua name="q x"',
  '#!lua name="qx"',
  '#!lua name="qx',
  '#!LUA NAME=up',
  '#!lua name=x flags=no-writes',
  '#!lua\tname=tab ',
  "#!lua name='sq'\r",
  '#!lua name="h\\x41"',
  '#!"lua" name=b',
  '#!lua name=nul\0x',
  ' #!lua name=b',
];
/** What a library's body may be, and mayn't. */
const BODIES: readonly string[] = [
  'local x = 1',
  'foo bar',
  "error('x')",
  "redis.call('get', 'x')",
  'redis.setresp(3)',
  `redis.log(redis.LOG_NOTICE, 'loads') local v = redis.REDIS_VERSION; ${ECHO}`,
  `local n = redis.REDIS_VERSION_NUM; ${ECHO}`,
  'x = 1',
  'return foo',
  "return string.len('x')",
  'return tostring(1)',
  'redis.x = 1',
  'return redis.nope',
  'return redis.sha1hex("")',
  "rawset(_G, 'x', 1)",
  'local x = nil x()',
  `${ECHO}\nlocal x = nil x()`,
  'local function f() return 1 + f() end local a = f()',
  ECHO + ECHO,
  register("x' .. ('y'):upper() .. '", 'return 1'),
  'return KEYS',
];
/** Arguments of redis.register_function. */
const ARGUMENTS: readonly string[] = [
  '',
  "'a'",
  '1, 2, 3',
  "'a', 1",
  '1, function() end',
  '{}',
  'nil',
  "{function_name='x'}",
  '{callback=function() end}',
  '{function_name=1, callback=function() end}',
  '{function_name={}, callback=function() end}',
  "{function_name='x', callback=1}",
  "{function_name='x', callback=function() end, flags=1}",
  "{function_name='x', callback=function() end, flags={'nope'}}",
  "{function_name='x', callback=function() end, flags={1}}",
  "{function_name='x', callback=function() end, flags={{}}}",
  "{function_name='x', callback=function() end, flags={'no-writes', nil, 'nope'}}",
  "{function_name='x', callback=function() end, description=1}",
  "{function_name='x', callback=function() end, description={}}",
  "{function_name='x', callback=function() end, foo=1}",
  "{function_name='x', callback=function() end, [1]=1}",
  "{function_name='x', callback=function() end, [true]=1}",
  "{FUNCTION_NAME='x', Callback=function() end, Flags={'ALLOW-stale', 'no-cluster', 'NO-writes', 'allow-oom', 'allow-cross-slot-keys'}}",
  "{function_name='x', callback=function() end, description='what it does', flags={}}",
  "'a-b', function() end",
  "'', function() end",
  "'a\\0b', function() end",
  'nil, function() end',
  '{}, function() end',
  "'x', nil",
];
/** What a function may do. `r` is redis.register_function, `red` the table `redis` as it was while the library was loaded. */
const CALLS: readonly string[] = [
  'return {keys, args}',
  'return #keys + #args',
  'return redis.register_function',
  'return redis.nope',
  'return KEYS',
  'return ARGV',
  'x = 1',
  'return x',
  "return r('y', function() end)",
  'n = n + 1 return n',
  "error('boom')",
  "error({err='MY boom'})",
  "return redis.error_reply('MY x')",
  "return redis.status_reply('x')",
  'return {1, 2, {3}}',
  "return red.call('get', 'k')",
  "return redis.call('nope')",
  "return redis.call('get')",
  "return redis.pcall('incr', keys[1])",
  "return redis.call('set', keys[1], args[1])",
  'return tostring(_G) ~= nil',
  '_G.x = 1',
  "return string.len('abc')",
  "redis.setresp(3) return redis.call('hgetall', 'nokey')",
  "return redis.call('function', 'list')",
  "return redis.call('fcall', 'f', 0)",
  "return pcall(function() error('x') end)",
  'local a = nil; a()',
  "return loadstring('return 1')()",
  "return redis.sha1hex('')",
  'return {n, redis.REDIS_VERSION_NUM ~= nil}',
  'return cjson.encode({1})',
  "return cmsgpack.unpack(cmsgpack.pack('a'))",
  'return math.floor(1.5)',
  "rawset(_G, 'x', 1)",
  'setmetatable(_G, {})',
  'return 1, 2',
  'return',
  'return {1, nil, 3}',
  'return 3.9',
  'return {double = 1.5}',
];

function* requests(): Generator<Request> {
  yield ['FUNCTION', 'FLUSH'];
  for (const code of ['', 'return 1', '#!lua name=x', ...HEADS.map((head) => library(ECHO, head))]) {
    yield ['FUNCTION', 'LOAD', Buffer.from(code, 'latin1')];
    yield ['FUNCTION', 'LIST'];
    yield ['FUNCTION', 'FLUSH', 'SYNC'];
  }
  for (const body of [...BODIES, ...ARGUMENTS.map((all) => `redis.register_function(${all})`)]) {
    yield ['FUNCTION', 'LOAD', library(body)];
    yield ['FUNCTION', 'LIST', 'WITHCODE'];
    yield ['FUNCTION', 'FLUSH', 'ASYNC'];
  }
  for (const body of CALLS) {
    const code = `local r, red, n = redis.register_function, redis, 0\n${register('f', body)}`;
    yield ['FUNCTION', 'LOAD', 'REPLACE', library(code)];
    yield ['FCALL', 'f', 2, 'k', 'other', 'value', ''];
    yield ['FCALL_RO', 'f', 0];
  }
  yield* collisions();
  yield* calls();
}
function* collisions(): Generator<Request> {
  yield ['FUNCTION', 'LOAD', 'REPLACE', library(ECHO)];
  yield ['FUNCTION', 'LOAD', library(ECHO)];
  yield ['FUNCTION', 'LOAD', library(ECHO, '#!lua name=lib2')];
  yield ['FUNCTION', 'LOAD', library(register('F', 'return 1'), '#!lua name=lib2')];
  yield ['FUNCTION', 'LOAD', library(register('g', 'return 1') + ECHO, '#!lua name=lib2')];
  yield ['FUNCTION', 'LOAD', library(register('g', 'return 1'), '#!lua name=Lib')];
  yield ['FUNCTION', 'LOAD', 'replace', 'REPLACE', library(ECHO + register('g', ''))];
  yield ['FUNCTION', 'LOAD', 'REPLACE', library('this is no Lua')];
  yield ['FUNCTION', 'LIST', 'LIBRARYNAME', 'lib'];
  yield ['FUNCTION', 'LIST', 'libraryname', 'L?b', 'withcode'];
  yield ['FUNCTION', 'LIST', 'LIBRARYNAME', 'nothing*'];
  yield ['FUNCTION', 'LIST', 'LIBRARYNAME'];
  yield ['FUNCTION', 'LIST', 'WITHCODE', 'WITHCODE'];
  yield ['FUNCTION', 'LIST', 'LIBRARYNAME', 'l', 'LIBRARYNAME', 'k'];
  yield ['FUNCTION', 'LIST', 'x'];
  yield ['FUNCTION', 'LOAD', 'x', library(ECHO)];
  yield ['FUNCTION', 'LOAD', 'REPLACE', library(ECHO), 'z'];
  yield ['FUNCTION', 'LOAD', 'REPLACE'];
  yield ['FUNCTION', 'LOAD'];
  yield ['FUNCTION', 'DELETE', 'nope'];
  yield ['FUNCTION', 'DELETE', 'LIB'];
  yield ['FUNCTION', 'DELETE'];
  yield ['FUNCTION', 'FLUSH', 'x'];
  yield ['FUNCTION', 'FLUSH', 'ASYNC', 'y'];
  yield ['FUNCTION', 'RESTORE', 'x'];
  yield ['FUNCTION', 'RESTORE', '0123456789012345'];
  yield ['FUNCTION', 'RESTORE', 'x', 'y'];
  yield ['FUNCTION', 'RESTORE', 'x', 'FLUSH', 'z'];
  yield ['FUNCTION', 'DELETE', 'lib'];
  yield ['FUNCTION', 'DELETE', 'Lib'];
  yield ['FUNCTION', 'LIST'];
  yield ['FUNCTION', 'STATS'];
  yield ['FUNCTION', 'KILL'];
  yield ['FUNCTION', 'x'];
  yield ['FUNCTION'];
  yield ['FUNCTION', 'HELP', 'x'];
}
function* calls(): Generator<Request> {
  const named = (name: string, body: string, flags: string): string =>
    `redis.register_function{function_name='${name}', callback=function(keys, args) ${body} end, flags={${flags}}}`;
  const write = "return redis.call('set', 'x', 1)";
  yield ['FUNCTION', 'LOAD', library(named('reads', write, "'no-writes'") + named('writes', write, "'no-cluster', 'allow-stale'"))];
  for (const name of ['reads', 'writes', 'WRITES', 'nope', '']) {
    yield ['FCALL', name, 0];
    yield ['FCALL_RO', name, 0];
    for (const count of ['x', '-1', '5', '', '1.0', '99999999999999999999']) yield ['FCALL', name, count, 'a'];
  }
  yield ['FCALL', 'reads'];
  yield ['FUNCTION', 'STATS'];
  yield ['EVAL', "return redis.register_function('a', function() end)", 0];
  yield ['EVAL', "return redis.call('function', 'list')", 0];
  yield ['EVAL', "return redis.call('fcall', 'reads', 0)", 0];
  yield ['EVAL_RO', '#!lua\nreturn 1', 0];
  yield ['MULTI'];
  yield ['FUNCTION', 'LOAD', 'REPLACE', library(ECHO)];
  yield ['FCALL', 'f', 1, 'a', 'b'];
  yield ['FCALL', 'reads', 0];
  yield ['FCALL', 'nope', 'x'];
  yield ['FCALL', 'f', 'x'];
  yield ['SET', 'between', '1'];
  yield ['FUNCTION', 'LIST'];
  yield ['FUNCTION', 'STATS'];
  yield ['FUNCTION', 'DELETE', 'lib'];
  yield ['FCALL', 'f', 0];
  yield ['EXEC'];
  yield ['GET', 'between'];
  yield ['FCALL', 'f', 0];
  yield ['MULTI'];
  yield ['FUNCTION', 'FLUSH'];
  yield ['FUNCTION', 'LOAD', library(ECHO)];
  yield ['FUNCTION', 'LOAD', library(ECHO)];
  yield ['EXEC'];
  yield ['FUNCTION', 'LIST'];
  yield ['COMMAND', 'GETKEYS', 'FCALL', 'f', 2, 'a', 'b', 'c'];
  yield ['COMMAND', 'GETKEYSANDFLAGS', 'FCALL_RO', 'f', 1, 'a', 'b', 'c'];
}

if (!installed('redis-server')) {
  test('functions beside redis-server', { skip: 'redis-server is not installed: nothing to compare with' }, () => {});
} else {
  for (const reactor of REACTORS) {
    describe(`functions beside redis-server, on the ${reactor} reactor`, () => {
      let ours: RunningServer | undefined;
      let oracle: RunningServer;
      before(async () => {
        oracle = await startServer({ kind: 'redis-server' });
        try {
          ours = await startServer({ reactor, directives: { 'io-threads': 2, 'script-threads': 3 } });
        } catch (error) {
          if (!isReactorRefused(error)) throw error;
        }
      });
      after(async () => {
        await Promise.all([ours?.stop(), oracle.stop()]);
      });
      const clients = async (): Promise<[RawClient, RawClient]> => [
        await RawClient.connect((ours as RunningServer).port),
        await RawClient.connect(oracle.port),
      ];

      for (const resp of [2, 3]) {
        test(`the same replies, RESP${resp}`, async (context) => {
          if (ours === undefined) return context.skip(`this machine refuses ${reactor}`);
          const [left, right] = await clients();
          for (const client of [left, right]) {
            await client.command('HELLO', resp);
            await client.command('FLUSHALL');
          }
          for (const request of requests()) {
            const [actual, expected] = await Promise.all([left.command(...request), right.command(...request)]);
            const words = request.map((word) => Buffer.from(String(word), 'latin1'));
            assert.ok(actual.equals(expected) || sorted(actual) === sorted(expected), describeMismatch(words, actual, expected));
          }
          left.destroy();
          right.destroy();
        });
      }

      test('a dump of either server loads into the other', async (context) => {
        if (ours === undefined) return context.skip(`this machine refuses ${reactor}`);
        const [left, right] = await clients();
        const long = `-- ${'long and dull '.repeat(3000)}\n`;
        const codes = [
          library(ECHO),
          library(register('g', 'return 1'), '#!lua name=short'),
          library(long + register('h', "return '\\255\\0é'"), '#!lua name=long'),
        ];
        for (const [from, to] of [
          [left, right],
          [right, left],
        ] as const) {
          await from.command('FUNCTION', 'FLUSH');
          await to.command('FUNCTION', 'FLUSH');
          const empty = payload(await from.command('FUNCTION', 'DUMP')) as Buffer;
          assert.equal(String(await to.command('FUNCTION', 'RESTORE', empty)), '+OK\r\n');
          for (const code of codes) assert.match(String(await from.command('FUNCTION', 'LOAD', code)), /^\$/);
          const dump = payload(await from.command('FUNCTION', 'DUMP')) as Buffer;
          assert.equal(String(await to.command('FUNCTION', 'RESTORE', dump)), '+OK\r\n');
          assert.equal(
            sorted(await to.command('FUNCTION', 'LIST', 'WITHCODE')),
            sorted(await from.command('FUNCTION', 'LIST', 'WITHCODE')),
          );
          assert.ok((await to.command('FCALL', 'h', 0)).equals(await from.command('FCALL', 'h', 0)));
          // What is there already stands in the way, or is replaced, or goes.
          assert.match(String(await to.command('FUNCTION', 'RESTORE', dump)), /^-ERR Library (lib|short|long) already exists\r\n$/);
          assert.equal(String(await to.command('FUNCTION', 'RESTORE', dump, 'replace')), '+OK\r\n');
          await to.command('FUNCTION', 'DELETE', 'lib');
          await to.command('FUNCTION', 'LOAD', library(ECHO, '#!lua name=other'));
          assert.equal(String(await to.command('FUNCTION', 'RESTORE', dump, 'REPLACE')), '-ERR Function f already exists\r\n');
          assert.equal(String(await to.command('FUNCTION', 'RESTORE', dump, 'FLUSH')), '+OK\r\n');
          assert.equal(
            sorted(await to.command('FUNCTION', 'LIST', 'WITHCODE')),
            sorted(await from.command('FUNCTION', 'LIST', 'WITHCODE')),
          );
        }
        left.destroy();
        right.destroy();
      });
    });
  }
}

/** The lines of a reply in an order of their own: libraries and functions come in none. */
function sorted(reply: Buffer): string {
  return reply.toString('latin1').split('\r\n').sort().join('\n');
}
