// Transactions of scripts in the log: after a crash at any moment, each of them is there as a whole or not at all.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { elements, payload } from '../support/compare.ts';
import { start, temporaryFolder } from '../support/log-server.ts';
import { encode, RawClient } from '../support/raw-client.ts';
import { Random, sayShownSeed } from '../support/seed.ts';
import { LONG, type RunningServer } from '../support/server.ts';

const ACCOUNTS = 12;
const BALANCE = 1000;
const CLIENTS = 6;
const ROUNDS = LONG ? 30 : 2;
/** So many turns of a loop are more than a reactor allows a script. */
const LONG_TURNS = 2_000_000;
const names = Array.from({ length: ACCOUNTS }, (_, index) => `account:${index}`);

/** Takes from one account, may run for a while or fail, gives to another; each client counts what it has done in a list of its own. */
const BODY =
  "redis.call('DECRBY', from, ARGV[1]) for i = 1, tonumber(ARGV[4]) do end if ARGV[5] == 'fail' then error('on purpose') end " +
  "redis.call('INCRBY', to, ARGV[1]) return redis.call('RPUSH', ARGV[6], ARGV[1])";
const SCRIPT = `local from, to = KEYS[1] or ARGV[2], KEYS[2] or ARGV[3] ${BODY}`;
const LIBRARY = `#!lua name=transfers
redis.register_function('transfer', function(KEYS, ARGV) local from, to = KEYS[1] or ARGV[2], KEYS[2] or ARGV[3] ${BODY} end)`;

type Work = { readonly client: RawClient; readonly list: string; acknowledged: number };

function transfer(random: Random, list: string): string[] {
  const from = random.below(ACCOUNTS);
  const [one, other] = [names[from] as string, names[(from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS] as string];
  const keys = random.below(2) === 0 ? [one, other] : [];
  const turns = random.below(40) === 0 ? LONG_TURNS : 3;
  const how = random.below(6) === 0 ? 'fail' : 'go';
  const rest = [String(keys.length), ...keys, String(1 + random.below(9)), one, other, String(turns), how, list];
  return random.below(3) === 0 ? ['FCALL', 'transfer', ...rest] : ['EVAL', SCRIPT, ...rest];
}
/** One transfer, or two in an EXEC, until the server is gone. */
async function work(random: Random, state: Work): Promise<void> {
  const { client, list } = state;
  for (;;) {
    if (random.below(5) > 0) {
      const reply = String(await client.command(...transfer(random, list)));
      if (reply.startsWith(':')) state.acknowledged = Number(reply.slice(1));
      else assert.match(reply, /on purpose/);
      continue;
    }
    const requests = [transfer(random, list), transfer(random, list)].map((request) => encode(request));
    client.send(Buffer.concat([encode(['MULTI']), ...requests, encode(['EXEC'])]));
    const replies = await client.readReplies(requests.length + 2);
    for (const count of String(replies.at(-1)).matchAll(/^:(\d+)/gm)) state.acknowledged = Number(count[1]);
  }
}

async function check(client: RawClient, works: readonly Work[]): Promise<void> {
  const values = elements(await client.command('MGET', ...names)) ?? [];
  assert.equal(
    values.reduce((sum, one) => sum + Number(payload(one)), 0),
    ACCOUNTS * BALANCE,
  );
  for (const { list, acknowledged } of works) {
    const length = Number(String(await client.command('LLEN', list)).slice(1));
    assert.ok(length >= acknowledged, `${list}: ${length} of ${acknowledged} acknowledged transfers are there`);
  }
}
async function crash(server: RunningServer): Promise<void> {
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
}

test('transfers by scripts and functions, and kill -9: the total is what it was, and no acknowledged one is missing', async (context: TestContext) => {
  const random = new Random(sayShownSeed(context));
  const dir = temporaryFolder(context);
  let works: Work[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const server = await start(context, dir, { appendfsync: 'always', 'io-threads': 2, 'auto-aof-rewrite-min-size': '200kb' });
    const reader = await RawClient.connect(server.port);
    if (round === 0) {
      await reader.command('MSET', ...names.flatMap((name) => [name, String(BALANCE)]));
      await reader.command('FUNCTION', 'LOAD', LIBRARY);
    } else await check(reader, works);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => RawClient.connect(server.port)));
    works = clients.map((client, index) => ({ client, list: `done:${index}`, acknowledged: works[index]?.acknowledged ?? 0 }));
    const ends = works.map((each) => work(random, each).catch((error: Error) => error));
    const before = works.reduce((sum, each) => sum + each.acknowledged, 0);
    // However slow the machine is, some are done.
    while (works.reduce((sum, each) => sum + each.acknowledged, 0) < before + 50) await sleep(10);
    await sleep(random.below(300));
    if (round % 2 === 1) await reader.command('BGREWRITEAOF');
    await sleep(random.below(100));
    await crash(server);
    for (const outcome of await Promise.all(ends)) assert.ok(!(outcome instanceof assert.AssertionError), String(outcome));
  }
  context.diagnostic(`${works.reduce((sum, each) => sum + each.acknowledged, 0)} transfers acknowledged`);
});
