/**
 * What reactors, main and script threads share about scripts, in one buffer:
 *
 *   words 0-15     of all: EPOCH (counts SCRIPT FLUSH), LATCH of the store (and its waiters), SCRIPTS (how many), STOP (1: all end),
 *                  WORDS (of their texts)
 *   words 16 ...   a row of 16 words a script thread                                who writes
 *     +0 STATE     0 not started, 1 starting, 2 runs, 3 sleeps until notified        reactors 0 -> 1 and 3 -> 2, else the thread
 *     +1 SINCE     when the script that runs began (low bits of ms, never 0), or 0   the thread
 *     +2 SEQUENCE  counts the scripts it has run                                     the thread
 *     +3 KILL      1: the script of KILL_SEQUENCE is to end                          whoever kills, then the thread
 *     +4 LATCHED   1 while a command holds latches                                   the thread
 *     +5 LOCKER    1 while it holds key locks                                        the thread
 *     +6           not used
 *     +7 RETRIED   conflicts that were retried so far                                the thread
 *     +8 JOB_REACTOR, +9 JOB_SLOT   whom the job that runs is answered to, reactor + 1   the thread
 *     +10 JOB_LEFT the replies that it owes               the thread
 *     +11 ORDERS   counts messages to its port               main, when the message is there
 *     +12 SLICES   how often the script was asked whether to go on      the thread
 *   then           a row of 16 words a reactor, 64 of them: +0 scripts that ran on it, +1 those it gave up as they took too long,
 *                  +2 those that met another's lock or latch once too often       the reactor
 *   64 words       1 where a reactor sleeps and wants to be woken for answers       the reactor; who wakes it takes it
 *   behind         the store's table: SLOTS rows of 8 words: 5 of SHA1, bank + 1, ref, bytes
 *
 * A script's source is in a block of a bank. The store is read and written under its latch; it's asked when a thread meets a script
 * for the first time, so that doesn't happen often.
 */
import { createHash } from 'node:crypto';
import type { Bank } from '../memory/bank.ts';
import { createFunctionState } from './function-store.ts';
import { createScriptStats } from './script-stats.ts';
import { SharedStore } from './shared-store.ts';

export const MAX_SCRIPT_THREADS = 30;
/**
 * A script is old, gets no others queued behind it and has those that are there taken over, when it has been asked so often whether to
 * go on: that counts its own work, so a thread that only waits for a core isn't taken for one with a long script.
 */
const OLD_SLICES = 4;
/** Or when so much time has passed, whatever it does. */
const OLD_MS = 50;
const EPOCH = 0;
const LATCH = 1;
const SCRIPTS = 3;
export const STOP = 4;
const WORDS = 5;
const ROWS = 16;
const ROW_WORDS = 16;
export const STATE = 0;
export const SINCE = 1;
export const SEQUENCE = 2;
export const KILL = 3;
export const LATCHED = 4;
export const LOCKER = 5;
export const RETRIED = 7;
export const JOB_REACTOR = 8;
export const JOB_SLOT = 9;
export const JOB_LEFT = 10;
export const ORDERS = 11;
export const SLICES = 12;

export const NOT_STARTED = 0;
export const STARTING = 1;
export const AWAKE = 2;
export const ASLEEP = 3;

export const INLINE_RUNS = 0;
export const INLINE_GIVEN_UP = 1;
export const INLINE_CONFLICTS = 2;

const MAX_REACTORS = 64;
const REACTOR_ROWS = ROWS + MAX_SCRIPT_THREADS * ROW_WORDS;
export const REACTOR_SLEEPS = REACTOR_ROWS + MAX_REACTORS * ROW_WORDS;
const TABLE = REACTOR_SLEEPS + MAX_REACTORS;
const SLOTS = 65536;
const SLOT_WORDS = 8;
const SHA_WORDS = 5;
const BANK = 5;
const REF = 6;
const BYTES = 7;
const QUEUE_BYTES = 2097152;
const MAILBOX_BYTES = 4194304;
const UNDO_BYTES = 268435456;

export type ScriptBuffers = {
  readonly state: SharedArrayBuffer;
  /** Jobs of each script thread. */
  readonly queues: readonly SharedArrayBuffer[];
  /** Answers for each reactor. */
  readonly mailboxes: readonly SharedArrayBuffer[];
  /** The undo log of each script thread. */
  readonly undo: readonly SharedArrayBuffer[];
  /** Libraries of functions, see function-store.ts. */
  readonly functions: SharedArrayBuffer;
  /** Figures of scripts, see script-stats.ts. */
  readonly stats: SharedArrayBuffer;
};

