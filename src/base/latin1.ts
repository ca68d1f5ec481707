/** Bytes to strings of one character a byte, and back, for the short ones that scripts are full of: a call that copies costs more. */

const SINGLE: readonly string[] = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
/** Up to here characters are put together one by one: each step copies what there is. */
const MAX_JOINED = 3;
/** Up to here a string's characters are stored one by one. */
const MAX_STORED = 12;

export function latin1Of(bytes: Buffer, start: number, end: number): string {
  if (end - start > MAX_JOINED) return bytes.latin1Slice(start, end);
  let text = '';
  for (let at = start; at < end; at++) text += SINGLE[bytes[at] as number] as string;
  return text;
}
/** Stores the text's characters from `at` on, for which there is room; returns the place behind. */
export function putLatin1(bytes: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > MAX_STORED) return at + bytes.latin1Write(text, at);
  for (let index = 0; index < length; index++) bytes[at + index] = text.charCodeAt(index);
  return at + length;
}
