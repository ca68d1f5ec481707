// One load on several servers in turns: A B A B ..., so that whatever else the machine does meanwhile meets all of them alike, and
// medians over the rounds.
import { type Load, type Run, runLoad } from './generator.ts';
import type { Options } from './options.ts';
import { progress } from './progress.ts';
import { median } from './statistics.ts';
import type { Fleet, Target } from './target.ts';

export type Workload = Load & {
  readonly name: string;
  /** Run before each measured run, and not measured: what the load needs to find for that many requests. */
  readonly prepare?: (fleet: Fleet, target: Target, requests: number) => Promise<void>;
};

export type Measurement = {
  readonly workload: string;
  readonly server: string;
  readonly isSubject: boolean;
  readonly pipeline: number;
  /** Medians, each by itself. */
  readonly median: Omit<Run, 'requests' | 'seconds'>;
  readonly rounds: readonly Run[];
};

/** Enough to see the rate to some ten percent, with redis-benchmark's millisecond clock. */
const CALIBRATION_SECONDS = 0.1;
const CALIBRATION_GROWTH = 8;

async function prepared(fleet: Fleet, target: Target, workload: Workload, requests: number): Promise<Run> {
  await workload.prepare?.(fleet, target, requests);
  return runLoad(fleet, target, workload, requests);
}

/** Finds out how many requests a measured run makes: by runs long enough to tell the rate, then by that of the warm-up. */
async function warmUp(fleet: Fleet, target: Target, workload: Workload, options: Options): Promise<number> {
  let requests = workload.clients * workload.pipeline;
  // Runs shorter than the calibration are only there to see that everything runs, and one of each kind shows that.
  if (options.seconds < CALIBRATION_SECONDS) return requests;
  let run = await prepared(fleet, target, workload, requests);
  while (run.seconds < CALIBRATION_SECONDS) {
    requests *= Math.min(CALIBRATION_GROWTH, Math.ceil(CALIBRATION_SECONDS / run.seconds) + 1);
    run = await prepared(fleet, target, workload, requests);
  }
  run = await prepared(fleet, target, workload, Math.ceil(run.perSecond * options.warmSeconds));
  return Math.ceil(run.perSecond * options.seconds);
}

function summarize(workload: Workload, target: Target, rounds: readonly Run[]): Measurement {
  const of = (field: keyof Run): number => median(rounds.map((round) => round[field]));
  return {
    workload: workload.name,
    server: target.name,
    isSubject: target.isSubject,
    pipeline: workload.pipeline,
    median: {
      perSecond: of('perSecond'),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      cpuMicroseconds: of('cpuMicroseconds'),
      generatorCores: of('generatorCores'),
    },
    rounds,
  };
}

/** One measurement a target, in their order. */
export async function takeTurns(fleet: Fleet, targets: readonly Target[], workload: Workload, options: Options): Promise<Measurement[]> {
  const requests: number[] = [];
  for (const target of targets) {
    progress(`${workload.name}: warming up ${target.name}`);
    requests.push(await warmUp(fleet, target, workload, options));
  }
  const runs: Run[][] = targets.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, target] of targets.entries()) {
      progress(`${workload.name}: round ${round + 1} of ${options.rounds}, ${target.name}`);
      runs[index]!.push(await prepared(fleet, target, workload, requests[index]!));
    }
  }
  return targets.map((target, index) => summarize(workload, target, runs[index]!));
}

/** Several loads after one another. */
export async function measureAll(
  fleet: Fleet,
  targets: readonly Target[],
  workloads: readonly Workload[],
  options: Options,
): Promise<Measurement[]> {
  const all: Measurement[] = [];
  for (const workload of workloads) all.push(...(await takeTurns(fleet, targets, workload, options)));
  return all;
}
