// Servers with a log, each in a folder that is gone when its test is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type Directives, type RunningServer, type ServerKind, startServer } from './server.ts';

export function temporaryFolder(context: TestContext): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'ferrite-log-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Starts a server that keeps its log in `dir`, and stops it behind the test. */
export async function start(
  context: TestContext,
  dir: string,
  more: Directives = {},
  kind: ServerKind = 'ferrite',
): Promise<RunningServer> {
  const server = await startServer({ kind, directives: { dir, appendonly: 'yes', 'aof-use-rdb-preamble': 'no', ...more } });
  context.after(() => server.stop());
  return server;
}
