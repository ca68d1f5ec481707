// The sorted set against a plain sorted array, with thousands of random operations; and its memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bank, createBanks } from '../memory/bank.ts';
import * as zset from './sorted-set.ts';

const SEED = 12345;
const BANK_BYTES = 64 * 1048576;

function freshBank(): Bank {
  return new Bank(createBanks(1, BANK_BYTES)[0] as SharedArrayBuffer, 0);
}
/** Infinities of one sign are equal, which their difference does not say. */
const compareScores = (a: [Buffer, number], b: [Buffer, number]): number => (a[1] === b[1] ? Buffer.compare(a[0], b[0]) : a[1] - b[1]);

function members(bank: Bank, set: number, from: number, count: number, isReverse: boolean): [string, number][] {
  const out = new Int32Array(count);
  const found = zset.collect(bank, set, from, count, isReverse, out);
  return [...out.subarray(0, found)].map((node) => {
    const start = zset.memberStart(bank.i32, node);
    return [bank.u8.latin1Slice(start, start + zset.memberLength(bank.i32, node)), zset.scoreOf(bank.i32, node)];
  });
}

const score = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.double({ noNaN: true }),
  fc.constantFrom(0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MIN_VALUE, -Number.MIN_VALUE, 1e-300, -1e300),
);
const operation = fc.record({
  what: fc.constantFrom('add', 'add', 'add', 'remove', 'range', 'rank'),
  member: fc.nat(400),
  score,
  at: fc.nat(500),
});

test('a sorted set behaves as a sorted array', () => {
  const bank = freshBank();
  const atStart = bank.check().usedWords;
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 2000, size: 'max' }), (operations) => {
      const set = zset.create(bank, SEED);
      const model = new Map<string, number>();
      for (const { what, member, score: value, at } of operations) {
        const bytes = Buffer.from(`${'x'.repeat(member % 7 === 0 ? 300 : 0)}${member}`);
        const text = bytes.toString();
        const node = zset.find(bank, set, bytes, 0, bytes.length);
        assert.equal(node !== 0, model.has(text));
        if (what === 'add') {
          if (node === 0) assert.notEqual(zset.add(bank, set, bytes, 0, bytes.length, value), 0);
          else assert.ok(zset.setScore(bank, set, node, value));
          model.set(text, value);
        } else if (what === 'remove' && node !== 0) {
          zset.remove(bank, set, node);
          model.delete(text);
        }
        if (what !== 'range' && what !== 'rank') continue;
        const sorted = [...model].map(([name, points]): [Buffer, number] => [Buffer.from(name), points]).sort(compareScores);
        const expected = sorted.map(([name, points]): [string, number] => [name.toString('latin1'), points]);
        if (what === 'range') {
          const from = expected.length === 0 ? 0 : at % expected.length;
          assert.deepEqual(members(bank, set, from, 70, false), expected.slice(from, from + 70));
          assert.deepEqual(members(bank, set, from, 70, true), expected.slice(Math.max(0, from - 69), from + 1).reverse());
        } else {
          assert.equal(zset.rankOfScore(bank, set, value, false), sorted.filter(([, points]) => points < value).length);
          assert.equal(zset.rankOfScore(bank, set, value, true), sorted.filter(([, points]) => points <= value).length);
          if (node !== 0)
            assert.equal(
              zset.rank(bank, set, node),
              sorted.findIndex(([name]) => name.toString() === text),
            );
        }
      }
      zset.check(bank, set);
      while (!zset.freeSome(bank, set, 7));
      assert.equal(bank.check().usedWords, atStart);
    }),
    { numRuns: 60 },
  );
});

test('a set whose last member was removed has none in either direction', () => {
  const bank = freshBank();
  const set = zset.create(bank, SEED);
  const name = Buffer.from('only');
  zset.remove(bank, set, zset.add(bank, set, name, 0, name.length, 1));
  assert.deepEqual(members(bank, set, 0, 5, false), []);
  assert.deepEqual(members(bank, set, 0, 5, true), []);
});

test('members with one score are in the order of their bytes', () => {
  const bank = freshBank();
  const set = zset.create(bank, SEED);
  const names = Array.from({ length: 3000 }, (_, index) => Buffer.from([(index * 7919) % 251, (index * 104729) % 256, index % 256]));
  const unique = new Map(names.map((name) => [name.toString('latin1'), name]));
  for (const name of unique.values()) assert.notEqual(zset.add(bank, set, name, 0, name.length, 1), 0);
  zset.check(bank, set);
  const sorted = [...unique.values()].sort(Buffer.compare);
  for (const [index, name] of sorted.entries()) {
    assert.equal(zset.rankOfMember(bank, set, name, 0, name.length, false), index);
    assert.equal(zset.rankOfMember(bank, set, name, 0, name.length, true), index + 1);
  }
});

test('large sets: sorted, reverse and random loads keep their order and give their memory back', () => {
  const bank = freshBank();
  const atStart = bank.check().usedWords;
  const count = 30_000;
  for (const place of [(index: number) => index, (index: number) => -index, (index: number) => (index * 7919) % 10_007]) {
    const set = zset.create(bank, SEED);
    for (let index = 0; index < count; index++) {
      const name = Buffer.from(`member:${index}`);
      assert.notEqual(zset.add(bank, set, name, 0, name.length, place(index)), 0);
    }
    zset.check(bank, set);
    const copy = zset.copyTo(bank, set, bank);
    zset.check(bank, copy);
    assert.deepEqual(members(bank, copy, 0, count, false), members(bank, set, 0, count, false));
    const used = bank.check().usedWords - atStart;
    assert.ok(Math.abs(zset.usedWords(bank, set, 0) + zset.usedWords(bank, copy, 0) - used) < 3000);
    const out = new Int32Array(1);
    for (let index = 0; index < count; index++) {
      const left = count - index;
      zset.collect(bank, set, (index * 31) % left, 1, false, out);
      zset.remove(bank, set, out[0] as number);
    }
    zset.check(bank, set);
    assert.equal(zset.size(bank, set), 0);
    while (!zset.freeSome(bank, set, 1000));
    while (!zset.freeSome(bank, copy, 1000));
    assert.equal(bank.check().usedWords, atStart);
  }
});

test('a full bank refuses without harm', () => {
  const bank = new Bank(createBanks(1, 1048576)[0] as SharedArrayBuffer, 0);
  const set = zset.create(bank, SEED);
  let added = 0;
  for (; ; added++) {
    const name = Buffer.from(`member:${added}`);
    if (zset.add(bank, set, name, 0, name.length, (added * 7919) % 1009) === 0) break;
  }
  assert.ok(added > 5000);
  zset.check(bank, set);
  bank.check();
  assert.equal(zset.size(bank, set), added);
});
