import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc64 } from './crc64.ts';

test('the check value of the polynomial, and the checksum of nothing', () => {
  const digits = Buffer.from('x123456789y');
  assert.equal(crc64(digits, 1, 10).toString('hex'), 'cad9b8c414d9c6e9');
  assert.equal(crc64(digits, 0, 0).toString('hex'), '0000000000000000');
});
