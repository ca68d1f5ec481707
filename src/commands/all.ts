/** Binds every family's handlers to the command table, and checks that no row is left without one. */
import { bitmapHandlers } from './bitmap.ts';
import { blockingHandlers } from './blocking.ts';
import { connectionHandlers } from './connection.ts';
import { debugHandlers } from './debug.ts';
import { functionHandlers, runFunctionChange } from './functions.ts';
import { genericHandlers } from './generic.ts';
import { geoHandlers } from './geo.ts';
import { geoSearchHandlers } from './geo-search.ts';
import { hashFieldHandlers } from './hash-fields.ts';
import { hashHandlers } from './hashes.ts';
import { hyperloglogHandlers } from './hyperloglog.ts';
import { introspectionHandlers } from './introspection.ts';
import { latencyHandlers } from './latency.ts';
import { lcsHandlers } from './lcs.ts';
import { listHandlers } from './lists.ts';
import { attach, attachRunner, COMMANDS } from './lookup.ts';
import { memoryHandlers } from './memory.ts';
import { multiHandlers, runExec } from './multi.ts';
import { persistenceHandlers } from './persistence.ts';
import { runEval, runLoad, scriptHandlers } from './scripts.ts';
import { serverHandlers } from './server.ts';
import { setAlgebraHandlers } from './set-algebra.ts';
import { setHandlers } from './sets.ts';
import { sortHandlers } from './sort.ts';
import { stringHandlers } from './strings.ts';
import { zsetAlgebraHandlers } from './zset-algebra.ts';
import { zsetRangeHandlers } from './zset-ranges.ts';
import { zsetHandlers } from './zsets.ts';

export function attachAll(): void {
  attach(stringHandlers);
  attach(lcsHandlers);
  attach(bitmapHandlers);
  attach(hashHandlers);
  attach(hashFieldHandlers);
  attach(setHandlers);
  attach(setAlgebraHandlers);
  attach(listHandlers);
  attach(zsetHandlers);
  attach(zsetRangeHandlers);
  attach(zsetAlgebraHandlers);
  attach(geoHandlers);
  attach(geoSearchHandlers);
  attach(hyperloglogHandlers);
  attach(sortHandlers);
  attach(blockingHandlers);
  attach(genericHandlers);
  attach(connectionHandlers);
  attach(introspectionHandlers);
  attach(serverHandlers);
  attach(persistenceHandlers);
  attach(latencyHandlers);
  attach(debugHandlers);
  attach(memoryHandlers);
  attach(multiHandlers);
  attachRunner('exec', runExec);
  attach(scriptHandlers);
  for (const name of ['eval', 'evalsha', 'eval_ro', 'evalsha_ro', 'fcall', 'fcall_ro']) attachRunner(name, runEval);
  attachRunner('script|load', runLoad);
  attach(functionHandlers);
  for (const name of ['load', 'delete', 'flush', 'restore']) attachRunner(`function|${name}`, runFunctionChange);
  const bare = COMMANDS.find((command) => command.handler === null && command.runner === null && command.subcommands.length === 0);
  if (bare !== undefined) throw new Error(`the command '${bare.name}' has a row and no handler`);
  for (const command of COMMANDS) {
    command.handler ??= (ctx) => ctx.reply.error(`ERR wrong number of arguments for '${command.name}' command`);
  }
}
