import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMemory, SharedKeyspace } from '../../test/support/keyspace.ts';
import { encode } from '../../test/support/raw-client.ts';
import { chance } from '../../test/support/seed.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { COMPLETE, RequestParser } from '../resp/request.ts';
import { CommandContext, UNKNOWN } from './context.ts';
import { Lookahead } from './lookahead.ts';
import { COMMANDS } from './lookup.ts';
import type { ServerServices } from './services.ts';

const word = fc.oneof(
  fc.constantFrom('GET', 'set', 'MGET', 'DEL', 'PING', 'EVAL', 'fcall', '0', '1', '3', '10', 'nonsense', ''),
  fc.string({ unit: 'binary-ascii', maxLength: 12 }),
);
const request = fc.oneof(
  { weight: 8, arbitrary: fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => encode(words)) },
  { weight: 1, arbitrary: fc.array(word, { minLength: 200, maxLength: 400 }).map((words) => encode(words)) },
  // Inline commands, empty requests, and what is wrong from its second argument on.
  {
    weight: 1,
    arbitrary: fc.constantFrom('PING\r\n', "get 'a b'\r\n", '\r\n', '*0\r\n', '*-1\r\n').map((text) => Buffer.from(text, 'latin1')),
  },
  { weight: 1, arbitrary: fc.constantFrom('*2\r\n$3\r\nGET\r\nx', '*1\r\n$-1\r\n', '*x\r\n').map((text) => Buffer.from(text, 'latin1')) },
);

type Seen = { words: string[]; next: number };

function wordsOf(ctx: CommandContext): string[] {
  return Array.from({ length: ctx.argc }, (_, index) => ctx.text(index));
}

/** The requests of the bytes up to one that can't be run yet, as a session takes them. */
function take(bytes: Buffer, end: number, ahead: Lookahead | null, ctx: CommandContext): Seen[] {
  const parser = new RequestParser();
  const seen: Seen[] = [];
  for (let at = 0; at < end; ) {
    let next = 0;
    if (ahead?.isSpent && parser.isAtRest) ahead.read(parser, bytes, at, end, 0);
    if (ahead !== null && !ahead.isSpent) {
      next = ahead.take(ctx);
      const named = COMMANDS[ctx.named]?.name ?? null;
      const isKnown = COMMANDS.some(({ name }) => name === ctx.word(0));
      assert.equal(named, isKnown ? ctx.word(0) : null);
    } else {
      if (parser.parse(bytes, at, end) !== COMPLETE) break;
      next = parser.next;
      ctx.take(parser);
      assert.equal(ctx.named, UNKNOWN);
    }
    if (ctx.argc > 0) seen.push({ words: wordsOf(ctx), next });
    at = next;
  }
  ahead?.end();
  return seen;
}

test('looking ahead gives the requests that the parser alone gives', () => {
  const keyspace = new SharedKeyspace(createMemory());
  const ctx = new CommandContext(keyspace, new ReplyWriter(), {} as ServerServices);
  const ahead = new Lookahead(keyspace);
  fc.assert(
    fc.property(fc.array(request, { maxLength: 90 }), fc.nat(40), (requests, missing) => {
      const bytes = Buffer.concat(requests);
      const end = Math.max(0, bytes.length - missing);
      assert.deepEqual(take(bytes, end, ahead, ctx), take(bytes, end, null, ctx));
    }),
    chance(300),
  );
});
