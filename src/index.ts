/**
 * Ferrite inside a Node process, for tests and tools:
 *
 *   const server = await startServer();            // a free port on 127.0.0.1
 *   const redis = new Redis(server.port);
 *   ...
 *   await server.stop();
 */
import { Config } from './server/config.ts';
import { createLogger, silentLogger } from './server/logger.ts';
import { Supervisor } from './server/supervisor.ts';

export type FerriteOptions = {
  /** 0, the default, takes a free one. */
  port?: number;
  /** The address to listen on; 127.0.0.1 by default. */
  host?: string;
  /** Reactor threads; 1 by default, as a test needs few. */
  threads?: number;
  /** Any directive of redis.conf by its name, such as `{ requirepass: 'secret', 'maxmemory-policy': 'allkeys-lru' }`. */
  config?: Readonly<Record<string, string | number>>;
  /** Writes the server's log to standard output. */
  log?: boolean;
};

export type FerriteServer = {
  readonly host: string;
  readonly port: number;
  /** redis://host:port */
  readonly url: string;
  /** Closes all connections and ends the server's threads. May be called again. */
  stop(): Promise<void>;
};

/**
 * Starts a server on threads of this process. Rejects when a directive is wrong or the port is taken. A failure of one of its threads
 * later is thrown in the host process as an uncaught exception: a half-alive server would only make tests lie.
 */
export async function startServer(options: FerriteOptions = {}): Promise<FerriteServer> {
  const host = options.host ?? '127.0.0.1';
  const config = new Config();
  config.load(['bind', host], 'startServer');
  config.load(['port', String(options.port ?? 0)], 'startServer');
  config.load(['io-threads', String(options.threads ?? 1)], 'startServer');
  for (const [name, value] of Object.entries(options.config ?? {})) {
    config.load([name, String(value)], 'startServer');
  }
  const unknown = config.warnings[0];
  if (unknown !== undefined) throw new Error(unknown);
  const log = options.log === true ? createLogger(config) : silentLogger();
  const server = await Supervisor.start(config, log, (error) => {
    setImmediate(() => {
      throw error;
    });
  });
  return { host, port: server.port, url: `redis://${host}:${server.port}`, stop: () => server.stop() };
}
