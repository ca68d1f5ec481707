/** A script thread: takes jobs from its queue, and from those that wait behind somebody else's long script, until the server stops. */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { wakeThread } from '../blocking/wake.ts';
import { attachAll } from '../commands/all.ts';
import { CommandContext } from '../commands/context.ts';
import { DONE } from '../commands/executor.ts';
import { internalClient } from '../commands/internal-client.ts';
import { retryUnserved, unserved } from '../commands/serve-waiters.ts';
import type { Killed, ServerServices } from '../commands/services.ts';
import { EffectLog } from '../keyspace/effect-log.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { secondOf } from '../keyspace/lru-clock.ts';
import { RingProducer } from '../memory/byte-ring.ts';
import { MessageRing } from '../memory/message-ring.ts';
import { HandOver } from '../persistence/snapshot.ts';
import { ReplyWriter } from '../resp/reply.ts';
import { Answer, JOB_SCRIPTS, Job } from '../scripting/jobs.ts';
import { ScriptRunner } from '../scripting/script-runner.ts';
import { LOG_LEVEL_NAMES, scriptServices } from '../scripting/script-services.ts';
import * as state from '../scripting/script-state.ts';
import { UncommittedKeys } from '../transactions/uncommitted-keys.ts';
import { Config } from './config.ts';
import type { Message, ThreadSetup } from './control.ts';
import { applyLimits } from './encoding-limits.ts';

const SPINS = 300;
const SLEEP_MS = 1000;
/** So many answers may wait for a reactor before it's woken. */
const MAX_UNANNOUNCED = 16;

export type ScriptThreadSetup = ThreadSetup & { readonly thread: number };

class ScriptThread {
  private readonly setup: ScriptThreadSetup;
  private readonly keyspace: Keyspace;
  private readonly context: CommandContext;
  private readonly config: Config;
  private readonly runner: ScriptRunner;
  private readonly words: Int32Array;
  private readonly row: number;
  private readonly queues: readonly MessageRing[];
  private readonly mailboxes: readonly MessageRing[];
  private readonly job = new Job();
  private readonly answer = new Answer();
  private readonly toWake = new Set<number>();
  private unannounced = 0;
  private ordersSeen = -1;

  constructor(setup: ScriptThreadSetup) {
    this.setup = setup;
    const { scripts } = setup;
    this.words = new Int32Array(scripts.state);
    this.row = state.rowOf(setup.thread);
    this.keyspace = new Keyspace(setup.control, setup.banks);
    this.keyspace.uncommitted = new UncommittedKeys(this.keyspace, scripts.undo);
    this.keyspace.log = new EffectLog(this.keyspace.control, setup.logRing, setup.index, setup.logPort);
    this.keyspace.snapshot = new HandOver(new RingProducer(setup.snapshotRing, setup.index, setup.snapshotPort));
    this.config = new Config(setup.configFile, setup.config);
    this.context = new CommandContext(this.keyspace, new ReplyWriter(), this.services());
    this.context.client = internalClient();
    this.queues = scripts.queues.map((buffer) => new MessageRing(buffer));
    this.mailboxes = scripts.mailboxes.map((buffer) => new MessageRing(buffer));
    this.runner = new ScriptRunner(this.context, scripts, setup.thread);
    // Whoever waits for jobs that are done mustn't wait for the one that loops.
    this.runner.onSlice = () => this.announce();
    this.runner.log = (level, message) => this.post({ type: 'log', level: LOG_LEVEL_NAMES[level] ?? 'info', message });
    this.applyConfig();
  }
  private post(message: Message): void {
    this.setup.port.postMessage(message);
  }
  private applyConfig(): void {
    const { config } = this;
    this.keyspace.databases = config.getNumber('databases');
    applyLimits(config);
    this.runner.settings = {
      memoryBytes: config.getNumber('script-memory-limit'),
      deadlineMs: config.getNumber('script-deadline'),
      rollsBack: config.getBoolean('script-rollback'),
      transactionRollsBack: config.getBoolean('transaction-rollback'),
    };
  }
  private services(): ServerServices {
    const own = {
      config: this.config,
      startedMs: this.setup.startedMs,
      log: (message: string) => this.post({ type: 'log', level: 'info', message }),
      idleSeconds: (stamp: number) => {
        const now = Math.floor(this.keyspace.nowMs / 1000);
        return Math.max(0, now - secondOf(new Int32Array(this.setup.lruClock), stamp, now));
      },
      // What EXEC may run here beside scripts.
      scripts: {
        load: (ctx: CommandContext) => {
          this.runner.loadInto(ctx.text(2), ctx.reply);
          return DONE;
        },
        exists: (sha: string) => this.runner.exists(sha),
        flush: () => this.runner.forgetAll(),
        kill: (): Killed => 'none',
        libraries: {
          change: (ctx: CommandContext) => {
            this.runner.libraries.change(ctx, true);
            return DONE;
          },
          all: () => this.runner.libraries.all(),
          hasFunction: (name: string) => this.runner.libraries.hasFunction(name),
          running: () => null,
        },
      },
    };
    return scriptServices(own, () => this.config.getNumber('proto-max-bulk-len'));
  }

