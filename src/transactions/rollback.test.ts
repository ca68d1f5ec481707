// Random commands of every family, undone: keys, values and expiries are as before, and the allocator's books balance. While they are
// done, another thread sees the keys that were there before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FAMILIES } from '../../test/differential/generators.ts';
import { exact, maybe, type Part, type Step, sequence, words } from '../../test/differential/parts.ts';
import { CommandRunner } from '../../test/support/commands.ts';
import { checkShards, createMemory, forEachEntry, TestKeyspace } from '../../test/support/keyspace.ts';
import { countKeys, forEachKey, randomKey, scanDatabase } from '../keyspace/committed-keys.ts';
import { HashView, setHashLimits } from '../keyspace/hash-value.ts';
import { type Keyspace, TYPE_HASH, TYPE_SET, TYPE_STRING } from '../keyspace/keyspace.ts';
import { GLOBAL_LOCKERS, GLOBAL_WHOLE_LOCK } from '../keyspace/layout.ts';
import { setSetLimits } from '../keyspace/set-value.ts';
import { operationsOf } from '../keyspace/values.ts';
import { flushDatabase, freeDetached } from '../keyspace/walk.ts';
import { setZsetLimits } from '../keyspace/zset-value.ts';
import type { Element } from '../structures/packed.ts';
import { forgetUndo, rollBack } from './rollback.ts';
import { UncommittedKeys } from './uncommitted-keys.ts';
import { UndoLog } from './undo-log.ts';

const RUNS = process.env['FERRITE_LONG'] === '1' ? 3000 : 80;
const SEED = Number(process.env['FERRITE_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));
const DATABASES = 3;
/** They need a server around them, or say nothing about keys. */
const LEFT_OUT = ['connection', 'transactions', 'scripts', 'functions', 'server', 'introspection'];
const NOT_HERE =
  /^(shutdown|role|lolwut|bgrewriteaof|waitaof|module|config|info|object|memory|command|client|multi|exec|watch|debug|wait|slowlog|latency|select|hello|reset|quit)$/i;

const textOf = (element: Element): string =>
  element.isNumber ? String(element.number) : Buffer.from(element.bytes.subarray(element.start, element.end)).toString('latin1');

function contentOf(keyspace: Keyspace, entry: number): unknown {
  const { bank } = keyspace;
  const type = keyspace.type(entry);
  if (type === TYPE_STRING) {
    const start = keyspace.stringStart(entry);
    return bank.u8.latin1Slice(start, start + keyspace.stringLength(entry));
  }
  if (type === TYPE_HASH) {
    const fields: string[] = [];
    new HashView().open(keyspace, entry).walk((field, value, atMs) => fields.push(`${textOf(field)}=${textOf(value)}@${atMs}`));
    return fields.sort();
  }
  const elements: string[] = [];
  operationsOf(type).walk(bank, keyspace.valueRef(entry), keyspace.encoding(entry), (element) => elements.push(textOf(element)));
  // Lists have an order, and sorted sets: each member before its score.
  return type === TYPE_SET ? elements.sort() : elements;
}
/** All that is in the keyspace, as plain data. */
function dump(keyspace: TestKeyspace): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (let database = 0; database < DATABASES; database++) {
    forEachEntry(keyspace, database, (key, entry) => {
      found[`${database} ${key}`] = [keyspace.type(entry), keyspace.expiryMs(entry), contentOf(keyspace, entry)];
    });
  }
  return Object.fromEntries(Object.entries(found).sort());
}

function clear(keyspace: TestKeyspace): void {
  for (let database = 0; database < 16; database++) flushDatabase(keyspace, database);
  freeDetached(keyspace, Number.POSITIVE_INFINITY);
}
/** The transaction's thread holds the lock of all keys, or none. */
function hold(isHeld: boolean): void {
  keyspace.control[GLOBAL_LOCKERS] = isHeld ? 1 : 0;
  keyspace.control[GLOBAL_WHOLE_LOCK] = isHeld ? 1 : 0;
}
function run(runner: CommandRunner, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind !== 'command' || NOT_HERE.test(String(step.args[0]))) continue;
    assert.notEqual(runner.run(...step.args), 'PARKED');
  }
}
const show = (steps: readonly Step[]): string =>
  steps.map((step) => step.args.map((arg) => JSON.stringify(arg.toString('latin1'))).join(' ')).join('\n');

// Small ones, so that values change their encoding within a transaction.
setHashLimits(6, 20);
setSetLimits(6, 6, 20);
setZsetLimits(6, 20);
const memory = createMemory();
const keyspace = new TestKeyspace(memory);
const runner = new CommandRunner(keyspace);
const logBuffer = new SharedArrayBuffer(4194304);
const log = new UndoLog(logBuffer);
/** Another thread's view of the same memory. */
const reader = new TestKeyspace(memory);
reader.uncommitted = new UncommittedKeys(reader, [logBuffer]);

