/**
 * Main's part in persistence: the log's thread and the snapshot's, rewrites from their beginning to the new manifest, and appendonly
 * switched on and off.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as layout from '../keyspace/layout.ts';
import { createRing, type RingBuffers, wakeReader } from '../memory/byte-ring.ts';
import { createRecoveryBuffers, type RecoveryBuffers } from '../persistence/recovery-batch.ts';
import type { Config } from './config.ts';
import type { Message, Order } from './control.ts';
import * as control from './control.ts';
import type { Logger } from './logger.ts';
import * as stats from './persistence-stats.ts';
import { helpersWanted } from './recovery-helpers.ts';
import type { SnapshotOutcome } from './snapshot-thread.ts';

/** Half of a ring is more than all producers may append before they look again. */
const LOG_RING_BYTES = 8388608;
/** Entries are handed over one by one, and taken out every few milliseconds. */
const SNAPSHOT_RING_BYTES = 4194304;
/** After a rewrite has failed the next one that is needed waits. */
const RETRY_MS = 1000;
/** One that only growth asks for waits longer each time: on a full disk every try would write until there is no room again. */
const GROWTH_RETRY_MS = 10_000;
const MAX_GROWTH_RETRY_MS = 3_600_000;

/** A thread as main knows it. */
export type Commanded = {
  order(order: Order): Promise<unknown>;
  onMessage(listen: (message: Message) => void): void;
  stop(): Promise<void>;
};
export type Spawn = (
  name: string,
  entry: 'log-thread' | 'snapshot-thread' | 'recovery-thread',
  extra: Record<string, unknown>,
  ports: readonly MessagePort[],
  wake: () => void,
  /** Called when the thread has ended, with its status; without it that ends the server. */
  onEnd?: (error: Error, status: number) => void,
) => Commanded;

export class Persistence {
  readonly logRing: RingBuffers = createRing(control.MAX_THREADS, LOG_RING_BYTES);
  readonly snapshotRing: RingBuffers = createRing(control.MAX_THREADS, SNAPSHOT_RING_BYTES);
  readonly shared = new SharedArrayBuffer(stats.WORDS * 8);
  private readonly numbers = new Float64Array(this.shared);
  private readonly logPorts: MessagePort[] = [];
  private readonly snapshotPorts: MessagePort[] = [];
  private readonly config: Config;
  private readonly log: Logger;
  private readonly words: Int32Array;
  private readonly spawn: Spawn;
  private logThread: Commanded | null = null;
  private snapshotThread: Commanded | null = null;
  private snapshotStart: Promise<Commanded> | null = null;
  private running: Promise<void> | null = null;
  private isStopping = false;
  /** The data aren't safe before a rewrite has succeeded: appendonly was switched on, or a sync has failed. */
  private mustRewrite = false;
  /** How often appendonly was switched off: a rewrite that began before is worth nothing. */
  private switchedOff = 0;
  private growthRetryMs = GROWTH_RETRY_MS;
  private growthDueMs = 0;

  constructor(config: Config, log: Logger, words: Int32Array, spawn: Spawn) {
    this.config = config;
    this.log = log;
    this.words = words;
    this.spawn = spawn;
    this.numbers[stats.REWRITE_LAST_SECONDS] = -1;
    if (config.getBoolean('appendonly')) Atomics.or(words, layout.GLOBAL_PAUSE, layout.PAUSE_LOADING);
  }

  /** The ends of two channels for a thread's records that are too large for the rings. */
  producerPorts(): { logPort: MessagePort; snapshotPort: MessagePort } {
    const forLog = new MessageChannel();
    const forSnapshot = new MessageChannel();
    this.logPorts.push(forLog.port1);
    this.snapshotPorts.push(forSnapshot.port1);
    return { logPort: forLog.port2, snapshotPort: forSnapshot.port2 };
  }

