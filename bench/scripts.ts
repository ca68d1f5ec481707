// Lua scripts: short ones under load, long computations one after another, and readers beside a script that doesn't end.
import { type Argument, show } from '../test/support/raw-client.ts';
import type { Directives } from '../test/support/server.ts';
import { canLog } from './support/log.ts';
import type { Options } from './support/options.ts';
import { Prober } from './support/prober.ts';
import { progress } from './support/progress.ts';
import { atLeast, atMost, type Bar, figure, loadTable, type Outcome, ratio, ratioTo, type Table } from './support/report.ts';
import { type Measurement, measureAll, type Workload } from './support/rounds.ts';
import { type Latencies, median } from './support/statistics.ts';
import { type Contender, contenders, type Fleet, requireCommands, type Target } from './support/target.ts';

const HELLO = "return 'hello'";
const INCREMENT = "local n = (tonumber(redis.call('GET', KEYS[1])) or 0) + 1 redis.call('SET', KEYS[1], n) return n";
const LOOP = 'local s=0 for i=1,100000 do s=s+i%7 end return s';
const LIBRARY = `#!lua name=bench
redis.register_function('bench_incr', function(keys)
  local n = (tonumber(redis.call('GET', keys[1])) or 0) + 1
  redis.call('SET', keys[1], n)
  return n
end)`;
const CLIENTS = 100;
const KEYSPACE = 100_000;

type Judged = Workload & { readonly atLeast?: number };

const LOADS: readonly Judged[] = [
  { name: 'hello P=1', args: ['EVAL', HELLO, '0'], clients: CLIENTS, pipeline: 1, atLeast: 0.95 },
  { name: 'hello P=16', args: ['EVAL', HELLO, '0'], clients: CLIENTS, pipeline: 16, atLeast: 1.5 },
  { name: 'hello P=1 c=1', args: ['EVAL', HELLO, '0'], clients: 1, pipeline: 1 },
  { ...increments(1), atLeast: 0.95 },
  { ...increments(16), atLeast: 2.5 },
  functionCalls(1),
  functionCalls(16),
  { name: 'loop of 100000, one at a time', args: ['EVAL', LOOP, '0'], clients: 1, pipeline: 1, atLeast: 5 },
  { name: 'loop of 100000, many clients', args: ['EVAL', LOOP, '0'], clients: 20, pipeline: 1, atLeast: 5 },
];

function increments(pipeline: number): Workload {
  const args = ['EVAL', INCREMENT, '1', 'cnt:__rand_int__'];
  return { name: `GET + 1, SET P=${pipeline}`, args, clients: CLIENTS, pipeline, keyspace: KEYSPACE };
}

/** The same increment as a function of a library. */
function functionCalls(pipeline: number): Workload {
  return {
    name: `FCALL of GET + 1, SET P=${pipeline}`,
    args: ['FCALL', 'bench_incr', '1', 'cnt:__rand_int__'],
    clients: CLIENTS,
    pipeline,
    keyspace: KEYSPACE,
    // From the second round on it's there, and stays as warm as it is.
    prepare: async (_, target) => void (await target.raw('FUNCTION', 'LOAD', LIBRARY)),
  };
}

type Computation = { readonly name: string; readonly script: string; readonly args?: readonly string[] };

/** About 100 KB of what services keep in JSON: objects in an array, with strings, numbers, flags and lists. */
function jsonDocument(): string {
  const items = Array.from({ length: 900 }, (_, id) => ({
    id,
    name: `customer ${id} of the benchmark`,
    balance: id * 1.25,
    active: id % 3 === 0,
    tags: ['a', `tag${id % 17}`, id % 5],
  }));
  return JSON.stringify(items);
}

const COMPUTATIONS: readonly Computation[] = [
  {
    name: '10 fib(24)',
    script:
      'local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end local s = 0 for i=1,10 do s = s + fib(24) end return s',
  },
  {
    name: '200 k table inserts and sums',
    script: 'local t = {} for i=1,200000 do table.insert(t, i % 1000) end local s = 0 for i=1,#t do s = s + t[i] end return s',
  },
  { name: '20 k concatenations', script: "local s = '' for i=1,20000 do s = s .. 'x' end return #s" },
  {
    name: 'gsub over 1 MB',
    script: "local s, n = string.rep('hello big world ', 65536):gsub('%w+', string.upper) return {#s, n, s:sub(1, 32)}",
  },
  { name: 'cjson round trip of 100 KB', script: 'return #cjson.encode(cjson.decode(ARGV[1]))', args: [jsonDocument()] },
  {
    name: 'sort of 100 k',
    script:
      'local t, x = {}, 42 for i=1,100000 do x = (x * 16807) % 2147483647 t[i] = x end table.sort(t) return {t[1], t[50000], t[100000]}',
  },
];
const COMPUTATION_BAR = 2;

type Timing = { readonly name: string; readonly server: string; readonly isSubject: boolean; readonly ms: number; readonly runs: number };

async function timeScript(target: Target, computation: Computation): Promise<{ ms: number; reply: Buffer }> {
  const request: Argument[] = ['EVAL', computation.script, 0, ...(computation.args ?? [])];
  const begin = performance.now();
  const reply = await target.command(...request);
  return { ms: performance.now() - begin, reply };
}

