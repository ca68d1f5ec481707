// SET's IFEQ, which the Redis that the differential tests ask doesn't have: sets only what equals the given value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Argument, RawClient } from '../support/raw-client.ts';
import { isReactorRefused, REACTORS, startServer, TARGET } from '../support/server.ts';

const OK = '+OK\r\n';
const NIL = '$-1\r\n';
const SYNTAX = '-ERR syntax error\r\n';
/** Of a thousand seconds. */
const LEFT = /^:(1000|9\d\d)\r\n$/;
/** Too long to stand in the entry, and of all bytes. */
const LONG = Buffer.from(Array.from({ length: 3000 }, (_, index) => index & 255));

for (const reactor of REACTORS) {
  test(`SET ... IFEQ (${reactor})`, { skip: TARGET !== 'ferrite' && 'Redis 7 has no IFEQ' }, async (context) => {
    const server = await startServer({ reactor }).catch((error: unknown) => {
      if (!isReactorRefused(error)) throw error;
      return null;
    });
    if (server === null) {
      context.skip(`this machine refuses ${reactor}`);
      return;
    }
    const client = await RawClient.connect(server.port);
    const ask = async (...words: Argument[]): Promise<string> => (await client.command(...words)).toString('latin1');
    try {
      assert.equal(await ask('SET', 'k', 'new', 'IFEQ', 'old'), NIL, 'a key that is missing equals nothing');
      assert.equal(await ask('SET', 'k', 'new', 'IFEQ', ''), NIL);
      assert.equal(await ask('EXISTS', 'k'), ':0\r\n');
      assert.equal(await ask('SET', 'k', 'one', 'EX', '1000'), OK);
      for (const other of ['onE', 'on', 'ones', '', LONG]) assert.equal(await ask('SET', 'k', 'two', 'IFEQ', other), NIL);
      assert.equal(await ask('GET', 'k'), '$3\r\none\r\n');
      assert.match(await ask('TTL', 'k'), LEFT, 'what is refused leaves the expiry');
      assert.equal(await ask('SET', 'k', 'two', 'ifeq', 'one', 'KEEPTTL'), OK);
      assert.match(await ask('TTL', 'k'), LEFT);
      assert.equal(await ask('SET', 'k', LONG, 'IFEQ', 'two', 'GET'), '$3\r\ntwo\r\n');
      assert.equal(await ask('TTL', 'k'), ':-1\r\n');
      const nearly = Buffer.from(LONG);
      nearly[2999]! ^= 1;
      assert.equal(await ask('SET', 'k', 'x', 'IFEQ', nearly), NIL);
      assert.equal(await ask('SET', 'k', '10', 'PX', '100000', 'IFEQ', LONG), OK);
      assert.match(await ask('PTTL', 'k'), /^:(100000|9\d{4})\r\n$/);
      assert.equal(await ask('INCR', 'k'), ':11\r\n');
      assert.equal(await ask('SET', 'k', '12', 'IFEQ', '10', 'GET'), '$2\r\n11\r\n', 'GET answers what is there, set or not');
      assert.equal(await ask('SET', 'k', '12', 'IFEQ', '11'), OK);
      for (const options of [['NX', 'IFEQ', '12'], ['IFEQ', '12', 'XX'], ['IFEQ'], ['IFEQ', '12', 'IFEQ', '12']]) {
        assert.equal(await ask('SET', 'k', 'v', ...options), SYNTAX, options.join(' '));
      }
      assert.equal(await ask('GET', 'k'), '$2\r\n12\r\n');
      await ask('RPUSH', 'list', 'a');
      assert.match(await ask('SET', 'list', 'v', 'IFEQ', 'a'), /^-WRONGTYPE /);
      assert.equal(await ask('TYPE', 'list'), '+list\r\n');
    } finally {
      client.destroy();
      await server.stop();
    }
  });
}
