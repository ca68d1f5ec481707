/** Commands on the connection itself. What concerns other threads' clients goes through main (`defer`). */
import { createHash, timingSafeEqual } from 'node:crypto';
import { parseInt64 } from '../base/numbers.ts';
import { FERRITE_VERSION, REDIS_VERSION } from '../base/version.ts';
import { type CommandContext, ERR_DB_INDEX, ERR_SYNTAX, type Handler, int32Argument, replyBadSubcommand } from './context.ts';

const ERR_WRONG_PASS = 'WRONGPASS invalid username-password pair or user is disabled.';

/** Compares digests, so that the time tells nothing of the password. */
function isPassword(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** True when user and password are right; replies the error otherwise. */
function authenticate(ctx: CommandContext, user: string, password: string): boolean {
  const wanted = ctx.server.config.getString('requirepass');
  if (user === 'default' && (wanted === '' || isPassword(password, wanted))) {
    ctx.client.authenticated = true;
    return true;
  }
  ctx.reply.error(ERR_WRONG_PASS);
  return false;
}

function auth(ctx: CommandContext): void {
  if (ctx.argc > 3) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  if (ctx.argc === 2 && ctx.server.config.getString('requirepass') === '') {
    ctx.reply.error(
      'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    );
    return;
  }
  const user = ctx.argc === 3 ? ctx.text(1) : 'default';
  if (authenticate(ctx, user, ctx.text(ctx.argc - 1))) ctx.reply.ok();
}

function isName(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
const ERR_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.';

function hello(ctx: CommandContext): void {
  let next = 1;
  let version = ctx.client.resp;
  if (ctx.argc > 1) {
    const given = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
    if (given === null) {
      ctx.reply.error('ERR Protocol version is not an integer or out of range');
      return;
    }
    if (given !== 2 && given !== 3) {
      ctx.reply.error('NOPROTO unsupported protocol version');
      return;
    }
    version = given;
    next = 2;
  }
  let name: string | null = null;
  for (; next < ctx.argc; next++) {
    const word = ctx.word(next);
    if (word === 'auth' && next + 2 < ctx.argc) {
      if (!authenticate(ctx, ctx.text(next + 1), ctx.text(next + 2))) return;
      next += 2;
    } else if (word === 'setname' && next + 1 < ctx.argc) {
      name = ctx.text(++next);
      if (!isName(name)) {
        ctx.reply.error(ERR_NAME);
        return;
      }
    } else {
      ctx.reply.error(`ERR Syntax error in HELLO option '${ctx.shown(next)}'`);
      return;
    }
  }
  if (!ctx.client.authenticated) {
    ctx.reply.error(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
    return;
  }
  if (name !== null) ctx.client.name = name;
  ctx.client.resp = version;
  const { reply } = ctx;
  reply.resp = version;
  reply.map(8);
  const pairs: [string, string | number][] = [
    ['server', 'redis'],
    ['version', REDIS_VERSION],
    ['proto', version],
    ['id', ctx.client.id],
    ['mode', 'standalone'],
    ['role', 'master'],
  ];
  for (const [key, value] of pairs) {
    reply.bulkString(key);
    if (typeof value === 'number') reply.integer(value);
    else reply.bulkString(value);
  }
  reply.bulkString('modules');
  reply.array(0);
  reply.bulkString('ferrite_version');
  reply.bulkString(FERRITE_VERSION);
}

function ping(ctx: CommandContext): void {
  if (ctx.argc > 2) ctx.reply.error("ERR wrong number of arguments for 'ping' command");
  else if (ctx.argc === 2) ctx.reply.bulk(ctx.bytes, ctx.start(1), ctx.end(1));
  else ctx.reply.simple('PONG');
}

function select(ctx: CommandContext): void {
  const database = int32Argument(ctx, 1);
  if (database === null) return;
  if (database < 0 || database >= ctx.keyspace.databases) ctx.reply.error(ERR_DB_INDEX);
  else {
    ctx.client.database = database;
    ctx.database = database;
    ctx.reply.ok();
  }
}

function quit(ctx: CommandContext): void {
  ctx.reply.ok();
  ctx.client.closing = true;
}

function reset(ctx: CommandContext): void {
  const { client } = ctx;
  client.transaction?.reset(ctx.keyspace);
  client.database = 0;
  ctx.database = 0;
  client.name = '';
  client.resp = 2;
  client.noTouch = false;
  client.noEvict = false;
  client.replyMode = 'on';
  client.authenticated = ctx.server.config.getString('requirepass') === '';
  ctx.reply.resp = 2;
  ctx.reply.simple('RESET');
}

function setName(ctx: CommandContext): void {
  const name = ctx.text(2);
  if (!isName(name)) {
    ctx.reply.error(ERR_NAME);
    return;
  }
  ctx.client.name = name;
  ctx.reply.ok();
}

function setInfo(ctx: CommandContext): void {
  const field = ctx.word(2);
  const value = ctx.text(3);
  if (field !== 'lib-name' && field !== 'lib-ver') {
    ctx.reply.error(`ERR Unrecognized option '${ctx.shown(2)}'`);
  } else if (!isName(value)) {
    ctx.reply.error(`ERR ${field} cannot contain spaces, newlines or special characters.`);
  } else {
    if (field === 'lib-name') ctx.client.libName = value;
    else ctx.client.libVersion = value;
    ctx.reply.ok();
  }
}

function clientReply(ctx: CommandContext): void {
  const mode = ctx.word(2);
  if (mode === 'on') {
    ctx.client.replyMode = 'on';
    ctx.reply.ok();
  } else if (mode === 'off') {
    ctx.client.replyMode = 'off';
  } else if (mode === 'skip') {
    if (ctx.client.replyMode === 'on') ctx.client.replyMode = 'skip';
  } else {
    ctx.reply.error(ERR_SYNTAX);
  }
}

function onOff(change: (ctx: CommandContext, on: boolean) => void): Handler {
  return (ctx) => {
    const word = ctx.word(2);
    if (word !== 'on' && word !== 'off') {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    change(ctx, word === 'on');
    ctx.reply.ok();
  };
}

const CLIENT_TYPES = ['normal', 'master', 'replica', 'slave', 'pubsub'];

function list(ctx: CommandContext): void {
  let ids: Set<number> | null = null;
  let isNone = false;
  if (ctx.argc > 2) {
    const word = ctx.word(2);
    if (word === 'id' && ctx.argc > 3) {
      ids = new Set();
      for (let index = 3; index < ctx.argc; index++) {
        const id = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
        if (id === null) {
          ctx.reply.error('ERR Invalid client ID');
          return;
        }
        ids.add(Number(id));
      }
    } else if (word === 'type' && ctx.argc === 4) {
      const type = ctx.word(3);
      if (!CLIENT_TYPES.includes(type)) {
        ctx.reply.error(`ERR Unknown client type '${ctx.shown(3)}'`);
        return;
      }
      isNone = type !== 'normal';
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  }
  ctx.server.defer(ctx, { kind: 'client-list' }, (later, answer) => {
    const lines = (answer as [number, string][]).filter(([id]) => !isNone && (ids === null || ids.has(id))).sort((a, b) => a[0] - b[0]);
    later.reply.verbatim('txt', lines.map(([, line]) => `${line}\n`).join(''));
  });
}

function kill(ctx: CommandContext): void {
  const isOld = ctx.argc === 3;
  const filter: Record<string, string | number> = { caller: ctx.client.id };
  let skipsMe = !isOld;
  if (isOld) filter.address = ctx.text(2);
  else if (ctx.argc % 2 !== 0) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  for (let index = 2; !isOld && index < ctx.argc; index += 2) {
    const word = ctx.word(index);
    const value = ctx.text(index + 1);
    if (word === 'id') {
      const id = parseInt64(ctx.bytes, ctx.start(index + 1), ctx.end(index + 1));
      if (id === null || id < 1) {
        ctx.reply.error('ERR client-id should be greater than 0');
        return;
      }
      filter.id = Number(id);
    } else if (word === 'addr') filter.address = value;
    else if (word === 'laddr') filter.localAddress = value;
    else if (word === 'user') {
      if (value !== 'default') {
        ctx.reply.error(`ERR No such user '${value}'`);
        return;
      }
      filter.user = value;
    } else if (word === 'skipme' && /^(yes|no)$/i.test(value)) skipsMe = value.toLowerCase() === 'yes';
    else if (word === 'type') {
      if (!CLIENT_TYPES.includes(value.toLowerCase())) {
        ctx.reply.error(`ERR Unknown client type '${value}'`);
        return;
      }
      if (value.toLowerCase() !== 'normal') filter.id = -1;
    } else {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  }
  if (skipsMe) filter.except = ctx.client.id;
  ctx.server.defer(ctx, { kind: 'client-kill', filter }, (later, answer) => {
    if (!isOld) later.reply.integer(answer as number);
    else if (answer === 0) later.reply.error('ERR No such client');
    else later.reply.ok();
  });
}

function trackingInfo({ reply }: CommandContext): void {
  reply.map(3);
  reply.bulkString('flags');
  reply.set(1);
  reply.bulkString('off');
  reply.bulkString('redirect');
  reply.integer(-1);
  reply.bulkString('prefixes');
  reply.array(0);
}

function pause(ctx: CommandContext): void {
  if (ctx.argc > 4) {
    replyBadSubcommand(ctx);
    return;
  }
  const mode = ctx.argc > 3 ? ctx.word(3) : 'all';
  if (mode !== 'all' && mode !== 'write') {
    ctx.reply.error('ERR CLIENT PAUSE mode must be WRITE or ALL');
    return;
  }
  const time = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (time === null || time < 0) {
    ctx.reply.error(time === null ? 'ERR timeout is not an integer or out of range' : 'ERR timeout is negative');
    return;
  }
  ctx.server.defer(ctx, { kind: 'pause', milliseconds: Number(time), mode }, (later) => later.reply.ok());
}

export const connectionHandlers: Record<string, Handler> = {
  auth,
  hello,
  ping,
  echo: (ctx) => ctx.reply.bulk(ctx.bytes, ctx.start(1), ctx.end(1)),
  select,
  quit,
  reset,
  // Nothing is tracked by this server.
  'client|getredir': (ctx) => ctx.reply.integer(-1),
  'client|trackinginfo': trackingInfo,
  'client|id': (ctx) => ctx.reply.integer(ctx.client.id),
  'client|info': (ctx) => ctx.reply.verbatim('txt', `${ctx.client.describe()}\n`),
  'client|getname': (ctx) => {
    if (ctx.client.name === '') ctx.reply.nil();
    else ctx.reply.bulkString(ctx.client.name);
  },
  'client|setname': setName,
  'client|setinfo': setInfo,
  'client|reply': clientReply,
  'client|no-evict': onOff((ctx, on) => {
    ctx.client.noEvict = on;
  }),
  'client|no-touch': onOff((ctx, on) => {
    ctx.client.noTouch = on;
    ctx.keyspace.touching = !on;
  }),
  'client|list': list,
  'client|kill': kill,
  'client|pause': pause,
  'client|unpause': (ctx) => ctx.server.defer(ctx, { kind: 'unpause' }, (later) => later.reply.ok()),
};
