/** EVAL, EVALSHA, FCALL and SCRIPT: what is wrong with a request is said here, everything else is done by script threads. */
import { parseInt64 } from '../base/numbers.ts';
import { type CommandContext, ERR_NOT_INTEGER, ERR_SYNTAX, type Handler, int32Argument } from './context.ts';
import { DONE } from './executor.ts';
import type { ScriptThreadStats } from './services.ts';

export const ERR_NO_SCRIPT = 'NOSCRIPT No matching script. Please use EVAL.';
const SHA_LENGTH = 40;
export const ERR_NO_FUNCTION = 'ERR Function not found';
const F = 102;
/** So many scripts and functions SCRIPT STATS shows unless it's told otherwise. */
const SHOWN_SCRIPTS = 100;

/** What is wrong with the number of keys, or null. */
export function badKeys(ctx: CommandContext): string | null {
  const count = parseInt64(ctx.bytes, ctx.start(2), ctx.end(2));
  if (typeof count !== 'number') return isFunctionCall(ctx) ? 'ERR Bad number of keys provided' : ERR_NOT_INTEGER;
  if (count > ctx.argc - 3) return "ERR Number of keys can't be greater than number of args";
  return count < 0 ? "ERR Number of keys can't be negative" : null;
}
/** FCALL and FCALL_RO, in any case. */
export function isFunctionCall(ctx: CommandContext): boolean {
  return (ctx.bytes[ctx.start(0)]! | 32) === F;
}
/** True when the request can be run without a look at anything else: the next of a batch. */
export function isWellFormed(ctx: CommandContext): boolean {
  return ctx.argc >= 3 && badKeys(ctx) === null;
}

/** EVAL, EVALSHA, FCALL, and the same with _RO. */
export function runEval(ctx: CommandContext): number {
  const isSha = ctx.command?.name === 'evalsha' || ctx.command?.name === 'evalsha_ro';
  const error = isSha && ctx.length(1) !== SHA_LENGTH ? ERR_NO_SCRIPT : badKeys(ctx);
  if (error !== null) {
    const isUnknown = isFunctionCall(ctx) && !ctx.server.scripts.libraries.hasFunction(ctx.text(1));
    ctx.reply.error(isUnknown ? ERR_NO_FUNCTION : error);
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
/** SCRIPT KILL, FUNCTION KILL. */
export function kill(isFunction: boolean): Handler {
  const other = isFunction ? 'SCRIPT' : 'FUNCTION';
  return (ctx) => {
    const outcome = ctx.server.scripts.kill(isFunction);
    if (outcome === 'killed') ctx.reply.ok();
    else if (outcome === 'none') ctx.reply.error('NOTBUSY No scripts in execution right now.');
    else ctx.reply.error(`BUSY Redis is busy running a script. You can only call ${other} KILL or SHUTDOWN NOSAVE.`);
  };
}
function debug(ctx: CommandContext): void {
  const mode = ctx.word(2);
  if (mode === 'no') ctx.reply.ok();
  else if (mode === 'yes' || mode === 'sync') ctx.reply.error('ERR There is no script debugger in this server');
  else ctx.reply.error('ERR Use SCRIPT DEBUG YES/SYNC/NO');
}
/** SCRIPT STATS [COUNT count]: the threads, and so many of the scripts and functions. */
function stats(ctx: CommandContext): void {
  let count: number | null = SHOWN_SCRIPTS;
  if (ctx.argc > 2) {
    if (ctx.argc !== 4 || ctx.word(2) !== 'count') {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    count = int32Argument(ctx, 3);
    if (count === null) return;
  }
  const { reply, server } = ctx;
  const { scripts, reactors, threads } = server.scripts.stats();
  const figures = server.scripts.figures();
  reply.map(4);
  reply.bulkString('scripts');
  reply.integer(scripts);
  reply.bulkString('reactors');
  replyRows(ctx, reactors);
  reply.bulkString('threads');
  replyRows(ctx, threads);
  reply.bulkString('statistics');
  replyRows(ctx, count < 0 ? figures : figures.slice(0, count));
}
function replyRows({ reply }: CommandContext, rows: readonly ScriptThreadStats[]): void {
  reply.array(rows.length);
  for (const row of rows) {
    const pairs = Object.entries(row);
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
  'script|kill': kill(false),
  'script|debug': debug,
  'script|stats': stats,
};
