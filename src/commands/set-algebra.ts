/** Intersections, unions and differences of sets. The executor holds the latches of all their keys. */
import { parseInt64 } from '../base/numbers.ts';
import { TYPE_SET } from '../keyspace/keyspace.ts';
import { SetView } from '../keyspace/set-value.ts';
import type { Element } from '../structures/packed.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { replyElement } from './elements.ts';
import { readTyped, WRONG_TYPE } from './typed.ts';

type Visitor = (member: Element) => unknown;
/** Lends every member of the result once; `false` from the visitor ends it. */
type Algebra = (sets: readonly SetView[], visit: Visitor) => void;

/** Views of the sets that a command reads; kept for the next command. */
const pool: SetView[] = [];

/** Opens the sets of the arguments from `first` to before `end`; null after WRONGTYPE. */
function openAll(ctx: CommandContext, first: number, end: number): SetView[] | null {
  while (pool.length < end - first) pool.push(new SetView());
  const sets: SetView[] = [];
  for (let index = first; index < end; index++) {
    const entry = readTyped(ctx, index, TYPE_SET);
    if (entry === WRONG_TYPE) return null;
    sets.push((pool[index - first] as SetView).open(ctx.keyspace, entry));
  }
  return sets;
}

/** From the smallest set those that all others have. */
function intersect(sets: readonly SetView[], visit: Visitor): void {
  const sorted = [...sets].sort((a, b) => a.length - b.length);
  const smallest = sorted[0] as SetView;
  if (smallest.length === 0) return;
  smallest.walk((member) => {
    for (let index = 1; index < sorted.length; index++) {
      if (!(sorted[index] as SetView).has(member.bytes, member.start, member.end)) return true;
    }
    return visit(member);
  });
}
/** Of each set those that no set before it has. */
function unite(sets: readonly SetView[], visit: Visitor): void {
  sets.forEach((set, place) => {
    set.walk((member) => {
      for (let index = 0; index < place; index++) {
        if ((sets[index] as SetView).has(member.bytes, member.start, member.end)) return;
      }
      visit(member);
    });
  });
}
/** Of the first set those that no other has; the largest of the others is asked first. */
function subtract(sets: readonly SetView[], visit: Visitor): void {
  const others = sets.slice(1).sort((a, b) => b.length - a.length);
  (sets[0] as SetView).walk((member) => {
    for (const other of others) if (other.has(member.bytes, member.start, member.end)) return;
    visit(member);
  });
}

function replyWith(algebra: Algebra): Handler {
  return (ctx) => {
    const sets = openAll(ctx, 1, ctx.argc);
    if (sets === null) return;
    const begin = ctx.reply.length;
    let count = 0;
    algebra(sets, (member) => {
      count++;
      replyElement(ctx, member);
    });
    ctx.reply.setBefore(begin, count);
  };
}

function storeWith(algebra: Algebra): Handler {
  return (ctx) => {
    const sets = openAll(ctx, 2, ctx.argc);
    if (sets === null) return;
    const { keyspace } = ctx;
    ctx.locate(1);
    const result = new SetView().openDetached(keyspace);
    try {
      algebra(sets, ({ bytes, start, end }) => result.add(bytes, start, end) || true);
    } catch (error) {
      result.discard();
      throw error;
    }
    const count = result.length;
    if (count > 0) {
      result.install();
    } else {
      result.discard();
      const old = keyspace.write();
      if (old !== 0) keyspace.remove(old);
    }
    ctx.reply.integer(count);
  };
}

function sintercard(ctx: CommandContext): void {
  const given = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
  if (given === null || given < 1) {
    ctx.reply.error('ERR numkeys should be greater than 0');
    return;
  }
  if (given > ctx.argc - 2) {
    ctx.reply.error("ERR Number of keys can't be greater than number of args");
    return;
  }
  const end = 2 + Number(given);
  let limit = 0;
  for (let index = end; index < ctx.argc; index++) {
    if (ctx.word(index) !== 'limit' || index + 1 === ctx.argc) {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
    const value = parseInt64(ctx.bytes, ctx.start(++index), ctx.end(index));
    if (value === null || value < 0) {
      ctx.reply.error("ERR LIMIT can't be negative");
      return;
    }
    limit = Number(value);
  }
  const sets = openAll(ctx, 2, end);
  if (sets === null) return;
  let count = 0;
  intersect(sets, () => {
    count++;
    return count !== limit;
  });
  ctx.reply.integer(count);
}

export const setAlgebraHandlers: Record<string, Handler> = {
  sinter: replyWith(intersect),
  sunion: replyWith(unite),
  sdiff: replyWith(subtract),
  sinterstore: storeWith(intersect),
  sunionstore: storeWith(unite),
  sdiffstore: storeWith(subtract),
  sintercard,
};
