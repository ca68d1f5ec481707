/**
 * The log: pino's JSON lines (log-format json), or the same as lines for people. On standard output, or in `logfile`, which
 * only its owner can read.
 */
import { openSync, writeSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';

export type { Logger };

/** Redis's levels by pino's names. */
const LEVELS: Record<string, string> = {
  debug: 'trace',
  verbose: 'debug',
  notice: 'info',
  warning: 'warn',
  nothing: 'silent',
};
const MARKS: Record<number, string> = { 10: '.', 20: '-', 30: '*', 40: '#', 50: '#', 60: '#' };

/** A log that follows `loglevel`, `logfile` and `log-format`; throws when the file can't be opened. */
export function createLogger(config: Config): Logger {
  const file = config.getString('logfile');
  const fd = file === '' ? 1 : openSync(file, 'a', 0o600);
  const isJson = config.getString('log-format') === 'json';
  const level = LEVELS[config.getString('loglevel')] as string;
  return pino({ level, base: { pid: process.pid } }, { write: (line: string) => emit(fd, isJson ? line : readable(line)) });
}

/** A log that a host program doesn't see, for servers embedded in it. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

export function setLogLevel(log: Logger, loglevel: string): void {
  log.level = LEVELS[loglevel] as string;
}

function readable(line: string): string {
  const { level, time, pid, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const extra = Object.entries(fields).map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${pid} ${new Date(time as number).toISOString()} ${MARKS[level as number]} ${msg}${extra.join('')}\n`;
}

function emit(fd: number, line: string): void {
  try {
    writeSync(fd, line);
  } catch {
    // A log that can't be written (a closed pipe, a full disk) must not take the data down with it.
  }
}
