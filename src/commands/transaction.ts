/**
 * What a client has between MULTI and EXEC, and what it watches. Requests are kept as the bytes of RESP requests, one behind the
 * other, and parsed again by EXEC: no object a command.
 *
 * A watched key is remembered with the version that stands for it (layout.ts, WATCH_WORD) and that of its database. Versions move only
 * while somebody watches, so the number of those who do is counted first. EXEC looks at all this under the latches of the keys.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { RequestParser } from '../resp/request.ts';
import { RequestWriter } from '../resp/request-writer.ts';
import type { CommandContext } from './context.ts';
import * as latches from './latches.ts';
import type { CommandDescriptor } from './lookup.ts';

/** One for all transactions of the thread: it's used from the beginning of EXEC to its end. */
const parser = new RequestParser();

type Watched = {
  readonly database: number;
  readonly key: Buffer;
  readonly exists: boolean;
  readonly version: number;
  readonly databaseVersion: number;
};

export class Transaction {
  /** Between MULTI and EXEC. */
  isOpen = false;
  /** A command was refused when it came: EXEC will refuse all. */
  isAborted = false;
  /** Commands queued. */
  count = 0;
  isWrite = false;
  denyOom = false;
  /** There are scripts among the commands. */
  hasScripts = false;
  private readonly requests = new RequestWriter();
  private watches: Watched[] = [];

  /** Keys watched. */
  get watched(): number {
    return this.watches.length;
  }
  get queuedBytes(): number {
    return this.requests.length;
  }

  open(): void {
    this.isOpen = true;
  }
  /** Keeps the request in `ctx` for EXEC, and says so. */
  queue(ctx: CommandContext, command: CommandDescriptor): void {
    const { requests } = this;
    requests.beginBare(ctx.argc);
    for (let index = 0; index < ctx.argc; index++) requests.bytes(ctx.bytes, ctx.start(index), ctx.end(index));
    this.count++;
    this.hasScripts ||= command.runner !== null;
    this.isWrite ||= command.isWrite || (command.isScript && !command.isReadonly);
    this.denyOom ||= command.denyOom;
    ctx.reply.simple('QUEUED');
  }

  /** Calls `visit` with every request that was queued in the place of the context's own. */
  forEach(ctx: CommandContext, visit: () => void): void {
    const { requests } = this;
    parser.restart();
    for (let at = 0; at < requests.length; at = parser.next) {
      parser.maxBulkLengthBytes = requests.length;
      parser.parse(requests.buffer, at, requests.length);
      ctx.argc = parser.argc;
      ctx.bytes = parser.bytes;
      ctx.offsets = parser.offsets;
      ctx.lengths = parser.lengths;
      visit();
    }
  }

  // ---- WATCH ----

  /** Watches the keyspace's current key, which is latched. */
  watch(keyspace: Keyspace): void {
    const key = Buffer.from(keyspace.bytes.subarray(keyspace.start, keyspace.end));
    const { database, control } = keyspace;
    if (this.watches.some((watch) => watch.database === database && watch.key.equals(key))) return;
    if (this.watches.length === 0) Atomics.add(control, layout.GLOBAL_WATCHERS, 1);
    // A key whose time is over is deleted now, so that its deletion later is no change.
    const exists = keyspace.write() !== 0;
    this.watches.push({
      database,
      key,
      exists,
      version: Atomics.load(control, keyspace.watchWord()),
      databaseVersion: Atomics.load(control, layout.DATABASE_VERSION_WORD + database),
    });
  }
  /** The watched keys with the versions that they must still have. */
  watchedVersions(): readonly Watched[] {
    return this.watches;
  }
  /** Adds the latches of all watched keys to those that EXEC takes. */
  addWatched(keyspace: Keyspace): void {
    for (const { database, key } of this.watches) latches.add(keyspace.locate(database, key, 0, key.length));
  }
  /** True when a watched key has changed. All of them are latched. */
  hasChanged(keyspace: Keyspace): boolean {
    const { control, touching } = keyspace;
    keyspace.touching = false;
    let changed = false;
    for (const watch of this.watches) {
      keyspace.locate(watch.database, watch.key, 0, watch.key.length);
      // A key whose time has come since then is deleted here, and that counts.
      const exists = keyspace.write() !== 0;
      const databaseVersion = Atomics.load(control, layout.DATABASE_VERSION_WORD + watch.database);
      const isOther = databaseVersion !== watch.databaseVersion && (exists || watch.exists);
      if (isOther || Atomics.load(control, keyspace.watchWord()) !== watch.version) changed = true;
    }
    keyspace.touching = touching;
    return changed;
  }
  unwatch(keyspace: Keyspace): void {
    if (this.watches.length === 0) return;
    this.watches = [];
    Atomics.sub(keyspace.control, layout.GLOBAL_WATCHERS, 1);
  }

  /** The transaction is over: nothing is queued, nothing watched. */
  reset(keyspace: Keyspace): void {
    this.isOpen = false;
    this.isAborted = false;
    this.count = 0;
    this.hasScripts = false;
    this.isWrite = false;
    this.denyOom = false;
    this.requests.reset();
    this.unwatch(keyspace);
  }
}
