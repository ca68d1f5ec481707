// Servers with a log, each in a folder that is gone when its test is.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawClient } from './raw-client.ts';
import { type Directives, type RunningServer, type ServerKind, startServer } from './server.ts';

export function temporaryFolder(context: TestContext): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'ferrite-log-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/**
 * Starts a server that keeps its log in `dir`, and stops it behind the test. With one thread for clients it starts in two thirds of the
 * time: a test that is about several says so.
 */
export async function start(
  context: TestContext,
  dir: string,
  more: Directives = {},
  kind: ServerKind = 'ferrite',
): Promise<RunningServer> {
  const server = await startServer({
    kind,
    directives: { dir, appendonly: 'yes', 'aof-use-rdb-preamble': 'no', 'io-threads': 1, ...more },
  });
  context.after(() => server.stop());
  return server;
}

/** A command's reply as text. */
export async function ask(client: RawClient, ...args: (string | number)[]): Promise<string> {
  return (await client.command(...args)).toString('latin1').trimEnd();
}
export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await isTrue()); await sleep(10)) {
    assert.ok(Date.now() < deadline, `${what}: not within 10 s`);
  }
}
/** A field of INFO persistence. */
export async function info(client: RawClient, field: string): Promise<string> {
  return new RegExp(`^${field}:(.*)\r$`, 'm').exec(await ask(client, 'INFO', 'persistence'))?.[1] ?? '';
}
/** Asks for a rewrite, and waits for its end. */
export async function rewritten(client: RawClient): Promise<void> {
  const before = Number(await info(client, 'aof_rewrites'));
  assert.equal(await ask(client, 'BGREWRITEAOF'), '+Background append only file rewriting started');
  await until('the rewrite', async () => Number(await info(client, 'aof_rewrites')) > before);
}
