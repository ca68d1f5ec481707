/** BITFIELD: integers of 1 to 64 bits at any bit of a string. All values are BigInt: 64-bit exactness matters more than speed here. */
import { parseInt64 } from '../base/numbers.ts';
import { TYPE_STRING } from '../keyspace/keyspace.ts';
import { type CommandContext, ERR_NOT_INTEGER, ERR_SYNTAX, ERR_WRONG_TYPE, type Handler } from './context.ts';

const ERR_TYPE = 'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.';
const ERR_BIT_OFFSET = 'ERR bit offset is not an integer or out of range';

type Overflow = 'wrap' | 'sat' | 'fail';
type Step = {
  kind: 'get' | 'set' | 'incrby';
  isSigned: boolean;
  bits: number;
  offset: number;
  value: bigint;
  overflow: Overflow;
};

/** The subcommands of BITFIELD, or null after an error. */
function parseSteps(ctx: CommandContext, readOnly: boolean): Step[] | null {
  const steps: Step[] = [];
  let overflow: Overflow = 'wrap';
  const refuse = (error: string): null => {
    ctx.reply.error(error);
    return null;
  };
  for (let index = 2; index < ctx.argc; ) {
    const word = ctx.word(index);
    const left = ctx.argc - index - 1;
    if (word === 'overflow' && left >= 1) {
      const mode = ctx.word(index + 1);
      if (mode !== 'wrap' && mode !== 'sat' && mode !== 'fail') return refuse('ERR Invalid OVERFLOW type specified');
      overflow = mode;
      index += 2;
      continue;
    }
    const needs = word === 'get' ? 2 : 3;
    if ((word !== 'get' && word !== 'set' && word !== 'incrby') || left < needs) return refuse(ERR_SYNTAX);
    const type = /^([iu])([1-9]\d?)$/.exec(ctx.text(index + 1));
    const bits = Number(type?.[2] ?? 0);
    const isSigned = type?.[1] === 'i';
    if (bits < 1 || bits > (isSigned ? 64 : 63)) return refuse(ERR_TYPE);
    const offset = parseOffset(ctx, index + 2, bits);
    if (offset < 0) return null;
    let value = 0n;
    if (word !== 'get') {
      const given = parseInt64(ctx.bytes, ctx.start(index + 3), ctx.end(index + 3));
      if (given === null) return refuse(ERR_NOT_INTEGER);
      value = BigInt(given);
    }
    steps.push({ kind: word, isSigned, bits, offset, value, overflow });
    index += needs + 1;
  }
  if (readOnly && steps.some((step) => step.kind !== 'get')) return refuse('ERR BITFIELD_RO only supports the GET subcommand');
  return steps;
}

/** A bit offset, or with '#' a count of fields; -1 after an error. */
function parseOffset(ctx: CommandContext, index: number, bits: number): number {
  const counts = ctx.length(index) > 0 && ctx.text(index).startsWith('#');
  const given = parseInt64(ctx.bytes, ctx.start(index) + (counts ? 1 : 0), ctx.end(index));
  const offset = typeof given === 'number' ? given * (counts ? bits : 1) : -1;
  if (offset >= 0 && Math.floor((offset + bits - 1) / 8) < ctx.server.maxBulkLengthBytes) return offset;
  ctx.reply.error(ERR_BIT_OFFSET);
  return -1;
}

function readField(ctx: CommandContext, entry: number, step: Step): bigint {
  const { keyspace } = ctx;
  const start = entry === 0 ? 0 : keyspace.stringStart(entry);
  const length = entry === 0 ? 0 : keyspace.stringLength(entry);
  let value = 0n;
  for (let bit = step.offset; bit < step.offset + step.bits; bit++) {
    const place = Math.floor(bit / 8);
    const byte = place < length ? keyspace.bank.u8[start + place]! : 0;
    value = (value << 1n) | BigInt((byte >>> (7 - (bit % 8))) & 1);
  }
  return step.isSigned ? BigInt.asIntN(step.bits, value) : value;
}
function writeField(ctx: CommandContext, entry: number, step: Step, value: bigint): void {
  const { keyspace } = ctx;
  const start = keyspace.stringStart(entry);
  const { u8 } = keyspace.bank;
  let rest = BigInt.asUintN(step.bits, value);
  for (let bit = step.offset + step.bits - 1; bit >= step.offset; bit--) {
    const at = start + Math.floor(bit / 8);
    const mask = 128 >>> (bit % 8);
    u8[at] = (rest & 1n) === 1n ? u8[at]! | mask : u8[at]! & ~mask;
    rest >>= 1n;
  }
}

/** The value as the field can hold it by the overflow rule; null for FAIL. */
function fit(step: Step, value: bigint): bigint | null {
  const bits = BigInt(step.bits);
  const max = step.isSigned ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  const min = step.isSigned ? -(1n << (bits - 1n)) : 0n;
  if (value >= min && value <= max) return value;
  if (step.overflow === 'fail') return null;
  // Redis measures the room above a value in 64 bits: far below the least one that goes round, and counts as too large.
  if (step.overflow === 'sat' && step.kind === 'set' && step.isSigned && max - value >= 1n << 63n) return max;
  if (step.overflow === 'sat') return value > max ? max : min;
  return step.isSigned ? BigInt.asIntN(step.bits, value) : BigInt.asUintN(step.bits, value);
}

function bitfield(ctx: CommandContext, readOnly: boolean): void {
  const steps = parseSteps(ctx, readOnly);
  if (steps === null) return;
  const writes = steps.filter((step) => step.kind !== 'get');
  ctx.locate(1);
  const { keyspace, reply } = ctx;
  let entry = writes.length > 0 ? keyspace.write() : keyspace.read();
  if (entry !== 0 && keyspace.type(entry) !== TYPE_STRING) {
    reply.error(ERR_WRONG_TYPE);
    return;
  }
  if (writes.length > 0) {
    const length = Math.max(...writes.map((step) => Math.floor((step.offset + step.bits - 1) / 8) + 1));
    if (entry === 0 || keyspace.stringLength(entry) < length) entry = keyspace.resizeString(entry, length, true);
    else entry = keyspace.mutate(entry, true);
  }
  reply.array(steps.length);
  for (const step of steps) {
    const old = readField(ctx, entry, step);
    if (step.kind === 'get') {
      reply.integer(old);
      continue;
    }
    // SET takes an unsigned field's value modulo 2^64, as a C cast does.
    const given = !step.isSigned && step.kind === 'set' ? BigInt.asUintN(64, step.value) : step.value;
    const value = fit(step, step.kind === 'set' ? given : old + step.value);
    if (value === null) {
      reply.nil();
      continue;
    }
    writeField(ctx, entry, step, value);
    reply.integer(step.kind === 'set' ? old : value);
  }
}

export const bitfieldHandlers: Record<string, Handler> = {
  bitfield: (ctx) => bitfield(ctx, false),
  bitfield_ro: (ctx) => bitfield(ctx, true),
};
