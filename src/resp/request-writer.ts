/**
 * Requests as RESP arrays of bulk strings, written into one growing buffer: what the append-only log and snapshots consist of.
 * `begin` says how many arguments follow, the name included; nothing marks the end.
 */
const FIRST_BYTES = 4096;
const KEEP_BYTES = 1048576;
const STAR = 42;
const DOLLAR = 36;
const CR = 13;
const LF = 10;
const ZERO = 48;
/** Room for a type byte, the digits of a length and the line's end. */
const HEADER_BYTES = 16;

export class RequestWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  length = 0;

  /** Forgets what was written. A buffer that has grown large is let go. */
  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }
  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }

  /** Begins a request of `argc` arguments with its name (latin1). */
  begin(name: string, argc: number): void {
    this.beginBare(argc);
    this.text(name);
  }
  /** Begins a request whose name comes as its first argument. */
  beginBare(argc: number): void {
    this.reserve(HEADER_BYTES);
    this.header(STAR, argc);
  }
  bytes(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(HEADER_BYTES + size + 2);
    this.header(DOLLAR, size);
    const { buffer } = this;
    let at = this.length;
    if (size <= 40) {
      for (let index = start; index < end; index++) buffer[at++] = from[index]!;
    } else {
      buffer.set(from.subarray(start, end), at);
      at += size;
    }
    buffer[at] = CR;
    buffer[at + 1] = LF;
    this.length = at + 2;
  }
  /** An argument from a latin1 string. */
  text(latin1: string): void {
    this.reserve(HEADER_BYTES + latin1.length + 2);
    this.header(DOLLAR, latin1.length);
    const { buffer } = this;
    const at = this.length + buffer.latin1Write(latin1, this.length);
    buffer[at] = CR;
    buffer[at + 1] = LF;
    this.length = at + 2;
  }
  number(value: number): void {
    this.text(String(value));
  }
  /** A whole request as it stands in `from`. */
  raw(from: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    this.buffer.set(from.subarray(start, end), this.length);
    this.length += end - start;
  }

  private header(type: number, size: number): void {
    const { buffer } = this;
    let at = this.length;
    buffer[at++] = type;
    if (size < 10) buffer[at++] = ZERO + size;
    else at += buffer.latin1Write(String(size), at);
    buffer[at++] = CR;
    buffer[at++] = LF;
    this.length = at;
  }
}

/** Digits of a count or a length. */
export function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}
/** Bytes that a bulk string of so many bytes takes: $, digits, CR LF, the bytes, CR LF. */
export function bulkBytes(length: number): number {
  return length < 10 ? length + 6 : length + digitsOf(length) + 5;
}
