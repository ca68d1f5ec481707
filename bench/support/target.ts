// The servers of a run: which there are, how they are started, and that none of them outlives the run.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { elements, integer, payload } from '../../test/support/compare.ts';
import { type Argument, encode, RawClient, show } from '../../test/support/raw-client.ts';
import { type Directives, installed, type RunningServer, type ServerKind, spawnServer } from '../../test/support/server.ts';
import { versionLine } from './machine.ts';
import { type Options, UsageError } from './options.ts';

/** Recovery of millions of records stands before the words that a server is ready. */
const READY_TIMEOUT_MS = 300_000;

export type Contender = { readonly name: string; readonly kind: ServerKind; readonly isSubject: boolean };

/** The subject first, then Redis, to which ratios are taken, then Valkey; the last two where installed. */
export function contenders(options: Options): Contender[] {
  const others: Contender[] = [
    { name: 'redis', kind: 'redis-server', isSubject: false },
    { name: 'valkey', kind: 'valkey-server', isSubject: false },
  ];
  const name = options.subject === 'ferrite' ? 'ferrite' : `subject (${options.subject})`;
  return [{ name, kind: options.subject, isSubject: true }, ...others.filter(({ kind }) => installed(kind))];
}

/** One running server and a connection to ask it things that aren't measured. */
export class Target {
  /** What the tables call it. */
  readonly name: string;
  readonly isSubject: boolean;
  readonly server: RunningServer;
  readonly control: RawClient;

  constructor(name: string, isSubject: boolean, server: RunningServer, control: RawClient) {
    this.name = name;
    this.isSubject = isSubject;
    this.server = server;
    this.control = control;
  }

  get port(): number {
    return this.server.port;
  }

  get pid(): number {
    return this.server.pid;
  }

  /** The raw reply. Throws when it's an error, with the server's words. */
  async command(...args: readonly Argument[]): Promise<Buffer> {
    this.server.assertAlive();
    const reply = await this.raw(...args);
    if (reply[0] === 0x2d) throw new Error(`${this.name} answers ${args.slice(0, 2).join(' ')} with: ${show(reply)}`);
    return reply;
  }

  async raw(...args: readonly Argument[]): Promise<Buffer> {
    this.control.send(encode(args));
    // Deleting ten million keys or loading five is allowed to take its time here: this connection isn't what is measured.
    return this.control.readReply(300_000);
  }

  async integer(...args: readonly Argument[]): Promise<number> {
    return integer(await this.command(...args)) ?? Number.NaN;
  }

  /** A section of INFO as its fields. */
  async info(section: string): Promise<Map<string, string>> {
    const text = payload(await this.command('INFO', section))?.toString('latin1') ?? '';
    const pairs = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
    return new Map(pairs.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  }

  async infoNumber(section: string, field: string): Promise<number> {
    return Number((await this.info(section)).get(field) ?? Number.NaN);
  }

  /** Which of these commands the server doesn't know. */
  async unknownCommands(names: readonly string[]): Promise<string[]> {
    const rows = elements(await this.command('COMMAND', 'INFO', ...names)) ?? [];
    return names.filter((_, index) => rows[index] === undefined || /^(\*-1|\*0|\$-1|_)\r\n/.test(rows[index].toString('latin1', 0, 6)));
  }
}

/** Everything that was started and must be ended: servers, and whatever else registers itself. */
export class Fleet {
  readonly #servers = new Set<RunningServer>();
  readonly #generators = new Set<number>();
  readonly #folders = new Set<string>();
  /** Versions of the servers that ran, as they say them. */
  readonly versions: Record<string, string> = {};

  /** Starts a server with nothing written to disk, unless the directives say otherwise. */
  async start(contender: Contender, directives: Directives = {}, label = contender.name): Promise<Target> {
    const server = await spawnServer({ kind: contender.kind, directives });
    this.#servers.add(server);
    await server.waitUntilReady(READY_TIMEOUT_MS);
    const target = new Target(label, contender.isSubject, server, await RawClient.connect(server.port));
    const info = await target.info('server');
    const ferrite = info.get('ferrite_version');
    this.versions[contender.name] = ferrite ?? versionLine(contender.kind) ?? 'unknown';
    return target;
  }

  async stop(target: Target): Promise<void> {
    target.control.destroy();
    await target.server.stop();
    this.#servers.delete(target.server);
  }

  /** A load generator that runs: it's killed by its process id when the run is given up. */
  registerGenerator(pid: number): void {
    this.#generators.add(pid);
  }

  unregisterGenerator(pid: number): void {
    this.#generators.delete(pid);
  }

  /** An empty folder that lives until it's removed, and not longer than the run. */
  makeFolder(): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'ferrite-bench-'));
    this.#folders.add(folder);
    return folder;
  }

  removeFolder(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
    this.#folders.delete(folder);
  }

  async stopAll(): Promise<void> {
    for (const pid of this.#generators) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended between the two lines, which is what is wanted.
      }
    }
    this.#generators.clear();
    await Promise.all([...this.#servers].map((server) => server.stop()));
    this.#servers.clear();
    for (const folder of this.#folders) this.removeFolder(folder);
  }
}

/** Throws UsageError that names what the subject can't do yet. */
export async function requireCommands(target: Target, suite: string, names: readonly string[]): Promise<void> {
  const unknown = await target.unknownCommands(names);
  if (unknown.length === 0) return;
  throw new UsageError(`the suite '${suite}' can't run: ${target.name} doesn't know ${unknown.join(', ')}`);
}
