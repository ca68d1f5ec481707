/**
 * One client's connection above a reactor: bytes to requests, requests to the executor, replies to the transport.
 * A request that can't run now (a latch is taken, clients are paused, an answer of another thread is awaited) parks the session:
 * what has arrived stays in `held`, and the reactor goes on with the others.
 */
import { type CommandContext, UNKNOWN } from '../commands/context.ts';
import { execute, PARK } from '../commands/executor.ts';
import { type Lookahead, MIN_LOOKAHEAD_BYTES } from '../commands/lookahead.ts';
import type { ClientState } from '../commands/services.ts';
import type { Transaction } from '../commands/transaction.ts';
import { COMPLETE, INCOMPLETE, RequestParser } from '../resp/request.ts';
import type { Answer } from '../scripting/jobs.ts';
import { HeldReplies } from './held-replies.ts';
import { giveBack, takeBuffer } from './spare-buffers.ts';
import type { MovedConnection, Session, Transport } from './transport.ts';

/** A reply buffer is handed to the transport when it has grown to this, so that a long pipeline needs no huge one. */
const FLUSH_BYTES = 131072;
/** A client that leaves so much unread is not read from until it has taken it. */
const BACKPRESSURE_BYTES = 1048576;

const RUNNING = 0;
const PARKED = 1;
const WAITING = 2;
const BLOCKED = 3;
/** The job that scripts of this client go into is being put together. */
const COLLECTING = 4;
/** Scripts run; what else the client sends is read and kept. */
const SCRIPT = 5;

/** What a session needs of the thread it lives on. */
export interface SessionThread {
  readonly context: CommandContext;
  readonly parser: RequestParser;
  readonly lookahead: Lookahead;
  readonly stats: ThreadStats;
  maxQueryBytes: number;
  outputLimitBytes: number;
  park(session: ClientSession): void;
  closed(session: ClientSession): void;
  /** Statistics and the slow log: before a session's bytes are served, after each command, and after the bytes. */
  startTiming(): void;
  finished(): void;
  settle(): void;
  /** Scripts that come in a row: adds the request in the context to the job; false when it has to wait. */
  collectMore(context: CommandContext): boolean;
  submitScripts(session: ClientSession): void;
  /** After a protocol error was replied. */
  refused(): void;
  /** True when replies to writes wait for the disk: appendfsync always. */
  readonly holdsReplies: boolean;
  /** Calls `release` of the session when the disk has more. */
  hold(session: ClientSession): void;
  /** The session is over here; its client is served by reactor `target` from here on. */
  moved(session: ClientSession, target: number, client: MovedClient): void;
}
export interface ThreadStats {
  inputBytes: number;
  outputBytes: number;
}

/** What makes a session that is at rest; the rest of it is as in a new one. */
const MOVED_FIELDS = [
  'id',
  'name',
  'libName',
  'libVersion',
  'user',
  'database',
  'resp',
  'authenticated',
  'noTouch',
  'noEvict',
  'replyMode',
  'createdMs',
  'lastCommandMs',
  'lastCommand',
  'inputBytes',
  'outputBytes',
  'commands',
  'lastWrite',
  'hasWritten',
  'heavyUntilMs',
  'sharedUntilMs',
  'activity',
] as const satisfies (keyof ClientSession)[];
/** A client on its way from one reactor to another, as a message. */
export type MovedClient = {
  readonly connection: MovedConnection;
  readonly state: Pick<ClientSession, (typeof MOVED_FIELDS)[number]>;
  /** The beginning of a request whose rest is to come. */
  readonly held: Uint8Array | null;
};
/** Who has sent more of a request than this stays until the rest is there. */
const MOVED_BYTES = 65536;
/** So long a client counts as a heavy one, from its second slow command on. */
const HEAVY_MS = 10_000;

