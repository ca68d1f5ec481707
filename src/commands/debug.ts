/** DEBUG: tools for tests, behind `enable-debug-command`. */
import { requireUsable, TryAgain } from '../keyspace/key-locks.ts';
import * as layout from '../keyspace/layout.ts';
import { releaseShared, tryShared } from '../memory/latch.ts';
import { type CommandContext, ERR_NO_KEY, type Handler } from './context.ts';
import { encodingOf } from './generic.ts';

const ERR_NOT_ALLOWED =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.';

function isAllowed(ctx: CommandContext): boolean {
  const allowed = ctx.server.config.getString('enable-debug-command');
  const isLocal = /^127\.|^\[::1\]|:0$/.test(ctx.client.peerAddress);
  return allowed === 'yes' || (allowed === 'local' && isLocal);
}

/** Stops this thread, and the clients that it serves; other reactors go on. */
function sleep(ctx: CommandContext): void {
  const seconds = Number(ctx.text(2));
  const words = new Int32Array(new SharedArrayBuffer(4));
  if (seconds > 0) Atomics.wait(words, 0, 0, seconds * 1000);
  ctx.reply.ok();
}

function setActiveExpire(ctx: CommandContext): void {
  ctx.keyspace.control[layout.GLOBAL_ACTIVE_EXPIRE] = ctx.text(2) === '0' ? 0 : 1;
  ctx.reply.ok();
}

/** Without a word the thread that serves the client fails; JANITOR and MAIN let those fail. */
function panic(ctx: CommandContext): void {
  const thread = ctx.argc > 2 ? ctx.word(2) : 'reactor';
  if (thread === 'janitor') {
    Atomics.store(ctx.keyspace.control, layout.GLOBAL_STOP, layout.STOP_BY_PANIC);
    Atomics.notify(ctx.keyspace.control, layout.GLOBAL_STOP);
    ctx.reply.ok();
  } else if (thread === 'script') {
    ctx.server.defer(ctx, { kind: 'panic-script' }, (later, isDone) => later.reply.integer(isDone === true ? 1 : 0));
  } else if (thread === 'main') {
    ctx.server.defer(ctx, { kind: 'panic' }, () => undefined);
  } else {
    throw new Error('crashed by DEBUG PANIC');
  }
}

function object(ctx: CommandContext): void {
  const { keyspace } = ctx;
  const latch = keyspace.locate(ctx.database, ctx.bytes, ctx.start(2), ctx.end(2));
  if (!keyspace.isLatched && !tryShared(keyspace.control, latch)) throw new TryAgain();
  try {
    requireUsable(keyspace, false);
    const entry = keyspace.peek();
    if (entry === 0) ctx.reply.error(ERR_NO_KEY);
    else ctx.reply.simple(describeEntry(ctx, entry));
  } finally {
    if (!keyspace.isLatched) releaseShared(keyspace.control, latch);
  }
}
function describeEntry(ctx: CommandContext, entry: number): string {
  const { keyspace } = ctx;
  const idle = ctx.server.idleSeconds(keyspace.stampOf(entry));
  const bytes = keyspace.usedWords(entry) * 4;
  return (
    `Value at:${keyspace.bank.index}/${entry} refcount:1 encoding:${encodingOf(ctx, entry)} ` +
    `serializedlength:${bytes} lru:${keyspace.stampOf(entry)} lru_seconds_idle:${idle}`
  );
}

