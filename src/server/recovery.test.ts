// The same log through one thread and through several: the data, their memory and the words about what was refused have to be the same.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { MessageChannel, Worker } from 'node:worker_threads';
import { checkShards, createMemory, type SharedMemory, TestKeyspace } from '../../test/support/keyspace.ts';
import { Random, sayShownSeed } from '../../test/support/seed.ts';
import { SimulatedFiles } from '../../test/support/simulated-files.ts';
import { attachAll } from '../commands/all.ts';
import { replay } from '../commands/executor.ts';
import * as layout from '../keyspace/layout.ts';
import { rebuild } from '../keyspace/rebuild.ts';
import { AofFolder } from '../persistence/aof-folder.ts';
import { BATCH_BYTES, createRecoveryBuffers } from '../persistence/recovery-batch.ts';
import { RequestWriter } from '../resp/request-writer.ts';
import { createFunctionState } from '../scripting/function-store.ts';
import { scan } from '../structures/dict.ts';
import { Config } from './config.ts';
import { loadFolder } from './loading.ts';
import { recoveryContext } from './recovery.ts';

const FOLDER = '/data/appendonlydir';
const BANK_BYTES = 16 * 1048576;
const DATABASES = 3;

attachAll();

type Request = readonly string[];

/** Requests of all kinds that a log may hold: on one key, on several, on whole databases, and transactions. */
function requests(random: Random, bytes: number): Request[] {
  const key = (): string => `key:${random.below(3000)}`;
  const value = (): string => 'v'.repeat(random.below(1500)) + random.below(1000);
  const simple: (() => Request)[] = [
    () => ['SET', key(), value()],
    () => ['APPEND', key(), String(random.below(10))],
    () => ['SET', key(), value(), 'PXAT', String(1 + random.below(1e9))],
    () => ['DEL', key()],
    () => ['RPUSH', `list:${random.below(50)}`, value(), value()],
    () => ['LPOP', `list:${random.below(50)}`],
    () => ['HSET', `hash:${random.below(50)}`, `f${random.below(99)}`, value()],
    () => ['SADD', `set:${random.below(50)}`, ...Array.from({ length: 1 + random.below(90) }, () => String(random.below(1e6)))],
    () => ['ZADD', 'zset', String(random.below(100)), `m${random.below(200)}`],
    // One in some hundreds finds a value of another type, and is refused.
    () => ['LPUSH', key(), 'x'],
  ];
  const any: (() => Request)[] = [
    () => ['SELECT', String(random.below(DATABASES))],
    () => ['MSET', key(), value(), key(), value()],
    () => ['DEL', key(), key()],
    () => ['RENAME', key(), key()],
    () => ['SUNIONSTORE', 'set:0', `set:${random.below(50)}`, `set:${random.below(50)}`],
    () => ['SWAPDB', '0', '1'],
    () => ['MOVE', key(), '2'],
    () => ['FLUSHDB'],
  ];
  const list: Request[] = [];
  let size = 0;
  const add = (request: Request): void => {
    list.push(request);
    for (const word of request) size += word.length + 8;
  };
  const one = (kinds: (() => Request)[]): Request => (kinds[random.below(kinds.length)] as () => Request)();
  while (size < bytes) {
    const chance = random.below(4000);
    if (chance === 0) add(['SET', key(), 'L'.repeat(BATCH_BYTES + random.below(BATCH_BYTES))]);
    else if (chance < 60) {
      add(['MULTI']);
      for (let count = random.below(20); count > 0; count--) add(one(random.below(10) === 0 ? any : simple));
      add(['EXEC']);
    } else if (chance < 120) add(one(any));
    else if (chance < 160) add(['SELECT', String(random.below(DATABASES))]);
    else add(one(simple));
  }
  for (let count = 0; count < 3000; count++) add(one(simple));
  return list;
}

function encoded(list: readonly Request[]): Buffer {
  const writer = new RequestWriter();
  for (const [name, ...rest] of list) {
    writer.begin(name as string, rest.length + 1);
    for (const word of rest) writer.text(word);
  }
  return Buffer.from(writer.buffer.subarray(0, writer.length));
}

/** A disk with a log of these bytes. */
function diskOf(bytes: Buffer): { files: SimulatedFiles; folder: AofFolder } {
  const files = new SimulatedFiles();
  const folder = new AofFolder(files, FOLDER, 'appendonly.aof');
  folder.open();
  const fd = folder.addIncrement(true);
  files.write(fd, [bytes]);
  files.close(fd);
  return { files, folder };
}

