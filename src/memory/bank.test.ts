import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chance, Random, SEED, sayShownSeed } from '../../test/support/seed.ts';
import { runThreads } from '../../test/support/workers.ts';
import type { BankStress, BankStressResult } from './bank.stress.ts';
import { Bank, createBanks } from './bank.ts';

const PAGE_WORDS = 4096;
const KIBIBYTE = 1024;

function createBank(bytes: number): Bank {
  return new Bank(createBanks(1, bytes)[0]!, 0);
}

/** What a test knows of a bank: its live blocks, each filled with a pattern of its own up to its last usable word. */
class Model {
  readonly bank: Bank;
  readonly blocks = new Map<number, { words: number; mark: number }>();
  private marks = 0;

  constructor(bank: Bank) {
    this.bank = bank;
  }
  alloc(words: number): number {
    const { bank, blocks } = this;
    const ref = bank.alloc(words);
    if (ref === 0) return 0;
    assert.ok(!blocks.has(ref), 'a live block was given out again');
    assert.ok(bank.sizeWords(ref) >= words, 'a block smaller than was asked for');
    const mark = ++this.marks | 0x40000000;
    bank.i32.fill(mark, ref, ref + bank.sizeWords(ref));
    blocks.set(ref, { words: bank.sizeWords(ref), mark });
    return ref;
  }
  free(ref: number): void {
    this.verify(ref);
    this.bank.free(ref);
    this.blocks.delete(ref);
  }
  /** Blocks that overlap would have overwritten each other's pattern. */
  verify(ref: number): void {
    const { words, mark } = this.blocks.get(ref)!;
    assert.equal(this.bank.sizeWords(ref), words);
    for (let at = ref; at < ref + words; at++) if (this.bank.i32[at] !== mark) assert.fail(`block ${ref} lost its word ${at - ref}`);
  }
  check(): void {
    let words = 0;
    for (const block of this.blocks.values()) words += block.words;
    const report = this.bank.check();
    assert.equal(report.usedWords, words);
    assert.equal(this.bank.usedWords(), words);
    assert.equal(report.usedWords + report.freeWords, report.topPages * PAGE_WORDS, 'words that are neither used nor free');
  }
  pick(place: number): number {
    return [...this.blocks.keys()][place % this.blocks.size]!;
  }
  freeAll(): void {
    for (const ref of [...this.blocks.keys()]) this.free(ref);
    this.check();
  }
}

type Step = { kind: 'alloc'; words: number } | { kind: 'free'; place: number } | { kind: 'trim'; pages: number };
const words = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 80 }) },
  { weight: 3, arbitrary: fc.integer({ min: 81, max: 2048 }) },
  { weight: 2, arbitrary: fc.integer({ min: 2049, max: 5 * PAGE_WORDS }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: words.map((count) => ({ kind: 'alloc' as const, words: count })) },
  { weight: 4, arbitrary: fc.nat().map((place) => ({ kind: 'free' as const, place })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 }).map((pages) => ({ kind: 'trim' as const, pages })) },
);

/** Everything that can be taken for trimming, taken and returned as the janitor does it. */
function trim(bank: Bank, minPages: number): number {
  let pages = 0;
  for (let run = bank.takeIdleRun(minPages); run !== 0; run = bank.takeIdleRun(minPages)) {
    assert.ok(bank.runPages(run) >= minPages);
    pages += bank.runPages(run);
    bank.check();
    bank.returnIdleRun(run);
  }
  return pages;
}

