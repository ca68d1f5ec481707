import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientsToEvict, largestBytes } from './client-limits.ts';

const client = (bufferedBytes: number, noEvict = false): { bufferedBytes: number; noEvict: boolean } => ({ bufferedBytes, noEvict });

test('within the limit nobody is evicted', () => {
  assert.deepEqual(clientsToEvict([client(60), client(40)], 100, 100, 0), []);
});

test('beyond it the largest go first, and no more than must', () => {
  const [small, large, middle] = [client(10), client(60), client(40)];
  assert.deepEqual(clientsToEvict([small, large, middle], 110, 100, 0), [large]);
  assert.deepEqual(clientsToEvict([small, large, middle], 110, 30, 0), [large, middle]);
  assert.deepEqual(clientsToEvict([small, large, middle], 110, 9, 0), [large, middle, small]);
});

test('a reactor leaves it to another one that has a larger client', () => {
  const [first, second, third] = [client(20), client(16), client(14)];
  assert.deepEqual(clientsToEvict([third, first, second], 200, 100, 15), [first, second]);
  assert.deepEqual(clientsToEvict([third, first, second], 200, 100, 21), []);
  assert.deepEqual(clientsToEvict([third, first, second], 200, 190, 15), [first]);
});

test('CLIENT NO-EVICT spares a client, and the others go for it', () => {
  const [spared, other] = [client(90, true), client(10)];
  assert.deepEqual(clientsToEvict([spared, other], 100, 95, 0), [other]);
});

test('who keeps nothing is left alone', () => {
  assert.deepEqual(clientsToEvict([client(90, true), client(0)], 90, 10, 0), []);
});

test('the largest client is the largest of those that may be closed', () => {
  assert.equal(largestBytes([client(90, true), client(7), client(8)]), 8);
  assert.equal(largestBytes([]), 0);
});
