// A Redis client that knows only where a reply ends. Replies are handed out as the bytes that came, so that two servers can be
// compared byte for byte, and so that a wrong reply is seen as it is.
import { connect, type Socket } from 'node:net';

export type Argument = string | number | Uint8Array;

const CR = 13;
const LF = 10;
const PLUS = 0x2b;
const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const UNDERSCORE = 0x5f;
const COMMA = 0x2c;
const HASH = 0x23;
const OPEN = 0x28;
const BANG = 0x21;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const TILDE = 0x7e;
const GREATER = 0x3e;
const BAR = 0x7c;

/**
 * Finds the end of the reply that begins at `start`. Returns the offset after its last byte; when the reply isn't whole, the
 * negative of the offset up to which bytes are known to be needed. Throws when the bytes are no RESP reply.
 */
export function replyEnd(bytes: Uint8Array, start: number, end: number): number {
  const lineFeed = bytes.subarray(start, end).indexOf(LF);
  if (lineFeed < 0) return -(end + 1);
  const lineEnd = start + lineFeed + 1;
  if (lineFeed < 1 || bytes[lineEnd - 2] !== CR)
    throw new Error(`a reply's line doesn't end with CRLF: ${show(bytes.subarray(start, lineEnd))}`);
  const type = bytes[start];
  switch (type) {
    case PLUS:
    case MINUS:
    case COLON:
    case UNDERSCORE:
    case COMMA:
    case HASH:
    case OPEN:
      return lineEnd;
    case DOLLAR:
    case BANG:
    case EQUALS: {
      const length = lengthOfLine(bytes, start, lineEnd);
      if (length < 0) return lineEnd;
      const bulkEnd = lineEnd + length + 2;
      if (bulkEnd > end) return -bulkEnd;
      if (bytes[bulkEnd - 2] !== CR || bytes[bulkEnd - 1] !== LF) throw new Error('a bulk reply is not followed by CRLF');
      return bulkEnd;
    }
    case STAR:
    case TILDE:
    case GREATER:
    case PERCENT:
    case BAR: {
      let count = lengthOfLine(bytes, start, lineEnd);
      // A map has a key and a value a pair; an attribute is a map that stands before the reply it belongs to.
      if (type === PERCENT || type === BAR) count *= 2;
      if (type === BAR) count += 1;
      let position = lineEnd;
      for (let i = 0; i < count; i++) {
        if (position >= end) return -(end + 1);
        position = replyEnd(bytes, position, end);
        if (position < 0) return position;
      }
      return position;
    }
    default:
      throw new Error(`not a RESP reply: ${show(bytes.subarray(start, lineEnd))}`);
  }
}

function lengthOfLine(bytes: Uint8Array, start: number, lineEnd: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start + 1, lineEnd - start - 3).toString('latin1');
  if (!/^(-1|\d+)$/.test(text)) throw new Error(`not a length: ${show(bytes.subarray(start, lineEnd))}`);
  return Number(text);
}

/** Bytes as a person reads them, with C's escapes; long ones are cut in the middle. */
export function show(bytes: Uint8Array, limit = 400): string {
  const cut = bytes.length > limit;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, cut ? limit : bytes.length)
    .toString('latin1')
    .replace(/[\\\x00-\x1f\x7f-\xff]/g, (character) => {
      if (character === '\r') return '\\r';
      if (character === '\n') return '\\n';
      if (character === '\\') return '\\\\';
      return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
    });
  return cut ? `${text}... (${bytes.length} bytes)` : text;
}

/** A request as an array of bulk strings. Strings are UTF-8. */
export function encode(args: readonly Argument[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === 'object' ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

type Waiter = { resolve(reply: Buffer): void; reject(error: Error): void; timer: NodeJS.Timeout };

export class RawClient {
  readonly socket: Socket;
  /** Settles when the connection is closed by either side; never rejects. */
  readonly closed: Promise<void>;
  isClosed = false;
  #buffer = Buffer.allocUnsafe(1 << 16);
  #start = 0;
  #end = 0;
  // No scan is worth while before this many bytes have come: without it a large bulk reply would be looked at chunk after chunk.
  #wantedBytes = 1;
  readonly #waiters: Waiter[] = [];
  #failure: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        this.#fail(new Error('the server closed the connection'));
        resolve();
      });
    });
  }

  static connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new RawClient(socket));
      });
    });
  }

  /** Bytes that have come and are no part of a reply that was handed out. */
  get unread(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.#start, this.#end));
  }

  /** Takes up to `length` unread bytes, whatever they are. */
  take(length: number): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + length)));
    this.#start += taken.length;
    this.#wantedBytes = 1;
    return taken;
  }

  /** Sends bytes as they are; a string is taken as latin1. */
  send(bytes: Uint8Array | string): void {
    if (this.isClosed) return;
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends one request and gives its whole reply, an error reply too. */
  command(...args: readonly Argument[]): Promise<Buffer> {
    this.send(encode(args));
    return this.readReply();
  }

  /** Exactly one raw reply. Rejects when the connection closes, the bytes are no reply, or none comes in time. */
  readReply(timeoutMs = 20_000): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(new Error(`no whole reply within ${timeoutMs} ms; so far: ${show(this.unread)}`));
      }, timeoutMs);
      this.#waiters.push({ resolve, reject, timer });
      this.#deliver();
    });
  }

  async readReplies(count: number, timeoutMs?: number): Promise<Buffer[]> {
    const replies: Promise<Buffer>[] = [];
    for (let i = 0; i < count; i++) replies.push(this.readReply(timeoutMs));
    return Promise.all(replies);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#buffer.length) {
      const length = this.#end - this.#start;
      const capacity = Math.max(this.#buffer.length, 2 * (length + chunk.length));
      const target = capacity > this.#buffer.length ? Buffer.allocUnsafe(capacity) : this.#buffer;
      this.#buffer.copy(target, 0, this.#start, this.#end);
      this.#buffer = target;
      this.#start = 0;
      this.#end = length;
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
    this.#deliver();
  }

  #deliver(): void {
    while (this.#waiters.length > 0 && this.#end - this.#start >= this.#wantedBytes) {
      let end: number;
      try {
        end = replyEnd(this.#buffer, this.#start, this.#end);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      if (end < 0) {
        this.#wantedBytes = -end - this.#start;
        break;
      }
      this.#wantedBytes = 1;
      const reply = Buffer.from(this.#buffer.subarray(this.#start, end));
      this.#start = end;
      const waiter = this.#waiters.shift();
      if (waiter === undefined) return;
      clearTimeout(waiter.timer);
      waiter.resolve(reply);
    }
    if (this.#failure !== null) this.#fail(this.#failure);
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
  }
}
