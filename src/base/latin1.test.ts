import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latin1Of, putLatin1 } from './latin1.ts';

test('texts of any length and any bytes come back as they were', () => {
  for (let length = 0; length < 40; length++) {
    const bytes = Buffer.from(Array.from({ length: length + 2 }, (_, index) => (index * 37 + 200) & 255));
    const text = latin1Of(bytes, 1, length + 1);
    assert.equal(text, bytes.latin1Slice(1, length + 1));
    const into = Buffer.alloc(length + 5, 7);
    assert.equal(putLatin1(into, text, 2), length + 2);
    assert.deepEqual([...into], [7, 7, ...bytes.subarray(1, length + 1), 7, 7, 7]);
  }
});

test('digits, with zeros in front or none, come back as they were', () => {
  for (const text of ['0', '7', '00', '07', '10', '99', '000', '001', '010', '100', '999', '1000', '1 2', '-12', '1a', ':', '/']) {
    const bytes = Buffer.from(`x${text}x`, 'latin1');
    assert.equal(latin1Of(bytes, 1, text.length + 1), text);
  }
});
