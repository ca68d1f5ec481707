/**
 * The main thread: creates the shared memory, starts the reactors and the janitor, and answers what concerns more than one
 * thread (CLIENT LIST, CONFIG SET, SHUTDOWN). It serves no client itself. When any thread fails, the whole server ends.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { closeSync, unlinkSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort, type ResourceLimits, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { POLICY_NAMES } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { createControl, SHARDS } from '../keyspace/layout.ts';
import { LRU_CLOCK_WORDS } from '../keyspace/lru-clock.ts';
import { Bank, createBanks } from '../memory/bank.ts';
import type { MovedClient } from '../net/session.ts';
import { createScriptBuffers } from '../scripting/script-state.ts';
import { ScriptStatsReader } from '../scripting/script-stats.ts';
import { ClientOrders } from './client-orders.ts';
import { createCommandStats } from './command-stats.ts';
import type { Config } from './config.ts';
import { rewriteConfig } from './config-rewrite.ts';
import type { Message, Order, ThreadSetup } from './control.ts';
import * as control from './control.ts';
import { type LatencyEvent, mergeEvents } from './latency-monitor.ts';
import { type Logger, setLogLevel } from './logger.ts';
import { type Commanded, Persistence, type Spawn } from './persistence.ts';
import { type LogPorts, ScriptThreads, type ScriptWorker } from './script-threads.ts';
import type { SlowEntry } from './slowlog.ts';
import { createTrimmer } from './trim.ts';

/** Requests leave next to no garbage: a small nursery keeps a thread's own memory small. Scripts have one of their own size. */
const YOUNG_GENERATION_MB = 4;
/** A bank may grow to this multiple of its even share of memory, as keys are never spread quite evenly (hash tags, large values). */
const SKEW = 4;
const MIN_BANK_BYTES = 256 * 1048576;
/** What a thread may take to end beyond the time that it's given for its clients and the disk. */
const STOP_TIMEOUT_MS = 5000;
const HEALTH_POLL_MS = 20;
/** Redis's depth of Lua calls needs so much. */
const SCRIPT_STACK_MB = 8;
const EVENT = new Uint8Array(new BigUint64Array([1n]).buffer);
const PAUSE_BITS = { write: layout.PAUSE_WRITES, all: layout.PAUSE_WRITES | layout.PAUSE_ALL } as const;

type Thread = {
  readonly name: string;
  readonly worker: Worker;
  readonly port: MessagePort;
  /** The eventfd that wakes a thread sleeping in io_uring, or -1. */
  wakeFd: number;
  /** How a thread is woken that waits on shared memory. */
  wake: (() => void) | null;
  readonly exited: Promise<void>;
  readonly orders: Map<number, (result: unknown) => void>;
};
type Request = { kind: string; [field: string]: unknown };

export class Supervisor {
  port = 0;
  private unixFd = -1;
  reactorKind = '';
  readonly addresses: string[] = [];
  /** SHUTDOWN was called; `isUrgent` when it doesn't wait for the log to get well. */
  onShutdownAsked: (isUrgent: boolean) => void = () => undefined;
  private shutdown: 'none' | 'waiting' | 'aborted' = 'none';
  private readonly config: Config;
  private readonly log: Logger;
  private readonly onFatal: (error: Error) => void;
  private readonly words: Int32Array;
  private readonly persistence: Persistence;
  private readonly scripts: ScriptThreads;
  private readonly setup: Omit<ThreadSetup, 'index' | 'port' | 'listenPort' | 'unixFd' | 'logPort' | 'snapshotPort'>;
  private readonly reactors: Thread[] = [];
  private readonly wakeFds: number[] = [];
  private janitor: Thread | null = null;
  private nextOrder = 0;
  private readonly clientOrders = new ClientOrders<Thread>((...about) => this.send(...about));
  private isElastic: boolean | null = null;
  private pauseTimer: NodeJS.Timeout | null = null;
  private stopping: Promise<void> | null = null;
  /** From here on the failure of a thread is fatal; before, it's a refusal to start. */
  private isOpen = false;
  private refuse: (error: Error) => void = () => undefined;
  /** Rejects when a thread fails before all have started. */
  private readonly refusal = new Promise<never>((_, reject) => {
    this.refuse = reject;
  });