  run(): void {
    const { words, row } = this;
    Atomics.store(words, row + state.STATE, state.AWAKE);
    while (Atomics.load(words, state.STOP) === 0) {
      // A job that a client sent after CONFIG SET was answered must find it done.
      if (Atomics.load(words, row + state.ORDERS) !== this.ordersSeen) this.readMessages();
      if (this.takeJob()) {
        this.work();
        continue;
      }
      this.announce();
      this.keyspace.log?.publish();
      if (unserved.length > 0) retryUnserved(this.context);
      if (!this.spin()) this.sleep();
    }
    this.announce();
    this.keyspace.log?.publish();
    Atomics.store(words, row + state.STATE, state.NOT_STARTED);
    this.setup.port.close();
  }
  private takeJob(): boolean {
    const { banks } = this.keyspace;
    if (this.job.receive(this.queues[this.setup.thread]!, banks)) return true;
    for (let thread = 0; thread < this.queues.length; thread++) {
      if (this.queues[thread]!.count === 0 || thread === this.setup.thread) continue;
      if (this.isStuck(thread) && this.job.receive(this.queues[thread]!, banks)) return true;
    }
    return false;
  }
  /** Nobody will look into this thread's queue for a while. */
  private isStuck(thread: number): boolean {
    const now = Atomics.load(this.words, state.rowOf(thread) + state.STATE);
    return now === state.NOT_STARTED || now === state.STARTING || state.isOld(this.words, thread);
  }

  private work(): void {
    const { words, row, job, answer, runner } = this;
    Atomics.store(words, row + state.JOB_SLOT, job.slot);
    Atomics.store(words, row + state.JOB_LEFT, job.kind === JOB_SCRIPTS ? job.requests : 1);
    Atomics.store(words, row + state.JOB_REACTOR, job.reactor + 1);
    const ring = this.keyspace.log?.ring;
    const appends = ring?.appends ?? 0;
    const { errorCount } = runner.reply;
    answer.database = runner.run(job);
    answer.slot = job.slot;
    answer.bytes = runner.reply.buffer;
    answer.start = 0;
    answer.end = runner.reply.length;
    answer.errors = runner.reply.errorCount - errorCount;
    answer.hasPosition = ring !== undefined && ring.appends !== appends;
    answer.position = ring?.position ?? 0;
    const mailbox = this.mailboxes[job.reactor]!;
    while (!answer.send(mailbox, this.keyspace.banks)) {
      // The mailbox is full: its reactor is told, and takes what is there.
      this.toWake.add(job.reactor);
      this.announce();
      Atomics.wait(words, row + state.KILL, Atomics.load(words, row + state.KILL), 1);
    }
    Atomics.store(words, row + state.JOB_REACTOR, 0);
    this.toWake.add(job.reactor);
    if (++this.unannounced >= MAX_UNANNOUNCED) {
      this.announce();
      this.keyspace.log?.publish();
    }
    job.clear();
  }
  /** Wakes the reactors that sleep and have answers. */
  private announce(): void {
    this.unannounced = 0;
    if (this.toWake.size === 0) return;
    for (const reactor of this.toWake) {
      const at = state.REACTOR_SLEEPS + reactor;
      if (Atomics.load(this.words, at) !== 0 && Atomics.exchange(this.words, at, 0) !== 0) wakeThread(this.keyspace.control, reactor);
    }
    this.toWake.clear();
  }
  private spin(): boolean {
    const own = this.queues[this.setup.thread]!;
    for (let spin = 0; spin < SPINS; spin++) if (own.count > 0) return true;
    return false;
  }
  private sleep(): void {
    const { words, row } = this;
    Atomics.store(words, row + state.STATE, state.ASLEEP);
    const hasWork = this.queues.some((queue, thread) => queue.count > 0 && (thread === this.setup.thread || this.isStuck(thread)));
    if (!hasWork && Atomics.load(words, state.STOP) === 0) {
      Atomics.wait(words, row + state.STATE, state.ASLEEP, unserved.length > 0 ? 1 : SLEEP_MS);
    }
    Atomics.store(words, row + state.STATE, state.AWAKE);
  }
  private readMessages(): void {
    this.ordersSeen = Atomics.load(this.words, this.row + state.ORDERS);
    for (let got = receiveMessageOnPort(this.setup.port); got !== undefined; got = receiveMessageOnPort(this.setup.port)) {
      const message = got.message as Message;
      if (message.type !== 'order') continue;
      if (message.order.kind === 'config') {
        this.config.set(message.order['pairs'] as [string, string][]);
        this.applyConfig();
      }
      this.post({ type: 'done', id: message.id, result: null });
    }
  }
}

attachAll();
new ScriptThread(workerData as ScriptThreadSetup).run();
