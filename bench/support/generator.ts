// redis-benchmark as the load.
//
// It runs with one thread, also on machines with cores to spare, for two reasons that were measured (redis-benchmark 7.0.15, two
// cores, SET of 32 bytes, c=100):
//
//                 | generator's cores     | its CPU a request     | length of the run, by its own clock
//                 | 1 thread  --threads 2 | 1 thread  --threads 2 | 1 thread  --threads 2
//   Redis   P=1   |   0.92       0.82     |  6.3 us     7.2 us    |  0.979 s    1.251 s
//   Redis   P=16  |   0.22       0.28     |  0.40 us    0.44 us   |  2.696 s    2.257 s
//   Redis   P=64  |   0.14       0.20     |  0.17 us    0.24 us   |  2.956 s    3.010 s
//   Ferrite P=1   |   0.85       0.98     |  6.0 us     6.9 us    |  0.999 s    1.001 s
//   Ferrite P=16  |   0.48       0.64     |  0.43 us    0.67 us   |  1.262 s    1.501 s
//   Ferrite P=64  |   0.36       0.54     |  0.17 us    0.28 us   |  1.128 s    1.256 s
//
// At P=16 and P=64 one thread is idle half of the time or more, so it isn't what limits either server, while two threads take more of
// the cores that the servers need, most of all from a server that uses both. And with --threads its clock stops only at the next of its
// quarter-second ticks, as the last column shows, so that a run looks slower than it was, by up to a quarter of a second. At P=1 one
// thread is nearly busy whatever it drives, so throughput is as much its figure as the server's; two threads sent no more. There the
// server's CPU per request is what says something. The report gives the generator's cores with each figure: where they come near 1,
// throughput is the generator's.
import { spawn } from 'node:child_process';
import { installed } from '../../test/support/server.ts';
import { cpuMicroseconds, endedChildrenCpuMicroseconds } from './machine.ts';
import { UsageError } from './options.ts';
import type { Fleet, Target } from './target.ts';

export type Load = {
  /** `-t set` and the like, or a command with `__rand_int__` where a number of 12 digits below `keyspace` is to stand. */
  readonly args: readonly string[];
  readonly clients: number;
  readonly pipeline: number;
  readonly keyspace?: number;
  readonly valueBytes?: number;
};

export type Run = {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The server's user and system time over the requests, which the server's own count confirms. */
  readonly cpuMicroseconds: number;
  /** How many cores the generator kept busy: near 1, it's the generator that is measured. */
  readonly generatorCores: number;
};

const CLOCK_SECONDS = 0.001;

export function requireGenerator(): void {
  if (!installed('redis-benchmark')) {
    throw new UsageError(
      "redis-benchmark, which makes the load, isn't installed: apt-get install redis-tools (or your system's package with it)",
    );
  }
}

function generatorArguments(target: Target, load: Load, requests: number): string[] {
  const options: [string, number | undefined][] = [
    ['-c', load.clients],
    ['-P', load.pipeline],
    ['-n', requests],
    ['-r', load.keyspace],
    ['-d', load.valueBytes],
  ];
  const given = options.filter(([, value]) => value !== undefined).flatMap(([flag, value]) => [flag, String(value)]);
  return ['-h', '127.0.0.1', '-p', String(target.port), ...given, '--csv', ...load.args];
}

/** Runs the program to its end. Rejects with its own words when it fails, which it does at the first error reply. */
function generate(fleet: Fleet, target: Target, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('redis-benchmark', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid !== undefined) fleet.registerGenerator(child.pid);
    // It tries to connect for ever to a server that has died.
    void target.server.exited.then(() => child.kill('SIGKILL'));
    let output = '';
    let errors = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      errors += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (child.pid !== undefined) fleet.unregisterGenerator(child.pid);
      if (code === 0) resolve(output);
      else
        reject(
          new Error(`redis-benchmark ended with ${signal ?? `status ${code}`} against ${target.name}: ${errors.trim() || output.trim()}`),
        );
    });
  });
}

/**
 * The seven figures at the end of the last line: requests a second, then milliseconds (mean, least, p50, p95, p99, most). The first
 * column is the command as it was given, with no escapes, so the line is read from its end. Its
 * clock has milliseconds, and a run that took none has an infinite rate.
 */
function figures(csv: string): number[] {
  const tail = /((?:,"(?:[\d.]+|inf)"){7})\s*$/.exec(csv)?.[1];
  if (tail === undefined) throw new Error(`redis-benchmark printed no figures: ${csv.trim().slice(-400)}`);
  return [...tail.matchAll(/"([\d.]+|inf)"/g)].map((match) => (match[1] === 'inf' ? Number.POSITIVE_INFINITY : Number(match[1])));
}

/** Makes `requests` requests (a whole number of pipelines) and says how it went. */
export async function runLoad(fleet: Fleet, target: Target, load: Load, requests: number): Promise<Run> {
  const count = Math.max(1, Math.ceil(requests / load.pipeline)) * load.pipeline;
  const commandsBefore = await target.infoNumber('stats', 'total_commands_processed');
  const serverBefore = cpuMicroseconds(target.pid);
  const generatorBefore = endedChildrenCpuMicroseconds();
  const begin = performance.now();
  const output = await generate(fleet, target, generatorArguments(target, load, count));
  const wallSeconds = (performance.now() - begin) / 1000;
  const generatorCpu = endedChildrenCpuMicroseconds() - generatorBefore;
  const serverCpu = cpuMicroseconds(target.pid) - serverBefore;
  const commands = (await target.infoNumber('stats', 'total_commands_processed')) - commandsBefore;
  // A script's own commands count as well, so there may be more, and never fewer.
  if (!(commands >= count)) throw new Error(`${target.name} counts ${commands} commands where redis-benchmark sent ${count}`);
  const [rate, , , p50Ms, , p99Ms] = figures(output) as [number, number, number, number, number, number, number];
  const seconds = Math.max(count / rate, CLOCK_SECONDS);
  return {
    requests: count,
    seconds,
    perSecond: count / seconds,
    p50Ms,
    p99Ms,
    cpuMicroseconds: serverCpu / count,
    generatorCores: generatorCpu / 1e6 / wallSeconds,
  };
}
