// Strings: throughput, latency and CPU of SET and GET, memory a key, and how long a reader is held up while millions of keys are made.
import { payload } from '../test/support/compare.ts';
import { type Load, runLoad } from './support/generator.ts';
import { type Cost, measureMemory, memoryTable } from './support/memory.ts';
import { type Options, scaled } from './support/options.ts';
import { numbered, pipe, VALUE } from './support/pipe.ts';
import { Prober } from './support/prober.ts';
import { progress } from './support/progress.ts';
import { atLeast, atMost, type Bar, figure, loadTable, type Outcome, ratioTo, type Table } from './support/report.ts';
import { type Measurement, measureAll, type Workload } from './support/rounds.ts';
import type { Latencies } from './support/statistics.ts';
import { type Contender, contenders, type Fleet, requireCommands } from './support/target.ts';

const CLIENTS = 100;
const KEYSPACE = 100_000;
const PIPELINES = [1, 16, 64];
const COMMANDS = ['SET', 'GET'];

const MEMORY_KEYS = 1_000_000;
const MEMORY_LIMIT_BYTES = 80;

const PAUSE_KEYS = 10_000_000;
/** Random keys out of so many that nearly every one is new; redis-benchmark's limit is that of an int. */
const PAUSE_KEYSPACE = 2_000_000_000;
const INSERTS: Load = { args: ['-t', 'set'], clients: 50, pipeline: 16, keyspace: PAUSE_KEYSPACE, valueBytes: VALUE.length };

function workloads(): Workload[] {
  return PIPELINES.flatMap((pipeline) =>
    COMMANDS.map((command) => ({
      name: `${command} P=${pipeline}`,
      args: ['-t', command.toLowerCase()],
      clients: CLIENTS,
      pipeline,
      keyspace: KEYSPACE,
      valueBytes: VALUE.length,
    })),
  );
}

async function measureLoads(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Measurement[]> {
  const targets = await Promise.all(servers.map((contender) => fleet.start(contender)));
  await requireCommands(targets[0]!, 'core', COMMANDS);
  for (const target of targets) {
    progress(`${target.name}: setting ${KEYSPACE} keys, so that every GET finds its key`);
    await pipe(target, KEYSPACE, (index) => ['SET', numbered('key:', index), VALUE]);
    const reply = payload(await target.command('GET', numbered('key:', KEYSPACE - 1)))?.toString('latin1') ?? 'null';
    if (reply !== VALUE) throw new Error(`${target.name} was given a value of ${VALUE.length} bytes and answers GET with '${reply}'`);
  }
  const measurements = await measureAll(fleet, targets, workloads(), options);
  for (const target of targets) await fleet.stop(target);
  return measurements;
}

type Pause = { readonly server: string; readonly isSubject: boolean; readonly keys: number; readonly latencies: Latencies };

/** GETs of one client, from the first of the inserted keys to the last. */
async function measurePauses(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Pause[]> {
  const pauses: Pause[] = [];
  const count = scaled(options, PAUSE_KEYS);
  for (const contender of servers) {
    const target = await fleet.start(contender);
    const prober = await Prober.connect(target);
    progress(`GETs beside ${count} inserts: warming up ${target.name}`);
    await prober.measure(() => runLoad(fleet, target, INSERTS, Math.min(count, 200_000)));
    await target.command('FLUSHALL');
    const warmed = await Prober.connect(target);
    progress(`GETs beside ${count} inserts: ${target.name}`);
    const latencies = await warmed.measure(() => runLoad(fleet, target, INSERTS, count));
    pauses.push({ server: target.name, isSubject: target.isSubject, keys: await target.integer('DBSIZE'), latencies });
    prober.close();
    warmed.close();
    await fleet.stop(target);
  }
  return pauses;
}

function pauseTable(pauses: readonly Pause[]): Table {
  return {
    title: 'GET by one client while keys are inserted (SET, c=50, P=16)',
    columns: ['server', 'keys inserted', 'GETs', 'p50 ms', 'p99 ms', 'p99.9 ms', 'p99.99 ms', 'max ms'],
    rows: pauses.map(({ server, keys, latencies: all }) => [
      server,
      String(keys),
      String(all.samples),
      ...[all.p50Ms, all.p99Ms, all.p999Ms, all.p9999Ms, all.maxMs].map(figure),
    ]),
  };
}

function bars(measurements: readonly Measurement[], costs: readonly Cost[], pauses: readonly Pause[]): Bar[] {
  const loads = workloads().flatMap(({ name, pipeline }) => {
    const cpu = ratioTo(measurements, name, 'cpuMicroseconds');
    if (pipeline === 1) return [atMost(`${name}: CPU per request / redis`, cpu, 1)];
    const throughput = atLeast(`${name}: throughput / redis`, ratioTo(measurements, name, 'perSecond'), 1.5);
    return [throughput, atMost(`${name}: CPU per request / redis`, cpu, 0.6)];
  });
  const cost = costs.find((row) => row.isSubject)?.residentBytes ?? null;
  const subject = pauses.find((row) => row.isSubject)?.latencies.p9999Ms ?? null;
  const redis = pauses.find((row) => row.server === 'redis')?.latencies.p9999Ms;
  const pause = 'GET beside inserts: p99.99 in ms, at most that of redis';
  return [
    ...loads,
    atMost('memory: resident bytes a key', cost, MEMORY_LIMIT_BYTES),
    redis === undefined ? atMost(pause, null, Number.NaN) : atMost(pause, subject, Number(redis.toFixed(3))),
  ];
}

export async function run(fleet: Fleet, options: Options): Promise<Outcome> {
  const servers = contenders(options);
  const measurements = await measureLoads(fleet, servers, options);
  const keys = scaled(options, MEMORY_KEYS);
  const shape = {
    name: `${keys} keys key:%012d, values of 32 bytes`,
    elements: keys,
    requests: keys,
    request: (index: number) => ['SET', numbered('key:', index), VALUE],
  };
  const costs = await measureMemory(fleet, servers, [shape], options);
  const pauses = await measurePauses(fleet, servers, options);
  return {
    tables: [
      loadTable(`SET and GET, c=${CLIENTS}, ${KEYSPACE} keys, values of 32 bytes`, measurements),
      memoryTable('Memory a key', costs),
      pauseTable(pauses),
    ],
    bars: bars(measurements, costs, pauses),
    notes: [
      'Memory is counted from a server whose request path is warm; the column beside it counts from the first request on.',
      "Where the generator keeps a core busy (P=1), throughput is its figure as much as the server's; CPU per request is the server's alone.",
    ],
    measurements,
    figures: { memory: costs, pauses },
  };
}
