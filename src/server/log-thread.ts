/**
 * The log's thread: it recovers the data at the start, and then takes what the other threads append to the ring down to the disk. It waits
 * on the ring, and blocks in its writes and syncs; only while a sync runs beside it, it lets its event loop turn.
 */

import { writeSync } from 'node:fs';
import path from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { attachAll } from '../commands/all.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { RingReader } from '../memory/byte-ring.ts';
import { AofFolder } from '../persistence/aof-folder.ts';
import { nodeFiles } from '../persistence/files.ts';
import { LogWriter } from '../persistence/log-writer.ts';
import type { RecoveryBuffers } from '../persistence/recovery-batch.ts';
import { turnEpoch, underAllLatches } from '../persistence/snapshot.ts';
import { FunctionStore } from '../scripting/function-store.ts';
import { Config } from './config.ts';
import type { Message, Order, ThreadSetup } from './control.ts';
import { loadFolder } from './loading.ts';
import * as stats from './persistence-stats.ts';
import { goOnPromptly } from './prompt-thread.ts';

/** How long it gathers before the next write, when no reply waits for it. */
const GATHER_MS = 5;
/** So many turns without work, and it sleeps until a thread wakes it. */
const IDLE_TURNS = 40;
const SLEEP_MS = 500;
const EVENT = new Uint8Array(new BigUint64Array([1n]).buffer);
const POLICIES = ['everysec', 'always', 'no'];

export type LogSetup = ThreadSetup & {
  /** Records too large for the ring arrive here, one port a producer. */
  readonly producerPorts: readonly MessagePort[];
  /** The data are in this folder, and are loaded first. */
  readonly loads: boolean;
  /** How threads join that help to load; null when there are none. */
  readonly recovery: RecoveryBuffers | null;
};

class LogThread {
  private readonly setup: LogSetup;
  private readonly words: Int32Array;
  private readonly numbers: Float64Array;
  private readonly reader: RingReader;
  private readonly folder: AofFolder;
  private readonly functions: FunctionStore;
  private config: Config;
  private writer: LogWriter | null = null;
  /** The writer whose increment follows the base that is being written. */
  private rewriting: LogWriter | null = null;
  /** From here on an error is fatal to the server, no refusal to start. */
  isReady = false;
  private isStopping = false;
  private stopDueMs = 0;
  private idleTurns = 0;
  private statedMs = 0;
  /** Bytes of the files before the increment that is being written. */
  private olderBytes = 0;

  constructor(setup: LogSetup) {
    this.setup = setup;
    this.words = new Int32Array(setup.control);
    this.numbers = new Float64Array(setup.persistence);
    this.reader = new RingReader(setup.logRing, setup.producerPorts);
    this.config = new Config(setup.configFile, setup.config);
    this.functions = new FunctionStore(setup.scripts.functions, new Keyspace(setup.control, setup.banks).banks);
    const place = path.resolve(this.config.getString('dir'), this.config.getString('appenddirname'));
    this.folder = new AofFolder(nodeFiles, place, this.config.getString('appendfilename'));
  }
  private post(message: Message): void {
    this.setup.port.postMessage(message);
  }
  private log(level: 'info' | 'warn' | 'error', message: string): void {
    this.post({ type: 'log', level, message });
  }
  /** The policy in force. Others see it in GLOBAL_FSYNC: replies are held by it. */
  private applyPolicy(): number {
    const isSpared = this.numbers[stats.REWRITE_RUNS] !== 0 && this.config.getBoolean('no-appendfsync-on-rewrite');
    const policy = isSpared ? layout.FSYNC_NO : POLICIES.indexOf(this.config.getString('appendfsync'));
    if (this.words[layout.GLOBAL_FSYNC] !== policy) Atomics.store(this.words, layout.GLOBAL_FSYNC, policy);
    return policy;
  }

  async run(): Promise<void> {
    this.folder.open();
    if (this.setup.loads) this.recover();
    this.applyPolicy();
    goOnPromptly();
    this.isReady = true;
    this.post({ type: 'ready' });
    for (;;) {
      this.takeOrders();
      const { writer } = this;
      const policy = this.applyPolicy();
      if (writer !== null && policy === layout.FSYNC_ALWAYS) this.gather(writer);
      const now = Date.now();
      const wrote = writer?.turn(now, policy) ?? false;
      if (now - this.statedMs >= 100 || wrote) this.state(now);
      if (this.isStopping && (writer === null || this.finish(writer))) return;
      await this.pause(wrote);
    }
  }

  /** Lets more clients share the sync that comes, see group-commit.ts. */
  private gather(writer: LogWriter): void {
    const wanted = writer.wanted;
    for (;;) {
      const patience = writer.patience(performance.now());
      if (patience === 0) return;
      this.reader.sleepUntilHeld(wanted, patience);
    }
  }

