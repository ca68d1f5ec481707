import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { checkShards, createMemory, TestKeyspace } from '../../test/support/keyspace.ts';
import { chance } from '../../test/support/seed.ts';
import { Element } from '../structures/packed.ts';
import { expireFields } from './expire-fields.ts';
import { HashView, NO_FIELD, setHashLimits } from './hash-value.ts';
import { OutOfMemory, TYPE_HASH } from './keyspace.ts';
import { operationsOf } from './values.ts';
import { flushDatabase, freeDetached, swapDatabases } from './walk.ts';

const MAX_ENTRIES = 6;
const MAX_BYTES = 16;
const KEYS = ['a', 'b', '{t}c', '{t}d'];
const FIELDS = ['f', 'g', '1', '', 'h'.repeat(17), 'i'.repeat(256), 'j', 'k', '-5'];
const LENGTHS = [0, 1, 3, 16, 17, 255, 256, 3000];

type Field = { value: string; atMs: number };
type Step =
  | { kind: 'set'; key: string; field: string; length: number; keeps: boolean }
  | { kind: 'remove' | 'persist' | 'copy' | 'rename' | 'delete'; key: string; field: string }
  | { kind: 'expire'; key: string; field: string; afterMs: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'clean' }
  | { kind: 'swap' };

const key = fc.constantFrom(...KEYS);
const field = fc.constantFrom(...FIELDS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('set' as const), key, field, length: fc.constantFrom(...LENGTHS), keeps: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('remove' as const, 'persist' as const), key, field }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('expire' as const), key, field, afterMs: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('copy' as const, 'rename' as const, 'delete' as const), key, field }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'clean' }, { kind: 'swap' }) },
);

/** Hashes of two databases beside Maps that answer the same questions. */
class Pair {
  readonly keyspace: TestKeyspace;
  models: Map<string, Map<string, Field>>[] = [new Map(), new Map()];
  private readonly view = new HashView();
  private round = 0;

  constructor(keyspace: TestKeyspace) {
    this.keyspace = keyspace;
  }
  private open(name: string, database = 0): HashView {
    return this.view.open(this.keyspace, this.keyspace.at(name, database).write());
  }
  private live(name: string): Map<string, Field> {
    const fields = this.models[0]!.get(name) ?? new Map<string, Field>();
    for (const [one, { atMs }] of fields) if (atMs >= 0 && atMs <= this.keyspace.nowMs) fields.delete(one);
    return fields;
  }
  run(item: Step): void {
    const { keyspace } = this;
    this.round++;
    if (item.kind === 'pass') keyspace.nowMs += item.ms;
    else if (item.kind === 'clean') assert.ok(expireFields(keyspace, Number.POSITIVE_INFINITY));
    else if (item.kind === 'swap') {
      swapDatabases(keyspace, 0, 1);
      this.models.reverse();
    } else if (item.kind === 'copy' || item.kind === 'rename') this.copy(item.key, item.kind === 'rename');
    else this.change(item);
  }
  private change(item: Extract<Step, { key: string }>): void {
    const model = this.live(item.key);
    const view = this.open(item.key);
    const name = Buffer.from(item.field);
    const old = model.get(item.field);
    if (item.kind === 'set') {
      const text = `${this.round}|${'v'.repeat(item.length)}`.slice(0, item.length);
      const value = Buffer.from(text);
      assert.equal(view.set(name, 0, name.length, value, 0, value.length, item.keeps), old === undefined);
      model.set(item.field, { value: text, atMs: item.keeps ? (old?.atMs ?? -1) : -1 });
      this.models[0]!.set(item.key, model);
    } else if (item.kind === 'remove') {
      assert.equal(view.remove(name, 0, name.length), model.delete(item.field));
      view.dropIfEmpty();
    } else if (item.kind === 'delete') {
      this.keyspace.delete(item.key);
      this.models[0]!.delete(item.key);
    } else if (old !== undefined) {
      old.atMs = item.kind === 'expire' ? this.keyspace.nowMs + item.afterMs : -1;
      view.setExpiry(name, 0, name.length, old.atMs);
    }
  }
  /** As COPY to the key {t}d, and as RENAME to it. */
  private copy(from: string, isMoved: boolean): void {
    const { keyspace } = this;
    const entry = keyspace.at(from).write();
    if (entry === 0 || from === '{t}d') return;
    const { bank } = keyspace;
    const encoding = keyspace.encoding(entry);
    const ref = keyspace.valueRef(entry);
    keyspace.at('{t}d');
    const fresh = operationsOf(TYPE_HASH).copy(bank, ref, encoding, keyspace.bank);
    keyspace.setValue(keyspace.write(), TYPE_HASH, encoding, fresh);
    const model = this.live(from);
    this.models[0]!.set('{t}d', new Map([...model].map(([name, held]) => [name, { ...held }])));
    if (!isMoved) return;
    keyspace.delete(from);
    this.models[0]!.delete(from);
  }
  compare(): void {
    for (const name of KEYS) this.compareOne(name);
    checkShards(this.keyspace);
  }
  private compareOne(name: string): void {
    const { keyspace } = this;
    const model = this.live(name);
    const view = this.open(name);
    const found = new Map<string, Field>();
    view.walk((one, value, atMs) => {
      const text = Buffer.from(value.bytes.subarray(value.start, value.end)).toString();
      found.set(Buffer.from(one.bytes.subarray(one.start, one.end)).toString(), { value: text, atMs });
    });
    assert.deepEqual(found, model);
    assert.equal(view.length, model.size);
    const element = new Element();
    for (const one of FIELDS) {
      const bytes = Buffer.from(one);
      assert.equal(view.expiryOf(bytes, 0, bytes.length), model.get(one)?.atMs ?? NO_FIELD);
      assert.equal(view.get(bytes, 0, bytes.length, element), model.has(one));
    }
    const entry = keyspace.at(name).peek();
    if (entry === 0) return;
    const encoding = keyspace.encoding(entry);
    operationsOf(TYPE_HASH).check(keyspace.bank, keyspace.valueRef(entry), encoding);
    const isLong = [...model].some(([one, { value }]) => one.length > MAX_BYTES || value.length > MAX_BYTES);
    if (isLong || model.size > MAX_ENTRIES) {
      assert.equal(operationsOf(TYPE_HASH).encodingName(keyspace.bank, keyspace.valueRef(entry), encoding), 'hashtable');
    }
  }
}

