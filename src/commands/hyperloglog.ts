/** HyperLogLog commands, on strings in Redis's format (structures/hyperloglog.ts). */
import { TYPE_STRING } from '../keyspace/keyspace.ts';
import * as hll from '../structures/hyperloglog.ts';
import { Sketch } from '../structures/hyperloglog.ts';
import { type CommandContext, ERR_WRONG_TYPE, type Handler } from './context.ts';

const ERR_NOT_HLL = 'WRONGTYPE Key is not a valid HyperLogLog string value.';
const ERR_CORRUPT = 'INVALIDOBJ Corrupted HLL object detected';
const NONE = 0;
const FAILED = -1;

/** The sketch and the registers that handlers of this thread work with. */
const sketch = new Sketch();
const registers = new Uint8Array(hll.REGISTERS);

/** Loads the sketch of a key: its entry, NONE when there is no key, or FAILED after an error was replied. */
function load(ctx: CommandContext, index: number, toWrite: boolean): number {
  ctx.locate(index);
  const { keyspace } = ctx;
  const entry = toWrite ? keyspace.write() : keyspace.read();
  if (entry === 0) return NONE;
  if (keyspace.type(entry) !== TYPE_STRING) {
    ctx.reply.error(ERR_WRONG_TYPE);
    return FAILED;
  }
  const start = keyspace.stringStart(entry);
  if (sketch.load(keyspace.bank.u8, start, start + keyspace.stringLength(entry))) return entry;
  ctx.reply.error(ERR_NOT_HLL);
  return FAILED;
}
/** Puts the sketch back under the current key, which `load` has looked up. */
function store(ctx: CommandContext, entry: number): void {
  const { keyspace } = ctx;
  const fresh = keyspace.setString(entry, sketch.bytes, 0, sketch.length, true);
  keyspace.mutate(fresh, true);
}
function sparseMaxBytes(ctx: CommandContext): number {
  return Number(ctx.server.config.getString('hll-sparse-max-bytes'));
}

function pfadd(ctx: CommandContext): void {
  const entry = load(ctx, 1, true);
  if (entry === FAILED) return;
  let changed = 0;
  if (entry === NONE) {
    sketch.reset();
    changed++;
  }
  const limit = sparseMaxBytes(ctx);
  for (let index = 2; index < ctx.argc; index++) {
    const outcome = hll.add(sketch, ctx.bytes, ctx.start(index), ctx.end(index), limit);
    if (outcome < 0) {
      ctx.reply.error(ERR_CORRUPT);
      return;
    }
    changed += outcome;
  }
  if (changed > 0) {
    sketch.invalidate();
    store(ctx, entry);
  }
  ctx.reply.integer(changed > 0 ? 1 : 0);
}

/** Merges the keys from argument `first` on into `registers`; false after an error was replied. */
let sawDense = false;
function mergeKeys(ctx: CommandContext, first: number): boolean {
  registers.fill(0);
  sawDense = false;
  for (let index = first; index < ctx.argc; index++) {
    const entry = load(ctx, index, false);
    if (entry === FAILED) return false;
    if (entry === NONE) continue;
    if (sketch.encoding === hll.DENSE) sawDense = true;
    if (hll.mergeInto(sketch, registers)) continue;
    ctx.reply.error(ERR_CORRUPT);
    return false;
  }
  return true;
}

function pfcount(ctx: CommandContext): void {
  if (ctx.argc > 2) {
    if (mergeKeys(ctx, 1)) ctx.reply.integer(hll.estimate(registers));
    return;
  }
  const entry = load(ctx, 1, true);
  if (entry === FAILED) return;
  if (entry === NONE) {
    ctx.reply.integer(0);
    return;
  }
  let count = sketch.cached;
  if (count < 0) {
    registers.fill(0);
    if (!hll.mergeInto(sketch, registers)) {
      ctx.reply.error(ERR_CORRUPT);
      return;
    }
    count = hll.estimate(registers);
    sketch.keep(count);
    store(ctx, entry);
  }
  ctx.reply.integer(count);
}

function pfmerge(ctx: CommandContext): void {
  if (!mergeKeys(ctx, 1)) return;
  const toDense = sawDense;
  const entry = load(ctx, 1, true);
  if (entry === FAILED) return;
  if (entry === NONE) sketch.reset();
  if (toDense && !hll.toDense(sketch)) {
    ctx.reply.error(ERR_CORRUPT);
    return;
  }
  const limit = sparseMaxBytes(ctx);
  for (let register = 0; register < hll.REGISTERS; register++) {
    const value = registers[register]!;
    if (value !== 0) hll.setRegister(sketch, register, value, limit);
  }
  sketch.invalidate();
  store(ctx, entry);
  ctx.reply.ok();
}

function pfdebug(ctx: CommandContext): void {
  const what = ctx.word(1);
  const entry = load(ctx, 2, true);
  if (entry === FAILED) return;
  if (entry === NONE) {
    ctx.reply.error('ERR The specified key does not exist');
    return;
  }
  const wasDense = sketch.encoding === hll.DENSE;
  if (what === 'encoding') ctx.reply.simple(wasDense ? 'dense' : 'sparse');
  else if (what === 'decode') {
    if (wasDense) ctx.reply.error('ERR HLL encoding is not sparse');
    else ctx.reply.bulkString(hll.describeRuns(sketch));
  } else if (what === 'getreg' || what === 'todense') {
    if (!hll.toDense(sketch)) {
      ctx.reply.error(ERR_CORRUPT);
      return;
    }
    if (!wasDense) store(ctx, entry);
    if (what === 'todense') ctx.reply.integer(wasDense ? 0 : 1);
    else replyRegisters(ctx);
  } else {
    ctx.reply.error(`ERR Unknown PFDEBUG subcommand '${ctx.shown(1)}'`);
  }
}
function replyRegisters(ctx: CommandContext): void {
  registers.fill(0);
  hll.mergeInto(sketch, registers);
  ctx.reply.array(hll.REGISTERS);
  for (const value of registers) ctx.reply.integer(value);
}

const TEST_ELEMENTS = 100_000;
/** Five times the standard error of 16384 registers. */
const TEST_TOLERANCE = 0.04;

/** Counts known numbers of elements, sparse and dense, and compares the estimates with them. */
function pfselftest(ctx: CommandContext): void {
  const own = new Sketch();
  const own8 = new Uint8Array(hll.REGISTERS);
  const element = Buffer.alloc(8);
  own.reset();
  for (let count = 1, next = 10; count <= TEST_ELEMENTS; count++) {
    element.writeDoubleLE(count);
    hll.add(own, element, 0, 8, sparseMaxBytes(ctx));
    if (count !== next) continue;
    next *= 10;
    own8.fill(0);
    const isWhole = hll.mergeInto(own, own8);
    const estimated = hll.estimate(own8);
    if (isWhole && Math.abs(estimated - count) <= Math.max(1, count * TEST_TOLERANCE)) continue;
    ctx.reply.error(`ERR TESTFAILED estimated ${estimated} elements of ${count}`);
    return;
  }
  ctx.reply.ok();
}

export const hyperloglogHandlers: Record<string, Handler> = { pfadd, pfcount, pfmerge, pfdebug, pfselftest };
