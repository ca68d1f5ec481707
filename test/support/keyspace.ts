// A keyspace of its own for unit tests: small banks, a known seed, and calls with strings instead of bytes.
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import * as layout from '../../src/keyspace/layout.ts';
import { createBanks } from '../../src/memory/bank.ts';

export const MEBIBYTE = 1048576;

export type SharedMemory = { readonly control: SharedArrayBuffer; readonly banks: SharedArrayBuffer[] };

export function createMemory(bankBytes = 2 * MEBIBYTE, hashSeed = 12345): SharedMemory {
  return { control: layout.createControl(hashSeed), banks: createBanks(layout.SHARDS, bankBytes) };
}

/** A keyspace with words for keys: what a thread that holds every latch could do. */
export class TestKeyspace extends Keyspace {
  constructor(memory: SharedMemory = createMemory()) {
    super(memory.control, memory.banks);
    this.nowMs = 1_000_000;
  }
  at(key: string | Uint8Array, database = 0): this {
    const bytes = typeof key === 'string' ? Buffer.from(key, 'latin1') : key;
    this.locate(database, bytes, 0, bytes.length);
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
  textOf(entry: number): string {
    const start = this.stringStart(entry);
    return Buffer.from(this.bank.u8.subarray(start, start + this.stringLength(entry))).toString('latin1');
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
