/** The clients of one thread that wait for keys: their nodes in shared memory, their timeouts, and what they are sent. */
import * as waiters from '../blocking/waiters.ts';
import type { CommandContext } from '../commands/context.ts';
import type { BlockRequest } from '../commands/services.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { releaseExclusive, tryExclusive } from '../memory/latch.ts';
import type { ClientSession } from '../net/session.ts';

type Node = { readonly head: number; readonly bank: number; readonly ref: number };
type Blocked = {
  readonly session: ClientSession;
  readonly slot: number;
  readonly nodes: Node[];
  readonly isArray: boolean;
  readonly deadlineMs: number;
  isDone: boolean;
};

const ERR_UNBLOCKED = 'UNBLOCKED client unblocked via CLIENT UNBLOCK';
const ERR_TOO_MANY = 'ERR too many clients wait for keys already';

/** Ended waits that are kept among the deadlines before they are swept out. */
const MAX_DONE = 1000;

export class BlockedClients {
  private readonly keyspace: Keyspace;
  private readonly thread: number;
  private readonly bySlot = new Map<number, Blocked>();
  private readonly bySession = new Map<ClientSession, Blocked>();
  /** Those with a timeout, the earliest first, from `first` on; what is done is passed over, and swept out now and then. */
  private deadlines: Blocked[] = [];
  private first = 0;
  private done = 0;
  /** Done, with nodes left whose shards were latched. */
  private leaving: Blocked[] = [];

  constructor(keyspace: Keyspace, thread: number) {
    this.keyspace = keyspace;
    this.thread = thread;
  }
  get count(): number {
    return this.bySession.size;
  }

  /** Lets the client of the command that runs wait; the shards of its keys are latched by the executor. */
  block(ctx: CommandContext, session: ClientSession, request: BlockRequest): void {
    const { keyspace } = this;
    const slot = waiters.takeSlot(keyspace.control, this.thread);
    if (slot < 0) {
      ctx.reply.error(ERR_TOO_MANY);
      return;
    }
    const deadlineMs = request.timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + request.timeoutMs;
    const blocked: Blocked = { session, slot, nodes: [], isArray: request.isArray, deadlineMs, isDone: false };
    const target = request.target === 0 ? null : ctx.copy(request.target);
    for (let index = request.firstKey; index <= request.lastKey; index++) {
      ctx.locate(index);
      const ref = waiters.addNode(keyspace, slot, request.form, request.count, target);
      if (ref !== 0) {
        blocked.nodes.push({ head: keyspace.head, bank: keyspace.bank.index, ref });
        continue;
      }
      // The latches are ours, so the nodes can go at once.
      for (const node of blocked.nodes) waiters.removeNode(keyspace.control, node.head, keyspace.banks[node.bank]!, node.ref);
      waiters.giveSlot(keyspace.control, slot);
      ctx.reply.error("OOM command not allowed when used memory > 'maxmemory'.");
      return;
    }
    this.bySlot.set(slot, blocked);
    this.bySession.set(session, blocked);
    if (deadlineMs !== Number.POSITIVE_INFINITY) this.insertDeadline(blocked);
    session.block();
  }

  /** Timeouts are mostly alike, so that a new one is the latest of all. */
  private insertDeadline(blocked: Blocked): void {
    if (this.done > MAX_DONE && this.done * 2 > this.deadlines.length) {
      this.deadlines = this.deadlines.filter((one, index) => index >= this.first && !one.isDone);
      this.first = 0;
      this.done = 0;
    }
    let at = this.deadlines.length;
    while (at > this.first && this.deadlines[at - 1]!.deadlineMs > blocked.deadlineMs) at--;
    this.deadlines.splice(at, 0, blocked);
  }
  private nextDeadline(): Blocked | null {
    while (this.first < this.deadlines.length) {
      const next = this.deadlines[this.first]!;
      if (!next.isDone) return next;
      this.first++;
    }
    this.deadlines = [];
    this.first = 0;
    this.done = 0;
    return null;
  }

  /** On every turn: hands out what has come, ends what is over. Returns the milliseconds until it must be called again, or -1. */
  turn(): number {
    const { keyspace } = this;
    if (Atomics.load(keyspace.control, layout.MAIL_WORD + this.thread) !== 0) {
      waiters.takeMail(keyspace.control, this.thread, (slot, bank, result) => this.deliver(slot, bank, result));
    }
    if (this.leaving.length > 0) this.leaving = this.leaving.filter((blocked) => !this.leave(blocked));
    const now = performance.now();
    let next = this.nextDeadline();
    for (; next !== null && next.deadlineMs <= now; next = this.nextDeadline()) {
      this.first++;
      this.end(next, '');
    }
    if (this.leaving.length > 0) return 1;
    return next === null ? -1 : Math.max(1, Math.ceil(next.deadlineMs - now));
  }

  private deliver(slot: number, bankIndex: number, result: number): void {
    const bank = this.keyspace.banks[bankIndex]!;
    const blocked = this.bySlot.get(slot);
    if (blocked !== undefined) {
      const start = (result + 1) << 2;
      this.finish(blocked);
      blocked.session.resume((ctx) => ctx.reply.raw(bank.u8, start, start + bank.i32[result]!));
    }
    bank.free(result);
  }
  /** Ends a wait without a result, unless one is on its way. `error` is empty for the reply of a timeout. */
  private end(blocked: Blocked, error: string): boolean {
    if (!waiters.giveUp(this.keyspace.control, blocked.slot)) return false;
    this.finish(blocked);
    blocked.session.resume((ctx) => {
      if (error !== '') ctx.reply.error(error);
      else if (blocked.isArray) ctx.reply.nilArray();
      else ctx.reply.nil();
    });
    return true;
  }
  private finish(blocked: Blocked): void {
    blocked.isDone = true;
    this.done++;
    this.bySlot.delete(blocked.slot);
    this.bySession.delete(blocked.session);
    if (!this.leave(blocked)) this.leaving.push(blocked);
  }
  /** Removes the nodes whose shards can be latched; true when none is left, and the slot is given back. */
  private leave(blocked: Blocked): boolean {
    const { control, banks } = this.keyspace;
    const { nodes } = blocked;
    while (nodes.length > 0) {
      const { head, bank, ref } = nodes.at(-1)!;
      if (!tryExclusive(control, head)) return false;
      waiters.removeNode(control, head, banks[bank]!, ref);
      releaseExclusive(control, head);
      nodes.pop();
    }
    waiters.giveSlot(control, blocked.slot);
    return true;
  }

  /** CLIENT UNBLOCK: true when the client was waiting. */
  unblock(session: ClientSession, withError: boolean): boolean {
    const blocked = this.bySession.get(session);
    return blocked !== undefined && this.end(blocked, withError ? ERR_UNBLOCKED : '');
  }
  /** The connection is gone: nothing more is taken for it. What is on its way already is lost with it, as a reply in its socket is. */
  closed(session: ClientSession): void {
    const blocked = this.bySession.get(session);
    if (blocked !== undefined && waiters.giveUp(this.keyspace.control, blocked.slot)) this.finish(blocked);
  }
}
