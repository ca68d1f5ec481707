import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Bank, createBanks } from '../memory/bank.ts';
import * as packed from './packed.ts';

const BANK_BYTES = 32 * 1048576;
const freshBank = (): Bank => new Bank(createBanks(1, BANK_BYTES)[0]!, 0);

function texts(bank: Bank, ref: number): Buffer[] {
  const element = new packed.Element();
  const found: Buffer[] = [];
  for (let at = packed.first(bank, ref); at !== 0; at = packed.next(bank, ref, at)) {
    packed.read(bank, at, element);
    found.push(Buffer.from(element.bytes.subarray(element.start, element.end)));
  }
  return found;
}
function textsBackwards(bank: Bank, ref: number): Buffer[] {
  const element = new packed.Element();
  const found: Buffer[] = [];
  for (let at = packed.last(bank, ref); at !== 0; at = packed.previous(bank, ref, at)) {
    packed.read(bank, at, element);
    found.unshift(Buffer.from(element.bytes.subarray(element.start, element.end)));
  }
  return found;
}

test('the bytes are those of the drawing', () => {
  const bank = freshBank();
  let ref = packed.create(bank);
  for (const text of ['hi', '5', '-2', '']) ref = packed.append(bank, ref, Buffer.from(text), 0, text.length);
  const end = packed.endOf(bank, ref);
  assert.equal(bank.u8.subarray(ref << 2, end).toString('hex'), '0b0000000400000082686903' + '0501dffe028001');
  packed.check(bank, ref);
});

test('integers and doubles at the edges of their encodings', () => {
  const bank = freshBank();
  const edges = [7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 52].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]);
  const numbers = [0, Number.MAX_SAFE_INTEGER, ...edges].flatMap((value) => [value, 0 - value, -1 - value]);
  for (const value of numbers.filter(Number.isSafeInteger)) {
    let ref = packed.create(bank);
    const text = Buffer.from(String(value));
    ref = packed.append(bank, ref, text, 0, text.length);
    ref = packed.appendNumber(bank, ref, value);
    const at = packed.first(bank, ref);
    assert.ok(packed.readNumber(bank, at) === value, String(value));
    assert.equal(packed.find(bank, ref, packed.next(bank, ref, at), text, 0, text.length, 1), packed.last(bank, ref));
    assert.deepEqual(texts(bank, ref), [text, text]);
    packed.check(bank, ref);
    packed.free(bank, ref);
  }
  let ref = packed.create(bank);
  const doubles = [1.5, -0, Infinity, -Infinity, 1e300, 2 ** 53, 5e-324];
  for (const value of doubles) ref = packed.appendNumber(bank, ref, value);
  doubles.forEach((value, index) => {
    assert.ok(Object.is(packed.readNumber(bank, packed.seek(bank, ref, index)), value));
  });
  assert.equal(texts(bank, ref).join(' '), '1.5 -0 inf -inf 1e+300 9007199254740992 5e-324');
  packed.check(bank, ref);
});

test('texts that only look like numbers stay as they are', () => {
  const bank = freshBank();
  let ref = packed.create(bank);
  const given = ['-', '-0', '01', '+1', ' 1', '1 ', '9007199254740993', '-9223372036854775808', '1.0', '--1', '1e3', '\0'];
  for (const text of given) ref = packed.append(bank, ref, Buffer.from(text), 0, text.length);
  assert.deepEqual(texts(bank, ref).map(String), given);
  for (let at = packed.first(bank, ref); at !== 0; at = packed.next(bank, ref, at)) {
    assert.ok(Number.isNaN(packed.readNumber(bank, at)));
  }
});

test('long elements and their back lengths', () => {
  const bank = freshBank();
  let ref = packed.create(bank);
  const lengths = [63, 64, 125, 126, 127, 128, 4095, 4096, 16381, 16384, 20000, 2097150, 2097160];
  for (const length of lengths) ref = packed.append(bank, ref, Buffer.alloc(length, 'x'), 0, length);
  packed.check(bank, ref);
  assert.deepEqual(
    texts(bank, ref).map((text) => text.length),
    lengths,
  );
  assert.deepEqual(
    textsBackwards(bank, ref).map((text) => text.length),
    lengths,
  );
});

