// The append-only log: what it costs under each policy, readers beside it, its rewrite under load, and recovery from it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Directives } from '../test/support/server.ts';
import { type Load, runLoad } from './support/generator.ts';
import { canLog, writeLog } from './support/log.ts';
import { diskSyncMs, residentBytes } from './support/machine.ts';
import { type Options, scaled, UsageError } from './support/options.ts';
import { numbered, pipe, VALUE } from './support/pipe.ts';
import { Prober } from './support/prober.ts';
import { progress } from './support/progress.ts';
import { atLeast, atMost, type Bar, figure, loadTable, type Outcome, ratio, type Table } from './support/report.ts';
import { type Measurement, measureAll, type Workload } from './support/rounds.ts';
import { type Latencies, median } from './support/statistics.ts';
import { type Contender, contenders, type Fleet, type Target } from './support/target.ts';

const CLIENTS = 100;
const KEYSPACE = 100_000;
/** Rewrites only when they are asked for: one that starts by itself in one of the runs would be measured as that run's speed. */
const LOG: Directives = { appendonly: 'yes', 'auto-aof-rewrite-percentage': 0, 'aof-use-rdb-preamble': 'no' };
const EVERYSEC: Directives = { ...LOG, appendfsync: 'everysec' };
const ALWAYS: Directives = { ...LOG, appendfsync: 'always' };

function load(command: string, pipeline: number): Workload {
  const args = ['-t', command.toLowerCase()];
  return { name: `${command} P=${pipeline}`, args, clients: CLIENTS, pipeline, keyspace: KEYSPACE, valueBytes: VALUE.length };
}

/** Starts a server with a log. Throws when it takes the directives and writes none. */
async function startLogging(fleet: Fleet, contender: Contender, directives: Directives, label: string): Promise<Target> {
  const target = await fleet.start(contender, directives, label);
  if ((await target.infoNumber('persistence', 'aof_enabled')) !== 1) {
    throw new UsageError(`the suite 'durability' can't run: ${contender.name} was started with appendonly yes and says aof_enabled:0`);
  }
  return target;
}

async function stop(fleet: Fleet, targets: readonly Target[]): Promise<void> {
  for (const target of targets) await fleet.stop(target);
}

const SET_P1 = load('SET', 1);
const SET_P16 = load('SET', 16);

