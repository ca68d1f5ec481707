/**
 * Requests, parsed where they lie: RESP arrays of bulk strings, and inline commands
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/).
 * The parser leaves offsets and lengths in arrays that it reuses: no object and no copy a request (an inline command with
 * quotes is unescaped into a side buffer). An incomplete request can be resumed where it stopped.
 */
export const INCOMPLETE = 0;
export const COMPLETE = 1;
export const ERROR = -1;

const MAX_INLINE_BYTES = 65536;
const MAX_ARGUMENTS = 2147483647;
/** A count that a client only announces gets no more room than this; the rest grows as arguments arrive. */
const RESERVED_ARGUMENTS = 1024;
const MAX_UNAUTHENTICATED_ARGUMENTS = 10;
const MAX_UNAUTHENTICATED_BULK_BYTES = 16384;
const STAR = 42;
const DOLLAR = 36;
const CR = 13;
const LF = 10;
const MINUS = 45;
const ZERO = 48;
const QUOTE = 34;
const APOSTROPHE = 39;
const BACKSLASH = 92;

export class RequestParser {
  argc = 0;
  offsets = new Int32Array(64);
  lengths = new Int32Array(64);
  /** The bytes that `offsets` refer to: those given to `parse`, or the side buffer of an inline command. */
  bytes: Buffer = Buffer.alloc(0);
  /** First byte behind the request. */
  next = 0;
  /** What was wrong, in Redis's words, without the leading ERR. */
  error = '';
  /** When incomplete: the request needs at least so many bytes from its start. */
  wanted = 0;
  authenticated = true;
  maxBulkLengthBytes = 536870912;

  private resumeAt = -1;
  private expected = 0;
  private number = 0;
  private side = Buffer.alloc(0);

  /** No request has begun that the next call would go on with. */
  get isAtRest(): boolean {
    return this.resumeAt < 0;
  }
  /** Forgets an incomplete request. */
  restart(): void {
    this.resumeAt = -1;
  }

  /**
   * Parses one request of bytes[start, end). After INCOMPLETE the next call goes on where this one stopped, unless `restart`
   * was called: the request must begin at the same `start` then. COMPLETE with argc 0 is an empty request, to be passed over.
   */
  parse(bytes: Buffer, start: number, end: number): number {
    this.bytes = bytes;
    if (this.resumeAt < 0) {
      this.argc = 0;
      this.wanted = 0;
      if (start >= end) return INCOMPLETE;
      if (bytes[start] !== STAR) return this.parseInline(bytes, start, end);
      const at = this.readNumber(bytes, start + 1, end);
      if (at < 0)
        return this.stop(at, start, end, 'Protocol error: too big mbulk count string', 'Protocol error: invalid multibulk length');
      if (this.number > MAX_ARGUMENTS) return this.fail('Protocol error: invalid multibulk length');
      if (this.number > MAX_UNAUTHENTICATED_ARGUMENTS && !this.authenticated) {
        return this.fail('Protocol error: unauthenticated multibulk length');
      }
      if (this.number <= 0) {
        this.next = at;
        return COMPLETE;
      }
      this.expected = this.number;
      if (this.expected > this.offsets.length && this.offsets.length < RESERVED_ARGUMENTS) {
        this.reserve(Math.min(this.expected, RESERVED_ARGUMENTS));
      }
      this.resumeAt = at;
    }
    return this.parseArguments(bytes, start, end);
  }

  private parseArguments(bytes: Buffer, start: number, end: number): number {
    let at = this.resumeAt;
    const expected = this.expected;
    let argc = this.argc;
    while (argc < expected) {
      if (at >= end) break;
      if (bytes[at] !== DOLLAR) {
        return this.fail(`Protocol error: expected '$', got '${String.fromCharCode(bytes[at] as number)}'`);
      }
      // One digit and two, the lengths of most arguments, without the general loop.
      let length = -1;
      let body = 0;
      const first = (bytes[at + 1] as number) - ZERO;
      if (at + 4 < end && first >= 0 && first <= 9) {
        if (bytes[at + 2] === CR && bytes[at + 3] === LF) {
          length = first;
          body = at + 4;
        } else {
          const second = (bytes[at + 2] as number) - ZERO;
          if (second >= 0 && second <= 9 && bytes[at + 3] === CR && bytes[at + 4] === LF && first > 0) {
            length = first * 10 + second;
            body = at + 5;
          }
        }
      }
      if (length < 0) {
        body = this.readNumber(bytes, at + 1, end);
        if (body === -1) {
          this.argc = argc;
          this.resumeAt = at;
          if (end - at > MAX_INLINE_BYTES) return this.fail('Protocol error: too big bulk count string');
          this.wanted = end - start + 1;
          return INCOMPLETE;
        }
        if (body === -2 || this.number < 0 || this.number > this.maxBulkLengthBytes) {
          return this.fail('Protocol error: invalid bulk length');
        }
        length = this.number;
      }
      if (length > MAX_UNAUTHENTICATED_BULK_BYTES && !this.authenticated) {
        return this.fail('Protocol error: unauthenticated bulk length');
      }
      if (body + length + 2 > end) {
        this.argc = argc;
        this.resumeAt = at;
        this.wanted = body + length + 2 - start;
        return INCOMPLETE;
      }
      if (argc === this.offsets.length) this.reserve(argc * 2);
      this.offsets[argc] = body;
      this.lengths[argc] = length;
      argc++;
      at = body + length + 2;
    }
    this.argc = argc;
    if (argc < expected) {
      this.resumeAt = at;
      this.wanted = end - start + 4;
      return INCOMPLETE;
    }
    this.resumeAt = -1;
    this.next = at;
    return COMPLETE;
  }

