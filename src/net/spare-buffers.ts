/**
 * Buffers for the beginnings of requests whose ends are still to come, used again and again. A stream of requests leaves such a beginning
 * behind in nearly every piece that arrives, and the collector doesn't see how much memory a forgotten buffer has: at 4 KiB a piece,
 * they grew to a quarter of what loading a million fields took.
 */

const MAX_SPARE_BUFFERS = 64;
const MAX_SPARE_BYTES = 65536;

/** Buffers that nobody uses; those of one thread. */
const spares: Buffer[] = [];

/** A buffer of at least so many bytes, with anything in it. */
export function takeBuffer(bytes: number): Buffer {
  const spare = spares[spares.length - 1];
  if (spare === undefined || spare.length < bytes) return Buffer.allocUnsafeSlow(bytes);
  spares.length--;
  return spare;
}

/** Takes a buffer back that its user has forgotten. One that is large, or that there is no need for, is the collector's. */
export function giveBack(buffer: Buffer | null): void {
  if (buffer !== null && buffer.length <= MAX_SPARE_BYTES && spares.length < MAX_SPARE_BUFFERS) spares.push(buffer);
}
