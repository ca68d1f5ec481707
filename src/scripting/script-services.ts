/** What commands in scripts may ask of the server around them: next to nothing, as a script can't wait for another thread's answer. */
import type { ScriptServices, ServerServices } from '../commands/services.ts';
import { NotFromScript } from './script-calls.ts';

/** The server's words for the levels of redis.log. */
export const LOG_LEVEL_NAMES = ['debug', 'info', 'info', 'warn'] as const;

function refuse(): never {
  throw new NotFromScript();
}
const refusesScripts: ScriptServices = {
  run: refuse,
  exec: refuse,
  load: refuse,
  exists: refuse,
  flush: refuse,
  kill: refuse,
  libraries: { change: refuse, all: refuse, hasFunction: refuse, running: refuse },
  stats: refuse,
  figures: refuse,
};
const refusesAll = {
  scripts: refusesScripts,
  commandStats: { total: refuse, histogram: refuse },
  info: refuse,
  defer: refuse,
  block: refuse,
  waitForLog: refuse,
  isLogged: refuse,
  peakBytes: refuse,
  settle: () => undefined,
  finished: () => undefined,
  describeErrno: () => '',
};

/** What is asked for at any time by a function, as it may change. */
type Own = Pick<ServerServices, 'config' | 'startedMs' | 'log' | 'idleSeconds'> & { readonly scripts?: Partial<ScriptServices> };

export function scriptServices(own: Own, maxBulkLengthBytes: () => number): ServerServices {
  return {
    ...refusesAll,
    ...own,
    scripts: { ...refusesScripts, ...own.scripts },
    get maxBulkLengthBytes() {
      return maxBulkLengthBytes();
    },
  };
}
