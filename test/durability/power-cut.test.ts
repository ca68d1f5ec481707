// The power goes while the log is written, in the middle of a write, a sync, a change of the manifest. The log's own parts run here over a
// disk that forgets what wasn't synced; what it counted as safe has to be there, and what is there has to be whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attachAll } from '../../src/commands/all.ts';
import { EffectLog } from '../../src/keyspace/effect-log.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import * as layout from '../../src/keyspace/layout.ts';
import { flushDatabase, freeDetached } from '../../src/keyspace/walk.ts';
import { createBanks } from '../../src/memory/bank.ts';
import { createRing, RingReader } from '../../src/memory/byte-ring.ts';
import { AofFolder } from '../../src/persistence/aof-folder.ts';
import { LogWriter } from '../../src/persistence/log-writer.ts';
import { createRecoveryBuffers } from '../../src/persistence/recovery-batch.ts';
import { createFunctionState } from '../../src/scripting/function-store.ts';
import { Config } from '../../src/server/config.ts';
import { loadFolder } from '../../src/server/loading.ts';
import { Random, sayShownSeed } from '../support/seed.ts';
import { EIO, ENOSPC, SimulatedFiles } from '../support/simulated-files.ts';

const FOLDER = '/data/appendonlydir';
const NAME = 'appendonly.aof';
const INCREMENT = `${FOLDER}/${NAME}.1.incr.aof`;

attachAll();

/** The log of one thread over a simulated disk. */
class Rig {
  readonly files: SimulatedFiles;
  readonly words = new Int32Array(layout.createControl(7));
  readonly ring = createRing(2, 1048576);
  readonly log: EffectLog;
  readonly reader: RingReader;
  readonly folder: AofFolder;
  readonly writer: LogWriter;
  readonly health: number[] = [];
  rewritesAsked = 0;

  constructor(files = new SimulatedFiles()) {
    this.files = files;
    this.words[layout.GLOBAL_LOG] = layout.LOG_APPENDS;
    this.log = new EffectLog(this.words, this.ring, 0, null);
    this.reader = new RingReader(this.ring, []);
    this.folder = new AofFolder(files, FOLDER, NAME);
    this.folder.open();
    const events = {
      health: (errno: number) => void this.health.push(errno),
      needRewrite: () => void this.rewritesAsked++,
      wake: () => undefined,
    };
    this.writer = new LogWriter(this.reader, files, events, this.folder.openLast(), 0);
  }
  /** One command that sets the n-th key, in one of three databases; every fifth is a transaction of two. */
  set(n: number): void {
    const write = (key: string): void => {
      const record = this.log.begin(n % 3, 'SET', 3);
      record.text(key);
      record.text(String(n));
    };
    this.log.ring.hasRoom();
    write(`key:${n}`);
    if (n % 5 === 0) write(`twin:${n}`);
    this.log.flush();
    this.log.publish();
  }
  isSafe(position: number): boolean {
    return this.log.ring.isSettled(position);
  }
}

/** What a server finds on a disk: the numbers of the keys that are there; twins are both there or neither. */
const keyspace = new Keyspace(layout.createControl(7), createBanks(layout.SHARDS, 1048576));
const buffers = createRecoveryBuffers();
function recover(files: SimulatedFiles): number[] {
  for (let database = 0; database < 3; database++) flushDatabase(keyspace, database);
  freeDetached(keyspace, Number.POSITIVE_INFINITY);
  const folder = new AofFolder(files, FOLDER, NAME);
  folder.open();
  loadFolder(folder, files, keyspace, createFunctionState(), new Config(), new Float64Array(32), () => undefined, buffers);
  const found: number[] = [];
  const has = (n: number, name: string): boolean => {
    const key = Buffer.from(name);
    keyspace.locate(n % 3, key, 0, key.length);
    return keyspace.peek() !== 0;
  };
  let total = 0;
  for (let database = 0; database < 3; database++) total += keyspace.count(database);
  for (let n = 1; total > 0; n++) {
    if (!has(n, `key:${n}`)) continue;
    found.push(n);
    total--;
    if (n % 5 !== 0) continue;
    assert.ok(has(n, `twin:${n}`), `half of the transaction ${n} is there`);
    total--;
  }
  return found;
}

