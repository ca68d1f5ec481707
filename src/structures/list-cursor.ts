/** A place in a list, for walks in both directions. */
import type { Bank } from '../memory/bank.ts';
import * as chunks from './list-chunk.ts';
import { lengthAt, offsetOf, printInteger } from './list-chunk.ts';

// The layout of a list's header, of which a seek reads these (deque.ts).
const ELEMENTS = 0;
const FIRST = 1;
const LAST = 2;
const PREVIOUS = chunks.PREVIOUS;
const NEXT = chunks.NEXT;
const COUNT = chunks.COUNT;
const FORM = chunks.FORM;
const UNIFORM_BYTES = chunks.UNIFORM_BYTES;
const START = chunks.START;
const END = chunks.END;
const HEADER_WORDS = chunks.HEADER_WORDS;
const UNIFORM = chunks.UNIFORM;
const INTEGERS = chunks.INTEGERS;
const MAX_INTEGER_DIGITS = chunks.MAX_INTEGER_DIGITS;

/**
 * A place in a list. `bytes[start, end)` is the element there, valid until the list changes or the cursor moves: an integer's digits
 * are the cursor's own.
 */
export class ListCursor {
  bytes: Uint8Array = new Uint8Array(0);
  /** The same bytes by words. */
  view = new DataView(this.bytes.buffer);
  start = 0;
  end = 0;
  /** 0 when the cursor has left the list. */
  chunk = 0;
  index = 0;
  private bank!: Bank;
  private offset = 0;
  private readonly digits = Buffer.allocUnsafeSlow(MAX_INTEGER_DIGITS);
  private readonly digitsView = new DataView(this.digits.buffer);

  /** Goes to an element by its index from the head, which must be in the list. */
  seek(bank: Bank, list: number, index: number): void {
    const { i32 } = bank;
    this.bank = bank;
    let chunk: number;
    let place = index;
    if (index <= i32[list + ELEMENTS]! >>> 1) {
      chunk = i32[list + FIRST]!;
      while (place >= i32[chunk + COUNT]!) {
        place -= i32[chunk + COUNT]!;
        chunk = i32[chunk + NEXT]!;
      }
    } else {
      chunk = i32[list + LAST]!;
      place = i32[list + ELEMENTS]! - index;
      while (place > i32[chunk + COUNT]!) {
        place -= i32[chunk + COUNT]!;
        chunk = i32[chunk + PREVIOUS]!;
      }
      place = i32[chunk + COUNT]! - place;
    }
    this.chunk = chunk;
    this.index = place;
    this.offset = offsetOf(bank, chunk, place);
    this.load();
  }
  next(): void {
    const { i32 } = this.bank;
    if (++this.index < i32[this.chunk + COUNT]!) {
      this.offset += i32[this.chunk + FORM] === INTEGERS ? 4 : this.end - this.start;
    } else {
      this.chunk = i32[this.chunk + NEXT]!;
      if (this.chunk === 0) return;
      this.index = 0;
      this.offset = i32[this.chunk + START]!;
    }
    this.load();
  }
  previous(): void {
    const { i32 } = this.bank;
    if (this.index > 0) {
      this.index--;
      this.offset -= lengthAt(this.bank, this.chunk, this.index);
    } else {
      this.chunk = i32[this.chunk + PREVIOUS]!;
      if (this.chunk === 0) return;
      this.index = i32[this.chunk + COUNT]! - 1;
      this.offset = i32[this.chunk + END]! - lengthAt(this.bank, this.chunk, this.index);
    }
    this.load();
  }
  /** How many elements from here on lie side by side and have this one's length; 1 where that isn't known. */
  get run(): number {
    const { i32 } = this.bank;
    return i32[this.chunk + FORM] === UNIFORM ? i32[this.chunk + COUNT]! - this.index : 1;
  }
  /** As `next`, over `count` elements of the run. */
  skip(count: number): void {
    this.index += count - 1;
    if (count > 1) {
      this.offset += (count - 1) * (this.end - this.start);
      this.start += (count - 1) * (this.end - this.start);
    }
    this.next();
  }
  /** Places the cursor on the element at a place of a chunk that the caller knows to be there. */
  place(bank: Bank, chunk: number, index: number): void {
    this.bank = bank;
    this.chunk = chunk;
    this.index = index;
    if (chunk === 0) return;
    this.offset = offsetOf(bank, chunk, index);
    this.load();
  }
  private load(): void {
    const { bank, chunk } = this;
    const { i32 } = bank;
    const form = i32[chunk + FORM]!;
    if (form === INTEGERS) {
      this.bytes = this.digits;
      this.view = this.digitsView;
      this.start = printInteger(i32[chunk + HEADER_WORDS + (this.offset >> 2)]!, this.digits);
      this.end = MAX_INTEGER_DIGITS;
      return;
    }
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.bytes !== bank.u8) {
      this.bytes = bank.u8;
      this.view = bank.view;
    }
    this.start = ((chunk + HEADER_WORDS) << 2) + this.offset;
    this.end = this.start + (form === UNIFORM ? i32[chunk + UNIFORM_BYTES]! : lengthAt(bank, chunk, this.index));
  }
}
