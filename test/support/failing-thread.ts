// Loaded before all else into every thread of a server under test: the thread of the given name fails, in the middle of its loop, once the
// given file is there.
import { existsSync } from 'node:fs';
import { threadName } from 'node:worker_threads';

const CHECK_MS = 20;
const file = process.env['FERRITE_TEST_FAIL_WHEN'];

function failWhenAsked(): void {
  if (file !== undefined && existsSync(file)) throw new Error('failed for a test');
}

if (threadName === process.env['FERRITE_TEST_FAILING_THREAD']) {
  // Threads that block do so here, and look up once a second at the latest; others have an event loop.
  const { wait } = Atomics;
  Atomics.wait = ((...about: Parameters<typeof wait>) => {
    failWhenAsked();
    return wait(...about);
  }) as typeof wait;
  setInterval(failWhenAsked, CHECK_MS).unref();
}