test('after a power cut everything that counted as safe is there, torn at every byte of the last batch', (context) => {
  const random = new Random(sayShownSeed(context));
  const rig = new Rig();
  let n = 0;
  let safe = 0;
  const appended: [number, number][] = [];
  for (let batch = 0; batch < 12; batch++) {
    for (let count = random.below(8); count >= 0; count--) {
      rig.set(++n);
      appended.push([n, rig.log.ring.position]);
    }
    const isSynced = batch % 3 !== 2;
    rig.writer.turn(batch, isSynced ? layout.FSYNC_ALWAYS : layout.FSYNC_NO);
    for (const [number, position] of appended) if (rig.isSafe(position)) safe = Math.max(safe, number);
    const unsynced = rig.files.unsyncedBytes(INCREMENT);
    if (isSynced) assert.equal(unsynced, 0);
    for (let torn = 0; torn <= unsynced; torn++) {
      const found = recover(rig.files.afterPowerCut(torn));
      assert.deepEqual(
        found,
        Array.from({ length: found.length }, (_, index) => index + 1),
        'a hole in what is there',
      );
      assert.ok(found.length >= safe, `${safe} were safe, ${found.length} are there`);
      assert.ok(found.length <= n);
    }
  }
});

test('a full disk: nothing is acknowledged, nothing torn, and all is there when there is room again', () => {
  const rig = new Rig();
  rig.set(1);
  rig.writer.turn(0, layout.FSYNC_ALWAYS);
  rig.files.roomBytes = 40;
  rig.set(2);
  rig.set(3);
  const { position } = rig.log.ring;
  assert.equal(rig.writer.turn(1000, layout.FSYNC_ALWAYS), false);
  assert.deepEqual(rig.health, [ENOSPC]);
  assert.equal(rig.isSafe(position), false);
  // What didn't fit as a whole isn't there in part.
  assert.deepEqual(recover(rig.files.afterPowerCut(1000)), [1]);
  rig.writer.turn(1050, layout.FSYNC_ALWAYS);
  rig.files.roomBytes = Number.POSITIVE_INFINITY;
  assert.equal(rig.writer.turn(2000, layout.FSYNC_ALWAYS), true);
  assert.deepEqual(rig.health, [ENOSPC, 0]);
  assert.ok(rig.isSafe(position));
  assert.deepEqual(recover(rig.files.afterPowerCut(0)), [1, 2, 3]);
});

test("what was written of a batch and can't be cut off is cut off before the next one", () => {
  const rig = new Rig();
  rig.set(1);
  rig.writer.turn(0, layout.FSYNC_ALWAYS);
  rig.files.roomBytes = 40;
  rig.files.failsTruncates = true;
  rig.set(2);
  rig.set(3);
  rig.writer.turn(1000, layout.FSYNC_ALWAYS);
  rig.files.roomBytes = Number.POSITIVE_INFINITY;
  assert.equal(rig.writer.turn(2000, layout.FSYNC_ALWAYS), false, 'behind a part of a batch nothing may be written');
  assert.deepEqual(recover(rig.files.afterPowerCut(1000)), [1]);
  rig.files.failsTruncates = false;
  assert.equal(rig.writer.turn(3000, layout.FSYNC_ALWAYS), true);
  assert.ok(rig.isSafe(rig.log.ring.position));
  assert.equal(rig.health.at(-1), 0);
  assert.deepEqual(recover(rig.files.afterPowerCut(0)), [1, 2, 3]);
});

test('a log that is closed with a sync under way and bytes in hand: nobody waits any more, and the late sync changes nothing', async () => {
  const rig = new Rig();
  rig.set(1);
  rig.writer.turn(5000, layout.FSYNC_EVERYSEC);
  assert.ok(rig.writer.isSyncing);
  rig.files.failsWrites = true;
  rig.set(2);
  rig.writer.turn(6000, layout.FSYNC_EVERYSEC);
  assert.equal(rig.writer.close(6000), false);
  rig.writer.abandon();
  const { position } = rig.log.ring;
  assert.ok(rig.isSafe(position));
  assert.equal(rig.reader.position, position);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.ok(rig.isSafe(position));
  assert.equal(rig.files.openFiles, 0);
});

