/**
 * The hash of a key: four bytes a step, multiply and rotate, and the finalizer of MurmurHash3
 * (Austin Appleby, public domain; https://github.com/aappleby/smhasher/wiki/MurmurHash3). The seed is drawn at
 * start, so that a client can't prepare keys that fall into one bucket.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    hash = mixBlock(hash, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  }
  if (at < end) {
    let tail = bytes[at]!;
    if (at + 1 < end) tail |= bytes[at + 1]! << 8;
    if (at + 2 < end) tail |= bytes[at + 2]! << 16;
    hash = mixTail(hash, tail);
  }
  return spread(hash);
}

/** The same for bytes that begin at a word of `i32`; what follows them in their last word doesn't count. */
export function hashWords(i32: Int32Array, word: number, lengthBytes: number, seed: number): number {
  let hash = seed ^ lengthBytes;
  const whole = word + (lengthBytes >>> 2);
  for (let at = word; at < whole; at++) hash = mixBlock(hash, i32[at]!);
  const rest = lengthBytes & 3;
  if (rest !== 0) hash = mixTail(hash, i32[whole]! & ((1 << (rest * 8)) - 1));
  return spread(hash);
}

/** One step: four bytes as a little-endian word. */
export function mixBlock(hash: number, word: number): number {
  let block = Math.imul(word, 0xcc9e2d51);
  block = Math.imul((block << 15) | (block >>> 17), 0x1b873593);
  const mixed = hash ^ block;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
/** The last step: one to three bytes that are left. */
export function mixTail(hash: number, bytes: number): number {
  const tail = Math.imul(bytes, 0xcc9e2d51);
  return hash ^ Math.imul((tail << 15) | (tail >>> 17), 0x1b873593);
}
/** Spreads what the steps left over all bits. */
export function spread(mixed: number): number {
  let hash = mixed ^ (mixed >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