export class ClientSession implements Session, ClientState {
  id: number;
  name = '';
  libName = '';
  libVersion = '';
  user = 'default';
  database = 0;
  resp: 2 | 3 = 2;
  authenticated: boolean;
  noTouch = false;
  noEvict = false;
  replyMode: 'on' | 'off' | 'skip' | 'skipping' = 'on';
  createdMs: number;
  lastCommandMs: number;
  lastCommand = 'NULL';
  closing = false;
  inputBytes = 0;
  outputBytes = 0;
  commands = 0;
  /** Position in the log behind this client's last write; meant only with `hasWritten`. */
  lastWrite = 0;
  hasWritten = false;
  transaction: Transaction | null = null;
  /** Until when its commands are taken for slow ones. */
  heavyUntilMs = 0;
  /** Until when it's treated as any other all the same. */
  sharedUntilMs = 0;
  /** What its commands took on this reactor since the connections were spread last. */
  servedMs = 0;
  private lastSlowMs = 0;

  private readonly thread: SessionThread;
  private readonly transport: Transport;
  private held: Buffer | null = null;
  private heldStart = 0;
  private heldEnd = 0;
  private wanted = 0;
  /** Keeps the place in a request that arrives in many pieces. */
  private own: RequestParser | null = null;
  private state = RUNNING;
  private isReading = true;
  private isClosed = false;
  /** For limits of time: bytes moved so far and when that last changed, and since when too much output waits (0: it doesn't). */
  readonly activity: { progress: number; progressMs: number; overSinceMs: number };
  private hasEnded = false;
  /** Since the last flush it has written what must be on the disk before its reply goes. */
  private hasReplyToHold = false;
  private readonly heldReplies: HeldReplies;

