// The list against a plain array, with thousands of random operations and all forms of chunks; and its memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bank, createBanks } from '../memory/bank.ts';
import * as deque from './deque.ts';

const freshBank = (bytes = 64 * 1048576): Bank => new Bank(createBanks(1, bytes)[0] as SharedArrayBuffer, 0);

function read(bank: Bank, list: number): string[] {
  const found: string[] = [];
  if (deque.size(bank, list) === 0) return found;
  const cursor = new deque.ListCursor();
  for (cursor.seek(bank, list, 0); cursor.chunk !== 0; cursor.next()) {
    found.push(Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end)).toString('latin1'));
  }
  return found;
}
function readBackwards(bank: Bank, list: number): string[] {
  const found: string[] = [];
  if (deque.size(bank, list) === 0) return found;
  const cursor = new deque.ListCursor();
  for (cursor.seek(bank, list, deque.size(bank, list) - 1); cursor.chunk !== 0; cursor.previous()) {
    found.push(Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end)).toString('latin1'));
  }
  return found.reverse();
}

const element = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 100000, max: 999999 }).map(String) },
  { weight: 2, arbitrary: fc.integer().map(String) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '0', '-0', '007', '+1', '2147483647', '2147483648', '-2147483648', '-2147483647'),
  },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1')) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 300 }).map((length) => 'y'.repeat(length)) },
  { weight: 1, arbitrary: fc.integer({ min: 3000, max: 20000 }).map((length) => 'z'.repeat(length)) },
);
const operation = fc.record({
  what: fc.constantFrom('head', 'tail', 'head', 'tail', 'burst', 'insert', 'set', 'remove', 'walk', 'dropHead', 'dropTail', 'get'),
  element,
  at: fc.nat(100_000),
});

test('a list behaves as an array', () => {
  const bank = freshBank();
  const atStart = bank.check().usedWords;
  fc.assert(
    fc.property(fc.constantFrom(-2, -1, -5, 4, 128), fc.array(operation, { maxLength: 600, size: 'max' }), (fill, operations) => {
      deque.setChunkLimit(fill);
      const list = deque.create(bank);
      const model: string[] = [];
      const cursor = new deque.ListCursor();
      for (const { what, element: text, at } of operations) {
        const bytes = Buffer.from(text, 'latin1');
        const index = model.length === 0 ? 0 : at % model.length;
        if (what === 'head') {
          assert.ok(deque.pushHead(bank, list, bytes, 0, bytes.length));
          model.unshift(text);
        } else if (what === 'tail') {
          assert.ok(deque.pushTail(bank, list, bytes, 0, bytes.length));
          model.push(text);
        } else if (what === 'burst') {
          for (let count = 0; count < at % 300; count++) {
            const one = Buffer.from(at % 2 === 0 ? `job:${count}` : String(100000 + at + count));
            assert.ok(deque.pushTail(bank, list, one, 0, one.length));
            model.push(one.toString());
          }
        } else if (what === 'insert') {
          assert.ok(deque.insertAt(bank, list, index, bytes, 0, bytes.length));
          model.splice(index, 0, text);
        } else if (model.length === 0) {
        } else if (what === 'set') {
          assert.ok(deque.setAt(bank, list, index, bytes, 0, bytes.length));
          model[index] = text;
        } else if (what === 'remove') {
          deque.removeAt(bank, list, index);
          model.splice(index, 1);
        } else if (what === 'walk') {
          const isForward = at % 2 === 0;
          const every = (at % 7) + 1;
          let seen = 0;
          cursor.seek(bank, list, isForward ? 0 : model.length - 1);
          const kept: string[] = [];
          while (cursor.chunk !== 0) {
            if (++seen % every === 0) {
              deque.removeHere(bank, list, cursor, isForward);
              continue;
            }
            kept.push(Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end)).toString('latin1'));
            if (isForward) cursor.next();
            else cursor.previous();
          }
          model.splice(0, model.length, ...(isForward ? kept : kept.reverse()));
        } else if (what === 'dropHead') {
          deque.drop(bank, list, at % 5 === 0 ? index : Math.min(model.length, at % 3), true);
          model.splice(0, at % 5 === 0 ? index : Math.min(model.length, at % 3));
        } else if (what === 'dropTail') {
          const count = at % 5 === 0 ? index : Math.min(model.length, at % 3);
          deque.drop(bank, list, count, false);
          model.splice(model.length - count, count);
        } else {
          cursor.seek(bank, list, index);
          assert.equal(Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end)).toString('latin1'), model[index]);
        }
      }
      deque.check(bank, list);
      assert.deepEqual(read(bank, list), model);
      assert.deepEqual(readBackwards(bank, list), model);
      const copy = deque.copyTo(bank, list, bank);
      deque.check(bank, copy);
      assert.deepEqual(read(bank, copy), model);
      assert.equal(deque.usedWords(bank, list) + deque.usedWords(bank, copy), bank.check().usedWords - atStart);
      while (!deque.freeSome(bank, list, 3));
      while (!deque.freeSome(bank, copy, 3));
      assert.equal(bank.check().usedWords, atStart);
    }),
    { numRuns: 100 },
  );
});

test('elements of one length take little more than their bytes, integers less', () => {
  deque.setChunkLimit(-2);
  const count = 100_000;
  for (const [name, limitBytes] of [
    [(index: number) => `element:${index}`.padEnd(14, 'x'), 14.3],
    [(index: number) => String(1_000_000 + index), 4.2],
  ] as const) {
    for (const push of [deque.pushHead, deque.pushTail]) {
      const bank = freshBank();
      const list = deque.create(bank);
      for (let index = 0; index < count; index++) {
        const bytes = Buffer.from(name(index));
        push(bank, list, bytes, 0, bytes.length);
      }
      deque.check(bank, list);
      assert.ok((bank.usedWords() * 4) / count < limitBytes, `${(bank.usedWords() * 4) / count} bytes an element`);
    }
  }
});

test('a full bank refuses without harm', () => {
  deque.setChunkLimit(-2);
  const bank = freshBank(1048576);
  const list = deque.create(bank);
  let count = 0;
  const bytes = Buffer.alloc(100, 'a');
  while (deque.pushTail(bank, list, bytes, 0, bytes.length)) count++;
  assert.equal(deque.insertAt(bank, list, count >> 1, Buffer.alloc(9000), 0, 9000), false);
  assert.equal(deque.setAt(bank, list, count >> 1, Buffer.alloc(9000), 0, 9000), false);
  deque.check(bank, list);
  assert.equal(deque.size(bank, list), count);
  assert.deepEqual(new Set(read(bank, list)), new Set(['a'.repeat(100)]));
});
