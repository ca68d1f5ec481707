/**
 * The scripts that a reactor has met lately, found by the bytes of EVAL's text or of EVALSHA's digest as they stand in a request: no
 * string is made of them. Mostly it's the script that came last, and only its words are compared.
 */
import { mixBlock, spread } from '../base/hash.ts';
import type { Chunk } from '../lua/engine.ts';
import type { LibraryFunction } from './function-library.ts';
import type { ScriptFlags } from './script-source.ts';
import type { Counted } from './script-stats.ts';

/** Longer texts are never looked for: they take their time to compile, and their scripts are seldom short. */
export const MAX_TEXT_BYTES = 16384;
/** A table as full as that is begun anew. */
const MAX_SCRIPTS = 1024;
const MAX_BYTES = 4194304;
/** Texts up to here are compared word by word, longer ones by a call. */
const MAX_WORDS = 64;
/** So many words of a text, evenly spread, make its hash. */
const HASHED_WORDS = 32;

export type CompiledScript = Counted & { readonly chunk: Chunk; readonly flags: ScriptFlags };

export class KnownScript {
  readonly isSha: boolean;
  readonly text: Buffer;
  /** The text as little-endian words; the bytes of the last word that isn't whole are left out. */
  readonly words: Int32Array;
  /** How often it was asked for while it wasn't compiled. */
  seen = 0;
  /** Compiled on this thread, or null. */
  script: CompiledScript | LibraryFunction | null = null;
  /** So many of its next runs aren't for this thread, and how many they'll be after the next run that was given up. */
  resting = 0;
  penalty: number;
  /** Runs in a row that came to their end here. */
  streak = 0;

  constructor(isSha: boolean, text: Buffer, penalty: number) {
    this.isSha = isSha;
    this.text = text;
    this.penalty = penalty;
    const view = new DataView(text.buffer, text.byteOffset, text.length);
    this.words = Int32Array.from({ length: text.length >>> 2 }, (_, word) => view.getInt32(word * 4, true));
  }
}

export class KnownScripts {
  private readonly byHash = new Map<number, KnownScript>();
  private bytes = 0;
  private last: KnownScript | null = null;
  private viewed: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private readonly firstPenalty: number;

  constructor(firstPenalty: number) {
    this.firstPenalty = firstPenalty;
  }
  clear(): void {
    this.byHash.clear();
    this.last = null;
    this.bytes = 0;
  }

  /** The script whose text or digest is bytes[start, end); a new one when it's met for the first time. Null for what is too long. */
  find(bytes: Buffer, start: number, end: number, isSha: boolean): KnownScript | null {
    if (end - start > MAX_TEXT_BYTES) return null;
    if (this.viewed !== bytes) {
      this.viewed = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const { last } = this;
    if (last !== null && last.isSha === isSha && this.isSame(last, bytes, start, end)) return last;
    const hash = hashOf(this.view, start, end) ^ (isSha ? 1 : 0);
    let known = this.byHash.get(hash);
    // Of two texts with one hash the later one is kept.
    if (known === undefined || known.isSha !== isSha || !this.isSame(known, bytes, start, end)) {
      known = this.add(hash, new KnownScript(isSha, Buffer.from(bytes.subarray(start, end)), this.firstPenalty));
    }
    this.last = known;
    return known;
  }
  private add(hash: number, known: KnownScript): KnownScript {
    this.bytes += known.text.length;
    if (this.byHash.size >= MAX_SCRIPTS || this.bytes > MAX_BYTES) this.clear();
    this.byHash.set(hash, known);
    return known;
  }
  private isSame(known: KnownScript, bytes: Buffer, start: number, end: number): boolean {
    const { text, words } = known;
    const { length } = text;
    if (end - start !== length) return false;
    if (words.length > MAX_WORDS) return text.compare(bytes, start, end) === 0;
    const { view } = this;
    let at = start;
    let word = 0;
    // Four at a time: mostly it's the same text, and then each branch is one too many.
    for (const last = words.length - 3; word < last; word += 4, at += 16) {
      const low = (view.getInt32(at, true) ^ words[word]!) | (view.getInt32(at + 4, true) ^ words[word + 1]!);
      const high = (view.getInt32(at + 8, true) ^ words[word + 2]!) | (view.getInt32(at + 12, true) ^ words[word + 3]!);
      if ((low | high) !== 0) return false;
    }
    for (; word < words.length; word++, at += 4) if (view.getInt32(at, true) !== words[word]) return false;
    for (; at < end; at++) if (bytes[at] !== text[at - start]) return false;
    return true;
  }
}

function hashOf(view: DataView, start: number, end: number): number {
  const step = Math.max(4, Math.floor((end - start) / HASHED_WORDS));
  let hash = end - start;
  for (let at = start; at + 4 <= end; at += step) hash = mixBlock(hash, view.getInt32(at, true));
  return spread(hash);
}
