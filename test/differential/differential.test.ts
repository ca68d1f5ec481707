// The same random commands to Ferrite and to a real redis-server; the replies must be the same bytes. A failure prints
// fast-check's seed and the shortest sequence found; `FERRITE_SEED=<seed>` runs it again. `FERRITE_FAMILY=<name>` runs one family.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { describeMismatch, elements, payload, sameReply } from '../support/compare.ts';
import { encode, RawClient, show } from '../support/raw-client.ts';
import { installed, isReactorRefused, LONG, REACTORS, type ReactorKind, type RunningServer, startServer } from '../support/server.ts';
import { FAMILIES, type Family } from './generators.ts';
import type { Step } from './parts.ts';

/** Sequences a family. What the reactors have of their own is the bytes' way, which fewer sequences show as well. */
const RUNS = (reactor: ReactorKind): number => (LONG ? 5_000 : reactor === REACTORS[0] ? 60 : 20);
// A server that hangs must fail within the time limit of its family, and not be cut off by it.
const REPLY_TIMEOUT_MS = 5_000;
const STEPS_MAX = 50;
/** A small threshold, so that short sequences cross it; and DEBUG PROTOCOL. */
const DIRECTIVES = {
  'hash-max-listpack-entries': 12,
  'hash-max-listpack-value': 20,
  'set-max-intset-entries': 16,
  'zset-max-listpack-entries': 12,
  'enable-debug-command': 'yes',
};
const SEED = Number(process.env['FERRITE_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));
const FAMILY = process.env['FERRITE_FAMILY'];

type ScanStep = Extract<Step, { kind: 'scan' }>;

/** What a complete loop of SCAN returned, sorted and without doubles; or the error reply that ended it. */
async function scanAll(client: RawClient, { args, of = [Buffer.from('SCAN')], group = 1 }: ScanStep): Promise<Buffer[]> {
  const seen = new Map<string, Buffer>();
  let cursor: Buffer = Buffer.from('0');
  for (let round = 0; round < 100_000; round++) {
    const reply = await client.command(...of, cursor, ...args);
    const [next, found] = elements(reply) ?? [];
    if (next === undefined || found === undefined) return [reply];
    const items = elements(found) ?? [];
    for (let at = 0; at < items.length; at += group) {
      const item = Buffer.concat(items.slice(at, at + group));
      seen.set(item.toString('latin1'), item);
    }
    cursor = payload(next) ?? Buffer.from('0');
    if (cursor.toString() === '0') return [...seen.values()].sort(Buffer.compare);
  }
  throw new Error('SCAN did not come to an end in 100000 rounds');
}

/** Sends the steps to both servers, what stands between two SCAN loops as one pipeline, and compares each reply. */
async function runSteps(actual: RawClient, expected: RawClient, steps: readonly Step[]): Promise<void> {
  let position = 0;
  while (position < steps.length) {
    const step = steps[position];
    if (step?.kind === 'scan') {
      const [a, b] = await Promise.all([scanAll(actual, step), scanAll(expected, step)]);
      const request = [...(step.of ?? []), Buffer.from('SCAN loop'), ...step.args];
      assert.ok(Buffer.concat(a).equals(Buffer.concat(b)), describeMismatch(request, Buffer.concat(a), Buffer.concat(b)));
      position++;
      continue;
    }
    const pipeline: Extract<Step, { kind: 'command' }>[] = [];
    for (let next = steps[position]; next?.kind === 'command'; next = steps[position]) {
      pipeline.push(next);
      position++;
    }
    const bytes = Buffer.concat(pipeline.map((one) => encode(one.args)));
    actual.send(bytes);
    expected.send(bytes);
    const [a, b] = await Promise.all([
      actual.readReplies(pipeline.length, REPLY_TIMEOUT_MS),
      expected.readReplies(pipeline.length, REPLY_TIMEOUT_MS),
    ]);
    for (const [index, one] of pipeline.entries()) {
      const left = a[index];
      const right = b[index];
      assert.ok(left !== undefined && right !== undefined);
      assert.ok(
        sameReply(one.compare, left, right) || isRenamed(left, right) || isOtherCollision(left, right),
        describeMismatch(one.args, left, right),
      );
    }
  }
  assert.equal(show(actual.unread), '', 'more bytes came than replies were due');
}

/** Small lists and sets are listpacks since Redis 7.2; the oracle, 7.0, has only quicklists and hash tables for them. */
function isRenamed(actual: Buffer, expected: Buffer): boolean {
  const name = expected.toString('latin1');
  return actual.toString('latin1') === '$8\r\nlistpack\r\n' && (name === '$9\r\nquicklist\r\n' || name === '$9\r\nhashtable\r\n');
}

/** Of several functions that exist already, Redis names the one that comes first in its hash table. */
function isOtherCollision(actual: Buffer, expected: Buffer): boolean {
  const [a, b] = [actual, expected].map((reply) =>
    reply.toString('latin1').replace(/-ERR Function \w+ already exists/g, '-ERR Function ? already exists'),
  );
  return a === b;
}

async function connectFresh(server: RunningServer, protocol: 2 | 3): Promise<RawClient> {
  const client = await RawClient.connect(server.port);
  assert.equal((await client.command('FLUSHALL')).toString(), '+OK\r\n');
  await client.command('FUNCTION', 'FLUSH');
  // BITCOUNT and BITPOS with a bad range are sent to a key that exists.
  assert.equal((await client.command('SET', 'bits', 'foobar')).toString(), '+OK\r\n');
  if (protocol === 3) assert.match((await client.command('HELLO', '3')).toString('latin1'), /^%/);
  return client;
}

/** Does the server's command table have this name? */
async function hasCommand(server: RunningServer, name: string): Promise<boolean> {
  const client = await RawClient.connect(server.port);
  const reply = await client.command('COMMAND', 'INFO', name);
  client.destroy();
  const info = elements(reply)?.[0];
  return info !== undefined && payload(info) !== null;
}

function show1(step: Step): string {
  return (step.kind === 'scan' ? [...(step.of ?? []), 'SCAN loop', ...step.args] : [...step.args])
    .map((word) => (typeof word === 'string' ? word : `"${show(word, 80)}"`))
    .join(' ');
}

if (!installed('redis-server')) {
  test('differential tests', { skip: 'redis-server is not installed: nothing to compare with' }, () => {});
} else {
  for (const reactor of REACTORS) {
    describe(`the same replies as redis-server, on the ${reactor} reactor`, () => {
      let target: RunningServer | undefined;
      let oracle: RunningServer | undefined;
      let refused = '';
      before(async () => {
        oracle = await startServer({ kind: 'redis-server', directives: DIRECTIVES });
        try {
          target = await startServer({ reactor, directives: DIRECTIVES });
        } catch (error) {
          if (!isReactorRefused(error)) throw error;
          refused = `this machine refuses ${reactor}`;
        }
      });
      after(async () => {
        await Promise.all([target?.stop(), oracle?.stop()]);
      });

      const check = async (family: Family, protocol: 2 | 3): Promise<void> => {
        assert.ok(target !== undefined && oracle !== undefined);
        const [left, right] = [target, oracle];
        const property = fc.asyncProperty(fc.array(family.steps, { minLength: 1, maxLength: STEPS_MAX, size: 'max' }), async (steps) => {
          const [actual, expected] = await Promise.all([connectFresh(left, protocol), connectFresh(right, protocol)]);
          try {
            await runSteps(actual, expected, steps);
          } finally {
            actual.destroy();
            expected.destroy();
          }
        });
        const result = await fc.check(property, { seed: SEED, numRuns: RUNS(reactor), interruptAfterTimeLimit: LONG ? 600_000 : 20_000 });
        left.assertAlive();
        right.assertAlive();
        if (!result.failed) {
          assert.ok(!result.interrupted || result.numRuns > 0, 'not one run came to its end within the time limit');
          return;
        }
        if (result.counterexample === null) assert.fail(`FERRITE_SEED=${result.seed}: interrupted`);
        const error = result.errorInstance;
        assert.fail(
          `FERRITE_SEED=${result.seed}, path ${result.counterexamplePath}, RESP${protocol}\n${error instanceof Error ? error.message : String(error)}\n` +
            `shortest sequence:\n  ${result.counterexample[0].map(show1).join('\n  ')}`,
        );
      };

      for (const family of FAMILIES) {
        if (FAMILY !== undefined && FAMILY !== family.name) continue;
        for (const protocol of [2, 3] as const) {
          test(`${family.name}, RESP${protocol}`, async (context) => {
            if (target === undefined) {
              context.skip(refused);
              return;
            }
            context.diagnostic(`seed ${SEED}`);
            if (family.needs !== undefined && !(await hasCommand(target, family.needs))) {
              context.skip(`the server has no ${family.needs} command yet`);
              return;
            }
            await check(family, protocol);
          });
        }
      }
    });
  }
}
