/**
 * Main's part in scripts: starts a thread when the load first needs it, tells it of the configuration, replaces one that died. What the
 * dead thread's transaction had changed is taken back from its undo records; its client is told. A thread that died inside a latch
 * has left a broken shard: then the process stops.
 */
import type { MessagePort } from 'node:worker_threads';
import { wakeThread } from '../blocking/wake.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { isAppending, type RingBuffers } from '../memory/byte-ring.ts';
import { MessageRing } from '../memory/message-ring.ts';
import { Answer } from '../scripting/jobs.ts';
import * as state from '../scripting/script-state.ts';
import { releaseOfDead } from '../transactions/held-locks.ts';
import { forgetUndo, rollBack } from '../transactions/rollback.ts';
import { UndoLog } from '../transactions/undo-log.ts';
import { FIRST_SCRIPT_THREAD, type Order } from './control.ts';

/** A thread's channels to the log are made before the log starts; so many replacements have one as well. */
const SPARES = 2;
const ERR_DIED = '-ERR The thread of the script failed; what the script had done was taken back\r\n';

export type LogPorts = { logPort: MessagePort; snapshotPort: MessagePort };
export type ScriptWorker = { post(order: Order): void; terminate(): void; readonly exited: Promise<void> };
type Spawn = (thread: number, ports: LogPorts | null, onEnd: (why: string) => void) => ScriptWorker;

export class ScriptThreads {
  readonly buffers: state.ScriptBuffers;
  private readonly words: Int32Array;
  private readonly control: SharedArrayBuffer;
  private readonly banks: readonly SharedArrayBuffer[];
  private readonly logRing: RingBuffers;
  private readonly spawn: Spawn;
  private readonly onBroken: (error: Error) => void;
  private readonly log: (message: string) => void;
  private readonly workers: (ScriptWorker | null)[];
  private readonly ports: LogPorts[][] = [];
  private isStopping = false;

  constructor(
    shared: { control: SharedArrayBuffer; banks: SharedArrayBuffer[]; logRing: RingBuffers },
    buffers: state.ScriptBuffers,
    spawn: Spawn,
    onBroken: (error: Error) => void,
    log: (message: string) => void,
  ) {
    this.buffers = buffers;
    this.words = new Int32Array(buffers.state);
    this.control = shared.control;
    this.banks = shared.banks;
    this.logRing = shared.logRing;
    this.spawn = spawn;
    this.onBroken = onBroken;
    this.log = log;
    this.workers = buffers.queues.map(() => null);
  }
  /** Makes the channels to the log's threads; before these start. */
  reservePorts(make: () => LogPorts): void {
    for (const _ of this.workers) this.ports.push(Array.from({ length: 1 + SPARES }, make));
  }

  /** A reactor needs this thread; its row says STARTING already. */
  start(thread: number): void {
    if (this.isStopping || this.workers[thread] !== null) return;
    const ports = this.ports[thread]?.pop() ?? null;
    this.workers[thread] = this.spawn(thread, ports, (why) => this.onEnd(thread, why));
  }
  order(order: Order): void {
    this.workers.forEach((worker, thread) => {
      if (worker === null) return;
      worker.post(order);
      Atomics.add(this.words, state.rowOf(thread) + state.ORDERS, 1);
      this.wake(thread);
    });
  }
  private wake(thread: number): void {
    const row = state.rowOf(thread) + state.STATE;
    Atomics.compareExchange(this.words, row, state.ASLEEP, state.AWAKE);
    Atomics.notify(this.words, row);
  }
  /** DEBUG PANIC script: the thread that runs a script is ended; false when none does. */
  killThread(): boolean {
    const thread = this.workers.findIndex((worker, index) => worker !== null && state.runningMs(this.words, index) > 0);
    this.workers[thread]?.terminate();
    return thread >= 0;
  }

  private onEnd(thread: number, why: string): void {
    this.workers[thread] = null;
    if (this.isStopping) return;
    const { words } = this;
    const row = state.rowOf(thread);
    if (Atomics.load(words, row + state.LATCHED) !== 0) {
      this.onBroken(new Error(`script thread ${thread} failed inside a latch: ${why}`));
      return;
    }
    this.log(`Script thread ${thread} failed (${why}): its transaction is taken back, and another thread takes its place`);
    try {
      this.takeBack(thread);
    } catch (error) {
      this.onBroken(error as Error);
      return;
    }
    this.answerDead(row);
    Atomics.store(words, row + state.SINCE, 0);
    Atomics.store(words, row + state.STATE, state.STARTING);
    this.start(thread);
  }
  private takeBack(thread: number): void {
    const { words } = this;
    // Others have records behind it, so it can be neither finished nor left out.
    if (isAppending(this.logRing, FIRST_SCRIPT_THREAD + thread))
      throw new Error(`script thread ${thread} died with half a record in the log`);
    const row = state.rowOf(thread);
    const keyspace = new Keyspace(this.control, this.banks);
    keyspace.lockBit = 1 << thread;
    const undo = new UndoLog(this.buffers.undo[thread]!, true);
    // It may have died behind its commit: then what it had kept is freed.
    if (undo.isClosed) forgetUndo(keyspace, undo);
    else rollBack(keyspace, undo);
    undo.reset();
    Atomics.and(keyspace.control, layout.GLOBAL_OPEN_GROUPS, ~keyspace.lockBit);
    releaseOfDead(keyspace.control, 1 << thread, Atomics.exchange(words, row + state.LOCKER, 0) !== 0);
  }
  private answerDead(row: number): void {
    const { words } = this;
    const reactor = Atomics.exchange(words, row + state.JOB_REACTOR, 0) - 1;
    if (reactor < 0) return;
    const answer = new Answer();
    answer.slot = words[row + state.JOB_SLOT]!;
    answer.bytes = Buffer.from(ERR_DIED.repeat(Math.max(1, words[row + state.JOB_LEFT]!)), 'latin1');
    answer.end = answer.bytes.length;
    answer.errors = 1;
    const keyspace = new Keyspace(this.control, this.banks);
    if (!answer.send(new MessageRing(this.buffers.mailboxes[reactor]!), keyspace.banks)) {
      this.onBroken(new Error('a reactor does not take its answers'));
      return;
    }
    Atomics.store(words, state.REACTOR_SLEEPS + reactor, 0);
    wakeThread(keyspace.control, reactor);
  }

  /** Ends all threads: no client waits for one any more. */
  async stop(): Promise<void> {
    this.isStopping = true;
    Atomics.store(this.words, state.STOP, 1);
    for (const thread of this.workers.keys()) this.wake(thread);
    await Promise.all(this.workers.map((worker) => worker?.exited));
    for (const spares of this.ports.splice(0)) {
      for (const { logPort, snapshotPort } of spares) {
        logPort.close();
        snapshotPort.close();
      }
    }
  }
}
