import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HEADER_WORDS, longestSteps, TestDict } from '../../test/support/dict.ts';
import { chance, Random, SEED } from '../../test/support/seed.ts';
import * as dict from './dict.ts';

const MEBIBYTE = 1048576;

const numbered = (index: number): Buffer => Buffer.from(`key:${index}`, 'latin1');

/** What the model and the dict must agree on. */
function compare(table: TestDict, model: ReadonlySet<string>): void {
  assert.equal(table.count, model.size);
  assert.deepEqual(table.scanAll().sort(), [...model].sort());
  for (const key of model) assert.notEqual(table.find(Buffer.from(key, 'latin1')), 0, key);
  table.bank.check();
}

describe('dict', () => {
  const keys = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 60 }).map(numbered) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 6 }) },
    { weight: 1, arbitrary: fc.integer({ min: 250, max: 262 }).map((length) => Buffer.alloc(length, 'k')) },
  );

  test('keeps to the model with keys of any bytes and any length', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('add', 'add', 'delete'), keys), { maxLength: 250, size: 'max' });
    fc.assert(
      fc.property(steps, fc.integer(), (list, seed) => {
        const table = new TestDict(MEBIBYTE, seed);
        const model = new Set<string>();
        for (const [kind, key] of list) {
          const text = Buffer.from(key).toString('latin1');
          assert.equal(table.find(key) !== 0, model.has(text));
          if (kind === 'delete') assert.equal(table.delete(key), model.delete(text));
          else if (!model.has(text)) {
            assert.ok(table.add(key));
            model.add(text);
          }
        }
        compare(table, model);
        for (const key of model) assert.ok(table.delete(Buffer.from(key, 'latin1')));
        assert.equal(table.bank.check().usedWords, 0, 'an empty dict holds no memory');
      }),
      chance(60),
    );
  });

  test('grows and shrinks with its keys: a bucket a key, and nothing left at the end', () => {
    const table = new TestDict(16 * MEBIBYTE);
    const model = new Set<string>();
    const COUNT = 20_000;
    for (let index = 0; index < COUNT; index++) {
      assert.ok(table.add(numbered(index)));
      model.add(`key:${index}`);
      assert.ok(table.buckets >= table.count && table.buckets <= Math.max(16, table.count));
    }
    compare(table, model);
    const random = new Random(SEED);
    while (model.size > 0) {
      const key = random.below(3) > 0 ? numbered(random.below(COUNT)) : Buffer.from(model.values().next().value!, 'latin1');
      if (!table.delete(key)) continue;
      model.delete(key.toString('latin1'));
      assert.ok(table.buckets <= Math.max(16, table.count * 2 + 2), `${table.buckets} buckets for ${table.count} keys`);
      if (model.size % 4000 === 0) compare(table, model);
    }
    assert.equal(table.bank.check().usedWords, 0);
  });

  test('no step of growth or shrinking touches more than one bucket and one segment', () => {
    // Counted in words of the bank that a step changes, so that no clock decides.
    const table = new TestDict(16 * MEBIBYTE);
    let last = 0;
    for (let index = 0; index < 40_000; index++) {
      table.add(numbered(index));
      assert.ok(table.buckets - last <= (last === 0 ? 16 : 1));
      last = table.buckets;
    }
    for (let index = 0; index < 39_000; index++) {
      table.delete(numbered(index));
      assert.ok(last - table.buckets <= 2);
      last = table.buckets;
    }
  });

  test('no step of growth or shrinking takes 100 microseconds', () => {
    // The least of several runs of the same step: what else the machine does falls on other steps each time.
    const { growUs, shrinkUs } = longestSteps(150_000, 4);
    assert.ok(growUs < 100, `an insert took ${growUs.toFixed(1)} us`);
    assert.ok(shrinkUs < 100, `a removal took ${shrinkUs.toFixed(1)} us`);
  });

  test('SCAN returns every key that stays, through growth, shrinking and emptying', () => {
    const phase = fc.record({
      everySteps: fc.integer({ min: 1, max: 8 }),
      add: fc.integer({ min: 0, max: 400 }),
      remove: fc.integer({ min: 0, max: 400 }),
    });
    const start = fc.record({ stay: fc.integer({ min: 0, max: 40 }), others: fc.integer({ min: 0, max: 3000 }) });
    fc.assert(
      fc.property(start, fc.array(phase, { minLength: 1, maxLength: 40, size: 'max' }), fc.integer(), (first, phases, seed) => {
        const table = new TestDict(2 * MEBIBYTE, seed);
        const stay = Array.from({ length: first.stay }, (_, index) => `stay:${index}`);
        for (const key of stay) table.add(Buffer.from(key));
        const others: number[] = [];
        let next = 0;
        for (; next < first.others; next++) {
          table.add(numbered(next));
          others.push(next);
        }
        const seen = new Set<string>();
        let cursor = 0;
        let steps = 0;
        let at = 0;
        do {
          const { everySteps, add, remove } = phases[at % phases.length]!;
          for (let step = 0; step < everySteps; step++) {
            cursor = table.scan(cursor, (key) => seen.add(key));
            steps++;
            if (cursor === 0) break;
          }
          // A scan ends in a bounded number of steps though the dict changes: later phases change nothing.
          if (at < phases.length) {
            for (let count = 0; count < add; count++) {
              table.add(numbered(next));
              others.push(next++);
            }
            for (let count = 0; count < remove && others.length > 0; count++) table.delete(numbered(others.pop()!));
          }
          at++;
        } while (cursor !== 0 && steps < 200_000);
        assert.equal(cursor, 0, 'the scan does not end');
        assert.deepEqual(
          stay.filter((key) => !seen.has(key)),
          [],
        );
      }),
      chance(60),
    );
  });

  test('SCAN of a dict that does not change returns every key once', () => {
    const table = new TestDict();
    for (let index = 0; index < 5000; index++) table.add(numbered(index));
    const keys = table.scanAll();
    assert.equal(keys.length, 5000);
    assert.equal(new Set(keys).size, 5000);
  });

  test('without memory for buckets the chains grow, and nothing is lost', () => {
    const table = new TestDict(256 * 1024);
    const model = new Set<string>();
    for (let index = 0; table.add(numbered(index)); index++) model.add(`key:${index}`);
    assert.ok(model.size > 1000);
    compare(table, model);
    for (const key of model) assert.ok(table.delete(Buffer.from(key)));
    assert.equal(table.bank.check().usedWords, 0);
  });

  test('an insert that fails for the first buckets leaves nothing behind', () => {
    const table = new TestDict(256 * 1024);
    const { bank } = table;
    const key = numbered(1);
    const node = bank.alloc(8);
    for (const size of [4096, 1024, 64, 4, 2]) while (bank.alloc(size) !== 0);
    const before = bank.check().usedWords;
    assert.equal(dict.insert(table.words, 0, bank, node, table.hash(key), table.seed), false);
    assert.equal(table.count, 0);
    assert.equal(bank.check().usedWords, before);
  });

  test('sample draws every key sooner or later, and only keys that are there', () => {
    const table = new TestDict();
    for (let index = 0; index < 100; index++) table.add(numbered(index));
    const random = new Random(SEED);
    const drawn = new Set<string>();
    for (let tries = 0; tries < 50_000 && drawn.size < 100; tries++) {
      const node = dict.sample(table.words, 0, table.bank, random.next());
      if (node !== 0) drawn.add(table.textOf(node));
    }
    assert.equal(drawn.size, 100);
    assert.equal(dict.sample(new Int32Array(HEADER_WORDS), 0, table.bank, 5), 0);
  });
});
