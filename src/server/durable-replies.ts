/** What on one reactor waits for the disk: replies under appendfsync always, and WAITAOF. */
import type { CommandContext } from '../commands/context.ts';
import type { RingProducer } from '../memory/byte-ring.ts';
import type { ClientSession } from '../net/session.ts';

type Waiter = {
  readonly session: ClientSession;
  readonly position: number;
  readonly deadlineMs: number;
  readonly finish: (ctx: CommandContext, isSettled: boolean) => void;
};

export class DurableReplies {
  private readonly ring: RingProducer;
  /** Makes a turn of the reactor come; where it sleeps on an eventfd, that is done by the log's thread. */
  private readonly askTurn: () => void;
  private readonly hasEventFd: boolean;
  private held: ClientSession[] = [];
  /** So many of them, the first ones, wait for more than was settled when it was `lookedAt`. */
  private waitFor = 0;
  private lookedAt = -1;
  private waiters: Waiter[] = [];
  private isArmed = false;
  private readonly isSettled = (position: number): boolean => this.ring.isSettled(position);

  constructor(ring: RingProducer, wakeFd: number, askTurn: () => void) {
    this.ring = ring;
    this.askTurn = askTurn;
    this.hasEventFd = wakeFd >= 0;
    ring.setWakeFd(wakeFd);
  }
  get isEmpty(): boolean {
    return this.held.length === 0 && this.waiters.length === 0;
  }
  hold(session: ClientSession): void {
    this.held.push(session);
  }
  /** Calls `finish` when the log is settled up to `position`, or at the deadline. The session waits meanwhile. */
  wait(session: ClientSession, position: number, deadlineMs: number, finish: Waiter['finish']): void {
    session.wait();
    this.waiters.push({ session, position, deadlineMs, finish });
  }

  /** The end of a turn: sends what may go, and asks for a wake for the rest. Returns when the next deadline is. */
  turn(nowMs: number): number {
    if (this.isEmpty) return Number.POSITIVE_INFINITY;
    this.release(nowMs);
    if (!this.isEmpty) {
      this.arm();
      // What was settled before the wish to be woken stood would wake nobody.
      this.release(nowMs);
    }
    this.ring.sayHeld(this.held.length);
    let due = Number.POSITIVE_INFINITY;
    for (const waiter of this.waiters) due = Math.min(due, waiter.deadlineMs);
    return due;
  }
  private release(nowMs: number): void {
    this.releaseHeld();
    if (this.waiters.length === 0) return;
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) {
      const isSettled = this.ring.isSettled(waiter.position);
      if (!isSettled && nowMs < waiter.deadlineMs) this.waiters.push(waiter);
      else waiter.session.resume((ctx) => waiter.finish(ctx, isSettled));
    }
  }
  private releaseHeld(): void {
    const { held } = this;
    const { settled } = this.ring;
    let kept = settled === this.lookedAt ? this.waitFor : 0;
    for (let index = kept; index < held.length; index++) {
      const session = held[index] as ClientSession;
      if (session.release(this.isSettled)) held[kept++] = session;
    }
    held.length = kept;
    this.waitFor = kept;
    this.lookedAt = settled;
  }
  private arm(): void {
    const { ring } = this;
    if (!this.hasEventFd && !this.isArmed) {
      const waiting = Atomics.waitAsync(ring.control, ring.wakeWord, Atomics.load(ring.control, ring.wakeWord));
      if (waiting.async) {
        this.isArmed = true;
        void waiting.value.then(() => {
          this.isArmed = false;
          this.askTurn();
        });
      } else this.askTurn();
    }
    ring.askForWake();
    // The log's thread may sleep with all written, when only a sync is wanted.
    ring.wakeReader();
  }
}
