/**
 * A thread that sleeps much and must go on at once when it's woken (the log's, behind every sync, while all cores are busy with clients)
 * asks the scheduler for a short slice: EEVDF then lets it in before threads with longer ones, and takes nothing of anybody's share
 * (sched_setattr(2): since Linux 6.12 a runtime is the slice of an ordinary thread; before, it's passed over).
 */
import { loadFfi } from '../base/ffi.ts';

const SLICE_NS = 100_000;
const SIZE_BYTES = 48;
const SIZE_AT = 0;
const RUNTIME_AT = 24;
/** Numbers of system calls are those of the architecture. */
const SCHED_SETATTR: Readonly<Record<string, number>> = { x64: 314, arm64: 274 };

/** Does what the system allows, and is silent about what it doesn't. */
export function goOnPromptly(): void {
  const call = SCHED_SETATTR[process.arch];
  if (process.platform !== 'linux' || call === undefined) return;
  try {
    const ffi = loadFfi();
    const { functions } = ffi.dlopen(null, { syscall: { arguments: ['i32', 'i32', 'buffer', 'u32'], return: 'i32' } });
    const attributes = Buffer.alloc(SIZE_BYTES);
    attributes.writeUInt32LE(SIZE_BYTES, SIZE_AT);
    attributes.writeBigUInt64LE(BigInt(SLICE_NS), RUNTIME_AT);
    functions.syscall(call, 0, attributes, 0);
  } catch {
    // An older Node, or one without ffi.
  }
}
