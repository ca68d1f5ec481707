/** The commands of one thread that took long, newest last. Arguments are cut as Redis cuts them. */
import type { CommandContext } from '../commands/context.ts';
import type { ClientState } from '../commands/services.ts';
import { GLOBAL_SLOWLOG_ID } from '../keyspace/layout.ts';

const MAX_ARGUMENTS = 32;
const MAX_ARGUMENT_BYTES = 128;

export type SlowEntry = { id: number; seconds: number; micros: number; args: string[]; address: string; name: string };

export class SlowLog {
  private kept: SlowEntry[] = [];
  private limit = 128;

  setLimit(limit: number): void {
    this.limit = limit;
    if (this.kept.length > limit) this.kept = limit === 0 ? [] : this.kept.slice(-limit);
  }
  add(ctx: CommandContext, client: ClientState, micros: number): void {
    if (this.limit === 0) return;
    const args: string[] = [];
    for (let index = 0; index < ctx.argc && index < MAX_ARGUMENTS; index++) {
      if (index === MAX_ARGUMENTS - 1 && ctx.argc > MAX_ARGUMENTS) {
        args.push(`... (${ctx.argc - MAX_ARGUMENTS + 1} more arguments)`);
        break;
      }
      const more = ctx.length(index) - MAX_ARGUMENT_BYTES;
      const text = ctx.bytes.latin1Slice(ctx.start(index), Math.min(ctx.end(index), ctx.start(index) + MAX_ARGUMENT_BYTES));
      args.push(more > 0 ? `${text}... (${more} more bytes)` : text);
    }
    this.kept.push({
      id: Atomics.add(ctx.keyspace.control, GLOBAL_SLOWLOG_ID, 1),
      seconds: Math.floor(Date.now() / 1000),
      micros: Math.round(micros),
      args,
      address: client.peerAddress,
      name: client.name,
    });
    if (this.kept.length > this.limit) this.kept.shift();
  }
  entries(): SlowEntry[] {
    return this.kept;
  }
  reset(): void {
    this.kept = [];
  }
}
