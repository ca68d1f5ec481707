/**
 * A bank: one SharedArrayBuffer below 2 GiB with its own allocator. All of the allocator's state is in the bank itself, so any
 * thread attaches by wrapping the buffer.
 *
 *   word 0       null            1 latch   2 latch waiters   3 used words   4 first page never used   5 pages in all
 *   word 6       head of the list of free runs of pages (a page number, 0 is none)
 *   word 7       head of the list of free runs whose pages are back with the system
 *   word 8       KiB in use as they were last published (below)
 *   word 64+c    first page of size class c that has room (a page number, 0 is none)
 *   PAGE_TABLE   6 words a page: kind, live objects | run length, free list | usable words, objects ever cut, next, previous
 *   pages        of 4096 words; page 0 is the first one behind the table, so page numbers begin there
 *
 * kind: n > 0 objects of size class n; -1 first page of a large run; -2 first page of a free run; -3 last page of a free run (when it
 * has more than one); 0 in the middle of either. Size classes stand at every word up to 64, and above at every size of which a page holds
 * one object less, so that entries of a database waste nothing and packed collections little; objects fill a page from its start, and
 * a fresh page is cut as it is used, not touched before.
 *
 * Contract: the state is written under the bank's latch (alloc, free, check). A block belongs to its owner.
 */
import { exclusive, releaseExclusive } from './latch.ts';

const LATCH = 1;
const USED = 3;
const TOP = 4;
const PAGES = 5;
const FREE_RUNS = 6;
const TRIMMED_RUNS = 7;
const PUBLISHED = 8;
const CLASS_HEADS = 64;
const PAGE_TABLE = 256;
const ROW_WORDS = 6;

const KIND = 0;
const LIVE = 1; // small: objects in use; large and free runs: pages
const FREE_LIST = 2; // small: first free object; large: usable words
const CUT = 3; // small: objects ever cut from the page
const NEXT = 4;
const PREVIOUS = 5;

const KIND_LARGE = -1;
const KIND_FREE = -2;
const KIND_FREE_END = -3;
/** In the CUT word of a free run: its pages are back with the system, and it's in the list of those. */
const TRIMMED = 1;

const PAGE_SHIFT = 12;
const PAGE_WORDS = 1 << PAGE_SHIFT;
const MAX_SMALL_WORDS = PAGE_WORDS / 2;
/** A free run is looked for in so many runs; then fresh pages are taken. It bounds the time of an allocation. */
const MAX_RUNS_TRIED = 64;
/** The trimmer passes short runs by, so it looks further; still only some ten microseconds under the latch. */
const MAX_IDLE_RUNS_TRIED = 4096;
const MIN_WORDS = 2;

/** Size of each class in words, and the class of each size. */
const CLASS_WORDS: number[] = [0, 0];
const CLASS_OF = new Uint8Array(MAX_SMALL_WORDS + 1);
for (let words = MIN_WORDS; words <= 64; words++) CLASS_WORDS.push(words);
// Above, every number of objects that a page holds is a class, each as large as the page allows.
for (let perPage = PAGE_WORDS / 64 - 1; perPage >= PAGE_WORDS / MAX_SMALL_WORDS; perPage--)
  CLASS_WORDS.push(Math.floor(PAGE_WORDS / perPage));
for (let words = 0, at = MIN_WORDS; words <= MAX_SMALL_WORDS; words++) {
  while (CLASS_WORDS[at]! < words) at++;
  CLASS_OF[words] = at;
}
const SIZES = Int32Array.from(CLASS_WORDS);
const PER_PAGE = SIZES.map((words) => (words === 0 ? 0 : Math.floor(PAGE_WORDS / words)));
if (CLASS_HEADS + SIZES.length > PAGE_TABLE) throw new Error('size classes do not fit before the page table');

/**
 * All banks of a server publish what they use in one word, in KiB, for whoever needs a cheap upper bound. A bank writes there only when it
 * uses so much more or less than it has published, as all threads share the word.
 */
const PUBLISH_KIB = 16;
const WORDS_PER_KIB_SHIFT = 8;
/** What a bank may use beyond what it has published. */
export const MAX_UNPUBLISHED_KIB = PUBLISH_KIB + 1;