async function measureEverysec(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Measurement[]> {
  const bare = await fleet.start(servers[0]!, {}, `${servers[0]!.name}, no log`);
  const targets = [bare];
  for (const contender of servers) targets.push(await startLogging(fleet, contender, EVERYSEC, `${contender.name}, everysec`));
  const measurements = await measureAll(fleet, targets, [SET_P1, SET_P16], options);
  await stop(fleet, targets);
  return measurements;
}

type Readers = {
  readonly server: string;
  readonly isSubject: boolean;
  readonly alone: Latencies;
  readonly besideReads: Latencies;
  readonly besideWrites: Latencies;
};

/** GETs of one client alone, beside a load of other clients' GETs, and beside the same load of SETs that wait for the disk. */
async function probeBeside(fleet: Fleet, target: Target, perSecond: number, options: Options): Promise<Readers> {
  const prober = await Prober.connect(target);
  const beside = async (other: Load, rate: number): Promise<Latencies> => {
    return prober.measure(() => runLoad(fleet, target, other, Math.ceil(rate * options.seconds)));
  };
  progress(`GETs alone and beside other clients' requests: ${target.name}`);
  await prober.measure(() => sleep(options.warmSeconds * 1000));
  const alone = await prober.measure(() => sleep(options.seconds * 1000));
  const reads = load('GET', 16);
  const readRate = (await runLoad(fleet, target, reads, Math.ceil(perSecond * options.warmSeconds))).perSecond;
  const besideReads = await beside(reads, Math.min(readRate, 10 * perSecond));
  const besideWrites = await beside(SET_P16, perSecond);
  prober.close();
  return { server: target.name, isSubject: target.isSubject, alone, besideReads, besideWrites };
}

type Always = { readonly measurements: Measurement[]; readonly readers: Readers[] };

async function measureAlways(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Always> {
  const targets: Target[] = [];
  for (const contender of servers) targets.push(await startLogging(fleet, contender, ALWAYS, `${contender.name}, always`));
  const measurements = await measureAll(fleet, targets, [SET_P16], options);
  const readers: Readers[] = [];
  for (const [index, target] of targets.entries()) {
    readers.push(await probeBeside(fleet, target, measurements[index]!.median.perSecond, options));
  }
  await stop(fleet, targets);
  return { measurements, readers };
}

type Rewrite = {
  readonly server: string;
  readonly isSubject: boolean;
  readonly seconds: number;
  readonly datasetBytes: number;
  /** Largest growth of the resident set, and what a forked child copied, by the server's own word. */
  readonly grownBytes: number;
  readonly copiedBytes: number;
  readonly before: Latencies;
  readonly during: Latencies;
};

const LARGE_KEYS = 5_000_000;
const SAMPLE_MS = 20;

/** Repeats a load until `isDone`. A run is about half a second, so that it ends soon after. */
async function keepLoading(fleet: Fleet, target: Target, keys: number, isDone: () => boolean): Promise<void> {
  const writes: Load = { args: ['-t', 'set'], clients: 50, pipeline: 16, keyspace: keys, valueBytes: VALUE.length };
  let requests = 20_000;
  while (!isDone()) requests = Math.ceil((await runLoad(fleet, target, writes, requests)).perSecond / 2);
}

async function rewriteToItsEnd(target: Target): Promise<{ seconds: number; grownBytes: number; copiedBytes: number }> {
  const before = residentBytes(target.pid);
  let largest = before;
  const begin = performance.now();
  await target.command('BGREWRITEAOF');
  // The server may begin a little after it has answered, so it counts as begun once it says so or a second has gone by.
  let hasBegun = false;
  for (;;) {
    await sleep(SAMPLE_MS);
    largest = Math.max(largest, residentBytes(target.pid));
    const isRunning = (await target.infoNumber('persistence', 'aof_rewrite_in_progress')) === 1;
    hasBegun ||= isRunning || performance.now() - begin > 1_000;
    if (hasBegun && !isRunning) break;
  }
  const seconds = (performance.now() - begin) / 1000;
  const info = await target.info('persistence');
  const status = info.get('aof_last_bgrewrite_status');
  if (status !== 'ok') throw new Error(`${target.name}: the rewrite ended with aof_last_bgrewrite_status:${status}`);
  return { seconds, grownBytes: largest - before, copiedBytes: Number(info.get('aof_last_cow_size') ?? 0) };
}

async function measureRewrite(fleet: Fleet, contender: Contender, options: Options): Promise<Rewrite> {
  const keys = scaled(options, LARGE_KEYS);
  progress(`rewrite of ${keys} keys: filling ${contender.name}`);
  const target = await startLogging(fleet, contender, EVERYSEC, contender.name);
  const usedBefore = await target.infoNumber('memory', 'used_memory');
  await pipe(target, keys, (index) => ['SET', numbered('key:', index), VALUE]);
  const datasetBytes = (await target.infoNumber('memory', 'used_memory')) - usedBefore;
  const prober = await Prober.connect(target);
  let isDone = false;
  const loading = keepLoading(fleet, target, keys, () => isDone);
  try {
    await Promise.race([loading, sleep(options.warmSeconds * 1000)]);
    progress(`GETs beside SETs, before the rewrite: ${target.name}`);
    const before = await prober.measure(() => Promise.race([loading, sleep(options.seconds * 1000)]));
    progress(`GETs beside SETs, during the rewrite: ${target.name}`);
    prober.start();
    const rewrite = await Promise.race([rewriteToItsEnd(target), loading.then(() => Promise.reject(new Error('the load has ended')))]);
    const during = await prober.stop();
    return { server: target.name, isSubject: target.isSubject, datasetBytes, before, during, ...rewrite };
  } finally {
    isDone = true;
    await loading;
    prober.close();
    await fleet.stop(target);
  }
}

type Recovery = { readonly server: string; readonly isSubject: boolean; readonly records: number; readonly seconds: number };

/** From the start of the process to its first answer with all keys there. */
async function timeRecovery(fleet: Fleet, contender: Contender, folder: string, records: number): Promise<number> {
  const begin = performance.now();
  const target = await startLogging(fleet, contender, { ...EVERYSEC, dir: folder }, contender.name);
  while ((await target.infoNumber('persistence', 'loading')) === 1) await sleep(SAMPLE_MS);
  const seconds = (performance.now() - begin) / 1000;
  const found = await target.integer('DBSIZE');
  await fleet.stop(target);
  if (found !== records) throw new Error(`${contender.name} recovered ${found} keys of a log with ${records}`);
  return seconds;
}

async function measureRecoveries(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Recovery[]> {
  const records = scaled(options, LARGE_KEYS);
  const folder = fleet.makeFolder();
  progress(`recovery: writing a log of ${records} SETs`);
  writeLog(folder, records, (index) => ['SET', numbered('key:', index), VALUE]);
  const times: number[][] = servers.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, contender] of servers.entries()) {
      progress(`recovery: round ${round + 1} of ${options.rounds}, ${contender.name}`);
      times[index]!.push(await timeRecovery(fleet, contender, folder, records));
    }
  }
  fleet.removeFolder(folder);
  return servers.map(({ name, isSubject }, index) => ({ server: name, isSubject, records, seconds: median(times[index]!) }));
}

