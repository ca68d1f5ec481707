/**
 * What threads say to each other beside the data: small messages over MessagePorts, for work that is rare (CLIENT LIST, CONFIG SET,
 * SHUTDOWN). Main answers, asking all reactors where that's needed.
 */
import type { MessagePort } from 'node:worker_threads';
import type { RingBuffers } from '../memory/byte-ring.ts';
import type { MovedClient } from '../net/session.ts';
import type { ScriptBuffers } from '../scripting/script-state.ts';

export type ThreadSetup = {
  index: number;
  control: SharedArrayBuffer;
  lruClock: SharedArrayBuffer;
  banks: SharedArrayBuffer[];
  /** A Float64Array of STAT_WORDS a thread, for all threads. */
  stats: SharedArrayBuffer;
  config: [string, string][];
  configFile: string;
  port: MessagePort;
  /** The TCP port to listen on; 0 takes a free one (the first reactor), the directive when it is not set. */
  listenPort: number;
  /** A Unix socket that the first reactor listens on and this one accepts from too, or -1. */
  unixFd: number;
  reusePort: boolean;
  /** auto, io_uring or portable. */
  reactor: string;
  /** Calls, time and histogram of every command for every thread, see command-stats.ts. */
  commandStats: SharedArrayBuffer;
  startedMs: number;
  /** 40 hexadecimal digits that no other run has. */
  runId: string;
  /** The log's ring, and that of snapshots; a thread's producer in both is its index. */
  logRing: RingBuffers;
  snapshotRing: RingBuffers;
  /** Where this thread's records go that are too large for the rings; null for a thread that appends nothing. */
  logPort: MessagePort | null;
  snapshotPort: MessagePort | null;
  /** Queues, answers and the store of scripts. */
  scripts: ScriptBuffers;
  /** What the log's threads tell INFO, see persistence-stats.ts. */
  persistence: SharedArrayBuffer;
};

export type Order = { kind: string; [field: string]: unknown };

/** To main: a request of a reactor. To a reactor: an order. Replies carry the same id. */
export type Message =
  | { type: 'request'; id: number; request: { kind: string; [field: string]: unknown } }
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'order'; id: number; order: Order }
  | { type: 'done'; id: number; result: unknown }
  /** A client goes from the sender to reactor `target`; which is told to adopt it. */
  | { type: 'move'; target: number; client: MovedClient }
  | { type: 'adopt'; client: MovedClient }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error' | 'fatal'; message: string }
  | { type: 'listening'; port: number; kind: string; wakeFd: number; unixFd: number }
  | { type: 'failed'; message: string }
  /** Of the log's thread: it has loaded the data. */
  | { type: 'ready' }
  | { type: 'need'; what: 'rewrite' | 'growth' };

// Each thread's own statistics; one writer, summed by INFO.
export const STAT_COMMANDS = 0;
export const STAT_CONNECTIONS = 1;
export const STAT_CLIENTS = 2;
export const STAT_INPUT_BYTES = 3;
export const STAT_OUTPUT_BYTES = 4;
export const STAT_HITS = 5;
export const STAT_MISSES = 6;
export const STAT_EXPIRED = 7;
export const STAT_ERRORS = 8;
export const STAT_REJECTED = 9;
export const STAT_BLOCKED = 14;
/** CPU time of a reactor by time, in the last tenth of a second or more; and clients that it has given to others. */
export const STAT_LOAD = 15;
export const STAT_MOVED = 16;
/** What a reactor's clients keep in buffers, as of its last look at them; and how many it has closed for `maxmemory-clients`. */
export const STAT_CLIENT_BYTES = 17;
export const STAT_EVICTED_CLIENTS = 18;
/** What the largest client of a reactor keeps that may be closed for it. */
export const STAT_LARGEST_CLIENT = 19;
// Written by the janitor for all.
export const STAT_OPS_PER_SECOND = 10;
export const STAT_INPUT_KBPS = 11;
export const STAT_OUTPUT_KBPS = 12;
export const STAT_PEAK_BYTES = 13;
/** The longest slice of background work, in microseconds of its thread's CPU. */
export const STAT_LONGEST_SLICE_US = 20;
export const STAT_WORDS = 24;
/** Reactors (64 at most) and the janitor, then script threads. */
export const FIRST_SCRIPT_THREAD = 66;
export const MAX_THREADS = 96;

/** A figure summed over all threads. */
export function totalOf(stats: Float64Array, stat: number): number {
  let sum = 0;
  for (let at = stat; at < stats.length; at += STAT_WORDS) sum += stats[at] as number;
  return sum;
}
/** The largest one of all threads. */
export function mostOf(stats: Float64Array, stat: number): number {
  let most = 0;
  for (let at = stat; at < stats.length; at += STAT_WORDS) most = Math.max(most, stats[at] as number);
  return most;
}