  private constructor(config: Config, log: Logger, onFatal: (error: Error) => void) {
    this.config = config;
    this.log = log;
    this.onFatal = onFatal;
    const shared = createControl(randomInt(1, 2 ** 31 - 1));
    this.words = new Int32Array(shared);
    this.persistence = new Persistence(config, log, this.words, (...about) => this.spawnCommanded(...about));
    const limit = config.getNumber('maxmemory') || totalmem();
    this.setup = {
      control: shared,
      lruClock: new SharedArrayBuffer(LRU_CLOCK_WORDS * 4),
      banks: createBanks(SHARDS, Math.max(MIN_BANK_BYTES, Math.ceil((limit * SKEW) / SHARDS))),
      stats: new SharedArrayBuffer(control.STAT_WORDS * 8 * control.MAX_THREADS),
      commandStats: createCommandStats(config.getNumber('io-threads')),
      config: config.entries(),
      configFile: config.file,
      reusePort: process.platform === 'linux' && config.getNumber('io-threads') > 1,
      reactor: config.getString('reactor'),
      startedMs: Date.now(),
      runId: randomBytes(20).toString('hex'),
      logRing: this.persistence.logRing,
      snapshotRing: this.persistence.snapshotRing,
      persistence: this.persistence.shared,
      scripts: createScriptBuffers(config.getNumber('script-threads'), config.getNumber('io-threads')),
    };
    this.scripts = new ScriptThreads(
      this.setup,
      this.setup.scripts,
      (...about) => this.spawnScriptThread(...about),
      (error) => this.fail(error),
      (message) => this.log.error(message),
    );
    this.applyToAll();
  }

