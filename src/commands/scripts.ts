/** EVAL, EVALSHA and SCRIPT: what is wrong with a request is said here, everything else is done by script threads. */
import { parseInt64 } from '../base/numbers.ts';
import { type CommandContext, ERR_NOT_INTEGER, type Handler } from './context.ts';
import { DONE } from './executor.ts';

/** What is wrong with the number of keys, or null. */
export function badKeys(ctx: CommandContext): string | null {
  const count = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (typeof count !== 'number') return ERR_NOT_INTEGER;
  if (count > ctx.argc - 3) return "ERR Number of keys can't be greater than number of args";
  return count < 0 ? "ERR Number of keys can't be negative" : null;
}
/** True when the request can be run without a look at anything else: the next of a batch. */
export function isWellFormed(ctx: CommandContext): boolean {
  return ctx.argc >= 3 && badKeys(ctx) === null;
}

/** EVAL, EVALSHA, EVAL_RO, EVALSHA_RO. */
export function runEval(ctx: CommandContext): number {
  const error = badKeys(ctx);
  if (error !== null) {
    ctx.reply.error(error);
    return DONE;
  }
  return ctx.server.scripts.run(ctx);
}
export function runLoad(ctx: CommandContext): number {
  return ctx.server.scripts.load(ctx);
}

function exists(ctx: CommandContext): void {
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) ctx.reply.integer(ctx.server.scripts.exists(ctx.text(index)) ? 1 : 0);
}
function flush(ctx: CommandContext): void {
  if (ctx.argc > 3 || (ctx.argc === 3 && !/^(async|sync)$/i.test(ctx.text(2)))) {
    ctx.reply.error('ERR SCRIPT FLUSH only support SYNC|ASYNC option');
    return;
  }
  ctx.server.scripts.flush();
  ctx.reply.ok();
}
function kill(ctx: CommandContext): void {
  if (ctx.server.scripts.kill()) ctx.reply.ok();
  else ctx.reply.error('NOTBUSY No scripts in execution right now.');
}
function debug(ctx: CommandContext): void {
  const mode = ctx.word(2);
  if (mode === 'no') ctx.reply.ok();
  else if (mode === 'yes' || mode === 'sync') ctx.reply.error('ERR There is no script debugger in this server');
  else ctx.reply.error('ERR Use SCRIPT DEBUG YES/SYNC/NO');
}
function stats(ctx: CommandContext): void {
  const { reply } = ctx;
  const { scripts, threads } = ctx.server.scripts.stats();
  reply.map(2);
  reply.bulkString('scripts');
  reply.integer(scripts);
  reply.bulkString('threads');
  reply.array(threads.length);
  for (const thread of threads) {
    const pairs = Object.entries(thread);
    reply.map(pairs.length);
    for (const [name, value] of pairs) {
      reply.bulkString(name);
      if (typeof value === 'number') reply.integer(value);
      else reply.bulkString(value);
    }
  }
}
export const scriptHandlers: Record<string, Handler> = {
  'script|exists': exists,
  'script|flush': flush,
  'script|kill': kill,
  'script|debug': debug,
  'script|stats': stats,
};
