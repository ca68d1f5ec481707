/**
 * The reactor on io_uring: the thread sleeps in io_uring_enter, which also hands over all that the last turn wrote. Accepts (of TCP) and
 * receives are multishot: asked for once, they complete again and again.
 *
 * A tag (what comes back with a completion) is place * 8 + operation; the place of a connection is taken by another only when all of its
 * operations have completed.
 */
import { chmodSync } from 'node:fs';
import { LINGER_MS, type MovedConnection, type Reactor, type ReactorHost, type Session, type Transport } from '../transport.ts';
import { ReceiveBuffers, SendSlots } from './buffers.ts';
import { check, libc, mapMemory } from './libc.ts';
import { OP_ACCEPT, OP_CANCEL, OP_CLOSE, OP_READ, OP_RECV, OP_SEND, OP_TIMEOUT, Ring } from './ring.ts';
import { boundPort, listenTcp, listenUnix, localAddress, peerAddress, setKeepalive } from './sockets.ts';

const ON_ACCEPT = 0;
const ON_RECEIVE = 1;
const ON_SEND = 2;
const ON_CLOSE = 3;
const ON_WAKE = 4;
const ON_NOTHING = 5;
const ON_LOOK = 6;
const TAG_SHIFT = 3;
const TAG_MASK = 7;

const ACCEPT_MULTISHOT = 1 << 16;
const RECV_MULTISHOT = 2 << 16;
const BUFFER_SELECT = (1 << 5) << 8;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_WAITALL = 0x100;
const MSG_DONTWAIT = 0x40;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
const CQE_BUFFER = 1;
const CQE_MORE = 2;
const ENOBUFS = -105;
const ECANCELED = -125;
const EAGAIN = -11;
const EFD_CLOEXEC = 0o2000000;
/** After a failed accept (no file descriptors left) the next try waits. */
const ACCEPT_RETRY_MS = 100;
const STOP_FLUSH_MS = 500;
/** In the page that the wake-up is read into: seconds and nanoseconds of OP_TIMEOUT. */
const LOOK_TIME_WORD = 16;
/** What is no longer than this is first tried without waiting for room, so that it completes while it's handed over. */
const SHORT_SEND_BYTES = 16384;
/** A thread that is told nothing looks up once a second all the same. */
const LOOK_SECONDS = 1;
const NO_SLOT = -1;
/** A connection that couldn't leave its reactor for so long stays, and is read from again. */
const LEAVE_MS = 100;

class Connection implements Transport {
  readonly id: number;
  readonly place: number;
  readonly peerAddress: string;
  readonly localAddress: string;
  session: Session | null = null;
  isReceiving = false;
  wantsReading = true;
  isSending = false;
  /** What is being sent counts in the reactor's `passingSends`. */
  private isPassing = false;
  isDirty = false;
  isClosing = false;
  isShutDown = false;
  writtenBytes = 0;
  private sentBytes = 0;
  private allowedBytes = Number.POSITIVE_INFINITY;
  /** The client has closed its side. */
  hasEnded = false;
  /** It's to go to another reactor as soon as nothing is under way on it. */
  isLeaving = false;
  /** Until when it may be leaving: nothing is read meanwhile. */
  leavesUntilMs = 0;
  /** When a connection that was closed politely is closed for good, whatever its client does. */
  lingersUntilMs = 0;
  private readonly reactor: UringReactor;
  /** Slots with bytes to send: the first one from `sendStart`, the last one up to `fillEnd`. Most connections have one at most. */
  private firstSlot = NO_SLOT;
  private readonly moreSlots: number[] = [];
  private sendStart = 0;
  private fillEnd = 0;
  /** Where the first slot ends when it isn't the last one. */
  private firstEnd = SendSlots.BYTES;

