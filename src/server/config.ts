/**
 * The configuration: a table of directives, redis.conf's syntax, --directive value, CONFIG GET and SET.
 * A Config is plain data: main keeps the one that counts and sends changes to the threads.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { globMatch } from '../base/glob.ts';

type Kind =
  | { type: 'bool' }
  | { type: 'integer'; min: number; max: number }
  | { type: 'memory' }
  | { type: 'enum'; values: readonly string[] }
  | { type: 'string' };

export type Directive = { name: string; value: string; mutable: boolean } & Kind;

const INT_MAX = 2147483647;
const bool = (name: string, value: 'yes' | 'no', mutable = true): Directive => ({ name, value, mutable, type: 'bool' });
const integer = (name: string, value: number, min: number, max: number, mutable = true): Directive => ({
  name,
  value: String(value),
  mutable,
  type: 'integer',
  min,
  max,
});
const memory = (name: string, value: string, mutable = true): Directive => ({ name, value, mutable, type: 'memory' });
const text = (name: string, value: string, mutable = true): Directive => ({ name, value, mutable, type: 'string' });
const oneOf = (name: string, values: readonly string[], mutable = true): Directive => ({
  name,
  value: values[0] as string,
  mutable,
  type: 'enum',
  values,
});

const POLICIES = [
  'noeviction',
  'allkeys-lru',
  'volatile-lru',
  'allkeys-lfu',
  'volatile-lfu',
  'allkeys-random',
  'volatile-random',
  'volatile-ttl',
];

/** What can be set, its default, and whether CONFIG SET may change it. */
export const DIRECTIVES: readonly Directive[] = [
  text('bind', '127.0.0.1 -::1', false),
  integer('port', 6379, 0, 65535, false),
  text('unixsocket', '', false),
  text('unixsocketperm', '0', false),
  bool('protected-mode', 'yes'),
  text('requirepass', ''),
  integer('databases', 16, 1, 16, false),
  integer('timeout', 0, 0, INT_MAX),
  integer('tcp-keepalive', 300, 0, INT_MAX),
  integer('tcp-backlog', 511, 0, INT_MAX, false),
  integer('maxclients', 10000, 1, INT_MAX),
  integer('io-threads', Math.min(8, availableParallelism()), 1, 64, false),
  { ...oneOf('loglevel', ['debug', 'verbose', 'notice', 'warning', 'nothing']), value: 'notice' },
  oneOf('log-format', ['plain', 'json'], false),
  text('logfile', '', false),
  text('dir', '.', false),
  text('pidfile', '', false),
  bool('daemonize', 'no', false),
  oneOf('reactor', ['auto', 'io_uring', 'portable'], false),
  integer('shutdown-timeout', 10, 0, INT_MAX),
  memory('proto-max-bulk-len', '512mb'),
  memory('client-query-buffer-limit', '1gb'),
  text('client-output-buffer-limit', 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60'),
  oneOf('enable-debug-command', ['no', 'yes', 'local'], false),
  integer('hz', 10, 1, 500),
  memory('maxmemory', '0'),
  oneOf('maxmemory-policy', POLICIES),
  integer('maxmemory-samples', 5, 1, 64),
  text('maxmemory-clients', '0'),
  integer('lfu-log-factor', 10, 0, INT_MAX),
  integer('lfu-decay-time', 1, 0, INT_MAX),
  bool('lazyfree-lazy-eviction', 'no'),
  bool('lazyfree-lazy-expire', 'no'),
  bool('lazyfree-lazy-server-del', 'no'),
  bool('lazyfree-lazy-user-del', 'no'),
  bool('lazyfree-lazy-user-flush', 'no'),
  integer('hash-max-listpack-entries', 128, 0, Number.MAX_SAFE_INTEGER),
  memory('hash-max-listpack-value', '64'),
  integer('set-max-intset-entries', 512, 0, Number.MAX_SAFE_INTEGER),
  integer('set-max-listpack-entries', 128, 0, Number.MAX_SAFE_INTEGER),
  memory('set-max-listpack-value', '64'),
  integer('list-max-listpack-size', -2, -5, INT_MAX),
  integer('hll-sparse-max-bytes', 3000, 0, INT_MAX),
  integer('list-compress-depth', 0, 0, INT_MAX),
  integer('zset-max-listpack-entries', 128, 0, INT_MAX),
  integer('zset-max-listpack-value', 64, 0, INT_MAX),
  text('save', ''),
  bool('appendonly', 'no', false),
  integer('slowlog-log-slower-than', 10000, -1, Number.MAX_SAFE_INTEGER),
  integer('slowlog-max-len', 128, 0, INT_MAX),
  integer('latency-monitor-threshold', 0, 0, Number.MAX_SAFE_INTEGER),
  bool('latency-tracking', 'yes'),
];

const UNITS: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1e6,
  mb: 1048576,
  g: 1e9,
  gb: 1073741824,
};

