/**
 * Background work in slices, so that it holds nobody up: where there are fewer cores than threads, a thread that has worked for long is put
 * aside by the scheduler in the middle of something, and those that it kept from a core wait for as long. One that rests by itself every
 * now and then, with no latch in its hands, is waited for no longer than a slice.
 */

/** Well below the millisecond that nobody is to be held up for. */
const SLICE_MS = 0.4;
/** Whoever wants the core has it meanwhile; if nobody does, little time is lost. */
const REST_MS = 0.1;

export class Slices {
  /** The longest slice so far, in microseconds of work: what kept the thread from its core doesn't count. */
  longestMicros = 0;
  private readonly words: Int32Array;
  private readonly word: number;

  /** A rest ends early when the word isn't 0 any more. */
  constructor(words: Int32Array, word: number) {
    this.words = words;
    this.word = word;
  }

  /** Calls `step` with the time that it's to end by, until it returns true or so many milliseconds have passed; true in the first case. */
  run(budgetMs: number, step: (deadlineMs: number) => boolean): boolean {
    const endMs = performance.now() + budgetMs;
    for (;;) {
      const before = process.threadCpuUsage();
      const isDone = step(performance.now() + SLICE_MS);
      const { user, system } = process.threadCpuUsage(before);
      this.longestMicros = Math.max(this.longestMicros, user + system);
      if (isDone) return true;
      if (performance.now() >= endMs) return false;
      Atomics.wait(this.words, this.word, 0, REST_MS);
    }
  }
}
