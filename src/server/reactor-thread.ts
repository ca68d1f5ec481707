/** A reactor's thread: its keyspace view, its sessions, and the reactor that drives them. */
import { performance } from 'node:perf_hooks';
import * as util from 'node:util';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { onWakeWord, setWakeFd } from '../blocking/wake.ts';
import { attachAll } from '../commands/all.ts';
import { CommandContext } from '../commands/context.ts';
import { Lookahead } from '../commands/lookahead.ts';
import { COMMANDS, type CommandDescriptor } from '../commands/lookup.ts';
import { retryUnserved, unserved } from '../commands/serve-waiters.ts';
import type { BlockRequest, ControlRequest, ServerServices } from '../commands/services.ts';
import { EffectLog } from '../keyspace/effect-log.ts';
import { areKeysLocked } from '../keyspace/key-locks.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { secondOf } from '../keyspace/lru-clock.ts';
import { RingProducer } from '../memory/byte-ring.ts';
import { createReactor } from '../net/create-reactor.ts';
import { ClientSession, type MovedClient, type SessionThread } from '../net/session.ts';
import type { Reactor, ReactorHost, Session, Transport } from '../net/transport.ts';
import { HandOver } from '../persistence/snapshot.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { RequestParser } from '../resp/request.ts';
import { InlineScripts } from '../scripting/inline-scripts.ts';
import { LOG_LEVEL_NAMES, scriptServices } from '../scripting/script-services.ts';
import { UncommittedKeys } from '../transactions/uncommitted-keys.ts';
import { BlockedClients } from './blocked-clients.ts';
import { among, type KillFilter, killClients } from './client-filter.ts';
import { CHECK_MS, ClientLimits, clientsToEvict, largestBytes } from './client-limits.ts';
import { ClientScripts } from './client-scripts.ts';
import { CommandStats } from './command-stats.ts';
import { Config } from './config.ts';
import { ConnectionSpread } from './connection-spread.ts';
import type { Message, ThreadSetup } from './control.ts';
import * as control from './control.ts';
import { DurableReplies } from './durable-replies.ts';
import { applyLimits } from './encoding-limits.ts';
import { buildInfo } from './info.ts';
import { LatencyMonitor } from './latency-monitor.ts';
import { SlowLog } from './slowlog.ts';

const REFUSED = '-ERR max number of clients reached\r\n';
const PROTECTED =
  '-DENIED Ferrite is in protected mode: no password is set and it listens beyond this machine, so only connections from the loopback address are served. Set requirepass, or bind to 127.0.0.1, or turn protected-mode off.\r\n';
const RETRY_PAUSED_MS = 1;
const SPINNING_TURNS = 50;
const STOP_POLL_MS = 5;
/** So many fast commands, or so many bytes of replies, are timed as one. */
const MAX_RUN = 16;
const MAX_RUN_BYTES = 65536;
/** Who wants to hear of commands that take less than this gets each of them timed. */
const SHORT_WATCH_MS = 1;
/** A command that isn't fast by its kind and takes so long holds up the clients beside it. */
const SLOW_MS = 5;

/** A command whose reply needs the answer of another thread. */
type Waiting = {
  session: ClientSession;
  command: CommandDescriptor | null;
  finish: (ctx: CommandContext, answer: unknown) => void;
};

