/** Results that become a key: ZRANGESTORE, ZUNIONSTORE and their like, GEOSEARCHSTORE. */
import { TYPE_ZSET } from '../keyspace/keyspace.ts';
import { Zset } from '../keyspace/zset-value.ts';
import type { CommandContext } from './context.ts';

const result = new Zset();

/**
 * Lets `fill` build a sorted set in the bank of the key in argument `to`, and puts it there in the place of what was; an empty one
 * deletes the key. Replies with the number of members. The sources may be read while it's filled, the target among them. `asTree` lets
 * it begin as a tree, which keeps scores of -0 as long as it isn't packed in the end: so do Redis's unions.
 */
export function storeZset(ctx: CommandContext, to: number, fill: (result: Zset) => void, asTree = false): void {
  const { keyspace } = ctx;
  ctx.locate(to);
  if (asTree) result.openDetached(keyspace, keyspace.bank, true);
  else result.openDetached(keyspace, keyspace.bank);
  try {
    fill(result);
    result.packIfSmall();
  } catch (error) {
    result.discard();
    throw error;
  }
  ctx.locate(to);
  const entry = keyspace.write();
  const { size } = result;
  if (size > 0) keyspace.setValue(entry, TYPE_ZSET, result.encoding, result.ref);
  else {
    result.discard();
    if (entry !== 0) keyspace.remove(entry);
  }
  ctx.reply.integer(size);
}
