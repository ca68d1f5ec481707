/**
 * A client's replies that wait for the disk, under appendfsync always: two marks. Up to `firstTotal` its output may go when the log is
 * settled at `first`, up to `secondTotal` at `second`, which moves on with every write. So a client that never stops writing gets its
 * replies all the same.
 */
import type { Transport } from './transport.ts';

export class HeldReplies {
  /** Something waits. */
  isHeld = false;
  private first = 0;
  private firstTotal = 0;
  private hasSecond = false;
  private second = 0;
  private secondTotal = 0;
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** What was written to the transport behind its first `before` bytes waits for `position`. True when nothing has waited so far. */
  hold(before: number, position: number): boolean {
    const total = this.transport.writtenBytes;
    if (this.isHeld) {
      this.hasSecond = true;
      this.second = position;
      this.secondTotal = total;
      return false;
    }
    this.isHeld = true;
    this.first = position;
    this.firstTotal = total;
    this.transport.allow(before);
    return true;
  }
  /** Sends what the disk has; true when replies still wait. */
  release(isSettled: (position: number) => boolean): boolean {
    while (this.isHeld && isSettled(this.first)) {
      this.isHeld = this.hasSecond;
      this.first = this.second;
      this.transport.allow(this.isHeld ? this.firstTotal : Number.POSITIVE_INFINITY);
      this.firstTotal = this.secondTotal;
      this.hasSecond = false;
    }
    return this.isHeld;
  }
}