test('writes that fail are tried again', () => {
  const rig = new Rig();
  rig.files.failsWrites = true;
  rig.set(1);
  rig.writer.turn(0, layout.FSYNC_ALWAYS);
  rig.files.failsWrites = false;
  rig.writer.turn(50, layout.FSYNC_ALWAYS);
  assert.deepEqual(rig.health, [EIO], 'it is not tried again at once');
  rig.writer.turn(500, layout.FSYNC_ALWAYS);
  assert.deepEqual(rig.health, [EIO, 0]);
  assert.deepEqual(recover(rig.files.afterPowerCut(0)), [1]);
});

test('after a sync that failed nothing is safe until a new base is', () => {
  const rig = new Rig();
  rig.set(1);
  rig.writer.turn(0, layout.FSYNC_ALWAYS);
  rig.files.failsSyncs = true;
  rig.set(2);
  const { position } = rig.log.ring;
  rig.writer.turn(1000, layout.FSYNC_ALWAYS);
  assert.equal(rig.rewritesAsked, 1);
  rig.files.failsSyncs = false;
  rig.set(3);
  rig.writer.turn(2000, layout.FSYNC_ALWAYS);
  assert.equal(rig.isSafe(position), false, 'the kernel may have dropped the pages of the first try');
  // The rewrite: a new increment, a base with what there was, the manifest.
  const fd = rig.folder.addIncrement(true);
  rig.reader.forgetTag();
  rig.writer.rotateAt(rig.reader.tail, fd);
  const base = rig.files.openNew(rig.folder.temporaryBase);
  for (const n of [1, 2, 3]) {
    const select = `*2\r\n$6\r\nSELECT\r\n$1\r\n${n % 3}\r\n`;
    rig.files.write(base, [Buffer.from(`${select}*3\r\n$3\r\nSET\r\n$5\r\nkey:${n}\r\n$1\r\n${n}\r\n`)]);
  }
  rig.files.sync(base);
  rig.folder.commitBase();
  rig.writer.rewritten();
  rig.set(4);
  rig.writer.turn(3000, layout.FSYNC_ALWAYS);
  assert.ok(rig.isSafe(position));
  assert.ok(rig.isSafe(rig.log.ring.position));
  assert.deepEqual(recover(rig.files.afterPowerCut(0)), [1, 2, 3, 4]);
});

test('the power may go at any step of a rewrite', () => {
  const rig = new Rig();
  const disks: { files: SimulatedFiles; safe: number }[] = [];
  let n = 0;
  let safe = 0;
  rig.files.onChange = () => {
    for (const torn of [0, 7, 100000]) {
      for (const keepsNames of [false, true]) disks.push({ files: rig.files.afterPowerCut(torn, keepsNames), safe });
    }
  };
  const write = (): void => {
    rig.set(++n);
    // What stands before the rotation takes a turn of its own.
    while (!rig.writer.isDrained) rig.writer.turn(n, layout.FSYNC_ALWAYS);
    safe = n;
  };
  for (let round = 0; round < 3; round++) {
    for (let count = 0; count < 4; count++) write();
    const held = n;
    rig.set(++n);
    const fd = rig.folder.addIncrement(true);
    rig.reader.forgetTag();
    rig.writer.rotateAt(rig.reader.tail, fd);
    write();
    const base = rig.files.openNew(rig.folder.temporaryBase);
    for (let key = 1; key <= held + 1; key++) {
      const twin = key % 5 === 0 ? `*3\r\n$3\r\nSET\r\n$${5 + String(key).length}\r\ntwin:${key}\r\n$1\r\n1\r\n` : '';
      const set = `*3\r\n$3\r\nSET\r\n$${4 + String(key).length}\r\nkey:${key}\r\n$1\r\n1\r\n`;
      rig.files.write(base, [Buffer.from(`*2\r\n$6\r\nSELECT\r\n$1\r\n${key % 3}\r\n${set}${twin}`)]);
    }
    write();
    rig.files.sync(base);
    rig.folder.commitBase();
    rig.writer.rewritten();
  }
  for (const disk of disks) {
    const found = recover(disk.files);
    assert.ok(found.length >= disk.safe, `${disk.safe} were safe, ${found.length} are there`);
    assert.equal(found.at(-1) ?? 0, found.length, 'a hole in what is there');
  }
});
