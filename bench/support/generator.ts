// redis-benchmark as the load, with one thread, also on machines with cores to spare. What was measured (redis-benchmark 7.0.15, two
// cores, SET of 32 bytes, c=100, five runs of 0.5 to 3 s each way, on a machine that others used as well):
//
//                 | cores the generator kept busy | its CPU a request
//                 | 1 thread      --threads 2     | 1 thread   --threads 2
//   Redis   P=16  | 0.10 - 0.27   0.16 - 0.39     | 0.42 us    0.44 - 0.71 us
//   Redis   P=64  | 0.12 - 0.18   0.17 - 0.29     | 0.16 us    0.22 - 0.36 us
//   Ferrite P=16  | 0.15 - 0.48   0.29 - 0.64     | 0.40 us    0.43 - 0.67 us
//   Ferrite P=64  | 0.23 - 0.39   0.50 - 0.62     | 0.15 us    0.21 - 0.39 us
//   both    P=1   | 0.33 - 0.92   0.40 - 0.98     | 4 - 6 us   4 - 7 us
//
// At P=16 and P=64 one thread is idle for half of the time or more, so it isn't what limits either server, while two cost more CPU a
// request, on the cores that the servers need. The throughput of the two ways lay within the noise of those runs, sometimes one and
// sometimes the other ahead: it is no argument for either. What decides is the clock: with --threads it stops at the next of its
// quarter-second ticks (runs "took" 0.500, 0.754, 1.252, 1.508, 2.260 s), so that a run looks up to a quarter of a second longer than it
// was. At P=1 and with nothing else on the machine, one thread was busy for 0.9 of a core and two sent no more: throughput there is as
// much the generator's figure as the server's, and the server's CPU per request is what says something. The report gives the
// generator's cores with each figure: where they come near 1, throughput is the generator's.
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
