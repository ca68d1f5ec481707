import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientsToEvict } from './client-limits.ts';

const client = (bufferedBytes: number, noEvict = false): { bufferedBytes: number; noEvict: boolean } => ({ bufferedBytes, noEvict });

test('within the limit nobody is evicted', () => {
  assert.deepEqual(clientsToEvict([client(60), client(40)], 100, 100, 100), []);
});

test('beyond it the largest go first, and no more than must', () => {
  const [small, large, middle] = [client(10), client(60), client(40)];
  assert.deepEqual(clientsToEvict([small, large, middle], 110, 110, 100), [large]);
  assert.deepEqual(clientsToEvict([small, large, middle], 110, 110, 30), [large, middle]);
  assert.deepEqual(clientsToEvict([small, large, middle], 110, 110, 9), [large, middle, small]);
});

test('a reactor closes for its share of what is too much', () => {
  const [first, second, third] = [client(20), client(16), client(14)];
  // All reactors have 200, of which half must go: so half of this one's 50.
  assert.deepEqual(clientsToEvict([third, first, second], 50, 200, 100), [first, second]);
  assert.deepEqual(clientsToEvict([third, first, second], 50, 200, 190), [first]);
});

test('CLIENT NO-EVICT spares a client, and the others go for it', () => {
  const [spared, other] = [client(90, true), client(10)];
  assert.deepEqual(clientsToEvict([spared, other], 100, 100, 95), [other]);
});

test('who keeps nothing is left alone', () => {
  assert.deepEqual(clientsToEvict([client(90, true), client(0)], 90, 90, 10), []);
});