/** Every key with the requests that rebuild it, in an order of their own; an expiry is a part of it. */
function contents(keyspace: TestKeyspace): string[] {
  const lines: string[] = [];
  const writer = new RequestWriter();
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const database = Math.floor(domain / layout.SHARDS);
    keyspace.enter(database, domain % layout.SHARDS);
    const head = layout.shardBase(database, domain % layout.SHARDS);
    let cursor = 0;
    do {
      cursor = scan(keyspace.control, head, keyspace.bank, cursor, (entry) => {
        writer.reset();
        rebuild(keyspace, entry, writer);
        const text = writer.buffer.latin1Slice(0, writer.length);
        // Hash tables print in the order of their buckets, which depends on how they have grown.
        lines.push(`${database} ${/SADD|HSET/.test(text.slice(0, 20)) ? text.split('\r\n').sort().join(' ') : text}`);
      });
    } while (cursor !== 0);
  }
  return lines.sort();
}

/** The requests one behind the other, as the simplest recovery would run them. */
function runInOrder(list: readonly Request[]): TestKeyspace {
  const keyspace = new TestKeyspace(createMemory(BANK_BYTES));
  const ctx = recoveryContext(keyspace, new Config());
  for (const request of list) {
    if (request[0] === 'MULTI' || request[0] === 'EXEC') continue;
    ctx.bytes = Buffer.from(request.join(''), 'latin1');
    ctx.argc = request.length;
    ctx.lengths = Int32Array.from(request, (word) => word.length);
    ctx.offsets = new Int32Array(request.length);
    for (let index = 1; index < request.length; index++) {
      ctx.offsets[index] = (ctx.offsets[index - 1] as number) + (ctx.lengths[index - 1] as number);
    }
    keyspace.nextStamp();
    replay(ctx);
    ctx.database = ctx.client.database;
    ctx.reply.reset();
  }
  return keyspace;
}

/** Recovers with so many helpers, each a thread as the server starts it. */
async function recoverWith(helpers: number, memory: SharedMemory, bytes: Buffer, log: string[] = []): Promise<TestKeyspace> {
  const keyspace = new TestKeyspace(memory);
  const recovery = createRecoveryBuffers();
  const threads = Array.from({ length: helpers }, () => {
    const { port2 } = new MessageChannel();
    const workerData = { ...memory, configFile: '', config: new Config().entries(), port: port2, recovery };
    return new Worker(new URL('./recovery-thread.ts', import.meta.url), { workerData, transferList: [port2] });
  });
  const ended = threads.map((thread) => once(thread, 'exit'));
  // All of them are there before the first batch, or they would come to a log that has been read.
  await Promise.all(threads.map((thread) => once(thread, 'online')));
  const { files, folder } = diskOf(bytes);
  try {
    const note = (_: string, message: string): void => void log.push(message);
    loadFolder(folder, files, keyspace, createFunctionState(), new Config(), new Float64Array(32), note, recovery);
  } finally {
    for (const [status] of await Promise.all(ended)) assert.equal(status, 0);
  }
  return keyspace;
}

test('several threads recover what one would, with the same memory in use', async (context) => {
  const random = new Random(sayShownSeed(context));
  const list = requests(random, 6 * BATCH_BYTES);
  const bytes = encoded(list);
  const expected = runInOrder(list);
  const wanted = contents(expected);
  assert.ok(wanted.length > 1000);
  for (const helpers of [0, 3]) {
    const log: string[] = [];
    const keyspace = await recoverWith(helpers, createMemory(BANK_BYTES), bytes, log);
    assert.deepEqual(contents(keyspace), wanted, `${helpers} helpers`);
    assert.equal(keyspace.usedBytes(), expected.usedBytes());
    assert.equal(keyspace.usedBytes(), keyspace.check() * 4);
    checkShards(keyspace);
    assert.ok(
      log.some((line) => /refused: \d+\. One of them is in .* at offset \d+, \w+: (WRONGTYPE|ERR )/.test(line)),
      log.join('\n'),
    );
  }
});

test('a transaction that is torn, in a log of several batches: the place of its MULTI is said', async () => {
  const head = encoded(Array.from({ length: 30_000 }, (_, n) => ['SET', `key:${n}`, 'x'.repeat(300)]));
  const group = encoded([['MULTI'], ['SET', 'a', '1'], ['SET', 'b', '2']]);
  const log: string[] = [];
  const keyspace = await recoverWith(1, createMemory(BANK_BYTES), Buffer.concat([head, group]), log);
  assert.equal(keyspace.count(0), 30_000);
  assert.ok(
    log.some((line) => line.includes(`whole up to offset ${head.length} of ${head.length + group.length}`)),
    log.join('\n'),
  );
});

test('damage in a later batch is refused with its place, and the helpers end', async () => {
  const head = encoded(Array.from({ length: 30_000 }, (_, n) => ['SET', `key:${n}`, 'x'.repeat(300)]));
  const bytes = Buffer.concat([head, Buffer.from('?'), head]);
  await assert.rejects(recoverWith(2, createMemory(BANK_BYTES), bytes), new RegExp(`at offset ${head.length}\\.`));
});
