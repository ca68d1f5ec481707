// The command line of `npm run bench`, and what follows from it for every suite: how long a run is and how much data it loads.
import { parseArgs } from 'node:util';
import { installed, type ServerKind } from '../../test/support/server.ts';

export const SUITES = ['core', 'durability', 'scripts', 'collections'] as const;
export type SuiteName = (typeof SUITES)[number];

export const USAGE = `usage: npm run bench -- [${SUITES.join('|')} ...] [options]
  --json           print the report as JSON instead of tables
  --quick          one short round with little data: shows that everything runs, proves nothing
  --seconds N      length of a measured run (5)
  --rounds N       measured runs of each server, in turns (3)
  --scale F        how much data is loaded, as a part of what the tables ask for (1)
  --out FOLDER     where reports are saved (bench/results)
  --subject KIND   what is measured against redis-server (ferrite); with redis-server itself every ratio must come out near 1`;

export type Options = {
  readonly suites: readonly SuiteName[];
  readonly json: boolean;
  /** Too short to mean anything: its report is not kept beside the real ones. */
  readonly quick: boolean;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly rounds: number;
  readonly scale: number;
  readonly out: string | null;
  readonly subject: ServerKind;
};

/** A mistake in how the benchmark was called, or something it needs and this machine or server doesn't have. */
export class UsageError extends Error {}

const QUICK = { seconds: 0.5, rounds: 1, scale: 0.05 };
const FULL = { seconds: 5, rounds: 3, scale: 1 };
/** The warm-up before the measured rounds: V8 has optimized the request path after about a second of load. */
const WARM_SECONDS = 2;
/** Below this length or amount nothing is warm, whatever the options say. */
const LEAST_SECONDS = 2;
const SUBJECTS: readonly ServerKind[] = ['ferrite', 'redis-server', 'valkey-server'];

function positive(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`--${name} must be a number above 0, not '${text}'\n\n${USAGE}`);
  return value;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        scale: { type: 'string' },
        out: { type: 'string' },
        subject: { type: 'string', default: 'ferrite' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

/** Throws UsageError, whose message says what to write instead, for anything it doesn't know. `--help` is one of these. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  if (values.help) throw new UsageError(USAGE);
  const unknown = positionals.find((name) => !SUITES.includes(name as SuiteName));
  if (unknown !== undefined) throw new UsageError(`there is no suite '${unknown}'\n\n${USAGE}`);
  const subject = values.subject as ServerKind;
  if (!SUBJECTS.includes(subject)) throw new UsageError(`--subject is one of ${SUBJECTS.join(', ')}, not '${subject}'`);
  if (subject !== 'ferrite' && !installed(subject)) throw new UsageError(`${subject} isn't installed`);
  const defaults = values.quick ? QUICK : FULL;
  const seconds = positive('seconds', values.seconds, defaults.seconds);
  const scale = positive('scale', values.scale, defaults.scale);
  return {
    suites: positionals.length === 0 ? ['core'] : (positionals as SuiteName[]),
    json: values.json,
    quick: values.quick || seconds < LEAST_SECONDS || scale < 1 || subject !== 'ferrite',
    seconds,
    warmSeconds: Math.min(WARM_SECONDS, seconds / 2),
    rounds: Math.round(positive('rounds', values.rounds, defaults.rounds)) || 1,
    scale,
    out: values.out ?? null,
    subject,
  };
}

/** So many keys or elements, at this run's scale, and never so few that a structure doesn't take its large form. */
export function scaled(options: Options, count: number): number {
  return Math.min(count, Math.max(2_000, Math.round(count * options.scale)));
}
