// COMMAND INFO and COMMAND DOCS against a real redis-server: for every command that both have, what a client derives from them
// (arity, flags, keys, categories, tips, key specifications, arguments) must be the same. Summaries and histories are each server's own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { parseReply, type Value } from '../support/reply.ts';
import { installed, type RunningServer, startServer } from '../support/server.ts';

type Facts = Record<string, unknown>;

/** Commands that Redis 7.2 changed, so that 7.0's table is no measure: QUIT is deprecated there, the others take a word more. */
const CHANGED = new Set(['quit', 'zrank', 'zrevrank']);

function asMap(value: Value): Map<string, Value> {
  assert.ok(value instanceof Map, `not a map: ${JSON.stringify(value)}`);
  return value as Map<string, Value>;
}
const sorted = (value: Value): string[] => (value as string[]).map(String).sort();

function plain(value: Value): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function infoFacts(entries: Value[], into: Map<string, Facts>): void {
  for (const entry of entries) {
    const [name, arity, flags, first, last, step, categories, tips, specs, subcommands] = entry as Value[];
    const keySpecs = (specs as Value[]).map((spec) => {
      const { notes: _, flags: words, ...rest } = plain(spec) as Facts;
      return { ...rest, flags: (words as string[]).sort() };
    });
    into.set(String(name), {
      arity,
      flags: sorted(flags as Value),
      keys: [first, last, step],
      categories: sorted(categories as Value),
      tips: sorted(tips as Value),
      keySpecs,
    });
    infoFacts(subcommands as Value[], into);
  }
}
function docsFacts(docs: Map<string, Value>, into: Map<string, Facts>): void {
  for (const [name, value] of docs) {
    const entry = asMap(value);
    into.set(name, {
      group: entry.get('group'),
      since: entry.get('since'),
      flags: plain(entry.get('doc_flags') ?? []),
      deprecated: entry.get('deprecated_since'),
      arguments: plain(entry.get('arguments') ?? []),
    });
    const subcommands = entry.get('subcommands');
    if (subcommands !== undefined) docsFacts(asMap(subcommands), into);
  }
}

async function readTables(server: RunningServer): Promise<{ info: Map<string, Facts>; docs: Map<string, Facts> }> {
  const client = await RawClient.connect(server.port);
  await client.command('HELLO', '3');
  const info = new Map<string, Facts>();
  const docs = new Map<string, Facts>();
  infoFacts(parseReply(await client.command('COMMAND')) as Value[], info);
  docsFacts(asMap(parseReply(await client.command('COMMAND', 'DOCS'))), docs);
  client.destroy();
  return { info, docs };
}

if (!installed('redis-server')) {
  test('the command table', { skip: 'redis-server is not installed: nothing to compare with' }, () => {});
} else {
  let servers: RunningServer[] = [];
  let ours: Awaited<ReturnType<typeof readTables>>;
  let theirs: Awaited<ReturnType<typeof readTables>>;
  before(async () => {
    servers = await Promise.all([startServer({ reactor: 'portable' }), startServer({ kind: 'redis-server' })]);
    [ours, theirs] = (await Promise.all(servers.map(readTables))) as [typeof ours, typeof theirs];
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  for (const table of ['info', 'docs'] as const) {
    test(`COMMAND ${table.toUpperCase()} has Redis's facts`, () => {
      assert.ok(ours[table].size > 50);
      for (const [name, facts] of ours[table]) {
        const expected = theirs[table].get(name);
        if (expected === undefined || CHANGED.has(name)) continue;
        assert.deepEqual(facts, expected, name);
      }
    });
  }

  test('every command of the table is in both replies', () => {
    assert.deepEqual([...ours.docs.keys()].sort(), [...ours.info.keys()].sort());
  });
}
