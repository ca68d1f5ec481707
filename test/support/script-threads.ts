// What tests do to the threads of scripts.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawClient } from './raw-client.ts';

/** So long after its beginning a script that loops is in its loop, however slow the machine. */
const SURELY_LOOPING_MS = 300;

/**
 * Ends the thread of a script that loops for ever, once it's in its loop, where no latch is held: a thread that ends within a latch ends
 * the server. Needs `enable-debug-command yes`.
 */
export async function endLoopingThread(client: RawClient): Promise<void> {
  const runsFor = async (): Promise<number> => {
    const times = (await client.command('SCRIPT', 'STATS')).toString('latin1').matchAll(/running-ms\r\n:(\d+)/g);
    return Math.max(0, ...[...times].map((time) => Number(time[1])));
  };
  while ((await runsFor()) < SURELY_LOOPING_MS) await sleep(10);
  assert.equal((await client.command('DEBUG', 'PANIC', 'script')).toString('latin1'), ':1\r\n');
}
