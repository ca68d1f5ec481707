/** Commands on the append-only log. */
import { parseInt64 } from '../base/numbers.ts';
import * as layout from '../keyspace/layout.ts';
import { type CommandContext, ERR_NOT_INTEGER, type Handler } from './context.ts';

const FOREVER_MS = Number.MAX_SAFE_INTEGER;

function bgrewriteaof(ctx: CommandContext): void {
  ctx.server.defer(ctx, { kind: 'bgrewriteaof' }, (later, answer) => {
    const { ok, error } = answer as { ok?: string; error?: string };
    if (ok !== undefined) later.reply.simple(ok);
    else later.reply.error(error as string);
  });
}

function replyAcknowledged(ctx: CommandContext, isLocal: boolean): void {
  ctx.reply.array(2);
  ctx.reply.integer(isLocal ? 1 : 0);
  // Without replicas none has anything.
  ctx.reply.integer(0);
}

/** WAITAOF numlocal numreplicas timeout: until this client's writes are on this disk (and on replicas', of which there are none). */
function waitaof(ctx: CommandContext): void {
  const local = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
  const replicas = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  const timeout = parseInt64(ctx.bytes, ctx.start(3), ctx.end(3));
  if (local === null || replicas === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return;
  }
  if (local < 0 || local > 1 || replicas < 0) {
    ctx.reply.error(replicas < 0 ? 'ERR value is out of range, must be positive' : 'ERR value is out of range, value must between 0 and 1');
    return;
  }
  if (timeout === null || timeout < 0) {
    ctx.reply.error(timeout === null ? 'ERR timeout is not an integer or out of range' : 'ERR timeout is negative');
    return;
  }
  const isOn = (ctx.keyspace.control[layout.GLOBAL_LOG]! & layout.LOG_APPENDS) !== 0;
  if (local > 0 && !isOn) {
    ctx.reply.error('ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.');
    return;
  }
  const deadlineMs = timeout === 0 ? FOREVER_MS : ctx.keyspace.nowMs + Number(timeout);
  if (replicas > 0) {
    // They never come: the time is waited for, and then the disk is looked at.
    const milliseconds = timeout === 0 ? FOREVER_MS : Number(timeout);
    ctx.server.defer(ctx, { kind: 'delay', milliseconds }, (later) => {
      replyAcknowledged(later, isOn && later.server.isLogged(later));
    });
    return;
  }
  if (!isOn || local === 0) replyAcknowledged(ctx, isOn && ctx.server.isLogged(ctx));
  else if (!ctx.server.waitForLog(ctx, deadlineMs, replyAcknowledged)) replyAcknowledged(ctx, true);
}

export const persistenceHandlers: Record<string, Handler> = {
  bgrewriteaof,
  waitaof,
};
