// Libraries of functions in the log: they are there after a crash as they were acknowledged, they survive rewrites, and redis-server's
// folders are read as well as ours are by it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { payload } from '../support/compare.ts';
import { start, temporaryFolder, until } from '../support/log-server.ts';
import { encode, RawClient } from '../support/raw-client.ts';
import { Random, sayShownSeed } from '../support/seed.ts';
import { installed, LONG, type RunningServer } from '../support/server.ts';

const library = (name: string, fn: string, body: string): string =>
  `#!lua name=${name}\nredis.register_function('${fn}', function(keys, args) ${body} end)`;

async function crash(server: RunningServer): Promise<void> {
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
}
async function ask(client: RawClient, ...args: readonly (string | number | Buffer)[]): Promise<string> {
  return (await client.command(...args)).toString('latin1').trimEnd();
}
/** All libraries with their code, in an order of their own. */
async function libraries(client: RawClient): Promise<string> {
  return (await ask(client, 'FUNCTION', 'LIST', 'WITHCODE')).split('\r\n').sort().join('\n');
}
async function rewrite(client: RawClient): Promise<void> {
  const rewrites = async (): Promise<number> => Number(/aof_rewrites:(\d+)/.exec(await ask(client, 'INFO', 'persistence'))?.[1]);
  const before = await rewrites();
  assert.match(await ask(client, 'BGREWRITEAOF'), /^\+Background/);
  for (const deadline = Date.now() + 10_000; (await rewrites()) === before; await sleep(10)) {
    assert.ok(Date.now() < deadline, 'the rewrite takes longer than 10 s');
  }
}

test('every way to change libraries is there after a crash', async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir, { appendfsync: 'always' });
  let client = await RawClient.connect(server.port);
  const checkAfterCrash = async (): Promise<void> => {
    const expected = await libraries(client);
    await crash(server);
    server = await start(context, dir, { appendfsync: 'always' });
    client = await RawClient.connect(server.port);
    assert.equal(await libraries(client), expected);
  };
  for (const name of ['a', 'b', 'c'])
    await client.command('FUNCTION', 'LOAD', library(name, `f_${name}`, "return redis.call('incr', keys[1])"));
  await client.command('FUNCTION', 'LOAD', 'REPLACE', library('b', 'f_b', "return 'second'"));
  await client.command('FUNCTION', 'DELETE', 'c');
  await client.command('FUNCTION', 'LOAD', library('large', 'f_large', `return '${'x'.repeat(100_000)}'`));
  await client.command('FUNCTION', 'LOAD', library('a', 'other', 'return 1'));
  assert.equal(await ask(client, 'FCALL', 'f_a', 1, 'n'), ':1');
  await checkAfterCrash();
  assert.equal(await ask(client, 'FCALL', 'f_a', 1, 'n'), ':2');
  assert.equal(await ask(client, 'FCALL', 'f_b', 0), '$6\r\nsecond');
  assert.equal(await ask(client, 'FCALL', 'f_c', 0), '-ERR Function not found');
  // What one function may be called is another library's after a restore: both records come in one transaction of the log.
  const dump = payload(await client.command('FUNCTION', 'DUMP')) as Buffer;
  await client.command('FUNCTION', 'LOAD', 'REPLACE', library('b', 'g', 'return 3'));
  await client.command('FUNCTION', 'LOAD', 'REPLACE', library('a', 'f_b', 'return 4'));
  assert.equal(await ask(client, 'FUNCTION', 'RESTORE', dump, 'REPLACE'), '+OK');
  await rewrite(client);
  await client.command('FUNCTION', 'LOAD', library('late', 'f_late', 'return 5'));
  assert.equal(await ask(client, 'FCALL', 'f_late', 0), ':5');
  await checkAfterCrash();
  client.send(
    Buffer.concat(
      [
        ['MULTI'],
        ['FUNCTION', 'FLUSH'],
        ['FUNCTION', 'LOAD', library('d', 'f_d', 'return 6')],
        ['FCALL', 'f_d', '0'],
        ['SET', 'with', 'it'],
        ['EXEC'],
      ].map((request) => encode(request)),
    ),
  );
  await client.readReplies(6);
  await checkAfterCrash();
  assert.equal(await ask(client, 'FCALL', 'f_d', 0), ':6');
  assert.equal(await ask(client, 'GET', 'with'), '$2\r\nit');
  assert.equal(await ask(client, 'FUNCTION', 'RESTORE', dump, 'FLUSH'), '+OK');
  await rewrite(client);
  const base = readdirSync(path.join(dir, 'appendonlydir')).find((name) => name.includes('.base.')) as string;
  assert.match(readFileSync(path.join(dir, 'appendonlydir', base), 'latin1').slice(0, 60), /^\*3\r\n\$8\r\nFUNCTION\r\n\$4\r\nLOAD\r\n/);
  await checkAfterCrash();
  await client.command('FUNCTION', 'FLUSH');
  await checkAfterCrash();
  assert.equal(await ask(client, 'FUNCTION', 'LIST'), '*0');
});