const ERR_NOT_A_BLOCK = 'free of a ref that is no block of this bank';
const MAX_BANK_BYTES = 2 ** 31 - 65536;

export type BankReport = { usedWords: number; freeWords: number; pages: number; freePages: number; topPages: number };

/** Reserves `count` banks. Pages of the system are taken as they are touched, so large banks cost nothing while empty. */
export function createBanks(count: number, bytesPerBank: number): SharedArrayBuffer[] {
  let bytes = Math.min(bytesPerBank, MAX_BANK_BYTES);
  for (;;) {
    const banks: SharedArrayBuffer[] = [];
    try {
      while (banks.length < count) banks.push(new SharedArrayBuffer(bytes));
      for (let index = 0; index < count; index++) formatBank(banks[index]!);
      return banks;
    } catch (error) {
      // The address space is limited (containers, ulimit -v): smaller banks serve as well.
      if (!(error instanceof RangeError) || bytes < 16 * 1048576) throw error;
      bytes = Math.floor(bytes / 2 / 65536) * 65536;
    }
  }
}

function formatBank(buffer: SharedArrayBuffer): void {
  const i32 = new Int32Array(buffer);
  const tableEnd = PAGE_TABLE + ROW_WORDS * ((i32.length >>> PAGE_SHIFT) + 1);
  i32[TOP] = (tableEnd + PAGE_WORDS - 1) >>> PAGE_SHIFT;
  i32[PAGES] = i32.length >>> PAGE_SHIFT;
}

export class Bank {
  readonly index: number;
  readonly buffer: SharedArrayBuffer;
  readonly i32: Int32Array;
  readonly u8: Buffer;
  /** For words that don't begin at one. */
  readonly view: DataView;
  private readonly published: Int32Array | null;
  private readonly publishedWord: number;

  /** What it uses is added to `published[publishedWord]`, if that is given; then all instances of the bank must be given it. */
  constructor(buffer: SharedArrayBuffer, index: number, published: Int32Array | null = null, publishedWord = 0) {
    this.published = published;
    this.publishedWord = publishedWord;
    this.index = index;
    this.buffer = buffer;
    this.i32 = new Int32Array(buffer);
    this.u8 = Buffer.from(buffer);
    this.view = new DataView(buffer);
  }

  /** A block of at least `words` words, its content undefined; 0 when the bank is full. */
  alloc(words: number): number {
    const i32 = this.i32;
    lock(i32);
    const ref = words <= MAX_SMALL_WORDS ? allocSmall(i32, CLASS_OF[words]!) : allocLarge(i32, words);
    if (ref !== 0) i32[USED]! += sizeOf(i32, ref);
    if (hasDrifted(i32)) this.publish();
    releaseExclusive(i32, LATCH);
    return ref;
  }

  free(ref: number): void {
    const i32 = this.i32;
    lock(i32);
    const page = ref >>> PAGE_SHIFT;
    const kind = i32[PAGE_TABLE + page * ROW_WORDS + KIND]!;
    if (kind > 0) {
      i32[USED]! -= SIZES[kind]!;
      freeSmall(i32, ref, page, kind);
    } else if (kind === KIND_LARGE) {
      i32[USED]! -= i32[PAGE_TABLE + page * ROW_WORDS + FREE_LIST]!;
      freeRun(i32, page, i32[PAGE_TABLE + page * ROW_WORDS + LIVE]!);
    } else {
      releaseExclusive(i32, LATCH);
      throw new Error(ERR_NOT_A_BLOCK);
    }
    if (hasDrifted(i32)) this.publish();
    releaseExclusive(i32, LATCH);
  }
  private publish(): void {
    const { i32, published } = this;
    if (published === null) return;
    const drift = (i32[USED]! >> WORDS_PER_KIB_SHIFT) - i32[PUBLISHED]!;
    i32[PUBLISHED]! += drift;
    Atomics.add(published, this.publishedWord, drift);
  }

