/** What a handler may ask of the server around it, and what it knows of the client it serves. */
import type { CommandContext } from './context.ts';
import type { Transaction } from './transaction.ts';

/** One connection as its reactor keeps it. Written by that reactor alone. */
export interface ClientState {
  readonly id: number;
  name: string;
  libName: string;
  libVersion: string;
  database: number;
  resp: 2 | 3;
  authenticated: boolean;
  noTouch: boolean;
  noEvict: boolean;
  /** CLIENT REPLY: 'on', 'off', or 'skip' for the command that comes next. */
  replyMode: 'on' | 'off' | 'skip' | 'skipping';
  readonly createdMs: number;
  lastCommandMs: number;
  lastCommand: string;
  closing: boolean;
  /** What MULTI has queued and WATCH watches; null as long as the client has used neither. */
  transaction: Transaction | null;
  readonly peerAddress: string;
  readonly localAddress: string;
  /** The line of CLIENT LIST and CLIENT INFO, without the line feed. */
  describe(): string;
}

export type ControlRequest = { kind: string; [field: string]: unknown };

/** The configuration as handlers read it; they change it by asking main (`defer` with 'config-set'). */
export interface Settings {
  getString(name: string): string;
  /** Pairs of name and value whose name matches one of the patterns. */
  match(patterns: readonly string[]): [string, string][];
}

export type CommandTotal = { calls: number; micros: number; rejected: number; failed: number; buckets: Float64Array };

/** What commands took, over all threads. */
export interface CommandTotals {
  total(command: number): CommandTotal;
  /** Pairs of microseconds and the calls that took at most so long, as LATENCY HISTOGRAM prints them. */
  histogram(total: CommandTotal): [micros: number, calls: number][];
}

/** What a client waits for: keys among its arguments, and what it gets of the first one that has it (blocking/waiters.ts). */
export type BlockRequest = {
  firstKey: number;
  lastKey: number;
  form: number;
  count: number;
  /** The argument of the key that an element is to be moved to, or 0. */
  target: number;
  /** 0 is for ever. */
  timeoutMs: number;
  /** Whether a timeout is replied as a null array. */
  isArray: boolean;
};

export type ScriptThreadStats = Record<string, string | number>;

/** A function of a library, as redis.register_function was told of it. */
export type FunctionInfo = { readonly name: string; readonly description: string | null; readonly flags: readonly string[] };
export type LibraryInfo = {
  readonly name: string;
  /** False for a library whose first line says rollback=no. */
  readonly rollsBack: boolean;
  readonly functions: readonly FunctionInfo[];
  readonly code: string;
};
export type RunningFunction = { readonly name: string; readonly command: readonly string[]; readonly ms: number };
/** What became of a wish to end a script: nothing runs, or only what the other command (SCRIPT KILL, FUNCTION KILL) ends. */
export type Killed = 'killed' | 'none' | 'other';

/** Libraries of functions, as handlers may ask for them. */
export interface LibraryServices {
  /** Does FUNCTION LOAD, DELETE, FLUSH or RESTORE; DONE or PARK, as the executor does. */
  change(ctx: CommandContext): number;
  /** All libraries by their names, as the current client sees them. */
  all(): readonly LibraryInfo[];
  hasFunction(name: string): boolean;
  /** The function that has been running longest; null when none has been for long. */
  running(): RunningFunction | null;
}

/** Scripts, as handlers may ask for them. The first three return DONE or PARK, as the executor does. */
export interface ScriptServices {
  /** Runs the script that the request in `ctx` asks for; the client waits for its reply. */
  run(ctx: CommandContext): number;
  /** Runs a transaction with scripts in it. */
  exec(ctx: CommandContext, transaction: Transaction): number;
  load(ctx: CommandContext): number;
  exists(sha: string): boolean;
  flush(): void;
  /** Ends the script, or the function, that has been running longest. */
  kill(isFunction: boolean): Killed;
  readonly libraries: LibraryServices;
  stats(): { scripts: number; reactors: ScriptThreadStats[]; threads: ScriptThreadStats[] };
  /** What is known of single scripts and functions, those first that took most time. */
  figures(): ScriptThreadStats[];
}

export interface ServerServices {
  readonly scripts: ScriptServices;
  readonly maxBulkLengthBytes: number;
  readonly config: Settings;
  readonly commandStats: CommandTotals;
  /** Ends the timing of the fast commands before this one. */
  settle(): void;
  /** A command of a transaction or a script has replied: it counts as one that a client sent. */
  finished(): void;
  /** INFO's text for the sections in lower case; none: the default ones. */
  info(sections: string[]): string;
  /**
   * Suspends the client until the other threads have answered; `finish` then writes the reply. The session serves nothing
   * else of this client meanwhile, and the reactor goes on with the others.
   */
  defer(ctx: CommandContext, request: ControlRequest, finish: (ctx: CommandContext, answer: unknown) => void): void;

  readonly startedMs: number;
  /** The most memory that was in use. */
  peakBytes(): number;
  /** Suspends the client until one of the keys has what it wants. The shards of the keys are latched exclusively. */
  block(ctx: CommandContext, request: BlockRequest): void;

  /** A line of the server's log. */
  log(message: string): void;
  /**
   * Suspends the client until its writes are on the disk (and true) or the deadline has passed. False: they are, nothing was suspended,
   * and `finish` isn't called.
   */
  waitForLog(ctx: CommandContext, deadlineMs: number, finish: (ctx: CommandContext, isSettled: boolean) => void): boolean;
  /** True when all that the client wrote is on the disk. */
  isLogged(ctx: CommandContext): boolean;
  /** An errno of this system in words: 'No space left on device'. */
  describeErrno(errno: number): string;
  /** Seconds since a stamp of the LRU order was claimed. */
  idleSeconds(stamp: number): number;
}
