/** A set as an operand of ZUNION and its like: every member has score 1. */
import { compareBytes } from '../base/bytes.ts';
import { TYPE_SET } from '../keyspace/keyspace.ts';
import { operationsOf } from '../keyspace/values.ts';
import type { Bank } from '../memory/bank.ts';
import type { CommandContext } from './context.ts';

const MEMBER_SCORE = 1;

export class SetSource {
  private readonly bank: Bank;
  private readonly ref: number;
  private readonly encoding: number;

  constructor(ctx: CommandContext, entry: number) {
    this.bank = ctx.keyspace.bank;
    this.ref = ctx.keyspace.valueRef(entry);
    this.encoding = ctx.keyspace.encoding(entry);
  }
  get size(): number {
    return operationsOf(TYPE_SET).length(this.bank, this.ref, this.encoding);
  }
  find(bytes: Uint8Array, start: number, end: number): number {
    let found = Number.NaN;
    this.each((own, from, to) => {
      if (compareBytes(own, from, to, bytes, start, end) === 0) found = MEMBER_SCORE;
      return true;
    });
    return found;
  }
  each(visit: (bytes: Uint8Array, start: number, end: number, score: number) => boolean): void {
    let goesOn = true;
    operationsOf(TYPE_SET).walk(this.bank, this.ref, this.encoding, (element) => {
      if (goesOn) goesOn = visit(element.bytes, element.start, element.end, MEMBER_SCORE);
    });
  }
}
