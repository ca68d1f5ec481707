/** The arguments of ZMPOP and LMPOP, and of their blocking forms. */
import { type CommandContext, ERR_SYNTAX } from './context.ts';
import { boundedArgument } from './numeric-arguments.ts';

export type MultiPop = { firstKey: number; lastKey: number; word: string; count: number };

/** numkeys key... <word> [COUNT count] from argument `at` on, of ZMPOP, LMPOP and their blocking forms; null after an error. */
export function parseMultiPop(ctx: CommandContext, at: number, words: readonly [string, string]): MultiPop | null {
  const keys = boundedArgument(ctx, at, 1, Number.POSITIVE_INFINITY, 'ERR numkeys should be greater than 0');
  if (keys === null) return null;
  const where = at + keys + 1;
  const word = where < ctx.argc ? ctx.word(where) : '';
  if (!words.includes(word)) {
    ctx.reply.error(ERR_SYNTAX);
    return null;
  }
  let count = -1;
  for (let index = where + 1; index < ctx.argc; index++) {
    if (count !== -1 || ctx.word(index) !== 'count' || index + 1 >= ctx.argc) {
      ctx.reply.error(ERR_SYNTAX);
      return null;
    }
    const given = boundedArgument(ctx, ++index, 1, Number.POSITIVE_INFINITY, 'ERR count should be greater than 0');
    if (given === null) return null;
    count = given;
  }
  return { firstKey: at + 1, lastKey: at + keys, word, count: count === -1 ? 1 : count };
}
