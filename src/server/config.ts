/**
 * The configuration: a table of directives, redis.conf's syntax, --directive value, CONFIG GET and SET.
 * A Config is plain data: main keeps the one that counts and sends changes to the threads.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { globMatch } from '../base/glob.ts';
import { checkValue } from './config-values.ts';

type Kind =
  | { type: 'bool' }
  | { type: 'integer'; min: number; max: number }
  | { type: 'memory'; min: number }
  | { type: 'enum'; values: readonly string[] }
  | { type: 'string' };

export type Directive = { name: string; value: string; mutable: boolean } & Kind;

const INT_MAX = 2147483647;
const UINT_MAX = 4294967295;
const bool = (name: string, value: 'yes' | 'no', mutable = true): Directive => ({ name, value, mutable, type: 'bool' });
const integer = (name: string, value: number, min: number, max: number, mutable = true): Directive => ({
  name,
  value: String(value),
  mutable,
  type: 'integer',
  min,
  max,
});
const memory = (name: string, value: string, min = 0): Directive => ({ name, value, mutable: true, type: 'memory', min });
const text = (name: string, value: string, mutable = true): Directive => ({ name, value, mutable, type: 'string' });
const oneOf = (name: string, values: readonly string[], mutable = true): Directive => ({
  name,
  value: values[0] as string,
  mutable,
  type: 'enum',
  values,
});

const POLICIES = [
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'noeviction',
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
  integer('maxclients', 10000, 1, UINT_MAX),
  integer('io-threads', Math.min(8, availableParallelism()), 1, 64, false),
  bool('io-threads-elastic', 'yes'),
  { ...oneOf('loglevel', ['debug', 'verbose', 'notice', 'warning', 'nothing']), value: 'notice' },
  oneOf('log-format', ['plain', 'json'], false),
  text('logfile', '', false),
  text('dir', '.', false),
  text('pidfile', '', false),
  bool('daemonize', 'no', false),
  oneOf('reactor', ['auto', 'io_uring', 'portable'], false),
  integer('shutdown-timeout', 10, 0, INT_MAX),
  memory('proto-max-bulk-len', '512mb', 1048576),
  memory('client-query-buffer-limit', '1gb', 1048576),
  text('client-output-buffer-limit', 'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60'),
  oneOf('enable-debug-command', ['no', 'yes', 'local'], false),
  integer('hz', 10, 0, INT_MAX),
  memory('maxmemory', '0'),
  { ...oneOf('maxmemory-policy', POLICIES), value: 'noeviction' },
  bool('transaction-rollback', 'no'),
  integer('script-threads', 8, 1, 30, false),
  bool('script-inline', 'yes'),
  integer('script-deadline', 0, 0, INT_MAX),
  bool('script-rollback', 'yes'),
  memory('script-memory-limit', '256mb'),
  integer('busy-reply-threshold', 5000, 0, INT_MAX),
  integer('lua-time-limit', 5000, 0, INT_MAX),
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
  bool('appendonly', 'no'),
  text('appendfilename', 'appendonly.aof', false),
  text('appenddirname', 'appendonlydir', false),
  oneOf('appendfsync', ['everysec', 'always', 'no']),
  bool('no-appendfsync-on-rewrite', 'no'),
  integer('auto-aof-rewrite-percentage', 100, 0, INT_MAX),
  memory('auto-aof-rewrite-min-size', '64mb'),
  bool('aof-load-truncated', 'yes'),
  bool('aof-use-rdb-preamble', 'no'),
  integer('slowlog-log-slower-than', 10000, -1, Number.MAX_SAFE_INTEGER),
  integer('slowlog-max-len', 128, 0, INT_MAX),
  integer('latency-monitor-threshold', 0, 0, Number.MAX_SAFE_INTEGER),
  bool('latency-tracking', 'yes'),
];

/** Directives of more than one word. */
export const LISTS = ['bind', 'save', 'client-output-buffer-limit'];

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

/** A configuration that can't be used: where it stands, its line, and what is wrong, in the form of redis-server's. */
export class ConfigError extends Error {
  constructor(where: string, line: string, problem: string) {
    super(`*** FATAL CONFIG FILE ERROR ***\nReading ${where}\n>>> '${line}'\n${problem}`);
  }
}

export class Config {
  readonly file: string;
  readonly warnings: string[] = [];
  private readonly values = new Map<string, string>();

