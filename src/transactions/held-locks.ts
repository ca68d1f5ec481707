/**
 * The key locks that one script thread holds. Waiting is in ascending order of the words only, so nobody waits in a circle: a lock
 * below the highest one held is tried, and a refusal is a Conflict. The script is taken back then and runs again, with all it had
 * touched locked in order first; after MAX_RETRIES it takes the whole keyspace, so it's done at some time whatever the others do.
 */
import { isBarred, LOCK_EXCLUSIVE } from '../keyspace/key-locks.ts';
import * as layout from '../keyspace/layout.ts';

const MAX_RETRIES = 8;
const WAIT_MS = 5;
const SPINS = 200;

/** The transaction must be taken back and run again. */
export class Conflict extends Error {}

export class HeldLocks {
  readonly bit: number;
  retries = 0;
  private readonly control: Int32Array;
  /** Words held, in no order, and 1 for each that is held exclusively. */
  private words: number[] = [];
  private modes: number[] = [];
  private highest = -1;
  private locker = false;
  private readonly flags: Int32Array;
  private readonly flagAt: number;
  private hasWhole = false;
  private hasWaited = false;
  /** What the next try locks before it begins: words * 2, and 1 more where exclusive. */
  private readonly wanted: number[] = [];
  private wantsWhole = false;
  /** Asked while a lock is waited for: true ends the wait with a Conflict that isn't tried again. */
  private readonly isEnded: () => boolean;

  /** `flags[flagAt]` says to others, should this thread die, whether it counts in GLOBAL_LOCKERS. */
  constructor(control: Int32Array, bit: number, isEnded: () => boolean, flags: Int32Array, flagAt: number) {
    this.flags = flags;
    this.flagAt = flagAt;
    this.control = control;
    this.bit = bit;
    this.isEnded = isEnded;
  }
  private get isLocker(): boolean {
    return this.locker;
  }
  private set isLocker(is: boolean) {
    this.locker = is;
    Atomics.store(this.flags, this.flagAt, is ? 1 : 0);
  }

  /** Notes a lock to be taken by `lockWanted`. */
  want(word: number, isExclusive: boolean): void {
    const one = word * 2 + (isExclusive ? 1 : 0);
    if (!this.wanted.includes(one)) this.wanted.push(one);
  }
  wantWhole(): void {
    this.wantsWhole = true;
  }
  /** Takes all that is wanted, in order. Nothing is held before. True when that took its time. */
  lockWanted(): boolean {
    const { wanted } = this;
    this.hasWaited = false;
    if (this.wantsWhole || this.retries >= MAX_RETRIES) {
      this.takeWhole();
      return true;
    }
    if (wanted.length > 1) wanted.sort((a, b) => a - b);
    for (let index = 0; index < wanted.length; index++) {
      const one = wanted[index]!;
      // Of the same word shared and exclusive the exclusive one counts.
      if (wanted[index + 1] !== one + 1 || (one & 1) === 1) this.lock(one >>> 1, (one & 1) === 1);
    }
    return this.hasWaited;
  }

  /** Locks a word; throws Conflict when that could mean to wait in a circle. */
  lock(word: number, isExclusive: boolean): void {
    if (this.hasWhole) return;
    const { control, bit } = this;
    const own = isExclusive ? bit | LOCK_EXCLUSIVE : bit;
    const state = Atomics.load(control, word);
    const isMine = (state & bit) !== 0;
    if (isMine && (!isExclusive || (state & LOCK_EXCLUSIVE) !== 0)) return;
    if (!this.isLocker) this.beginLocking();
    if (!this.tryLock(word, own, isExclusive)) {
      this.want(word, isExclusive);
      if (isMine || word < this.highest) throw new Conflict();
      this.hasWaited = true;
      this.wait(word, own, isExclusive);
    }
    if (isMine) {
      this.modes[this.words.indexOf(word)] = 1;
      return;
    }
    this.words.push(word);
    this.modes.push(isExclusive ? 1 : 0);
    if (word > this.highest) this.highest = word;
  }
  private tryLock(word: number, own: number, isExclusive: boolean): boolean {
    const { control, bit } = this;
    for (;;) {
      const state = Atomics.load(control, word);
      if (isExclusive ? (state & ~bit) !== 0 : (state & LOCK_EXCLUSIVE) !== 0) return false;
      if (Atomics.compareExchange(control, word, state, isExclusive ? own : state | own) === state) return true;
    }
  }
  private wait(word: number, own: number, isExclusive: boolean): void {
    const { control } = this;
    for (let spin = 0; spin < SPINS; spin++) if (this.tryLock(word, own, isExclusive)) return;
    Atomics.add(control, layout.GLOBAL_LOCK_WAITERS, 1);
    try {
      for (;;) {
        const state = Atomics.load(control, word);
        if (this.tryLock(word, own, isExclusive)) return;
        if (this.isEnded()) throw new Conflict();
        Atomics.wait(control, word, state, WAIT_MS);
      }
    } finally {
      Atomics.sub(control, layout.GLOBAL_LOCK_WAITERS, 1);
    }
  }

