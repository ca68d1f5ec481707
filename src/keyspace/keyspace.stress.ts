/**
 * A thread of keyspace.concurrency.test.ts: commands on a few hundred keys that other threads use as well, under the latches that the
 * executor would take. Every value holds its key, a number and a checksum, so a value that was torn, or is another key's, is seen.
 */
import { SharedKeyspace, type SharedMemory } from '../../test/support/keyspace.ts';
import { Random } from '../../test/support/seed.ts';
import { stressThread } from '../../test/support/workers.ts';
import { hashBytes } from '../base/hash.ts';
import { exclusive, releaseExclusive, releaseShared, shared } from '../memory/latch.ts';
import { forEachKey } from './committed-keys.ts';
import { evictOne } from './eviction.ts';
import { TryAgain } from './key-locks.ts';
import { POLICY_NOEVICTION } from './keyspace.ts';
import * as layout from './layout.ts';
import { expireSome, flushDatabase, freeDetached, swapDatabases } from './walk.ts';

export type KeyspaceStress = { readonly memory: SharedMemory; readonly seed: number; readonly milliseconds: number; readonly keys: number };
export type KeyspaceStressResult = { readonly operations: number; readonly torn: string[]; readonly lostOrder: number };

const DATABASES = 2;

class StressThread {
  operations = 0;
  readonly torn: string[] = [];
  /** Counters of this thread's own keys that went backwards: a lost write. */
  lostOrder = 0;
  private readonly keyspace: SharedKeyspace;
  private readonly random: Random;
  private readonly keys: number;
  private readonly index: number;
  private readonly own = new Map<string, number>();
  private readonly scratch = Buffer.alloc(8192);

  constructor(data: KeyspaceStress, index: number) {
    this.keyspace = new SharedKeyspace(data.memory);
    this.random = new Random(data.seed + index * 31_337);
    this.keys = data.keys;
    this.index = index;
  }

  runCommand(): void {
    const { keyspace, random } = this;
    keyspace.nowMs = Date.now();
    keyspace.stamp = Atomics.add(keyspace.control, layout.GLOBAL_LRU_STAMP, 1);
    this.operations++;
    const choice = random.below(20);
    if (choice === 0) this.countUp();
    else if (choice < 10) this.read();
    else this.change(choice);
  }
  private locate(): string {
    const { keyspace, random } = this;
    const number = random.below(this.keys);
    // Some keys in one shard, so that threads meet there; some too long for the entry's meta.
    const key = `${number % 3 === 0 ? '{t}' : ''}key:${number}${number % 10 === 0 ? 'x'.repeat(300) : ''}`;
    keyspace.at(key, random.below(DATABASES));
    return key;
  }

  private read(): void {
    const { keyspace } = this;
    const key = this.locate();
    const { head, control } = keyspace;
    const isShared = control[layout.GLOBAL_POLICY] === POLICY_NOEVICTION;
    if (isShared) shared(control, head);
    else exclusive(control, head);
    const entry = keyspace.read();
    if (entry !== 0) this.verify(key, entry);
    if (isShared) releaseShared(control, head);
    else releaseExclusive(control, head);
  }
  private change(choice: number): void {
    const { keyspace, random } = this;
    const key = this.locate();
    const { head, control } = keyspace;
    exclusive(control, head);
    const entry = keyspace.write();
    if (entry !== 0) this.verify(key, entry);
    if (choice < 16) {
      const length = this.compose(key, random.below(choice === 15 ? 5000 : 300));
      keyspace.setString(entry, this.scratch, 0, length, choice === 14);
    } else if (entry !== 0) {
      if (choice < 18) keyspace.remove(entry);
      else keyspace.setExpiry(entry, choice === 18 ? keyspace.nowMs + random.below(20) : -1);
    }
    releaseExclusive(control, head);
  }
  /** A key that no other thread writes: what it holds is what this thread wrote last, or nothing after a flush or an eviction. */
  private countUp(): void {
    const { keyspace, random } = this;
    const key = `own:${this.index}:${random.below(20)}`;
    keyspace.at(key, 9);
    const { head, control } = keyspace;
    exclusive(control, head);
    const entry = keyspace.write();
    const last = this.own.get(key) ?? 0;
    if (entry !== 0 && Number(keyspace.textOf(entry)) !== last) this.lostOrder++;
    const bytes = Buffer.from(String(last + 1));
    keyspace.setString(entry, bytes, 0, bytes.length, false);
    this.own.set(key, last + 1);
    releaseExclusive(control, head);
  }

  tendGarden(): void {
    const { keyspace, random } = this;
    this.operations++;
    keyspace.nowMs = Date.now();
    const choice = random.below(40);
    if (choice === 0) flushDatabase(keyspace, random.below(DATABASES));
    else if (choice === 1) swapDatabases(keyspace, 0, 1);
    else if (choice < 10) expireSome(keyspace, performance.now() + 2);
    else if (choice < 20) freeDetached(keyspace, performance.now() + 1);
    else if (choice < 30) evictOne(keyspace);
    else if (choice === 30) this.verifyAll(random.below(DATABASES));
  }
  private verifyAll(database: number): void {
    const { keyspace } = this;
    for (;;) {
      try {
        forEachKey(keyspace, database, (key) => this.verify(key, keyspace.at(key, database).findAny()));
        return;
      } catch (error) {
        if (!(error instanceof TryAgain)) throw error;
      }
    }
  }

  /** "key|number|padding|checksum" in the scratch buffer; returns its length. */
  private compose(key: string, padding: number): number {
    const body = `${key}|${this.operations}|${'p'.repeat(padding)}|`;
    const length = this.scratch.latin1Write(body, 0);
    return length + this.scratch.latin1Write(String(hashBytes(this.scratch, 0, length, 1)), length);
  }
  private verify(key: string, entry: number): void {
    const text = this.keyspace.textOf(entry);
    const cut = text.lastIndexOf('|') + 1;
    const body = Buffer.from(text.slice(0, cut), 'latin1');
    if (text.startsWith(`${key}|`) && String(hashBytes(body, 0, cut, 1)) === text.slice(cut)) return;
    if (this.torn.length < 5) this.torn.push(`${key}: ${text.slice(0, 100)}`);
  }
}

stressThread<KeyspaceStress, KeyspaceStressResult>(({ data, index, count }) => {
  const thread = new StressThread(data, index);
  const end = performance.now() + data.milliseconds;
  // The last thread is the janitor, and runs what goes over all shards; the others run commands.
  while (performance.now() < end) for (let turn = 0; turn < 50; turn++) index === count - 1 ? thread.tendGarden() : thread.runCommand();
  return { operations: thread.operations, torn: thread.torn, lostOrder: thread.lostOrder };
});