test('kill -9 between changes and rewrites: no version that was acknowledged is missing, and no function is in two libraries', async (context) => {
  const random = new Random(sayShownSeed(context));
  const dir = temporaryFolder(context);
  const acknowledged = [0, 0, 0, 0];
  const sent = [0, 0, 0, 0];
  const rounds = LONG ? 40 : 4;
  for (let round = 0; round <= rounds; round++) {
    const server = await start(context, dir, { appendfsync: 'always', 'auto-aof-rewrite-min-size': '20kb', 'io-threads': 2 });
    const reader = await RawClient.connect(server.port);
    for (let index = 0; index < acknowledged.length; index++) {
      const reply = await ask(reader, 'FCALL', `version_${index}`, 0);
      if (acknowledged[index] === 0 && reply.startsWith('-')) continue;
      const version = Number(/^:(\d+)$/.exec(reply)?.[1]);
      assert.ok(
        version >= (acknowledged[index] as number) && version <= (sent[index] as number),
        `${reply} of ${acknowledged[index]} to ${sent[index]}`,
      );
    }
    if (round === rounds) break;
    const work = async (index: number): Promise<void> => {
      const client = await RawClient.connect(server.port);
      for (;;) {
        const version = (sent[index] as number) + 1;
        sent[index] = version;
        // The function moves between two libraries, and back.
        const [to, from] = version % 2 === 0 ? [`lib_${index}_even`, `lib_${index}_odd`] : [`lib_${index}_odd`, `lib_${index}_even`];
        client.send(
          Buffer.concat([
            encode(['MULTI']),
            encode(['FUNCTION', 'DELETE', from]),
            encode(['FUNCTION', 'LOAD', 'REPLACE', library(to, `version_${index}`, `return ${version}`)]),
            encode(['EXEC']),
          ]),
        );
        const replies = await client.readReplies(4);
        assert.ok(String(replies.at(-1)).endsWith(`$${to.length}\r\n${to}\r\n`), String(replies.at(-1)));
        acknowledged[index] = version;
      }
    };
    const works = acknowledged.map((_, index) => work(index).catch((error: Error) => error));
    // By the event, not by the clock: where the machine is busy, a tenth of a second may bring nobody anything.
    const before = [...acknowledged];
    await until('a change of each writer', async () => acknowledged.every((each, index) => each > (before[index] as number)));
    await sleep(random.below(200));
    if (round % 2 === 0) await reader.command('BGREWRITEAOF');
    await sleep(random.below(150));
    await crash(server);
    for (const outcome of await Promise.all(works)) assert.ok(!(outcome instanceof assert.AssertionError), String(outcome));
  }
  context.diagnostic(`${acknowledged.reduce((sum, each) => sum + each, 0)} changes acknowledged`);
  assert.ok(acknowledged.every((each) => each > 0));
});

test("redis-server reads Ferrite's libraries, and Ferrite redis-server's", { skip: !installed('redis-server') }, async (context) => {
  const dir = temporaryFolder(context);
  let server = await start(context, dir);
  let client = await RawClient.connect(server.port);
  await client.command('FUNCTION', 'LOAD', library('base', 'f', "return redis.call('get', keys[1])"));
  await client.command('SET', 'k', 'value');
  await rewrite(client);
  await client.command('FUNCTION', 'LOAD', library('behind', 'g', 'return 2'));
  await client.command('FUNCTION', 'LOAD', library('gone', 'h', 'return 3'));
  await client.command('FUNCTION', 'DELETE', 'gone');
  const ours = await libraries(client);
  await server.stop();
  server = await start(context, dir, {}, 'redis-server');
  client = await RawClient.connect(server.port);
  assert.equal(await libraries(client), ours);
  assert.equal(await ask(client, 'FCALL', 'f', 1, 'k'), '$5\r\nvalue');
  const dump = payload(await client.command('FUNCTION', 'DUMP')) as Buffer;
  await client.command('FUNCTION', 'FLUSH');
  await client.command('FUNCTION', 'RESTORE', dump);
  await client.command('FUNCTION', 'LOAD', 'REPLACE', library('behind', 'g', "return 'theirs'"));
  const theirs = await libraries(client);
  await server.stop();
  server = await start(context, dir);
  client = await RawClient.connect(server.port);
  assert.equal(await libraries(client), theirs);
  assert.equal(await ask(client, 'FCALL', 'g', 0), '$6\r\ntheirs');
});
