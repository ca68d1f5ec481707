import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CommandRunner } from '../../test/support/commands.ts';
import { checkShards, createMemory, TestKeyspace, taggedKeys } from '../../test/support/keyspace.ts';
import { chance } from '../../test/support/seed.ts';
import { POLICY_ALLKEYS_LRU, POLICY_NOEVICTION } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import type { Bank } from '../memory/bank.ts';
import { tryExclusive, tryShared } from '../memory/latch.ts';
import type { Handler } from './context.ts';
import { execute } from './executor.ts';
import { commandNamed } from './lookup.ts';

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/** Every latch of the keyspace is free. */
function assertNoLatch(keyspace: TestKeyspace): void {
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const at = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    assert.equal(keyspace.control[at], 0, `the latch of domain ${domain} is taken`);
  }
}

describe('latches of a command', () => {
  test('a key whose latch is taken parks the command, and what it had taken is given back', () => {
    const runner = new CommandRunner();
    const { keyspace } = runner;
    const keys = Array.from({ length: 100 }, (_, index) => `key:${index}`);
    const latch = keyspace.at('key:50').head;
    assert.ok(tryExclusive(keyspace.control, latch));
    assert.equal(runner.run('GET', 'key:50'), 'PARKED');
    assert.equal(runner.run('SET', 'key:50', 'v'), 'PARKED');
    assert.equal(runner.run('MSET', ...keys.flatMap((key) => [key, 'v'])), 'PARKED');
    keyspace.control[latch] = 0;
    assertNoLatch(keyspace);
    assert.equal(runner.run('MSET', ...keys.flatMap((key) => [key, 'v'])), '+OK\r\n');
    assert.equal(runner.run('DEL', ...keys, ...keys), ':100\r\n');
    assertNoLatch(keyspace);
  });

  test('a reader stands beside readers without eviction, and alone where reading moves a list', () => {
    const runner = new CommandRunner();
    const { keyspace } = runner;
    runner.run('SET', 'k', 'v');
    const latch = keyspace.at('k').head;
    assert.ok(tryShared(keyspace.control, latch));
    assert.equal(runner.run('GET', 'k'), '$1\r\nv\r\n');
    assert.equal(runner.run('SET', 'k', 'w'), 'PARKED');
    keyspace.control[layout.GLOBAL_POLICY] = POLICY_ALLKEYS_LRU;
    assert.equal(runner.run('GET', 'k'), 'PARKED');
    assert.equal(keyspace.control[latch], 1);
  });

  test('a policy that changes while a reader is inside moves no list', () => {
    const runner = new CommandRunner();
    const { keyspace } = runner;
    for (const key of taggedKeys(3)) runner.run('SET', key, 'v');
    const list = keyspace.at(taggedKeys(1)[0]!).head + layout.SHARD_LRU;
    const before = [keyspace.control[list], keyspace.control[list + 1]];
    const get = commandNamed('get')!;
    const handler = get.handler as Handler;
    get.handler = (ctx) => {
      keyspace.control[layout.GLOBAL_POLICY] = POLICY_ALLKEYS_LRU;
      handler(ctx);
    };
    try {
      assert.equal(runner.run('GET', taggedKeys(1)[0]!), '$1\r\nv\r\n');
    } finally {
      get.handler = handler;
    }
    assert.deepEqual([keyspace.control[list], keyspace.control[list + 1]], before);
    assert.equal(runner.run('GET', taggedKeys(1)[0]!), '$1\r\nv\r\n');
    assert.equal(keyspace.control[list], before[1], 'the next reader is alone, and moves it');
  });

  test('a command that runs others gives exactly its own latches back', () => {
    const runner = new CommandRunner();
    const { keyspace, context } = runner;
    const mget = commandNamed('mget')!;
    const handler = mget.handler as Handler;
    const outer = Array.from({ length: 70 }, (_, index) => `outer:${index}`);
    const heads = new Set(outer.map((key) => keyspace.at(key).head));
    // More keys than the array of latches had room for, all in the one shard that the outer command doesn't hold.
    const free = Array.from({ length: 10_000 }, (_, index) => `inner:${index}`).find((key) => !heads.has(keyspace.at(key).head));
    assert.ok(free !== undefined);
    const inner = Array.from({ length: 200 }, (_, index) => `{${free}}:${index}`);
    let calls = 0;
    mget.handler = () => {
      if (calls++ > 0) return;
      const held = [...heads].filter((head) => keyspace.control[head] === -1);
      assert.equal(held.length, heads.size);
      runner.put(['MGET', ...inner]);
      assert.equal(execute(context), 0);
      for (const head of heads) assert.equal(keyspace.control[head], -1, 'the inner command gave a latch of the outer one back');
    };
    try {
      runner.run('MGET', ...outer);
    } finally {
      mget.handler = handler;
    }
    assert.equal(calls, 2);
    assertNoLatch(keyspace);
  });

  test('an error inside a command leaves no latch behind', () => {
    const runner = new CommandRunner();
    const mget = commandNamed('mget')!;
    const handler = mget.handler as Handler;
    mget.handler = () => {
      throw new Error('broken');
    };
    try {
      assert.throws(() => runner.run('MGET', 'a', 'b', 'c'), /broken/);
    } finally {
      mget.handler = handler;
    }
    assertNoLatch(runner.keyspace);
  });
});

