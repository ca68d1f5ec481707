/** Commands on the server as a whole. */
import { parseInt64 } from '../base/numbers.ts';
import { FERRITE_VERSION, REDIS_VERSION } from '../base/version.ts';
import * as waiters from '../blocking/waiters.ts';
import { countKeys } from '../keyspace/committed-keys.ts';
import * as layout from '../keyspace/layout.ts';
import { flushDatabase, swapDatabases } from '../keyspace/walk.ts';
import { type CommandContext, ERR_DB_INDEX, ERR_NOT_INTEGER, ERR_SYNTAX, type Handler, replyBadSubcommand } from './context.ts';

function isFlushMode(ctx: CommandContext): boolean {
  if (ctx.argc === 1 || (ctx.argc === 2 && /^(async|sync)$/i.test(ctx.text(1)))) return true;
  ctx.reply.error(ERR_SYNTAX);
  return false;
}
function flushdb(ctx: CommandContext): void {
  if (!isFlushMode(ctx)) return;
  flushDatabase(ctx.keyspace, ctx.database);
  ctx.reply.ok();
}
function flushall(ctx: CommandContext): void {
  if (!isFlushMode(ctx)) return;
  for (let database = 0; database < layout.DATABASES; database++) {
    if (ctx.keyspace.count(database) > 0) flushDatabase(ctx.keyspace, database);
  }
  ctx.reply.ok();
}

function swapdb(ctx: CommandContext): void {
  const first = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
  const second = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  const isIndex = (index: number | bigint | null): index is number => index !== null && index === Number(BigInt.asIntN(32, BigInt(index)));
  if (!isIndex(first) || !isIndex(second)) {
    ctx.reply.error(`ERR invalid ${isIndex(first) ? 'second' : 'first'} DB index`);
  } else if ([first, second].some((index) => index < 0 || index >= ctx.keyspace.databases)) {
    ctx.reply.error(ERR_DB_INDEX);
  } else {
    swapDatabases(ctx.keyspace, first, second);
    for (const database of [first, second]) noteWaited(ctx, database);
    ctx.reply.ok();
  }
}

/** All keys of the database that somebody waits for may be there now: the command's end looks, as after a push. */
function noteWaited(ctx: CommandContext, database: number): void {
  const { keyspace } = ctx;
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    keyspace.enter(database, shard);
    waiters.forEachWaited(keyspace, (key) => keyspace.ready.push({ database, key }));
  }
}

function time(ctx: CommandContext): void {
  const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  ctx.reply.array(2);
  ctx.reply.bulkString(String(Math.floor(micros / 1e6)));
  ctx.reply.bulkString(String(micros % 1e6));
}

function configGet(ctx: CommandContext): void {
  const patterns: string[] = [];
  for (let index = 2; index < ctx.argc; index++) patterns.push(ctx.text(index));
  const pairs = ctx.server.config.match(patterns);
  ctx.reply.map(pairs.length);
  for (const [name, value] of pairs) {
    ctx.reply.bulkString(name);
    ctx.reply.bulkString(value);
  }
}
function configSet(ctx: CommandContext): void {
  if (ctx.argc % 2 !== 0) {
    ctx.reply.error("ERR wrong number of arguments for 'config|set' command");
    return;
  }
  const pairs: [string, string][] = [];
  for (let index = 2; index < ctx.argc; index += 2) pairs.push([ctx.text(index), ctx.text(index + 1)]);
  ctx.server.defer(ctx, { kind: 'config-set', pairs }, replyOutcome);
}
function replyOutcome(ctx: CommandContext, answer: unknown): void {
  if (typeof answer === 'string') ctx.reply.error(answer);
  else ctx.reply.ok();
}

function info(ctx: CommandContext): void {
  const sections: string[] = [];
  for (let index = 1; index < ctx.argc; index++) sections.push(ctx.word(index));
  ctx.reply.verbatim('txt', ctx.server.info(sections));
}

