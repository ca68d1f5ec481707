// A reactor waits for no latch: a command that meets one which another thread has is parked, and the reactor's other clients are served.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, startServer, TARGET } from '../support/server.ts';

/** Each looks at keys of its own or at all of them. */
const COMMANDS = [
  'GET k',
  'SET k v',
  'DBSIZE',
  'SCAN 0',
  'KEYS *',
  'RANDOMKEY',
  'INFO keyspace',
  'MEMORY STATS',
  'MEMORY USAGE k',
  'DEBUG OBJECT k',
  'SORT list BY x*',
  'MGET a b c d',
  'SWAPDB 2 3',
  'FLUSHDB',
];
const MAX_CLIENTS = 120;
const TRIES = 5;

/** Clients of the reactor that doesn't serve `sleeper`, at least as many as wanted. */
async function findOthers(port: number, sleeper: RawClient, wanted: number, all: RawClient[]): Promise<RawClient[]> {
  while (all.length < MAX_CLIENTS) {
    const clients = await Promise.all(Array.from({ length: 2 * wanted }, () => RawClient.connect(port)));
    all.push(...clients);
    const asleep = sleeper.command('DEBUG', 'SLEEP', '1').then(() => false);
    const served = await Promise.all(clients.map((client) => Promise.race([asleep, client.command('PING').then(() => true)])));
    await asleep;
    const others = clients.filter((_, index) => served[index]);
    if (others.length >= wanted && others.length < clients.length) return others;
    // Who was late has its answer now.
    for (const client of clients) client.destroy();
  }
  throw new Error('all clients are served by one reactor');
}

for (const reactor of REACTORS) {
  test(`who waits for a latch holds up no other client of its reactor (${reactor})`, { skip: TARGET !== 'ferrite' }, async (context) => {
    const server = await startServer({ reactor, directives: { 'io-threads': 2, 'enable-debug-command': 'yes' } }).catch(
      (error: unknown) => {
        if (!isReactorRefused(error)) throw error;
        return null;
      },
    );
    if (server === null) {
      context.skip(`this machine refuses ${reactor}`);
      return;
    }
    const all: RawClient[] = [];
    try {
      const sleeper = await RawClient.connect(server.port);
      all.push(sleeper);
      const others = await findOthers(server.port, sleeper, COMMANDS.length + 1, all);
      const prober = others[COMMANDS.length] as RawClient;
      let outcome = '';
      for (let round = 0; round < TRIES && outcome !== 'parked'; round++) {
        await sleeper.command('MULTI');
        await sleeper.command('DEBUG', 'SLEEP', '0.5');
        let isHeld = true;
        // While it runs, EXEC has the latches of all shards.
        const executed = sleeper.command('EXEC').then((reply) => {
          isHeld = false;
          return reply.toString();
        });
        await new Promise((resolve) => setTimeout(resolve, 100));
        const early: string[] = [];
        const answers = COMMANDS.map(async (line, index) => {
          const reply = (await (others[index] as RawClient).command(...line.split(' '))).toString('latin1');
          if (isHeld) early.push(line);
          return reply;
        });
        await prober.command('PING');
        const wasPrompt = isHeld;
        assert.equal(await executed, '*1\r\n+OK\r\n');
        for (const [index, reply] of (await Promise.all(answers)).entries()) {
          if (!/DEBUG/.test(COMMANDS[index] as string)) assert.doesNotMatch(reply, /^-/, COMMANDS[index] as string);
        }
        outcome = early.length > 0 ? `answered without a latch: ${early}` : wasPrompt ? 'parked' : 'one of the commands has held up PING';
      }
      assert.equal(outcome, 'parked');
    } finally {
      for (const client of all) client.destroy();
      await server.stop();
    }
  });
}
