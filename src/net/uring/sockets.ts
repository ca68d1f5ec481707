/** Sockets by libc's own functions: listeners, and the addresses of a connection. Linux's numbers. */
import { lstatSync, unlinkSync } from 'node:fs';
import { check, libc } from './libc.ts';

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_KEEPALIVE = 9;
const SO_REUSEPORT = 15;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MAX_PATH_BYTES = 107;
const ADDRESS_BYTES = 128;

function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check(libc.setsockopt(fd, level, name, bytes, 4), 'setsockopt');
}

/** Probes a silent peer after so many seconds, and three times a third of that apart; 0 never does. */
export function setKeepalive(fd: number, seconds: number): void {
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0 ? 1 : 0);
  if (seconds === 0) return;
  // The kernel takes no more than 32767 seconds.
  const idle = Math.min(seconds, 32767);
  setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
  setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, Math.max(1, Math.floor(idle / 3)));
  setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/** A listening TCP socket that shares its port with other threads'. What is set here, accepted connections inherit. */
export function listenTcp(host: string, port: number, backlog: number, keepaliveSeconds: number): number {
  // net.isIPv6 would compile its pattern for tens of milliseconds when it's first asked.
  const isSix = host.includes(':');
  const fd = check(libc.socket(isSix ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), `listening on ${host}`);
  try {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    setKeepalive(fd, keepaliveSeconds);
    if (isSix) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    const address = isSix ? addressOfSix(host, port) : addressOfFour(host, port);
    check(libc.bind(fd, address, address.length), `listening on ${host}:${port}`);
    check(libc.listen(fd, backlog), `listening on ${host}:${port}`);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

export function listenUnix(path: string, backlog: number): number {
  const name = Buffer.from(path);
  if (name.length > MAX_PATH_BYTES) throw new Error(`unixsocket ${path}: the path is longer than ${MAX_PATH_BYTES} bytes`);
  removeStale(path);
  const fd = check(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), `listening on ${path}`);
  const address = Buffer.alloc(2 + name.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  check(libc.bind(fd, address, address.length), `listening on ${path}`);
  check(libc.listen(fd, backlog), `listening on ${path}`);
  return fd;
}
/** The socket of a server that ended without removing it; anything else at the path is left, and the bind refused. */
function removeStale(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function addressOfFour(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  for (const [index, part] of host.split('.').entries()) bytes[4 + index] = Number(part);
  return bytes;
}
function addressOfSix(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  const [left, right] = host.split('::') as [string, string | undefined];
  const parse = (part: string): number[] => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const front = parse(left);
  const back = parse(right ?? '');
  const words = right === undefined ? front : [...front, ...new Array(8 - front.length - back.length).fill(0), ...back];
  for (const [index, word] of words.entries()) bytes.writeUInt16BE(word, 8 + index * 2);
  return bytes;
}

/** The port a listening socket got. */
export function boundPort(fd: number): number {
  const bytes = query(libc.getsockname, fd);
  return bytes === null ? 0 : bytes.readUInt16BE(2);
}
export function peerAddress(fd: number): string {
  return print(query(libc.getpeername, fd));
}
export function localAddress(fd: number): string {
  return print(query(libc.getsockname, fd));
}

function query(ask: (fd: number, address: Buffer, length: Buffer) => number, fd: number): Buffer | null {
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(ADDRESS_BYTES);
  // A client that is gone already has no address any more.
  return ask(fd, bytes, length) < 0 ? null : bytes.subarray(0, length.readUInt32LE());
}
function print(address: Buffer | null): string {
  if (address === null || address.length < 8) return '?:0';
  const port = address.readUInt16BE(2);
  if (address.readUInt16LE(0) === AF_INET) return `${address.subarray(4, 8).join('.')}:${port}`;
  return `[${printSix(address.subarray(8, 24))}]:${port}`;
}
/** RFC 5952's shortest form: the longest run of zero words becomes '::'. */
function printSix(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (words[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return words.join(':');
  return `${words.slice(0, best.at).join(':')}::${words.slice(best.at + best.length).join(':')}`;
}
