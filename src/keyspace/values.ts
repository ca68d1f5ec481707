/**
 * Values that aren't strings: what each type of collection tells the keyspace about itself, and how big values are
 * freed. Bits 16-19 of an entry's meta are the type, bits 20-23 the type's own number of the encoding; the entry's ref leads
 * to what that encoding says. A type's operations know a bank and a ref; they are called under the latch of the shard
 * that owns the value, or on a value that nobody can reach any more.
 *
 * A value of more than LAZY_ELEMENTS elements isn't freed by whoever deletes its key: it goes onto a list of its bank, and the
 * janitor frees it in steps. A note on that list:
 *
 *   word 0 next note    word 1 type, and encoding << 4    word 2 ref of the value    word 3 KiB that it stands for
 *
 * The lists' heads are in the control block. Anyone pushes with a compare-and-exchange; only the holder of the latch
 * GLOBAL_FREEING takes off: the janitor mostly.
 */
import type { Bank } from '../memory/bank.ts';
import type { Element } from '../structures/packed.ts';
import * as layout from './layout.ts';

export const TYPE_STRING = 0;
export const TYPE_LIST = 1;
export const TYPE_SET = 2;
export const TYPE_ZSET = 3;
export const TYPE_HASH = 4;
export const TYPE_STREAM = 5;
export const TYPE_NAMES = ['string', 'list', 'set', 'zset', 'hash', 'stream'] as const;

export class OutOfMemory extends Error {
  constructor() {
    super("OOM command not allowed when used memory > 'maxmemory'.");
  }
}

export interface ValueOperations {
  /** The encoding whose ref is the header of a dict (structures/dict.ts), if there is one. */
  readonly tableEncoding?: number;
  /** OBJECT ENCODING's word. */
  encodingName(bank: Bank, ref: number, encoding: number): string;
  /** Number of elements (of fields, for a hash). */
  length(bank: Bank, ref: number, encoding: number): number;
  /** Words that the value takes of its bank, in constant time or close to it. */
  usedWords(bank: Bank, ref: number, encoding: number): number;
  /** A copy with the same encoding in the same bank or another; 0 when there is no room, and then nothing is left there. */
  copy(bank: Bank, ref: number, encoding: number, to: Bank): number;
  /** Frees about `limit` elements; true when the value is gone. What is left is whole enough to be freed by further calls only. */
  freeSome(bank: Bank, ref: number, encoding: number, limit: number): boolean;
  /**
   * Lends every element in the value's own order: fields each before its value, members each before its score. The Element is
   * valid until the visitor returns.
   */
  walk(bank: Bank, ref: number, encoding: number, visit: (element: Element) => void): void;
  /** Throws where something in the value doesn't add up. */
  check(bank: Bank, ref: number, encoding: number): void;
  /** The value now belongs to a key of the shard at `head` (fields with an expiry are noted there); false without room. */
  attach?(words: Int32Array, head: number, bank: Bank, ref: number, encoding: number, keyHash: number): boolean;
  /** The value's key is about to go, or to get another value. */
  detach?(words: Int32Array, head: number, bank: Bank, ref: number, encoding: number): void;
}

const operations: (ValueOperations | undefined)[] = [];
/** Not 0 for the kinds (type and encoding << 4) of values whose ref is the header of a dict. */
export const TABLE_KINDS = new Uint8Array(256);

/** Makes a type's values known; done once as the module of the type loads. */
export function registerType(type: number, of: ValueOperations): void {
  operations[type] = of;
  if (of.tableEncoding !== undefined) TABLE_KINDS[type | (of.tableEncoding << 4)] = 1;
}
/** The operations of a type. Only strings have none. */
export function operationsOf(type: number): ValueOperations {
  return operations[type]!;
}

/** Up to so many elements are freed at once: what Redis's lazy freeing counts as small, too. */
const LAZY_ELEMENTS = 64;
/** Few enough that even code that V8 has never run before is through them in a part of a millisecond. */
const STEP_ELEMENTS = 64;
const NOTE_WORDS = 4;
const NEXT = 0;
const KIND = 1;
const REF = 2;
const KIB = 3;

/** Frees a value that no key leads to any more: at once if it's small, else by the janitor. `kind` is type and encoding << 4. */
export function releaseValue(control: Int32Array, bank: Bank, kind: number, ref: number): void {
  const of = operations[kind & 15]!;
  const encoding = kind >>> 4;
  if (of.length(bank, ref, encoding) > LAZY_ELEMENTS) {
    const note = bank.alloc(NOTE_WORDS);
    if (note !== 0) {
      const kib = of.usedWords(bank, ref, encoding) >>> 8;
      bank.i32[note + KIND] = kind;
      bank.i32[note + REF] = ref;
      bank.i32[note + KIB] = kib;
      Atomics.add(control, layout.GLOBAL_DETACHED_KIB, kib);
      pushNote(control, layout.DETACHED_VALUES_WORD + bank.index, bank.i32, note);
      return;
    }
  }
  while (!of.freeSome(bank, ref, encoding, STEP_ELEMENTS));
}

/** Puts a note in front of a list that others push to as well. */
export function pushNote(control: Int32Array, list: number, i32: Int32Array, note: number): void {
  for (;;) {
    const first = Atomics.load(control, list);
    i32[note + NEXT] = first;
    if (Atomics.compareExchange(control, list, first, note) === first) return;
  }
}
/** Takes a note off its list; only the holder of GLOBAL_FREEING does, so the notes behind the first one stay as they are. */
export function takeNote(control: Int32Array, list: number, i32: Int32Array, note: number): void {
  if (Atomics.compareExchange(control, list, note, i32[note + NEXT]!) === note) return;
  let before = Atomics.load(control, list);
  while (i32[before + NEXT] !== note) before = i32[before + NEXT]!;
  i32[before + NEXT] = i32[note + NEXT]!;
}

/** Frees detached values until `deadlineMs` of performance.now(); true when none is left. Called under the latch GLOBAL_FREEING. */
export function freeDetachedValues(control: Int32Array, banks: readonly Bank[], deadlineMs: number): boolean {
  for (const bank of banks) {
    const list = layout.DETACHED_VALUES_WORD + bank.index;
    for (let note = Atomics.load(control, list); note !== 0; note = Atomics.load(control, list)) {
      if (!freeNoted(bank, note, deadlineMs)) return false;
      takeNote(control, list, bank.i32, note);
      Atomics.sub(control, layout.GLOBAL_DETACHED_KIB, bank.i32[note + KIB]!);
      bank.free(note);
    }
  }
  return true;
}
function freeNoted(bank: Bank, note: number, deadlineMs: number): boolean {
  const kind = bank.i32[note + KIND]!;
  const ref = bank.i32[note + REF]!;
  const of = operations[kind & 15]!;
  do {
    if (of.freeSome(bank, ref, kind >>> 4, STEP_ELEMENTS)) return true;
  } while (performance.now() < deadlineMs);
  return false;
}
