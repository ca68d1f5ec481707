/** Looking keys up that must hold a certain type, or nothing. */
import { type CommandContext, ERR_WRONG_TYPE } from './context.ts';

/** What the look-ups return after they have replied WRONGTYPE. */
export const WRONG_TYPE = -1;

/** Makes argument `index` the current key; its entry for reading, 0 when there is none, or WRONG_TYPE. */
export function readTyped(ctx: CommandContext, index: number, type: number): number {
  ctx.locate(index);
  const entry = ctx.keyspace.read();
  if (entry === 0 || ctx.keyspace.type(entry) === type) return entry;
  ctx.reply.error(ERR_WRONG_TYPE);
  return WRONG_TYPE;
}

/** Makes argument `index` the current key; its entry to be changed, 0 when there is none, or WRONG_TYPE. */
export function writeTyped(ctx: CommandContext, index: number, type: number): number {
  ctx.locate(index);
  const entry = ctx.keyspace.write();
  if (entry === 0 || ctx.keyspace.type(entry) === type) return entry;
  ctx.reply.error(ERR_WRONG_TYPE);
  return WRONG_TYPE;
}