  /** From here on others look at locks. Waits while somebody else wants all locks free, or has the whole keyspace. */
  private beginLocking(): void {
    const { control, bit } = this;
    for (;;) {
      while (isBarred(control)) this.nap();
      Atomics.add(control, layout.GLOBAL_LOCKERS, 1);
      const whole = Atomics.load(control, layout.GLOBAL_WHOLE_LOCK);
      if (whole === 0 || whole === bit) break;
      Atomics.sub(control, layout.GLOBAL_LOCKERS, 1);
      this.nap();
    }
    this.isLocker = true;
  }
  private nap(): void {
    if (this.isEnded()) throw new Conflict();
    Atomics.wait(this.control, layout.GLOBAL_LOCK_BARRIER, Atomics.load(this.control, layout.GLOBAL_LOCK_BARRIER), 1);
  }

  /** All keys there are. Throws Conflict when some are held already: then the next try begins with it. */
  lockWhole(): void {
    if (this.hasWhole) return;
    if (this.isLocker) {
      this.wantsWhole = true;
      throw new Conflict();
    }
    this.takeWhole();
  }
  private takeWhole(): void {
    const { control, bit } = this;
    while (Atomics.compareExchange(control, layout.GLOBAL_WHOLE_LOCK, 0, bit) !== 0) this.nap();
    this.hasWhole = true;
    Atomics.add(control, layout.GLOBAL_LOCKERS, 1);
    this.isLocker = true;
    // Those who hold locks end by themselves: they wait for nothing of ours.
    while (Atomics.load(control, layout.GLOBAL_LOCKERS) !== 1) this.nap();
  }

  /** Gives everything back. With `keepsWishes` the next `lockWanted` takes all that was held and wanted. */
  release(keepsWishes: boolean): void {
    const { control, bit, words, modes } = this;
    for (let index = 0; index < words.length; index++) {
      const word = words[index]!;
      if (keepsWishes) this.want(word, modes[index] === 1);
      if (modes[index] === 1) Atomics.store(control, word, 0);
      else Atomics.and(control, word, ~bit);
      if (control[layout.GLOBAL_LOCK_WAITERS] !== 0) Atomics.notify(control, word);
    }
    words.length = 0;
    modes.length = 0;
    this.highest = -1;
    if (this.hasWhole) {
      Atomics.store(control, layout.GLOBAL_WHOLE_LOCK, 0);
      this.hasWhole = false;
    }
    if (this.isLocker) Atomics.sub(control, layout.GLOBAL_LOCKERS, 1);
    this.isLocker = false;
    if (keepsWishes) {
      this.retries++;
      return;
    }
    this.retries = 0;
    this.wantsWhole = false;
    this.wanted.length = 0;
  }
}

/** Frees what a thread held that is gone: its bit is taken out of every word. */
export function releaseOfDead(control: Int32Array, bit: number, wasLocker: boolean): void {
  for (let word = layout.LOCK_WORD; word < layout.LOCK_WORD + layout.LOCK_STRIPES; word++) {
    const state = Atomics.load(control, word);
    if ((state & bit) === 0) continue;
    if ((state & LOCK_EXCLUSIVE) !== 0) Atomics.store(control, word, 0);
    else Atomics.and(control, word, ~bit);
    Atomics.notify(control, word);
  }
  Atomics.compareExchange(control, layout.GLOBAL_WHOLE_LOCK, bit, 0);
  if (wasLocker) Atomics.sub(control, layout.GLOBAL_LOCKERS, 1);
}
