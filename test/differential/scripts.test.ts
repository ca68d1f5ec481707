// Requests for scripts that are wrong in some way, and scripts that go to the limits, on Ferrite and on a real redis-server: replies are
// compared byte for byte.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { installed, LONG, REACTORS, type RunningServer, startServer } from '../support/server.ts';

type Request = readonly string[];
const evalOf = (body: string): Request => ['EVAL', body, '0'];

const REQUESTS: readonly Request[] = [
  ['EVAL', 'return 1'],
  ...['x', '-1', '1', '1.5', '99999999999999999999', ''].map((count) => ['EVAL', 'return 1', count]),
  ['EVAL', 'return 1', '2', 'a'],
  ['EVAL', 'return {KEYS[1], ARGV[1], KEYS[2]}', '1', 'a', 'b'],
  ['EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8dc', '0'],
  ['EVALSHA', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8dc', 'x'],
  ['EVALSHA', 'x', '0'],
  ['EVALSHA', 'x', 'y'],
  ['EVALSHA', 'x', '-1'],
  ['EVALSHA_RO', 'x', '0'],
  ['EVALSHA', 'x'],
  ['SCRIPT'],
  ['SCRIPT', 'FOO'],
  ['SCRIPT', 'LOAD'],
  ['SCRIPT', 'LOAD', 'x x'],
  ['SCRIPT', 'LOAD', 'return 7'],
  ['SCRIPT', 'EXISTS'],
  ['SCRIPT', 'EXISTS', 'a', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8dc'],
  ['SCRIPT', 'FLUSH', 'x'],
  ['SCRIPT', 'FLUSH', 'ASYNC', 'x'],
  ['SCRIPT', 'KILL'],
  ['SCRIPT', 'KILL', 'x'],
  ['SCRIPT', 'DEBUG'],
];

/** Commands called from scripts that mayn't be, don't exist, or are called wrongly. */
const CALLS = [
  '',
  '"nope"',
  '"get"',
  '"get", {}',
  '"set", "a", nil',
  '"set", "a", true',
  '"multi"',
  '"exec"',
  '"watch", "a"',
  '"eval", "return 1", 0',
  '"script", "load", "x"',
  '"client", "list"',
  '"config", "get", "*"',
  '"debug", "sleep", "0"',
  '"blpop", "l", 0',
  '"auth", "x"',
  '"hello", "3"',
  '"quit"',
  '"reset"',
  '"shutdown"',
  '"select", "99"',
  '"select", "x"',
  '"object"',
  '"object", "nope", "a"',
  '"object", "encoding", "a"',
  '"wait", "0", "0"',
  '"swapdb", "0", "1"',
  '"spop", "a"',
  '"sort", "a", "by", "w*"',
];
const WRITES = ['"set", "a", 1', '"get", "a"', '"del", "a"', '"spop", "a"', '"sort", "a", "store", "b"', '"getex", "a"', '"pfcount", "a"'];

const SHEBANGS = ['#!', '#!js', '#!lua', '#!lua x=1', '#!lua flags=', '#!lua flags=bad', '#!lua flags=no-writes,allow-oom'];
const BODIES = [
  'foo',
  'return 1 +',
  'x = 1',
  'return y',
  'error("a")',
  'error(nil)',
  'error(1)',
  'error({err = "a b"})',
  'return {err = "My Err"}',
  'return {ok = "fine"}',
  'return {1, 2, nil, 4}',
  'return {3.99, -3.99, 1e20, -1e20, true, false, "x"}',
  'redis.setresp(4)',
  'redis.setresp()',
  'redis.setresp(3) return {double = 3.5}',
  'redis.setresp(3) return redis.call("get", "nokey")',
  'return redis.acl_check_cmd()',
  'return redis.acl_check_cmd("nope")',
  'return redis.acl_check_cmd({})',
  'return redis.acl_check_cmd("get", "a")',
  'return redis.error_reply()',
  'return redis.log(1)',
  'return redis.log("x", "y")',
  'return redis.set_repl(9)',
  'return cjson.decode("{")',
  'local t = {} t.t = t return cjson.encode(t)',
  'return cmsgpack.unpack("\\x81")',
  'return struct.pack("i99", 1)',
  'return struct.unpack("i4", "a")',
  'return string.find("a", "[a")',
  'return string.find("a", "%")',
  'return string.gsub("a", "(", "")',
  'return string.rep()',
  'return unpack({}, 1, 1e8)',
  'local function f() return f() + 1 end return f()',
  'return select(0)',
  'local t = {} t[nil] = 1',
  'return {} .. 1',
  'return dofile("x")',
];

/** Texts of millions of bytes. */
const LIMITS: readonly string[] = [
  `--${'x'.repeat(10_485_760)}\nreturn 1`,
  `return #"${'x'.repeat(10_485_760)}"`,
  `local x ${'x = x '.repeat(200_000)}`,
  `return ${'('.repeat(300)}1${')'.repeat(300)}`,
  `return ${'1+'.repeat(20_000)}1`,
  'return redis.sha1hex(string.rep("x", 10000000))',
  'return #string.rep("x", 100000000)',
];

/** Values nested as deep as a reply may be, and deeper: what the test's own client can't parse. */
const NESTED: readonly string[] = [
  ...[7, 8, 1000, 7993, 7994, 7995, 7996, 10_000].map((depth) => `local t = {} for i = 1, ${depth} do t = {t} end return t`),
  'local t = {} t[1] = t return t',
];

const CASES: readonly Request[] = [
  ...REQUESTS,
  ...CALLS.flatMap((call) => [evalOf(`return redis.call(${call})`), evalOf(`return redis.pcall(${call})`)]),
  ...WRITES.flatMap((call) => [
    ['EVAL_RO', `return redis.call(${call})`, '0'],
    evalOf(`#!lua flags=no-writes\nreturn redis.call(${call})`),
  ]),
  ...SHEBANGS.flatMap((line) => [evalOf(line), evalOf(`${line}\nreturn redis.call("set", "a", 1)`)]),
  ...BODIES.map(evalOf),
  ...LIMITS.map(evalOf),
  ['GET', 'a'],
];

/** All that comes back for a script on a connection of its own. */
function answerOf(port: number, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setEncoding('latin1').on('data', (text) => {
      answer += text;
    });
    socket.once('error', reject).once('close', () => resolve(answer));
    socket.end(`*3\r\n$4\r\nEVAL\r\n$${body.length}\r\n${body}\r\n$1\r\n0\r\n*1\r\n$4\r\nQUIT\r\n`);
  });
}

