/**
 * A readers-writer latch in two words of shared memory, for nanoseconds of work.
 *
 *   word +0 state: 0 free, -1 a writer, n > 0 readers        word +1: threads that wait with Atomics.wait
 *
 * Who writes: anyone, by compare-and-exchange from 0 or n; the holder gives it back. A reactor only tries, and parks the session
 * on a refusal; other threads may wait. The latch isn't reentrant and not fair: what it guards takes well under a microsecond.
 */
const SPINS = 64;
const WAIT_MS = 10;
const WRITER = -1;

export function tryExclusive(words: Int32Array, at: number): boolean {
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.compareExchange(words, at, 0, WRITER) === 0) return true;
  }
  return false;
}
export function exclusive(words: Int32Array, at: number): void {
  while (!tryExclusive(words, at)) wait(words, at);
}
/** The waiters' word is read without an atomic: who adds itself after that read waits for WAIT_MS at most. */
export function releaseExclusive(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0);
  if (words[at + 1] !== 0) Atomics.notify(words, at);
}
export function tryShared(words: Int32Array, at: number): boolean {
  for (let spin = 0; spin < SPINS; spin++) {
    // A guess, which the exchange checks.
    const readers = words[at]!;
    if (readers >= 0 && Atomics.compareExchange(words, at, readers, readers + 1) === readers) return true;
  }
  return false;
}
export function shared(words: Int32Array, at: number): void {
  while (!tryShared(words, at)) wait(words, at);
}
export function releaseShared(words: Int32Array, at: number): void {
  if (Atomics.sub(words, at, 1) === 1 && words[at + 1] !== 0) Atomics.notify(words, at);
}
/** The time-out bounds what a wake-up that was missed can cost. */
function wait(words: Int32Array, at: number): void {
  Atomics.add(words, at + 1, 1);
  const state = Atomics.load(words, at);
  if (state !== 0) Atomics.wait(words, at, state, WAIT_MS);
  Atomics.sub(words, at + 1, 1);
}