/** Bytes of '100mb', or null. */
export function parseMemory(given: string): number | null {
  const match = /^(\d+)([a-z]*)$/.exec(given.toLowerCase());
  const unit = match === null ? undefined : UNITS[match[2] as string];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

/** White space as C's isspace knows it: JavaScript's would take the byte 0xa0, which ends many a UTF-8 letter, for one. */
const SPACE = ' \\t\\n\\v\\f\\r';
const GAP = new RegExp(`[${SPACE}]*`, 'y');
const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, 'g');
const WORD = new RegExp(`([^${SPACE}"']*)(?:"((?:[^"\\\\]|\\\\.)*)"|'((?:\\\\'|[^'\\\\]|\\\\(?!'))*)')?(?=[${SPACE}]|$)`, 'y');

export function trimLine(line: string): string {
  return line.replace(EDGES, '');
}
/** The words of a line, with Redis's quotes, which end a word; null when a quote stays open or stands inside of one. */
export function splitLine(line: string): string[] | null {
  const words: string[] = [];
  for (let at = 0; ; at = WORD.lastIndex) {
    GAP.lastIndex = at;
    GAP.exec(line);
    if (GAP.lastIndex === line.length) return words;
    WORD.lastIndex = GAP.lastIndex;
    const match = WORD.exec(line);
    if (match === null) return null;
    const [, plain, double, single] = match;
    words.push(plain + unquote(double ?? '') + (single ?? '').replaceAll("\\'", "'"));
  }
}
function unquote(quoted: string): string {
  return quoted.replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, escaped: string) => {
    if (escaped.length === 3) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }[escaped] ?? escaped;
  });
}

export class ConfigError extends Error {}

export class Config {
  readonly file: string;
  readonly warnings: string[] = [];
  private readonly values = new Map<string, string>();

  constructor(file = '', values?: Iterable<[string, string]>) {
    this.file = file;
    for (const directive of DIRECTIVES) this.values.set(directive.name, normalized(directive, directive.value) as string);
    if (values !== undefined) for (const [name, value] of values) this.values.set(name, value);
  }
  getString(name: string): string {
    const value = this.values.get(name);
    if (value === undefined) throw new Error(`the configuration has no directive '${name}'`);
    return value;
  }
  getNumber(name: string): number {
    return Number(this.getString(name));
  }
  getBoolean(name: string): boolean {
    return this.getString(name) === 'yes';
  }
  entries(): [string, string][] {
    return [...this.values];
  }
  /** Pairs whose name matches one of the patterns, in the table's order. */
  match(patterns: readonly string[]): [string, string][] {
    return this.entries().filter(([name]) => patterns.some((pattern) => globMatch(pattern, name, true)));
  }

  /** Sets a directive at start; throws ConfigError with what is wrong and where. */
  load(words: readonly string[], where: string): void {
    const name = (words[0] as string).toLowerCase();
    const directive = DIRECTIVES.find((candidate) => candidate.name === name);
    if (directive === undefined) {
      this.warnings.push(`${where}: unknown directive '${words[0]}' is ignored`);
      return;
    }
    if (words.length < 2) throw new ConfigError(`${where}: '${name}' needs a value`);
    const value = normalized(directive, words.slice(1).join(' '));
    if (value === null) throw new ConfigError(`${where}: '${name} ${words.slice(1).join(' ')}': ${problem(directive)}`);
    this.values.set(name, value);
  }

