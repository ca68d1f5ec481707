/**
 * Unpacks what Marc Lehmann's LibLZF has packed, the compression of strings in RDB files and dumps:
 *
 *   000LLLLL, L + 1 bytes                    the bytes as they are
 *   LLLooooo oooooooo                        L + 2 bytes from o + 1 places back, which may overlap what is written
 *   111ooooo LLLLLLLL oooooooo               L + 9 bytes from there
 */
const LITERAL_LIMIT = 32;
const LONG = 7;

/** The `size` bytes that bytes[start, end) hold, or null when they don't hold exactly that. */
export function unpackLzf(bytes: Uint8Array, start: number, end: number, size: number): Buffer | null {
  const out = Buffer.allocUnsafe(size);
  let at = start;
  let to = 0;
  while (at < end) {
    const control = bytes[at++]!;
    if (control < LITERAL_LIMIT) {
      const count = control + 1;
      if (at + count > end || to + count > size) return null;
      out.set(bytes.subarray(at, at + count), to);
      at += count;
      to += count;
      continue;
    }
    let count = control >>> 5;
    if (count === LONG) {
      if (at >= end) return null;
      count += bytes[at++]!;
    }
    count += 2;
    if (at >= end) return null;
    let from = to - ((control & 31) << 8) - bytes[at++]! - 1;
    if (from < 0 || to + count > size) return null;
    for (const stop = to + count; to < stop; ) out[to++] = out[from++]!;
  }
  return to === size ? out : null;
}
