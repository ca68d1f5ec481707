/**
 * HyperLogLogs (P. Flajolet et al., 2007) in the bytes that Redis keeps them in, and its estimator (O. Ertl, "New cardinality estimation
 * algorithms for HyperLogLog sketches", 2017, https://arxiv.org/abs/1702.01284): 16384 registers of 6 bits, in a string.
 *
 *   bytes 0-3   "HYLL"        4  encoding: 0 dense, 1 sparse        5-7  zeros
 *   bytes 8-15  the last estimate, little-endian; bit 63 set: it is no longer true
 *   dense       12288 bytes: register r in the 6 bits from bit 6 r on, the lowest bits of a byte first
 *   sparse      runs:  00llllll           l + 1 registers of zero
 *                      01llllll llllllll  the same, up to 16384
 *                      1vvvvvll           l + 1 registers of v + 1 (1 to 32)
 *
 * An empty one: 48 59 4c 4c 01 00 00 00  00 00 00 00 00 00 00 00  7f ff
 *
 * The functions work on one `Sketch`: bytes of its own, large enough for the dense form.
 */
import { hashHigh, hashLow, murmur64 } from '../base/murmur64.ts';

export const REGISTERS = 16384;
export const HEADER_BYTES = 16;
export const DENSE_BYTES = HEADER_BYTES + (REGISTERS * 6) / 8;
export const DENSE = 0;
export const SPARSE = 1;

const INDEX_BITS = 14;
const MAX_COUNT = 51;
const SEED = 0xadc83b19 | 0;
const ENCODING = 4;
const CARD = 8;
const ZERO_MAX = 64;
const VALUE_MAX = 32;
const VALUE_RUN_MAX = 4;
/** Runs that are looked at for merging after a change. */
const MERGE_SCAN = 5;
const ALPHA_INFINITE = 0.7213475204444817;

export class Sketch {
  /** The bytes and their length; what lies behind is room. */
  readonly bytes: Buffer = Buffer.alloc(DENSE_BYTES + 8);
  length = 0;

  /** Makes it an empty, sparse one. */
  reset(): void {
    this.bytes.fill(0, 0, HEADER_BYTES);
    this.bytes.latin1Write('HYLL', 0);
    this.bytes[ENCODING] = SPARSE;
    this.bytes[HEADER_BYTES] = 0x7f;
    this.bytes[HEADER_BYTES + 1] = 0xff;
    this.length = HEADER_BYTES + 2;
  }
  /** Takes a string's bytes over; false when they are no HyperLogLog. */
  load(bytes: Uint8Array, start: number, end: number): boolean {
    if (!isSketch(bytes, start, end)) return false;
    this.length = end - start;
    this.bytes.set(bytes.subarray(start, end));
    return true;
  }
  get encoding(): number {
    return this.bytes[ENCODING]!;
  }
  invalidate(): void {
    this.bytes[CARD + 7]! |= 0x80;
  }
  /** The estimate that is kept, or -1 when it's no longer true. */
  get cached(): number {
    if (this.bytes[CARD + 7]! & 0x80) return -1;
    return this.bytes.readUInt32LE(CARD) + this.bytes.readUInt32LE(CARD + 4) * 4294967296;
  }
  keep(estimate: number): void {
    this.bytes.writeUInt32LE(estimate % 4294967296, CARD);
    this.bytes.writeUInt32LE(Math.floor(estimate / 4294967296), CARD + 4);
  }
}

/** Whether a string is a HyperLogLog, as far as its header says. */
export function isSketch(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < HEADER_BYTES || length > DENSE_BYTES) return false;
  if (bytes[start] !== 72 || bytes[start + 1] !== 89 || bytes[start + 2] !== 76 || bytes[start + 3] !== 76) return false;
  const encoding = bytes[start + ENCODING]!;
  return encoding === SPARSE || (encoding === DENSE && length === DENSE_BYTES);
}

// ---- registers ----

function denseGet(bytes: Uint8Array, register: number): number {
  const at = HEADER_BYTES + ((register * 6) >> 3);
  const shift = (register * 6) & 7;
  return ((bytes[at]! >> shift) | (bytes[at + 1]! << (8 - shift))) & 63;
}
function densePut(bytes: Uint8Array, register: number, value: number): void {
  const at = HEADER_BYTES + ((register * 6) >> 3);
  const shift = (register * 6) & 7;
  bytes[at] = (bytes[at]! & ~(63 << shift)) | (value << shift);
  // The last register ends with its byte.
  if (shift > 2) bytes[at + 1] = (bytes[at + 1]! & ~(63 >> (8 - shift))) | (value >> (8 - shift));
}