  constructor(file = '', values?: Iterable<[string, string]>) {
    this.file = file;
    for (const directive of DIRECTIVES) this.values.set(directive.name, defaultOf(directive.name));
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
    // A name that is no pattern is answered as it was written.
    const written = new Map(patterns.filter((pattern) => !/[*?[]/.test(pattern)).map((name) => [name.toLowerCase(), name]));
    const matching = this.entries().filter(([name]) => patterns.some((pattern) => globMatch(pattern, name, true)));
    return matching.map(([name, value]) => [written.get(name) ?? name, value]);
  }

  /** Sets a directive at start; throws ConfigError with what is wrong. `where` is the file and the line, or what stands for them. */
  load(words: readonly string[], where: string): void {
    const name = (words[0] as string).toLowerCase();
    const directive = DIRECTIVES.find((candidate) => candidate.name === name);
    if (directive === undefined) {
      this.warnings.push(`${where}: unknown directive '${words[0]}' is ignored`);
      return;
    }
    if (words.length < 2 || (words.length > 2 && !LISTS.includes(name)))
      throw new ConfigError(where, words.join(' '), 'wrong number of arguments');
    const checked = checkValue(directive, words.slice(1).join(' '), this.getString(name));
    if ('problem' in checked) throw new ConfigError(where, words.join(' '), checked.problem);
    this.values.set(name, checked.value);
  }

  /** CONFIG SET: all pairs or none. Returns the error's text, or null. */
  set(pairs: readonly [string, string][]): string | null {
    const wanted: { directive: Directive; value: string; failed: string }[] = [];
    for (const [given, value] of pairs) {
      const name = given.toLowerCase();
      const directive = DIRECTIVES.find((candidate) => candidate.name === name);
      if (directive === undefined) return `ERR Unknown option or number of arguments for CONFIG SET - '${given}'`;
      const failed = `ERR CONFIG SET failed (possibly related to argument '${given}') - `;
      if (!directive.mutable) return `${failed}can't set immutable config`;
      if (wanted.some(({ directive: { name } }) => name === directive.name)) return `${failed}duplicate parameter`;
      wanted.push({ directive, value, failed });
    }
    const checked: [string, string][] = [];
    for (const { directive, value, failed } of wanted) {
      const result = checkValue(directive, value, this.getString(directive.name));
      if ('problem' in result) return failed + result.problem;
      checked.push([directive.name, result.value]);
    }
    for (const [name, value] of checked) this.values.set(name, value);
    return null;
  }
}

/** A directive's value when nobody sets it, as CONFIG GET prints it. */
export function defaultOf(name: string): string {
  const directive = DIRECTIVES.find((candidate) => candidate.name === name) as Directive;
  const checked = checkValue(directive, directive.value, directive.value);
  if ('problem' in checked) throw new Error(`the default of '${name}' is refused: ${checked.problem}`);
  return checked.value;
}

const COMMAND_LINE = 'the command line';

/** `[conffile] [--directive value ...]`, as redis-server takes them. Throws ConfigError. */
export function configFromArguments(args: readonly string[]): Config {
  const first = args[0];
  const hasFile = first !== undefined && !first.startsWith('--');
  const config = new Config(hasFile ? first : '');
  if (hasFile) loadFile(config, first);
  let words: string[] = [];
  for (const argument of [...args.slice(hasFile ? 1 : 0), '--']) {
    if (!argument.startsWith('--')) {
      if (words.length === 0) throw new ConfigError(COMMAND_LINE, argument, 'a value without a --directive before it');
      words.push(argument);
      continue;
    }
    if (words.length > 0) {
      const known = DIRECTIVES.some((directive) => directive.name === words[0]);
      if (!known) throw new ConfigError(COMMAND_LINE, `--${words.join(' ')}`, 'Bad directive or wrong number of arguments');
      config.load(words, COMMAND_LINE);
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
    throw new ConfigError(`the configuration file ${file}`, file, (error as Error).message);
  }
  content.split('\n').forEach((raw, index) => {
    const line = trimLine(raw);
    if (line === '' || line.startsWith('#')) return;
    const where = `the configuration file ${file}, at line ${index + 1}`;
    const words = splitLine(line);
    if (words === null || words.length === 0) throw new ConfigError(where, line, 'Unbalanced quotes in configuration line');
    config.load(words, where);
  });
}
