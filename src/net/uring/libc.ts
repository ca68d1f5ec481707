/** The few functions of libc that the io_uring reactor calls through node:ffi, and memory that the kernel may write to. Linux only. */
import { loadFfi } from '../../base/ffi.ts';

const ffi = loadFfi();
const { functions } = ffi.dlopen(null, {
  mmap: { arguments: ['pointer', 'u64', 'i32', 'i32', 'i32', 'i64'], return: 'pointer' },
  munmap: { arguments: ['pointer', 'u64'], return: 'i32' },
  __errno_location: { arguments: [], return: 'pointer' },
  eventfd: { arguments: ['u32', 'i32'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
  bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'buffer', 'buffer'], return: 'i32' },
  getpeername: { arguments: ['i32', 'buffer', 'buffer'], return: 'i32' },
  dup: { arguments: ['i32'], return: 'i32' },
  shutdown: { arguments: ['i32', 'i32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
});
export const libc = functions;

/** glibc has no functions for io_uring: syscall(2) with a signature for each call. */
export const io_uring_setup = ffi.dlopen(null, {
  syscall: { arguments: ['i32', 'u32', 'pointer'], return: 'i32' },
}).functions.syscall;
export const io_uring_enter = ffi.dlopen(null, {
  syscall: { arguments: ['i32', 'i32', 'u32', 'u32', 'u32', 'pointer', 'u64'], return: 'i32' },
}).functions.syscall;
/** Without a time-out: numbers alone, which V8 hands over without a detour. The last argument of the call isn't looked at then. */
export const io_uring_enter_untimed = ffi.dlopen(null, {
  syscall: { arguments: ['i32', 'i32', 'u32', 'u32', 'u32', 'u32'], return: 'i32' },
}).functions.syscall;
export const io_uring_register = ffi.dlopen(null, {
  syscall: { arguments: ['i32', 'i32', 'u32', 'pointer', 'u32'], return: 'i32' },
}).functions.syscall;

export const EINTR = 4;
export const EBUSY = 16;
export const ETIME = 62;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MAP_FAILED = 2n ** 64n - 1n;

const NAMES: Record<number, string> = {
  1: 'EPERM: the system forbids it, as containers often do',
  12: 'ENOMEM: not enough memory may be locked, see ulimit -l',
  13: 'EACCES: permission denied',
  22: 'EINVAL: the kernel is too old for a feature that is needed (6.1 or later has all)',
  24: 'EMFILE: too many open files, see ulimit -n',
  38: 'ENOSYS: the kernel has no io_uring',
  98: 'EADDRINUSE: the address is in use',
  99: "EADDRNOTAVAIL: this machine doesn't have that address",
  97: 'EAFNOSUPPORT: this kind of address is switched off',
};
const CODES: Record<number, string> = { 97: 'EAFNOSUPPORT', 98: 'EADDRINUSE', 99: 'EADDRNOTAVAIL' };

export function errno(): number {
  return ffi.getInt32(libc.__errno_location(), 0);
}
/** An error that says what failed, with the code that node's own errors have. */
export function systemError(what: string, number: number): Error {
  const error = new Error(`${what}: ${NAMES[number] ?? `errno ${number}`}`);
  return Object.assign(error, { code: CODES[number] ?? `E${number}` });
}
export function check(result: number, what: string): number {
  if (result < 0) throw systemError(what, errno());
  return result;
}

/** Mapped memory: its address as a number (user addresses are below 2^47), and views of it. */
export type Mapping = { address: number; pointer: bigint; bytes: Buffer; words: Int32Array };

function view(pointer: bigint, length: number, what: string): Mapping {
  if (pointer === MAP_FAILED) throw systemError(what, errno());
  const buffer = ffi.toArrayBuffer(pointer, length, false);
  return { address: Number(pointer), pointer, bytes: Buffer.from(buffer), words: new Int32Array(buffer) };
}
/** A part of a ring's memory. */
export function mapFile(fd: number, offset: number, length: number): Mapping {
  return view(libc.mmap(0n, BigInt(length), PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, BigInt(offset)), length, 'mapping a ring');
}
/** Nobody may touch its views from here on. */
export function unmap({ pointer, bytes }: Mapping): void {
  libc.munmap(pointer, BigInt(bytes.length));
}
/** Zeroed memory that doesn't move, a whole number of pages. */
export function mapMemory(length: number): Mapping {
  return view(libc.mmap(0n, BigInt(length), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0n), length, 'mapping memory for the network');
}