test('a full bank changes nothing', () => {
  const bank = new Bank(createBanks(1, 1048576)[0]!, 0);
  let ref = packed.create(bank);
  const big = Buffer.alloc(300_000, 'y');
  ref = packed.append(bank, ref, big, 0, big.length);
  const tooMuch = Buffer.alloc(900_000, 'z');
  assert.equal(packed.append(bank, ref, tooMuch, 0, tooMuch.length), 0);
  assert.equal(packed.replace(bank, ref, packed.first(bank, ref), tooMuch, 0, tooMuch.length), 0);
  assert.deepEqual(texts(bank, ref), [big]);
  packed.check(bank, ref);
});

const element = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 50, maxLength: 300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4000, max: 20000 }).map((length) => new Uint8Array(length).fill(65)) },
  { weight: 4, arbitrary: fc.maxSafeInteger().map((value) => new Uint8Array(Buffer.from(String(value)))) },
  {
    weight: 4,
    arbitrary: fc.integer({ min: -200, max: 200 }).map((value) => new Uint8Array(Buffer.from(String(value)))),
  },
);
const change = fc.record({
  kind: fc.constantFrom('append', 'append', 'pair', 'insert', 'insert', 'replace', 'remove', 'split', 'concat', 'copy', 'reserve'),
  place: fc.nat(),
  count: fc.nat({ max: 3 }),
  bytes: element,
});

test('random changes against an array', () => {
  let changed = 0;
  const bank = freshBank();
  const other = freshBank();
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60, size: 'max' }), (changes) => {
      const before = bank.usedWords();
      let ref = packed.create(bank);
      const model: Buffer[] = [];
      for (const { kind, place, count, bytes } of changes) {
        const index = place % (model.length + 1);
        const at = index === model.length ? packed.endOf(bank, ref) : packed.seek(bank, ref, index);
        if (kind === 'append') {
          ref = packed.append(bank, ref, bytes, 0, bytes.length);
          model.push(Buffer.from(bytes));
        } else if (kind === 'pair') {
          const other = Buffer.from(String(place));
          ref = packed.appendPair(bank, ref, other, 0, other.length, bytes, 0, bytes.length);
          model.push(other, Buffer.from(bytes));
        } else if (kind === 'insert') {
          ref = packed.insert(bank, ref, at, bytes, 0, bytes.length);
          model.splice(index, 0, Buffer.from(bytes));
          assert.ok(packed.equals(bank, packed.lastPlace(), bytes, 0, bytes.length));
        } else if (kind === 'replace' && index < model.length) {
          ref = packed.replace(bank, ref, at, bytes, 0, bytes.length);
          model[index] = Buffer.from(bytes);
        } else if (kind === 'remove') {
          const removed = Math.min(count, model.length - index);
          ref = packed.remove(bank, ref, at, removed);
          model.splice(index, removed);
        } else if (kind === 'split') {
          const rest = packed.splitOff(bank, ref, at);
          packed.check(bank, rest);
          packed.check(bank, ref);
          ref = packed.concat(bank, ref, rest);
          packed.free(bank, rest);
        } else if (kind === 'concat' && model.length < 100) {
          const twin = packed.copy(bank, ref, bank);
          ref = packed.concat(bank, ref, twin);
          packed.free(bank, twin);
          model.push(...model);
        } else if (kind === 'copy') {
          const twin = packed.copy(bank, ref, other);
          packed.check(other, twin);
          assert.deepEqual(texts(other, twin), model);
          packed.free(other, twin);
        } else if (kind === 'reserve') {
          ref = packed.reserve(bank, ref, count * 5000);
        }
        changed++;
        packed.check(bank, ref);
        assert.equal(packed.length(bank, ref), model.length);
        const wanted = model.findIndex((item) => item.equals(bytes));
        const found = packed.find(bank, ref, packed.first(bank, ref), bytes, 0, bytes.length, 1);
        assert.equal(found, wanted < 0 ? 0 : packed.seek(bank, ref, wanted));
      }
      assert.deepEqual(texts(bank, ref), model);
      assert.deepEqual(textsBackwards(bank, ref), model);
      for (const index of [-model.length - 1, model.length]) assert.equal(packed.seek(bank, ref, index), 0);
      packed.free(bank, ref);
      assert.equal(bank.usedWords(), before);
      bank.check();
    }),
    { numRuns: 300 },
  );
  assert.ok(changed > 1000, `only ${changed} changes were made`);
});
