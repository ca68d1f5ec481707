/** Nanoseconds of a script that runs on its reactor, without network: node scripts/node26.js src/scripting/inline-scripts.bench.ts */
import { TestKeyspace } from '../../test/support/keyspace.ts';
import { measure } from '../../test/support/measure.ts';
import { attachAll } from '../commands/all.ts';
import { CommandContext } from '../commands/context.ts';
import { execute } from '../commands/executor.ts';
import { internalClient } from '../commands/internal-client.ts';
import { Lookahead } from '../commands/lookahead.ts';
import type { ScriptServices, ServerServices } from '../commands/services.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { RequestParser } from '../resp/request.ts';
import { InlineScripts } from './inline-scripts.ts';
import { createScriptBuffers } from './script-state.ts';

const PIPELINE = 64;
const BATCHES = 512;
const KEYS = 100_000;

attachAll();
const keyspace = new TestKeyspace();
const services = { settle: () => undefined, finished: () => undefined, maxBulkLengthBytes: 1048576 } as unknown as ServerServices;
const context = new CommandContext(keyspace, new ReplyWriter(), services);
context.client = internalClient();
const inline = new InlineScripts(context, services, createScriptBuffers(0, 1), 0, () => undefined);
let isElsewhere = false;
const run = (ctx: CommandContext): number => {
  isElsewhere = inline.run(ctx) !== 0;
  return 0;
};
(services as { scripts: Partial<ScriptServices> }).scripts = { run };

function encode(...args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}
const parser = new RequestParser();
const lookahead = new Lookahead(keyspace);
/** As a session does it. */
function serve(bytes: Buffer): void {
  context.reply.length = 0;
  inline.turn();
  for (let at = 0; at < bytes.length; ) {
    if (lookahead.isSpent) lookahead.read(parser, bytes, at, bytes.length, 0);
    if (lookahead.isSpent) throw new Error('the benchmark sends a request that is none');
    at = lookahead.take(context);
    keyspace.nextStamp();
    execute(context);
    inline.took(0.001);
  }
  lookahead.end();
}

const increment = "local n = (tonumber(redis.call('GET', KEYS[1])) or 0) + 1 redis.call('SET', KEYS[1], n) return n";
for (const [name, ...request] of [
  ['SET key, without a script', 'SET', 'KEY', '5'],
  ["EVAL return 'hello'", 'EVAL', "return 'hello'", '0'],
  ['EVAL GET', 'EVAL', "return redis.call('GET', KEYS[1])", '1', 'KEY'],
  ['EVAL GET, + 1, SET', 'EVAL', increment, '1', 'KEY'],
  ['EVAL INCR', 'EVAL', "return redis.call('INCR', KEYS[1])", '1', 'KEY'],
  ['EVAL_RO no command, two arguments', 'EVAL_RO', 'return ARGV[2]', '0', 'first', 'second'],
] as const) {
  const batches = Array.from({ length: BATCHES }, (_, batch) => {
    const requests = Array.from({ length: PIPELINE }, (__, index) => {
      const key = `cnt:${String((batch * 7919 + index * 104729) % KEYS).padStart(12, '0')}`;
      return encode(...request.map((word) => (word === 'KEY' ? key : word)));
    });
    return Buffer.from(requests.join(''), 'latin1');
  });
  const rounds = Math.max(1, Math.floor(Number(process.env['BENCH_ROUNDS'] ?? 1_000_000) / PIPELINE));
  serve(batches[0]!);
  measure(name, PIPELINE, (round) => serve(batches[round % BATCHES]!), rounds);
  if (isElsewhere) throw new Error(`${name}: the script was given up`);
}