  /** CONFIG SET: all pairs or none. Returns the error's text, or null. */
  set(pairs: readonly [string, string][]): string | null {
    const checked: [string, string][] = [];
    for (const [given, value] of pairs) {
      const name = given.toLowerCase();
      const directive = DIRECTIVES.find((candidate) => candidate.name === name);
      if (directive === undefined) return `ERR Unknown option or number of arguments for CONFIG SET - '${given}'`;
      const failed = `ERR CONFIG SET failed (possibly related to argument '${given}') - `;
      if (!directive.mutable) return `${failed}can't set immutable config`;
      if (checked.some(([seen]) => seen === name)) return `${failed}duplicate parameter`;
      const wanted = normalized(directive, value);
      if (wanted === null) return failed + problem(directive);
      checked.push([name, wanted]);
    }
    for (const [name, value] of checked) this.values.set(name, value);
    return null;
  }
}

/** The value in the form that CONFIG GET prints, or null when it's wrong. */
function normalized(directive: Directive, given: string): string | null {
  switch (directive.type) {
    case 'bool': {
      const value = given.toLowerCase();
      return value === 'yes' || value === 'no' ? value : null;
    }
    case 'integer': {
      const value = Number(given);
      return /^-?\d+$/.test(given) && value >= directive.min && value <= directive.max ? String(value) : null;
    }
    case 'memory': {
      const value = parseMemory(given);
      return value === null ? null : String(value);
    }
    case 'enum': {
      const value = given.toLowerCase();
      return directive.values.includes(value) ? value : null;
    }
    default:
      return given;
  }
}
/** A directive's value when nobody sets it, as CONFIG GET prints it. */
export function defaultOf(name: string): string {
  const directive = DIRECTIVES.find((candidate) => candidate.name === name) as Directive;
  return normalized(directive, directive.value) as string;
}
function problem(directive: Directive): string {
  switch (directive.type) {
    case 'bool':
      return "argument must be 'yes' or 'no'";
    case 'integer':
      return `argument must be between ${directive.min} and ${directive.max} inclusive`;
    case 'memory':
      return 'argument must be a memory value';
    case 'enum':
      return `argument(s) must be one of the following: ${directive.values.join(', ')}`;
    default:
      return 'argument is wrong';
  }
}

/** `[conffile] [--directive value ...]`, as redis-server takes them. Throws ConfigError. */
export function configFromArguments(args: readonly string[]): Config {
  const first = args[0];
  const hasFile = first !== undefined && !first.startsWith('--');
  const config = new Config(hasFile ? first : '');
  if (hasFile) loadFile(config, first);
  let words: string[] = [];
  for (const argument of [...args.slice(hasFile ? 1 : 0), '--']) {
    if (!argument.startsWith('--')) {
      if (words.length === 0) throw new ConfigError(`command line: '${argument}' stands before any --directive`);
      words.push(argument);
      continue;
    }
    if (words.length > 0) {
      const known = DIRECTIVES.some((directive) => directive.name === words[0]);
      if (!known) throw new ConfigError(`command line: unknown directive '--${words[0]}'`);
      config.load(words, 'command line');
    }
    words = argument === '--' ? [] : [argument.slice(2).toLowerCase()];
  }
  return config;
}
function loadFile(config: Config, file: string): void {
  let content: string;
  try {
    content = readFileSync(file === '-' ? 0 : file, 'latin1');
  } catch (error) {
    throw new ConfigError(`can't read the configuration file ${file}: ${(error as Error).message}`);
  }
  content.split('\n').forEach((raw, index) => {
    const line = trimLine(raw);
    if (line === '' || line.startsWith('#')) return;
    const where = `${file}:${index + 1}`;
    const words = splitLine(line);
    if (words === null || words.length === 0) throw new ConfigError(`${where}: unbalanced quotes in '${line}'`);
    config.load(words, where);
  });
}