describe('bank', () => {
  test('keeps to the model: no block overlaps another, and every word is accounted for', () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(steps, (list) => {
        const model = new Model(createBank(1024 * KIBIBYTE));
        list.forEach((item, index) => {
          if (item.kind === 'alloc') model.alloc(item.words);
          else if (item.kind === 'trim') trim(model.bank, item.pages);
          else if (model.blocks.size > 0) model.free(model.pick(item.place));
          if (index % 8 === 7) model.check();
        });
        model.freeAll();
      }),
      chance(60),
    );
  });

  test('gives out every size class with room for what was asked, and little more', () => {
    const model = new Model(createBank(64 * 1024 * KIBIBYTE));
    for (let size = 1; size <= PAGE_WORDS / 2; size++) {
      const ref = model.alloc(size);
      const slack = model.bank.sizeWords(ref) - size;
      if (size <= 64) assert.equal(slack, size === 1 ? 1 : 0, `${size} words`);
      else assert.ok(slack <= (size <= 512 ? size / 4 : size / 2), `${size} words have ${slack} too many`);
    }
    model.check();
    model.freeAll();
  });

  test('rounds large blocks to pages, and joins free neighbours in any order', () => {
    const order = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(order, (places) => {
        const model = new Model(createBank(1024 * KIBIBYTE));
        const refs = Array.from({ length: 10 }, (_, index) => model.alloc(PAGE_WORDS * ((index % 3) + 1) - (index % 2)));
        for (const ref of refs) assert.equal(model.bank.sizeWords(ref) % PAGE_WORDS, 0);
        for (const place of places) {
          model.free(refs[place]!);
          model.check();
        }
        const { freePages, topPages } = model.bank.check();
        assert.equal(freePages, topPages);
        // One run again, so a block as long as all of them fits where they were.
        assert.equal(model.alloc(topPages * PAGE_WORDS), refs[0]);
      }),
      chance(40),
    );
  });

  test('returns 0 when it is full, stays whole, and serves again when something is freed', () => {
    const model = new Model(createBank(512 * KIBIBYTE));
    const random = new Random(SEED);
    let refused = 0;
    while (refused < 20) if (model.alloc(1 + random.below(3000)) === 0) refused++;
    while (model.alloc(2) !== 0);
    model.check();
    assert.equal(model.bank.alloc(10_000_000), 0);
    const largest = Math.max(...[...model.blocks.values()].map((block) => block.words));
    const ref = [...model.blocks.keys()].find((candidate) => model.blocks.get(candidate)!.words === largest)!;
    model.free(ref);
    assert.notEqual(model.alloc(largest), 0);
    model.freeAll();
    const { freePages, pages } = model.bank.check();
    assert.equal(freePages, pages);
    assert.notEqual(model.alloc(pages * PAGE_WORDS), 0, 'an empty bank is one free run');
  });

  test('finds a long run behind many short ones once nothing fresh is left', () => {
    const model = new Model(createBank(4 * 1024 * KIBIBYTE));
    const refs: number[] = [];
    for (let ref = model.alloc(PAGE_WORDS); ref !== 0; ref = model.alloc(PAGE_WORDS)) refs.push(ref);
    for (const ref of refs.slice(-4)) model.free(ref);
    for (let index = 0; index < refs.length - 6; index += 2) model.free(refs[index]!);
    assert.ok(refs.length > 200);
    assert.notEqual(model.alloc(4 * PAGE_WORDS), 0);
    model.check();
    model.freeAll();
  });

  test('refuses to free what is no block', () => {
    const bank = createBank(256 * KIBIBYTE);
    const ref = bank.alloc(3 * PAGE_WORDS);
    assert.throws(() => bank.free(ref + PAGE_WORDS), /no block of this bank/);
    assert.throws(() => bank.free(0), /no block of this bank/);
    bank.free(ref);
    assert.throws(() => bank.free(ref), /no block of this bank/);
    bank.check();
  });

  test('offers every idle run once, however many there are, and again after it was used', () => {
    const RUNS = 150;
    const PAGES = 16;
    const model = new Model(createBank((RUNS * (PAGES + 1) + 32) * PAGE_WORDS * 4));
    const refs: number[] = [];
    for (let index = 0; index < RUNS; index++) {
      refs.push(model.alloc(PAGES * PAGE_WORDS));
      model.alloc(PAGE_WORDS);
    }
    for (const ref of refs) model.free(ref);
    model.check();
    assert.equal(trim(model.bank, PAGES), RUNS * PAGES);
    assert.equal(trim(model.bank, PAGES), 0, 'nothing is trimmed twice');
    model.check();
    const again = model.alloc(PAGES * PAGE_WORDS);
    model.free(again);
    assert.equal(trim(model.bank, PAGES), PAGES);
    model.freeAll();
  });

  test('does not let short runs hide the long ones from the trimmer', () => {
    const model = new Model(createBank(4 * 1024 * KIBIBYTE));
    const long = model.alloc(20 * PAGE_WORDS);
    model.alloc(PAGE_WORDS);
    const short: number[] = [];
    for (let index = 0; index < 90; index++) {
      short.push(model.alloc(PAGE_WORDS));
      model.alloc(PAGE_WORDS);
    }
    model.free(long);
    for (const ref of short) model.free(ref);
    assert.equal(trim(model.bank, 16), 20);
    model.check();
  });

  test('reserves as many banks as asked, each whole', () => {
    const banks = createBanks(64, 1024 * KIBIBYTE);
    assert.equal(banks.length, 64);
    for (const [index, buffer] of banks.entries()) assert.equal(new Bank(buffer, index).check().usedWords, 0);
  });

  test('serves several threads at once: no block is given out twice, and no word is lost', async (context) => {
    const seed = sayShownSeed(context);
    const [buffer] = createBanks(1, 8 * 1024 * KIBIBYTE);
    const data: BankStress = { buffer: buffer!, seed, rounds: 60_000 };
    const results = await runThreads<BankStress, BankStressResult>(new URL('./bank.stress.ts', import.meta.url), 4, data);
    let keptWords = 0;
    for (const result of results) {
      assert.equal(result.torn, 0, 'a block was written by another thread');
      keptWords += result.keptWords;
    }
    assert.equal(new Bank(buffer!, 0).check().usedWords, keptWords);
  });
});