/** Visits the runs of a sparse one; false when they aren't those of 16384 registers. */
function eachRun(sketch: Sketch, visit: (first: number, count: number, value: number) => void): boolean {
  const { bytes, length } = sketch;
  let register = 0;
  for (let at = HEADER_BYTES; at < length; ) {
    const byte = bytes[at]!;
    let count: number;
    let value = 0;
    if (byte & 0x80) {
      count = (byte & 3) + 1;
      value = ((byte >> 2) & 31) + 1;
      at++;
    } else if (byte & 0x40) {
      count = (((byte & 63) << 8) | (bytes[at + 1] ?? 0)) + 1;
      at += 2;
    } else {
      count = byte + 1;
      at++;
    }
    if (register + count > REGISTERS) return false;
    visit(register, count, value);
    register += count;
  }
  return register === REGISTERS;
}

/** Raises each of `registers` to the sketch's own; false when that is corrupt. */
export function mergeInto(sketch: Sketch, registers: Uint8Array): boolean {
  if (sketch.encoding === DENSE) {
    for (let register = 0; register < REGISTERS; register++) {
      const value = denseGet(sketch.bytes, register);
      if (value > registers[register]!) registers[register] = value;
    }
    return true;
  }
  return eachRun(sketch, (first, count, value) => {
    for (let register = first; register < first + count; register++) {
      if (value > registers[register]!) registers[register] = value;
    }
  });
}

/** Turns a sparse one into a dense one, keeping the estimate; false when it is corrupt. */
export function toDense(sketch: Sketch): boolean {
  if (sketch.encoding === DENSE) return true;
  const registers = new Uint8Array(REGISTERS);
  if (!mergeInto(sketch, registers)) return false;
  const { bytes } = sketch;
  bytes.fill(0, HEADER_BYTES, DENSE_BYTES);
  bytes[ENCODING] = DENSE;
  for (let register = 0; register < REGISTERS; register++) {
    if (registers[register] !== 0) densePut(bytes, register, registers[register]!);
  }
  sketch.length = DENSE_BYTES;
  return true;
}

// ---- adding ----

const ERR_CORRUPT = -1;

/** Counts an element. Returns 1 when a register has changed, 0 when none has, -1 when the sketch is corrupt. */
export function add(sketch: Sketch, bytes: Uint8Array, start: number, end: number, sparseMaxBytes: number): number {
  murmur64(bytes, start, end, SEED);
  const register = hashLow & (REGISTERS - 1);
  const count = trailingZeros((hashLow >>> INDEX_BITS) | (hashHigh << (32 - INDEX_BITS)), hashHigh >>> INDEX_BITS) + 1;
  return setRegister(sketch, register, count, sparseMaxBytes);
}
/** Zeros at the low end of 50 bits, 50 when they are all zero. */
function trailingZeros(low: number, high: number): number {
  if (low !== 0) return 31 - Math.clz32(low & -low);
  return high === 0 ? MAX_COUNT - 1 : 63 - Math.clz32(high & -high);
}

/** Raises a register to at least `count`. Returns as `add` does. */
export function setRegister(sketch: Sketch, register: number, count: number, sparseMaxBytes: number): number {
  if (sketch.encoding === SPARSE) {
    const outcome = count > VALUE_MAX ? PROMOTE : sparseSet(sketch, register, count, sparseMaxBytes);
    if (outcome !== PROMOTE) return outcome;
    if (!toDense(sketch)) return ERR_CORRUPT;
  }
  if (denseGet(sketch.bytes, register) >= count) return 0;
  densePut(sketch.bytes, register, count);
  sketch.invalidate();
  return 1;
}

const PROMOTE = 2;
const sequence = new Uint8Array(5);
let sequenceLength = 0;

function putZeros(count: number): void {
  if (count > ZERO_MAX) {
    sequence[sequenceLength++] = 0x40 | ((count - 1) >> 8);
    sequence[sequenceLength++] = count - 1;
  } else if (count > 0) sequence[sequenceLength++] = count - 1;
}
function putValues(value: number, count: number): void {
  if (count > 0) sequence[sequenceLength++] = 0x80 | ((value - 1) << 2) | (count - 1);
}

