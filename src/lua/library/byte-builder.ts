/**
 * A string put together from many pieces in one buffer: cheaper than joining them when there are hundreds of thousands, and the
 * result is flat. Builders are reused; one that is busy (a callback that builds a string itself) makes way for a new one.
 */
import { reserveMemory } from '../runtime/meter.ts';

const FIRST_BYTES = 65_536;
const KEEP_BYTES = 4 * 1024 * 1024;
/** Up to here a loop over characters beats a call that writes them all. */
const SHORT_BYTES = 24;

const QUOTE = 34;
/** An integer below 10^9, which addInteger can write, and four places. */
const MAX_SCALED = 1e13;

/** What stands for each byte in a quoted text, undefined for itself, and which bytes those are. */
export type Escapes = { readonly replacements: readonly (string | undefined)[]; readonly isEscaped: Uint8Array };

export class ByteBuilder {
  length = 0;
  private buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);

  /** What was added, until more is. */
  get bytes(): Uint8Array {
    return this.buffer;
  }

  /** Adds text[from, to). */
  add(text: string, from: number, to: number): void {
    const size = to - from;
    const at = this.length;
    if (at + size > this.buffer.length) this.grow(size);
    const { buffer } = this;
    if (size > SHORT_BYTES) buffer.latin1Write(from === 0 && to === text.length ? text : text.slice(from, to), at);
    else for (let offset = 0; offset < size; offset++) buffer[at + offset] = text.charCodeAt(from + offset);
    this.length = at + size;
  }
  /** Adds bytes[from, to), each as `mapped` has it. */
  addMapped(bytes: Uint8Array, from: number, to: number, mapped: Uint8Array): void {
    const size = to - from;
    if (this.length + size > this.buffer.length) this.grow(size);
    const { buffer, length } = this;
    for (let offset = 0; offset < size; offset++) buffer[length + offset] = mapped[bytes[from + offset] as number] as number;
    this.length = length + size;
  }
  /** Adds bytes[from, to). */
  addBytes(bytes: Uint8Array, from: number, to: number): void {
    const size = to - from;
    if (this.length + size > this.buffer.length) this.grow(size);
    const { buffer, length } = this;
    if (size > SHORT_BYTES) buffer.set(bytes.subarray(from, to), length);
    else for (let offset = 0; offset < size; offset++) buffer[length + offset] = bytes[from + offset] as number;
    this.length = length + size;
  }
  addByte(byte: number): void {
    if (this.length === this.buffer.length) this.grow(1);
    this.buffer[this.length++] = byte;
  }
  /** Adds a text between quotes. `escapes` has, by byte, what stands for it, undefined for itself; at most six bytes each. */
  addQuoted(text: string, escapes: Escapes): void {
    const { length } = text;
    if (this.length + length * 6 + 2 > this.buffer.length) this.grow(length * 6 + 2);
    const { buffer } = this;
    const { isEscaped } = escapes;
    const start = this.length + 1;
    buffer[start - 1] = QUOTE;
    let at = 0;
    if (length > SHORT_BYTES) {
      buffer.latin1Write(text, start);
      while (at < length && isEscaped[buffer[start + at] as number] === 0) at++;
    } else {
      for (; at < length; at++) {
        const code = text.charCodeAt(at);
        if (isEscaped[code] !== 0) break;
        buffer[start + at] = code;
      }
    }
    const end = at === length ? start + length : this.addEscaped(text, at, start + at, escapes);
    buffer[end] = QUOTE;
    this.length = end + 1;
  }
  /** A text from its first escaped character on. Returns where its end lies in the buffer, which has room for it. */
  private addEscaped(text: string, from: number, start: number, { replacements }: Escapes): number {
    const { buffer } = this;
    let at = start;
    for (let index = from; index < text.length; index++) {
      const code = text.charCodeAt(index);
      const replacement = replacements[code];
      if (replacement === undefined) buffer[at++] = code;
      else for (let offset = 0; offset < replacement.length; offset++) buffer[at++] = replacement.charCodeAt(offset);
    }
    return at;
  }
  /** Adds the digits of an integer from 0 to 2^31 - 1. */
  addInteger(value: number): void {
    if (this.length + 10 > this.buffer.length) this.grow(10);
    const { buffer } = this;
    let size = 1;
    for (let rest = (value / 10) | 0; rest > 0; rest = (rest / 10) | 0) size++;
    let rest = value;
    for (let at = this.length + size - 1; at >= this.length; at--) {
      const quotient = (rest / 10) | 0;
      buffer[at] = 48 + rest - quotient * 10;
      rest = quotient;
    }
    this.length += size;
  }
  /** Adds a decimal fraction as "%.14g" prints it, when it has at most four places and thirteen digits. False when it has more. */
  addFraction(value: number): boolean {
    // A double that is an integer after this is the closest one to a decimal of four places, so its first 14 digits are that decimal's.
    const scaled = (value < 0 ? -value : value) * 10_000;
    if (!(scaled < MAX_SCALED) || Math.floor(scaled) !== scaled || scaled === 0) return false;
    if (value < 0) this.addByte(45);
    const whole = Math.floor(scaled / 10_000);
    let places = scaled - whole * 10_000;
    this.addInteger(whole);
    if (places === 0) return true;
    this.addByte(46);
    for (let unit = 1_000; places > 0; unit /= 10) {
      const digit = Math.floor(places / unit);
      this.addByte(48 + digit);
      places -= digit * unit;
    }
    return true;
  }
  addText(text: string): void {
    this.add(text, 0, text.length);
  }
  private grow(bytes: number): void {
    const size = Math.max(this.buffer.length * 2, this.length + bytes);
    reserveMemory(size);
    const larger = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
  toString(): string {
    return this.buffer.latin1Slice(0, this.length);
  }
  /** Ready for the next string. */
  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }
}

const idle: ByteBuilder[] = [];
function lend<T>(use: (builder: ByteBuilder) => T): T {
  const builder = idle.pop() ?? new ByteBuilder();
  try {
    return use(builder);
  } finally {
    builder.reset();
    idle.push(builder);
  }
}
/** Lends a builder to `build` and returns what it has put together. */
export function buildText(build: (builder: ByteBuilder) => void): string {
  return lend((builder) => {
    build(builder);
    reserveMemory(builder.length);
    return builder.toString();
  });
}
/** Lends a text's bytes to `use`. */
export function withBytes(text: string, use: (bytes: Uint8Array) => void): void {
  lend((builder) => {
    builder.addText(text);
    use(builder.bytes);
  });
}
