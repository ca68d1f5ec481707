/** How busy the thread that asks is. Linux only. */
import { openSync, readSync } from 'node:fs';

/** Nanoseconds on a core, nanoseconds of waiting for one, and turns on one: Documentation/scheduler/sched-stats.rst of Linux. */
const SCHEDSTAT = '/proc/thread-self/schedstat';

/** A descriptor, or -1 where the kernel has no such file. */
function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch {
    return -1;
  }
}

export type Load = {
  /** CPU time by time. */
  readonly cpu: number;
  /** The same with the time that the thread would have worked, but had no core: 1 when it never sleeps. */
  readonly busy: number;
  /** Cores of the machine that had nothing to do meanwhile, on average; counted only next to a thread that is busy. */
  readonly spareCores: number;
};
/** From here on spare cores are counted: it costs some ten microseconds. */
const BUSY = 0.9;
/** All cores in one line: jiffies in user mode, niced, in the kernel, idle, waiting for input and output, ... (man 5 proc_stat). */
const STAT = '/proc/stat';
const JIFFY_MS = 10;

export class ThreadLoad {
  private readonly fd = open(SCHEDSTAT);
  private readonly statFd = open(STAT);
  private idleMs = Number.NaN;
  private readonly text = Buffer.alloc(128);
  private sinceMs = 0;
  private cpuMs = 0;
  private waitedMs = 0;

  /** The load since the last call; null at the first one. */
  look(nowMs: number): Load | null {
    const [cpuMs, waitedMs] = this.times();
    const tookMs = nowMs - this.sinceMs;
    const cpu = (cpuMs - this.cpuMs) / tookMs;
    const busy = cpu + (waitedMs - this.waitedMs) / tookMs;
    const load = this.sinceMs === 0 ? null : { cpu, busy, spareCores: this.spareCores(busy >= BUSY, tookMs) };
    this.sinceMs = nowMs;
    this.cpuMs = cpuMs;
    this.waitedMs = waitedMs;
    return load;
  }
  private spareCores(isBusy: boolean, tookMs: number): number {
    if (this.statFd < 0) return Number.POSITIVE_INFINITY;
    const before = this.idleMs;
    this.idleMs = Number.NaN;
    if (!isBusy) return 0;
    const length = readSync(this.statFd, this.text, 0, this.text.length, 0);
    const [, , , , idle, waiting] = this.text.toString('latin1', 0, length).split(/ +/);
    this.idleMs = (Number(idle) + Number(waiting)) * JIFFY_MS;
    return Number.isNaN(before) ? 0 : (this.idleMs - before) / tookMs;
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
