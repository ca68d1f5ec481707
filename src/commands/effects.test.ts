import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemory, TestKeyspace } from '../../test/support/keyspace.ts';
import { EffectLog } from '../keyspace/effect-log.ts';
import * as layout from '../keyspace/layout.ts';
import { createRing, RingReader } from '../memory/byte-ring.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { CommandContext } from './context.ts';
import { logState } from './effects.ts';
import { type CommandDescriptor, commandNamed } from './lookup.ts';
import type { ServerServices } from './services.ts';

test('a COPY to another database that ran out of memory half way: the log gets what both databases hold then', () => {
  const keyspace = new TestKeyspace(createMemory());
  keyspace.control[layout.GLOBAL_LOG] = layout.LOG_APPENDS;
  const ring = createRing(1, 1048576);
  keyspace.log = new EffectLog(keyspace.control, ring, 0, null);
  keyspace.set('from', 'kept');
  keyspace.set('to', 'here');
  keyspace.set('to', 'there', false, 3);
  const words = ['COPY', 'from', 'to', 'DB', '3'];
  // Nothing of the server's is asked for.
  const ctx = new CommandContext(keyspace, new ReplyWriter(), {} as ServerServices);
  ctx.bytes = Buffer.from(words.join(''), 'latin1');
  ctx.argc = words.length;
  ctx.lengths = Int32Array.from(words, (word) => word.length);
  ctx.offsets = Int32Array.from(words, (_, index) => words.slice(0, index).join('').length);
  logState(ctx, commandNamed('copy') as CommandDescriptor, 3);
  keyspace.log.publish();
  const reader = new RingReader(ring, []);
  const text = Buffer.concat(reader.take(reader.limit())).toString('latin1');
  const shown = text
    .replace(/[*$]\d+\r\n/g, '')
    .replaceAll('\r\n', ' ')
    .trim();
  assert.equal(shown, 'SELECT 0 MULTI DEL from SET from kept DEL to SET to here SELECT 3 DEL to SET to there EXEC');
});
