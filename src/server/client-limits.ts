/**
 * The limits that close clients when they are looked at: `timeout` for idle ones, the soft limit of `client-output-buffer-limit`, and
 * `maxmemory-clients` for what all clients keep in buffers.
 */
import type { ClientSession } from '../net/session.ts';
import type { Config } from './config.ts';
import { parseMemory } from './config-values.ts';

/** How often clients are looked at, so how late a limit may strike. */
export const CHECK_MS = 1000;

/** What of a client decides whether it's closed for the memory of all. */
export type Buffers = { readonly bufferedBytes: number; readonly noEvict: boolean };

/**
 * Clients of one reactor to be closed, as all clients together keep `totalBytes` in buffers and may keep `limitBytes`: the largest first of
 * all. `othersBytes` is what the largest one of other reactors keeps: where that is more, it's the other reactor's turn. CLIENT NO-EVICT
 * spares a client, and the others have to go for it.
 */
export function clientsToEvict<Client extends Buffers>(
  clients: Iterable<Client>,
  totalBytes: number,
  limitBytes: number,
  othersBytes: number,
): Client[] {
  if (totalBytes <= limitBytes) return [];
  const evictable = [...clients].filter(({ noEvict, bufferedBytes }) => !noEvict && bufferedBytes > 0);
  evictable.sort((a, b) => b.bufferedBytes - a.bufferedBytes);
  const chosen: Client[] = [];
  let left = totalBytes;
  for (const client of evictable) {
    if (left <= limitBytes || client.bufferedBytes < othersBytes) break;
    left -= client.bufferedBytes;
    chosen.push(client);
  }
  return chosen;
}

/** What the largest of them keeps that may be closed. */
export function largestBytes(clients: Iterable<Buffers>): number {
  let largest = 0;
  for (const { noEvict, bufferedBytes } of clients) if (!noEvict && bufferedBytes > largest) largest = bufferedBytes;
  return largest;
}

/** The bytes of `maxmemory-clients`, which may be a part of maxmemory: '5%'. 0 is no limit. */
function clientsBytes(config: Config): number {
  const given = config.getString('maxmemory-clients');
  if (given.endsWith('%')) return Math.floor((Number(given.slice(0, -1)) / 100) * config.getNumber('maxmemory'));
  return parseMemory(given) ?? 0;
}

export class ClientLimits {
  /** Output that closes a client at once; 0: none does. The session itself looks at this one. */
  hardBytes = 0;
  /** What all clients together may keep in buffers; 0: no limit. */
  allBytes = 0;
  private softBytes = 0;
  private softMs = 0;
  private timeoutMs = 0;

  apply(config: Config): void {
    const [hard, soft, seconds] = config.getString('client-output-buffer-limit').split(' ').slice(1, 4).map(Number) as [
      number,
      number,
      number,
    ];
    this.hardBytes = hard;
    this.softBytes = soft;
    this.softMs = seconds * 1000;
    this.timeoutMs = config.getNumber('timeout') * 1000;
    this.allBytes = clientsBytes(config);
  }
  /** Without any of these limits nobody needs to look. */
  get areSet(): boolean {
    return this.timeoutMs > 0 || this.softBytes > 0 || this.allBytes > 0;
  }
  /** Why the client is to be closed, or null. To be called every CHECK_MS. */
  check(session: ClientSession, nowMs: number): string | null {
    const { activity } = session;
    const pending = session.pendingBytes;
    const progress = session.inputBytes + session.outputBytes - pending;
    if (progress !== activity.progress) {
      activity.progress = progress;
      activity.progressMs = nowMs;
    }
    if (this.timeoutMs > 0 && session.isServed && nowMs - activity.progressMs >= this.timeoutMs) return 'it was idle';
    if (this.softBytes === 0 || pending <= this.softBytes) activity.overSinceMs = 0;
    else if (activity.overSinceMs === 0) activity.overSinceMs = nowMs;
    else if (nowMs - activity.overSinceMs >= this.softMs) return `it left ${pending} bytes of replies unread`;
    return null;
  }
}
