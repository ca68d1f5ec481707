/** What a reactor gives a session, and what it asks of its host: the same for io_uring and for node:net. */
export interface Transport {
  readonly id: number;
  /** ip:port, or path:0 for a Unix socket. */
  readonly peerAddress: string;
  readonly localAddress: string;
  /** Copies bytes[start, end) to be sent. Never blocks. */
  write(bytes: Buffer, start: number, end: number): void;
  /** Bytes given to `write` that the kernel hasn't taken yet. */
  readonly pendingBytes: number;
  /** Bytes given to `write` so far. */
  readonly writtenBytes: number;
  /** How many of all bytes written may be sent: replies that wait for the disk stay until they are allowed. At first all may. */
  allow(totalBytes: number): void;
  pauseReading(): void;
  resumeReading(): void;
  /**
   * Closes when what is pending has been sent. What the client still sends is read and thrown away until it has closed too, for a second
   * at most: closing on unread bytes would reset the connection and take the last reply from it.
   */
  closeAfterFlush(): void;
  /** Closes now. */
  destroy(): void;
  /**
   * The connection is to go to another reactor: nothing more is read, and when nothing is under way any more, `onQuiet` of the session
   * decides. When that takes long it's read from again, as if nothing had been asked. False when it can't leave now, or is leaving
   * already. Only where the reactor says `canMove`.
   */
  leave(): boolean;
}

/** A connection between two reactors of one process, which have their descriptors in common. */
export type MovedConnection = { readonly fd: number; readonly peerAddress: string; readonly localAddress: string };

/** How long a closed connection's client has for closing too. */
export const LINGER_MS = 1000;

export interface Session {
  /** The bytes are valid during the call only. */
  onData(bytes: Buffer, start: number, end: number): void;
  /** Everything written has been taken by the kernel. */
  onDrain(): void;
  /** The client sends nothing more; it may still read. */
  onEnd(): void;
  onClose(): void;
  /** After `leave`: true when the session hands the connection over; its transport is void then. False: it stays. */
  onQuiet(connection: MovedConnection): boolean;
}

export interface ReactorHost {
  onOpen(transport: Transport): Session;
  /** After all that a turn brought. True when a session is parked and the next turn must not wait. */
  onTurn(): boolean;
  /** Another thread woke this one. */
  onWake(): void;
}

export interface Reactor {
  readonly kind: 'io_uring' | 'portable';
  /** Port 0 takes a free one; returns the port. */
  listen(host: string, port: number, backlog: number, keepaliveSeconds: number): Promise<number>;
  /** Returns a descriptor that other reactors may accept from as well, or -1. */
  listenUnix(path: string, mode: number, backlog: number): Promise<number>;
  shareUnix(path: string, fd: number): void;
  /** Connections can go to other reactors and come from them. */
  readonly canMove: boolean;
  /** Serves a connection that another reactor has handed over. */
  adopt(connection: MovedConnection, open: (transport: Transport) => Session): void;
  /** For connections accepted from now on; 0 turns keepalive off. */
  setKeepalive(seconds: number): void;
  /** The eventfd to write to when a message waits for this thread, or -1 when the event loop wakes by itself. */
  readonly wakeFd: number;
  /** Serves until `stop`. Returns at once where the event loop does the work. */
  run(): void;
  /** Makes a turn come after this one, without waiting. */
  askTurn(): void;
  /** Makes a turn come in so many milliseconds, if none comes before. */
  askTurnIn(milliseconds: number): void;
  stopAccepting(): void;
  /** Sends what is pending, closes everything, ends `run`. */
  stop(): void;
}