/** Medians of single runs in turns. Throws when two servers give different results: one of them then computed something else. */
async function timeComputations(targets: readonly Target[], options: Options): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const computation of COMPUTATIONS) {
    progress(`${computation.name}: ${targets.map(({ name }) => name).join(' and ')} in turns`);
    const times: number[][] = targets.map(() => []);
    let expected: Buffer | null = null;
    const deadline = performance.now() + options.seconds * 1000 * targets.length;
    do {
      for (const [index, target] of targets.entries()) {
        const { ms, reply } = await timeScript(target, computation);
        times[index]!.push(ms);
        expected ??= reply;
        if (!reply.equals(expected)) {
          throw new Error(`${computation.name}: ${targets[0]!.name} answers ${show(expected)}, ${target.name} ${show(reply)}`);
        }
      }
    } while (performance.now() < deadline);
    for (const [index, target] of targets.entries()) {
      const runs = times[index]!;
      timings.push({ name: computation.name, server: target.name, isSubject: target.isSubject, ms: median(runs), runs: runs.length });
    }
  }
  return timings;
}

type Beside = { readonly server: string; readonly isSubject: boolean; readonly scriptMs: number; readonly latencies: Latencies };

/** Redis answers BUSY after five seconds (busy-reply-threshold), so the script must be well below. */
const LONG_SCRIPT_MS = 2_000;
const COUNT = 'local s = 0 for i=1,tonumber(ARGV[1]) do s = s + i % 7 end return s';

/** GETs of one client while another's script runs for two seconds, in a loop that is as long as this server needs for that. */
async function probeBesideScript(target: Target, options: Options): Promise<Beside> {
  const wantedMs = options.quick ? LONG_SCRIPT_MS / 8 : LONG_SCRIPT_MS;
  let count = 100_000;
  let ms = 0;
  while (ms < wantedMs / 10) {
    count *= 2;
    ms = (await timeScript(target, { name: 'calibration', script: COUNT, args: [String(count)] })).ms;
  }
  const prober = await Prober.connect(target);
  progress(`GETs beside a script of ${wantedMs} ms: ${target.name}`);
  const full = { name: 'long script', script: COUNT, args: [String(Math.round((count * wantedMs) / ms))] };
  let scriptMs = 0;
  const latencies = await prober.measure(async () => {
    scriptMs = (await timeScript(target, full)).ms;
  });
  prober.close();
  return { server: target.name, isSubject: target.isSubject, scriptMs, latencies };
}

type Part = { readonly label: string; readonly measurements: Measurement[]; readonly timings: Timing[]; readonly beside: Beside[] };

async function measurePart(
  fleet: Fleet,
  servers: readonly Contender[],
  options: Options,
  label: string,
  directives: Directives,
): Promise<Part> {
  progress(`scripts, ${label}`);
  const targets = await Promise.all(servers.map((contender) => fleet.start(contender, directives)));
  const measurements = await measureAll(fleet, targets, LOADS, options);
  const timings = await timeComputations(targets, options);
  const beside: Beside[] = [];
  for (const target of targets) beside.push(await probeBesideScript(target, options));
  for (const target of targets) await fleet.stop(target);
  return { label, measurements, timings, beside };
}

function timingTable(part: Part): Table {
  return {
    title: `One script at a time, ${part.label}`,
    columns: ['script', 'server', 'median ms', 'runs', 'speed / redis'],
    rows: part.timings.map((row) => {
      const redis = part.timings.find((other) => other.name === row.name && other.server === 'redis')?.ms;
      return [row.name, row.server, figure(row.ms), String(row.runs), figure(ratio(redis, row.ms))];
    }),
  };
}

function besideTable(part: Part): Table {
  return {
    title: `GET by another client while a script runs, ${part.label}`,
    columns: ['server', 'script ran ms', 'GETs', 'p50 ms', 'p99 ms', 'max ms'],
    rows: part.beside.map(({ server, scriptMs, latencies: all }) => [
      server,
      figure(scriptMs),
      String(all.samples),
      ...[all.p50Ms, all.p99Ms, all.maxMs].map(figure),
    ]),
  };
}

function barsOf(part: Part): Bar[] {
  const loads = LOADS.filter((load) => load.atLeast !== undefined).map((load) =>
    atLeast(`${load.name}: throughput / redis, ${part.label}`, ratioTo(part.measurements, load.name, 'perSecond'), load.atLeast!),
  );
  const computations = COMPUTATIONS.map(({ name }) => {
    const subject = part.timings.find((row) => row.name === name && row.isSubject)?.ms;
    const redis = part.timings.find((row) => row.name === name && row.server === 'redis')?.ms;
    return atLeast(`${name}: speed / redis, ${part.label}`, ratio(redis, subject), COMPUTATION_BAR);
  });
  const p99Ms = part.beside.find((row) => row.isSubject)?.latencies.p99Ms ?? null;
  return [...loads, ...computations, atMost(`GET beside a script: p99, ${part.label}`, p99Ms, 2, ' ms')];
}

export async function run(fleet: Fleet, options: Options): Promise<Outcome> {
  const servers = contenders(options);
  const probe = await fleet.start(servers[0]!);
  await requireCommands(probe, 'scripts', ['EVAL']);
  const logs = await canLog(probe);
  await fleet.stop(probe);
  const parts = [await measurePart(fleet, servers, options, 'no log', {})];
  if (logs) parts.push(await measurePart(fleet, servers, options, 'everysec', { appendonly: 'yes', appendfsync: 'everysec' }));
  return {
    tables: parts.flatMap((part) => [
      loadTable(`Scripts under load, ${part.label}`, part.measurements),
      timingTable(part),
      besideTable(part),
    ]),
    bars: parts.flatMap(barsOf),
    notes: logs ? [] : [`The part with appendfsync everysec wasn't run: ${servers[0]!.name} writes no log yet.`],
    measurements: parts.flatMap((part) => part.measurements.map((row) => ({ ...row, workload: `${row.workload}, ${part.label}` }))),
    figures: Object.fromEntries(parts.map((part) => [part.label, { computations: part.timings, besideScript: part.beside }])),
  };
}
