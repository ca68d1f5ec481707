// What the suites need of a server's append-only log: whether there is one, and one that is written for it to recover from.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Target } from './target.ts';

/** Does this server know the commands that only a server with a log has? */
export async function canLog(target: Target): Promise<boolean> {
  return (await target.unknownCommands(['BGREWRITEAOF'])).length === 0;
}

const REQUESTS_A_WRITE = 10_000;

function resp(args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return text;
}

/**
 * Writes a log of `count` requests into `folder`, in Redis 7's multi-part layout: a manifest that names one incremental file of RESP
 * requests, which begins with SELECT 0 as Redis's do.
 */
export function writeLog(folder: string, count: number, request: (index: number) => readonly string[]): void {
  const logFolder = path.join(folder, 'appendonlydir');
  mkdirSync(logFolder);
  writeFileSync(path.join(logFolder, 'appendonly.aof.manifest'), 'file appendonly.aof.1.incr.aof seq 1 type i\n');
  const file = openSync(path.join(logFolder, 'appendonly.aof.1.incr.aof'), 'w');
  try {
    writeSync(file, resp(['SELECT', '0']));
    for (let begin = 0; begin < count; begin += REQUESTS_A_WRITE) {
      const end = Math.min(count, begin + REQUESTS_A_WRITE);
      let text = '';
      for (let index = begin; index < end; index++) text += resp(request(index));
      writeSync(file, text, null, 'latin1');
    }
  } finally {
    closeSync(file);
  }
}
