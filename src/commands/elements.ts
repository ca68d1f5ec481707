/** Elements of collections on their way into replies, and the choice of some of them by chance. */
import { parseInt64 } from '../base/numbers.ts';
import { random32 } from '../base/random.ts';
import type { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_NOT_INTEGER } from './context.ts';

export function replyElement(ctx: CommandContext, element: Element): void {
  ctx.reply.bulkView(element.view, element.start, element.end - element.start);
}
/** An element's bytes, one character each. */
export function textOf(element: Element): string {
  return (element.bytes as Buffer).latin1Slice(element.start, element.end);
}
/** A copy of an element's bytes, for what outlives the next change. */
export function copyOf(element: Element): Buffer {
  return Buffer.from(element.bytes.subarray(element.start, element.end));
}

/** A count that may be negative (with repeats), as SRANDMEMBER takes it; null after an error. */
export function countArgument(ctx: CommandContext, index: number): number | null {
  const count = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (count === null) {
    ctx.reply.error(ERR_NOT_INTEGER);
    return null;
  }
  if (count === -9223372036854775808n) {
    ctx.reply.error('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807');
    return null;
  }
  return Number(count);
}

/**
 * Which of `total` things to take when `count` different ones are wanted, every choice as likely as any other: bit i is thing i
 * (D. E. Knuth, "The Art of Computer Programming", vol. 2, 3.4.2, Algorithm S).
 */
export function selectSome(total: number, count: number): Uint8Array {
  const selected = new Uint8Array(total);
  let wanted = count;
  for (let index = 0; index < total && wanted > 0; index++) {
    if (random32() % (total - index) >= wanted) continue;
    selected[index] = 1;
    wanted--;
  }
  return selected;
}
