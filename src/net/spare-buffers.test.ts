import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, takeBuffer } from './spare-buffers.ts';

test('buffers are used again, by one user at a time', () => {
  const first = takeBuffer(4096);
  const second = takeBuffer(4096);
  assert.notEqual(first, second);
  giveBack(first);
  assert.equal(takeBuffer(100), first);
  const third = takeBuffer(4096);
  assert.ok(third !== first && third !== second);
  giveBack(third);
  assert.ok(takeBuffer(5000).length >= 5000, 'one that is too small serves nobody');
});

test('what is large, or more than is needed, is not kept', () => {
  const large = takeBuffer(1048576);
  giveBack(large);
  giveBack(null);
  assert.notEqual(takeBuffer(1048576), large);
  const many = Array.from({ length: 200 }, () => takeBuffer(65536));
  for (const buffer of many) giveBack(buffer);
  const again = Array.from({ length: 200 }, () => takeBuffer(65536));
  assert.ok(again.filter((buffer) => many.includes(buffer)).length <= 64);
  assert.equal(new Set(again).size, 200);
});
