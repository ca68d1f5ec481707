/** Strings as arrays of bits: bit 0 is the highest of byte 0. */
import { parseInt64 } from '../base/numbers.ts';
import { TYPE_STRING } from '../keyspace/keyspace.ts';
import { bitfieldHandlers } from './bitfield.ts';
import { type CommandContext, ERR_NOT_INTEGER, ERR_SYNTAX, ERR_WRONG_TYPE, type Handler } from './context.ts';

const ERR_BIT_OFFSET = 'ERR bit offset is not an integer or out of range';
const ERR_BIT_VALUE = 'ERR bit is not an integer or out of range';

function isString(ctx: CommandContext, entry: number): boolean {
  if (entry === 0 || ctx.keyspace.type(entry) === TYPE_STRING) return true;
  ctx.reply.error(ERR_WRONG_TYPE);
  return false;
}

/** A bit's offset within what a value may be long; -1 after an error. */
function bitOffset(ctx: CommandContext, index: number): number {
  const offset = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (typeof offset === 'number' && offset >= 0 && Math.floor(offset / 8) < ctx.server.maxBulkLengthBytes) return offset;
  ctx.reply.error(ERR_BIT_OFFSET);
  return -1;
}

function setbit(ctx: CommandContext): void {
  const offset = bitOffset(ctx, 2);
  if (offset < 0) return;
  const bit = parseInt64(ctx.bytes, ctx.start(3), ctx.end(3));
  if (bit !== 0 && bit !== 1) {
    ctx.reply.error(ERR_BIT_VALUE);
    return;
  }
  ctx.locate(1);
  const { keyspace } = ctx;
  let entry = keyspace.write();
  if (!isString(ctx, entry)) return;
  const place = Math.floor(offset / 8);
  if (entry === 0 || keyspace.stringLength(entry) <= place) entry = keyspace.resizeString(entry, place + 1, true);
  else entry = keyspace.mutate(entry, true);
  const at = keyspace.stringStart(entry) + place;
  const mask = 128 >>> (offset % 8);
  const { u8 } = keyspace.bank;
  const old = u8[at]!;
  u8[at] = bit === 1 ? old | mask : old & ~mask;
  ctx.reply.integer(old & mask ? 1 : 0);
}

function getbit(ctx: CommandContext): void {
  const offset = bitOffset(ctx, 2);
  if (offset < 0) return;
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.read();
  if (!isString(ctx, entry)) return;
  const place = Math.floor(offset / 8);
  const isSet =
    entry !== 0 &&
    place < keyspace.stringLength(entry) &&
    (keyspace.bank.u8[keyspace.stringStart(entry) + place]! & (128 >>> (offset % 8))) !== 0;
  ctx.reply.integer(isSet ? 1 : 0);
}

const BITS_OF_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/** Bits set in bytes[start, end). */
function countBits(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) count += BITS_OF_BYTE[bytes[at]!]!;
  return count;
}

type BitRange = { first: number; last: number };

/**
 * The range that arguments `from` and on name (start, end, BYTE|BIT), as inclusive bit positions in a value of `length` bytes; null when
 * it's empty. Both ends may count from the end, and are cut to the value.
 */
function bitRange(start: number, end: number, isBits: boolean, length: number): BitRange | null {
  const total = isBits ? length * 8 : length;
  const first = start < 0 ? Math.max(0, total + start) : start;
  const last = Math.min(end < 0 ? Math.max(0, total + end) : end, total - 1);
  if (first > last) return null;
  return isBits ? { first, last } : { first: first * 8, last: last * 8 + 7 };
}

function bitcount(ctx: CommandContext): void {
  let start: number | bigint | null = 0;
  let end: number | bigint | null = -1;
  let isBits = false;
  if (ctx.argc > 2) {
    if (ctx.argc < 4 || ctx.argc > 5) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    start = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
    end = parseInt64(ctx.bytes, ctx.start(3), ctx.end(3));
    if (start === null || end === null) {
      ctx.reply.error(ERR_NOT_INTEGER);
      return;
    }
    if (ctx.argc === 5) {
      const unit = ctx.word(4);
      if (unit !== 'bit' && unit !== 'byte') {
        ctx.reply.error(ERR_SYNTAX);
        return;
      }
      isBits = unit === 'bit';
    }
  }
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.read();
  if (!isString(ctx, entry)) return;
  // Only BITCOUNT looks at this before the ends are cut to the value, which can bring them together.
  const isBackwards = start < 0 && end < 0 && start > end;
  const range = entry === 0 || isBackwards ? null : bitRange(Number(start), Number(end), isBits, keyspace.stringLength(entry));
  if (range === null) {
    ctx.reply.integer(0);
    return;
  }
  const base = keyspace.stringStart(entry);
  const { u8 } = keyspace.bank;
  const firstByte = base + (range.first >>> 3);
  const lastByte = base + Math.floor(range.last / 8);
  let count = countBits(u8, firstByte, lastByte + 1);
  // What the bits at both edges counted too much.
  count -= BITS_OF_BYTE[u8[firstByte]! & ~(255 >>> (range.first & 7)) & 255]!;
  count -= BITS_OF_BYTE[u8[lastByte]! & (127 >>> (range.last & 7))]!;
  ctx.reply.integer(count);
}

