// Runs commands on a keyspace without a server around it: the executor, the handlers, and the reply as text.
import { attachAll } from '../../src/commands/all.ts';
import { CommandContext } from '../../src/commands/context.ts';
import { execute, PARK } from '../../src/commands/executor.ts';
import type { ClientState, ServerServices } from '../../src/commands/services.ts';
import { ReplyWriter } from '../../src/resp/reply.ts';
import { TestKeyspace } from './keyspace.ts';

const services = {
  maxBulkLengthBytes: 536_870_912,
  settle: () => undefined,
  finished: () => undefined,
  config: { getString: () => '3000' },
} as unknown as ServerServices;
const client = { authenticated: true, closing: false, transaction: null } as unknown as ClientState;
let areAttached = false;

export class CommandRunner {
  readonly keyspace: TestKeyspace;
  readonly context: CommandContext;

  constructor(keyspace = new TestKeyspace()) {
    if (!areAttached) attachAll();
    areAttached = true;
    this.keyspace = keyspace;
    this.context = new CommandContext(keyspace, new ReplyWriter(), services);
    this.context.client = client;
  }
  /** The reply in RESP2, or 'PARKED' when a latch was taken. */
  run(...args: readonly (string | number | Uint8Array)[]): string {
    const { context, keyspace } = this;
    this.put(args);
    context.reply.length = 0;
    keyspace.stamp = (keyspace.stamp + 1) | 0;
    if (execute(context) === PARK) return 'PARKED';
    return context.reply.buffer.toString('latin1', 0, context.reply.length);
  }
  /** Puts a request into the context, as a parser would. */
  put(args: readonly (string | number | Uint8Array)[]): void {
    const { context } = this;
    const parts = args.map((arg) => (typeof arg === 'object' ? Buffer.from(arg) : Buffer.from(String(arg), 'latin1')));
    context.argc = parts.length;
    context.bytes = Buffer.concat(parts);
    context.lengths = Int32Array.from(parts, (part) => part.length);
    let at = 0;
    context.offsets = Int32Array.from(parts, (part) => {
      at += part.length;
      return at - part.length;
    });
  }
}
