/**
 * MurmurHash64A (Austin Appleby, public domain; https://github.com/aappleby/smhasher) in pairs of 32-bit words, for HyperLogLogs whose
 * registers must be those of Redis. The result is left in `hashLow` and `hashHigh`, as signed words.
 */
const M_LOW = 0x5bd1e995;
const M_HIGH = 0xc6a4a793 | 0;

export let hashLow = 0;
export let hashHigh = 0;

let low = 0;
let high = 0;

/** The upper 32 bits of the product of two unsigned words. */
function upperProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536)) | 0;
}
/** (high, low) times the constant of the hash, modulo 2^64. */
function multiply(): void {
  const upper = upperProduct(low, M_LOW);
  high = (upper + Math.imul(high, M_LOW) + Math.imul(low, M_HIGH)) | 0;
  low = Math.imul(low, M_LOW);
}

/** Hashes bytes[start, end) with a seed of 32 bits. */
export function murmur64(bytes: Uint8Array, start: number, end: number, seed: number): void {
  low = end - start;
  high = 0;
  multiply();
  let stateLow = low ^ seed;
  let stateHigh = high;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    high = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    multiply();
    low ^= high >>> 15;
    multiply();
    low ^= stateLow;
    high ^= stateHigh;
    multiply();
    stateLow = low;
    stateHigh = high;
  }
  if (at < end) {
    for (let shift = 0; at < end; at++, shift += 8) {
      if (shift < 32) stateLow ^= bytes[at]! << shift;
      else stateHigh ^= bytes[at]! << (shift - 32);
    }
    low = stateLow;
    high = stateHigh;
    multiply();
    stateLow = low;
    stateHigh = high;
  }
  low = stateLow ^ (stateHigh >>> 15);
  high = stateHigh;
  multiply();
  low ^= high >>> 15;
  hashLow = low;
  hashHigh = high;
}