/** The first bit with this value in the range, or -1. */
function findBit(bytes: Uint8Array, base: number, range: BitRange, bit: number): number {
  const skip = bit === 1 ? 0 : 255;
  for (let position = range.first; position <= range.last; ) {
    const byte = bytes[base + Math.floor(position / 8)]!;
    if (position % 8 === 0 && byte === skip) {
      position += 8;
      continue;
    }
    if (((byte >>> (7 - (position % 8))) & 1) === bit) return position;
    position++;
  }
  return -1;
}

function bitpos(ctx: CommandContext): void {
  const bit = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (bit === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  if (bit !== 0 && bit !== 1) {
    ctx.reply.error('ERR The bit argument must be 1 or 0.');
    return;
  }
  if (ctx.argc > 6) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  const start = ctx.argc > 3 ? parseInt64(ctx.bytes, ctx.start(3), ctx.end(3)) : 0;
  const end = ctx.argc > 4 ? parseInt64(ctx.bytes, ctx.start(4), ctx.end(4)) : -1;
  if (start === null || end === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  const unit = ctx.argc > 5 ? ctx.word(5) : 'byte';
  if (unit !== 'bit' && unit !== 'byte') {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  ctx.locate(1);
  const { keyspace } = ctx;
  const entry = keyspace.read();
  if (!isString(ctx, entry)) return;
  if (entry === 0) {
    ctx.reply.integer(bit === 1 ? -1 : 0);
    return;
  }
  const length = keyspace.stringLength(entry);
  const range = bitRange(Number(start), Number(end), unit === 'bit', length);
  const found = range === null ? -1 : findBit(keyspace.bank.u8, keyspace.stringStart(entry), range, bit);
  // Without an end the value counts as if zeros followed it.
  if (found < 0 && range !== null && bit === 0 && ctx.argc <= 4) ctx.reply.integer(length * 8);
  else ctx.reply.integer(found);
}

const OPERATIONS: Record<string, (a: number, b: number) => number> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};

/** BITOP operation destination key...: the result is built apart, as the destination may be one of the sources. */
function bitop(ctx: CommandContext): void {
  const name = ctx.word(1);
  const operation = OPERATIONS[name];
  if (operation === undefined && name !== 'not') {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  if (name === 'not' && ctx.argc !== 4) {
    ctx.reply.error('ERR BITOP NOT must be called with a single source key.');
    return;
  }
  const { keyspace } = ctx;
  let longest = 0;
  for (let index = 3; index < ctx.argc; index++) {
    ctx.locate(index);
    const entry = keyspace.read();
    if (!isString(ctx, entry)) return;
    if (entry !== 0) longest = Math.max(longest, keyspace.stringLength(entry));
  }
  const result = Buffer.alloc(longest);
  for (let index = 3; index < ctx.argc; index++) {
    ctx.locate(index);
    const entry = keyspace.peek();
    const start = entry === 0 ? 0 : keyspace.stringStart(entry);
    const length = entry === 0 ? 0 : keyspace.stringLength(entry);
    const { u8 } = keyspace.bank;
    if (operation === undefined) {
      for (let at = 0; at < length; at++) result[at] = ~u8[start + at]!;
    } else if (index === 3) {
      u8.copy(result, 0, start, start + length);
    } else {
      for (let at = 0; at < longest; at++) result[at] = operation(result[at]!, at < length ? u8[start + at]! : 0);
    }
  }
  ctx.locate(2);
  const target = keyspace.write();
  // Redis makes no short string of the result, whatever its length.
  if (longest > 0) keyspace.mutate(keyspace.setString(target, result, 0, longest, false), true);
  else if (target !== 0) keyspace.remove(target);
  ctx.reply.integer(longest);
}

export const bitmapHandlers: Record<string, Handler> = { setbit, getbit, bitcount, bitpos, bitop, ...bitfieldHandlers };
