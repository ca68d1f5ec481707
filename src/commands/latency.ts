/** LATENCY: how long commands took, over all threads; HISTOGRAM of all of them, the other subcommands of those that took too long. */
import type { CommandContext, Handler } from './context.ts';
import { COMMANDS, type CommandDescriptor, commandNamed } from './lookup.ts';

type LatencyEvent = { name: string; samples: [second: number, ms: number][]; worstMs: number };

function histogram(ctx: CommandContext): void {
  const { reply } = ctx;
  const stats = ctx.server.commandStats;
  const wanted: CommandDescriptor[] = [];
  for (let index = 2; index < ctx.argc; index++) {
    const found = commandNamed(ctx.word(index));
    if (found !== undefined) wanted.push(found, ...found.subcommands);
  }
  const called = (ctx.argc === 2 ? COMMANDS : wanted)
    .map((command) => ({ command, pairs: stats.histogram(stats.total(command.index)) }))
    .filter(({ pairs }) => pairs.length > 0);
  reply.map(called.length);
  for (const { command, pairs } of called) {
    reply.bulkString(command.name);
    reply.map(2);
    reply.bulkString('calls');
    reply.integer((pairs[pairs.length - 1] as [number, number])[1]);
    reply.bulkString('histogram_usec');
    reply.map(pairs.length);
    for (const [micros, calls] of pairs) {
      reply.integer(micros);
      reply.integer(calls);
    }
  }
}

function withEvents(write: (ctx: CommandContext, events: LatencyEvent[]) => void): Handler {
  return (ctx) => ctx.server.defer(ctx, { kind: 'latency-events' }, (later, answer) => write(later, answer as LatencyEvent[]));
}
/** The event that the command names, as text that outlives the command. */
function withEvent(write: (ctx: CommandContext, event: LatencyEvent | undefined, name: string) => void): Handler {
  return (ctx) => {
    const name = ctx.text(2);
    withEvents((later, events) =>
      write(
        later,
        events.find((event) => event.name === name),
        name,
      ),
    )(ctx);
  };
}

const latest = withEvents(({ reply }, events) => {
  reply.array(events.length);
  for (const { name, samples, worstMs } of events) {
    const [second, ms] = samples[samples.length - 1] as [number, number];
    reply.array(4);
    reply.bulkString(name);
    reply.integer(second);
    reply.integer(ms);
    reply.integer(worstMs);
  }
});

const history = withEvent(({ reply }, event) => {
  const samples = event?.samples ?? [];
  reply.array(samples.length);
  for (const [second, ms] of samples) {
    reply.array(2);
    reply.integer(second);
    reply.integer(ms);
  }
});

const GRAPH_ROWS = 4;
const GRAPH_COLUMNS = 80;
/** How high in its row a point stands. */
const POINTS = ['_', '-', '`'];

/** A curve in characters, the oldest sample on the left, each with its age written downwards below it. */
function drawGraph({ name, samples, worstMs }: LatencyEvent): string {
  const shown = samples.slice(-GRAPH_COLUMNS);
  const values = shown.map(([, ms]) => ms);
  const high = Math.max(...values);
  const low = Math.min(...values);
  const steps = GRAPH_ROWS * POINTS.length - 1;
  const levels = values.map((ms) => (high === low ? 0 : Math.round(((ms - low) / (high - low)) * steps)));
  const lines = [`${name} - high ${high} ms, low ${low} ms (all time high ${worstMs} ms)`, '-'.repeat(GRAPH_COLUMNS)];
  for (let row = GRAPH_ROWS - 1; row >= 0; row--) {
    const points = levels.map((level) => {
      const above = level - row * POINTS.length;
      return above < 0 ? ' ' : (POINTS[above] ?? '|');
    });
    lines.push(points.join(''));
  }
  const now = Math.floor(Date.now() / 1000);
  const ages = shown.map(([second]) => age(now - second));
  const tallest = Math.max(...ages.map((text) => text.length));
  lines.push('');
  for (let at = 0; at < tallest; at++) lines.push(ages.map((text) => text[at] ?? ' ').join(''));
  return `${lines.join('\n')}\n`;
}
function age(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}

const graph = withEvent(({ reply }, event, name) => {
  if (event === undefined) reply.error(`ERR No samples available for event '${name}'`);
  else reply.verbatim('txt', drawGraph(event));
});

function diagnose(threshold: number, events: LatencyEvent[]): string {
  if (threshold === 0) {
    return 'Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n';
  }
  if (events.length === 0) return `No command took ${threshold} ms or longer since the monitor was turned on or reset.\n`;
  const lines = events.map(({ name, samples, worstMs }) => {
    const mean = samples.reduce((sum, [, ms]) => sum + ms, 0) / samples.length;
    return `- ${name}: ${samples.length} spikes, ${mean.toFixed(0)} ms on average, ${worstMs} ms at worst.`;
  });
  return (
    `Commands that took ${threshold} ms or longer:\n${lines.join('\n')}\n` +
    'SLOWLOG GET tells which commands they were. KEYS, long ranges and the deletion of large collections are the usual ones: ' +
    'SCAN, smaller ranges and UNLINK take their place.\n'
  );
}

const doctor = withEvents((ctx, events) => {
  ctx.reply.verbatim('txt', diagnose(Number(ctx.server.config.getString('latency-monitor-threshold')), events));
});

function reset(ctx: CommandContext): void {
  const names: string[] = [];
  for (let index = 2; index < ctx.argc; index++) names.push(ctx.text(index));
  ctx.server.defer(ctx, { kind: 'latency-reset', names }, (later, answer) => later.reply.integer(answer as number));
}

export const latencyHandlers: Record<string, Handler> = {
  'latency|histogram': histogram,
  'latency|latest': latest,
  'latency|history': history,
  'latency|graph': graph,
  'latency|doctor': doctor,
  'latency|reset': reset,
};
