/** Below zero when the first bytes stand before the second ones, zero when they are equal: by bytes, a prefix first. */
export function compareBytes(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const both = aLength < bLength ? aLength : bLength;
  for (let index = 0; index < both; index++) {
    const difference = a[aStart + index]! - b[bStart + index]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
