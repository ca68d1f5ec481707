/**
 * Replies in RESP2 and RESP3, written into one buffer that a thread reuses. What RESP2 has no type for takes the form Redis
 * gives it there: a map is an array of twice as many, nil is $-1, a double is a bulk string, a boolean is 1 or 0.
 */
import { copyWords } from '../base/copy-words.ts';
import { putLatin1 } from '../base/latin1.ts';
import { formatDouble } from '../base/numbers.ts';

const FIRST_BYTES = 65536;
const KEEP_BYTES = 1048576;
const CR = 13;
const LF = 10;
const ZERO = 48;
/** Both bytes as one little-endian number. */
const CR_LF = 0x0a0d;
/** Up to here a loop over words is faster than a call that copies. */
const MAX_WORD_COPY_BYTES = 128;

const COLON = 58;
const STAR = 42;
const BULK = 36;
/** Digits are written by 32-bit arithmetic up to here. */
const MAX_INT32 = 2147483647;
/** A type byte, ten digits and a line's end, twice: as much as a number takes as a bulk string. */
const NUMBER_BYTES = 32;

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** How many digits an integer from 0 to 2^31 - 1 has. */
function digitsOf(value: number): number {
  if (value < 10000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4;
  if (value < 1000000) return value < 100000 ? 5 : 6;
  if (value < 100000000) return value < 10000000 ? 7 : 8;
  return value < 1000000000 ? 9 : 10;
}
/** Writes the digits of an integer from 0 to 2^31 - 1; returns the place behind. */
function putDigits(to: Buffer, at: number, value: number): number {
  const end = at + digitsOf(value);
  let rest = value | 0;
  for (let place = end - 1; place >= at; place--) {
    const tens = (rest / 10) | 0;
    to[place] = ZERO + rest - tens * 10;
    rest = tens;
  }
  return end;
}

export class ReplyWriter {
  buffer: Buffer = Buffer.alloc(FIRST_BYTES);
  private view = viewOf(this.buffer);
  length = 0;
  resp: 2 | 3 = 2;
  /** Errors written so far, and the last one: INFO's errorstats and the command statistics look at these. */
  errorCount = 0;
  lastError = '';

  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEEP_BYTES) this.use(Buffer.alloc(FIRST_BYTES));
  }
  /** Makes room for so many bytes more. */
  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.use(larger);
  }
  private use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
  }

  ok(): void {
    this.reserve(5);
    const { buffer, length } = this;
    buffer[length] = 43;
    buffer[length + 1] = 79;
    buffer[length + 2] = 75;
    buffer[length + 3] = CR;
    buffer[length + 4] = LF;
    this.length = length + 5;
  }
  simple(text: string): void {
    this.latin1(`+${text}\r\n`);
  }
  /** `text` without the leading '-'; line ends in it become spaces, so that what a client sent can't forge replies. */
  error(text: string): void {
    this.errorCount++;
    this.lastError = text;
    this.latin1(`-${text.replace(/[\r\n]/g, ' ')}\r\n`);
  }
  integer(value: number | bigint): void {
    if (typeof value !== 'number' || value < 0 || value > MAX_INT32) {
      this.latin1(`:${value}\r\n`);
      return;
    }
    this.reserve(NUMBER_BYTES);
    this.length = this.header(COLON, value);
  }
  bulk(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(size + 16);
    const { buffer } = this;
    let at = this.header(BULK, size);
    if (size <= 40) {
      for (let from = start; from < end; from++) buffer[at++] = bytes[from] as number;
    } else {
      (bytes as Buffer).copy(buffer, at, start, end);
      at += size;
    }
    buffer[at] = CR;
    buffer[at + 1] = LF;
    this.length = at + 2;
  }
  /** As `bulk`, for bytes that begin at a word of `i32`, whose bytes `u8` shows. */
  bulkWords(i32: Int32Array, u8: Uint8Array, word: number, size: number): void {
    if (size > MAX_WORD_COPY_BYTES) {
      this.bulk(u8, word << 2, (word << 2) + size);
      return;
    }
    // The last word may reach 3 bytes too far: the line's end and the next reply overwrite them.
    this.reserve(size + 16);
    const at = this.header(BULK, size);
    const { view } = this;
    for (let done = 0, from = word; done < size; done += 4) view.setInt32(at + done, i32[from++] as number, true);
    view.setUint16(at + size, CR_LF, true);
    this.length = at + size + 2;
  }
  /** As `bulk`, for bytes that a view shows. */
  bulkView(from: DataView, start: number, size: number): void {
    this.bulkRun(from, start, 1, size);
  }
  /**
   * `count` bulk strings of `size` bytes each, which lie side by side in `from`: a range of a list. Their headers are all the same.
   */
  bulkRun(from: DataView, start: number, count: number, size: number): void {
    this.reserve(count * (size + NUMBER_BYTES));
    const { buffer } = this;
    for (let element = 0, at = start; element < count; element++, at += size) {
      const to = this.header(BULK, size);
      if (size <= MAX_WORD_COPY_BYTES) copyWords(from, at, this.view, to, size);
      else buffer.set(new Uint8Array(from.buffer, from.byteOffset + at, size), to);
      this.view.setUint16(to + size, CR_LF, true);
      this.length = to + size + 2;
    }
  }
  /** Writes a type byte, a number of 31 bits and the line's end; returns the place behind. Room is there. */
  private header(type: number, value: number): number {
    const { buffer } = this;
    let at = this.length;
    if (value >= 10 && value < 100) {
      // The most frequent ones as a word: a division by ten that is exact up to here, the digits, and CR.
      const tens = (value * 205) >> 11;
      this.view.setInt32(at, type | ((ZERO + tens) << 8) | ((ZERO + value - tens * 10) << 16) | (CR << 24), true);
      buffer[at + 4] = LF;
      return at + 5;
    }
    buffer[at++] = type;
    if (value < 10) {
      buffer[at++] = ZERO + value;
    } else {
      at = putDigits(buffer, at, value);
    }
    buffer[at++] = CR;
    buffer[at++] = LF;
    return at;
  }
  bulkString(latin1: string): void {
    this.reserve(latin1.length + 16);
    let at = this.header(BULK, latin1.length);
    at = putLatin1(this.buffer, latin1, at);
    this.buffer[at] = CR;
    this.buffer[at + 1] = LF;
    this.length = at + 2;
  }
  bulkUtf8(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    this.bulk(bytes, 0, bytes.length);
  }
  nil(): void {
    this.latin1(this.resp === 3 ? '_\r\n' : '$-1\r\n');
  }
  nilArray(): void {
    this.latin1(this.resp === 3 ? '_\r\n' : '*-1\r\n');
  }
  array(count: number): void {
    if (count > MAX_INT32) {
      this.latin1(`*${count}\r\n`);
      return;
    }
    this.reserve(NUMBER_BYTES);
    this.length = this.header(STAR, count);
  }
  map(pairs: number): void {
    if (this.resp === 3) this.latin1(`%${pairs}\r\n`);
    else this.array(pairs * 2);
  }
  set(count: number): void {
    if (this.resp === 3) this.latin1(`~${count}\r\n`);
    else this.array(count);
  }
  /** Puts the header of a set in front of what was written since `begin`, when its size wasn't known before. */
  setBefore(begin: number, count: number): void {
    const end = this.length;
    this.set(count);
    const header = Buffer.from(this.buffer.subarray(end, this.length));
    this.buffer.copyWithin(begin + header.length, begin, end);
    header.copy(this.buffer, begin);
  }
  push(count: number): void {
    if (this.resp === 3) this.latin1(`>${count}\r\n`);
    else this.array(count);
  }
  /** What stands before a reply and isn't part of it. RESP3 only. */
  attribute(pairs: number): void {
    this.latin1(`|${pairs}\r\n`);
  }
  double(value: number): void {
    if (this.resp === 3) this.latin1(`,${formatDouble(value)}\r\n`);
    // -0 is below no other zero, and isn't printed as one.
    else if (value === (value | 0) && value > 0) this.bulkInteger(value);
    else this.bulkString(formatDouble(value));
  }
  /** The digits of an integer from 0 to 2^31 - 1. */
  private bulkInteger(value: number): void {
    this.reserve(NUMBER_BYTES);
    const { buffer } = this;
    let at = this.header(BULK, digitsOf(value));
    at = putDigits(buffer, at, value);
    buffer[at] = CR;
    buffer[at + 1] = LF;
    this.length = at + 2;
  }
  /** A double that the caller has printed. */
  doubleText(text: string): void {
    if (this.resp === 3) this.latin1(`,${text}\r\n`);
    else this.bulkString(text);
  }
  boolean(value: boolean): void {
    if (this.resp === 3) this.latin1(value ? '#t\r\n' : '#f\r\n');
    else this.integer(value ? 1 : 0);
  }
  /** Text with a three-letter format; a bulk string in RESP2. */
  verbatim(format: string, text: string): void {
    if (this.resp === 2) {
      this.bulkUtf8(text);
      return;
    }
    const bytes = Buffer.from(text, 'utf8');
    this.latin1(`=${bytes.length + 4}\r\n${format}:`);
    this.raw(bytes, 0, bytes.length);
    this.latin1('\r\n');
  }
  bigNumber(text: string): void {
    if (this.resp === 3) this.latin1(`(${text}\r\n`);
    else this.bulkString(text);
  }
  raw(bytes: Buffer, start: number, end: number): void {
    this.reserve(end - start);
    bytes.copy(this.buffer, this.length, start, end);
    this.length += end - start;
  }
  private latin1(text: string): void {
    this.reserve(text.length);
    this.length += this.buffer.latin1Write(text, this.length);
  }
}