  /** Reads digits up to CR LF into `number`; returns the place behind, -1 when bytes are missing, -2 when it's no number. */
  private readNumber(bytes: Buffer, from: number, end: number): number {
    let at = from;
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at++;
    let value = 0;
    let digits = 0;
    for (; at < end && digits < 18; at++, digits++) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at + 1 < end && bytes[at] === CR && digits > 0) {
      // Redis takes no zeros in front, and no -0.
      if (bytes[at - digits] === ZERO && (digits > 1 || isNegative)) return -2;
      this.number = isNegative ? -value : value;
      return at + 2;
    }
    // What can't become a number is refused once its line is complete, as Redis does it.
    const cr = bytes.subarray(from, end).indexOf(CR);
    return cr >= 0 && from + cr + 1 < end ? -2 : -1;
  }

  private stop(at: number, start: number, end: number, tooBig: string, invalid: string): number {
    if (at === -2) return this.fail(invalid);
    if (end - start > MAX_INLINE_BYTES) return this.fail(tooBig);
    this.wanted = end - start + 1;
    return INCOMPLETE;
  }
  private fail(error: string): number {
    this.error = error;
    this.resumeAt = -1;
    return ERROR;
  }
  private reserve(count: number): void {
    const offsets = new Int32Array(count);
    const lengths = new Int32Array(count);
    offsets.set(this.offsets);
    lengths.set(this.lengths);
    this.offsets = offsets;
    this.lengths = lengths;
  }

  private parseInline(bytes: Buffer, start: number, end: number): number {
    let line = start;
    while (line < end && bytes[line] !== LF) line++;
    if (line === end) {
      if (end - start > MAX_INLINE_BYTES) return this.fail('Protocol error: too big inline request');
      this.wanted = end - start + 1;
      return INCOMPLETE;
    }
    this.next = line + 1;
    let stop = line > start && bytes[line - 1] === CR ? line - 1 : line;
    // A NUL ends the line, as it ends a string of C.
    const nul = bytes.subarray(start, stop).indexOf(0);
    if (nul >= 0) stop = start + nul;
    // Unescaped arguments are never longer than the line.
    if (this.side.length < stop - start) this.side = Buffer.alloc(stop - start);
    if (!this.splitInline(bytes, start, stop)) return this.fail('Protocol error: unbalanced quotes in request');
    this.bytes = this.side;
    return COMPLETE;
  }

  /** Splits a line at white space; "..." knows \n \r \t \b \a \xHH and \c, '...' knows \'. False when a quote stays open. */
  private splitInline(bytes: Buffer, start: number, end: number): boolean {
    let at = start;
    let out = 0;
    for (;;) {
      while (at < end && isSpace(bytes[at] as number)) at++;
      if (at >= end) return true;
      if (this.argc === this.offsets.length) this.reserve(this.argc * 2);
      const begin = out;
      let quote = 0;
      for (; ; at++) {
        if (at >= end) {
          if (quote !== 0) return false;
          break;
        }
        const byte = bytes[at] as number;
        if (quote === 0) {
          if (isSpace(byte)) break;
          if (byte === QUOTE || byte === APOSTROPHE) quote = byte;
          else this.side[out++] = byte;
        } else if (byte === BACKSLASH && quote === QUOTE && at + 1 < end) {
          at = this.unescape(bytes, at, end, out++);
        } else if (byte === BACKSLASH && quote === APOSTROPHE && bytes[at + 1] === APOSTROPHE) {
          this.side[out++] = APOSTROPHE;
          at++;
        } else if (byte === quote) {
          if (at + 1 < end && !isSpace(bytes[at + 1] as number)) return false;
          at++;
          break;
        } else {
          this.side[out++] = byte;
        }
      }
      this.offsets[this.argc] = begin;
      this.lengths[this.argc] = out - begin;
      this.argc++;
    }
  }
  /** Writes the byte that the escape at `at` means, and returns the escape's last byte. */
  private unescape(bytes: Buffer, at: number, end: number, out: number): number {
    const kind = bytes[at + 1] as number;
    if (kind === 120 && at + 3 < end) {
      const hex = bytes.latin1Slice(at + 2, at + 4);
      if (/^[0-9a-fA-F]{2}$/.test(hex)) {
        this.side[out] = Number.parseInt(hex, 16);
        return at + 3;
      }
    }
    const named = { 110: 10, 114: 13, 116: 9, 98: 8, 97: 7 }[kind];
    this.side[out] = named ?? kind;
    return at + 1;
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}