  /** Words that the block can hold. */
  sizeWords(ref: number): number {
    return sizeOf(this.i32, ref);
  }
  /**
   * Takes a free run of at least `minPages` out that hasn't been given back to the system since it was used; returns its first page, or 0.
   * The run is its taker's until `returnIdleRun`, so the system call happens without the latch. `runPages` says how long it is.
   */
  takeIdleRun(minPages: number): number {
    const i32 = this.i32;
    lock(i32);
    const run = findRun(i32, FREE_RUNS, minPages, MAX_IDLE_RUNS_TRIED);
    if (run !== 0) {
      const row = PAGE_TABLE + run * ROW_WORDS;
      unlinkFree(i32, run);
      i32[PAGE_TABLE + (run + i32[row + LIVE]! - 1) * ROW_WORDS + KIND] = 0;
      i32[row + KIND] = KIND_LARGE;
      i32[row + FREE_LIST] = 0;
    }
    releaseExclusive(i32, LATCH);
    return run;
  }
  runPages(page: number): number {
    return this.i32[PAGE_TABLE + page * ROW_WORDS + LIVE]!;
  }
  /** Puts an idle run back; it's known as trimmed unless it has joined a neighbour that isn't. */
  returnIdleRun(page: number): void {
    const i32 = this.i32;
    lock(i32);
    const pages = i32[PAGE_TABLE + page * ROW_WORDS + LIVE]!;
    freeRun(i32, page, pages);
    if (i32[PAGE_TABLE + page * ROW_WORDS + KIND] === KIND_FREE && i32[PAGE_TABLE + page * ROW_WORDS + LIVE] === pages) {
      unlinkFree(i32, page);
      linkFree(i32, page, pages, TRIMMED);
    }
    releaseExclusive(i32, LATCH);
  }
  /** The bank's bytes from here on were never used: new blocks come from there. */
  get freshByte(): number {
    return this.i32[TOP]! * PAGE_WORDS * 4;
  }
  /** Words in live blocks; a racing reader sees some recent value. */
  usedWords(): number {
    return Atomics.load(this.i32, USED);
  }
  /** Walks the bank and accounts for every word; throws with the place where something doesn't add up. */
  check(): BankReport {
    exclusive(this.i32, LATCH);
    try {
      return checkBank(this.i32);
    } finally {
      releaseExclusive(this.i32, LATCH);
    }
  }
}

/** The uncontended case inline: one compare-and-exchange. */
function lock(i32: Int32Array): void {
  if (Atomics.compareExchange(i32, LATCH, 0, -1) !== 0) exclusive(i32, LATCH);
}

/** One comparison for both sides: what is below -PUBLISH_KIB becomes a huge unsigned number. */
function hasDrifted(i32: Int32Array): boolean {
  return ((i32[USED]! >> WORDS_PER_KIB_SHIFT) - i32[PUBLISHED]! + PUBLISH_KIB) >>> 0 > 2 * PUBLISH_KIB;
}

function sizeOf(i32: Int32Array, ref: number): number {
  const row = PAGE_TABLE + (ref >>> PAGE_SHIFT) * ROW_WORDS;
  const kind = i32[row + KIND]!;
  return kind > 0 ? SIZES[kind]! : i32[row + FREE_LIST]!;
}

function allocSmall(i32: Int32Array, size: number): number {
  let page = i32[CLASS_HEADS + size]!;
  if (page === 0) {
    page = takeRun(i32, 1);
    if (page === 0) return 0;
    const fresh = PAGE_TABLE + page * ROW_WORDS;
    i32[fresh + KIND] = size;
    i32[fresh + LIVE] = 0;
    i32[fresh + FREE_LIST] = 0;
    i32[fresh + CUT] = 0;
    pushPage(i32, page, size);
  }
  const row = PAGE_TABLE + page * ROW_WORDS;
  let ref = i32[row + FREE_LIST]!;
  if (ref !== 0) {
    i32[row + FREE_LIST] = i32[ref]!;
  } else {
    ref = (page << PAGE_SHIFT) + i32[row + CUT]! * SIZES[size]!;
    i32[row + CUT]!++;
  }
  if (++i32[row + LIVE]! === PER_PAGE[size]!) removePage(i32, page, size);
  return ref;
}

function freeSmall(i32: Int32Array, ref: number, page: number, size: number): void {
  const row = PAGE_TABLE + page * ROW_WORDS;
  i32[ref] = i32[row + FREE_LIST]!;
  i32[row + FREE_LIST] = ref;
  const live = --i32[row + LIVE]!;
  if (live === PER_PAGE[size]! - 1) pushPage(i32, page, size);
  if (live === 0) {
    removePage(i32, page, size);
    freeRun(i32, page, 1);
  }
}

