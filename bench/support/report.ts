// A suite's outcome: tables for people, the same as data, and which bars hold.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Machine } from './machine.ts';
import type { Options } from './options.ts';
import type { Measurement } from './rounds.ts';

export type Table = { readonly title: string; readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };

export type Verdict = 'pass' | 'falls short' | 'not measured';
export type Bar = {
  readonly what: string;
  /** In words, such as "at least 1.5". */
  readonly bar: string;
  /** null when the server to compare with isn't there. */
  readonly measured: number | null;
  readonly verdict: Verdict;
};

/** What a suite gives back. */
export type Outcome = {
  readonly tables: readonly Table[];
  readonly bars: readonly Bar[];
  /** What a reader must know to read the tables. */
  readonly notes: readonly string[];
  /** Every round of every run. */
  readonly measurements: readonly Measurement[];
  /** Figures that aren't rounds of a load. */
  readonly figures: Readonly<Record<string, unknown>>;
};

export type Report = Outcome & {
  readonly suite: string;
  readonly date: string;
  readonly settings: { readonly seconds: number; readonly rounds: number; readonly scale: number; readonly quick: boolean };
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
};

function verdict(measured: number | null, holds: (value: number) => boolean): Verdict {
  if (measured === null || Number.isNaN(measured)) return 'not measured';
  return holds(measured) ? 'pass' : 'falls short';
}

export function atLeast(what: string, measured: number | null, limit: number, unit = ''): Bar {
  return { what, bar: `at least ${limit}${unit}`, measured, verdict: verdict(measured, (value) => value >= limit) };
}

export function atMost(what: string, measured: number | null, limit: number, unit = ''): Bar {
  return { what, bar: `at most ${limit}${unit}`, measured, verdict: verdict(measured, (value) => value <= limit) };
}

/** Figures with three digits that mean something; '-' for what isn't there. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  return magnitude >= 10 ? value.toFixed(1) : value.toFixed(magnitude >= 0.1 ? 2 : 3);
}

export function ratio(value: number | null | undefined, base: number | null | undefined): number | null {
  if (value === null || value === undefined || base === null || base === undefined || !(base > 0)) return null;
  return value / base;
}

type Field = 'perSecond' | 'cpuMicroseconds';

/** The subject's figure over that of the server called `base`, for one load; null when one of them wasn't measured. */
export function ratioTo(measurements: readonly Measurement[], workload: string, field: Field, base = 'redis'): number | null {
  const of = (matches: (row: Measurement) => boolean): number | undefined =>
    measurements.find((row) => row.workload === workload && matches(row))?.median[field];
  return ratio(
    of((row) => row.isSubject),
    of((row) => row.server === base),
  );
}

/** The usual table of a load on several servers: a row a server, ratios to the server called `base`. */
export function loadTable(title: string, measurements: readonly Measurement[], base = 'redis'): Table {
  const rows = measurements.map((row) => {
    const other = measurements.find((candidate) => candidate.workload === row.workload && candidate.server === base)?.median;
    return [
      row.workload,
      row.server,
      figure(row.median.perSecond),
      figure(row.median.p50Ms),
      figure(row.median.p99Ms),
      figure(row.median.cpuMicroseconds),
      figure(row.median.generatorCores),
      row.server === base ? '1' : figure(ratio(row.median.perSecond, other?.perSecond)),
      row.server === base ? '1' : figure(ratio(row.median.cpuMicroseconds, other?.cpuMicroseconds)),
    ];
  });
  const columns = ['load', 'server', 'requests/s', 'p50 ms', 'p99 ms', 'CPU us/request', 'generator cores'];
  return { title, columns: [...columns, `throughput / ${base}`, `CPU / ${base}`], rows };
}

function tableLines(table: Table): string[] {
  const all = [table.columns, ...table.rows];
  const widths = table.columns.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const numeric = table.columns.map((_, column) => table.rows.every((row) => /^([-\d.,]+|)$/.test(row[column] ?? '')));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (numeric[column] ? '-'.repeat(width - 1) + ':' : '-'.repeat(width))).join(' | ')} |`;
  return [line(table.columns), rule, ...table.rows.map(line)];
}

/** With a digit more than elsewhere: a bar that is missed by a hair must not look as if it were met. */
function barTable(bars: readonly Bar[]): Table {
  return {
    title: 'Bars',
    columns: ['what', 'bar', 'measured', 'verdict'],
    rows: bars.map((bar) => [bar.what, bar.bar, bar.measured?.toPrecision(4) ?? '-', bar.verdict]),
  };
}

/** The report as Markdown, which is also how it's printed. */
export function markdown(report: Report): string {
  const { settings } = report;
  const facts = [...Object.entries(report.machine), ...Object.entries(report.versions)].map(([name, value]) => `- ${name}: ${value}`);
  const lines = [
    `# ${report.suite}, ${report.date}`,
    '',
    ...facts,
    `- measured runs of ${settings.seconds} s, ${settings.rounds} in turns, medians; data at ${settings.scale} of the full amount`,
  ];
  if (settings.quick) lines.push('- **a quick run: it shows that everything runs, and proves nothing**');
  for (const table of [...report.tables, barTable(report.bars)]) lines.push('', `## ${table.title}`, '', ...tableLines(table));
  if (report.notes.length > 0) lines.push('', ...report.notes.map((note) => `- ${note}`));
  return `${lines.join('\n')}\n`;
}

/** Writes both files and returns the path of the Markdown one. Quick reports get a name that git ignores. */
export function save(report: Report, options: Options, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const name = `${options.quick ? 'tmp-' : ''}${report.date}-${report.suite}`;
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(path.join(folder, `${name}.md`), markdown(report));
  return path.join(folder, `${name}.md`);
}
