/** Bytes to strings of one character a byte, and back, for the short ones that scripts are full of: a call that copies costs more. */

/** Up to here a string is made of its codes: by a third of what `latin1Slice` takes. */
const MAX_CODES = 24;
/** Up to here a string's characters are stored one by one. */
const MAX_STORED = 12;
/** Integers below this have a string of their own each, which is as good as any other. */
const MAX_SMALL = 1000;
const SMALL: readonly string[] = Array.from({ length: MAX_SMALL }, (_, number) => String(number));
const ZERO = 48;

/**
 * String.fromCharCode of as many bytes as there are, written out for each number of them: V8 makes the string of them at once, where
 * putting it together one by one would copy it each time.
 */
const ofCodes = new Function(
  'bytes',
  'start',
  'length',
  `switch (length) {${Array.from({ length: MAX_CODES + 1 }, (_, length) => {
    const codes = Array.from({ length }, (__, index) => `bytes[start + ${index}]`).join(', ');
    return `case ${length}: return String.fromCharCode(${codes});`;
  }).join('')}}`,
) as (bytes: Uint8Array, start: number, length: number) => string;

export function latin1Of(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > MAX_CODES) return bytes.latin1Slice(start, end);
  return length > 0 && length <= 3 ? ofFew(bytes, start, length) : ofCodes(bytes, start, length);
}
/** One to three bytes, which are a counter's digits as often as not. */
function ofFew(bytes: Uint8Array, start: number, length: number): string {
  let number = 0;
  for (let at = start; at < start + length; at++) {
    const digit = (bytes[at] as number) - ZERO;
    // No zero in front, but for 0 itself.
    if (digit < 0 || digit > 9 || (number === 0 && at > start)) return ofCodes(bytes, start, length);
    number = number * 10 + digit;
  }
  return SMALL[number] as string;
}
/** Stores the text's characters from `at` on, for which there is room; returns the place behind. */
export function putLatin1(bytes: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > MAX_STORED) return at + bytes.latin1Write(text, at);
  for (let index = 0; index < length; index++) bytes[at + index] = text.charCodeAt(index);
  return at + length;
}
