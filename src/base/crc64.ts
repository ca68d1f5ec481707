/**
 * The checksum behind Redis's serialized values: CRC-64 with the polynomial of David T. Jones (0xad93d23594c935a9), bits reversed, no
 * start value and no final one. Its 64 bits are two halves here: BigInt would cost an allocation a byte.
 */
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;
const POLYNOMIAL_HIGH = 0x95ac9329 | 0;
const LOW = new Int32Array(256);
const HIGH = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let low = byte;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const isOdd = (low & 1) === 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (!isOdd) continue;
    low ^= POLYNOMIAL_LOW;
    high ^= POLYNOMIAL_HIGH;
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}

/** The checksum of bytes[start, end), as eight bytes with the lowest first. */
export function crc64(bytes: Uint8Array, start: number, end: number): Buffer {
  let low = 0;
  let high = 0;
  for (let at = start; at < end; at++) {
    const place = (low ^ bytes[at]!) & 255;
    low = ((low >>> 8) | (high << 24)) ^ LOW[place]!;
    high = (high >>> 8) ^ HIGH[place]!;
  }
  const sum = Buffer.allocUnsafe(8);
  sum.writeInt32LE(low, 0);
  sum.writeInt32LE(high, 4);
  return sum;
}