describe('maxmemory', () => {
  test('counts below a kibibyte too', () => {
    const runner = new CommandRunner();
    runner.run('SET', 'k', 'v');
    runner.keyspace.control[layout.GLOBAL_POLICY] = POLICY_NOEVICTION;
    runner.keyspace.control[layout.GLOBAL_MAXMEMORY_SUBKIB] = 1;
    assert.equal(runner.run('SET', 'other', 'v'), OOM);
    assert.equal(runner.run('GET', 'k'), '$1\r\nv\r\n');
    assert.equal(runner.run('DEL', 'k'), ':1\r\n');
  });
});

describe('writes of several keys, or of several things of a key, when memory ends', () => {
  const NAMES = taggedKeys(6);
  const LENGTHS = [0, 3, 8, 30, 200, 255, 256, 700, 3000];
  const text = fc.tuple(fc.constantFrom(...LENGTHS), fc.constantFrom('a', 'b', 'c')).map(([length, letter]) => letter.repeat(length));
  const name = fc.constantFrom(...NAMES);
  const write: fc.Arbitrary<readonly string[]> = fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.tuple(name, text), { minLength: 1, maxLength: 8 }).map((pairs) => ['MSET', ...pairs.flat()]) },
    { weight: 1, arbitrary: fc.array(fc.tuple(name, text), { minLength: 1, maxLength: 4 }).map((pairs) => ['MSETNX', ...pairs.flat()]) },
    { weight: 2, arbitrary: fc.tuple(name, text).map(([key, value]) => ['SET', key, value, 'PX', '5000']) },
    { weight: 1, arbitrary: fc.tuple(name, text).map(([key, value]) => ['PSETEX', key, '7000', value]) },
    { weight: 1, arbitrary: fc.tuple(name, text).map(([key, value]) => ['SET', key, value, 'KEEPTTL', 'GET']) },
    { weight: 1, arbitrary: fc.tuple(name, text).map(([key, value]) => ['GETSET', key, value]) },
    { weight: 1, arbitrary: fc.tuple(name, name).map(([from, to]) => ['RENAME', from, to]) },
    { weight: 1, arbitrary: fc.tuple(name, name).map(([from, to]) => ['COPY', from, to, 'REPLACE']) },
    { weight: 1, arbitrary: fc.tuple(name, text).map(([key, value]) => ['APPEND', key, value]) },
    { weight: 1, arbitrary: fc.tuple(name, fc.integer({ min: 0, max: 3000 })).map(([key, at]) => ['SETRANGE', key, String(at), 'xyz']) },
    { weight: 1, arbitrary: name.map((key) => ['BITFIELD', key, 'SET', 'u8', '0', '255', 'SET', 'u8', '9000', '1']) },
    { weight: 1, arbitrary: fc.tuple(name, name).map(([key, other]) => ['BITOP', 'NOT', key, other]) },
    { weight: 1, arbitrary: name.map((key) => ['PERSIST', key]) },
    { weight: 1, arbitrary: name.map((key) => ['PEXPIRE', key, '9000']) },
    { weight: 1, arbitrary: name.map((key) => ['PEXPIREAT', key, '1000001']) },
    { weight: 1, arbitrary: name.map((key) => ['DEL', key]) },
  );

  /** What a client could see of the keys. */
  function snapshot(runner: CommandRunner): string[] {
    return NAMES.map((key) => `${runner.run('GET', key)} ${runner.run('PEXPIRETIME', key)}`);
  }
  function fill(bank: Bank): number[] {
    const blocks: number[] = [];
    for (const words of [4096, 1024, 600, 200, 70, 60, 20, 16, 14, 13, 12, 11, 10, 9, 8, 7, 4]) {
      for (let ref = bank.alloc(words); ref !== 0; ref = bank.alloc(words)) blocks.push(ref);
    }
    return blocks;
  }

  test('a command changes everything it should or nothing, and says so', () => {
    const memory = createMemory(256 * 1024);
    const scenario = fc.tuple(
      fc.array(write, { maxLength: 10 }),
      fc.array(fc.nat(), { maxLength: 40, size: 'max' }),
      fc.array(write, { maxLength: 30, size: 'max' }),
    );
    let refused = 0;
    fc.assert(
      fc.property(scenario, ([before, gaps, writes]) => {
        // One runner with little memory beside one with enough: the same commands, as far as they were carried out.
        const runner = new CommandRunner(new TestKeyspace(memory));
        const twin = new CommandRunner(new TestKeyspace());
        for (const each of before) assert.equal(runner.run(...each), twin.run(...each));
        const { bank } = runner.keyspace.at(NAMES[0]!);
        const ballast: number[] = [];
        for (let count = 0; count < 500; count++)
          ballast.push(...[9, 12, 16, 66, 260].map((words) => bank.alloc(words)).filter((ref) => ref !== 0));
        ballast.push(...fill(bank));
        for (const place of gaps) bank.free(ballast.splice(place % ballast.length, 1)[0]!);
        for (const each of writes) {
          const old = snapshot(runner);
          const reply = runner.run(...each);
          if (reply === OOM) {
            refused++;
            assert.deepEqual(snapshot(runner), old, each.join(' ').slice(0, 200));
            continue;
          }
          assert.equal(reply, twin.run(...each), each.join(' ').slice(0, 200));
          assert.deepEqual(snapshot(runner), snapshot(twin), each.join(' ').slice(0, 200));
        }
        checkShards(runner.keyspace);
        for (const ref of ballast) bank.free(ref);
        runner.run('DEL', ...NAMES);
        assert.equal(runner.keyspace.check(), 0, 'memory was lost');
      }),
      chance(80),
    );
    assert.ok(refused > 50, `only ${refused} commands met the end of memory`);
  });

  test('MSET of new keys in several shards, one of which has no room, sets none', () => {
    const runner = new CommandRunner(new TestKeyspace(createMemory(256 * 1024)));
    const { keyspace } = runner;
    const keys = Array.from({ length: 30 }, (_, index) => `key:${index}`);
    const ballast = fill(keyspace.at('key:17').bank);
    assert.equal(runner.run('MSET', ...keys.flatMap((key) => [key, 'v'])), OOM);
    assert.equal(runner.run('EXISTS', ...keys), ':0\r\n');
    assert.equal(runner.run('MSETNX', ...keys.flatMap((key) => [key, 'v'])), OOM);
    assert.equal(runner.run('DBSIZE'), ':0\r\n');
    for (const ref of ballast) keyspace.at('key:17').bank.free(ref);
    assert.equal(keyspace.check(), 0);
  });

  test('MSET with a key that comes several times takes the last value', () => {
    const runner = new CommandRunner();
    for (const values of [
      ['a', 'b'.repeat(300), 'c'],
      ['x'.repeat(300), 'y', 'z'],
      ['1', '2', '3'.repeat(100)],
    ]) {
      runner.run('MSET', ...values.flatMap((value) => ['k', value]));
      const last = values.at(-1)!;
      assert.equal(runner.run('GET', 'k'), `$${last.length}\r\n${last}\r\n`);
    }
    runner.run('DEL', 'k');
    assert.equal(runner.keyspace.check(), 0);
  });

  test('MSET takes an expiry away, and deletes keys whose time is over', () => {
    const runner = new CommandRunner();
    runner.run('SET', 'k', 'v', 'PX', '1000');
    runner.run('MSET', 'k', 'w');
    assert.equal(runner.run('PTTL', 'k'), ':-1\r\n');
    runner.run('SET', 'k', 'v', 'PX', '1000');
    runner.keyspace.nowMs += 1000;
    runner.run('MSET', 'other', '1', 'k', 'w');
    assert.equal(runner.run('MGET', 'k', 'other'), '*2\r\n$1\r\nw\r\n$1\r\n1\r\n');
    assert.equal(runner.run('DBSIZE'), ':2\r\n');
  });

  test('SET with a time that is over deletes the key', () => {
    const runner = new CommandRunner();
    runner.run('SET', 'k', 'v');
    assert.equal(runner.run('SET', 'k', 'w', 'PXAT', '5'), '+OK\r\n');
    assert.equal(runner.run('GET', 'k'), '$-1\r\n');
    assert.equal(runner.run('SET', 'k', 'w', 'PXAT', '5'), '+OK\r\n');
    assert.equal(runner.run('DBSIZE'), ':0\r\n');
  });
});