function readerTable(readers: readonly Readers[]): Table {
  const kinds: [string, keyof Readers & ('alone' | 'besideReads' | 'besideWrites')][] = [
    ['nothing', 'alone'],
    ['GET P=16, c=100', 'besideReads'],
    ['SET P=16, c=100', 'besideWrites'],
  ];
  return {
    title: 'GET by one client under appendfsync always, beside',
    columns: ['server', 'beside', 'GETs', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'],
    rows: readers.flatMap((row) =>
      kinds.map(([label, kind]) => {
        const all = row[kind];
        return [row.server, label, String(all.samples), ...[all.p50Ms, all.p99Ms, all.p999Ms, all.maxMs].map(figure)];
      }),
    ),
  };
}

function rewriteTable(rewrites: readonly Rewrite[], keys: number): Table {
  const megabytes = (bytes: number): string => figure(bytes / 1e6);
  return {
    title: `BGREWRITEAOF with ${keys} keys under SETs (c=50, P=16)`,
    columns: [
      'server',
      'seconds',
      'dataset MB',
      'RSS grown MB',
      'copied on write MB',
      'GET p99.9 before ms',
      'GET p99.9 during ms',
      'max during ms',
    ],
    rows: rewrites.map((row) => [
      row.server,
      figure(row.seconds),
      ...[row.datasetBytes, row.grownBytes, row.copiedBytes].map(megabytes),
      ...[row.before.p999Ms, row.during.p999Ms, row.during.maxMs].map(figure),
    ]),
  };
}

function recoveryTable(recoveries: readonly Recovery[]): Table {
  const redis = recoveries.find(({ server }) => server === 'redis')?.seconds;
  return {
    title: 'Recovery: from the start of the process until all keys are served',
    columns: ['server', 'SETs in the log', 'seconds', 'records/s', 'speed / redis'],
    rows: recoveries.map((row) => [
      row.server,
      String(row.records),
      figure(row.seconds),
      figure(row.records / row.seconds),
      figure(ratio(redis, row.seconds)),
    ]),
  };
}

function everysecBars(measurements: readonly Measurement[], subject: string): Bar[] {
  const rate = (workload: Workload, server: string): number | undefined =>
    measurements.find((row) => row.workload === workload.name && row.server === server)?.median.perSecond;
  const limits: [Workload, number][] = [
    [SET_P1, 1],
    [SET_P16, 1.4],
  ];
  return limits.flatMap(([workload, limit]) => {
    const logging = rate(workload, `${subject}, everysec`);
    return [
      atLeast(`${workload.name} everysec: throughput / its own without a log`, ratio(logging, rate(workload, `${subject}, no log`)), 0.9),
      atLeast(`${workload.name} everysec: throughput / redis`, ratio(logging, rate(workload, 'redis, everysec')), limit),
    ];
  });
}

function otherBars(always: Always, rewrites: readonly Rewrite[], recoveries: readonly Recovery[]): Bar[] {
  const rate = (matches: (row: Measurement) => boolean): number | undefined => always.measurements.find(matches)?.median.perSecond;
  const readers = always.readers.find((row) => row.isSubject);
  const rewrite = rewrites.find((row) => row.isSubject);
  const recovery = recoveries.find((row) => row.isSubject)?.seconds;
  const redisRecovery = recoveries.find((row) => row.server === 'redis')?.seconds;
  const throughput = ratio(
    rate((row) => row.isSubject),
    rate((row) => row.server === 'redis, always'),
  );
  const writes = readers?.besideWrites.p99Ms;
  const grown = rewrite === undefined ? null : rewrite.grownBytes + rewrite.copiedBytes;
  return [
    atLeast('SET P=16 always: throughput / redis', throughput, 1.5),
    atMost('always: p99 of GET beside SETs / p99 of GET alone', ratio(writes, readers?.alone.p99Ms), 1.5),
    atMost('always: p99 of GET beside SETs / beside as many clients that only read', ratio(writes, readers?.besideReads.p99Ms), 1.5),
    atMost('rewrite: memory grown or copied / dataset', ratio(grown, rewrite?.datasetBytes), 0.1),
    atMost('rewrite: p99.9 of GET during / before', ratio(rewrite?.during.p999Ms, rewrite?.before.p999Ms), 2),
    atLeast('recovery: speed / redis', ratio(redisRecovery, recovery), 1.5),
  ];
}

async function requireLog(fleet: Fleet, contender: Contender): Promise<void> {
  const probe = await fleet.start(contender);
  const logs = await canLog(probe);
  await fleet.stop(probe);
  if (!logs) throw new UsageError(`the suite 'durability' can't run: ${contender.name} writes no log yet (it doesn't know BGREWRITEAOF)`);
}

export async function run(fleet: Fleet, options: Options): Promise<Outcome> {
  const servers = contenders(options);
  const subject = servers[0]!.name;
  await requireLog(fleet, servers[0]!);
  const syncMs = diskSyncMs();
  const everysec = await measureEverysec(fleet, servers, options);
  const always = await measureAlways(fleet, servers, options);
  const rewrites: Rewrite[] = [];
  for (const contender of servers) rewrites.push(await measureRewrite(fleet, contender, options));
  const recoveries = await measureRecoveries(fleet, servers, options);
  return {
    tables: [
      loadTable(`SET with appendfsync everysec, c=${CLIENTS}`, everysec, 'redis, everysec'),
      loadTable(`SET with appendfsync always, c=${CLIENTS}`, always.measurements, 'redis, always'),
      readerTable(always.readers),
      rewriteTable(rewrites, scaled(options, LARGE_KEYS)),
      recoveryTable(recoveries),
    ],
    bars: [...everysecBars(everysec, subject), ...otherBars(always, rewrites, recoveries)],
    notes: [
      `One fdatasync after an append of 4 KB takes ${figure(syncMs)} ms (median) on the disk of the logs.`,
      'GET alone has the cores for itself; the load of reads beside it shows what is the disk and the log, and what is only the load.',
    ],
    measurements: [...everysec, ...always.measurements],
    figures: { diskSyncMs: syncMs, readers: always.readers, rewrites, recoveries },
  };
}
