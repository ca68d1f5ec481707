/** How busy the thread that asks is. Linux only. */
import { openSync, readSync } from 'node:fs';

/** Nanoseconds on a core, nanoseconds of waiting for one, and turns on one: Documentation/scheduler/sched-stats.rst of Linux. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

/** Descriptor of the thread's schedstat; -1 where the kernel keeps none. */
function openSchedstat(): number {
  try {
    return openSync(SCHEDSTAT, 'r');
  } catch {
    return -1;
  }
}

export type Load = {
  /** CPU time by time. */
  readonly cpu: number;
  /** The same with the time that the thread would have worked, but had no core: 1 when it never sleeps. */
  readonly busy: number;
};

export class ThreadLoad {
  private readonly fd = openSchedstat();
  private readonly text = Buffer.alloc(128);
  private sinceMs = 0;
  private cpuMs = 0;
  private waitedMs = 0;

  /** The load since the last call; null at the first one. */
  look(nowMs: number): Load | null {
    const [cpuMs, waitedMs] = this.times();
    const tookMs = nowMs - this.sinceMs;
    const cpu = (cpuMs - this.cpuMs) / tookMs;
    const load = this.sinceMs === 0 ? null : { cpu, busy: cpu + (waitedMs - this.waitedMs) / tookMs };
    this.sinceMs = nowMs;
    this.cpuMs = cpuMs;
    this.waitedMs = waitedMs;
    return load;
  }
  /** Milliseconds on a core and of waiting for one; the latter are 0 where nobody counts them. */
  private times(): [number, number] {
    if (this.fd < 0) {
      const { user, system } = process.threadCpuUsage();
      return [(user + system) / 1000, 0];
    }
    const length = readSync(this.fd, this.text, 0, this.text.length, 0);
    const [cpu, waited] = this.text.toString('latin1', 0, length).split(' ');
    return [Number(cpu) / 1e6, Number(waited) / 1e6];
  }
}
