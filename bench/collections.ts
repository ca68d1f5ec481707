// Hashes, lists, sets and sorted sets: commands under load, memory an element, and readers beside large ones that go.
import { type Deletion, deletionBars, deletionTable, measureDeletions } from './support/deletion.ts';
import { runLoad } from './support/generator.ts';
import { type Cost, measureMemory, memoryRatio, memoryTable, type Shape } from './support/memory.ts';
import { type Options, scaled } from './support/options.ts';
import { numbered, pipe, VALUE } from './support/pipe.ts';
import { progress } from './support/progress.ts';
import { atLeast, atMost, type Bar, loadTable, type Outcome, ratioTo } from './support/report.ts';
import { type Measurement, measureAll, type Workload } from './support/rounds.ts';
import { type Contender, contenders, type Fleet, requireCommands, type Target } from './support/target.ts';

const NEEDED =
  'HSET HGET LPUSH RPUSH LPOP LRANGE SADD SISMEMBER ZADD ZRANGE ZRANGEBYSCORE ZRANK MGET MSET DEL UNLINK FLUSHDB PEXPIRE MOVE'.split(' ');
const CLIENTS = 100;
const PIPELINE = 16;
/** One collection of so many elements: the forms of redis-benchmark's own tests, and the hardest ones for a server with many threads. */
const ONE_KEY_ELEMENTS = 100_000;
/** So many collections of so many elements each, which spreads over a server's locks as an application's keys do. */
const MANY_KEYS = 1_000;
const RANDOM = '__rand_int__';

type Layout = { readonly label: string; readonly keyspace: number; readonly key: (kind: string) => string };

const ONE_KEY: Layout = { label: 'one key', keyspace: ONE_KEY_ELEMENTS, key: (kind) => `my${kind}` };
const SPREAD: Layout = { label: `${MANY_KEYS} keys`, keyspace: MANY_KEYS, key: (kind) => `${kind}:${RANDOM}` };
const LAYOUTS = [ONE_KEY, SPREAD];

/** A list that is only pushed to would grow without end, and one that is only popped from be empty: both start each run anew. */
async function emptyLists(target: Target, layout: Layout): Promise<void> {
  if (layout === ONE_KEY) await target.command('DEL', layout.key('list'));
  else await pipe(target, MANY_KEYS, (index) => ['DEL', numbered('list:', index)]);
}

function listLoads(layout: Layout): Workload[] {
  const list = layout.key('list');
  const push = { args: ['LPUSH', list, VALUE], clients: CLIENTS, pipeline: PIPELINE, keyspace: layout.keyspace };
  const fillLists = async (fleet: Fleet, target: Target, requests: number): Promise<void> => {
    await emptyLists(target, layout);
    await runLoad(fleet, target, { ...push, pipeline: 64 }, requests);
  };
  return [
    { ...push, name: `LPUSH, ${layout.label}`, prepare: (_fleet, target) => emptyLists(target, layout) },
    { ...push, name: `LPOP, ${layout.label}`, args: ['LPOP', list], prepare: fillLists },
  ];
}

function elementLoads(layout: Layout): Workload[] {
  const { label, keyspace } = layout;
  const hash = layout.key('hash');
  const set = layout.key('set');
  const sorted = layout.key('zset');
  const element = `element:${RANDOM}`;
  const commands: readonly (readonly string[])[] = [
    ['HSET', hash, element, VALUE],
    ['HGET', hash, element],
    ['SADD', set, element],
    ['SISMEMBER', set, element],
    ['ZADD', sorted, RANDOM, element],
    ['ZRANGE', sorted, '0', '9'],
    ['ZRANGEBYSCORE', sorted, RANDOM, '+inf', 'LIMIT', '0', '10'],
    ['ZRANK', sorted, element],
  ];
  return commands.map((args) => ({ name: `${args[0]}, ${label}`, args, clients: CLIENTS, pipeline: PIPELINE, keyspace }));
}

const LONG_LIST = 'longlist';
const LONG_LIST_ELEMENTS = 600;

function repliesOfManyElements(): Workload[] {
  const range = (count: number): string[] => ['LRANGE', LONG_LIST, '0', String(count - 1)];
  const keys = (count: number): string[] => Array.from({ length: count }, () => `key:${RANDOM}`);
  const loads: [string, string[]][] = [
    ['LRANGE_100', range(100)],
    ['LRANGE_600', range(LONG_LIST_ELEMENTS)],
    ['MGET of 100', ['MGET', ...keys(100)]],
    ['MSET of 10', ['MSET', ...keys(10).flatMap((key) => [key, VALUE])]],
  ];
  return loads.map(([name, args]) => ({ name, args, clients: CLIENTS, pipeline: PIPELINE, keyspace: ONE_KEY_ELEMENTS }));
}

const BULK_BARS = repliesOfManyElements().map(({ name }) => name);
const ELEMENT_BARS = LAYOUTS.flatMap((layout) => [...elementLoads(layout), ...listLoads(layout)].map(({ name }) => name));

