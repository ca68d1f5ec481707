// `npm run bench -- [suite ...]`: measures Ferrite beside redis-server and valkey-server in the same run, prints tables with the bars
// that hold and those that don't, and saves both as a report. Exit status 2: it was called wrongly, or something it needs is missing.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { requireGenerator } from './support/generator.ts';
import { describeMachine, versionLine } from './support/machine.ts';
import { type Options, parseOptions, type SuiteName, UsageError } from './support/options.ts';
import { progress } from './support/progress.ts';
import { markdown, type Outcome, type Report, save } from './support/report.ts';
import { Fleet } from './support/target.ts';

type Suite = (fleet: Fleet, options: Options) => Promise<Outcome>;

const SUITE_MODULES: Readonly<Record<SuiteName, () => Promise<{ run: Suite }>>> = {
  core: () => import('./core.ts'),
  durability: () => import('./durability.ts'),
  scripts: () => import('./scripts.ts'),
  collections: () => import('./collections.ts'),
};
const RESULTS = path.join(import.meta.dirname, 'results');
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** The commit that is measured, where this is a checkout with git. */
function revision(): Record<string, string> {
  const git = (...args: string[]): string =>
    spawnSync('git', ['-C', import.meta.dirname, ...args], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const commit = git('rev-parse', '--short', 'HEAD');
  if (commit === '') return {};
  return { commit: git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit} and changes` };
}

async function runSuite(name: SuiteName, fleet: Fleet, options: Options): Promise<Report> {
  const { run } = await SUITE_MODULES[name]();
  const outcome = await run(fleet, options);
  const { seconds, rounds, scale, quick } = options;
  return {
    suite: name,
    date: new Date().toISOString().slice(0, 10),
    settings: { seconds, rounds, scale, quick },
    machine: describeMachine(),
    versions: { ...revision(), ...fleet.versions, 'redis-benchmark': versionLine('redis-benchmark') ?? 'unknown' },
    ...outcome,
  };
}

/** Servers and generators are ended before this process is, however it ends. */
function endWith(fleet: Fleet): { isInterrupted: () => boolean } {
  let interrupted = false;
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      progress(`${signal}: stopping the servers`);
      void fleet.stopAll().finally(() => process.exit(128 + number));
    });
  }
  // An error that no promise carries, such as one of a socket's, mustn't leave servers or folders behind either.
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack}\n`);
    void fleet.stopAll().finally(() => process.exit(1));
  });
  return { isInterrupted: () => interrupted };
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (process.platform !== 'linux') throw new UsageError('the benchmark reads CPU time and memory of servers from /proc: it runs on Linux');
  requireGenerator();
  const fleet = new Fleet();
  const { isInterrupted } = endWith(fleet);
  const reports: Report[] = [];
  try {
    for (const name of options.suites) {
      const report = await runSuite(name, fleet, options);
      reports.push(report);
      const file = save(report, options, options.out ?? RESULTS);
      progress(`saved ${path.relative(process.cwd(), file)} and its .json`);
      if (!options.json) process.stdout.write(`${markdown(report)}\n`);
    }
    if (options.json) process.stdout.write(`${JSON.stringify(reports.length === 1 ? reports[0] : reports, null, 2)}\n`);
    return 0;
  } catch (error) {
    // What fails because the servers are being stopped isn't the reason; the signal's handler ends the process.
    if (isInterrupted()) await new Promise(() => {});
    throw error;
  } finally {
    await fleet.stopAll();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof UsageError ? error.message : (error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