  /** Starts all threads; rejects with words for the operator when the port is taken or a thread can't start. */
  static async start(config: Config, log: Logger, onFatal: (error: Error) => void): Promise<Supervisor> {
    const server = new Supervisor(config, log, onFatal);
    try {
      await Promise.race([server.open(), server.refusal]);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get threads(): number {
    return this.reactors.length;
  }
  get memoryLimit(): string {
    const limit = this.config.getNumber('maxmemory');
    return limit === 0 ? 'none' : `${(limit / 1048576).toFixed(1)} MiB, ${this.config.getString('maxmemory-policy')}`;
  }

  private async open(): Promise<void> {
    const { config } = this;
    const hosts = config.getString('bind').split(/\s+/);
    const path = config.getString('unixsocket');
    let port = config.getNumber('port');
    const listensTcp = port !== 0 || path === '';
    if (listensTcp && port !== 0) await refuseTakenPort(hosts[0] as string, port);
    // Only Linux spreads connections over several sockets of one port.
    const threads = process.platform === 'linux' && hasReusePort() ? config.getNumber('io-threads') : 1;
    // All start at once, but that the others must know which port the first one has got.
    const starting: Promise<void>[] = [];
    for (let index = 0; index < threads; index++) {
      const reactor = this.startReactor(index, port);
      if (port === 0) await reactor;
      else starting.push(reactor);
      port ||= this.port;
    }
    this.janitor = this.spawn('janitor', 'janitor', threads, 0);
    this.scripts.reservePorts(() => this.persistence.producerPorts());
    await Promise.all([...starting, this.persistence.start()]);
    if (listensTcp) for (const host of hosts) if (!host.startsWith('-')) this.addresses.push(`${host}:${this.port}`);
    if (path !== '') this.addresses.push(path);
    this.isOpen = true;
  }

  /** A thread that appends to the log: a reactor, or the janitor. */
  private spawn(name: string, entry: 'reactor-thread' | 'janitor', index: number, listenPort: number): Thread {
    const ports = this.persistence.producerPorts();
    return this.spawnThread(name, entry, { index, listenPort, ...ports }, [ports.logPort, ports.snapshotPort]);
  }
  private spawnCommanded(...[name, entry, extra, ports, wake, onEnd]: Parameters<Spawn>): Commanded {
    const setup = { index: -1, listenPort: 0, logPort: null, snapshotPort: null, ...extra };
    const thread = this.spawnThread(name, entry, setup, ports, onEnd);
    thread.wake = wake;
    return {
      order: (order) => this.order(thread, order),
      onMessage: (listen) => void thread.port.on('message', listen),
      stop: () => this.stopThread(thread, this.config.getNumber('shutdown-timeout') * 1000),
    };
  }
  private spawnThread(
    name: string,
    entry: string,
    extra: Pick<ThreadSetup, 'index' | 'listenPort' | 'logPort' | 'snapshotPort'>,
    ports: readonly MessagePort[],
    onEnd = (error: Error, _status: number): void => this.fail(error),
    resourceLimits: ResourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB, stackSizeMb: SCRIPT_STACK_MB },
  ): Thread {
    const { port1, port2 } = new MessageChannel();
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./${entry}.${extension}`, import.meta.url), {
      name,
      workerData: { ...this.setup, config: this.config.entries(), port: port2, unixFd: this.unixFd, ...extra } satisfies ThreadSetup,
      transferList: [port2, ...ports],
      resourceLimits,
    });
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const thread: Thread = { name, worker, port: port1, wakeFd: -1, wake: null, exited, orders: new Map() };
    worker.on('error', (error) => onEnd(new Error(`thread ${name}: ${(error as Error).message}`, { cause: error }), 1));
    worker.on('exit', (code) => onEnd(new Error(`thread ${name} ended with status ${code}`), code));
    port1.on('message', (message: Message) => this.onMessage(thread, message));
    return thread;
  }
  private spawnScriptThread(thread: number, ports: LogPorts | null, onEnd: (why: string) => void): ScriptWorker {
    const given = ports ?? { logPort: null, snapshotPort: null };
    const extra = { index: control.FIRST_SCRIPT_THREAD + thread, listenPort: 0, thread, ...given };
    const megabytes = this.config.getNumber('script-memory-limit') / 1048576;
    const limits = { maxOldGenerationSizeMb: Math.max(1024, Math.ceil(megabytes) * 2 + 512), stackSizeMb: SCRIPT_STACK_MB };
    let why = '';
    const note = (error: Error): void => {
      why ||= error.message;
    };
    const transferred = ports === null ? [] : [ports.logPort, ports.snapshotPort];
    const spawned = this.spawnThread(`script ${thread}`, 'script-thread', extra, transferred, note, limits);
    spawned.worker.once('exit', () => {
      spawned.port.close();
      onEnd(why);
    });
    return {
      post: (order) => spawned.port.postMessage({ type: 'order', id: 0, order } satisfies Message),
      terminate: () => void spawned.worker.terminate(),
      exited: spawned.exited,
    };
  }
  /** A thread is gone: the others end too, and the owner of the server is told, once. */
  private fail(error: Error): void {
    if (this.stopping !== null) return;
    if (this.isOpen) this.onFatal(error);
    else this.refuse(error);
    void this.stop();
  }

  private startReactor(index: number, listenPort: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const thread = this.spawn(`reactor ${index}`, 'reactor-thread', index, listenPort);
      this.reactors.push(thread);
      thread.worker.once('error', reject);
      thread.worker.once('exit', (code) => reject(new Error(`thread ${thread.name} ended with status ${code} before it listened`)));
      thread.port.on('message', (message: Message) => {
        if (message.type === 'failed') {
          reject(new Error(message.message));
          void thread.worker.terminate();
        }
        if (message.type !== 'listening') return;
        this.port = message.port;
        this.unixFd = message.unixFd;
        this.reactorKind = message.kind;
        // What was posted before, a refusal to start elsewhere, has woken nobody.
        if (message.wakeFd >= 0) {
          this.wakeFds.push(message.wakeFd);
          writeSync(message.wakeFd, EVENT);
        }
        if (this.stopping === null) thread.wakeFd = message.wakeFd;
        resolve();
      });
    });
  }

  private onMessage(thread: Thread, message: Message): void {
    switch (message.type) {
      case 'request':
        this.answer(thread, message.request).then(
          (answer) => this.post(thread, { type: 'answer', id: message.id, answer }),
          (error: Error) => this.fail(error),
        );
        break;
      case 'done':
        thread.orders.get(message.id)?.(message.result);
        thread.orders.delete(message.id);
        break;
      case 'move':
        this.move(thread, this.reactors[message.target] as Thread, message.client);
        break;
      case 'log':
        this.log[message.level](message.message);
        break;
    }
  }
  private post(thread: Thread, message: Message): void {
    thread.port.postMessage(message);
    if (thread.wakeFd >= 0) writeSync(thread.wakeFd, EVENT);
    thread.wake?.();
  }
  private send(thread: Thread, order: Order, answered: (answer: unknown) => void): void {
    const id = ++this.nextOrder;
    thread.orders.set(id, answered);
    this.post(thread, { type: 'order', id, order });
  }
  private order(thread: Thread, order: Order): Promise<unknown> {
    return new Promise((resolve) => this.send(thread, order, resolve));
  }
  private orderAll(order: Order): Promise<unknown[]> {
    return Promise.all(this.reactors.map((thread) => this.order(thread, order)));
  }

  /** Hands a client from one reactor to the other; or back, when the other one hasn't started yet. */
  private move(from: Thread, target: Thread, client: MovedClient): void {
    if (this.stopping !== null) {
      // Who was told to stop may read no messages any more. Nothing of the client is under way.
      closeSync(client.connection.fd);
      return;
    }
    const to = target.wakeFd < 0 ? from : target;
    this.post(to, { type: 'adopt', client });
    this.clientOrders.moved(client.state.id, from, to);
  }

  /** What a reactor asked for; the answer goes to the handler that waits for it. */
  private async answer(_from: Thread, request: Request): Promise<unknown> {
    switch (request.kind) {
      case 'client-list':
        return (await this.clientOrders.ask(this.reactors, { kind: 'client-list' })).flat();
      case 'client-kill': {
        const killed = (await this.clientOrders.ask(this.reactors, { kind: 'client-kill', filter: request['filter'] })) as number[];
        return killed.reduce((sum, count) => sum + count, 0);
      }
      case 'client-unblock': {
        const order = { kind: 'client-unblock', id: request['id'], withError: request['withError'] };
        return (await this.orderAll(order)).some((isDone) => isDone === true) ? 1 : 0;
      }
      case 'pause':
        this.pause(request['mode'] as 'write' | 'all', request['milliseconds'] as number);
        return null;
      case 'unpause':
        this.unpause();
        return null;
      case 'config-set':
        return this.setConfig(request['pairs'] as [string, string][]);
      case 'config-rewrite':
        return rewriteConfig(this.config);
      case 'resetstat':
        Atomics.store(this.words, layout.GLOBAL_EVICTED, 0);
        for (const stat of [control.STAT_EXPIRED, control.STAT_LONGEST_SLICE_US]) {
          new Float64Array(this.setup.stats)[this.reactors.length * control.STAT_WORDS + stat] = 0;
        }
        new ScriptStatsReader(this.setup.scripts.stats).reset();
        await this.orderAll({ kind: 'resetstat' });
        return null;
      case 'slowlog-get': {
        const entries = (await this.orderAll({ kind: 'slowlog-get' })).flat() as SlowEntry[];
        return entries.sort((a, b) => b.id - a.id).slice(0, this.config.getNumber('slowlog-max-len'));
      }
      case 'memory-purge':
        this.purge();
        return null;
      case 'slowlog-reset':
        await this.orderAll({ kind: 'slowlog-reset' });
        return null;
      case 'latency-events':
        return mergeEvents((await this.orderAll({ kind: 'latency-events' })).flat() as LatencyEvent[]);
      case 'latency-reset':
        return new Set((await this.orderAll({ kind: 'latency-reset', names: request['names'] })).flat()).size;
      case 'bgrewriteaof':
        return this.persistence.requestRewrite();
      case 'delay':
        return new Promise((resolve) => setTimeout(resolve, Math.min(request['milliseconds'] as number, 2 ** 31 - 1)));
      case 'script-thread':
        this.scripts.start(request['thread'] as number);
        return null;
      case 'panic-script':
        return this.scripts.killThread();
      case 'panic':
        throw new Error('crashed by DEBUG PANIC');
      case 'shutdown':
        return this.askedToShutDown(request);
      default:
        throw new Error(`a reactor asked for '${request.kind}', which nobody answers`);
    }
  }

  /** Gives all free pages back to the system, at once. */
  private purge(): void {
    createTrimmer(this.setup.banks.map((bank, index) => new Bank(bank, index)))(Number.POSITIVE_INFINITY);
  }
  private pause(mode: 'write' | 'all', milliseconds: number): void {
    const until = Date.now() + milliseconds;
    if (this.pauseTimer !== null) clearTimeout(this.pauseTimer);
    Atomics.and(this.words, layout.GLOBAL_PAUSE, ~PAUSE_BITS.all);
    Atomics.or(this.words, layout.GLOBAL_PAUSE, PAUSE_BITS[mode]);
    const wait = (): void => {
      const left = until - Date.now();
      if (left <= 0) this.unpause();
      else this.pauseTimer = setTimeout(wait, Math.min(left, 2 ** 31 - 1));
    };
    wait();
  }
  private unpause(): void {
    if (this.pauseTimer !== null) clearTimeout(this.pauseTimer);
    this.pauseTimer = null;
    Atomics.and(this.words, layout.GLOBAL_PAUSE, ~PAUSE_BITS.all);
  }

  private async setConfig(pairs: [string, string][]): Promise<string | null> {
    const wasLogging = this.config.getBoolean('appendonly');
    const error = this.config.set(pairs);
    if (error !== null) return error;
    this.applyToAll();
    setLogLevel(this.log, this.config.getString('loglevel'));
    this.scripts.order({ kind: 'config', pairs });
    await this.orderAll({ kind: 'config', pairs });
    return this.persistence.configure(pairs, wasLogging);
  }
  /** Directives that every thread reads from the shared words. */
  private applyToAll(): void {
    Atomics.store(this.words, layout.GLOBAL_HZ, this.config.getNumber('hz'));
    const isElastic = this.config.getBoolean('io-threads-elastic');
    if (isElastic !== this.isElastic) {
      this.isElastic = isElastic;
      Atomics.store(this.words, layout.GLOBAL_ACTIVE_REACTORS, isElastic ? 1 : this.config.getNumber('io-threads'));
    }
    const bytes = this.config.getNumber('maxmemory');
    const policy = (POLICY_NAMES as readonly string[]).indexOf(this.config.getString('maxmemory-policy'));
    Atomics.store(this.words, layout.GLOBAL_LFU_LOG_FACTOR, this.config.getNumber('lfu-log-factor'));
    Atomics.store(this.words, layout.GLOBAL_LFU_DECAY_MINUTES, this.config.getNumber('lfu-decay-time'));
    Atomics.store(this.words, layout.GLOBAL_POLICY, policy);
    Atomics.store(this.words, layout.GLOBAL_MAXMEMORY_SUBKIB, bytes % 1024);
    Atomics.store(this.words, layout.GLOBAL_MAXMEMORY_KIB, Math.floor(bytes / 1024));
  }

  /**
   * The first part of a shutdown: while the log can't be written, waits until it can, for `shutdown-timeout` at most. Nothing has ended
   * yet: false says that SHUTDOWN ABORT came.
   */
  async readyToStop(): Promise<boolean> {
    const deadline = Date.now() + this.config.getNumber('shutdown-timeout') * 1000;
    if (this.canLog()) return true;
    this.log.warn(`The append-only file can't be written: the shutdown waits up to ${this.config.getNumber('shutdown-timeout')} s for it`);
    this.shutdown = 'waiting';
    while (this.shutdown === 'waiting' && !this.canLog() && Date.now() < deadline) await sleep(HEALTH_POLL_MS);
    const isAborted = (this.shutdown as string) === 'aborted';
    this.shutdown = 'none';
    return !isAborted;
  }
  private canLog(): boolean {
    return (Atomics.load(this.words, layout.GLOBAL_PAUSE) & layout.PAUSE_MISCONF) === 0;
  }
  /** SHUTDOWN's forms. The answer is an error's text, 'OK' for an ABORT that came in time, or never comes. */
  private askedToShutDown(request: Request): string | Promise<never> {
    if (request['abort'] === true) {
      if (this.shutdown !== 'waiting') return 'ERR No shutdown in progress.';
      this.shutdown = 'aborted';
      return 'OK';
    }
    if (!this.canLog() && request['force'] !== true) {
      this.log.warn("SHUTDOWN is refused: the append-only file can't be written. SHUTDOWN FORCE ends the server all the same");
      return 'ERR Errors trying to SHUTDOWN. Check logs.';
    }
    this.onShutdownAsked(request['force'] === true || request['now'] === true);
    return new Promise(() => undefined);
  }
  /** True when the log's last bytes couldn't be written at the end. */
  get hasLost(): boolean {
    return this.persistence.hasLost;
  }

  /** Stops accepting, finishes what has begun, ends all threads. What was acknowledged is on the disk then. */
  stop(): Promise<void> {
    this.stopping ??= this.close();
    return this.stopping;
  }
  private async close(): Promise<void> {
    this.unpause();
    Atomics.store(this.words, layout.GLOBAL_STOP, 1);
    Atomics.notify(this.words, layout.GLOBAL_STOP);
    const threads = this.janitor === null ? this.reactors : [...this.reactors, this.janitor];
    await Promise.all(threads.map((thread) => this.stopThread(thread, this.config.getNumber('shutdown-timeout') * 1000)));
    await this.scripts.stop();
    // Nobody appends any more: what is in the log's ring goes to the disk.
    await this.persistence.stop();
    // Only now: a thread that wakes a reactor that has ended must not write into another file that got the number.
    for (const fd of this.wakeFds.splice(0)) closeSync(fd);
    this.removeSocket();
  }
  private async stopThread(thread: Thread, timeoutMs: number): Promise<void> {
    this.post(thread, { type: 'order', id: ++this.nextOrder, order: { kind: 'stop', milliseconds: timeoutMs } });
    // The thread closes its eventfd as it ends, and the number may soon be another file's.
    thread.wakeFd = -1;
    const timer = setTimeout(() => void thread.worker.terminate(), timeoutMs + STOP_TIMEOUT_MS);
    await thread.exited;
    clearTimeout(timer);
    // Clients that it had sent on their way may still be here, unread, when main was busy.
    for (let last = receiveMessageOnPort(thread.port); last !== undefined; last = receiveMessageOnPort(thread.port)) {
      const message = last.message as Message;
      if (message.type === 'move') this.onMessage(thread, message);
    }
    thread.port.close();
  }
  private removeSocket(): void {
    const path = this.config.getString('unixsocket');
    if (path !== '' && this.reactors.length > 0) {
      try {
        unlinkSync(path);
      } catch {
        // node:net has removed it already.
      }
    }
  }
}

/** SO_REUSEPORT would let a second server share the port in silence: so a socket without it is tried first. */
async function refuseTakenPort(host: string, port: number): Promise<void> {
  const address = host.replace(/^-/, '').replace('*', '0.0.0.0');
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why = {
        EADDRINUSE: 'it is in use by another program. Stop that one, or choose another port with --port',
        EACCES: 'this user may not open it. Choose a port above 1023 with --port',
        EADDRNOTAVAIL: "this machine doesn't have that address. See the bind directive",
      }[error.code ?? ''];
      reject(new Error(`can't listen on ${address}:${port}: ${why ?? error.message}`));
    });
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

function hasReusePort(): boolean {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  return major > 23 || (major === 23 && minor >= 1);
}
