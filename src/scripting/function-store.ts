/**
 * The libraries of functions that all threads share, in one buffer and in blocks of the banks:
 *
 *   word 0 LATCH (and 1 its waiters)   guards all the others; EPOCH and the counts are read without it, too
 *   word 2 EPOCH       counts changes: who has read the libraries at this number needn't read them again
 *   word 3 LIBRARIES   word 4 FUNCTIONS   word 5 WORDS   how many there are, and what their blocks hold
 *   word 6 TOP         rows that were ever used
 *   word 16 ...        a row of 8 words a library: BANK + 1 (0: none), REF, the block's words, its functions, VERSION (EPOCH when it came)
 *
 * A library's block: the bytes of its description and of its code in two words, then the description (JSON) and the code, both latin1.
 *
 * A change is made of steps that can't fail: `stage` has put new libraries into blocks before. Who changes something holds the key lock
 * LIBRARIES_LOCK until its effects are in the log, so the log's order is the order of changes; whoever reads takes the latch alone.
 */
import type { LibraryInfo } from '../commands/services.ts';
import * as layout from '../keyspace/layout.ts';
import type { Bank } from '../memory/bank.ts';
import { SharedStore } from './shared-store.ts';

/** The last of all key locks: whoever wants it on top of others waits in order. */
export const LIBRARIES_LOCK = layout.LOCK_WORD + layout.LOCK_STRIPES - 1;

const LATCH = 0;
const EPOCH = 2;
const LIBRARIES = 3;
const FUNCTIONS = 4;
const WORDS = 5;
const TOP = 6;
const ROWS = 16;
const ROW_WORDS = 8;
const BANK = 0;
const REF = 1;
const SIZE = 2;
const COUNT = 3;
const VERSION = 4;
export const MAX_LIBRARIES = 16384;
const HEADER_WORDS = 2;

export type Library = LibraryInfo;
type Block = { readonly bank: Bank; readonly ref: number; readonly words: number };
/** A step of a change: a library that takes the place of the one of its name, or (without a block) that one's end. */
export type LibraryStep = { readonly name: string; readonly functions: number; readonly block: Block | null };

export function createFunctionState(): SharedArrayBuffer {
  return new SharedArrayBuffer((ROWS + MAX_LIBRARIES * ROW_WORDS) * 4);
}

export class FunctionStore extends SharedStore {
  /** What was read of each row, while its version is still the same. */
  private readonly known: ({ readonly version: number; readonly library: Library } | undefined)[] = [];

  constructor(state: SharedArrayBuffer, banks: readonly Bank[]) {
    super(state, banks, { latch: LATCH, epoch: EPOCH, blockWords: WORDS });
  }
  get libraries(): number {
    return Atomics.load(this.words, LIBRARIES);
  }
  get functions(): number {
    return Atomics.load(this.words, FUNCTIONS);
  }

  /** All libraries, and the epoch that they are of. A library that hasn't changed is the same object as before. */
  read(): { libraries: Library[]; epoch: number } {
    return this.latched(() => {
      const { words, known } = this;
      const libraries: Library[] = [];
      for (let row = 0; row < words[TOP]!; row++) {
        const at = ROWS + row * ROW_WORDS;
        if (words[at + BANK] === 0) {
          known[row] = undefined;
          continue;
        }
        const version = words[at + VERSION]!;
        if (known[row]?.version !== version) known[row] = { version, library: this.decode(at) };
        libraries.push(known[row]!.library);
      }
      return { libraries, epoch: words[EPOCH]! };
    });
  }
  /** As `read`, by name. */
  all(): Library[] {
    return this.read().libraries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  private decode(at: number): Library {
    const { words } = this;
    const bank = this.banks[words[at + BANK]! - 1]!;
    const ref = words[at + REF]!;
    const start = (ref + HEADER_WORDS) << 2;
    const middle = start + bank.i32[ref]!;
    const description = JSON.parse(bank.u8.latin1Slice(start, middle)) as Omit<Library, 'code'>;
    return { ...description, code: bank.u8.latin1Slice(middle, middle + bank.i32[ref + 1]!) };
  }

  /** Puts a library into a block, for `apply` or `release`. Null when there is no room. */
  stage(library: Library): LibraryStep | null {
    const { code, ...rest } = library;
    const description = JSON.stringify(rest);
    const words = HEADER_WORDS + ((description.length + code.length + 3) >>> 2);
    const bank = this.banks[(description.length * 31 + code.length) % this.banks.length]!;
    const ref = bank.alloc(words);
    if (ref === 0) return null;
    bank.i32[ref] = description.length;
    bank.i32[ref + 1] = code.length;
    const middle = ((ref + HEADER_WORDS) << 2) + bank.u8.latin1Write(description, (ref + HEADER_WORDS) << 2);
    bank.u8.latin1Write(code, middle);
    return { name: library.name, functions: library.functions.length, block: { bank, ref, words } };
  }
  /** What was staged isn't wanted after all. */
  release(steps: readonly LibraryStep[]): void {
    for (const { block } of steps) block?.bank.free(block.ref);
  }
  /** Makes the steps, all at once for whoever reads. The lock LIBRARIES_LOCK is held. */
  apply(steps: readonly LibraryStep[]): void {
    const places = new Map<string, number>();
    // Names are in the blocks: they are read before the latch is taken again, and nobody else changes anything.
    this.read();
    this.known.forEach((each, row) => {
      if (each !== undefined) places.set(each.library.name, row);
    });
    this.latched(() => {
      for (const step of steps) {
        const row = places.get(step.name);
        if (row !== undefined) this.remove(row);
        places.delete(step.name);
        if (step.block !== null) places.set(step.name, this.insert(step.block, step.functions));
      }
      Atomics.add(this.words, EPOCH, 1);
    });
  }
  private remove(row: number): void {
    const { words } = this;
    const at = ROWS + row * ROW_WORDS;
    this.banks[words[at + BANK]! - 1]!.free(words[at + REF]!);
    words[at + BANK] = 0;
    words[LIBRARIES]!--;
    words[FUNCTIONS]! -= words[at + COUNT]!;
    words[WORDS]! -= words[at + SIZE]!;
    this.known[row] = undefined;
  }
  private insert(block: Block, functions: number): number {
    const { words } = this;
    let row = 0;
    while (row < words[TOP]! && words[ROWS + row * ROW_WORDS + BANK] !== 0) row++;
    if (row === words[TOP]) words[TOP]!++;
    const at = ROWS + row * ROW_WORDS;
    words[at + BANK] = block.bank.index + 1;
    words[at + REF] = block.ref;
    words[at + SIZE] = block.words;
    words[at + COUNT] = functions;
    words[at + VERSION] = words[EPOCH]! + 1;
    words[LIBRARIES]!++;
    words[FUNCTIONS]! += functions;
    words[WORDS]! += block.words;
    return row;
  }
}
