/**
 * The LRU order across threads is a count of uses: each turn of a session claims as many stamps as it runs commands, with one
 * atomic add. Stamps are compared with serial-number arithmetic. To tell how long ago a stamp was (OBJECT IDLETIME), the janitor
 * notes the counter once a second; the notes of the older half are thinned out when the ring is full.
 *
 *   word 0 count, then pairs [stamp, second]; one writer (the janitor), readers tolerate a note that is being written:
 *   they see the pair before it, a second earlier.
 */
const CAPACITY = 4096;
export const LRU_CLOCK_WORDS = 1 + CAPACITY * 2;

/** True when stamp a is older than b, for stamps less than 2^31 uses apart. */
export function isOlder(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export function noteSecond(words: Int32Array, stamp: number, second: number): void {
  let count = words[0]!;
  if (count > 0 && words[count * 2 - 1] === stamp) return;
  if (count === CAPACITY) {
    const half = CAPACITY / 2;
    let to = 0;
    for (let from = 0; from < half; from += 2) {
      words[1 + to * 2] = words[1 + from * 2]!;
      words[2 + to * 2] = words[2 + from * 2]!;
      to++;
    }
    words.copyWithin(1 + to * 2, 1 + half * 2, 1 + CAPACITY * 2);
    count = to + half;
    Atomics.store(words, 0, count);
  }
  words[1 + count * 2] = stamp;
  words[2 + count * 2] = second;
  Atomics.store(words, 0, count + 1);
}

/** The second (since 1970) in which the stamp was claimed, at the latest; `now` when it is newer than the last note. */
export function secondOf(words: Int32Array, stamp: number, now: number): number {
  const count = Atomics.load(words, 0);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isOlder(words[1 + middle * 2]!, stamp)) low = middle + 1;
    else high = middle;
  }
  return low === count ? now : words[2 + low * 2]!;
}
