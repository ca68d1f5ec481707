/** Which of a reactor's clients an order is about. */
import type { ClientSession } from '../net/session.ts';

/** CLIENT KILL's conditions, all of which must hold. `caller` gets its reply before it's closed. */
export type KillFilter = {
  id?: number;
  address?: string;
  localAddress?: string;
  user?: string;
  except?: number;
  caller?: number;
};

/** All sessions, or the one with the id `only`, if it's here; not the set itself, as sessions that are closed leave it. */
export function among(sessions: ReadonlySet<ClientSession>, only: unknown): ClientSession[] {
  return [...sessions].filter(({ id }) => only === undefined || id === only);
}

/** Closes those that the filter means, and returns how many. */
export function killClients(sessions: readonly ClientSession[], filter: KillFilter): number {
  const killed = sessions.filter(
    (session) =>
      (filter.id === undefined || session.id === filter.id) &&
      (filter.address === undefined || session.peerAddress === filter.address) &&
      (filter.localAddress === undefined || session.localAddress === filter.localAddress) &&
      (filter.user === undefined || session.user === filter.user) &&
      filter.except !== session.id,
  );
  for (const session of killed) session.close(filter.caller === session.id);
  return killed.length;
}
