/**
 * Orders about clients (CLIENT LIST, CLIENT KILL) to all reactors, while clients move from one to another. A client that left a reactor
 * before that one looked, and came to the other after that one had, would be missed. So whoever is told of a move asks the new reactor
 * once more, about this client alone, for every order that the old one hasn't answered. All messages between a reactor and main keep
 * their order, which is what makes it sure.
 */
import type { Order } from './control.ts';

type Open<T> = { readonly thread: T; readonly only: number | undefined };
type Asked<T> = { readonly order: Order; readonly open: Set<Open<T>>; readonly answers: unknown[]; readonly done: () => void };

export class ClientOrders<T> {
  private readonly send: (thread: T, order: Order, answered: (answer: unknown) => void) => void;
  private readonly asked = new Set<Asked<T>>();

  /** `send` posts an order and calls back, within the event that brought the answer. */
  constructor(send: (thread: T, order: Order, answered: (answer: unknown) => void) => void) {
    this.send = send;
  }

  /** The answers of all, and of whoever got clients of theirs meanwhile. */
  ask(threads: readonly T[], order: Order): Promise<unknown[]> {
    return new Promise((resolve) => {
      const asked: Asked<T> = { order, open: new Set(), answers: [], done: () => resolve(asked.answers) };
      this.asked.add(asked);
      for (const thread of threads) this.askOne(asked, { thread, only: undefined });
    });
  }
  /** The client has gone from one thread to another, which has been told so already. */
  moved(id: number, from: T, to: T): void {
    for (const asked of this.asked) {
      const isMissed = [...asked.open].some((open) => open.thread === from && (open.only === undefined || open.only === id));
      if (isMissed) this.askOne(asked, { thread: to, only: id });
    }
  }

  private askOne(asked: Asked<T>, open: Open<T>): void {
    asked.open.add(open);
    const order = open.only === undefined ? asked.order : { ...asked.order, only: open.only };
    this.send(open.thread, order, (answer) => {
      asked.open.delete(open);
      asked.answers.push(answer);
      if (asked.open.size > 0) return;
      this.asked.delete(asked);
      asked.done();
    });
  }
}
