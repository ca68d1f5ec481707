/** Wakes another thread: by the eventfd that its ring reads, or by the word that its event loop waits on. */
import { writeSync } from 'node:fs';
import * as layout from '../keyspace/layout.ts';

const EVENT = new Uint8Array(new BigUint64Array([1n]).buffer);

export function wakeThread(control: Int32Array, thread: number): void {
  const fd = Atomics.load(control, layout.WAKE_FD_WORD + thread) - 1;
  if (fd >= 0) {
    writeSync(fd, EVENT);
    return;
  }
  Atomics.add(control, layout.WAKE_WORD + thread, 1);
  Atomics.notify(control, layout.WAKE_WORD + thread);
}
/** Says how this thread is to be woken. */
export function setWakeFd(control: Int32Array, thread: number, fd: number): void {
  Atomics.store(control, layout.WAKE_FD_WORD + thread, fd + 1);
}
/** Calls `onWake` each time the thread is woken by its word, for threads that live on an event loop. */
export function onWakeWord(control: Int32Array, thread: number, onWake: () => void): void {
  const at = layout.WAKE_WORD + thread;
  let seen = Atomics.load(control, at);
  const wait = (): void => {
    const outcome = Atomics.waitAsync(control, at, seen);
    const go = (): void => {
      seen = Atomics.load(control, at);
      onWake();
      wait();
    };
    if (outcome.async) void outcome.value.then(go);
    else setImmediate(go);
  };
  wait();
}
