/** What all threads share and change under one latch: words of a buffer, and blocks of the banks that they lead to. */
import type { Bank } from '../memory/bank.ts';
import { exclusive, releaseExclusive } from '../memory/latch.ts';

/** Which words of the buffer are the latch, the count of changes, and the count of words in blocks. */
export type StorePlaces = { readonly latch: number; readonly epoch: number; readonly blockWords: number };

export class SharedStore {
  protected readonly words: Int32Array;
  protected readonly banks: readonly Bank[];
  private readonly places: StorePlaces;

  constructor(state: SharedArrayBuffer, banks: readonly Bank[], places: StorePlaces) {
    this.words = new Int32Array(state);
    this.banks = banks;
    this.places = places;
  }
  /** Changes when what a thread has read of the store, or made of it, is to be looked at again. */
  get epoch(): number {
    return Atomics.load(this.words, this.places.epoch);
  }
  get bytes(): number {
    return Atomics.load(this.words, this.places.blockWords) * 4;
  }
  protected latched<T>(body: () => T): T {
    const { words, places } = this;
    exclusive(words, places.latch);
    try {
      return body();
    } finally {
      releaseExclusive(words, places.latch);
    }
  }
}
