// Starts and stops the servers that the tests and the benchmark talk to: Ferrite itself, and redis-server or valkey-server as
// the oracle. Each server gets its own loopback port and its own empty working directory, and is stopped by its own process id.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

export type ServerKind = 'ferrite' | 'redis-server' | 'valkey-server';
export type ReactorKind = 'io_uring' | 'portable';
export type Directives = Readonly<Record<string, string | number>>;

export type StartOptions = {
  /** What to start; the default is the server under test (`FERRITE_TEST_TARGET`, else Ferrite). */
  readonly kind?: ServerKind;
  /** Passed to Ferrite as `--reactor`; other servers have no such choice and ignore it. */
  readonly reactor?: ReactorKind;
  readonly directives?: Directives;
  /** A fixed port, for tests of "port in use"; by default a free one is found. */
  readonly port?: number;
  readonly readyTimeoutMs?: number;
  /** Arguments before the directives, such as a configuration file's path. */
  readonly leadingArguments?: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
};

const READY = 'Ready to accept connections';
/** A start takes a second of CPU time: on a machine that others use as well it was seen to take more than twenty. */
const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const ROOT = path.resolve(import.meta.dirname, '../..');

/** The server under test. Running the suite with `FERRITE_TEST_TARGET=redis-server` tests the tests. */
export const TARGET: ServerKind = (process.env['FERRITE_TEST_TARGET'] as ServerKind | undefined) ?? 'ferrite';

/** True for `npm run test:long`. */
export const LONG = process.env['FERRITE_LONG'] === '1';

/** The reactors the suite runs on: both, unless `FERRITE_REACTORS` (comma separated) says otherwise. */
export const REACTORS: readonly ReactorKind[] =
  TARGET === 'ferrite' ? ((process.env['FERRITE_REACTORS'] ?? 'io_uring,portable').split(',') as ReactorKind[]) : ['portable'];

/** Does this command exist on the PATH? */
export function installed(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

// Ports are taken below the kernel's ephemeral range, so that no outgoing connection takes the port between the check and the
// start; the choice is random because a server with SO_REUSEPORT would silently share a port with another test's server.
const FIRST_PORT = 17_000;
const PORT_COUNT = 14_000;

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free loopback port was found in 50 attempts');
}

/** The program and its leading arguments for a kind of server. */
function commandFor(kind: ServerKind): { program: string; args: string[] } {
  if (kind !== 'ferrite') return { program: kind, args: [] };
  return { program: process.execPath, args: [path.join(ROOT, 'bin/ferrite.js')] };
}

function directiveArguments(directives: Directives): string[] {
  return Object.entries(directives).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

export type ExitStatus = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export class RunningServer {
  readonly kind: ServerKind;
  readonly port: number;
  readonly directory: string;
  /** Settles when the process has ended, for whatever reason; never rejects. */
  readonly exited: Promise<ExitStatus>;
  exitStatus: ExitStatus | null = null;
  readonly #child: ChildProcess;
  #log = '';
  #serverPid: number | null = null;
  readonly #killOnExit: () => void;

  constructor(kind: ServerKind, port: number, directory: string, child: ChildProcess) {
    this.kind = kind;
    this.port = port;
    this.directory = directory;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('latin1');
      stream?.on('data', (text: string) => {
        this.#log += text;
      });
    }
    this.#killOnExit = () => this.#signal('SIGKILL');
    process.once('exit', this.#killOnExit);
    this.exited = new Promise((resolve) => {
      const ended = (status: ExitStatus): void => {
        if (this.exitStatus !== null) return;
        this.exitStatus = status;
        process.removeListener('exit', this.#killOnExit);
        rmSync(directory, { recursive: true, force: true });
        resolve(status);
      };
      child.once('close', (code, signal) => ended({ code, signal }));
      child.once('error', (error) => {
        this.#log += `\n${error.message}\n`;
        ended({ code: null, signal: null });
      });
    });
  }

  /** All the server has written to standard output and standard error. */
  get log(): string {
    return this.#log;
  }

  /** The process that serves: not the launcher's, which may be its parent. */
  get pid(): number {
    // The words "PID: n" are what the server promises to log; redis-server writes "pid=n" when its banner is off.
    this.#serverPid ??= Number(/\bPID: (\d+)/.exec(this.#log)?.[1] ?? /\bpid=(\d+)/.exec(this.#log)?.[1] ?? this.#child.pid);
    return this.#serverPid;
  }

  get ready(): boolean {
    return this.#log.includes(READY);
  }

  /** Throws, with the log, when the server has ended though nobody stopped it. */
  assertAlive(): void {
    if (this.exitStatus !== null) throw new Error(`${this.kind} ended: ${JSON.stringify(this.exitStatus)}\n${this.#log}`);
  }

  async waitUntilReady(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!this.ready) {
      if (this.exitStatus !== null) {
        throw new Error(`${this.kind} ended before it was ready: ${JSON.stringify(this.exitStatus)}\n${this.#log}`);
      }
      if (Date.now() > deadline) {
        await this.stop();
        throw new Error(`${this.kind} was not ready within ${timeoutMs} ms\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #signal(signal: NodeJS.Signals): void {
    const pids = new Set([this.pid, this.#child.pid]);
    for (const pid of signal === 'SIGKILL' ? pids : [this.pid]) {
      if (pid === undefined || !Number.isInteger(pid)) continue;
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended by itself meanwhile, which is what is wanted.
      }
    }
  }

  /** Asks the server to stop (SIGTERM), and kills it when it has not within 5 s. Returns how it ended. */
  async stop(): Promise<ExitStatus> {
    if (this.exitStatus !== null) return this.exitStatus;
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), STOP_GRACE_MS);
    const status = await this.exited;
    clearTimeout(timer);
    return status;
  }
}

/** Spawns a server and returns at once, ready or not: for tests of what goes wrong at the start. */
export async function spawnServer(options: StartOptions = {}): Promise<RunningServer> {
  const kind = options.kind ?? TARGET;
  const port = options.port ?? (await freePort());
  const { program, args } = commandFor(kind);
  const reactor = kind === 'ferrite' && options.reactor !== undefined ? ['--reactor', options.reactor] : [];
  // Few clients with little to do would all be served by one thread, and the tests are to see what threads do to each other. On the second
  // reactor, which has the same sessions, only tests that ask for threads get them: a thread's start costs half a second of a core.
  const spread: Directives =
    kind === 'ferrite' ? { 'io-threads-elastic': 'no', ...(options.reactor === 'portable' && { 'io-threads': 1 }) } : {};
  const directives: Directives = { port, save: '', appendonly: 'no', ...spread, ...options.directives };
  const directory = mkdtempSync(path.join(tmpdir(), 'ferrite-test-'));
  const child = spawn(program, [...args, ...(options.leadingArguments ?? []), ...directiveArguments(directives), ...reactor], {
    // The working directory is where a dump would be written: an empty one of its own keeps the servers apart.
    cwd: directory,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new RunningServer(kind, port, directory, child);
}

/** Starts a server and waits until it accepts connections. Rejects with the server's log when it dies or is late. */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const server = await spawnServer(options);
  await server.waitUntilReady(options.readyTimeoutMs ?? READY_TIMEOUT_MS);
  return server;
}

/** A reactor that this machine's kernel refuses, as containers often do with io_uring, is a reason to skip and not to fail. */
export function isReactorRefused(error: unknown): boolean {
  return error instanceof Error && /io_uring[^\n]*(refused|unavailable|not available|not supported|EPERM|ENOSYS)/i.test(error.message);
}
