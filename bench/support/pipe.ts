// Loads data through one pipelined connection, as redis-cli --pipe does: for filling servers, not for measuring them.
import { connect } from 'node:net';
import type { Target } from './target.ts';

const REQUESTS_A_CHUNK = 1_000;
/** Chunks sent and not yet answered: enough that the server always has work, without holding a load of millions in memory. */
const CHUNKS_IN_FLIGHT = 8;
const LF = 10;
const MINUS = 0x2d;

/**
 * Sends `count` requests; `request(i)` gives the arguments of the i-th, as latin1 strings. Each must be answered with one line (a
 * status, an integer). Rejects at the first error reply, with its words.
 */
export function pipe(target: Target, count: number, request: (index: number) => readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: target.port, host: '127.0.0.1' });
    let sent = 0;
    let answered = 0;
    let lineStarts = true;
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const send = (): void => {
      while (sent < count && sent - answered < CHUNKS_IN_FLIGHT * REQUESTS_A_CHUNK) {
        const end = Math.min(count, sent + REQUESTS_A_CHUNK);
        let text = '';
        for (; sent < end; sent++) text += encodeText(request(sent));
        socket.write(text, 'latin1');
      }
    };
    socket.setNoDelay(true);
    socket.once('connect', send);
    socket.once('error', fail);
    socket.once('close', () => reject(new Error(`${target.name} closed the connection after ${answered} of ${count} requests`)));
    socket.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at++) {
        const byte = bytes[at];
        if (lineStarts && byte === MINUS) {
          fail(
            new Error(`${target.name}, filled with ${count} requests, answers: ${bytes.toString('latin1', at, at + 200).split('\r\n')[0]}`),
          );
          return;
        }
        lineStarts = byte === LF;
        if (lineStarts) answered++;
      }
      if (answered === count) {
        resolve();
        socket.destroy();
      } else {
        send();
      }
    });
  });
}

function encodeText(args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return text;
}

/** The keys redis-benchmark's -r makes: a prefix and 12 digits. */
export function numbered(prefix: string, index: number): string {
  return prefix + String(index).padStart(12, '0');
}

/** A value of 32 bytes. */
export const VALUE = 'v'.repeat(32);
