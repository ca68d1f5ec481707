/** The server as a process: arguments, banner, signals, and an exit status that says how it went. */
import { unlinkSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { inspect } from 'node:util';
import { FERRITE_VERSION, REDIS_VERSION } from './base/version.ts';
import { type Config, ConfigError, configFromArguments } from './server/config.ts';
import { exitNow } from './server/exit.ts';
import { createLogger, type Logger } from './server/logger.ts';
import { Supervisor } from './server/supervisor.ts';

const USAGE = `Usage: ferrite [redis.conf] [--directive value ...]

  ferrite --port 7000 --maxmemory 1gb --maxmemory-policy allkeys-lru
  ferrite /etc/ferrite.conf --loglevel verbose
  ferrite --version | --help
`;

function fail(message: string): never {
  process.stderr.write(`ferrite: ${message}\n`);
  process.exit(1);
}

function readConfig(args: readonly string[]): Config {
  try {
    return configFromArguments(args);
  } catch (error) {
    if (error instanceof ConfigError) fail(`the server isn't started.\n\n${error.message}`);
    throw error;
  }
}

function banner(log: Logger, server: Supervisor): void {
  log.info(`Ferrite ${FERRITE_VERSION} (Redis ${REDIS_VERSION} protocol), Node ${process.version}, PID: ${process.pid}`);
  for (const address of server.addresses) log.info(`Listening on ${address}`);
  log.info(
    `Reactor: ${server.reactorKind}, ${server.threads} ${server.threads === 1 ? 'thread' : 'threads'}, memory limit: ${server.memoryLimit}`,
  );
  log.info('Ready to accept connections');
}

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === '--version' || args[0] === '-v') {
    process.stdout.write(`Ferrite server v=${FERRITE_VERSION} redis=${REDIS_VERSION} node=${process.version}\n`);
    return;
  }
  if (args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(USAGE);
    return;
  }
  const config = readConfig(args);
  const log = prepare(config);
  const crash = (error: unknown): never => {
    log.fatal(`A thread has failed, so the server ends. ${inspect(error)}`);
    exitNow(1);
  };
  process.on('uncaughtException', crash);

  let server: Supervisor;
  try {
    server = await Supervisor.start(config, log, crash);
  } catch (error) {
    log.fatal((error as Error).message);
    fail((error as Error).message);
  }
  const pidfile = config.getString('pidfile');
  if (pidfile !== '') writeFileSync(pidfile, `${process.pid}\n`, { mode: 0o644 });
  // Before the banner: who reads there that the server is ready may send a signal at once.
  handleSignals(server, log, pidfile);
  banner(log, server);
}

/** Goes to the working directory and opens the log. */
function prepare(config: Config): Logger {
  if (config.getBoolean('daemonize')) fail("'daemonize yes' isn't supported: let systemd or a container keep the server in the background");
  const directory = config.getString('dir');
  try {
    process.chdir(directory);
    config.load(['dir', process.cwd()], 'command line');
  } catch (error) {
    fail(`can't change to dir '${directory}': ${(error as Error).message}`);
  }
  process.umask(0o077);
  try {
    const log = createLogger(config);
    for (const warning of config.warnings) log.warn(warning);
    return log;
  } catch (error) {
    fail(`can't open the logfile '${config.getString('logfile')}': ${(error as Error).message}`);
  }
}

/** SIGTERM, SIGINT and SHUTDOWN end the server in order; a second one at once. */
function handleSignals(server: Supervisor, log: Logger, pidfile: string): void {
  let isStopping = false;
  const end = async (isUrgent: boolean): Promise<void> => {
    if (!isUrgent && !(await server.readyToStop())) {
      isStopping = false;
      log.info('The shutdown was called off');
      return;
    }
    await server.stop();
    if (pidfile !== '') unlinkSync(pidfile);
    if (server.hasLost) {
      log.fatal("The end of the append-only file couldn't be written: what was acknowledged last may be lost");
      process.exit(1);
    }
    log.info('Bye');
    process.exit(0);
  };
  const stop = (why: string, isUrgent = false): void => {
    if (isStopping) {
      log.warn(`${why} while shutting down: ending now`);
      exitNow(1);
    }
    isStopping = true;
    log.info(`${why}: shutting down`);
    end(isUrgent).catch((error: Error) => {
      log.fatal(`The shutdown failed: ${error.stack}`);
      process.exit(1);
    });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(`Received ${signal}`));
  process.on('SIGHUP', () => log.info('Received SIGHUP: nothing to reload'));
  server.onShutdownAsked = (isUrgent) => stop('SHUTDOWN was called', isUrgent);
}

await main(process.argv.slice(2));
