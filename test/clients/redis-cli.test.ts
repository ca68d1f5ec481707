// redis-cli and a short redis-benchmark, as a person at a terminal runs them, against both reactors.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { installed, isReactorRefused, REACTORS, type RunningServer, startServer } from '../support/server.ts';

type Output = { readonly code: number; readonly output: string };

function run(program: string, args: readonly string[], input = ''): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(program, [...args], { timeout: 60_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
    // A redis-cli that was given its command as arguments may have ended before its input is closed.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

if (!installed('redis-cli')) {
  test('redis-cli', { skip: 'redis-cli is not installed' }, () => {});
} else {
  for (const reactor of REACTORS) {
    describe(`redis-cli on the ${reactor} reactor`, () => {
      let server: RunningServer | undefined;
      before(async () => {
        try {
          server = await startServer({ reactor });
        } catch (error) {
          if (!isReactorRefused(error)) throw error;
        }
      });
      after(async () => {
        await server?.stop();
      });
      const testServed = (name: string, body: (port: string) => Promise<void>): void => {
        test(name, async (context) => {
          if (server === undefined) context.skip(`this machine refuses ${reactor}`);
          else await body(String(server.port));
          server?.assertAlive();
        });
      };

      testServed('runs single commands in both protocols', async (port) => {
        assert.equal((await run('redis-cli', ['-p', port, 'SET', 'a', 'hello world'])).output, 'OK\n');
        assert.equal((await run('redis-cli', ['-p', port, '-3', 'GET', 'a'])).output, 'hello world\n');
        assert.equal((await run('redis-cli', ['-p', port, '-n', '4', '--no-raw', 'GET', 'a'])).output, '(nil)\n');
        assert.equal(
          (await run('redis-cli', ['-p', port, '--no-raw', 'INCR', 'a'])).output,
          '(error) ERR value is not an integer or out of range\n',
        );
      });

      testServed('takes commands from standard input, and mass insertion by --pipe', async (port) => {
        const { output } = await run('redis-cli', ['-p', port], 'SET x 1\nINCRBY x 41\nGET x\n');
        assert.equal(output, 'OK\n42\n42\n');
        const mass = Array.from(
          { length: 20_000 },
          (_, i) => `*3\r\n$3\r\nSET\r\n$8\r\nm${String(i).padStart(7, '0')}\r\n$1\r\n1\r\n`,
        ).join('');
        const piped = await run('redis-cli', ['-p', port, '--pipe'], mass);
        assert.match(piped.output, /errors: 0, replies: 20000/);
      });

      testServed('scans, reads INFO, lists clients and finds big keys', async (port) => {
        await run('redis-cli', ['-p', port, 'MSET', 'scan:1', 'a', 'scan:2', 'b']);
        assert.equal(
          (await run('redis-cli', ['-p', port, '--scan', '--pattern', 'scan:*'])).output.trim().split('\n').sort().join(),
          'scan:1,scan:2',
        );
        assert.match((await run('redis-cli', ['-p', port, 'INFO', 'server'])).output, /redis_version:7\./);
        assert.match((await run('redis-cli', ['-p', port, 'CLIENT', 'LIST'])).output, /^id=\d+ addr=127\.0\.0\.1:\d+ .*cmd=client\|list/m);
        const big = await run('redis-cli', ['-p', port, '--bigkeys']);
        assert.equal(big.code, 0);
        assert.match(big.output, /Biggest string found/);
      });

      testServed('serves redis-benchmark', async (port) => {
        const { code, output } = await run('redis-benchmark', [
          '-p',
          port,
          '-t',
          'ping,set,get,incr,mset',
          '-n',
          '20000',
          '-P',
          '16',
          '-r',
          '1000',
          '-q',
        ]);
        assert.equal(code, 0, output);
        assert.match(output, /MSET.*requests per second/);
        assert.doesNotMatch(output, /ERR|error/i);
      });
    });
  }
}
