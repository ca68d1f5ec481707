/**
 * A reactor's side of scripts: jobs go to the queue of a script thread, answers come back through the reactor's mailbox.
 *
 * A job goes to the shallowest queue among the threads that are awake and whose script isn't old. Where there is none, a sleeping thread is
 * woken, or another one started. More threads are woken than the machine has cores only for that: a long script has a thread of
 * its own, while the short ones go on with the others. What was queued behind a script that grew old is taken by a thread that is
 * woken for it: any thread may take from any queue.
 */
import { availableParallelism } from 'node:os';
import type { CommandContext } from '../commands/context.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { MessageRing } from '../memory/message-ring.ts';
import { Answer, JOB_SCRIPTS, Job } from './jobs.ts';
import * as state from './script-state.ts';
import { isOld, rowOf, runningMs, type ScriptBuffers } from './script-state.ts';

/** How soon a look is taken at jobs that wait. */
const LOOK_MS = 2;
/** A queue that is so deep is worth a second thread, where there's a core for it. */
const DEEP = 24;
/** Threads that are worth waking for depth alone: reactors want cores, too. */
const SHARED_CORES = Math.max(1, availableParallelism() >> 1);
const MAX_BATCH = 64;
const MAX_BATCH_BYTES = 32768;

/** What waits for an answer: `finish` writes it into the reply. */
export type Waiter = { answered(answer: Answer): void };

export class ScriptDispatcher {
  /** The job that is put together. */
  job = new Job();
  /** Jobs that found no room. */
  private unsent: Job[] = [];
  private readonly words: Int32Array;
  private readonly queues: readonly MessageRing[];
  private readonly mailbox: MessageRing;
  private readonly keyspace: Keyspace;
  private readonly reactor: number;
  private readonly start: (thread: number) => void;
  private readonly answer = new Answer();
  private readonly waiters: (Waiter | null)[] = [];
  private readonly free: number[] = [];
  private outstanding = 0;
  private readonly toWake = new Set<number>();

  /** `start` asks main for a script thread. */
  constructor(keyspace: Keyspace, buffers: ScriptBuffers, reactor: number, start: (thread: number) => void) {
    this.keyspace = keyspace;
    this.words = new Int32Array(buffers.state);
    this.queues = buffers.queues.map((buffer) => new MessageRing(buffer));
    this.mailbox = new MessageRing(buffers.mailboxes[reactor]!);
    this.reactor = reactor;
    this.start = start;
  }
  get isIdle(): boolean {
    return this.outstanding === 0;
  }

  /** Begins a job for the client of `ctx`. */
  begin(ctx: CommandContext, kind = JOB_SCRIPTS): void {
    const { job } = this;
    job.clear();
    job.reactor = this.reactor;
    job.database = ctx.database;
    job.resp = ctx.reply.resp;
    job.kind = kind;
  }
  /** Adds the request in `ctx` to the job. */
  add(ctx: CommandContext): void {
    const { job } = this;
    job.begin(ctx.argc);
    for (let index = 0; index < ctx.argc; index++) job.argument(ctx.bytes, ctx.start(index), ctx.end(index));
  }
  get isFull(): boolean {
    return this.job.requests >= MAX_BATCH || this.job.size >= MAX_BATCH_BYTES;
  }
  /** False when what was sent already waits for room: nothing new is begun then. */
  hasRoom(): boolean {
    return this.unsent.length === 0;
  }
  depth(thread: number): number {
    return this.queues[thread]!.count;
  }
  /** Sends the job. When there is no room for it anywhere, that is done later. */
  submit(waiter: Waiter): void {
    const { job } = this;
    const slot = this.free.pop() ?? this.waiters.length;
    job.slot = slot;
    this.waiters[slot] = waiter;
    this.outstanding++;
    if (this.send(job)) return;
    this.unsent.push(job);
    this.job = new Job();
  }
  private send(job: Job): boolean {
    const thread = this.choose();
    const isSent = job.send(this.queues[thread]!, this.keyspace.banks);
    this.ready(thread);
    return isSent;
  }