/** How many keys a database has, and those that aren't over with their types, as `keyspace.at` finds them or as the reader sees them. */
type Seen = { readonly count: number; readonly keys: readonly string[] }[];
function present(): Seen {
  return Array.from({ length: DATABASES }, (_, database) => {
    const all: string[] = [];
    let count = 0;
    forEachEntry(keyspace, database, (key, entry) => {
      const expiryMs = keyspace.expiryMs(entry);
      count++;
      if (expiryMs < 0 || expiryMs > keyspace.nowMs) all.push(`${key} ${keyspace.type(entry)}`);
    });
    return { count, keys: all.sort() };
  });
}
function assertSeen(expected: Seen): void {
  const random = (): number => Math.floor(Math.random() * 2 ** 32);
  const scanned = Array.from({ length: DATABASES }, (_, database) => {
    const found = new Set<string>();
    let cursor = 0;
    do cursor = scanDatabase(reader, database, cursor, 10, (key, type) => found.add(`${key} ${type}`));
    while (cursor !== 0);
    return { count: countKeys(reader, database), keys: [...found].sort() };
  });
  assert.deepEqual(scanned, expected);
  for (let database = 0; database < DATABASES; database++) {
    const { keys } = expected[database]!;
    const found: string[] = [];
    forEachKey(reader, database, (key, type) => found.push(`${key} ${type}`));
    assert.deepEqual(found.sort(), keys);
    const drawn = randomKey(reader, database, random);
    // Where all but a few keys are over, chance may not find one.
    if (drawn !== null || keys.length === expected[database]!.count) {
      assert.equal(keys.length > 0, drawn !== null);
      if (drawn !== null) assert.ok(keys.some((key) => key.startsWith(`${drawn} `)));
    }
  }
}
const families = FAMILIES.filter(({ name }) => !LEFT_OUT.includes(name));
const whole: fc.Arbitrary<Step> = fc.oneof(
  ...[['FLUSHDB'], ['FLUSHALL'], ['SWAPDB', '0', '1'], ['MOVE', 'a', '1'], ['RENAME', 'list', '{t}x'], ['DEL', 'a', 'b', 'c']].map((args) =>
    fc.constant<Step>({ kind: 'command', args: args.map((arg) => Buffer.from(arg)), compare: 'exact' }),
  ),
);

/** Redis 7.0 hasn't got these, so they are no part of the differential families. */
const fieldName = words('f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8', 'f9', 'a field of more than 20 bytes');
const named = (count: number): fc.Arbitrary<Part> =>
  fc.array(fieldName, { minLength: count, maxLength: count }).map((names) => ['FIELDS', String(count), ...names]);
const someFields = fc.integer({ min: 1, max: 4 }).chain(named);
const hashKey = words('a', 'b', 'list', '{t}x');
/** Around the time that the keyspace's clock shows: some are over at once. */
const fieldTime = words('999000', '1000500', '1001000', '2000000', '99999999999');
const fieldsThatExpire = {
  name: 'hashes whose fields expire',
  steps: fc.oneof(
    exact('HSET', hashKey, fieldName, words('1', 'value', 'a value of more than 20 bytes')),
    exact('HPEXPIREAT', hashKey, fieldTime, maybe(words('NX', 'XX', 'GT', 'LT')), someFields),
    exact('HPEXPIREAT', hashKey, fieldTime, someFields),
    exact('HPERSIST', hashKey, someFields),
    exact('HGETEX', hashKey, fc.oneof(words('PERSIST'), sequence('PXAT', fieldTime)), someFields),
    exact('HGETDEL', hashKey, someFields),
    exact('HSETEX', hashKey, 'PXAT', fieldTime, 'FIELDS', '2', fieldName, '1', fieldName, '2'),
    exact('HSETEX', hashKey, 'KEEPTTL', 'FIELDS', '1', fieldName, '3'),
    exact('HDEL', hashKey, fieldName, fieldName),
    exact('HINCRBY', hashKey, fieldName, '5'),
    exact('COPY', hashKey, hashKey, 'REPLACE'),
    exact('RENAME', hashKey, hashKey),
    exact('DEL', hashKey),
  ),
};

for (const family of [
  ...families,
  fieldsThatExpire,
  { name: 'all families together', steps: fc.oneof(...families.map(({ steps }) => steps)) },
]) {
  test(`${family.name}: undone, and done`, (context) => {
    context.diagnostic(`seed ${SEED}`);
    const steps = fc.array(fc.oneof({ weight: 30, arbitrary: family.steps }, { weight: 1, arbitrary: whole }), {
      maxLength: 40,
      size: 'max',
    });
    const property = fc.property(steps, steps, fc.boolean(), (before, during, isUndone) => {
      clear(keyspace);
      assert.equal(keyspace.check(), 0);
      run(runner, before);
      const expected = dump(keyspace);
      const there = present();
      hold(true);
      keyspace.isLatched = true;
      keyspace.undo = log;
      try {
        for (const step of during) {
          run(runner, [step]);
          assertSeen(there);
        }
      } finally {
        keyspace.undo = null;
        keyspace.isLatched = false;
      }
      const done = dump(keyspace);
      if (isUndone) rollBack(keyspace, log);
      else forgetUndo(keyspace, log);
      assertSeen(present());
      hold(false);
      assert.deepEqual(dump(keyspace), isUndone ? expected : done);
      assert.ok(log.isEmpty);
      checkShards(keyspace);
      clear(keyspace);
      assert.equal(keyspace.check(), 0, 'memory was lost');
    });
    const result = fc.check(property, { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 20_000 });
    if (!result.failed) return;
    const [before, during, isUndone] = result.counterexample ?? [[], [], true];
    const error = result.errorInstance;
    assert.fail(
      `FERRITE_SEED=${result.seed}, ${isUndone ? 'undone' : 'done'}: ${error instanceof Error ? error.stack : String(error)}\n` +
        `before:\n${show(before)}\nin the transaction:\n${show(during)}`,
    );
  });
}
