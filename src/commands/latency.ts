/** LATENCY HISTOGRAM: how long commands took, over all threads. */
import type { CommandContext, Handler } from './context.ts';
import { COMMANDS, type CommandDescriptor, commandNamed } from './lookup.ts';

function histogram(ctx: CommandContext): void {
  const { reply } = ctx;
  const wanted: CommandDescriptor[] = [];
  for (let index = 2; index < ctx.argc; index++) {
    const found = commandNamed(ctx.word(index));
    if (found !== undefined) wanted.push(found, ...found.subcommands);
  }
  const called = (ctx.argc === 2 ? COMMANDS : wanted)
    .map((command) => ({ command, total: ctx.server.commandStats.total(command.index) }))
    .filter(({ total }) => total.calls > 0);
  reply.map(called.length);
  for (const { command, total } of called) {
    reply.bulkString(command.name);
    reply.map(2);
    reply.bulkString('calls');
    reply.integer(total.calls);
    reply.bulkString('histogram_usec');
    const edges: [number, number][] = [];
    let sum = 0;
    for (const [bucket, count] of total.buckets.entries()) {
      if (count === 0) continue;
      sum += count;
      edges.push([2 ** bucket, sum]);
    }
    reply.map(edges.length);
    for (const [micros, count] of edges) {
      reply.integer(micros);
      reply.integer(count);
    }
  }
}

export const latencyHandlers: Record<string, Handler> = { 'latency|histogram': histogram };
