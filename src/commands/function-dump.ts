/**
 * The payload of FUNCTION DUMP and FUNCTION RESTORE, as Redis 7 writes it into RDB files:
 *
 *   for each library   245 (RDB_OPCODE_FUNCTION2), its code as an RDB string
 *   at the end         the version of the format in two bytes, and the CRC-64 of all before in eight, the lowest byte first
 *
 * An RDB string is its length and its bytes, a number in one of three sizes, or packed by LZF. Strings are written plain.
 */
import { crc64 } from '../base/crc64.ts';
import { unpackLzf } from '../base/lzf.ts';

const OPCODE_FUNCTION = 245;
/** What Redis 7.0's release candidates wrote. */
const OPCODE_EARLY_FUNCTION = 246;
/** The first version that has functions is written, so that every Redis with functions reads it; up to 7.2's are read. */
const WRITTEN_VERSION = 10;
const MAX_VERSION = 11;
const FOOTER_BYTES = 10;
const ERR_PAYLOAD = 'ERR DUMP payload version or checksum are wrong';

// The upper two bits of a length's first byte.
const LENGTH_6 = 0;
const LENGTH_14 = 1;
const LENGTH_32 = 0x80;
const LENGTH_64 = 0x81;
const ENCODED = 3;
const INT_8 = 0;
const INT_16 = 1;
const INT_32 = 2;
const LZF = 3;

function lengthOf(size: number): Buffer {
  if (size < 64) return Buffer.from([size]);
  if (size < 16384) return Buffer.from([0x40 | (size >>> 8), size & 255]);
  const length = Buffer.alloc(5);
  length[0] = LENGTH_32;
  length.writeUInt32BE(size, 1);
  return length;
}

/** The payload of libraries, given by their code (latin1). */
export function dumpLibraries(codes: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const code of codes) parts.push(Buffer.from([OPCODE_FUNCTION]), lengthOf(code.length), Buffer.from(code, 'latin1'));
  parts.push(Buffer.from([WRITTEN_VERSION, 0]));
  const body = Buffer.concat(parts);
  return Buffer.concat([body, crc64(body, 0, body.length)]);
}

/** Reads RDB strings one behind the other. */
class StringReader {
  at = 0;
  private readonly bytes: Buffer;
  private readonly end: number;

  constructor(bytes: Buffer, end: number) {
    this.bytes = bytes;
    this.end = end;
  }
  get isAtEnd(): boolean {
    return this.at >= this.end;
  }
  byte(): number {
    return this.bytes[this.at++]!;
  }
  /** The next string, or null when there is none. */
  string(): string | null {
    if (this.at >= this.end) return null;
    const kind = this.bytes[this.at]! >>> 6;
    if (kind === ENCODED) return this.encoded(this.byte() & 63);
    const size = this.length();
    return size === null ? null : this.plain(size);
  }
  private plain(size: number): string | null {
    const start = this.at;
    if (size > this.end - start) return null;
    this.at += size;
    return this.bytes.latin1Slice(start, this.at);
  }
  /** A length that is no encoding's number; null when it's cut off. */
  private length(): number | null {
    const { bytes, end } = this;
    if (this.at >= end) return null;
    const first = this.byte();
    if (first >>> 6 === LENGTH_6) return first & 63;
    if (first >>> 6 === LENGTH_14) return this.at < end ? ((first & 63) << 8) | this.byte() : null;
    const width = first === LENGTH_32 ? 4 : first === LENGTH_64 ? 8 : 0;
    if (width === 0 || this.at + width > end) return null;
    this.at += width;
    return width === 4 ? bytes.readUInt32BE(this.at - 4) : Number(bytes.readBigUInt64BE(this.at - 8));
  }
  private encoded(kind: number): string | null {
    const { bytes } = this;
    if (kind === LZF) return this.packed();
    const width = kind === INT_8 ? 1 : kind === INT_16 ? 2 : kind === INT_32 ? 4 : 0;
    if (width === 0 || this.at + width > this.end) return null;
    this.at += width;
    return String(bytes.readIntLE(this.at - width, width));
  }
  private packed(): string | null {
    const packed = this.length();
    const size = this.length();
    if (packed === null || size === null || packed > this.end - this.at) return null;
    // A byte gives at most some 90: what claims more is damaged, and no reason to ask for so much memory.
    if (size > packed * 256) return null;
    const start = this.at;
    this.at += packed;
    return unpackLzf(this.bytes, start, this.at, size)?.latin1Slice() ?? null;
  }
}

/** The code of every library in the payload; a string is the error. */
export function readLibraries(payload: Buffer): string[] | string {
  const footer = payload.length - FOOTER_BYTES;
  if (footer < 0 || payload.readUInt16LE(footer) > MAX_VERSION) return ERR_PAYLOAD;
  if (!crc64(payload, 0, footer + 2).equals(payload.subarray(footer + 2))) return ERR_PAYLOAD;
  const codes: string[] = [];
  const reader = new StringReader(payload, footer);
  while (!reader.isAtEnd) {
    const opcode = reader.byte();
    if (opcode === OPCODE_EARLY_FUNCTION) return 'ERR Pre-GA function format not supported';
    if (opcode !== OPCODE_FUNCTION) return 'ERR given type is not a function';
    const code = reader.string();
    if (code === null) return 'ERR Failed loading library payload';
    codes.push(code);
  }
  return codes;
}
