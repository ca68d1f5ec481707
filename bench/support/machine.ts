// What the kernel knows of the machine and of a process. Linux only: there is no second way to a server's CPU time from outside.
import { spawnSync } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { median } from './statistics.ts';

/** USER_HZ: the unit of times in /proc is 10 ms on every Linux that Node runs on, whatever the kernel's own tick (proc(5)). */
const TICK_MICROSECONDS = 10_000;
// Counted from the field after the command's closing bracket, which is field 3 of proc(5).
const UTIME = 14 - 3;
const STIME = 15 - 3;
const CHILDREN_UTIME = 16 - 3;
const CHILDREN_STIME = 17 - 3;

function statFields(pid: number | 'self'): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** User and system time of all threads of a process so far, in microseconds, in steps of 10 ms. */
export function cpuMicroseconds(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[UTIME]) + Number(fields[STIME])) * TICK_MICROSECONDS;
}

/** The same of all children of this process that have ended: its growth over a run is the load generator's. */
export function endedChildrenCpuMicroseconds(): number {
  const fields = statFields('self');
  return (Number(fields[CHILDREN_UTIME]) + Number(fields[CHILDREN_STIME])) * TICK_MICROSECONDS;
}

/** VmRSS: resident memory in bytes, anonymous and shared, of which a server's bank memory may be either. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1024;
}

export type Machine = Readonly<Record<string, string>>;

/** The facts a reader needs to judge figures; nothing that names the machine or its folders. */
export function describeMachine(): Machine {
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    cores: String(cpus().length),
    CPU: cpus()[0]?.model.trim() ?? 'unknown',
    memory: `${memory} GiB`,
    kernel: `${process.platform} ${release()} ${process.arch}`,
    'Node.js': process.versions.node,
  };
}

/** The first line of what `program --version` prints; null when it isn't installed. */
export function versionLine(program: string): string | null {
  const result = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return result.error === undefined ? (result.stdout.split('\n')[0] ?? '').trim() : null;
}

/** Median milliseconds of fdatasync after an append of 4 KB: what `appendfsync always` cannot be faster than. */
export function diskSyncMs(): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'ferrite-bench-'));
  const file = openSync(path.join(folder, 'sync'), 'a');
  const block = Buffer.alloc(4096, 'x');
  const times: number[] = [];
  try {
    for (let i = 0; i < 100; i++) {
      writeSync(file, block);
      const begin = performance.now();
      fdatasyncSync(file);
      times.push(performance.now() - begin);
    }
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
  return median(times);
}