describe('hashes', () => {
  before(() => setHashLimits(MAX_ENTRIES, MAX_BYTES));
  after(() => setHashLimits(128, 64));

  test('random changes, expiries, copies and swaps against Maps', () => {
    const keyspace = new TestKeyspace();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        for (const database of [0, 1]) flushDatabase(keyspace, database);
        const pair = new Pair(keyspace);
        for (const item of steps) pair.run(item);
        pair.compare();
        // When all fields with an expiry are over, the janitor takes away what is left of them, and empty hashes.
        keyspace.nowMs += 1000;
        assert.ok(expireFields(keyspace, Number.POSITIVE_INFINITY));
        pair.compare();
        for (const name of KEYS)
          if (keyspace.at(name).peek() !== 0) assert.notEqual(new HashView().open(keyspace, keyspace.peek()).length, 0);
        for (const database of [0, 1]) flushDatabase(keyspace, database);
        while (!freeDetached(keyspace, Number.POSITIVE_INFINITY));
        assert.equal(keyspace.check(), 0, 'memory that nobody holds');
      }),
      chance(150),
    );
  });

  test('without room nothing changes, and what is there can be read and deleted', () => {
    const keyspace = new TestKeyspace(createMemory(1048576));
    const view = new HashView();
    const value = Buffer.alloc(200, 'v');
    let stored = 0;
    const put = (): void => {
      const name = Buffer.from(`field:${stored}`);
      view.open(keyspace, keyspace.at('big').write()).set(name, 0, name.length, value, 0, value.length);
      stored++;
    };
    assert.throws(() => {
      for (;;) put();
    }, OutOfMemory);
    assert.ok(stored > 100);
    view.open(keyspace, keyspace.at('big').write());
    assert.equal(view.length, stored);
    const first = Buffer.from('field:0');
    assert.throws(() => {
      for (let index = 0; index < stored; index++) {
        const name = Buffer.from(`field:${index}`);
        view.setExpiry(name, 0, name.length, keyspace.nowMs + 10 + index);
      }
    }, OutOfMemory);
    assert.equal(view.length, stored);
    assert.ok(view.has(first, 0, first.length));
    keyspace.nowMs += 1_000_000;
    const left = view.length;
    assert.ok(left > 0 && left <= stored);
    keyspace.delete('big');
    while (!freeDetached(keyspace, Number.POSITIVE_INFINITY));
    assert.equal(keyspace.check(), 0);
  });

  test('the length of a big hash is that of the fields that are not over', () => {
    const keyspace = new TestKeyspace();
    const names = Array.from({ length: 500 }, (_, index) => Buffer.from(`field:${index}`));
    const view = new HashView();
    const open = (): HashView => view.open(keyspace, keyspace.at('big').write());
    for (const [index, name] of names.entries()) {
      open().set(name, 0, name.length, name, 0, name.length);
      if (index % 3 !== 0) view.setExpiry(name, 0, name.length, keyspace.nowMs + 1 + ((index * 7919) % 400));
    }
    for (let step = 0; step < 45; step++) {
      keyspace.nowMs += 10;
      let live = 0;
      open().walk(() => {
        live++;
      });
      assert.equal(view.length, live);
      // Now and then what is over is taken away, or stays after all.
      if (step % 10 === 5) assert.ok(expireFields(keyspace, Number.POSITIVE_INFINITY));
      const name = names[step * 11]!;
      if (open().has(name, 0, name.length)) view.setExpiry(name, 0, name.length, -1);
    }
    assert.ok(view.length >= names.length / 3);
  });

  test('a big hash is deleted at once and freed in steps', () => {
    const FIELDS_OF_IT = 20_000;
    const keyspace = new TestKeyspace(createMemory(8 * 1048576));
    const view = new HashView();
    const entry = keyspace.at('big').write();
    view.open(keyspace, entry);
    for (let index = 0; index < FIELDS_OF_IT; index++) {
      const name = Buffer.from(`field:${index}`);
      view.set(name, 0, name.length, name, 0, name.length);
    }
    const { bank } = keyspace;
    const full = bank.usedWords();
    keyspace.delete('big');
    assert.ok(bank.usedWords() > full - 100, 'all was freed by whoever deleted');
    let steps = 0;
    while (!freeDetached(keyspace, 0)) steps++;
    assert.ok(steps > FIELDS_OF_IT / 1000, `freed in ${steps} steps`);
    assert.equal(keyspace.check(), 0);
  });
});
