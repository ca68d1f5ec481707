// A keyspace of its own for unit tests: small banks, a known seed, and calls with strings instead of bytes.
import assert from 'node:assert/strict';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import * as layout from '../../src/keyspace/layout.ts';
import { createBanks } from '../../src/memory/bank.ts';
import * as dict from '../../src/structures/dict.ts';

export const MEBIBYTE = 1048576;

export type SharedMemory = { readonly control: SharedArrayBuffer; readonly banks: SharedArrayBuffer[] };

export function createMemory(bankBytes = 2 * MEBIBYTE, hashSeed = 12345): SharedMemory {
  return { control: layout.createControl(hashSeed), banks: createBanks(layout.SHARDS, bankBytes) };
}

/** A keyspace with words for keys; latches and stamps are the caller's affair. */
export class SharedKeyspace extends Keyspace {
  constructor(memory: SharedMemory) {
    super(memory.control, memory.banks);
  }
  at(key: string, database = 0): this {
    const bytes = Buffer.from(key, 'latin1');
    this.locate(database, bytes, 0, bytes.length);
    return this;
  }
  textOf(entry: number): string {
    const start = this.stringStart(entry);
    return Buffer.from(this.bank.u8.subarray(start, start + this.stringLength(entry))).toString('latin1');
  }
}

/** What a thread that holds every latch could do: each call is a use of its own. */
export class TestKeyspace extends SharedKeyspace {
  constructor(memory: SharedMemory = createMemory()) {
    super(memory);
    this.nowMs = 1_000_000;
  }
  /** Makes a key the current one, as a new use. */
  override at(key: string, database = 0): this {
    super.at(key, database);
    this.stamp = (this.stamp + 1) | 0;
    return this;
  }
  set(key: string, value: string | Uint8Array, keepExpiry = false, database = 0): number {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    this.at(key, database);
    return this.setString(this.write(), bytes, 0, bytes.length, keepExpiry);
  }
  get(key: string, database = 0): string | null {
    const entry = this.at(key, database).read();
    return entry === 0 ? null : this.textOf(entry);
  }
  delete(key: string, database = 0): boolean {
    const entry = this.at(key, database).write();
    if (entry !== 0) this.remove(entry);
    return entry !== 0;
  }
  expire(key: string, atMs: number, database = 0): boolean {
    const entry = this.at(key, database).write();
    if (entry !== 0) this.setExpiry(entry, atMs);
    return entry !== 0;
  }
  /** Every bank accounts for every word; returns the words in use. */
  check(): number {
    let used = 0;
    for (const bank of this.banks) used += bank.check().usedWords;
    return used;
  }
}

/** `count` keys that all live in one shard, by their hash tag. */
export function taggedKeys(count: number, tag = 'shard'): string[] {
  return Array.from({ length: count }, (_, index) => `{${tag}}:${index}`);
}

/** Every entry of a database, whether its time is over or not. Nobody else may use the keyspace meanwhile. */
export function forEachEntry(keyspace: Keyspace, database: number, visit: (key: string, entry: number) => void): void {
  for (let shard = 0; shard < layout.SHARDS; shard++) {
    keyspace.enter(database, shard);
    const { control, head, bank } = keyspace;
    let cursor = 0;
    do {
      cursor = dict.scan(control, head, bank, cursor, (entry) => {
        const start = dict.keyStartByte(bank.i32, entry);
        visit(bank.u8.latin1Slice(start, start + dict.keyLengthBytes(bank.i32, entry)), entry);
      });
    } while (cursor !== 0);
  }
}

const NEWER = 2;
const OLDER = 3;
const HEAP_PLACE = 7;

/**
 * Every shard's dict, lists and heap agree: each entry is found by its key, stands in the one list that its expiry says, and
 * those with an expiry are the heap, in order. Nobody else may use the keyspace meanwhile.
 */
export function checkShards(keyspace: Keyspace): void {
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const database = Math.floor(domain / layout.SHARDS);
    const shard = domain % layout.SHARDS;
    const head = layout.shardBase(database, shard);
    const entries = new Set<number>();
    keyspace.enter(database, shard);
    let cursor = 0;
    do cursor = dict.scan(keyspace.control, head, keyspace.bank, cursor, (entry) => entries.add(entry));
    while (cursor !== 0);
    assert.equal(entries.size, keyspace.control[head + layout.SHARD_COUNT], 'the count is not that of the entries');
    const plain = listOf(keyspace, head + layout.SHARD_LRU);
    const volatile = listOf(keyspace, head + layout.SHARD_LRU_VOLATILE);
    assert.equal(plain.length + volatile.length, entries.size, 'the lists are not those of the entries');
    for (const entry of plain) assert.ok(entries.has(entry) && keyspace.expiryMs(entry) === -1);
    for (const entry of volatile) assert.ok(entries.has(entry) && keyspace.expiryMs(entry) >= 0);
    checkHeap(keyspace, head, volatile);
    for (const entry of entries) {
      keyspace.focus(entry);
      const { bytes, start, end, hash } = keyspace;
      assert.equal(dict.find(keyspace.control, head, keyspace.bank, bytes, start, end, hash), entry, 'a key finds another entry');
    }
  }
}

function listOf(keyspace: Keyspace, list: number): number[] {
  const { control, bank } = keyspace;
  const entries: number[] = [];
  let newer = 0;
  for (let entry = control[list]!; entry !== 0; entry = bank.i32[entry + OLDER]!) {
    assert.equal(bank.i32[entry + NEWER], newer, 'a list that is another one backwards');
    entries.push(entry);
    newer = entry;
  }
  assert.equal(control[list + 1], newer, 'the tail is not the last entry');
  return entries;
}

function checkHeap(keyspace: Keyspace, head: number, volatile: readonly number[]): void {
  const { control, bank } = keyspace;
  const heap = control[head + layout.SHARD_HEAP]!;
  const count = control[head + layout.SHARD_HEAP_COUNT]!;
  assert.equal(count, volatile.length, 'the heap is not that of the keys with an expiry');
  for (let place = 0; place < count; place++) {
    const entry = bank.i32[heap + place]!;
    assert.equal(bank.i32[entry + HEAP_PLACE], place, 'an entry stands at another place than it says');
    const parent = bank.i32[heap + ((place - 1) >> 1)]!;
    if (place > 0) assert.ok(keyspace.expiryMs(parent) <= keyspace.expiryMs(entry), 'a child expires before its parent');
  }
}
