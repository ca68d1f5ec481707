// The package as npm would install it: built, laid out in a folder of its own, embedded in programs of old and new Nodes, and started.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawClient } from './support/raw-client.ts';
import { freePort } from './support/server.ts';
import { ROOT } from './support/tree.ts';

const TIMEOUT_MS = 60_000;

/** A program that starts a server and stops it again, twice, and ends by itself when nothing of it is left. */
const PROGRAM = `
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { startServer } from 'ferritedb';

function ask(server, request, length) {
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = net.connect(server.port, server.host, () => socket.write(request));
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      reply += bytes;
      if (reply.length >= length) socket.end();
    });
    socket.on('close', () => resolve(reply));
  });
}
const descriptors = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
let before = 0;
for (let round = 0; round < 3; round++) {
  const server = await startServer({ config: { 'maxmemory-policy': 'allkeys-lru' } });
  const expected = '$-1\\r\\n+OK\\r\\n$1\\r\\n1\\r\\n';
  const reply = await ask(server, 'GET a\\r\\nSET a 1\\r\\nGET a\\r\\n', expected.length);
  if (reply !== expected) throw new Error('round ' + round + ': ' + JSON.stringify(reply));
  const url = 'redis://127.0.0.1:' + server.port;
  if (server.url !== url) throw new Error(server.url + ' instead of ' + url);
  await server.stop();
  await server.stop();
  const refused = await ask(server, 'PING\\r\\n', 1).then(() => false, () => true);
  if (!refused) throw new Error('the stopped server still accepts connections');
  // The client's own sockets may take a moment.
  for (let wait = 0; wait < 100 && round > 0 && descriptors() > before; wait++) await new Promise((resolve) => setTimeout(resolve, 10));
  if (round > 0 && descriptors() > before) throw new Error(descriptors() + ' descriptors are open instead of ' + before);
  before = descriptors();
}
for (const config of [{ 'no-such-directive': 1 }, { maxmemory: 'lots' }]) {
  const refused = await startServer({ config }).then(() => '', (error) => error.message);
  if (!refused.includes(Object.keys(config)[0])) throw new Error('taken: ' + JSON.stringify(config));
}
const first = await startServer();
const taken = await startServer({ port: first.port }).then(() => '', (error) => error.message);
await first.stop();
if (!/in use/.test(taken)) throw new Error('a taken port: ' + taken);
console.log('served on Node ' + process.versions.node);
`;

/** What the types must say of it. */
const TYPED = `
import { type FerriteOptions, type FerriteServer, startServer } from 'ferritedb';
const options: FerriteOptions = { threads: 2, config: { maxmemory: '1gb', hz: 20 } };
const server: FerriteServer = await startServer(options);
const port: number = server.port;
await server.stop();
// @ts-expect-error: a port is a number.
await startServer({ port: 'x' });
export { port };
`;

type Outcome = { code: number; output: string };
function run(program: string, args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(program, [...args], { cwd, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}

describe('the package', () => {
  let folder = '';
  let app = '';
  let installed = '';
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'ferrite-package-'));
    app = path.join(folder, 'app');
    installed = path.join(app, 'node_modules', 'ferritedb');
    mkdirSync(installed, { recursive: true });
    // What npm would install beside it is what this checkout has.
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    const tsc = path.join(ROOT, 'node_modules/.bin/tsc');
    const built = await run(tsc, ['-p', 'tsconfig.build.json', '--outDir', path.join(installed, 'dist')], ROOT);
    assert.equal(built.code, 0, built.output);
    const { files } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
    for (const name of [...files, 'package.json']) {
      if (name !== 'dist') cpSync(path.join(ROOT, name), path.join(installed, name), { recursive: true });
    }
    writeFileSync(path.join(app, 'package.json'), '{ "type": "module" }');
    writeFileSync(path.join(app, 'program.js'), PROGRAM);
    writeFileSync(path.join(app, 'typed.ts'), TYPED);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('is embedded in this Node, and stops without a trace', async () => {
    const { code, output } = await run(process.execPath, ['program.js'], app);
    assert.equal(code, 0, output);
    assert.match(output, /served on Node/);
    assert.doesNotMatch(output, /Warning/);
  });

  test('is embedded in the Node on the PATH, which may be older', async (context) => {
    const found = await run('node', ['--version'], app);
    if (found.code !== 0) {
      context.skip('no node on the PATH');
      return;
    }
    const { code, output } = await run('node', ['program.js'], app);
    assert.equal(code, 0, output);
    assert.match(output, /served on Node/);
  });

  test('has types', async () => {
    const flags = '--noEmit --strict --target esnext --module nodenext --types node --skipLibCheck typed.ts'.split(' ');
    const { code, output } = await run(path.join(ROOT, 'node_modules/.bin/tsc'), flags, app);
    assert.equal(code, 0, output);
  });

  test('starts by its command', async () => {
    const port = await freePort();
    const { NODE_COMPILE_CACHE: _cache, ...env } = process.env;
    const child = spawn('node', [path.join(installed, 'bin/ferrite.js'), '--port', String(port)], { cwd: app, env });
    let log = '';
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    try {
      await new Promise<void>((resolve, reject) => {
        const take = (bytes: Buffer): void => {
          log += bytes;
          if (log.includes('Ready to accept connections')) resolve();
        };
        child.stdout.on('data', take);
        child.stderr.on('data', take);
        child.once('error', reject);
        void ended.then(() => reject(new Error(`it ended before it was ready:\n${log}`)));
      });
      const client = await RawClient.connect(port);
      assert.equal((await client.command('SHUTDOWN').catch(() => Buffer.alloc(0))).length, 0);
      assert.equal(await ended, 0, log);
      assert.doesNotMatch(log, /Warning/);
      // What was compiled is kept for the next start.
      assert.notDeepEqual(readdirSync(path.join(installed, 'node_modules/.cache/node-compile-cache')), []);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