  constructor(reactor: UringReactor, place: number, { fd, peerAddress, localAddress }: MovedConnection) {
    this.reactor = reactor;
    this.id = fd;
    this.place = place;
    this.peerAddress = peerAddress;
    this.localAddress = localAddress;
  }
  get pendingBytes(): number {
    return this.firstSlot === NO_SLOT ? 0 : this.moreSlots.length * SendSlots.BYTES + this.fillEnd - this.sendStart;
  }
  allow(totalBytes: number): void {
    this.allowedBytes = totalBytes;
    this.endPassing();
    this.reactor.markDirty(this);
  }
  write(bytes: Buffer, start: number, end: number): void {
    if (this.isShutDown) return;
    this.writtenBytes += end - start;
    const { slots } = this.reactor;
    for (let at = start; at < end; ) {
      const slot = this.slotToFill();
      const size = Math.min(end - at, SendSlots.BYTES - this.fillEnd);
      bytes.copy(slots.bytesOf(slot), slots.startOf(slot) + this.fillEnd, at, at + size);
      this.fillEnd += size;
      at += size;
    }
    this.reactor.markDirty(this);
  }
  /** The last slot while it has room and isn't sent from (the kernel may hold its length already), else another one. */
  private slotToFill(): number {
    const { moreSlots } = this;
    if (this.firstSlot === NO_SLOT) {
      this.fillEnd = 0;
      this.firstSlot = this.reactor.slots.take();
      return this.firstSlot;
    }
    const isOnly = moreSlots.length === 0;
    if (this.fillEnd < SendSlots.BYTES && !(isOnly && this.isSending)) return isOnly ? this.firstSlot : (moreSlots.at(-1) as number);
    if (isOnly) this.firstEnd = this.fillEnd;
    this.endPassing();
    const fresh = this.reactor.slots.take();
    moreSlots.push(fresh);
    this.fillEnd = 0;
    return fresh;
  }
  /** What is being sent passes no longer: it has been sent, or something is to be done when it has. */
  endPassing(): void {
    if (!this.isPassing) return;
    this.isPassing = false;
    this.reactor.passingSends--;
  }
  private get firstFilled(): number {
    return this.moreSlots.length === 0 ? this.fillEnd : this.firstEnd;
  }

  /** Sends the first slot, unless one is under way; `waits` for room in the socket when there was none. */
  send(waits = false): void {
    if (this.isSending || this.firstSlot === NO_SLOT || this.isShutDown) return;
    const { reactor, sendStart } = this;
    const size = Math.min(this.firstFilled - sendStart, this.allowedBytes - this.sentBytes);
    if (size <= 0) return;
    this.isSending = true;
    const isShort = !waits && size <= SHORT_SEND_BYTES;
    this.isPassing = isShort && !this.isClosing && !this.isLeaving && this.wantsReading && this.moreSlots.length === 0;
    if (this.isPassing) reactor.passingSends++;
    const flags = isShort ? MSG_NOSIGNAL | MSG_DONTWAIT : MSG_NOSIGNAL | MSG_WAITALL;
    const address = reactor.slots.addressOf(this.firstSlot) + sendStart;
    reactor.ring.submit(OP_SEND, this.id, address, size, flags, (this.place << TAG_SHIFT) | ON_SEND);
  }
  sent(result: number): void {
    this.isSending = false;
    if (result < 0) {
      if (result === EAGAIN) {
        this.send(true);
        return;
      }
      this.dropOutput();
      this.destroy();
      return;
    }
    this.sendStart += result;
    this.sentBytes += result;
    if (this.sendStart === this.firstFilled) {
      this.reactor.slots.giveBack(this.firstSlot);
      this.firstSlot = this.moreSlots.length === 0 ? NO_SLOT : (this.moreSlots.shift() as number);
      this.sendStart = 0;
      this.firstEnd = SendSlots.BYTES;
    }
    if (this.firstSlot !== NO_SLOT) this.send();
    else if (this.isClosing) this.finish();
    else {
      this.session?.onDrain();
      if (this.isLeaving) this.leaveIfQuiet();
    }
  }
  dropOutput(): void {
    const { slots } = this.reactor;
    if (this.firstSlot !== NO_SLOT) slots.giveBack(this.firstSlot);
    for (const slot of this.moreSlots) slots.giveBack(slot);
    this.firstSlot = NO_SLOT;
    this.moreSlots.length = 0;
    this.sendStart = 0;
    this.fillEnd = 0;
  }