  /** With appendonly yes: loads the data. Rejects, in words for the operator, when they aren't whole. */
  async start(): Promise<void> {
    if (!this.isOn) return;
    await new Promise((resolve, reject) => {
      const helpers = helpersWanted(this.config);
      const recovery = helpers === 0 ? null : createRecoveryBuffers();
      for (let index = 0; index < helpers; index++) this.startHelper(index, recovery as RecoveryBuffers, reject);
      this.startLog(true, recovery).then(resolve, reject);
    });
    Atomics.and(this.words, layout.GLOBAL_PAUSE, ~layout.PAUSE_LOADING);
    // A rewrite may be wanted when memory is short: what its thread takes is taken now.
    await this.ensureSnapshotThread();
  }
  /** A thread that helps to load. It ends by itself. */
  private startHelper(index: number, recovery: RecoveryBuffers, onFailure: (error: Error) => void): void {
    const onEnd = (error: Error, status: number): void => {
      if (status !== 0) onFailure(error);
    };
    this.spawn(`recovery ${index}`, 'recovery-thread', { recovery }, [], () => undefined, onEnd);
  }
  private async startLog(loads: boolean, recovery: RecoveryBuffers | null): Promise<Commanded> {
    const ports = this.logPorts.splice(0);
    const extra = { producerPorts: ports, loads, recovery };
    const thread = this.spawn('log', 'log-thread', extra, ports, () => wakeReader(this.logRing));
    thread.onMessage((message) => this.onNeed(message));
    await ready(thread);
    this.logThread = thread;
    return thread;
  }
  private onNeed(message: Message): void {
    if (message.type !== 'need') return;
    if (!this.isOn) return;
    if (message.what === 'growth') {
      const waitMs = this.growthDueMs - Date.now();
      if (waitMs > 0) {
        this.reconsiderGrowthIn(waitMs);
        return;
      }
      this.log.info('The append-only file has grown enough: it is written anew');
    } else this.mustRewrite = true;
    this.numbers[stats.REWRITE_SCHEDULED] = 0;
    void this.rewrite();
  }
  /** The log's thread asks again when nothing is scheduled and the file is still too large. */
  private reconsiderGrowthIn(milliseconds: number): void {
    const timer = setTimeout(() => {
      this.numbers[stats.REWRITE_SCHEDULED] = 0;
    }, milliseconds);
    timer.unref();
  }
  private get isOn(): boolean {
    return this.config.getBoolean('appendonly');
  }

  /** BGREWRITEAOF: the reply, or (with a leading word) the error. */
  requestRewrite(): { ok: string } | { error: string } {
    if (this.running !== null) return { error: 'ERR Background append only file rewriting already in progress' };
    if (this.logThread === null) {
      return { error: 'ERR appendonly is off: there is no file to rewrite. Switch it on with CONFIG SET appendonly yes, which writes one' };
    }
    void this.rewrite();
    return { ok: 'Background append only file rewriting started' };
  }

