import type { Bank } from '../memory/bank.ts';

/** An element of a collection as it's lent: the text's bytes from `start` to `end`, and the number if it was stored as one. */
export class Element {
  bytes: Uint8Array = new Uint8Array(0);
  /** The same bytes by words. */
  view = new DataView(this.bytes.buffer);
  start = 0;
  end = 0;
  isNumber = false;
  number = 0;
  /** Where the digits of numbers are written. */
  readonly digits: Buffer = Buffer.allocUnsafeSlow(32);
  private readonly digitsView = new DataView(this.digits.buffer);

  /** Bytes of a bank. */
  lend(bank: Bank, start: number, end: number): void {
    this.isNumber = false;
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.bytes !== bank.u8) {
      this.bytes = bank.u8;
      this.view = bank.view;
    }
    this.start = start;
    this.end = end;
  }
  /** A number whose `length` digits have been written. */
  lendDigits(number: number, length: number): void {
    this.isNumber = true;
    this.number = number;
    this.bytes = this.digits;
    this.view = this.digitsView;
    this.start = 0;
    this.end = length;
  }
}
