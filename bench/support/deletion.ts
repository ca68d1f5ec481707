// What readers notice while a large collection goes: by DEL, UNLINK or FLUSHDB, or because its time is over.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Options, scaled } from './options.ts';
import { numbered, pipe } from './pipe.ts';
import { Prober } from './prober.ts';
import { progress } from './progress.ts';
import { atMost, type Bar, figure, type Table } from './report.ts';
import type { Latencies } from './statistics.ts';
import type { Contender, Fleet, Target } from './target.ts';

const LARGE = 'large';
/** Elements that one request of the filling adds. */
const BATCH = 100;
/** What is freed in the background goes on for a while after the answer, and may hold readers up as well. */
const AFTERMATH_MS = 1_000;
const POLL_MS = 20;
const LONGEST_GET_MS = 5;
const LONGEST_SLICE_MS = 1;

type Kind = 'set' | 'hash' | 'sorted set' | 'list';
type Way = 'DEL' | 'UNLINK' | 'expiry' | 'FLUSHDB ASYNC';
type Case = { readonly way: Way; readonly kind: Kind; readonly elements: number };

/** DEL with its own bar; then each structure, and each way by which one goes. */
const CASES: readonly Case[] = [
  { way: 'DEL', kind: 'set', elements: 5_000_000 },
  { way: 'UNLINK', kind: 'set', elements: 10_000_000 },
  { way: 'UNLINK', kind: 'hash', elements: 10_000_000 },
  { way: 'UNLINK', kind: 'sorted set', elements: 10_000_000 },
  { way: 'UNLINK', kind: 'list', elements: 10_000_000 },
  { way: 'expiry', kind: 'set', elements: 10_000_000 },
  { way: 'expiry', kind: 'sorted set', elements: 10_000_000 },
  { way: 'FLUSHDB ASYNC', kind: 'set', elements: 10_000_000 },
];

export type Deletion = {
  readonly what: string;
  readonly way: Way;
  readonly server: string;
  readonly isSubject: boolean;
  /** How long the command ran, as the server counts it; NaN where nobody asks. */
  readonly tookMs: number;
  /** GETs in as much time before. */
  readonly before: Latencies;
  readonly latencies: Latencies;
  /** The longest slice of background work as the server counts it, in milliseconds of CPU; NaN where it doesn't. */
  readonly sliceMs: number;
};

const nameOf = (element: number): string => numbered('member:', element);
const ADD: Readonly<Record<Kind, readonly [string, (element: number) => readonly string[]]>> = {
  set: ['SADD', (element) => [nameOf(element)]],
  hash: ['HSET', (element) => [nameOf(element), 'value']],
  'sorted set': ['ZADD', (element) => [String(element), nameOf(element)]],
  list: ['RPUSH', (element) => [nameOf(element)]],
};

async function fill(target: Target, kind: Kind, elements: number): Promise<void> {
  const [command, argumentsOf] = ADD[kind];
  await pipe(target, elements / BATCH, (request) => {
    const args = [command, LARGE];
    for (let index = 0; index < BATCH; index++) args.push(...argumentsOf(request * BATCH + index));
    return args;
  });
}

/** Takes the collection away, and returns how long the command for it ran. */
async function remove(target: Target, way: Way): Promise<number> {
  if (way === 'expiry') {
    await target.command('PEXPIRE', LARGE, '1');
    while ((await target.integer('DBSIZE')) > Prober.KEYS) await sleep(POLL_MS);
    return Number.NaN;
  }
  // What the prober asks for must stay.
  if (way === 'FLUSHDB ASYNC') {
    await target.command('MOVE', LARGE, '1');
    await target.command('SELECT', '1');
  }
  const [name = '', ...args] = way === 'FLUSHDB ASYNC' ? way.split(' ') : [way, LARGE];
  await target.command(name, ...args);
  const stats = (await target.info('commandstats')).get(`cmdstat_${name.toLowerCase()}`) ?? '';
  return Number(/usec_per_call=([\d.]+)/.exec(stats)?.[1]) / 1000;
}

async function measure(target: Target, { way, kind, elements }: Case, options: Options): Promise<Deletion> {
  const members = scaled(options, elements);
  const what = `${way}, ${kind} of ${members}`;
  progress(`${what}: ${target.name}`);
  await fill(target, kind, members);
  const aftermathMs = options.quick ? AFTERMATH_MS / 20 : AFTERMATH_MS;
  const prober = await Prober.connect(target);
  const before = await prober.measure(() => sleep(aftermathMs));
  await target.command('CONFIG', 'RESETSTAT');
  let tookMs = 0;
  const latencies = await prober.measure(async () => {
    tookMs = await remove(target, way);
    await sleep(aftermathMs);
  });
  prober.close();
  const sliceMs = (await target.infoNumber('memory', 'lazyfree_longest_slice_usec')) / 1000;
  return { what, way, server: target.name, isSubject: target.isSubject, tookMs, before, latencies, sliceMs };
}

export async function measureDeletions(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Deletion[]> {
  const deletions: Deletion[] = [];
  for (const contender of servers) {
    const target = await fleet.start(contender);
    for (const each of CASES) deletions.push(await measure(target, each, options));
    await fleet.stop(target);
  }
  return deletions;
}

export function deletionTable(deletions: readonly Deletion[]): Table {
  return {
    title: 'GET by another client while a large collection goes',
    columns: ['what', 'server', 'took ms', 'GETs', 'p50 ms', 'p99.9 ms', 'max ms', 'max ms before', 'longest slice ms'],
    rows: deletions.map(({ what, server, tookMs, before, latencies: all, sliceMs }) => [
      what,
      server,
      figure(tookMs),
      String(all.samples),
      ...[all.p50Ms, all.p999Ms, all.maxMs, before.maxMs, sliceMs].map(figure),
    ]),
  };
}

export function deletionBars(deletions: readonly Deletion[]): Bar[] {
  return deletions
    .filter(({ isSubject }) => isSubject)
    .flatMap(({ what, way, tookMs, latencies, sliceMs }) => {
      if (way === 'DEL') return [atMost(`${what}: longest GET beside it`, latencies.maxMs, LONGEST_GET_MS, ' ms')];
      const bars = [atMost(`${what}: longest slice of freeing`, sliceMs, LONGEST_SLICE_MS, ' ms')];
      return Number.isNaN(tookMs) ? bars : [...bars, atMost(`${what}: the command itself`, tookMs, LONGEST_SLICE_MS, ' ms')];
    });
}