if (!installed('redis-server')) {
  test('wrong requests for scripts', { skip: 'redis-server is not installed: nothing to compare with' }, () => {});
} else {
  // A script doesn't know by which reactor it came; the long form asks all the same.
  for (const reactor of LONG ? REACTORS : REACTORS.slice(0, 1)) {
    test(`wrong requests for scripts, and scripts at the limits (${reactor})`, { timeout: 120_000 }, async () => {
      const servers: RunningServer[] = await Promise.all([startServer({ reactor }), startServer({ kind: 'redis-server' })]);
      const clients = await Promise.all(servers.map((server) => RawClient.connect(server.port)));
      try {
        for (const body of NESTED) {
          const [ours, theirs] = await Promise.all(servers.map((server) => answerOf(server.port, body)));
          assert.ok(ours === theirs, `${body}: replies of ${ours!.length} and ${theirs!.length} bytes, ${ours!.slice(-60)}`);
        }
        for (const request of CASES) {
          const [ours, theirs] = await Promise.all(clients.map((client) => client.command(...request)));
          const shown = request.map((word) => (word.length > 200 ? `${word.slice(0, 100)}... (${word.length})` : word)).join(' ');
          assert.equal(ours!.toString('latin1'), theirs!.toString('latin1'), shown);
        }
      } finally {
        for (const client of clients) client.destroy();
        await Promise.all(servers.map((server) => server.stop()));
      }
    });
  }
}
