// kill -9 at random moments: in writes, in rewrites, in shutdowns. What was acknowledged is there after the restart (with everysec all but
// the last second of it), nothing that was never sent is, and no MSET is torn.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { JournalWriter } from '../support/journal.ts';
import { RawClient } from '../support/raw-client.ts';
import { Random, SEED, sayShownSeed } from '../support/seed.ts';
import { LONG, type ReactorKind, type RunningServer, startServer } from '../support/server.ts';

const WRITERS = 6;

function start(dir: string, appendfsync: string, reactor: ReactorKind): Promise<RunningServer> {
  return startServer({
    reactor,
    directives: { dir, appendonly: 'yes', appendfsync, 'auto-aof-rewrite-min-size': '300kb', 'io-threads': 2 },
  });
}

async function disturb(server: RunningServer, random: Random): Promise<void> {
  const client = await RawClient.connect(server.port);
  await sleep(20 + random.below(150));
  if (random.below(2) === 0) await client.command('BGREWRITEAOF');
  await sleep(random.below(LONG ? 1000 : 250));
  if (random.below(3) === 0) process.kill(server.pid, 'SIGTERM');
  await sleep(random.below(30));
  client.socket.destroy();
}

async function crashRounds(context: TestContext, appendfsync: string, reactor: ReactorKind, rounds: number, lossMs: number): Promise<void> {
  const random = new Random(sayShownSeed(context));
  const dir = mkdtempSync(path.join(tmpdir(), 'ferrite-crash-'));
  const writers = Array.from({ length: WRITERS }, (_, index) => new JournalWriter(String(index), SEED + index));
  let server: RunningServer | undefined;
  try {
    let killedMs = 0;
    for (let round = 0; round <= rounds; round++) {
      server = await start(dir, appendfsync, reactor);
      const reader = await RawClient.connect(server.port);
      for (const writer of writers) await writer.check(reader, killedMs, lossMs);
      reader.socket.destroy();
      if (round === rounds) break;
      const { port } = server;
      const runs = writers.map((writer) => writer.run(port));
      await disturb(server, random).catch(() => undefined);
      killedMs = Date.now();
      try {
        process.kill(server.pid, 'SIGKILL');
      } catch {
        // Its own shutdown was quicker.
      }
      await Promise.all([server.exited, ...runs]);
    }
    const total = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
    context.diagnostic(`${rounds} crashes, ${total} writes acknowledged`);
  } finally {
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

test('appendfsync always: whatever was acknowledged survives kill -9', (context) =>
  crashRounds(context, 'always', 'io_uring', LONG ? 100 : 4, 0));
test('appendfsync always, on the portable reactor', (context) => crashRounds(context, 'always', 'portable', LONG ? 50 : 2, 0));
test('appendfsync everysec: at most the last second is lost', (context) =>
  crashRounds(context, 'everysec', 'io_uring', LONG ? 100 : 3, 1000));
test('appendfsync everysec, on the portable reactor', (context) => crashRounds(context, 'everysec', 'portable', LONG ? 50 : 2, 1000));