const PROTOCOL_TYPES: Record<string, (ctx: CommandContext) => void> = {
  string: ({ reply }) => reply.bulkString('Hello World'),
  integer: ({ reply }) => reply.integer(12345),
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: the number that Redis answers
  double: ({ reply }) => reply.double(3.141),
  bignum: ({ reply }) => reply.bigNumber('1234567999999999999999999999999999999'),
  null: ({ reply }) => reply.nil(),
  array: ({ reply }) => {
    reply.array(3);
    for (let index = 0; index < 3; index++) reply.integer(index);
  },
  set: ({ reply }) => {
    reply.set(3);
    for (let index = 0; index < 3; index++) reply.integer(index);
  },
  map: ({ reply }) => {
    reply.map(3);
    for (let index = 0; index < 3; index++) {
      reply.integer(index);
      reply.boolean(index === 1);
    }
  },
  attrib: ({ reply }) => {
    if (reply.resp === 3) {
      reply.attribute(1);
      reply.bulkString('key-popularity');
      reply.array(2);
      reply.bulkString('key:123');
      reply.integer(90);
    }
    reply.bulkString('Some real reply following the attribute');
  },
  push: ({ reply }) => {
    if (reply.resp === 2) {
      reply.error('ERR RESP2 is not supported by this command');
      return;
    }
    reply.push(2);
    reply.bulkString('server-cpu-usage');
    reply.integer(42);
    reply.bulkString('Some real reply following the push reply');
  },
  verbatim: ({ reply }) => reply.verbatim('txt', 'This is a verbatim\nstring'),
  true: ({ reply }) => reply.boolean(true),
  false: ({ reply }) => reply.boolean(false),
};

function protocol(ctx: CommandContext): void {
  const write = PROTOCOL_TYPES[ctx.word(2)];
  if (write !== undefined) write(ctx);
  else ctx.reply.error(`ERR Wrong protocol type name. Please use one of the following: ${Object.keys(PROTOCOL_TYPES).join('|')}`);
}

function checkMemory(ctx: CommandContext): void {
  for (const bank of ctx.keyspace.banks) bank.check();
  ctx.reply.ok();
}

function log(ctx: CommandContext): void {
  ctx.server.log(`DEBUG LOG: ${ctx.text(2)}`);
  ctx.reply.ok();
}

type Subcommand = { readonly argc: readonly [number, number]; readonly run: Handler; readonly usage: string; readonly help: string };

const SUBCOMMANDS: Record<string, Subcommand> = {
  'check-memory': { argc: [2, 2], run: checkMemory, usage: 'CHECK-MEMORY', help: 'Walk all banks and account for every word of them.' },
  error: { argc: [3, 3], run: (ctx) => ctx.reply.error(ctx.text(2)), usage: 'ERROR <string>', help: 'Reply with <string> as an error.' },
  log: { argc: [3, 3], run: log, usage: 'LOG <message>', help: 'Write <message> to the log of the server.' },
  object: { argc: [3, 3], run: object, usage: 'OBJECT <key>', help: 'Show where a value lies and how it is stored.' },
  panic: { argc: [2, 3], run: panic, usage: 'PANIC [JANITOR|MAIN|SCRIPT]', help: 'Let a thread fail: this one by default.' },
  protocol: { argc: [3, 3], run: protocol, usage: 'PROTOCOL <type>', help: 'Reply with a value of that protocol type.' },
  'set-active-expire': {
    argc: [3, 3],
    run: setActiveExpire,
    usage: 'SET-ACTIVE-EXPIRE <0|1>',
    help: 'With 0, keys whose time is over are deleted only when they are looked up.',
  },
  sleep: { argc: [3, 3], run: sleep, usage: 'SLEEP <seconds>', help: 'Stop the thread that serves this client. Decimals allowed.' },
};

function help(ctx: CommandContext): void {
  const all = Object.values(SUBCOMMANDS);
  ctx.reply.array(all.length * 2 + 3);
  ctx.reply.simple('DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:');
  for (const each of all) {
    ctx.reply.simple(each.usage);
    ctx.reply.simple(`    ${each.help}`);
  }
  ctx.reply.simple('HELP');
  ctx.reply.simple('    Print this help.');
}

function debug(ctx: CommandContext): void {
  if (!isAllowed(ctx)) {
    ctx.reply.error(ERR_NOT_ALLOWED);
    return;
  }
  const word = ctx.word(1);
  if (word === 'help' && ctx.argc === 2) {
    help(ctx);
    return;
  }
  const found = SUBCOMMANDS[word];
  if (found === undefined || ctx.argc < found.argc[0] || ctx.argc > found.argc[1]) {
    ctx.reply.error(`ERR unknown subcommand or wrong number of arguments for '${ctx.shown(1)}'. Try DEBUG HELP.`);
    return;
  }
  found.run(ctx);
}

export const debugHandlers: Record<string, Handler> = { debug };
