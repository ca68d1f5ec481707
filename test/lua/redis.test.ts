// Scripts as EVAL runs them: each block of redis/*.txt is run on the engine and on a redis-server, and the reply must be, byte for
// byte, the one that stands below it. LUA_UPDATE=1 writes redis-server's replies into the files.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawClient, show } from '../support/raw-client.ts';
import { installed, type RunningServer, startServer } from '../support/server.ts';
import { ScriptRunner } from './support.ts';

const DIRECTORY = path.join(import.meta.dirname, 'redis');
const SHOWN = 4_000;
const PREFIX = '=> ';

type Block = { readonly script: string; readonly resp: 2 | 3; expected: string };

/** Blocks are set apart by empty lines; a line "#resp3" asks for RESP3, and the line behind "=> " is the reply. */
function parseBlocks(text: string): Block[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const lines = block.split('\n').filter((line) => line !== '');
      const script = lines.filter((line) => !line.startsWith(PREFIX) && !line.startsWith('#'));
      const expected = lines.find((line) => line.startsWith(PREFIX))?.slice(PREFIX.length) ?? '';
      return { script: script.join('\n'), resp: lines.includes('#resp3') ? 3 : 2, expected };
    });
}
const print = (blocks: Block[]): string =>
  `${blocks.map(({ script, resp, expected }) => `${resp === 3 ? '#resp3\n' : ''}${script}\n${PREFIX}${expected}`).join('\n\n')}\n`;
/** A NaN has one sign here, and what Redis calls "userdata" differs in nothing else. */
const comparable = (reply: Buffer): string => show(reply, SHOWN);

describe('scripts beside redis-server', () => {
  const hasOracle = installed('redis-server');
  let server: RunningServer | undefined;
  const clients = new Map<number, RawClient>();
  before(async () => {
    if (!hasOracle) return;
    server = await startServer({ kind: 'redis-server' });
    for (const resp of [2, 3]) {
      const client = await RawClient.connect(server.port);
      await client.command('HELLO', String(resp));
      clients.set(resp, client);
    }
  });
  after(async () => {
    for (const client of clients.values()) client.destroy();
    await server?.stop();
  });
  const onRedis = async ({ script, resp }: Block): Promise<string> =>
    comparable(await (clients.get(resp) as RawClient).command('EVAL', Buffer.from(script, 'latin1'), '2', 'k1', 'k2', 'a1', 'a2'));

  for (const file of readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'))) {
    const full = path.join(DIRECTORY, file);
    const blocks = parseBlocks(readFileSync(full, 'latin1'));
    test(`${file} on redis-server`, { skip: hasOracle ? false : 'redis-server is not installed' }, async () => {
      for (const block of blocks) {
        const reply = await onRedis(block);
        if (process.env['LUA_UPDATE'] === '1') block.expected = reply;
        assert.equal(reply, block.expected, block.script);
      }
      if (process.env['LUA_UPDATE'] === '1') writeFileSync(full, print(blocks), 'latin1');
    });
    test(`${file} on the engine`, () => {
      const runner = new ScriptRunner();
      const wrong = blocks
        .map((block) => ({
          ...block,
          actual: comparable(runner.eval(block.script, ['k1', 'k2'], ['a1', 'a2'], block.resp)),
        }))
        .filter(({ actual, expected }) => actual !== expected)
        .map(({ script, actual, expected }) => `${script}\n  expected ${expected}\n  actual   ${actual}`);
      assert.deepEqual(wrong, []);
    });
  }
});
