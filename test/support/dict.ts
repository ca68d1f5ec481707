// A dict of its own for unit tests and the benchmark: its nodes are keys and nothing else.
import assert from 'node:assert/strict';
import { hashBytes } from '../../src/base/hash.ts';
import { Bank, createBanks } from '../../src/memory/bank.ts';
import * as dict from '../../src/structures/dict.ts';

const MEBIBYTE = 1048576;
/** Words of a shard's header that a dict uses, and the latch before them. */
export const HEADER_WORDS = 8;
const META = 1;

/** A dict with nodes that are keys and nothing else. */
export class TestDict {
  readonly bank: Bank;
  readonly words = new Int32Array(HEADER_WORDS);
  readonly seed: number;

  constructor(bankBytes = 8 * MEBIBYTE, seed = 7) {
    this.bank = new Bank(createBanks(1, bankBytes)[0]!, 0);
    this.seed = seed;
  }
  hash(key: Uint8Array): number {
    return hashBytes(key, 0, key.length, this.seed);
  }
  find(key: Uint8Array): number {
    return dict.find(this.words, 0, this.bank, key, 0, key.length, this.hash(key));
  }
  /** False when the bank is full. */
  add(key: Uint8Array): boolean {
    const { bank } = this;
    const hash = this.hash(key);
    const flags = key.length > 255 ? dict.META_LONG_KEY : 0;
    const at = dict.keyWord(flags);
    const node = bank.alloc(at + ((key.length + 3) >>> 2));
    if (node === 0) return false;
    bank.i32[node + META] = flags | (flags === 0 ? key.length << 8 : 0) | dict.tagOf(hash);
    if (flags !== 0) bank.i32[node + at - 1] = key.length;
    bank.u8.set(key, (node + at) << 2);
    if (dict.insert(this.words, 0, bank, node, hash, this.seed)) return true;
    bank.free(node);
    return false;
  }
  delete(key: Uint8Array): boolean {
    const node = this.find(key);
    if (node === 0) return false;
    assert.equal(dict.lastFoundLink(), dict.linkOf(this.words, 0, this.bank, node, this.seed));
    dict.unlink(this.words, 0, this.bank, dict.lastFoundLink());
    this.bank.free(node);
    return true;
  }
  textOf(node: number): string {
    const start = dict.keyStartByte(this.bank.i32, node);
    return Buffer.from(this.bank.u8.subarray(start, start + dict.keyLengthBytes(this.bank.i32, node))).toString('latin1');
  }
  scan(cursor: number, visit: (key: string) => void): number {
    return dict.scan(this.words, 0, this.bank, cursor, (node) => visit(this.textOf(node)));
  }
  scanNodes(cursor: number, visit: (node: number) => void): number {
    return dict.scan(this.words, 0, this.bank, cursor, visit);
  }
  scanAll(): string[] {
    const keys: string[] = [];
    let cursor = 0;
    do cursor = this.scan(cursor, (key) => keys.push(key));
    while (cursor !== 0);
    return keys;
  }
  get count(): number {
    return this.words[2]!;
  }
  get buckets(): number {
    return dict.bucketCount(this.words, 0);
  }
}

/**
 * The longest insert while a dict grows to `count` keys, and the longest removal while it's emptied again, in microseconds. Every step is
 * done in `runs` dicts and the least time of each counts, so that interruptions don't.
 */
export function longestSteps(count: number, runs: number): { growUs: number; shrinkUs: number } {
  const keys = Array.from({ length: count }, (_, index) => Buffer.from(`key:${index}`, 'latin1'));
  const grow = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const shrink = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const table = new TestDict(count * 96 + 4 * MEBIBYTE);
  for (let run = 0; run < runs; run++) {
    for (let index = 0; index < count; index++)
      grow[index] = Math.min(
        grow[index]!,
        timeOf(() => table.add(keys[index]!)),
      );
    for (let index = 0; index < count; index++)
      shrink[index] = Math.min(
        shrink[index]!,
        timeOf(() => table.delete(keys[index]!)),
      );
  }
  return { growUs: longest(grow), shrinkUs: longest(shrink) };
}
function timeOf(step: () => boolean): number {
  const begin = performance.now();
  assert.ok(step());
  return (performance.now() - begin) * 1000;
}
function longest(times: Float64Array): number {
  let most = 0;
  for (const time of times) most = Math.max(most, time);
  return most;
}