  /** Writes a new base. One at a time; another one asked for meanwhile is the same one, as far as anybody can tell. */
  private rewrite(): Promise<void> {
    this.running ??= this.rewriteUntilDone().finally(() => {
      this.running = null;
    });
    return this.running;
  }
  private async rewriteUntilDone(): Promise<void> {
    const { numbers } = this;
    numbers[stats.REWRITE_RUNS] = 1;
    numbers[stats.REWRITE_STARTED_MS] = Date.now();
    try {
      while (!this.isStopping) {
        const { switchedOff } = this;
        const outcome = await this.rewriteOnce();
        if (this.switchedOff !== switchedOff) {
          if (!this.isOn) break;
          continue;
        }
        if (outcome.outcome === 'spoilt') {
          this.log.info('The rewrite begins again: a database was emptied or exchanged under it');
          continue;
        }
        if (outcome.outcome === 'written') {
          this.succeeded(outcome);
          break;
        }
        this.failed(outcome);
        if (!this.mustRewrite) break;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    } finally {
      numbers[stats.REWRITE_RUNS] = 0;
      numbers[stats.REWRITE_LAST_SECONDS] = Math.floor((Date.now() - numbers[stats.REWRITE_STARTED_MS]!) / 1000);
    }
  }
  private succeeded({ keys, bytes }: SnapshotOutcome): void {
    const { numbers } = this;
    this.mustRewrite = false;
    this.growthRetryMs = GROWTH_RETRY_MS;
    numbers[stats.REWRITE_FAILED] = 0;
    numbers[stats.REWRITES]!++;
    const seconds = (Date.now() - numbers[stats.REWRITE_STARTED_MS]!) / 1000;
    this.log.info(`Background AOF rewrite finished: ${keys} keys, ${(bytes / 1048576).toFixed(1)} MiB, ${seconds.toFixed(1)} s`);
  }
  private failed({ why }: SnapshotOutcome): void {
    this.numbers[stats.REWRITE_FAILED] = 1;
    this.growthDueMs = Date.now() + this.growthRetryMs;
    this.growthRetryMs = Math.min(MAX_GROWTH_RETRY_MS, this.growthRetryMs * 2);
    this.log.warn(`Background AOF rewrite failed: ${why}. The files there are stay in use`);
  }
  private async rewriteOnce(): Promise<SnapshotOutcome> {
    const failed = (why: string): SnapshotOutcome => ({ outcome: 'failed', why, keys: 0, bytes: 0 });
    const { logThread } = this;
    if (logThread === null) return failed('appendonly is off');
    const snapshot = await this.ensureSnapshotThread();
    const begun = (await logThread.order({ kind: 'rewrite-begin' })) as { path?: string; libraries?: string[]; error?: string };
    if (begun.path === undefined) return failed(begun.error as string);
    const outcome = (await snapshot.order({ kind: 'snapshot', path: begun.path, libraries: begun.libraries })) as SnapshotOutcome;
    const ended = (await logThread.order({ kind: outcome.outcome === 'written' ? 'rewrite-commit' : 'rewrite-drop' })) as {
      error?: string;
    };
    return ended.error === undefined ? outcome : failed(ended.error);
  }
  private ensureSnapshotThread(): Promise<Commanded> {
    this.snapshotStart ??= this.startSnapshotThread();
    return this.snapshotStart;
  }
  private async startSnapshotThread(): Promise<Commanded> {
    const ports = this.snapshotPorts.splice(0);
    const thread = this.spawn('snapshot', 'snapshot-thread', { producerPorts: ports }, ports, () => undefined);
    await ready(thread);
    this.snapshotThread = thread;
    return thread;
  }

  /** CONFIG SET: appendonly on or off, and what the log's thread has to know. Returns an error's text, or null. */
  async configure(pairs: [string, string][], wasOn: boolean): Promise<string | null> {
    const { isOn } = this;
    if (this.logThread !== null) await this.logThread.order({ kind: 'config', pairs });
    if (isOn === wasOn) return null;
    if (!isOn) {
      this.switchedOff++;
      this.mustRewrite = false;
      await this.logThread?.order({ kind: 'disable' });
      return null;
    }
    if (this.logThread === null) {
      try {
        await this.startLog(false, null);
      } catch (error) {
        return `ERR Failed turning it on: ${(error as Error).message}`;
      }
    }
    this.mustRewrite = true;
    void this.rewrite();
    return null;
  }

  get hasLost(): boolean {
    return this.numbers[stats.LOST_BYTES]! > 0;
  }
  /** All producers have stopped: what they appended is written and synced, and the threads end. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.logThread?.stop();
    await this.snapshotThread?.stop();
    for (const port of [...this.logPorts, ...this.snapshotPorts]) port.close();
  }
}

function ready(thread: Commanded): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.onMessage((message) => {
      if (message.type === 'ready') resolve();
      if (message.type === 'failed') reject(new Error(message.message));
    });
  });
}
