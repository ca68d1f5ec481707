/** From a command to its records in the log: called by the executor, under the latches of the command's keys. */
import type { EffectLog } from '../keyspace/effect-log.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { rebuild } from '../keyspace/rebuild.ts';
import type { CommandContext } from './context.ts';
import type { CommandDescriptor } from './lookup.ts';

/** The command has changed something: its request is logged as it came, unless the handler has said what to log instead. */
export function logEffect(ctx: CommandContext): void {
  const { log } = ctx.keyspace;
  if (log === null || !log.isOn) return;
  if (!log.hasEffect) log.request(ctx.database, ctx.bytes, ctx.offsets, ctx.lengths, ctx.argc);
  log.flush();
}

/**
 * The command ran out of memory after it had changed something (MSET's third key): what its keys hold now is logged, as the request
 * itself would do more when it's run again. The last key counts in `otherDatabase` as well (COPY, MOVE; -1: there is none).
 */
export function logState(ctx: CommandContext, command: CommandDescriptor, otherDatabase: number): void {
  const { keyspace } = ctx;
  const { log } = keyspace;
  if (log === null || !log.isOn) return;
  const last = command.lastKey < 0 ? ctx.argc + command.lastKey : Math.min(command.lastKey, ctx.argc - 1);
  for (let index = command.firstKey; index <= last; index += Math.max(1, command.step)) {
    ctx.locate(index);
    logKey(keyspace, log);
  }
  if (otherDatabase >= 0) {
    ctx.located = -1;
    keyspace.locate(otherDatabase, ctx.bytes, ctx.start(last), ctx.end(last));
    logKey(keyspace, log);
  }
  log.flush();
}
/** What the current key holds, or that it's gone. */
function logKey(keyspace: Keyspace, log: EffectLog): void {
  const { database } = keyspace;
  log.begin(database, 'DEL', 2).bytes(keyspace.bytes, keyspace.start, keyspace.end);
  const entry = keyspace.peek();
  if (entry !== 0) rebuild(keyspace, entry, log.more(database));
}
