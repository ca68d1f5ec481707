/** The limits that close clients by time: `timeout` for idle ones, and the soft limit of `client-output-buffer-limit`. */
import type { ClientSession } from '../net/session.ts';
import type { Config } from './config.ts';

/** How often clients are looked at, so how late a limit may strike. */
export const CHECK_MS = 1000;

export class ClientLimits {
  /** Output that closes a client at once; 0: none does. The session itself looks at this one. */
  hardBytes = 0;
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
  }
  /** Without any of these limits nobody needs to look. */
  get areSet(): boolean {
    return this.timeoutMs > 0 || this.softBytes > 0;
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
