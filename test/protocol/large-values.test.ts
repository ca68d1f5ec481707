// A value as large as values may be goes in and comes out whole, and costs time in proportion to its size; an idle server costs none.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { LONG, REACTORS, startServer } from '../support/server.ts';

const MEBIBYTE = 1048576;
const LARGEST_BYTES = (LONG ? 512 : 48) * MEBIBYTE;
const SMALLER_BYTES = LARGEST_BYTES / 8;
/** Copying all that has come for each piece that comes would make eight times the size cost sixty-four times as much. */
const MOST_TIMES_THE_COST = 24;
const IDLE_MS = LONG ? 5000 : 2000;
const IDLE_CLIENTS = 100;
/** Of one core. Timers make an idle server look up some ten times a second. */
const IDLE_SHARE = 0.03;
const TICK_MS = 10;

/** CPU time of a process so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
/** Sends a request with a value of `size` bytes in pieces, and checks the reply: +OK to SET, the value to GET. */
function setAndGet(port: number, size: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const piece = Buffer.alloc(MEBIBYTE, 'abcdefgh');
    const header = Buffer.from(`+OK\r\n$${size}\r\n`);
    const expected = header.length + size + 2;
    let received = 0;
    /** What the replies should hold from a place on, up to `length` bytes of it. */
    const wanted = (place: number, length: number): Buffer => {
      if (place < header.length) return header.subarray(place, place + length);
      const body = place - header.length;
      if (body >= size) return Buffer.from('\r\n').subarray(body - size, body - size + length);
      return piece.subarray(body % 8, (body % 8) + Math.min(length, size - body, MEBIBYTE - 8));
    };
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; ) {
        const part = wanted(received, bytes.length - at);
        if (part.length === 0 || !part.equals(bytes.subarray(at, at + part.length))) {
          socket.destroy();
          reject(new Error(`the replies are wrong behind byte ${received}`));
          return;
        }
        at += part.length;
        received += part.length;
      }
      if (received < expected) return;
      socket.destroy();
      resolve();
    });
    socket.write(`*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$${size}\r\n`);
    for (let sent = 0; sent < size; sent += piece.length) socket.write(piece);
    socket.write('\r\n*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n');
  });
}

for (const reactor of REACTORS) {
  test(`a value of ${LARGEST_BYTES / MEBIBYTE} MiB (${reactor})`, { timeout: 120_000 }, async () => {
    const server = await startServer({ reactor });
    try {
      const spent: number[] = [];
      // The first one is for warming up.
      for (const size of [SMALLER_BYTES, SMALLER_BYTES, LARGEST_BYTES]) {
        const before = cpuMs(server.pid);
        await setAndGet(server.port, size);
        spent.push(cpuMs(server.pid) - before);
      }
      const [, smaller, largest] = spent as [number, number, number];
      assert.ok(largest <= Math.max(smaller, TICK_MS) * MOST_TIMES_THE_COST, `${smaller} ms and ${largest} ms for eight times as much`);
      const client = await RawClient.connect(server.port);
      assert.equal((await client.command('STRLEN', 'large')).toString(), `:${LARGEST_BYTES}\r\n`);
      client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${512 * MEBIBYTE + 1}\r\n`);
      assert.match((await client.readReplies(1))[0]!.toString(), /^-ERR Protocol error: invalid bulk length/);
      client.destroy();
    } finally {
      await server.stop();
    }
  });

  test(`an idle server costs no CPU, with a hundred clients connected (${reactor})`, {
    timeout: 60_000,
    skip: process.platform !== 'linux',
  }, async () => {
    const server = await startServer({ reactor, directives: { 'io-threads': 2 } });
    try {
      const clients = await Promise.all(Array.from({ length: IDLE_CLIENTS }, () => RawClient.connect(server.port)));
      await Promise.all(clients.map((client) => client.command('SET', 'a', '1')));
      await clients[0]?.command('EVAL', 'return 1', 0);
      // What starting costs is over when the process has spent nothing for a moment.
      for (let last = -1; last !== cpuMs(server.pid); ) {
        last = cpuMs(server.pid);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const before = cpuMs(server.pid);
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      const share = (cpuMs(server.pid) - before) / IDLE_MS;
      assert.ok(share <= IDLE_SHARE, `${(share * 100).toFixed(1)}% of a core`);
      for (const client of clients) client.destroy();
    } finally {
      await server.stop();
    }
  });
}