  private choose(): number {
    const { words, queues } = this;
    let best = -1;
    let shallowest = 0;
    let awake = 0;
    let asleep = -1;
    let unborn = -1;
    let oldest = 0;
    for (let thread = 0; thread < queues.length; thread++) {
      const now = Atomics.load(words, rowOf(thread) + state.STATE);
      if (now === state.NOT_STARTED) {
        if (unborn < 0) unborn = thread;
        continue;
      }
      if (now === state.ASLEEP) {
        if (asleep < 0) asleep = thread;
        continue;
      }
      if (isOld(words, thread)) {
        oldest = thread;
        continue;
      }
      awake++;
      const depth = queues[thread]!.count;
      if (best >= 0 && depth >= shallowest) continue;
      best = thread;
      shallowest = depth;
    }
    if (best >= 0 && (shallowest < DEEP || awake >= SHARED_CORES)) return best;
    if (asleep >= 0) return asleep;
    if (best >= 0 && unborn < 0) return best;
    return unborn >= 0 ? unborn : Math.max(best, oldest);
  }
  /** Sees to it that a thread will look into its queue. */
  private ready(thread: number): void {
    const { words } = this;
    const row = rowOf(thread) + state.STATE;
    const now = Atomics.load(words, row);
    if (now === state.ASLEEP) this.toWake.add(thread);
    else if (now === state.NOT_STARTED && Atomics.compareExchange(words, row, state.NOT_STARTED, state.STARTING) === state.NOT_STARTED) {
      this.start(thread);
    }
  }

  /** Has a first thread started: scripts have begun to come. */
  prepare(): void {
    if (Atomics.load(this.words, rowOf(0) + state.STATE) === state.NOT_STARTED) this.ready(0);
  }

  /** The end of a turn: hands out answers, wakes threads, once for all jobs of the turn. Returns in how many ms to look again, 0: not. */
  turn(): number {
    if (this.outstanding === 0) return 0;
    this.receive();
    if (this.unsent.length > 0) this.unsent = this.unsent.filter((job) => !this.send(job));
    for (const thread of this.toWake) this.wake(thread);
    this.toWake.clear();
    return this.helpStuck() || this.unsent.length > 0 ? LOOK_MS : 0;
  }
  private wake(thread: number): void {
    const row = rowOf(thread) + state.STATE;
    if (Atomics.compareExchange(this.words, row, state.ASLEEP, state.AWAKE) === state.ASLEEP) Atomics.notify(this.words, row);
  }
  /** Takes all answers that are there. */
  receive(): void {
    const { answer, mailbox, keyspace } = this;
    while (answer.receive(mailbox, keyspace.banks)) {
      const waiter = this.waiters[answer.slot]!;
      this.waiters[answer.slot] = null;
      this.free.push(answer.slot);
      this.outstanding--;
      waiter?.answered(answer);
    }
  }
  /** Before the reactor sleeps: asks to be woken for answers. False when one is there already. */
  maySleep(): boolean {
    const at = state.REACTOR_SLEEPS + this.reactor;
    Atomics.store(this.words, at, 1);
    if (this.mailbox.count === 0) return true;
    Atomics.store(this.words, at, 0);
    return false;
  }
  /** Jobs wait behind a script that has grown old: a thread that has nothing to do is woken, or started. True while jobs wait. */
  private helpStuck(): boolean {
    const { words, queues } = this;
    let waits = false;
    let stuck = false;
    let asleep = -1;
    let unborn = -1;
    for (let thread = 0; thread < queues.length; thread++) {
      const now = Atomics.load(words, rowOf(thread) + state.STATE);
      if (now === state.ASLEEP) asleep = thread;
      if (now === state.NOT_STARTED) unborn = thread;
      if (queues[thread]!.count === 0) continue;
      waits = true;
      if (now === state.ASLEEP) this.wake(thread);
      if (isOld(words, thread)) stuck = true;
    }
    if (stuck && asleep >= 0) this.wake(asleep);
    else if (stuck && unborn >= 0) this.ready(unborn);
    return waits;
  }

  /** SCRIPT KILL, FUNCTION KILL: ends what has been running longest of those that `isMeant` picks; false when none is. */
  killOldest(isMeant: (thread: number) => boolean): boolean {
    const { words, queues } = this;
    let oldest = 0;
    let victim = -1;
    let longest = 0;
    for (let thread = 0; thread < queues.length; thread++) {
      // The number comes first: what began after that isn't ended in its place.
      const sequence = Atomics.load(words, rowOf(thread) + state.SEQUENCE);
      const ms = runningMs(words, thread);
      if (ms <= longest || !isMeant(thread)) continue;
      longest = ms;
      oldest = sequence;
      victim = thread;
    }
    if (victim >= 0) Atomics.store(words, rowOf(victim) + state.KILL, oldest);
    return victim >= 0;
  }
}
