/**
 * The snapshot's thread: walks the keyspace when it's told to, and writes what it finds to a file. It works half of the time, so that
 * where cores are few the clients have the other half. It is started with the log, and stays.
 */

import { setTimeout } from 'node:timers/promises';
import { type MessagePort, workerData } from 'node:worker_threads';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { RingReader } from '../memory/byte-ring.ts';
import { nodeFiles, writeAll } from '../persistence/files.ts';
import { SnapshotWalk } from '../persistence/snapshot.ts';
import { RequestWriter } from '../resp/request-writer.ts';
import type { Message, ThreadSetup } from './control.ts';
import * as stats from './persistence-stats.ts';

export type SnapshotSetup = ThreadSetup & {
  /** Entries too large for the ring arrive here, one port a producer. */
  readonly producerPorts: readonly MessagePort[];
};
export type SnapshotOutcome = { outcome: 'written' | 'spoilt' | 'failed'; why: string; keys: number; bytes: number };

const WORK_MS = 2;
const REST_MS = 2;
/** Written pages go to the disk in portions, so that the sync at the end is short and the cache not full of them. */
const SYNC_EVERY_BYTES = 33554432;

const setup = workerData as SnapshotSetup;
const keyspace = new Keyspace(setup.control, setup.banks);
const handed = new RingReader(setup.snapshotRing, setup.producerPorts);
const numbers = new Float64Array(setup.persistence);

/** Takes the snapshot that has begun into a new file, which begins with the libraries of functions as they were then. */
async function take(file: string, libraries: readonly string[]): Promise<SnapshotOutcome> {
  let fd = -1;
  let why = '';
  let unsynced = 0;
  const walk = new SnapshotWalk(keyspace, handed, {
    write: (pieces) => {
      unsynced += writeAll(nodeFiles, fd, pieces);
      if (unsynced < SYNC_EVERY_BYTES) return;
      nodeFiles.sync(fd);
      unsynced = 0;
    },
  });
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      walk.isDry = true;
      why ||= (error as Error).message;
    }
  };
  attempt(() => {
    fd = nodeFiles.openNew(file);
    writeAll(nodeFiles, fd, [loadRequests(libraries)]);
  });
  for (let isDone = false; !isDone; ) {
    attempt(() => {
      isDone = walk.step(Date.now() + WORK_MS);
    });
    numbers[stats.REWRITE_KEYS] = walk.keys;
    numbers[stats.REWRITE_BYTES] = walk.bytes;
    if (!isDone) await setTimeout(REST_MS);
  }
  Atomics.and(keyspace.control, layout.GLOBAL_LOG, ~layout.LOG_SNAPSHOT);
  if (fd >= 0) {
    attempt(() => nodeFiles.sync(fd));
    attempt(() => nodeFiles.close(fd));
  }
  const outcome = why !== '' ? 'failed' : walk.isDry ? 'spoilt' : 'written';
  return { outcome, why, keys: walk.keys, bytes: walk.bytes };
}

/** FUNCTION LOAD of each library. */
function loadRequests(libraries: readonly string[]): Buffer {
  const requests = new RequestWriter();
  for (const code of libraries) {
    requests.begin('FUNCTION', 3);
    requests.text('LOAD');
    requests.text(code);
  }
  return requests.buffer.subarray(0, requests.length);
}

setup.port.on('message', (message: Message) => {
  if (message.type !== 'order') return;
  if (message.order.kind === 'stop') {
    setup.port.close();
    return;
  }
  const { id, order } = message;
  take(order['path'] as string, order['libraries'] as string[]).then((result) => setup.port.postMessage({ type: 'done', id, result }));
});
setup.port.postMessage({ type: 'ready' });
