/** FUNCTION: what only reads is answered here, changes are made by script threads (scripting/function-library.ts). */
import { globMatch } from '../base/glob.ts';
import type { CommandContext, Handler } from './context.ts';
import { dumpLibraries } from './function-dump.ts';
import { kill } from './scripts.ts';
import type { LibraryInfo } from './services.ts';

/** FUNCTION LOAD, DELETE, FLUSH, RESTORE. */
export function runFunctionChange(ctx: CommandContext): number {
  return ctx.server.scripts.libraries.change(ctx);
}

function list(ctx: CommandContext): void {
  let withCode = false;
  let pattern: string | null = null;
  for (let index = 2; index < ctx.argc; index++) {
    const word = ctx.word(index);
    if (word === 'withcode' && !withCode) withCode = true;
    else if (word === 'libraryname' && pattern === null) {
      if (index === ctx.argc - 1) {
        ctx.reply.error('ERR library name argument was not given');
        return;
      }
      pattern = ctx.text(++index);
    } else {
      ctx.reply.error(`ERR Unknown argument ${ctx.shown(index)}`);
      return;
    }
  }
  const all = ctx.server.scripts.libraries.all();
  const wanted = pattern === null ? all : all.filter(({ name }) => globMatch(pattern, name, true));
  ctx.reply.array(wanted.length);
  for (const library of wanted) replyLibrary(ctx, library, withCode);
}
function replyLibrary(ctx: CommandContext, library: LibraryInfo, withCode: boolean): void {
  const { reply } = ctx;
  reply.map(withCode ? 4 : 3);
  reply.bulkString('library_name');
  reply.bulkString(library.name);
  reply.bulkString('engine');
  reply.bulkString('LUA');
  reply.bulkString('functions');
  reply.array(library.functions.length);
  for (const { name, description, flags } of library.functions) {
    reply.map(3);
    reply.bulkString('name');
    reply.bulkString(name);
    reply.bulkString('description');
    if (description === null) reply.nil();
    else reply.bulkString(description);
    reply.bulkString('flags');
    reply.set(flags.length);
    for (const flag of flags) reply.simple(flag);
  }
  if (!withCode) return;
  reply.bulkString('library_code');
  reply.bulkString(library.code);
}

function dump(ctx: CommandContext): void {
  const payload = dumpLibraries(ctx.server.scripts.libraries.all().map(({ code }) => code));
  ctx.reply.bulk(payload, 0, payload.length);
}

function stats(ctx: CommandContext): void {
  const { reply } = ctx;
  const { libraries } = ctx.server.scripts;
  const running = libraries.running();
  reply.map(2);
  reply.bulkString('running_script');
  if (running === null) reply.nil();
  else {
    reply.map(3);
    reply.bulkString('name');
    reply.bulkString(running.name);
    reply.bulkString('command');
    reply.array(running.command.length);
    for (const argument of running.command) reply.bulkString(argument);
    reply.bulkString('duration_ms');
    reply.integer(running.ms);
  }
  const all = libraries.all();
  reply.bulkString('engines');
  reply.map(1);
  reply.bulkString('LUA');
  reply.map(2);
  reply.bulkString('libraries_count');
  reply.integer(all.length);
  reply.bulkString('functions_count');
  reply.integer(all.reduce((sum, { functions }) => sum + functions.length, 0));
}

export const functionHandlers: Record<string, Handler> = {
  'function|list': list,
  'function|dump': dump,
  'function|stats': stats,
  'function|kill': kill(true),
};
