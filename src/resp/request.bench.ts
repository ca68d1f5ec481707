/** Nanoseconds of the request parser and the reply writer: node scripts/node26.js src/resp/request.bench.ts */
import { measure } from '../../test/support/measure.ts';
import { ReplyWriter } from './reply.ts';
import { COMPLETE, RequestParser } from './request.ts';

const PIPELINE = 64;

function encode(...args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}

const parser = new RequestParser();
function parseAll(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at = parser.next) {
    if (parser.parse(bytes, at, bytes.length) !== COMPLETE) throw new Error('the benchmark sends a request that is none');
  }
}

for (const [name, request] of [
  ['GET key', encode('GET', 'key:000000012345')],
  ['SET key, 3 bytes', encode('SET', 'key:000000012345', 'xxx')],
  ['SET key, 200 bytes', encode('SET', 'key:000000012345', 'x'.repeat(200))],
  ['MSET of ten', encode('MSET', ...Array.from({ length: 20 }, (_, index) => `key:${index}`))],
  ['inline GET key', 'GET key:000000012345\r\n'],
] as const) {
  const bytes = Buffer.from(request.repeat(PIPELINE), 'latin1');
  const rounds = Math.max(1, Math.floor(Number(process.env['BENCH_ROUNDS'] ?? 2_000_000) / PIPELINE));
  measure(`parse ${name}, ${PIPELINE} in a pipeline`, PIPELINE, () => parseAll(bytes), rounds);
}

const reply = new ReplyWriter();
const value = Buffer.alloc(4096, 'v');
for (const [name, write] of [
  ['OK', () => reply.ok()],
  ['integer 7', () => reply.integer(7)],
  ['integer 1234567', () => reply.integer(1_234_567)],
  ['bulk of 3 bytes', () => reply.bulk(value, 0, 3)],
  ['bulk of 32 bytes', () => reply.bulk(value, 0, 32)],
  ['bulk of 4096 bytes', () => reply.bulk(value, 0, 4096)],
  ['nil', () => reply.nil()],
] as const) {
  measure(`reply ${name}`, 1, () => {
    reply.length = 0;
    write();
  });
}
