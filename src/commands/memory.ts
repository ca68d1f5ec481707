/** MEMORY: what keys take, and what the allocator has. */
import { countKeys } from '../keyspace/committed-keys.ts';
import * as layout from '../keyspace/layout.ts';
import { type Overhead, overheadOf } from '../keyspace/overhead.ts';
import { type CommandContext, ERR_SYNTAX, type Handler, int32Argument } from './context.ts';

function usage(ctx: CommandContext): void {
  for (let index = 3; index < ctx.argc; index += 2) {
    if (ctx.word(index) !== 'samples' || index + 1 >= ctx.argc) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    // How many elements to look at is accepted and not needed: the sizes are exact.
    const samples = int32Argument(ctx, index + 1);
    if (samples === null) return;
    if (samples < 0) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  }
  ctx.locate(2);
  const entry = ctx.keyspace.peek();
  if (entry === 0) ctx.reply.nil();
  else ctx.reply.integer((ctx.keyspace.usedWords(entry) + 1) * 4);
}

function keyCount(ctx: CommandContext): number {
  let count = 0;
  for (let database = 0; database < layout.DATABASES; database++) count += countKeys(ctx.keyspace, database);
  return count;
}

/** Databases that have tables, and what these take. */
function usedDatabases({ keyspace }: CommandContext): [number, Overhead][] {
  const all = Array.from({ length: layout.DATABASES }, (_, database): [number, Overhead] => [database, overheadOf(keyspace, database)]);
  return all.filter(([, { tableBytes, expiryBytes }]) => tableBytes + expiryBytes > 0);
}

function stats(ctx: CommandContext): void {
  const { keyspace, reply } = ctx;
  const used = keyspace.usedBytes();
  const peak = Math.max(used, ctx.server.peakBytes());
  const rss = process.memoryUsage.rss();
  const count = keyCount(ctx);
  const databases = usedDatabases(ctx);
  const overhead = databases.reduce((sum, [, { tableBytes, expiryBytes }]) => sum + tableBytes + expiryBytes, 0);
  const integers: [string, number][] = [
    ['peak.allocated', peak],
    ['total.allocated', used],
    // What a start without data takes of the banks, and what serves replicas: there are none.
    ['startup.allocated', 0],
    ['replication.backlog', 0],
    ['clients.slaves', 0],
    ['cluster.links', 0],
    ['overhead.total', overhead],
    ['keys.count', count],
    ['keys.bytes-per-key', count === 0 ? 0 : Math.round(used / count)],
    ['dataset.bytes', used - overhead],
    ['process.rss', rss],
    ['fragmentation.bytes', rss - used],
  ];
  const doubles: [string, number][] = [
    ['dataset.percentage', used === 0 ? 0 : ((used - overhead) / used) * 100],
    ['peak.percentage', (used / Math.max(1, peak)) * 100],
    ['fragmentation', rss / Math.max(1, used)],
  ];
  reply.map(integers.length + databases.length + doubles.length);
  for (const [name, value] of integers) {
    reply.bulkString(name);
    reply.integer(value);
  }
  for (const [database, { tableBytes, expiryBytes }] of databases) {
    reply.bulkString(`db.${database}`);
    reply.map(2);
    reply.bulkString('overhead.hashtable.main');
    reply.integer(tableBytes);
    reply.bulkString('overhead.hashtable.expires');
    reply.integer(expiryBytes);
  }
  for (const [name, value] of doubles) {
    reply.bulkString(name);
    reply.double(value);
  }
}

/** A line a bank that has something in it: MEMORY MALLOC-STATS. */
function mallocStats(ctx: CommandContext): void {
  const lines = ['bank  reserved bytes    used bytes'];
  for (const bank of ctx.keyspace.banks) {
    const used = bank.usedWords() * 4;
    if (used > 0) lines.push(`${String(bank.index).padStart(4)}${String(bank.u8.length).padStart(16)}${String(used).padStart(14)}`);
  }
  lines.push(`all banks: ${ctx.keyspace.usedBytes()} bytes used, ${process.memoryUsage.rss()} bytes resident in the whole process`);
  ctx.reply.verbatim('txt', `${lines.join('\n')}\n`);
}

const SMALL_BYTES = 5 * 1048576;
const WASTE_RATIO = 1.5;

function doctor(ctx: CommandContext): void {
  const used = ctx.keyspace.usedBytes();
  const rss = process.memoryUsage.rss();
  const limit = Number(ctx.server.config.getString('maxmemory'));
  const advice: string[] = [];
  if (limit > 0 && used > limit * 0.95) advice.push('Memory is all but full: see maxmemory and maxmemory-policy.');
  if (used > SMALL_BYTES && rss > used * WASTE_RATIO + 256 * 1048576) {
    advice.push(
      `The process holds ${Math.round(rss / 1048576)} MiB for ${Math.round(used / 1048576)} MiB of data. MEMORY PURGE gives back what is free.`,
    );
  }
  ctx.reply.verbatim('txt', advice.length === 0 ? 'Nothing that looks like trouble.\n' : `${advice.join('\n')}\n`);
}

export const memoryHandlers: Record<string, Handler> = {
  'memory|usage': usage,
  'memory|stats': stats,
  'memory|malloc-stats': mallocStats,
  'memory|doctor': doctor,
  'memory|purge': (ctx) => ctx.server.defer(ctx, { kind: 'memory-purge' }, (later) => later.reply.ok()),
};