  private recover(): void {
    const { folder } = this;
    const keyspace = new Keyspace(this.setup.control, this.setup.banks);
    keyspace.databases = layout.DATABASES;
    attachAll();
    const { recovery, scripts } = this.setup;
    const log = (level: 'info' | 'warn', message: string): void => this.log(level, message);
    loadFolder(folder, nodeFiles, keyspace, scripts.functions, this.config, this.numbers, log, recovery ?? undefined);
    this.writer = this.open(folder.openLast());
    Atomics.or(this.words, layout.GLOBAL_LOG, layout.LOG_APPENDS);
    this.measure();
    this.numbers[stats.BASE_BYTES] = this.numbers[stats.CURRENT_BYTES]!;
  }
  private open(fd: number): LogWriter {
    this.numbers[stats.ENABLED] = 1;
    return new LogWriter(
      this.reader,
      nodeFiles,
      {
        health: (errno, what) => this.healthChanged(errno, what),
        needRewrite: () => this.post({ type: 'need', what: 'rewrite' }),
        wake: (fd) => {
          writeSync(fd, EVENT);
        },
      },
      fd,
      Date.now(),
    );
  }
  private healthChanged(errno: number, what: string): void {
    this.numbers[stats.WRITE_FAILED] = errno === 0 ? 0 : 1;
    if (errno === 0) {
      Atomics.and(this.words, layout.GLOBAL_PAUSE, ~layout.PAUSE_MISCONF);
      this.log('info', 'The append-only file can be written again: writes are accepted');
      return;
    }
    Atomics.store(this.words, layout.GLOBAL_LOG_ERRNO, -errno);
    Atomics.or(this.words, layout.GLOBAL_PAUSE, layout.PAUSE_MISCONF);
    this.log(
      'error',
      `${what} failed: ${getSystemErrorMessage(errno)}. Writes are refused until it works again; nothing that was acknowledged is dropped`,
    );
  }

  /** Sizes of all files. */
  private measure(): void {
    const { folder, writer } = this;
    let total = 0;
    for (const file of folder.loadable) {
      try {
        const fd = nodeFiles.openRead(folder.pathOf(file));
        total += nodeFiles.size(fd);
        nodeFiles.close(fd);
      } catch {
        // It's about to be replaced.
      }
    }
    this.olderBytes = total - (writer?.sizeBytes ?? 0);
    this.numbers[stats.CURRENT_BYTES] = total;
  }
  private state(now: number): void {
    const { numbers, writer } = this;
    this.statedMs = now;
    if (writer === null) return;
    numbers[stats.CURRENT_BYTES] = this.olderBytes + writer.sizeBytes;
    numbers[stats.BACKLOG_BYTES] = writer.backlogBytes;
    numbers[stats.SYNC_RUNS] = writer.isSyncing ? 1 : 0;
    numbers[stats.SYNCS] = writer.syncs;
    numbers[stats.DELAYED_SYNCS] = writer.delayedSyncs;
    this.considerRewrite();
  }
  private considerRewrite(): void {
    const { numbers, config } = this;
    const percentage = config.getNumber('auto-aof-rewrite-percentage');
    const current = numbers[stats.CURRENT_BYTES]!;
    if (percentage === 0 || numbers[stats.REWRITE_RUNS] !== 0 || numbers[stats.REWRITE_SCHEDULED] !== 0) return;
    if (current < config.getNumber('auto-aof-rewrite-min-size')) return;
    const base = Math.max(1, numbers[stats.BASE_BYTES]!);
    if (((current - base) * 100) / base < percentage) return;
    numbers[stats.REWRITE_SCHEDULED] = 1;
    this.post({ type: 'need', what: 'growth' });
  }

  private async pause(wrote: boolean): Promise<void> {
    const { writer, reader } = this;
    this.idleTurns = wrote ? 0 : this.idleTurns + 1;
    if (writer?.isSyncing || this.isStopping) {
      // Its completion comes by the event loop.
      await new Promise((resolve) => setTimeout(resolve, 1));
      return;
    }
    const isAlways = this.words[layout.GLOBAL_FSYNC] === layout.FSYNC_ALWAYS;
    if (wrote && isAlways) return;
    const isDeep = writer === null || isAlways || this.idleTurns > IDLE_TURNS;
    if (writer !== null && writer.errno !== 0) reader.sleep(50, false);
    else reader.sleep(isDeep ? SLEEP_MS : GATHER_MS, isDeep);
  }

  // ---- orders of main ----

