import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { checkShards, createMemory, TestKeyspace } from '../../test/support/keyspace.ts';
import { chance } from '../../test/support/seed.ts';
import { Element } from '../structures/packed.ts';
import { OutOfMemory, TYPE_SET } from './keyspace.ts';
import { SetView, setSetLimits } from './set-value.ts';
import { operationsOf } from './values.ts';
import { flushDatabase, freeDetached } from './walk.ts';

const MAX_INTEGERS = 10;
const MAX_PACKED = 6;
const MAX_BYTES = 16;
const KEYS = ['a', '{t}b', '{t}c'];

const member = fc.oneof(
  fc.integer({ min: -8, max: 8 }).map(String),
  fc.constantFrom('x', 'y', '', '007', '9223372036854775807', '40000', '3000000000', 'm'.repeat(17), 'n'.repeat(300)),
);
const step = fc.record({
  kind: fc.constantFrom('add', 'add', 'add', 'remove', 'delete', 'copy', 'store'),
  key: fc.constantFrom(...KEYS),
  members: fc.array(member, { minLength: 1, maxLength: 6 }),
});

function textsOf(view: SetView): Set<string> {
  const found = new Set<string>();
  view.walk(({ bytes, start, end }) => found.add(Buffer.from(bytes.subarray(start, end)).toString()));
  return found;
}

/** As COPY, from one bank to another perhaps; false when there is nothing to copy. */
function copy(keyspace: TestKeyspace, from: string, to: string): boolean {
  const entry = keyspace.at(from).write();
  if (entry === 0) return false;
  const { bank } = keyspace;
  const ref = keyspace.valueRef(entry);
  const encoding = keyspace.encoding(entry);
  keyspace.at(to);
  const fresh = operationsOf(TYPE_SET).copy(bank, ref, encoding, keyspace.bank);
  keyspace.setValue(keyspace.write(), TYPE_SET, encoding, fresh);
  return true;
}

function isTooLong(members: Set<string>): boolean {
  return [...members].some((one) => one.length > MAX_BYTES && !/^\d+$/.test(one));
}

describe('sets', () => {
  before(() => setSetLimits(MAX_INTEGERS, MAX_PACKED, MAX_BYTES));
  after(() => setSetLimits(512, 128, 64));

  test('random changes against Sets', () => {
    const keyspace = new TestKeyspace();
    const view = new SetView();
    const element = new Element();
    const open = (name: string): SetView => view.open(keyspace, keyspace.at(name).write());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        flushDatabase(keyspace, 0);
        const model = new Map<string, Set<string>>(KEYS.map((name) => [name, new Set()]));
        for (const { kind, key, members } of steps) {
          const held = model.get(key)!;
          const bytes = members.map((one) => Buffer.from(one));
          if (kind === 'add') {
            open(key);
            for (const one of bytes) {
              assert.equal(view.add(one, 0, one.length), !held.has(one.toString()));
              held.add(one.toString());
            }
          } else if (kind === 'remove') {
            open(key);
            for (const one of bytes) assert.equal(view.remove(one, 0, one.length), held.delete(one.toString()));
            view.dropIfEmpty();
          } else if (kind === 'delete') {
            keyspace.delete(key);
            held.clear();
          } else if (kind === 'copy' && key !== '{t}b') {
            if (copy(keyspace, key, '{t}b')) model.set('{t}b', new Set(held));
          } else if (kind === 'store') {
            keyspace.at(key);
            const stored = new SetView().openDetached(keyspace);
            for (const one of bytes) stored.add(one, 0, one.length);
            stored.install();
            model.set(key, new Set(members));
          }
        }
        for (const [name, held] of model) {
          open(name);
          assert.deepEqual(textsOf(view), held);
          assert.equal(view.length, held.size);
          if (held.size === 0) continue;
          const entry = keyspace.at(name).peek();
          const ref = keyspace.valueRef(entry);
          operationsOf(TYPE_SET).check(keyspace.bank, ref, keyspace.encoding(entry));
          if (isTooLong(held)) assert.ok(view.isTable);
          view.draw(element, () => Math.floor(Math.random() * 4294967296));
          assert.ok(held.has(Buffer.from(element.bytes.subarray(element.start, element.end)).toString()));
        }
        checkShards(keyspace);
        flushDatabase(keyspace, 0);
        while (!freeDetached(keyspace, Number.POSITIVE_INFINITY));
        assert.equal(keyspace.check(), 0, 'memory that nobody holds');
      }),
      chance(150),
    );
  });

  test('encodings change at the limits of Redis 7.2', () => {
    const keyspace = new TestKeyspace();
    const view = new SetView();
    const encodingOf = (members: readonly string[], hint = 1): string => {
      keyspace.delete('s');
      view.open(keyspace, keyspace.at('s').write(), hint);
      for (const one of members) view.add(Buffer.from(one), 0, one.length);
      const name = operationsOf(TYPE_SET).encodingName(view.bank, view.ref, view.encoding);
      assert.deepEqual(textsOf(view), new Set(members));
      return name;
    };
    const integers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));
    assert.equal(encodingOf(integers(10)), 'intset');
    assert.equal(encodingOf(integers(11)), 'hashtable');
    assert.equal(encodingOf([...integers(5), 'x']), 'listpack');
    assert.equal(encodingOf([...integers(6), 'x']), 'hashtable');
    assert.equal(encodingOf(['x', ...integers(5)]), 'listpack');
    assert.equal(encodingOf(['x', ...integers(6)]), 'hashtable');
    assert.equal(encodingOf(['x', 'y'.repeat(16)]), 'listpack');
    assert.equal(encodingOf(['x', 'y'.repeat(17)]), 'hashtable');
    assert.equal(encodingOf(['1', '1234567890123456789', 'x']), 'hashtable');
    assert.equal(encodingOf(integers(11), 11), 'hashtable');
    assert.equal(encodingOf(['x'], 7), 'hashtable');
    assert.equal(encodingOf(['1'], 7), 'intset');
  });

  test('without room nothing changes, and a big set is freed in steps', () => {
    const keyspace = new TestKeyspace(createMemory(2 * 1048576));
    const view = new SetView();
    view.open(keyspace, keyspace.at('big').write());
    let added = 0;
    assert.throws(() => {
      for (; ; added++) view.add(Buffer.from(`member:${added}`), 0, `member:${added}`.length);
    }, OutOfMemory);
    assert.ok(added > 20_000, `${added} members`);
    assert.equal(view.open(keyspace, keyspace.at('big').write()).length, added);
    operationsOf(TYPE_SET).check(view.bank, view.ref, view.encoding);
    const other = new SetView();
    assert.equal(operationsOf(TYPE_SET).copy(view.bank, view.ref, view.encoding, view.bank), 0);
    keyspace.delete('big');
    assert.equal(other.open(keyspace, keyspace.at('big').write()).length, 0);
    let steps = 0;
    while (!freeDetached(keyspace, 0)) steps++;
    assert.ok(steps > added / 1000, `freed in ${steps} steps`);
    assert.equal(keyspace.check(), 0);
  });
});
