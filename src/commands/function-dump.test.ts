import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc64 } from '../base/crc64.ts';
import { dumpLibraries, readLibraries } from './function-dump.ts';

/** A body with the footer that makes a payload of it. */
function sealed(hex: string, version = 10): Buffer {
  const body = Buffer.concat([Buffer.from(hex.replaceAll(' ', ''), 'hex'), Buffer.from([version & 255, version >>> 8])]);
  return Buffer.concat([body, crc64(body, 0, body.length)]);
}

test('libraries of every size of length come back as they were', () => {
  const codes = ['', 'x', 'y'.repeat(63), 'z'.repeat(64), '\xff\x00\r\n'.repeat(4095), 'w'.repeat(16384), 'v'.repeat(70000)];
  assert.deepEqual(readLibraries(dumpLibraries(codes)), codes);
  assert.deepEqual(readLibraries(dumpLibraries([])), []);
});

test('strings as Redis encodes them: numbers, and packed ones', () => {
  // The dump of no libraries that redis-server 7.0 writes.
  assert.equal(dumpLibraries([]).toString('hex'), '0a005d9b5c400f7fa2da');
  assert.deepEqual(readLibraries(sealed('f5 c0 fe')), ['-2']);
  assert.deepEqual(readLibraries(sealed('f5 c1 0102')), ['513']);
  assert.deepEqual(readLibraries(sealed('f5 c2 01020304')), ['67305985']);
  assert.deepEqual(readLibraries(sealed('f5 c3 05 0d 0061e00300')), ['a'.repeat(13)]);
  assert.deepEqual(readLibraries(sealed('f5 81 0000000000000003 616263')), ['abc']);
});

test('what is no payload is refused', () => {
  const wrong = 'ERR DUMP payload version or checksum are wrong';
  assert.equal(readLibraries(Buffer.from('short')), wrong);
  assert.equal(readLibraries(sealed('', 12)), wrong);
  const damaged = dumpLibraries(['code']);
  damaged[2]! ^= 1;
  assert.equal(readLibraries(damaged), wrong);
  assert.equal(readLibraries(sealed('f6 00')), 'ERR Pre-GA function format not supported');
  assert.equal(readLibraries(sealed('00 00')), 'ERR given type is not a function');
  for (const cut of ['f5', 'f5 05 61', 'f5 40', 'f5 80 000000', 'f5 82 00', 'f5 c4 00', 'f5 c1 00', 'f5 c3 05 0d 00', 'f5 c3 01 ff 00']) {
    assert.equal(readLibraries(sealed(cut)), 'ERR Failed loading library payload', cut);
  }
});