export class ReactorThread implements ReactorHost, SessionThread, ServerServices {
  readonly setup: ThreadSetup;
  readonly keyspace: Keyspace;
  readonly context: CommandContext;
  readonly parser = new RequestParser();
  readonly lookahead: Lookahead;
  readonly stats = { inputBytes: 0, outputBytes: 0 };
  readonly slowlog = new SlowLog();
  readonly latency = new LatencyMonitor();
  readonly sessions = new Set<ClientSession>();
  config: Config;
  maxQueryBytes = 0;
  outputLimitBytes = 0;
  private readonly limits = new ClientLimits();
  private checkDueMs = 0;
  maxBulkLengthBytes = 0;
  private parked: ClientSession[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private nextRequest = 0;
  private errorsSeen = 0;
  private slowerThanMs = 10;
  private readonly shared: Float64Array;
  private commands = 0;
  /** The commands that are timed together, by their index. */
  private readonly run = new Int32Array(MAX_RUN);
  private runLength = 0;
  private runBytes = 0;
  private runStartedMs = 0;
  private isTiming = false;
  private longestRun = MAX_RUN;
  /** What takes as long is looked at more closely: the slow log and the latency monitor want it. */
  private watchedMs = Number.POSITIVE_INFINITY;
  private connections = 0;
  readonly commandStats: CommandStats;
  private reactor!: Reactor;
  /** Null where connections stay where they were accepted. */
  private spread: ConnectionSpread | null = null;
  readonly blocked: BlockedClients;
  readonly scripts: ClientScripts;
  private readonly inline: InlineScripts;
  /** Turns in a row that left sessions parked. */
  private parkedTurns = 0;
  /** The TCP port that is listened on, 0 for none. */
  port = 0;
  private durable!: DurableReplies;
  private stopDueMs = Number.POSITIVE_INFINITY;
  /** From here on an error of this thread is fatal to the server, no refusal to start. */
  isListening = false;

  constructor(setup: ThreadSetup) {
    this.setup = setup;
    this.keyspace = new Keyspace(setup.control, setup.banks);
    this.keyspace.uncommitted = new UncommittedKeys(this.keyspace, setup.scripts.undo);
    this.keyspace.log = new EffectLog(this.keyspace.control, setup.logRing, setup.index, setup.logPort);
    this.keyspace.snapshot = new HandOver(new RingProducer(setup.snapshotRing, setup.index, setup.snapshotPort));
    this.context = new CommandContext(this.keyspace, new ReplyWriter(), this);
    this.lookahead = new Lookahead(this.keyspace);
    this.shared = new Float64Array(setup.stats, setup.index * control.STAT_WORDS * 8, control.STAT_WORDS);
    this.config = new Config(setup.configFile, setup.config);
    this.commandStats = new CommandStats(setup.commandStats, setup.index);
    this.blocked = new BlockedClients(this.keyspace, setup.index);
    this.inline = this.inlineScripts();
    this.scripts = new ClientScripts(
      this.keyspace,
      setup.scripts,
      setup.index,
      (script) => this.post({ type: 'request', id: 0, request: { kind: 'script-thread', thread: script } }),
      this.inline,
    );
    this.applyConfig();
  }

  private inlineScripts(): InlineScripts {
    const own = {
      config: this.config,
      startedMs: this.setup.startedMs,
      log: (message: string) => this.log(message),
      idleSeconds: (stamp: number) => this.idleSeconds(stamp),
    };
    const services = scriptServices(own, () => this.maxBulkLengthBytes);
    const log = (level: number, message: string): void => this.post({ type: 'log', level: LOG_LEVEL_NAMES[level] ?? 'info', message });
    return new InlineScripts(this.context, services, this.setup.scripts, this.setup.index, log);
  }
  applyConfig(): void {
    const { config } = this;
    this.inline.settings = { isOn: config.getBoolean('script-inline'), rollsBack: config.getBoolean('script-rollback') };
    this.maxBulkLengthBytes = config.getNumber('proto-max-bulk-len');
    this.maxQueryBytes = config.getNumber('client-query-buffer-limit');
    this.limits.apply(config);
    this.outputLimitBytes = this.limits.hardBytes;
    this.keyspace.databases = config.getNumber('databases');
    const slower = config.getNumber('slowlog-log-slower-than');
    this.slowerThanMs = slower < 0 ? Number.POSITIVE_INFINITY : slower / 1000;
    this.latency.thresholdMs = config.getNumber('latency-monitor-threshold') || Number.POSITIVE_INFINITY;
    this.watchedMs = Math.min(this.slowerThanMs, this.latency.thresholdMs, SLOW_MS);
    if (this.spread !== null) this.spread.isElastic = config.getBoolean('io-threads-elastic');
    this.longestRun = this.watchedMs < SHORT_WATCH_MS ? 1 : MAX_RUN;
    this.commandStats.tracksLatency = config.getBoolean('latency-tracking');
    this.slowlog.setLimit(config.getNumber('slowlog-max-len'));
    applyLimits(config);
  }

  async start(): Promise<void> {
    const { config, setup } = this;
    const { keyspace } = this;
    this.reactor = await createReactor(this, setup.reactor, setup.reusePort, (why) =>
      this.post({ type: 'log', level: 'warn', message: why }),
    );
    const reactors = config.getNumber('io-threads');
    if (this.reactor.canMove && reactors > 1) {
      this.spread = new ConnectionSpread(keyspace.control, new Float64Array(setup.stats), setup.index, reactors);
      this.spread.isElastic = config.getBoolean('io-threads-elastic');
    }
    this.durable = new DurableReplies((keyspace.log as EffectLog).ring, this.reactor.wakeFd, () => this.reactor.askTurn());
    if (this.reactor.wakeFd < 0) {
      setup.port.on('message', (message: Message) => this.onMessage(message));
      onWakeWord(this.keyspace.control, setup.index, () => this.reactor.askTurn());
    }
    setWakeFd(this.keyspace.control, setup.index, this.reactor.wakeFd);
    const backlog = config.getNumber('tcp-backlog');
    let port = setup.listenPort;
    if (port !== 0 || config.getString('unixsocket') === '') {
      for (const word of config.getString('bind').split(/\s+/)) {
        const isOptional = word.startsWith('-');
        const host = word === '*' ? '0.0.0.0' : word.replace(/^-/, '').replace('::*', '::');
        try {
          port = await this.reactor.listen(host, port, backlog, config.getNumber('tcp-keepalive'));
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code;
          if (isOptional && (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT')) continue;
          throw error;
        }
      }
    }
    const path = config.getString('unixsocket');
    let unixFd = setup.unixFd;
    if (path !== '' && setup.index === 0) {
      unixFd = await this.reactor.listenUnix(path, Number.parseInt(config.getString('unixsocketperm'), 8), backlog);
    } else if (unixFd >= 0) this.reactor.shareUnix(path, unixFd);
    this.port = port;
    this.isListening = true;
    this.post({ type: 'listening', port, kind: this.reactor.kind, wakeFd: this.reactor.wakeFd, unixFd });
    this.reactor.run();
  }
  private post(message: Message): void {
    this.setup.port.postMessage(message);
  }

  // ---- the reactor's host ----

  onOpen(transport: Transport): Session {
    const words = this.keyspace.control;
    this.connections++;
    const authenticated = this.config.getString('requirepass') === '';
    const id = Atomics.add(words, layout.GLOBAL_CLIENT_ID, 1) + 1;
    const session = new ClientSession(id, this, transport, authenticated);
    this.sessions.add(session);
    if (Atomics.add(words, layout.GLOBAL_CLIENTS, 1) >= this.config.getNumber('maxclients')) {
      this.shared[control.STAT_REJECTED]!++;
      refuse(session, transport, REFUSED);
    } else if (authenticated && this.config.getBoolean('protected-mode') && !isLocal(transport.peerAddress)) {
      refuse(session, transport, PROTECTED);
    }
    return session;
  }
  onTurn(): boolean {
    this.isTiming = false;
    this.keyspace.endTurn();
    this.keyspace.nowMs = Date.now();
    const parked = this.parked;
    if (parked.length > 0) {
      this.parked = [];
      for (const session of parked) session.retry();
    }
    this.serveBlocked();
    const scriptsMs = this.scripts.turn();
    if (scriptsMs > 0) this.reactor.askTurnIn(scriptsMs);
    this.publish();
    if (this.limits.areSet && this.sessions.size > 0) this.checkClients();
    this.keyspace.log?.publish();
    if (!this.durable.isEmpty) {
      const due = this.durable.turn(this.keyspace.nowMs);
      if (due !== Number.POSITIVE_INFINITY) this.reactor.askTurnIn(Math.max(1, due - Date.now()));
    }
    if (this.stopDueMs !== Number.POSITIVE_INFINITY) this.stopWhenIdle();
    else if (this.spread !== null) {
      const lookMs = this.spread.turn(this.keyspace.nowMs, this.sessions);
      if (lookMs > 0) this.reactor.askTurnIn(lookMs);
    }
    if (this.parked.length === 0) {
      this.parkedTurns = 0;
      return !this.scripts.maySleep();
    }
    const isPaused = this.keyspace.control[layout.GLOBAL_PAUSE] !== 0 || !this.keyspace.mayExpire();
    // A latch is free within microseconds; a script may hold its keys for longer.
    if (!areKeysLocked(this.keyspace.control)) this.parkedTurns = 0;
    if (!isPaused && ++this.parkedTurns < SPINNING_TURNS) return true;
    // Clients are paused, or the log's thread is behind: look again soon, without spinning.
    this.reactor.askTurnIn(RETRY_PAUSED_MS);
    return !this.scripts.maySleep();
  }
  /** No client sends anything more that counts; what has arrived is answered, and what has been answered goes to the disk first. */
  private beginStop(milliseconds: number): void {
    this.stopDueMs = Date.now() + milliseconds;
    this.reactor.stopAccepting();
    for (const session of [...this.sessions]) session.onEnd();
    this.reactor.askTurn();
  }
  private stopWhenIdle(): void {
    const isBusy = Date.now() < this.stopDueMs && [...this.sessions].some((session) => session.isBusy);
    if (isBusy) {
      this.reactor.askTurnIn(STOP_POLL_MS);
      return;
    }
    this.stopDueMs = Number.POSITIVE_INFINITY;
    this.reactor.stop();
    this.setup.port.close();
  }
  /** Those who wait for keys: what came for them, whose time is over, and keys that could not be served at once. */
  private serveBlocked(): void {
    if (unserved.length > 0 && !retryUnserved(this.context)) this.reactor.askTurnIn(1);
    const nextMs = this.blocked.turn();
    if (nextMs > 0) this.reactor.askTurnIn(nextMs);
  }
  onWake(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.setup.port);
      if (received === undefined) return;
      this.onMessage(received.message as Message);
    }
  }
  /** Once in CHECK_MS: closes clients that are over a limit of time. */
  private checkClients(): void {
    const { nowMs } = this.keyspace;
    if (nowMs >= this.checkDueMs) {
      this.checkDueMs = nowMs + CHECK_MS;
      for (const session of [...this.sessions]) {
        const why = this.limits.check(session, nowMs);
        if (why !== null) this.closeForLimit(session, why);
      }
      this.checkBuffers();
    }
    this.reactor.askTurnIn(this.checkDueMs - nowMs);
  }
  /** `maxmemory-clients`: each reactor closes its own clients, by what all of them have said last. */
  private checkBuffers(): void {
    const { shared, limits, sessions } = this;
    let bytes = 0;
    for (const session of sessions) bytes += session.bufferedBytes;
    const stats = new Float64Array(this.setup.stats);
    shared[control.STAT_LARGEST_CLIENT] = 0;
    const othersBytes = control.mostOf(stats, control.STAT_LARGEST_CLIENT);
    shared[control.STAT_LARGEST_CLIENT] = largestBytes(sessions);
    shared[control.STAT_CLIENT_BYTES] = bytes;
    if (limits.allBytes === 0) return;
    const chosen = clientsToEvict(sessions, control.totalOf(stats, control.STAT_CLIENT_BYTES), limits.allBytes, othersBytes);
    if (chosen.length > 0) shared[control.STAT_LARGEST_CLIENT] = largestBytes([...sessions].filter((each) => !chosen.includes(each)));
    for (const session of chosen) {
      shared[control.STAT_CLIENT_BYTES]! -= session.bufferedBytes;
      shared[control.STAT_EVICTED_CLIENTS]!++;
      this.closeForLimit(session, `it keeps ${session.bufferedBytes} bytes in buffers, and all clients more than maxmemory-clients allows`);
    }
  }
  private closeForLimit(session: ClientSession, why: string): void {
    this.post({ type: 'log', level: 'debug', message: `Client ${session.id} at ${session.peerAddress} is closed: ${why}` });
    session.close(false);
  }
  private publish(): void {
    const { shared, keyspace, stats } = this;
    shared[control.STAT_COMMANDS] = this.commands;
    shared[control.STAT_CONNECTIONS] = this.connections;
    shared[control.STAT_CLIENTS] = this.sessions.size;
    if (this.sessions.size === 0) {
      shared[control.STAT_CLIENT_BYTES] = 0;
      shared[control.STAT_LARGEST_CLIENT] = 0;
    }
    shared[control.STAT_BLOCKED] = this.blocked.count;
    shared[control.STAT_INPUT_BYTES] = stats.inputBytes;
    shared[control.STAT_OUTPUT_BYTES] = stats.outputBytes;
    shared[control.STAT_HITS] = keyspace.hits;
    shared[control.STAT_MISSES] = keyspace.misses;
    shared[control.STAT_EXPIRED] = keyspace.expired;
    shared[control.STAT_ERRORS] = this.context.reply.errorCount;
  }
  resetStats(): void {
    this.commands = 0;
    this.connections = 0;
    this.shared[control.STAT_MOVED] = 0;
    this.shared[control.STAT_REJECTED] = 0;
    this.shared[control.STAT_EVICTED_CLIENTS] = 0;
    this.stats.inputBytes = 0;
    this.stats.outputBytes = 0;
    this.keyspace.hits = 0;
    this.keyspace.misses = 0;
    this.keyspace.expired = 0;
    this.context.reply.errorCount = 0;
    this.errorsSeen = 0;
    this.commandStats.reset();
    this.publish();
  }

  // ---- the sessions' thread ----

  get holdsReplies(): boolean {
    return this.keyspace.control[layout.GLOBAL_FSYNC] === layout.FSYNC_ALWAYS;
  }
  hold(session: ClientSession): void {
    this.durable.hold(session);
  }

  park(session: ClientSession): void {
    this.parked.push(session);
    this.reactor.askTurn();
  }
  moved(session: ClientSession, target: number, client: MovedClient): void {
    this.sessions.delete(session);
    this.shared[control.STAT_MOVED]!++;
    this.post({ type: 'move', target, client });
  }
  private adopt(client: MovedClient): void {
    this.reactor.adopt(client.connection, (transport) => {
      const session = new ClientSession(client.state.id, this, transport, client.state.authenticated);
      this.sessions.add(session);
      session.become(client);
      return session;
    });
  }
  closed(session: ClientSession): void {
    this.blocked.closed(session);
    this.sessions.delete(session);
    Atomics.sub(this.keyspace.control, layout.GLOBAL_CLIENTS, 1);
  }
  /** The first bytes of a session in this turn are about to be served: time counts from here. */
  startTiming(): void {
    if (this.isTiming) return;
    this.isTiming = true;
    // The thread may have slept since the last turn: what is over by now is over for these commands.
    this.keyspace.nowMs = Date.now();
    this.runStartedMs = performance.now();
  }
  /** A command has replied. Brief commands are timed in runs, as reading the clock costs as much as they do. */
  finished(): void {
    this.commands++;
    const { context } = this;
    const { command, reply } = context;
    if (reply.errorCount !== this.errorsSeen) this.countError(command, context.isRejected);
    if (command === null || context.isRejected) return;
    this.run[this.runLength++] = command.index;
    this.runBytes += reply.length;
    if (!command.isBrief || this.runLength === this.longestRun || this.runBytes > MAX_RUN_BYTES) this.settle();
  }
  collectMore(context: CommandContext): boolean {
    return this.scripts.collectMore(context);
  }
  submitScripts(session: ClientSession): void {
    this.scripts.submit(session);
  }
  /** Gives the commands of the run their time, in equal parts: the next one has the clock to itself. */
  settle(): void {
    const { runLength } = this;
    if (runLength === 0) return;
    const now = performance.now();
    const tookMs = now - this.runStartedMs;
    const each = (tookMs / runLength) * 1000;
    for (let index = 0; index < runLength; index++) this.commandStats.ran(this.run[index] as number, each);
    this.inline.took(tookMs / runLength);
    (this.context.client as ClientSession).servedMs += tookMs;
    this.runStartedMs = now;
    this.runLength = 0;
    this.runBytes = 0;
    if (tookMs >= this.watchedMs) this.noteSlow(COMMANDS[this.run[runLength - 1] as number] as CommandDescriptor, tookMs);
  }
  private noteSlow(last: CommandDescriptor, tookMs: number): void {
    const { context } = this;
    // At the boundary before a command that isn't fast, the arguments are that one's already.
    if (tookMs >= this.slowerThanMs && context.command === last) this.slowlog.add(context, context.client, tookMs * 1000);
    if (tookMs >= SLOW_MS && !last.isFast && this.spread !== null) {
      this.spread.hasHeavy = true;
      (context.client as ClientSession).noteSlow(this.keyspace.nowMs);
    }
    if (tookMs >= this.latency.thresholdMs) {
      this.latency.note(last.isFast ? 'fast-command' : 'command', this.keyspace.nowMs, tookMs);
    }
  }
  /** Counts the error replied last, of a command or (null) of none. */
  private countError(command: CommandDescriptor | null, wasRejected: boolean): void {
    const { reply } = this.context;
    if (reply.errorCount === this.errorsSeen) return;
    this.errorsSeen = reply.errorCount;
    if (command === null) this.commandStats.countError(reply.lastError);
    else this.commandStats.erred(command.index, reply.lastError, wasRejected);
  }
  refused(): void {
    this.countError(null, true);
  }

  // ---- services for handlers ----

  defer(ctx: CommandContext, request: ControlRequest, finish: (ctx: CommandContext, answer: unknown) => void): void {
    if (ctx.deferred !== null) {
      ctx.deferred.push({ at: ctx.reply.length, request, finish });
      return;
    }
    const session = ctx.client as ClientSession;
    session.wait();
    const id = ++this.nextRequest;
    this.waiting.set(id, { session, command: ctx.command, finish });
    this.post({ type: 'request', id, request });
  }
  get reactorKind(): string {
    return this.reactor.kind;
  }
  /** Reactors that clients are gathered on at the moment. */
  get activeReactors(): number {
    return this.spread === null ? this.config.getNumber('io-threads') : Atomics.load(this.keyspace.control, layout.GLOBAL_ACTIVE_REACTORS);
  }
  get startedMs(): number {
    return this.setup.startedMs;
  }
  peakBytes(): number {
    return control.totalOf(new Float64Array(this.setup.stats), control.STAT_PEAK_BYTES);
  }
  block(ctx: CommandContext, request: BlockRequest): void {
    this.blocked.block(ctx, ctx.client as ClientSession, request);
  }
  log(message: string): void {
    this.post({ type: 'log', level: 'info', message });
  }
  describeErrno(errno: number): string {
    // Older Nodes, on which programs that embed the server may run, know only the names.
    const describe: ((errno: number) => string) | undefined = util.getSystemErrorMessage;
    return (describe ?? util.getSystemErrorName)(-errno);
  }
  waitForLog(ctx: CommandContext, deadlineMs: number, finish: (ctx: CommandContext, isSettled: boolean) => void): boolean {
    const session = ctx.client as ClientSession;
    this.keyspace.log?.publish();
    if (this.isLogged(ctx)) return false;
    this.durable.wait(session, session.lastWrite, deadlineMs, finish);
    return true;
  }
  isLogged(ctx: CommandContext): boolean {
    const session = ctx.client as ClientSession;
    return !session.hasWritten || (this.keyspace.log as EffectLog).ring.isSettled(session.lastWrite);
  }
  idleSeconds(stamp: number): number {
    const now = Math.floor(this.keyspace.nowMs / 1000);
    return Math.max(0, now - secondOf(new Int32Array(this.setup.lruClock), stamp, now));
  }
  info(sections: string[]): string {
    this.publish();
    return buildInfo(this, sections);
  }

  private onMessage(message: Message): void {
    this.keyspace.nowMs = Date.now();
    if (message.type === 'answer') {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      waiting?.session.resume((ctx) => {
        waiting.finish(ctx, message.answer);
        this.countError(waiting.command, false);
      });
    } else if (message.type === 'adopt') {
      this.adopt(message.client);
    } else if (message.type === 'order') {
      const result = this.obey(message.order);
      if (message.order.kind !== 'stop') this.post({ type: 'done', id: message.id, result });
    }
    this.reactor.askTurn();
  }
  private obey(order: { kind: string; [field: string]: unknown }): unknown {
    switch (order.kind) {
      case 'client-list':
        return among(this.sessions, order['only']).map((session) => [session.id, session.describe()]);
      case 'client-kill':
        return killClients(among(this.sessions, order['only']), order.filter as KillFilter);
      case 'client-unblock':
        return [...this.sessions].some((session) => session.id === order.id && this.blocked.unblock(session, order.withError as boolean));
      case 'config':
        this.config.set(order.pairs as [string, string][]);
        this.applyConfig();
        this.reactor.setKeepalive(this.config.getNumber('tcp-keepalive'));
        return null;
      case 'resetstat':
        this.resetStats();
        return null;
      case 'latency-events':
        return this.latency.list();
      case 'latency-reset':
        return this.latency.reset(order.names as string[]);
      case 'slowlog-get':
        return this.slowlog.entries();
      case 'slowlog-reset':
        this.slowlog.reset();
        return null;
      case 'stop':
        this.beginStop(order['milliseconds'] as number);
        return null;
      default:
        throw new Error('an order that no reactor knows');
    }
  }
}

function refuse(session: ClientSession, transport: Transport, line: string): void {
  const bytes = Buffer.from(line, 'latin1');
  transport.write(bytes, 0, bytes.length);
  session.close(true);
}
function isLocal(address: string): boolean {
  return address.startsWith('127.') || address.startsWith('[::1]') || address.startsWith('[::ffff:127.') || address.endsWith(':0');
}

attachAll();
const thread = new ReactorThread(workerData as ThreadSetup);
thread.start().catch((error: Error) => {
  if (thread.isListening) throw error;
  (workerData as ThreadSetup).port.postMessage({ type: 'failed', message: error.message });
});
