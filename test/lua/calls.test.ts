// Random calls of the libraries on the engine and on redis-server: what they return, or the error they raise, must be the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { SEED, sayShownSeed } from '../support/seed.ts';
import { installed, LONG, startServer } from '../support/server.ts';
import { randomCalls, scriptOf } from './calls.ts';
import { ScriptRunner } from './support.ts';

const CALLS = 40;
const SCRIPTS = LONG ? 4_000 : 100;
/** The short form runs the same calls each time; the long one, and FERRITE_SEED, look for what they leave out. */
const FIRST = LONG || process.env['FERRITE_SEED'] !== undefined ? SEED : 1_000_000;
/** An error at the top has the script's SHA1 behind it: nothing new in a comparison. */
const withoutSha = (reply: Buffer): string => reply.toString('latin1').replace(/[0-9a-f]{40}, on/g, 'SHA, on');

test('random calls of the libraries return the same as in redis-server', {
  skip: installed('redis-server') ? false : 'redis-server is not installed',
}, async (context) => {
  sayShownSeed(context, FIRST);
  const server = await startServer({ kind: 'redis-server' });
  const client = await RawClient.connect(server.port);
  const runner = new ScriptRunner();
  const compare = async (calls: readonly string[]): Promise<[string, string]> => {
    const script = scriptOf(calls);
    const expected = withoutSha(await client.command('EVAL', Buffer.from(script, 'latin1'), '0'));
    return [withoutSha(runner.eval(script, [], [], 2)), expected];
  };
  try {
    for (let round = 0; round < SCRIPTS; round++) {
      const calls = randomCalls(FIRST + round, CALLS);
      const [actual, expected] = await compare(calls);
      if (actual === expected) continue;
      for (const call of calls) assert.equal(...(await compare([call])), `FERRITE_SEED=${FIRST + round}: ${call}`);
      assert.equal(actual, expected, `FERRITE_SEED=${FIRST + round}: none of the calls alone`);
    }
  } finally {
    client.destroy();
    await server.stop();
  }
});
