import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Bank, createBanks } from '../memory/bank.ts';
import * as intset from './intset.ts';
import { Element } from './packed.ts';

const freshBank = (): Bank => new Bank(createBanks(1, 8 * 1048576)[0]!, 0);

test('random members against a sorted array', () => {
  const bank = freshBank();
  const other = freshBank();
  const member = fc.oneof(
    fc.integer({ min: -20, max: 20 }).map(BigInt),
    fc.bigInt(-40000n, 40000n),
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  );
  const change = fc.record({ value: member, isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200, size: 'max' }), (changes) => {
      const before = bank.usedWords();
      const element = new Element();
      const model = new Set<bigint>();
      let ref = intset.create(bank);
      for (const { value, isAdded } of changes) {
        const text = Buffer.from(String(value));
        assert.ok(intset.parse(text, 0, text.length));
        const index = intset.find(bank, ref);
        assert.equal(index >= 0, model.has(value));
        if (isAdded && index < 0) ref = intset.insert(bank, ref, -1 - index);
        if (!isAdded && index >= 0) ref = intset.remove(bank, ref, index);
        if (isAdded) model.add(value);
        else model.delete(value);
        intset.check(bank, ref);
      }
      const wanted = [...model].sort((a, b) => (a < b ? -1 : 1)).map(String);
      const twin = intset.copy(bank, ref, other);
      const found = wanted.map((_, index) => {
        intset.read(other, twin, index, element);
        return Buffer.from(element.bytes.subarray(element.start, element.end)).toString();
      });
      assert.deepEqual(found, wanted);
      assert.equal(intset.length(bank, ref), wanted.length);
      intset.free(other, twin);
      intset.free(bank, ref);
      assert.equal(bank.usedWords(), before);
    }),
    { numRuns: 200 },
  );
});

test('the bytes are those of the drawing, and texts that are no integers are refused', () => {
  const bank = freshBank();
  let ref = intset.create(bank);
  for (const text of ['500', '-1', '3']) {
    assert.ok(intset.parse(Buffer.from(text), 0, text.length));
    ref = intset.insert(bank, ref, -1 - intset.find(bank, ref));
  }
  assert.equal(bank.u8.subarray(ref * 4, ref * 4 + 14).toString('hex'), '0300000001000000ffff0300f401');
  for (const text of ['', '01', '+1', '1.0', '9223372036854775808', ' 1'])
    assert.equal(intset.parse(Buffer.from(text), 0, text.length), false);
});
