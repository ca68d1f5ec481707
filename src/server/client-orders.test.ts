// Orders about clients while clients move: whoever leaves before one reactor has looked and comes after the other has is asked for again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chance } from '../../test/support/seed.ts';
import { ClientOrders } from './client-orders.ts';
import type { Order } from './control.ts';

type Mail = { order: Order; answered: (answer: unknown) => void } | { adopt: number };
const THREADS = [0, 1, 2];

/** Reactors as main sees them: mail is read in its order, but when a reactor reads is left to chance. */
class Model {
  readonly clients = THREADS.map((thread) => new Set([thread * 10 + 1, thread * 10 + 2]));
  readonly inboxes: Mail[][] = THREADS.map(() => []);
  /** What reactors have sent to main. */
  readonly outboxes: (() => void)[][] = THREADS.map(() => []);
  readonly orders = new ClientOrders<number>((thread, order, answered) => this.inboxes[thread]?.push({ order, answered }));

  read(thread: number): void {
    const mail = this.inboxes[thread]?.shift();
    const clients = this.clients[thread] as Set<number>;
    if (mail === undefined) return;
    if ('adopt' in mail) {
      clients.add(mail.adopt);
      return;
    }
    const { only } = mail.order;
    const answer = [...clients].filter((id) => only === undefined || id === only);
    this.outboxes[thread]?.push(() => mail.answered(answer));
  }
  move(thread: number, target: number): void {
    const clients = this.clients[thread] as Set<number>;
    const [id] = clients;
    if (id === undefined || thread === target) return;
    clients.delete(id);
    this.outboxes[thread]?.push(() => {
      this.inboxes[target]?.push({ adopt: id });
      this.orders.moved(id, thread, target);
    });
  }
  /** Main reads. */
  hear(thread: number): void {
    this.outboxes[thread]?.shift()?.();
  }
}

test('an order about clients reaches each of them once, wherever it moves meanwhile', async () => {
  const thread = fc.nat(THREADS.length - 1);
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom('read', 'hear'), thread, target: fc.constant(0) }),
    fc.record({ kind: fc.constant('move'), thread, target: thread }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.array(step, { maxLength: 60 }), async (before, meanwhile) => {
      const model = new Model();
      const run = (steps: typeof before): void => {
        for (const { kind, thread: from, target } of steps) {
          if (kind === 'read') model.read(from);
          else if (kind === 'hear') model.hear(from);
          else model.move(from, target);
        }
      };
      run(before);
      const asked = model.orders.ask(THREADS, { kind: 'client-list' });
      run(meanwhile);
      for (let round = 0; round < 200; round++) for (const each of THREADS) round % 2 === 0 ? model.read(each) : model.hear(each);
      const found = (await asked).flat() as number[];
      assert.deepEqual(
        found.sort((a, b) => a - b),
        [1, 2, 11, 12, 21, 22],
      );
    }),
    chance(300),
  );
});
