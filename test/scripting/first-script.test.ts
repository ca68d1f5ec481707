// The first scripts of a server don't wait for the first script thread, and are all the same what scripts are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, startServer } from '../support/server.ts';

/** Of "return 'hello'". */
const SHA = '1b936e3fe509bcbc9cd0664897bbe8fd0cac101b';

for (const reactor of REACTORS) {
  test(`the first scripts of a server (${reactor})`, { timeout: 60_000 }, async (context) => {
    try {
      const server = await startServer({ reactor, directives: { 'io-threads': 1 } });
      const client = await RawClient.connect(server.port);
      const run = async (...words: string[]): Promise<string> => (await client.command(...words)).toString('latin1');
      assert.equal(await run('EVAL', "return 'hello'", '0'), '$5\r\nhello\r\n');
      assert.match(await run('SCRIPT', 'STATS'), /\$8\r\nreactors\r\n\*1\r\n\*6\r\n\$4\r\nruns\r\n:1\r\n/);
      assert.equal(await run('SCRIPT', 'EXISTS', SHA), '*1\r\n:1\r\n');
      assert.equal(await run('EVALSHA', SHA, '0'), '$5\r\nhello\r\n');
      assert.match(await run('EVAL', "redis.call('set', 'k', 1) error('no')", '0'), /^-ERR user_script:1: no/);
      assert.equal(await run('GET', 'k'), '$-1\r\n');
      assert.match(await run('EVAL', 'foo(', '0'), /^-ERR Error compiling script/);
      assert.equal(await run('EVAL', "for i = 1, 3000000 do end return redis.call('incr', 'k')", '0'), ':1\r\n');
      for (let round = 0; round < 12; round++) assert.equal(await run('EVAL', `return ${round}`, '0'), `:${round}\r\n`);
      client.destroy();
      await server.stop();
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
      context.skip(`this machine refuses ${reactor}`);
    }
  });
}