function sparseSet(sketch: Sketch, register: number, count: number, sparseMaxBytes: number): number {
  const { bytes } = sketch;
  let at = HEADER_BYTES;
  let before = HEADER_BYTES;
  let first = 0;
  let run = 0;
  let width = 1;
  for (;;) {
    if (at >= sketch.length) return ERR_CORRUPT;
    const byte = bytes[at]!;
    width = (byte & 0xc0) === 0x40 ? 2 : 1;
    run = byte & 0x80 ? (byte & 3) + 1 : (width === 2 ? ((byte & 63) << 8) | bytes[at + 1]! : byte & 63) + 1;
    if (register < first + run) break;
    before = at;
    at += width;
    first += run;
  }
  const isValue = (bytes[at]! & 0x80) !== 0;
  const value = ((bytes[at]! >> 2) & 31) + 1;
  if (isValue && value >= count) return 0;
  sequenceLength = 0;
  const last = first + run - 1;
  if (isValue) putValues(value, register - first);
  else putZeros(register - first);
  putValues(count, 1);
  if (isValue) putValues(value, last - register);
  else putZeros(last - register);
  const grown = sequenceLength - width;
  if (grown > 0 && sketch.length + grown > sparseMaxBytes) return PROMOTE;
  bytes.copyWithin(at + sequenceLength, at + width, sketch.length);
  bytes.set(sequence.subarray(0, sequenceLength), at);
  sketch.length += grown;
  mergeRuns(sketch, before);
  sketch.invalidate();
  return 1;
}

/** Joins neighbouring runs of one value, from one run before the change on. */
function mergeRuns(sketch: Sketch, from: number): void {
  const { bytes } = sketch;
  let at = from;
  for (let left = MERGE_SCAN; left > 0 && at < sketch.length; left--) {
    const byte = bytes[at]!;
    if ((byte & 0x80) === 0) {
      at += byte & 0x40 ? 2 : 1;
      continue;
    }
    const next = bytes[at + 1]!;
    if (at + 1 < sketch.length && next & 0x80 && (byte & 0x7c) === (next & 0x7c)) {
      const count = (byte & 3) + (next & 3) + 2;
      if (count <= VALUE_RUN_MAX) {
        bytes[at + 1] = (byte & 0xfc) | (count - 1);
        bytes.copyWithin(at, at + 1, sketch.length);
        sketch.length--;
        continue;
      }
    }
    at++;
  }
}

// ---- estimating ----

function tau(given: number): number {
  if (given === 0 || given === 1) return 0;
  let x = given;
  let y = 1;
  let z = 1 - x;
  for (;;) {
    x = Math.sqrt(x);
    const before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
    if (z === before) return z / 3;
  }
}
function sigma(given: number): number {
  if (given === 1) return Number.POSITIVE_INFINITY;
  let x = given;
  let y = 1;
  let z = x;
  for (;;) {
    x *= x;
    const before = z;
    z += x * y;
    y += y;
    if (z === before) return z;
  }
}

/** The number of distinct elements that registers speak of. */
export function estimate(registers: Uint8Array): number {
  const histogram = new Int32Array(64);
  for (const value of registers) histogram[value]!++;
  const m = REGISTERS;
  let z = m * tau((m - histogram[MAX_COUNT]!) / m);
  for (let value = MAX_COUNT - 1; value >= 1; value--) {
    z += histogram[value]!;
    z *= 0.5;
  }
  z += m * sigma(histogram[0]! / m);
  return Math.round((ALPHA_INFINITE * m * m) / z);
}

/** The runs of a sparse one in words: z:count and Z:count zeros, v:value,count. */
export function describeRuns(sketch: Sketch): string {
  const words: string[] = [];
  let at = HEADER_BYTES;
  eachRun(sketch, (_first, count, value) => {
    const isLong = (sketch.bytes[at]! & 0xc0) === 0x40;
    if (value > 0) words.push(`v:${value},${count}`);
    else words.push(`${isLong ? 'Z' : 'z'}:${count}`);
    at += isLong ? 2 : 1;
  });
  return words.join(' ');
}
