import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as hll from './hyperloglog.ts';
import { Sketch } from './hyperloglog.ts';

const SPARSE_MAX_BYTES = 3000;

function estimateOf(sketch: Sketch): number {
  const registers = new Uint8Array(hll.REGISTERS);
  assert.ok(hll.mergeInto(sketch, registers));
  return hll.estimate(registers);
}
function add(sketch: Sketch, text: string, limit = SPARSE_MAX_BYTES): number {
  const bytes = Buffer.from(text);
  return hll.add(sketch, bytes, 0, bytes.length, limit);
}

test('an empty one has the bytes of the drawing, and counts nothing', () => {
  const sketch = new Sketch();
  sketch.reset();
  assert.equal(sketch.bytes.toString('hex', 0, sketch.length), '48594c4c0100000000000000000000007fff');
  assert.equal(estimateOf(sketch), 0);
});

test('estimates stay within five standard errors, sparse and dense', () => {
  const sketch = new Sketch();
  sketch.reset();
  for (let count = 1, next = 1; count <= 200_000; count++) {
    add(sketch, `element:${count}`);
    if (count !== next) continue;
    next *= 4;
    assert.ok(Math.abs(estimateOf(sketch) - count) <= Math.max(1, count * 0.04), `${estimateOf(sketch)} of ${count}`);
  }
  assert.equal(sketch.encoding, hll.DENSE);
});

test('sparse and dense hold the same registers', () => {
  const sparse = new Sketch();
  const dense = new Sketch();
  sparse.reset();
  dense.reset();
  assert.ok(hll.toDense(dense));
  for (let count = 0; count < 1500; count++) {
    const changed = add(sparse, String(count % 1200));
    assert.equal(add(dense, String(count % 1200)), changed);
  }
  assert.equal(sparse.encoding, hll.SPARSE);
  const [a, b] = [new Uint8Array(hll.REGISTERS), new Uint8Array(hll.REGISTERS)];
  assert.ok(hll.mergeInto(sparse, a) && hll.mergeInto(dense, b));
  assert.deepEqual(a, b);
});

test('what is corrupt is said to be', () => {
  const sketch = new Sketch();
  sketch.reset();
  sketch.bytes[hll.HEADER_BYTES + 1] = 0xfe;
  assert.equal(hll.mergeInto(sketch, new Uint8Array(hll.REGISTERS)), false);
  assert.equal(hll.toDense(sketch), false);
  assert.equal(hll.isSketch(Buffer.from('HYLX\x01'.padEnd(20, '\0'), 'latin1'), 0, 20), false);
  assert.equal(hll.isSketch(Buffer.from('HYLL\x00'.padEnd(20, '\0'), 'latin1'), 0, 20), false);
});