  constructor(id: number, thread: SessionThread, transport: Transport, authenticated: boolean) {
    this.id = id;
    this.thread = thread;
    this.transport = transport;
    this.heldReplies = new HeldReplies(transport);
    this.authenticated = authenticated;
    this.createdMs = Date.now();
    this.lastCommandMs = this.createdMs;
    this.activity = { progress: 0, progressMs: this.createdMs, overSinceMs: 0 };
  }
  get pendingBytes(): number {
    return this.transport.pendingBytes;
  }
  /** What it keeps in buffers: the part of a request that has come, what is queued behind MULTI, replies that it hasn't taken. */
  get bufferedBytes(): number {
    return this.heldEnd - this.heldStart + (this.transaction?.queuedBytes ?? 0) + this.pendingBytes;
  }
  /** False while a request waits for something else than its client. */
  get isServed(): boolean {
    return this.state === RUNNING;
  }
  get peerAddress(): string {
    return this.transport.peerAddress;
  }
  get localAddress(): string {
    return this.transport.localAddress;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.closing) return;
    this.inputBytes += end - start;
    this.thread.stats.inputBytes += end - start;
    if (this.held === null && this.state === RUNNING) {
      const used = this.serve(bytes, start, end, this.thread.parser);
      if (used < end && !this.closing) this.hold(bytes, used, end);
    } else {
      this.hold(bytes, start, end);
      if (this.state === RUNNING) this.serveHeld();
    }
    this.flush();
  }

  /** Keeps bytes for later, behind those that are kept already. Room doubles, so a long value isn't copied over and over. */
  private hold(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    const kept = this.heldEnd - this.heldStart;
    if (kept + size > this.thread.maxQueryBytes) {
      this.transport.destroy();
      return;
    }
    if (this.held !== null && this.heldEnd + size > this.held.length && kept + size <= this.held.length) {
      // A stream of requests: what is left of the last one goes to the front, and the buffer serves on.
      this.held.copyWithin(0, this.heldStart, this.heldEnd);
      if (this.heldStart !== 0) this.own = null;
      this.heldStart = 0;
      this.heldEnd = kept;
    } else if (this.held === null || this.heldEnd + size > this.held.length) {
      const room = Math.max(kept + size * 2, this.wanted, Math.min(kept * 2, kept + 67108864), 4096);
      const larger = takeBuffer(room);
      if (this.held !== null) {
        this.held.copy(larger, 0, this.heldStart, this.heldEnd);
        giveBack(this.held);
      }
      if (this.own !== null && this.heldStart !== 0) this.own = null;
      this.held = larger;
      this.heldStart = 0;
      this.heldEnd = kept;
    }
    bytes.copy(this.held, this.heldEnd, start, end);
    this.heldEnd += size;
  }

  private serveHeld(): void {
    if (this.held === null || this.heldEnd - this.heldStart < this.wanted) return;
    if (this.own === null) this.own = new RequestParser();
    const used = this.serve(this.held, this.heldStart, this.heldEnd, this.own);
    this.heldStart = used;
    if (used !== this.heldEnd && !this.closing) return;
    giveBack(this.held);
    this.held = null;
    this.own = null;
    this.heldStart = 0;
    this.heldEnd = 0;
    this.wanted = 0;
  }

  /** Runs the requests in the bytes, and returns where the first one begins that wasn't run. */
  private serve(bytes: Buffer, start: number, end: number, parser: RequestParser): number {
    const { context, lookahead } = this.thread;
    const { keyspace, reply } = context;
    this.takeThread(context, parser);
    let at = start;
    const log = keyspace.log?.ring;
    let appends = log?.appends;
    this.thread.startTiming();
    while (at < end) {
      let next = 0;
      if (lookahead.isSpent) {
        // The parser is about to write over the arguments of what has run, which the slow log may want.
        if (at > start) this.thread.settle();
        if (end - at >= MIN_LOOKAHEAD_BYTES && parser.isAtRest) lookahead.read(parser, bytes, at, end, this.database);
      }
      if (!lookahead.isSpent) {
        next = lookahead.take(context);
      } else {
        const status = parser.parse(bytes, at, end);
        if (status !== COMPLETE) {
          this.stopParsing(status, parser);
          break;
        }
        next = parser.next;
        if (parser.argc === 0) {
          at = next;
          continue;
        }
        context.take(parser);
      }
      keyspace.nextStamp();
      if (this.state === COLLECTING) {
        if (!this.collectMore(parser)) break;
        at = next;
        continue;
      }
      const begin = reply.length;
      if (execute(context) === PARK) {
        parser.restart();
        this.state = PARKED;
        this.thread.park(this);
        break;
      }
      at = next;
      if (log !== undefined && log.appends !== appends) {
        appends = log.appends;
        this.wrote(log.position);
      }
      if (this.replyMode !== 'on' && this.isRunning()) this.mute(begin);
      this.commands++;
      this.thread.finished();
      if (this.closing || (this.state !== RUNNING && !this.isCollecting())) break;
      if (reply.length >= FLUSH_BYTES) {
        this.thread.settle();
        this.flush();
        if (this.transport.pendingBytes > BACKPRESSURE_BYTES) break;
      }
    }
    lookahead.end();
    context.named = UNKNOWN;
    if (this.isCollecting()) this.submit();
    this.thread.settle();
    this.lastCommandMs = keyspace.nowMs;
    if (context.command !== null) this.lastCommand = context.command.name;
    return at;
  }

  /** The thread's context and parser serve this client now. */
  private takeThread(context: CommandContext, parser: RequestParser): void {
    this.wanted = 0;
    parser.authenticated = this.authenticated;
    parser.maxBulkLengthBytes = context.server.maxBulkLengthBytes;
    context.client = this;
    context.database = this.database;
    context.reply.resp = this.resp;
    context.keyspace.touching = !this.noTouch;
  }
  /** The rest of a request is to come, or what came is none. */
  private stopParsing(status: number, parser: RequestParser): void {
    if (status === INCOMPLETE) {
      this.wanted = parser.wanted;
      if (parser !== this.own) parser.restart();
      return;
    }
    this.thread.context.reply.error(`ERR ${parser.error}`);
    this.thread.refused();
    this.closing = true;
  }

  /** Takes the parsed request into the job, if it's a script; else it's parsed again when the job is done. */
  private collectMore(parser: RequestParser): boolean {
    const isTaken = this.thread.collectMore(this.thread.context);
    if (isTaken) {
      this.commands++;
      this.thread.finished();
    } else parser.restart();
    return isTaken;
  }
  /** No more scripts come right behind: the job is sent. */
  private submit(): void {
    this.state = SCRIPT;
    this.thread.submitScripts(this);
  }

  /** CLIENT REPLY: what a command wrote is taken back. */
  private mute(begin: number): void {
    this.thread.context.reply.length = begin;
    if (this.replyMode === 'skip') this.replyMode = 'skipping';
    else if (this.replyMode === 'skipping') this.replyMode = 'on';
  }

  private flush(): void {
    const { reply } = this.thread.context;
    if (reply.length > 0) {
      this.outputBytes += reply.length;
      this.thread.stats.outputBytes += reply.length;
      const before = this.transport.writtenBytes;
      this.transport.write(reply.buffer, 0, reply.length);
      reply.reset();
      if (this.hasReplyToHold) {
        this.hasReplyToHold = false;
        if (this.heldReplies.hold(before, this.lastWrite)) this.thread.hold(this);
      }
    }
    if (this.hasEnded && (this.state === RUNNING || this.state === BLOCKED)) this.closing = true;
    if (this.closing) {
      this.transport.closeAfterFlush();
      return;
    }
    const pending = this.transport.pendingBytes;
    if (this.thread.outputLimitBytes > 0 && pending > this.thread.outputLimitBytes) {
      this.transport.destroy();
      return;
    }
    // A client that waits for a key is read from, so that its going is noticed; one whose scripts run, as that is over soon.
    const isOpen = this.state === RUNNING || this.state === BLOCKED || (this.state === SCRIPT && this.heldEnd < BACKPRESSURE_BYTES);
    const reads = pending <= BACKPRESSURE_BYTES && isOpen;
    if (reads !== this.isReading) {
      this.isReading = reads;
      if (reads) this.transport.resumeReading();
      else this.transport.pauseReading();
    }
  }

  /** A request that has begun isn't done: it's parked, or its reply waits for the disk. */
  get isBusy(): boolean {
    return !this.isClosed && (this.state === PARKED || this.state === SCRIPT || this.heldReplies.isHeld);
  }

  /** A command of this client is in the log, up to `position`. */
  wrote(position: number): void {
    this.lastWrite = position;
    this.hasWritten = true;
    this.hasReplyToHold = this.thread.holdsReplies;
  }
  /** Sends what the disk has; true when replies still wait. */
  release(isSettled: (position: number) => boolean): boolean {
    return !this.isClosed && this.heldReplies.release(isSettled);
  }

  onEnd(): void {
    // A request that is parked or waits for another thread is still answered.
    this.hasEnded = true;
    this.flush();
  }
  onDrain(): void {
    if (this.isClosed || this.closing) return;
    if (this.state === RUNNING && this.held !== null) this.serveHeld();
    this.flush();
  }

  // ---- from one reactor to another ----

  private movesTo = -1;

  /** Nothing of this client is under way here but a short part of a request: no transaction, no reply that waits for anything. */
  get canMove(): boolean {
    const { transaction } = this;
    const isWaiting = this.state !== RUNNING || this.heldReplies.isHeld || this.hasReplyToHold;
    const isAtRest = !isWaiting && this.heldEnd - this.heldStart <= MOVED_BYTES;
    return isAtRest && !this.closing && !this.hasEnded && !transaction?.isOpen && (transaction?.watched ?? 0) === 0;
  }
  /** Goes to reactor `target` when what was written so far is sent, if it's at rest then too. False: it stays, or is going already. */
  move(target: number): boolean {
    if (!this.canMove) return false;
    this.movesTo = target;
    return this.transport.leave();
  }
  onQuiet(connection: MovedConnection): boolean {
    const target = this.movesTo;
    if (!this.canMove || this.isClosed) return false;
    this.isClosed = true;
    const state = Object.fromEntries(MOVED_FIELDS.map((name) => [name, this[name]])) as MovedClient['state'];
    // A copy of its own: a message would carry all of the memory that a view shows a part of.
    const held = this.held === null ? null : new Uint8Array(this.held.subarray(this.heldStart, this.heldEnd));
    this.held = null;
    this.thread.moved(this, target, { connection, state, held });
    return true;
  }
  /** Goes on as the client that came from another reactor. */
  become({ state, held }: MovedClient): void {
    Object.assign(this, state);
    if (held === null || held.length === 0) return;
    this.hold(Buffer.from(held.buffer, held.byteOffset, held.length), 0, held.length);
    this.serveHeld();
    this.flush();
  }
  /** One of its commands was slow. */
  noteSlow(nowMs: number): void {
    if (nowMs - this.lastSlowMs < HEAVY_MS) this.heavyUntilMs = nowMs + HEAVY_MS;
    this.lastSlowMs = nowMs;
  }

  /** Tries the parked request again. */
  retry(): void {
    if (this.isClosed || this.state !== PARKED) return;
    this.state = RUNNING;
    this.wanted = 0;
    this.serveHeld();
    this.flush();
  }

  /** The command that runs waits for an answer of another thread. */
  wait(): void {
    this.state = WAITING;
  }
  /** The command that runs waits for a key. */
  block(): void {
    this.state = BLOCKED;
  }
  get isBlocked(): boolean {
    return this.state === BLOCKED;
  }
  /** The answer is there: `finish` writes the reply, and the client is served on. */
  resume(finish: (context: CommandContext) => void): void {
    if (this.isClosed || (this.state !== WAITING && this.state !== BLOCKED)) return;
    const { context } = this.thread;
    const { log } = context.keyspace;
    // What it was given is in the log by now, written there by another client's thread.
    if (this.state === BLOCKED && log !== null && log.isOn) this.wrote(log.ring.tail);
    this.state = RUNNING;
    context.client = this;
    context.database = this.database;
    context.reply.resp = this.resp;
    const begin = context.reply.length;
    finish(context);
    if (this.replyMode !== 'on') this.mute(begin);
    // What was answered may be one part of a transaction, and the next part be asked for already.
    if (!this.closing && this.isRunning()) this.serveHeld();
    this.flush();
  }
  /** The request that runs is a script: it's put into a job, with those that come right behind it. */
  collect(): void {
    this.state = COLLECTING;
  }
  private isCollecting(): boolean {
    return this.state === COLLECTING;
  }
  /** The client's scripts are on their way. */
  awaitScripts(): void {
    this.state = SCRIPT;
  }
  /** The replies of the client's scripts are there. */
  answered(answer: Answer): void {
    if (this.isClosed || this.state !== SCRIPT) return;
    const { context } = this.thread;
    this.state = RUNNING;
    if (answer.database >= 0) this.database = answer.database;
    context.client = this;
    context.database = this.database;
    context.reply.resp = this.resp;
    const begin = context.reply.length;
    context.reply.raw(answer.bytes, answer.start, answer.end);
    if (answer.hasPosition) this.wrote(answer.position);
    if (this.replyMode !== 'on') this.mute(begin);
    if (!this.closing) this.serveHeld();
    this.flush();
  }
  private isRunning(): boolean {
    return this.state === RUNNING;
  }

  /** CLIENT KILL, a shutdown: what is pending is sent first if `politely`. */
  close(politely: boolean): void {
    this.closing = true;
    if (politely) this.transport.closeAfterFlush();
    else this.transport.destroy();
  }
  onClose(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.held = null;
    this.transaction?.reset(this.thread.context.keyspace);
    this.thread.closed(this);
  }

  /** CLIENT LIST's letters, in Redis's order. */
  private get flags(): string {
    const letters: [string, boolean][] = [
      ['x', this.transaction?.isOpen === true],
      ['b', this.isBlocked],
      ['c', this.closing],
      ['e', this.noEvict],
      ['T', this.noTouch],
    ];
    const set = letters.filter(([, isSet]) => isSet).map(([letter]) => letter);
    return set.join('') || 'N';
  }
  describe(): string {
    const now = Date.now();
    const age = Math.floor((now - this.createdMs) / 1000);
    const idle = Math.floor((now - this.lastCommandMs) / 1000);
    const kept = this.heldEnd - this.heldStart;
    const { transaction } = this;
    const { context } = this.thread;
    const lastCommand = context.client === this ? (context.command?.name ?? this.lastCommand) : this.lastCommand;
    const multi = transaction?.isOpen ? transaction.count : -1;
    return (
      `id=${this.id} addr=${this.peerAddress} laddr=${this.localAddress} fd=${this.transport.id} name=${this.name} age=${age} ` +
      `idle=${idle} flags=${this.flags} db=${this.database} sub=0 psub=0 ssub=0 multi=${multi} watch=${transaction?.watched ?? 0} ` +
      `qbuf=${kept} qbuf-free=0 argv-mem=0 multi-mem=${transaction?.queuedBytes ?? 0} ` +
      `rbs=0 rbp=0 obl=0 oll=0 omem=${this.transport.pendingBytes} tot-mem=${this.bufferedBytes} events=r ` +
      `cmd=${lastCommand} user=${this.user} redir=-1 resp=${this.resp} lib-name=${this.libName} lib-ver=${this.libVersion}`
    );
  }
}
