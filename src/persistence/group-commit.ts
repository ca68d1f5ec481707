/**
 * When to sync under appendfsync always. Clients whose replies a sync has released come back within moments, and a sync that begins
 * with the first of them makes the others wait for the next one: with a disk that takes a millisecond they would share the syncs by
 * thirds. So the log waits for more while clearly fewer replies wait than lately at once did, and never longer than a part of what a
 * sync takes.
 */
const PATIENCE = 0.75;
const MAX_WAIT_MS = 2;
/** So much of the usual crowd is enough: some clients always have something else to do. */
const ENOUGH = 0.8;
const DECAY = 0.98;
const SMOOTHING = 0.1;

export class GroupCommit {
  private syncMs = 0;
  /** Replies that waited at once, lately: it falls slowly. */
  private crowd = 0;
  private sinceMs = -1;

  /** So many replies that wait are enough for a sync. */
  get wanted(): number {
    return Math.ceil(this.crowd * ENOUGH);
  }
  /** There's something to be synced, and `held` replies wait. How long to wait for more, in milliseconds; 0: sync now. */
  patience(nowMs: number, held: number): number {
    if (this.sinceMs < 0) this.sinceMs = nowMs;
    if (held >= this.wanted) return 0;
    return Math.max(0, this.sinceMs + Math.min(MAX_WAIT_MS, this.syncMs * PATIENCE) - nowMs);
  }
  /** A sync has taken so long; at its end `held` replies wait, those for it and those that came meanwhile. */
  synced(tookMs: number, held: number): void {
    this.syncMs += (tookMs - this.syncMs) * SMOOTHING;
    this.crowd = Math.max(held, this.crowd * DECAY);
    this.sinceMs = -1;
  }
}
