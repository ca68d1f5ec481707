/** Ends the process at once, whatever its other threads wait for. */
import process from 'node:process';
import { loadFfi } from '../base/ffi.ts';

/**
 * process.exit() joins the worker threads first, and one of them may sleep in the kernel or wait for a latch whose holder is gone. _exit(2)
 * asks nobody. Where node:ffi is missing, process.exit() is what there is. Only for failures: nothing is flushed or closed.
 */
export function exitNow(status: number): never {
  try {
    const ffi = loadFfi();
    ffi.dlopen(null, { _exit: { arguments: ['i32'], return: 'void' } }).functions._exit(status);
  } catch {
    // Another system, or a Node without ffi.
  }
  process.exit(status);
}
