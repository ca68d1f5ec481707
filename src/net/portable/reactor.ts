/**
 * The portable reactor: node:net on the thread's event loop, for systems without io_uring. What a session writes in one turn
 * leaves in one write; the host's turn runs once after all that a poll brought, by setImmediate.
 */
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers';
import { LINGER_MS, type Reactor, type ReactorHost, type Session, type Transport } from '../transport.ts';

class SocketTransport implements Transport {
  readonly id: number;
  readonly peerAddress: string;
  readonly localAddress: string;
  session: Session | null = null;
  private readonly socket: Socket;
  private readonly reactor: PortableReactor;
  private chunks: Buffer[] = [];
  private queuedBytes = 0;
  private written = 0;
  private allowed = Number.POSITIVE_INFINITY;
  /** To be closed when the last reply that waits has been sent. */
  private closesBehind = false;
  private isPaused = false;
  private closing = false;
  get isClosing(): boolean {
    return this.closing || this.closesBehind;
  }

  constructor(id: number, socket: Socket, reactor: PortableReactor, path: string) {
    this.id = id;
    this.socket = socket;
    this.reactor = reactor;
    this.peerAddress = path === '' ? address(socket.remoteAddress, socket.remotePort) : `${path}:0`;
    this.localAddress = path === '' ? address(socket.localAddress, socket.localPort) : `${path}:0`;
  }
  get pendingBytes(): number {
    return this.queuedBytes + this.socket.writableLength;
  }
  get writtenBytes(): number {
    return this.written;
  }
  allow(totalBytes: number): void {
    this.allowed = totalBytes;
    if (this.chunks.length > 0) this.reactor.toFlush(this);
  }
  write(bytes: Buffer, start: number, end: number): void {
    if (this.closing || this.closesBehind || end === start) return;
    this.written += end - start;
    if (this.chunks.length === 0) this.reactor.toFlush(this);
    this.chunks.push(Buffer.from(bytes.subarray(start, end)));
    this.queuedBytes += end - start;
  }
  flush(): void {
    if (this.chunks.length === 0) return;
    const all = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    const kept = Math.max(0, this.written - this.allowed);
    const bytes = all.subarray(0, Math.max(0, all.length - kept));
    this.chunks = bytes.length === all.length ? [] : [all.subarray(bytes.length)];
    this.queuedBytes = all.length - bytes.length;
    if (bytes.length === 0) return;
    if (this.closesBehind && this.chunks.length === 0) {
      this.socket.end(bytes);
      this.shut();
      return;
    }
    // A write that the kernel takes at once brings no 'drain' event; a session that waits for room must hear of it all the same.
    if (this.socket.write(bytes) && this.isPaused) this.session?.onDrain();
  }
  pauseReading(): void {
    this.isPaused = true;
    this.socket.pause();
  }
  resumeReading(): void {
    this.isPaused = false;
    this.socket.resume();
  }
  closeAfterFlush(): void {
    if (this.closing || this.closesBehind) return;
    this.flush();
    if (this.chunks.length > 0) {
      // Replies that wait for the disk: they go first.
      this.closesBehind = true;
      return;
    }
    this.socket.end();
    this.shut();
  }
  private shut(): void {
    this.closing = true;
    this.socket.resume();
    if (this.reactor.isStopping) this.socket.destroySoon();
    else setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }
  leave(): boolean {
    throw new Error('a connection of node:net stays on its event loop');
  }
  destroy(): void {
    this.closing = true;
    this.chunks = [];
    this.queuedBytes = 0;
    this.socket.destroy();
  }
}

function address(host: string | undefined, port: number | undefined): string {
  if (host === undefined) return '?:0';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export class PortableReactor implements Reactor {
  readonly kind = 'portable';
  readonly wakeFd = -1;
  readonly canMove = false;
  private readonly host: ReactorHost;
  private readonly servers: Server[] = [];
  private readonly open = new Set<SocketTransport>();
  private flushing: SocketTransport[] = [];
  isStopping = false;
  private turnAsked = false;
  private timer: NodeJS.Timeout | null = null;
  private timerDueMs = 0;
  private nextId = 0;
  private keepaliveSeconds = 0;
  private readonly reusePort: boolean;

  constructor(host: ReactorHost, reusePort: boolean) {
    this.host = host;
    this.reusePort = reusePort;
  }

  listen(host: string, port: number, backlog: number, keepaliveSeconds: number): Promise<number> {
    this.keepaliveSeconds = keepaliveSeconds;
    const server = this.server('');
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog, reusePort: this.reusePort, ipv6Only: host.includes(':') }, () => {
        server.off('error', reject);
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }
  setKeepalive(seconds: number): void {
    this.keepaliveSeconds = seconds;
  }
  listenUnix(path: string, mode: number, backlog: number): Promise<number> {
    const server = this.server(path);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path, backlog }, () => {
        server.off('error', reject);
        if (mode !== 0) chmodSync(path, mode);
        // node:net has no way to let another event loop accept as well.
        resolve(-1);
      });
    });
  }
  shareUnix(): void {
    throw new Error('a Unix socket of node:net has one reactor');
  }
  adopt(): void {
    throw new Error('a connection of node:net stays on its event loop');
  }
  private server(path: string): Server {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.accept(socket, path));
    this.servers.push(server);
    return server;
  }
  private accept(socket: Socket, path: string): void {
    if (path === '' && this.keepaliveSeconds > 0) socket.setKeepAlive(true, this.keepaliveSeconds * 1000);
    const transport = new SocketTransport(++this.nextId, socket, this, path);
    this.open.add(transport);
    const session = this.host.onOpen(transport);
    transport.session = session;
    socket.on('data', (bytes: Buffer) => {
      session.onData(bytes, 0, bytes.length);
      this.askTurn();
    });
    socket.on('drain', () => {
      session.onDrain();
      this.askTurn();
    });
    socket.on('end', () => {
      if (!transport.isClosing) session.onEnd();
      else socket.destroySoon();
      this.askTurn();
    });
    socket.on('error', () => {
      // 'close' follows and tells the session; a reset connection is no event for the server.
    });
    socket.on('close', () => {
      this.open.delete(transport);
      session.onClose();
      this.askTurn();
    });
    this.askTurn();
  }

  toFlush(transport: SocketTransport): void {
    this.flushing.push(transport);
    this.askTurn();
  }
  askTurn(): void {
    if (this.turnAsked) return;
    this.turnAsked = true;
    setImmediate(() => this.turn());
  }
  private turn(): void {
    this.turnAsked = false;
    const again = this.host.onTurn();
    const flushing = this.flushing;
    this.flushing = [];
    for (const transport of flushing) transport.flush();
    if (again) this.askTurn();
  }

  run(): void {
    // The event loop runs it.
  }
  askTurnIn(milliseconds: number): void {
    const dueMs = Date.now() + milliseconds;
    if (this.timer !== null) {
      if (dueMs >= this.timerDueMs) return;
      clearTimeout(this.timer);
    }
    this.timerDueMs = dueMs;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.askTurn();
    }, milliseconds);
  }
  stopAccepting(): void {
    for (const server of this.servers) server.close();
  }
  stop(): void {
    this.isStopping = true;
    this.stopAccepting();
    if (this.timer !== null) clearTimeout(this.timer);
    for (const transport of this.open) transport.closeAfterFlush();
  }
}