  pauseReading(): void {
    this.wantsReading = false;
    this.endPassing();
    if (this.isReceiving) this.reactor.cancelReceive(this);
  }
  resumeReading(): void {
    this.wantsReading = true;
    if (!this.isReceiving && !this.isShutDown) this.reactor.receive(this);
  }
  leave(): boolean {
    // What was sent in an earlier turn and isn't done waits for the client to read.
    if (this.isLeaving || this.isClosing || this.isSending) return false;
    this.isLeaving = true;
    this.reactor.awaitLeave(this);
    if (this.isReceiving) this.reactor.cancelReceive(this);
    else this.leaveIfQuiet();
    return true;
  }
  /** It has taken too long: the client may be one that reads when it has written all, and waits to be read from. */
  stay(): void {
    if (!this.isLeaving) return;
    this.isLeaving = false;
    if (!this.hasEnded) this.reactor.receive(this);
  }
  /** No operation is under way and nothing waits to be sent: now or never. */
  leaveIfQuiet(): void {
    if (this.isReceiving || this.isSending || this.firstSlot !== NO_SLOT) return;
    this.isLeaving = false;
    if (this.hasEnded) return;
    const { id: fd, peerAddress, localAddress } = this;
    if (this.session?.onQuiet({ fd, peerAddress, localAddress })) {
      this.isShutDown = true;
      this.session = null;
      this.reactor.forget(this);
    } else this.reactor.receive(this);
  }
  closeAfterFlush(): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.isLeaving = false;
    this.endPassing();
    if (this.firstSlot === NO_SLOT) this.finish();
  }
  /** Everything is sent: tells the client so, and waits for it to close. */
  private finish(): void {
    if (this.isShutDown || this.lingersUntilMs !== 0) return;
    if (this.hasEnded) {
      this.destroy();
      return;
    }
    this.lingersUntilMs = this.reactor.linger(this);
    libc.shutdown(this.id, SHUT_WR);
    this.resumeReading();
  }
  destroy(): void {
    this.isClosing = true;
    this.isLeaving = false;
    if (this.isShutDown) return;
    this.isShutDown = true;
    if (!this.isSending) this.dropOutput();
    if (this.isReceiving || this.isSending) {
      // A call, not a ring operation: the ring does it in a worker of the kernel's and looks the descriptor up only there, when the next
      // connection may have it already.
      libc.shutdown(this.id, SHUT_RDWR);
    } else {
      this.reactor.close(this);
    }
  }
}

type Listener = { fd: number; path: string };

export class UringReactor implements Reactor {
  readonly kind = 'io_uring';
  readonly wakeFd: number;
  readonly ring: Ring;
  readonly slots = new SendSlots();
  private readonly host: ReactorHost;
  private readonly received: ReceiveBuffers;
  private readonly wakeMemory = mapMemory(4096);
  private readonly connections: (Connection | null)[] = [];
  private readonly freePlaces: number[] = [];
  private readonly listeners: Listener[] = [];
  /** Connections that have something to send: the first `dirtyCount` of these. */
  private readonly dirty: Connection[] = [];
  private dirtyCount = 0;
  private starving: Connection[] = [];
  /** On their way to other reactors, or there, in the order of their deadlines. */
  private leaving: Connection[] = [];
  /** Closed politely, in the order of their deadlines. */
  private lingering: Connection[] = [];
  private again = false;
  /** Sends under way that the kernel completes while they are handed over, and that nobody waits for. */
  passingSends = 0;
  private turnDueMs = Number.POSITIVE_INFINITY;
  private acceptDueMs = Number.POSITIVE_INFINITY;
  private idleListeners: number[] = [];
  private stopDueMs = Number.POSITIVE_INFINITY;
  private isStopped = false;