function pushPage(i32: Int32Array, page: number, size: number): void {
  const row = PAGE_TABLE + page * ROW_WORDS;
  const head = i32[CLASS_HEADS + size]!;
  i32[row + NEXT] = head;
  i32[row + PREVIOUS] = 0;
  if (head !== 0) i32[PAGE_TABLE + head * ROW_WORDS + PREVIOUS] = page;
  i32[CLASS_HEADS + size] = page;
}
function removePage(i32: Int32Array, page: number, size: number): void {
  unlinkRow(i32, page, CLASS_HEADS + size);
}
function unlinkRow(i32: Int32Array, page: number, headWord: number): void {
  const row = PAGE_TABLE + page * ROW_WORDS;
  const next = i32[row + NEXT]!;
  const previous = i32[row + PREVIOUS]!;
  if (previous !== 0) i32[PAGE_TABLE + previous * ROW_WORDS + NEXT] = next;
  else i32[headWord] = next;
  if (next !== 0) i32[PAGE_TABLE + next * ROW_WORDS + PREVIOUS] = previous;
}

function allocLarge(i32: Int32Array, words: number): number {
  const pages = (words + PAGE_WORDS - 1) >>> PAGE_SHIFT;
  const page = takeRun(i32, pages);
  if (page === 0) return 0;
  const row = PAGE_TABLE + page * ROW_WORDS;
  i32[row + KIND] = KIND_LARGE;
  i32[row + LIVE] = pages;
  i32[row + FREE_LIST] = pages << PAGE_SHIFT;
  return page << PAGE_SHIFT;
}

/**
 * The first page of a run of `pages`; 0 when there is none. Pages that the process still has come first, then those given back
 * to the system, then what was never used.
 */
function takeRun(i32: Int32Array, pages: number): number {
  let run = findRun(i32, FREE_RUNS, pages, MAX_RUNS_TRIED);
  if (run === 0) run = findRun(i32, TRIMMED_RUNS, pages, MAX_RUNS_TRIED);
  if (run !== 0) return cutRun(i32, run, pages);
  const top = i32[TOP]!;
  if (top + pages <= i32[PAGES]!) {
    i32[TOP] = top + pages;
    return top;
  }
  // Nothing fresh is left: now the whole lists count.
  run = findRun(i32, FREE_RUNS, pages, i32[PAGES]!);
  if (run === 0) run = findRun(i32, TRIMMED_RUNS, pages, i32[PAGES]!);
  return run === 0 ? 0 : cutRun(i32, run, pages);
}
function findRun(i32: Int32Array, headWord: number, pages: number, maxTried: number): number {
  let run = i32[headWord]!;
  for (let tried = 0; run !== 0 && tried < maxTried; tried++) {
    const row = PAGE_TABLE + run * ROW_WORDS;
    if (i32[row + LIVE]! >= pages) return run;
    run = i32[row + NEXT]!;
  }
  return 0;
}
function cutRun(i32: Int32Array, run: number, pages: number): number {
  const row = PAGE_TABLE + run * ROW_WORDS;
  const length = i32[row + LIVE]!;
  unlinkFree(i32, run);
  i32[row + (length - 1) * ROW_WORDS + KIND] = 0;
  // What is left of pages that are back with the system stays there.
  if (length > pages) linkFree(i32, run + pages, length - pages, i32[row + CUT]!);
  return run;
}