  private takeOrders(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.setup.port);
      if (received === undefined) return;
      const message = received.message as Message;
      if (message.type !== 'order') continue;
      let result: unknown;
      try {
        result = this.obey(message.order);
      } catch (error) {
        result = { error: (error as Error).message };
      }
      this.post({ type: 'done', id: message.id, result });
    }
  }
  private obey(order: Order): unknown {
    switch (order.kind) {
      case 'config':
        this.config.set(order['pairs'] as [string, string][]);
        this.applyPolicy();
        return null;
      case 'rewrite-begin':
        return this.beginRewrite();
      case 'rewrite-commit':
        this.commitRewrite();
        return {};
      case 'rewrite-drop':
        this.folder.dropBase();
        return {};
      case 'disable':
        return this.disable();
      case 'stop':
        this.isStopping = true;
        this.stopDueMs = Date.now() + (order['milliseconds'] as number);
        return null;
      default:
        throw new Error(`an order that the log's thread doesn't know: ${order.kind}`);
    }
  }
  /** The moment of the snapshot: what was appended before belongs to the old increment, what comes to the new one. */
  private beginRewrite(): { path: string; libraries: string[] } {
    const { folder, words, reader } = this;
    const isEnabling = this.writer === null;
    if (this.writer?.finishRotation(Date.now()) === false) throw new Error("the log can't be written");
    const fd = folder.addIncrement(!isEnabling && folder.isListed);
    const writer = this.writer ?? this.open(fd);
    let libraries: string[] = [];
    underAllLatches(words, () => {
      // Whoever changes libraries is a transaction, too: what is there is what the log has.
      libraries = this.functions.read().libraries.map(({ code }) => code);
      turnEpoch(words);
      Atomics.or(words, layout.GLOBAL_LOG, layout.LOG_APPENDS);
      reader.forgetTag();
      if (!isEnabling) writer.rotateAt(reader.tail, fd);
    });
    this.writer = writer;
    this.rewriting = writer;
    this.measure();
    return { path: folder.temporaryBase, libraries };
  }
  private commitRewrite(): void {
    const { writer, folder, numbers } = this;
    if (writer === null || writer !== this.rewriting) {
      // No increment goes on where the snapshot began.
      folder.dropBase();
      throw new Error('appendonly was switched off');
    }
    // From the new manifest on, nothing may go into the old increment.
    if (!writer.finishRotation(Date.now())) throw new Error("the log can't be written");
    folder.commitBase();
    writer.rewritten();
    this.measure();
    numbers[stats.BASE_BYTES] = numbers[stats.CURRENT_BYTES]!;
  }
  /**
   * CONFIG SET appendonly no: what was appended is written and synced, and no more comes. Where it can't be written, it's dropped: it must
   * not stand in front of what a later log begins with. Then nothing waits for a disk any more.
   */
  private disable(): unknown {
    const { writer, reader } = this;
    if (writer === null) return {};
    underAllLatches(this.words, () => Atomics.and(this.words, layout.GLOBAL_LOG, ~layout.LOG_APPENDS));
    // Whoever has appended says so at the end of its turn.
    while (reader.limit() !== reader.tail) reader.sleep(1, false);
    while (!writer.isDrained && writer.errno === 0) writer.turn(Date.now(), layout.FSYNC_NO);
    const lostBytes = writer.backlogBytes;
    if (!writer.close(Date.now())) this.log('warn', `The append-only file is closed with errors: ${lostBytes} bytes of it weren't written`);
    writer.abandon();
    this.writer = null;
    this.numbers[stats.ENABLED] = 0;
    this.numbers[stats.WRITE_FAILED] = 0;
    Atomics.and(this.words, layout.GLOBAL_PAUSE, ~layout.PAUSE_MISCONF);
    this.folder.forgetUnlisted();
    return {};
  }

  /** At the end: true when everything is down, or can't be. */
  private finish(writer: LogWriter): boolean {
    if (writer.errno !== 0 && Date.now() >= this.stopDueMs) {
      this.numbers[stats.LOST_BYTES] = Math.max(1, writer.backlogBytes);
      this.log('error', `The append-only file can't be written at shutdown: ${writer.backlogBytes} bytes of it are lost`);
      return true;
    }
    if (writer.errno !== 0 || !writer.isDrained || writer.isSyncing) return false;
    if (!writer.close(Date.now())) {
      this.numbers[stats.LOST_BYTES] = 1;
      this.log('error', 'The last sync of the append-only file has failed: the disk may not have all of it');
    }
    return true;
  }
}

const thread = new LogThread(workerData as LogSetup);
thread.run().then(
  () => (workerData as LogSetup).port.close(),
  (error: Error) => {
    // Once there are data that count on it, the server can't live without its log.
    if (thread.isReady) throw error;
    (workerData as LogSetup).port.postMessage({ type: 'failed', message: error.message });
  },
);