  /** Throws when the kernel refuses io_uring or a feature of it that is needed. */
  constructor(host: ReactorHost) {
    this.host = host;
    this.ring = new Ring();
    this.received = new ReceiveBuffers(this.ring);
    this.wakeFd = check(libc.eventfd(0, EFD_CLOEXEC), 'eventfd');
    this.awaitWake();
    this.lookLater();
  }

  readonly canMove = true;

  async listen(host: string, port: number, backlog: number, keepaliveSeconds: number): Promise<number> {
    const fd = listenTcp(host === 'localhost' ? '127.0.0.1' : host, port, backlog, keepaliveSeconds);
    this.addListener({ fd, path: '' });
    return boundPort(fd);
  }
  setKeepalive(seconds: number): void {
    for (const { fd, path } of this.listeners) if (path === '') setKeepalive(fd, seconds);
  }
  async listenUnix(path: string, mode: number, backlog: number): Promise<number> {
    const fd = listenUnix(path, backlog);
    if (mode !== 0) chmodSync(path, mode);
    this.addListener({ fd, path });
    return fd;
  }
  /** Threads have their descriptors in common; one of its own lets this reactor close it when it likes. */
  shareUnix(path: string, fd: number): void {
    this.addListener({ fd: check(libc.dup(fd), `listening on ${path}`), path });
  }
  private addListener(listener: Listener): void {
    this.listeners.push(listener);
    this.accept(this.listeners.length - 1);
  }
  private accept(index: number): void {
    const { fd, path } = this.listeners[index] as Listener;
    // The kernel wakes the first who waits for a Unix socket, which all reactors have in common. Whoever has accepted waits anew, behind
    // the others, so they take turns.
    const operation = path === '' ? OP_ACCEPT | ACCEPT_MULTISHOT : OP_ACCEPT;
    this.ring.submit(operation, fd, 0, 0, SOCK_CLOEXEC, (index << TAG_SHIFT) | ON_ACCEPT);
  }
  private awaitWake(): void {
    this.ring.submit(OP_READ, this.wakeFd, this.wakeMemory.address, 8, 0, ON_WAKE);
  }

  private lookLater(): void {
    const { words, address } = this.wakeMemory;
    words[LOOK_TIME_WORD] = LOOK_SECONDS;
    this.ring.submit(OP_TIMEOUT, -1, address + LOOK_TIME_WORD * 4, 1, 0, ON_LOOK);
  }