/** Gives pages back, joined with free neighbours. */
function freeRun(i32: Int32Array, first: number, pages: number): void {
  let page = first;
  let length = pages;
  i32[PAGE_TABLE + page * ROW_WORDS + KIND] = 0;
  const after = page + length;
  if (after < i32[TOP]! && i32[PAGE_TABLE + after * ROW_WORDS + KIND] === KIND_FREE) {
    const more = i32[PAGE_TABLE + after * ROW_WORDS + LIVE]!;
    unlinkFree(i32, after);
    i32[PAGE_TABLE + after * ROW_WORDS + KIND] = 0;
    length += more;
  }
  const before = PAGE_TABLE + (page - 1) * ROW_WORDS;
  const kind = i32[before + KIND]!;
  if (kind === KIND_FREE || kind === KIND_FREE_END) {
    const more = kind === KIND_FREE ? 1 : i32[before + LIVE]!;
    page -= more;
    unlinkFree(i32, page);
    i32[before + KIND] = 0;
    length += more;
  }
  linkFree(i32, page, length, 0);
}
function unlinkFree(i32: Int32Array, run: number): void {
  unlinkRow(i32, run, i32[PAGE_TABLE + run * ROW_WORDS + CUT] === TRIMMED ? TRIMMED_RUNS : FREE_RUNS);
}
/** Makes pages a free run. `state` is TRIMMED or 0. */
function linkFree(i32: Int32Array, page: number, length: number, state: number): void {
  const row = PAGE_TABLE + page * ROW_WORDS;
  const headWord = state === TRIMMED ? TRIMMED_RUNS : FREE_RUNS;
  const head = i32[headWord]!;
  const last = PAGE_TABLE + (page + length - 1) * ROW_WORDS;
  i32[last + KIND] = KIND_FREE_END;
  i32[last + LIVE] = length;
  i32[row + KIND] = KIND_FREE;
  i32[row + LIVE] = length;
  i32[row + CUT] = state;
  i32[row + NEXT] = head;
  i32[row + PREVIOUS] = 0;
  if (head !== 0) i32[PAGE_TABLE + head * ROW_WORDS + PREVIOUS] = page;
  i32[headWord] = page;
}

function checkBank(i32: Int32Array): BankReport {
  const firstPage = (PAGE_TABLE + ROW_WORDS * ((i32.length >>> PAGE_SHIFT) + 1) + PAGE_WORDS - 1) >>> PAGE_SHIFT;
  let usedWords = 0;
  let freeWords = 0;
  let freePages = 0;
  const fail = (page: number, what: string): never => {
    throw new Error(`bank check: page ${page}: ${what}`);
  };
  for (let page = firstPage; page < i32[TOP]!; ) {
    const row = PAGE_TABLE + page * ROW_WORDS;
    const kind = i32[row + KIND]!;
    if (kind > 0) {
      const size = SIZES[kind]!;
      let free = 0;
      for (let ref = i32[row + FREE_LIST]!; ref !== 0; ref = i32[ref]!) {
        if (ref >>> PAGE_SHIFT !== page || (ref - (page << PAGE_SHIFT)) % size !== 0) fail(page, 'free list leaves the page');
        if (++free > PER_PAGE[kind]!) fail(page, 'free list has a circle');
      }
      if (i32[row + LIVE]! + free !== i32[row + CUT]!) fail(page, 'live and free objects are not those that were cut');
      usedWords += i32[row + LIVE]! * size;
      freeWords += PAGE_WORDS - i32[row + LIVE]! * size;
      page++;
    } else if (kind === KIND_LARGE) {
      usedWords += i32[row + FREE_LIST]!;
      page += i32[row + LIVE]!;
    } else if (kind === KIND_FREE) {
      const length = i32[row + LIVE]!;
      if (length > 1 && i32[row + (length - 1) * ROW_WORDS + LIVE] !== length) fail(page, 'a free run ends elsewhere');
      freePages += length;
      freeWords += length << PAGE_SHIFT;
      page += length;
    } else {
      fail(page, 'a page that belongs to nothing');
    }
  }
  if (usedWords !== i32[USED]) fail(0, `used words are ${usedWords}, counted ${i32[USED]}`);
  let listed = 0;
  for (const [headWord, state] of [
    [FREE_RUNS, 0],
    [TRIMMED_RUNS, TRIMMED],
  ] as const) {
    for (let run = i32[headWord]!; run !== 0; run = i32[PAGE_TABLE + run * ROW_WORDS + NEXT]!) {
      if (i32[PAGE_TABLE + run * ROW_WORDS + CUT] !== state) fail(run, 'a free run in the list of the other state');
      listed += i32[PAGE_TABLE + run * ROW_WORDS + LIVE]!;
      if (listed > freePages) fail(run, 'the list of free runs has a circle');
    }
  }
  if (listed !== freePages) fail(0, `free runs hold ${listed} pages, found ${freePages}`);
  return { usedWords, freeWords, pages: i32[PAGES]! - firstPage, freePages, topPages: i32[TOP]! - firstPage };
}
