import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Bank, createBanks } from '../memory/bank.ts';
import * as table from './table.ts';

const BANK_BYTES = 64 * 1048576;
const SEED = 77;
const freshBank = (): Bank => new Bank(createBanks(1, BANK_BYTES)[0]!, 0);

const key = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => Buffer.from(`k${n}`)),
  fc.integer({ min: 0, max: 3 }).map((n) => Buffer.alloc(254 + n, 'long')),
);
const value = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fc.integer({ min: 250, max: 260 }).map((length) => Buffer.alloc(length, 'v')),
);
const change = fc.record({
  kind: fc.constantFrom('set', 'set', 'remove', 'expire', 'persist'),
  key,
  value,
  atMs: fc.maxSafeInteger().map(Math.abs),
});

function content(bank: Bank, ref: number): Map<string, string> {
  const found = new Map<string, string>();
  table.walk(bank, ref, (node) => {
    const start = table.keyStart(bank, node);
    const from = table.valueStart(bank, node);
    const name = bank.u8.latin1Slice(start, start + table.keyLength(bank, node));
    found.set(name, `${bank.u8.latin1Slice(from, from + table.valueLength(bank, node))} ${table.expiryMs(bank, node)}`);
  });
  return found;
}

test('random changes against a map', () => {
  const bank = freshBank();
  const other = freshBank();
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300, size: 'max' }), (changes) => {
      const before = bank.usedWords();
      const ref = table.create(bank, SEED);
      const model = new Map<string, { value: string; atMs: number }>();
      for (const { kind, key: name, value: bytes, atMs } of changes) {
        const node = table.find(bank, ref, name, 0, name.length);
        const link = table.lastLink();
        const text = name.latin1Slice();
        assert.equal(node !== 0, model.has(text));
        if (kind === 'set' && node === 0) {
          assert.notEqual(table.add(bank, ref, name, 0, name.length, bytes, 0, bytes.length), 0);
          model.set(text, { value: bytes.latin1Slice(), atMs: -1 });
        } else if (kind === 'set') {
          assert.notEqual(table.setValue(bank, ref, node, link, bytes, 0, bytes.length), 0);
          model.get(text)!.value = bytes.latin1Slice();
        } else if (node === 0) {
        } else if (kind === 'remove') {
          table.remove(bank, ref, link);
          model.delete(text);
        } else {
          const wanted = kind === 'expire' ? atMs : -1;
          assert.notEqual(table.setExpiry(bank, ref, node, link, wanted), 0);
          model.get(text)!.atMs = wanted;
        }
      }
      const wanted = new Map([...model].map(([name, item]) => [name, `${item.value} ${item.atMs}`]));
      table.check(bank, ref);
      assert.deepEqual(content(bank, ref), wanted);
      const twin = table.copy(bank, ref, other);
      table.check(other, twin);
      assert.deepEqual(content(other, twin), wanted);
      for (const [at, of] of [
        [other, twin],
        [bank, ref],
      ] as const) {
        assert.equal(table.usedWords(at, of) <= at.usedWords(), true);
        while (!table.freeSome(at, of, 7));
      }
      assert.equal(bank.usedWords(), before);
      assert.equal(other.usedWords(), 0);
      bank.check();
    }),
    { numRuns: 200 },
  );
});

test('grows and shrinks with its members, and gives everything back', () => {
  const bank = freshBank();
  const ref = table.create(bank, SEED);
  const name = (index: number): Buffer => Buffer.from(`member:${index}`);
  for (let index = 0; index < 20_000; index++) table.addMember(bank, ref, name(index), 0, name(index).length);
  table.check(bank, ref);
  assert.ok(bank.usedWords() / 20_000 < 7.5, `${bank.usedWords() / 20_000} words a member of 12 bytes`);
  const slack = bank.usedWords() - table.usedWords(bank, ref);
  assert.ok(slack >= 0 && slack < 1100, `usedWords misses ${slack} words`);
  for (let index = 0; index < 19_990; index++) {
    assert.notEqual(table.find(bank, ref, name(index), 0, name(index).length), 0);
    table.remove(bank, ref, table.lastLink());
  }
  table.check(bank, ref);
  assert.ok(bank.usedWords() < 200, `${bank.usedWords()} words for ten members`);
  while (!table.freeSome(bank, ref, 3));
  assert.equal(bank.usedWords(), 0);
  bank.check();
});

test('every member is drawn as often as any other', () => {
  const bank = freshBank();
  const ref = table.create(bank, SEED);
  const MEMBERS = 50;
  const DRAWS = 50_000;
  for (let index = 0; index < MEMBERS; index++) table.addMember(bank, ref, Buffer.from(`m${index}`), 0, `m${index}`.length);
  // A fixed generator (xorshift, G. Marsaglia 2003), so that the figure below is always the same.
  let state = 2463534242;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const drawn = new Map<number, number>();
  for (let draw = 0; draw < DRAWS; draw++) {
    const node = table.sample(bank, ref, random);
    drawn.set(node, (drawn.get(node) ?? 0) + 1);
  }
  const expected = DRAWS / MEMBERS;
  let chiSquare = 0;
  for (const count of drawn.values()) chiSquare += (count - expected) ** 2 / expected;
  assert.equal(drawn.size, MEMBERS);
  // 49 degrees of freedom: beyond 94 is less likely than one in ten thousand.
  assert.ok(chiSquare < 94, `chi square ${chiSquare}`);
});

test('a full bank changes nothing', () => {
  const bank = new Bank(createBanks(1, 1048576)[0]!, 0);
  const ref = table.create(bank, SEED);
  let count = 0;
  for (; count < 100_000; count++) {
    const name = Buffer.from(`member:${count}`);
    if (table.add(bank, ref, name, 0, name.length, name, 0, name.length) === 0) break;
  }
  assert.ok(count < 100_000);
  const big = Buffer.alloc(100_000);
  const node = table.find(bank, ref, Buffer.from('member:0'), 0, 8);
  assert.equal(table.setValue(bank, ref, node, table.lastLink(), big, 0, big.length), 0);
  assert.equal(table.length(bank, ref), count);
  table.check(bank, ref);
  while (!table.freeSome(bank, ref, 100));
  assert.equal(bank.usedWords(), 0);
});
