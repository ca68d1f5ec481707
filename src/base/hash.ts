/**
 * The hash of a key: four bytes a step, multiply and rotate, and the finalizer of MurmurHash3
 * (Austin Appleby, public domain; https://github.com/aappleby/smhasher/wiki/MurmurHash3). The seed is drawn at
 * start, so that a client can't prepare keys that fall into one bucket.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    let block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    block = Math.imul(block, 0xcc9e2d51);
    block = Math.imul((block << 15) | (block >>> 17), 0x1b873593);
    hash ^= block;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (at < end) {
    let tail = bytes[at]!;
    if (at + 1 < end) tail |= bytes[at + 1]! << 8;
    if (at + 2 < end) tail |= bytes[at + 2]! << 16;
    tail = Math.imul(tail, 0xcc9e2d51);
    hash ^= Math.imul((tail << 15) | (tail >>> 17), 0x1b873593);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
