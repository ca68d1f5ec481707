/** From a command to its records in the log: called by the executor, under the latches of the command's keys. */
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
 * itself would do more when it's run again.
 */
export function logState(ctx: CommandContext, command: CommandDescriptor): void {
  const { keyspace } = ctx;
  const { log } = keyspace;
  if (log === null || !log.isOn) return;
  const last = command.lastKey < 0 ? ctx.argc + command.lastKey : Math.min(command.lastKey, ctx.argc - 1);
  for (let index = command.firstKey; index <= last; index += Math.max(1, command.step)) {
    ctx.locate(index);
    log.begin(ctx.database, 'DEL', 2).bytes(ctx.bytes, ctx.start(index), ctx.end(index));
    const entry = keyspace.peek();
    if (entry !== 0) rebuild(keyspace, entry, log.more(ctx.database));
  }
  log.flush();
}
