/** How busy the thread that asks is. Linux only. */
import { openSync, readSync } from 'node:fs';

/** Nanoseconds on a core, nanoseconds of waiting for one, and turns on one: Documentation/scheduler/sched-stats.rst of Linux. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

export type Load = {
  /** CPU time by time. */
  readonly cpu: number;
  /** The same with the time that the thread would have worked, but had no core: 1 when it never sleeps. */
  readonly busy: number;
};

export class ThreadLoad {
  private readonly fd = openSync(SCHEDSTAT, 'r');
  private readonly text = Buffer.alloc(128);
  private sinceMs = 0;
  private cpuMs = 0;
  private waitedMs = 0;

  /** The load since the last call; null at the first one. */
  look(nowMs: number): Load | null {
    const length = readSync(this.fd, this.text, 0, this.text.length, 0);
    const [cpuMs = 0, waitedMs = 0] = this.text
      .toString('latin1', 0, length)
      .split(' ')
      .map((nanoseconds) => Number(nanoseconds) / 1e6);
    const tookMs = nowMs - this.sinceMs;
    const cpu = (cpuMs - this.cpuMs) / tookMs;
    const load = this.sinceMs === 0 ? null : { cpu, busy: cpu + (waitedMs - this.waitedMs) / tookMs };
    this.sinceMs = nowMs;
    this.cpuMs = cpuMs;
    this.waitedMs = waitedMs;
    return load;
  }
}