/** The requests that put one element into a hash, a set and a sorted set of the layout, in turns. */
async function fillElements(target: Target, layout: Layout, options: Options): Promise<void> {
  const total = scaled(options, layout === ONE_KEY ? ONE_KEY_ELEMENTS : MANY_KEYS * MANY_KEYS);
  const kinds = ['hash', 'set', 'zset'] as const;
  await pipe(target, 3 * total, (request) => {
    const index = Math.floor(request / 3);
    const kind = kinds[request % 3]!;
    const key = layout === ONE_KEY ? `my${kind}` : numbered(`${kind}:`, index % MANY_KEYS);
    const number = layout === ONE_KEY ? index : Math.floor(index / MANY_KEYS);
    const element = numbered('element:', number);
    if (kind === 'hash') return ['HSET', key, element, VALUE];
    return kind === 'set' ? ['SADD', key, element] : ['ZADD', key, String(number), element];
  });
}

async function measureLoads(fleet: Fleet, servers: readonly Contender[], options: Options): Promise<Measurement[]> {
  const targets = await Promise.all(servers.map((contender) => fleet.start(contender)));
  await requireCommands(targets[0]!, 'collections', NEEDED);
  for (const target of targets) {
    progress(`${target.name}: filling collections`);
    for (const layout of LAYOUTS) await fillElements(target, layout, options);
    await pipe(target, LONG_LIST_ELEMENTS, () => ['RPUSH', LONG_LIST, VALUE]);
    await pipe(target, scaled(options, ONE_KEY_ELEMENTS), (index) => ['SET', numbered('key:', index), VALUE]);
  }
  const loads = [...LAYOUTS.flatMap((layout) => [...elementLoads(layout), ...listLoads(layout)]), ...repliesOfManyElements()];
  const measurements = await measureAll(fleet, targets, loads, options);
  for (const target of targets) await fleet.stop(target);
  return measurements;
}

type JudgedShape = Shape & { readonly atMost: number };

const SMALL_HASH_FIELDS = 10;

function shapes(options: Options): JudgedShape[] {
  const elements = scaled(options, 1_000_000);
  const each = (name: string, limit: number, request: (index: number) => string[]): JudgedShape => {
    return { name, elements, requests: elements, request, atMost: limit };
  };
  return [
    each(`hash of ${elements} fields`, 0.6, (index) => ['HSET', 'hash', numbered('field:', index), VALUE]),
    each(`set of ${elements} members`, 0.6, (index) => ['SADD', 'set', numbered('member:', index)]),
    each(`sorted set of ${elements} members`, 0.6, (index) => ['ZADD', 'zset', String(index), numbered('member:', index)]),
    each(`list of ${elements} elements`, 0.9, () => ['RPUSH', 'list', VALUE]),
    each(`${elements / SMALL_HASH_FIELDS} hashes of ${SMALL_HASH_FIELDS} fields, a field`, 0.9, (index) => [
      'HSET',
      numbered('hash:', Math.floor(index / SMALL_HASH_FIELDS)),
      `field:${index % SMALL_HASH_FIELDS}`,
      VALUE,
    ]),
  ];
}

function bars(measurements: readonly Measurement[], costs: readonly Cost[], deletions: readonly Deletion[], options: Options): Bar[] {
  const elements = ELEMENT_BARS.flatMap((name) => [
    atLeast(`${name}: throughput / redis`, ratioTo(measurements, name, 'perSecond'), 1.3),
    atMost(`${name}: CPU per request / redis`, ratioTo(measurements, name, 'cpuMicroseconds'), 0.75),
  ]);
  const bulk = BULK_BARS.map((name) => atLeast(`${name}: throughput / redis`, ratioTo(measurements, name, 'perSecond'), 1.2));
  const memory = shapes(options).map((shape) => atMost(`${shape.name}: bytes / redis`, memoryRatio(costs, shape.name), shape.atMost));
  return [...elements, ...bulk, ...memory, ...deletionBars(deletions)];
}

export async function run(fleet: Fleet, options: Options): Promise<Outcome> {
  const servers = contenders(options);
  const measurements = await measureLoads(fleet, servers, options);
  const costs = await measureMemory(fleet, servers, shapes(options), options);
  const deletions = await measureDeletions(fleet, servers, options);
  return {
    tables: [
      loadTable(`Collections, c=${CLIENTS}, P=${PIPELINE}`, measurements),
      memoryTable('Memory an element', costs),
      deletionTable(deletions),
    ],
    bars: bars(measurements, costs, deletions, options),
    notes: [
      `"one key" is one collection of ${ONE_KEY_ELEMENTS} elements, as in redis-benchmark's own tests; "${SPREAD.label}" is the same spread out.`,
      'LRANGE_600 and MGET of 100: where the generator is busy for a whole core, it is what limits throughput; see CPU per request.',
    ],
    measurements,
    figures: { memory: costs, deletions },
  };
}
