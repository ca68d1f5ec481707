/**
 * A key as little-endian words, with its hash, in one pass over its bytes. The words are compared with those of an entry and
 * copied into a new one: a quarter of the steps that bytes need, and all the memory traffic of a key is here.
 */
import { hashBytes, mixBlock, mixTail, spread } from './hash.ts';

/** Longer keys are rare: they are hashed and compared byte by byte. */
export const MAX_WORD_KEY_BYTES = 255;

const BRACES = 0x7b7b7b7b;
const LOW_BITS = 0x01010101;
const HIGH_BITS = 0x80808080 | 0;

export class KeyWords {
  /** The words of the last key that `read` took, the last one filled up with zeros. */
  readonly words = new Int32Array((MAX_WORD_KEY_BYTES + 1) >>> 2);
  hash = 0;
  /** Whether a '{' may be in the key. */
  mayHaveTag = false;

  /** Reads bytes [start, end) of what `view` shows; at most MAX_WORD_KEY_BYTES of them. The hash is that of `hashBytes`. */
  read(view: DataView, start: number, end: number, seed: number): void {
    const { words } = this;
    const last = end - 3;
    let hash = seed ^ (end - start);
    let braces = 0;
    let at = start;
    let word = 0;
    for (; at < last; at += 4) {
      const block = view.getInt32(at, true);
      words[word++] = block;
      // A byte that equals '{' becomes 0, and only a zero byte (or one above it) borrows into its high bit.
      const zeroed = block ^ BRACES;
      braces |= (zeroed - LOW_BITS) & ~zeroed;
      hash = mixBlock(hash, block);
    }
    if (at < end) {
      let tail = view.getUint8(at);
      if (at + 1 < end) tail |= view.getUint8(at + 1) << 8;
      if (at + 2 < end) tail |= view.getUint8(at + 2) << 16;
      words[word] = tail;
      const zeroed = tail ^ BRACES;
      braces |= (zeroed - LOW_BITS) & ~zeroed;
      hash = mixTail(hash, tail);
    }
    this.hash = spread(hash);
    this.mayHaveTag = (braces & HIGH_BITS) !== 0;
  }

  /** The words alone, for a key whose hash is known. */
  copy(view: DataView, start: number, end: number, hash: number): void {
    const { words } = this;
    let at = start;
    let word = 0;
    for (const last = end - 3; at < last; at += 4) words[word++] = view.getInt32(at, true);
    if (at < end) {
      let tail = view.getUint8(at);
      if (at + 1 < end) tail |= view.getUint8(at + 1) << 8;
      if (at + 2 < end) tail |= view.getUint8(at + 2) << 16;
      words[word] = tail;
    }
    this.hash = hash;
  }

  /** The same for a key that lies in words already, from word `at` on; what follows it in its last word is cut off. */
  readWords(i32: Int32Array, at: number, lengthBytes: number, seed: number): void {
    const { words } = this;
    const whole = lengthBytes >>> 2;
    let hash = seed ^ lengthBytes;
    for (let word = 0; word < whole; word++) {
      const block = i32[at + word] as number;
      words[word] = block;
      hash = mixBlock(hash, block);
    }
    const rest = lengthBytes & 3;
    if (rest !== 0) {
      const tail = (i32[at + whole] as number) & ((1 << (rest * 8)) - 1);
      words[whole] = tail;
      hash = mixTail(hash, tail);
    }
    this.hash = spread(hash);
  }
}

const BRACE_OPEN = 123;
const BRACE_CLOSE = 125;

/** The hash that decides a key's shard: that of its `{tag}` when it has one, so that keys with one tag live together; else its own. */
export function tagHash(bytes: Uint8Array, start: number, end: number, seed: number, hash: number): number {
  for (let open = start; open < end; open++) {
    if (bytes[open] !== BRACE_OPEN) continue;
    let close = open + 1;
    while (close < end && bytes[close] !== BRACE_CLOSE) close++;
    if (close < end && close > open + 1) return hashBytes(bytes, open + 1, close, seed);
    break;
  }
  return hash;
}