function lolwut(ctx: CommandContext): void {
  if (ctx.argc > 2 && ctx.word(1) === 'version' && parseInt64(ctx.bytes, ctx.start(2), ctx.end(2)) === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  const rows = 5;
  const lines: string[] = [];
  for (let row = 0; row < rows; row++) {
    // Rings of core memory on their wires, some magnetized.
    lines.push(Array.from({ length: 24 }, () => (Math.random() < 0.5 ? '◦' : '●')).join('─'));
  }
  ctx.reply.verbatim('txt', `${lines.join('\n')}\nFerrite ver. ${FERRITE_VERSION} (Redis ver. ${REDIS_VERSION})\n`);
}

function slowlogGet(ctx: CommandContext): void {
  if (ctx.argc > 3) {
    replyBadSubcommand(ctx);
    return;
  }
  const given = ctx.argc > 2 ? parseInt64(ctx.bytes, ctx.start(2), ctx.end(2)) : 10;
  if (given === null || given < -1) {
    ctx.reply.error('ERR count should be greater than or equal to -1');
    return;
  }
  ctx.server.defer(ctx, { kind: 'slowlog-get' }, (later, answer) => {
    const all = answer as { id: number; seconds: number; micros: number; args: string[]; address: string; name: string }[];
    const entries = given === -1 ? all : all.slice(0, Number(given));
    const { reply } = later;
    reply.array(entries.length);
    for (const entry of entries) {
      reply.array(6);
      reply.integer(entry.id);
      reply.integer(entry.seconds);
      reply.integer(entry.micros);
      reply.array(entry.args.length);
      for (const argument of entry.args) reply.bulkString(argument);
      reply.bulkString(entry.address);
      reply.bulkString(entry.name);
    }
  });
}

/** SAVE and NOSAVE exclude each other, and ABORT stands alone. */
function shutdown(ctx: CommandContext): void {
  const words = new Set<string>();
  for (let index = 1; index < ctx.argc; index++) words.add(ctx.word(index));
  const isKnown = [...words].every((word) => ['nosave', 'save', 'now', 'force', 'abort'].includes(word));
  if (!isKnown || (words.has('save') && words.has('nosave')) || (words.has('abort') && words.size > 1)) ctx.reply.error(ERR_SYNTAX);
  else if (words.has('save')) ctx.reply.error('ERR Errors trying to SHUTDOWN. Check logs.');
  else {
    const request = { kind: 'shutdown', abort: words.has('abort'), now: words.has('now'), force: words.has('force') };
    ctx.server.defer(ctx, request, (later, answer) => {
      if (answer === 'OK') later.reply.ok();
      else later.reply.error(answer as string);
    });
  }
}

function wait(ctx: CommandContext): void {
  const replicas = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
  const timeout = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (replicas === null) ctx.reply.error(ERR_NOT_INTEGER);
  else if (timeout === null) ctx.reply.error('ERR timeout is not an integer or out of range');
  else if (timeout < 0) ctx.reply.error('ERR timeout is negative');
  else if (replicas <= 0 || !ctx.mayBlock) ctx.reply.integer(0);
  // Without replicas there is nothing to wait for but the time itself.
  else ctx.server.defer(ctx, { kind: 'delay', milliseconds: Number(timeout) }, (later) => later.reply.integer(0));
}

export const serverHandlers: Record<string, Handler> = {
  dbsize: (ctx) => ctx.reply.integer(countKeys(ctx.keyspace, ctx.database)),
  flushdb,
  flushall,
  swapdb,
  time,
  info,
  lolwut,
  shutdown,
  wait,
  'config|get': configGet,
  'config|set': configSet,
  'config|rewrite': (ctx) => ctx.server.defer(ctx, { kind: 'config-rewrite' }, replyOutcome),
  'config|resetstat': (ctx) => ctx.server.defer(ctx, { kind: 'resetstat' }, (later) => later.reply.ok()),
  // Nothing is saved by this server: the time of its start, as Redis replies before its first save.
  lastsave: (ctx) => ctx.reply.integer(Math.floor(ctx.server.startedMs / 1000)),
  'slowlog|get': slowlogGet,
  'slowlog|len': (ctx) =>
    ctx.server.defer(ctx, { kind: 'slowlog-get' }, (later, answer) => later.reply.integer((answer as unknown[]).length)),
  'slowlog|reset': (ctx) => ctx.server.defer(ctx, { kind: 'slowlog-reset' }, (later) => later.reply.ok()),
  'module|list': (ctx) => ctx.reply.array(0),
  role: (ctx) => {
    ctx.reply.array(3);
    ctx.reply.bulkString('master');
    ctx.reply.integer(0);
    ctx.reply.array(0);
  },
};