  run(): void {
    const take = (tag: number, result: number, flags: number): void => this.complete(tag, result, flags);
    while (!this.isStopped) {
      this.enter();
      this.ring.drain(take);
      this.overdue();
      this.again = this.host.onTurn() || this.again;
      const { dirty, dirtyCount } = this;
      this.dirtyCount = 0;
      for (let index = 0; index < dirtyCount; index++) {
        const connection = dirty[index] as Connection;
        connection.isDirty = false;
        connection.send();
      }
    }
    for (const { fd } of this.listeners) {
      // The ring's accept keeps a closed listener open, and the port with it, until the kernel has got round to ending the ring.
      libc.shutdown(fd, SHUT_RDWR);
      libc.close(fd);
    }
    for (const connection of this.connections) if (connection !== null) libc.close(connection.id);
    // The eventfd stays: other threads may still write to it. Whoever ends them all closes it.
    this.ring.close();
  }
  /** When the thread must look up at the latest, Infinity when only a completion can bring work. */
  private get dueMs(): number {
    return Math.min(this.turnDueMs, this.acceptDueMs, this.stopDueMs);
  }
  /**
   * Hands over what was submitted and waits. Short sends complete while they are handed over: the wait is for one completion more than
   * these, or the thread would come back at once with nothing to do. A send that something waits for (more output, the connection's end, a
   * session that was held up) isn't among them.
   */
  private enter(): void {
    const { dueMs } = this;
    const waitMs = this.again ? 0 : dueMs === Number.POSITIVE_INFINITY ? dueMs : Math.max(0, dueMs - Date.now());
    if (waitMs === 0) this.ring.enter(0, 0);
    else this.ring.enter(1 + this.passingSends, waitMs);
    this.again = false;
  }
  private overdue(): void {
    if (this.dueMs === Number.POSITIVE_INFINITY && this.starving.length === 0 && this.lingering.length === 0) return;
    const now = Date.now();
    if (this.turnDueMs <= now) this.turnDueMs = Number.POSITIVE_INFINITY;
    if (this.acceptDueMs <= now) {
      this.acceptDueMs = Number.POSITIVE_INFINITY;
      for (const index of this.idleListeners) this.accept(index);
      this.idleListeners = [];
    }
    if (this.stopDueMs <= now || (this.stopDueMs !== Number.POSITIVE_INFINITY && this.connections.every((each) => each === null))) {
      this.isStopped = true;
    }
    while (this.lingering.length > 0 && (this.lingering[0] as Connection).lingersUntilMs <= now) {
      (this.lingering.shift() as Connection).destroy();
    }
    if (this.lingering.length > 0) this.turnDueMs = Math.min(this.turnDueMs, (this.lingering[0] as Connection).lingersUntilMs);
    for (let [first] = this.leaving; first !== undefined; [first] = this.leaving) {
      if (first.isLeaving && first.leavesUntilMs > now) {
        this.turnDueMs = Math.min(this.turnDueMs, first.leavesUntilMs);
        break;
      }
      this.leaving.shift();
      first.stay();
    }
    if (this.starving.length > 0) {
      const starving = this.starving;
      this.starving = [];
      for (const connection of starving) this.receive(connection);
    }
  }

  private complete(tag: number, result: number, flags: number): void {
    const place = tag >>> TAG_SHIFT;
    switch (tag & TAG_MASK) {
      case ON_RECEIVE:
        this.onReceive(this.connections[place] as Connection, result, flags);
        break;
      case ON_SEND:
        this.onSent(this.connections[place] as Connection, result);
        break;
      case ON_ACCEPT:
        this.onAccept(place, result, flags);
        break;
      case ON_CLOSE:
        this.connections[place] = null;
        this.freePlaces.push(place);
        break;
      case ON_WAKE:
        this.awaitWake();
        this.host.onWake();
        break;
      case ON_LOOK:
        this.lookLater();
        break;
    }
  }

  private onAccept(index: number, fd: number, flags: number): void {
    if ((flags & CQE_MORE) === 0) {
      this.idleListeners.push(index);
      this.acceptDueMs = Math.min(this.acceptDueMs, Date.now() + (fd < 0 ? ACCEPT_RETRY_MS : 0));
    }
    if (fd < 0) return;
    if (this.stopDueMs !== Number.POSITIVE_INFINITY) {
      libc.close(fd);
      return;
    }
    const { path } = this.listeners[index] as Listener;
    const [peer, local] = path === '' ? [peerAddress(fd), localAddress(fd)] : [`${path}:0`, `${path}:0`];
    this.adopt({ fd, peerAddress: peer, localAddress: local }, (transport) => this.host.onOpen(transport));
  }
  adopt(moved: MovedConnection, open: (transport: Transport) => Session): void {
    const place = this.freePlaces.pop() ?? this.connections.length;
    const connection = new Connection(this, place, moved);
    this.connections[place] = connection;
    connection.session = open(connection);
    if (!connection.isShutDown && connection.wantsReading) this.receive(connection);
  }
  /** The connection is another reactor's from here on: no operation of this ring is under way on it. */
  forget(connection: Connection): void {
    this.connections[connection.place] = null;
    this.freePlaces.push(connection.place);
  }