export function createScriptBuffers(threads: number, reactors: number): ScriptBuffers {
  const buffers = (count: number, bytes: number) => Array.from({ length: count }, () => new SharedArrayBuffer(bytes));
  return {
    state: new SharedArrayBuffer((TABLE + SLOTS * SLOT_WORDS) * 4),
    queues: buffers(threads, QUEUE_BYTES),
    mailboxes: buffers(reactors, MAILBOX_BYTES),
    undo: buffers(threads, UNDO_BYTES),
    functions: createFunctionState(),
    stats: createScriptStats(threads + reactors),
  };
}
/** The word of a script thread's row. */
export function rowOf(thread: number): number {
  return ROWS + thread * ROW_WORDS;
}
export function reactorRowOf(reactor: number): number {
  return REACTOR_ROWS + reactor * ROW_WORDS;
}
/** How long a thread's script has been running, 0 when none is. */
export function runningMs(words: Int32Array, thread: number): number {
  const since = Atomics.load(words, rowOf(thread) + SINCE);
  return since === 0 ? 0 : Math.max(1, (Date.now() - since) | 0);
}

/** True when a thread won't come to its queue soon. */
export function isOld(words: Int32Array, thread: number): boolean {
  const ms = runningMs(words, thread);
  return ms > 0 && (ms >= OLD_MS || Atomics.load(words, rowOf(thread) + SLICES) >= OLD_SLICES);
}

const shaWords = new Int32Array(SHA_WORDS);

/** The scripts by SHA1, for EVALSHA, SCRIPT LOAD, EXISTS and FLUSH, as one thread uses it. */
export class ScriptStore extends SharedStore {
  constructor(buffers: ScriptBuffers, banks: readonly Bank[]) {
    super(buffers.state, banks, { latch: LATCH, epoch: EPOCH, blockWords: WORDS });
  }
  get count(): number {
    return Atomics.load(this.words, SCRIPTS);
  }
  static shaOf(source: string): string {
    return createHash('sha1').update(source, 'latin1').digest('hex');
  }

  /** The source of a script, or null. `sha` has 40 hexadecimal digits in any case. */
  get(sha: string): string | null {
    return this.latched(() => {
      const slot = this.find(sha);
      if (slot < 0 || this.words[slot + BANK] === 0) return null;
      const start = this.words[slot + REF]! << 2;
      return this.banks[this.words[slot + BANK]! - 1]!.u8.latin1Slice(start, start + this.words[slot + BYTES]!);
    });
  }
  /** The bytes of a script's source, 0 when there is none. */
  sizeOf(sha: string): number {
    return this.latched(() => {
      const slot = this.find(sha);
      return slot < 0 || this.words[slot + BANK] === 0 ? 0 : this.words[slot + BYTES]!;
    });
  }
  has(sha: string): boolean {
    return this.latched(() => {
      const slot = this.find(sha);
      return slot >= 0 && this.words[slot + BANK] !== 0;
    });
  }
  /** Keeps a script; false when there is no room for it. */
  add(sha: string, source: string): boolean {
    return this.latched(() => {
      const { words, banks } = this;
      const slot = this.find(sha);
      if (slot < 0) return false;
      if (words[slot + BANK] !== 0) return true;
      const bank = banks[(shaWords[0]! >>> 8) % banks.length]!;
      const ref = bank.alloc(Math.max(1, (source.length + 3) >>> 2));
      if (ref === 0 || words[SCRIPTS]! > (SLOTS * 3) / 4) {
        if (ref !== 0) bank.free(ref);
        return false;
      }
      bank.u8.latin1Write(source, ref << 2);
      words.set(shaWords, slot);
      words[slot + BANK] = bank.index + 1;
      words[slot + REF] = ref;
      words[slot + BYTES] = source.length;
      words[SCRIPTS]!++;
      words[WORDS]! += (source.length + 3) >>> 2;
      return true;
    });
  }
  clear(): void {
    this.latched(() => {
      const { words, banks } = this;
      for (let slot = TABLE; slot < words.length; slot += SLOT_WORDS) {
        if (words[slot + BANK] === 0) continue;
        banks[words[slot + BANK]! - 1]!.free(words[slot + REF]!);
        words[slot + BANK] = 0;
      }
      words[SCRIPTS] = 0;
      words[WORDS] = 0;
      Atomics.add(words, EPOCH, 1);
    });
  }

  /** The slot of a SHA1 or the empty one where it belongs; -1 for what is no SHA1. Sets shaWords. */
  private find(sha: string): number {
    if (!/^[0-9a-f]{40}$/i.test(sha)) return -1;
    const { words } = this;
    for (let word = 0; word < SHA_WORDS; word++) shaWords[word] = Number.parseInt(sha.slice(word * 8, word * 8 + 8), 16) | 0;
    for (let at = shaWords[4]! & (SLOTS - 1); ; at = (at + 1) & (SLOTS - 1)) {
      const slot = TABLE + at * SLOT_WORDS;
      if (words[slot + BANK] === 0) return slot;
      let word = 0;
      while (word < SHA_WORDS && words[slot + word] === shaWords[word]) word++;
      if (word === SHA_WORDS) return slot;
    }
  }
}
