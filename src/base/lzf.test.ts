import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpackLzf } from './lzf.ts';

const unpack = (hex: string, size: number): string | null => {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return unpackLzf(bytes, 0, bytes.length, size)?.toString('latin1') ?? null;
};

test('bytes as they are, short and long references, and one that overlaps what it writes', () => {
  assert.equal(unpack('02 616263', 3), 'abc');
  assert.equal(unpack('02 616263 20 02', 6), 'abcabc');
  assert.equal(unpack('00 61 e0 03 00', 13), 'a'.repeat(13));
});

test('what is damaged is refused', () => {
  for (const [hex, size] of [
    ['02 6162', 3],
    ['02 616263', 2],
    ['02 616263', 4],
    ['00 61 20', 4],
    ['00 61 20 01', 4],
    ['00 61 e0', 12],
    ['00 61 e0 ff 00', 4],
  ] as const) {
    assert.equal(unpack(hex, size), null, hex);
  }
});