  receive(connection: Connection): void {
    if (connection.isReceiving || connection.isShutDown || connection.isLeaving || !connection.wantsReading) return;
    connection.isReceiving = true;
    this.ring.submit(
      OP_RECV | BUFFER_SELECT | RECV_MULTISHOT,
      connection.id,
      0,
      0,
      0,
      (connection.place << TAG_SHIFT) | ON_RECEIVE,
      ReceiveBuffers.GROUP,
    );
  }
  /** Keeps an eye on a connection that is closed from this side; returns its deadline. */
  linger(connection: Connection): number {
    const deadline = Date.now() + (this.stopDueMs === Number.POSITIVE_INFINITY ? LINGER_MS : 0);
    this.lingering.push(connection);
    this.turnDueMs = Math.min(this.turnDueMs, deadline);
    return deadline;
  }
  /** Keeps an eye on a connection that is about to leave. */
  awaitLeave(connection: Connection): void {
    connection.leavesUntilMs = Date.now() + LEAVE_MS;
    this.leaving.push(connection);
    this.turnDueMs = Math.min(this.turnDueMs, connection.leavesUntilMs);
  }
  cancelReceive(connection: Connection): void {
    this.ring.submit(OP_CANCEL, -1, (connection.place << TAG_SHIFT) | ON_RECEIVE, 0, 0, ON_NOTHING);
  }
  private onReceive(connection: Connection, result: number, flags: number): void {
    if ((flags & CQE_MORE) === 0) connection.isReceiving = false;
    if (flags & CQE_BUFFER) {
      const id = flags >>> 16;
      const start = id * ReceiveBuffers.BYTES;
      if (result > 0 && !connection.isShutDown) connection.session?.onData(this.received.bytes, start, start + result);
      this.received.giveBack(id);
    }
    if (connection.isReceiving) return;
    if (connection.isShutDown) {
      if (!connection.isSending) this.close(connection);
    } else if (connection.isLeaving && (result > 0 || result === ECANCELED || result === ENOBUFS)) {
      connection.leaveIfQuiet();
    } else if (result === ENOBUFS) {
      // All buffers are in the kernel's completions: next turn some are back.
      this.starving.push(connection);
      this.again = true;
    } else if (result > 0 || result === ECANCELED) {
      this.receive(connection);
    } else if (result === 0) {
      connection.hasEnded = true;
      if (!connection.isClosing) connection.session?.onEnd();
      else if (connection.pendingBytes === 0) connection.destroy();
    } else {
      connection.destroy();
    }
  }
  private onSent(connection: Connection, result: number): void {
    connection.endPassing();
    if (!connection.isShutDown) {
      connection.sent(result);
      return;
    }
    connection.isSending = false;
    connection.dropOutput();
    if (!connection.isReceiving) this.close(connection);
  }
  /** Closes the descriptor; no operation on it is under way. */
  close(connection: Connection): void {
    connection.session?.onClose();
    connection.session = null;
    this.ring.submit(OP_CLOSE, connection.id, 0, 0, 0, (connection.place << TAG_SHIFT) | ON_CLOSE);
  }

  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.dirty[this.dirtyCount++] = connection;
  }
  askTurn(): void {
    this.again = true;
  }
  askTurnIn(milliseconds: number): void {
    this.turnDueMs = Math.min(this.turnDueMs, Date.now() + milliseconds);
  }
  stopAccepting(): void {
    for (const index of this.listeners.keys()) {
      this.ring.submit(OP_CANCEL, -1, (index << TAG_SHIFT) | ON_ACCEPT, 0, 0, ON_NOTHING);
    }
  }
  stop(): void {
    this.stopAccepting();
    this.stopDueMs = Date.now() + STOP_FLUSH_MS;
    for (const connection of this.connections) connection?.closeAfterFlush();
    this.again = true;
  }
}
