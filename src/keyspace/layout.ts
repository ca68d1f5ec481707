/**
 * The control block: one SharedArrayBuffer that every thread attaches, with what is shared and belongs to no bank.
 *
 *   word 0                 process-wide words (GLOBAL_*), 64 of them
 *   word 64                1024 shard headers of 32 words (two cache lines): database * 64 + shard
 *   behind                 64 lists of detached dicts (one word a bank), 64 of detached values, for the janitor;
 *                          65536 WATCH versions; who waits for keys (BLOCKED_WORD and behind)
 *
 * A shard header, and who writes it: all words behind the latch are written only by the holder of that shard's
 * exclusive latch. INFO reads counts without a latch: an aligned word.
 */
export const GLOBAL_LRU_STAMP = 0; // claimed in batches with Atomics.add
export const GLOBAL_PAUSE = 1; // PAUSE_* bits: why the executor must look twice before it runs a command
export const GLOBAL_STOP = 2; // not 0: the janitor ends; with STOP_BY_PANIC by failing
export const STOP_BY_PANIC = 2;
export const GLOBAL_POLICY = 3; // the eviction policy's number, see eviction.ts
export const GLOBAL_MAXMEMORY_KIB = 4; // 0 is without limit
export const GLOBAL_EXPIRED = 5;
export const GLOBAL_EVICTED = 6;
export const GLOBAL_SEED = 7;
export const GLOBAL_ACTIVE_EXPIRE = 8; // 1: the janitor deletes what is over; 0: only whoever meets it does
export const GLOBAL_CLIENT_ID = 10;
export const GLOBAL_WATCHERS = 11;
export const GLOBAL_CLIENTS = 12;
export const GLOBAL_MAXMEMORY_SUBKIB = 16; // what maxmemory has beyond whole KiB, in bytes
export const GLOBAL_SLOWLOG_ID = 17;
export const GLOBAL_DETACHED_KIB = 18; // what values.ts has detached and the janitor hasn't freed yet
export const GLOBAL_LOG = 19; // LOG_* bits: where writes are told of; changed under all latches
export const GLOBAL_EPOCH = 20; // META_EPOCH or 0: what new entries carry; turned round as a snapshot begins, under all latches
export const GLOBAL_LOG_ERRNO = 21; // why the log can't be written, with PAUSE_MISCONF
export const GLOBAL_SNAPSHOT_SPOILT = 22; // a database was emptied or exchanged since the snapshot began
export const GLOBAL_FSYNC = 23; // appendfsync: FSYNC_*
export const GLOBAL_OPEN_GROUPS = 24; // a bit for each thread whose transaction has changes in the keyspace that aren't in the log yet
export const GLOBAL_SNAPSHOT_WAITS = 25; // a snapshot is to begin: no such transaction may
export const GLOBAL_LOCKERS = 30; // script threads that hold key locks (key-locks.ts)
export const GLOBAL_WHOLE_LOCK = 31; // the bit of the script thread that holds all keys, or 0
export const GLOBAL_LOCK_BARRIER = 32; // until when (low bits of milliseconds) no script may begin to lock, or 0
export const GLOBAL_LOCK_WAITERS = 33; // script threads that wait for a lock
export const GLOBAL_FREEING = 40; // a latch, and its waiters: who frees what is detached
export const GLOBAL_SWAPS = 42; // how often SWAPDB has moved keys between shards
export const GLOBAL_USED_KIB = 43; // about the memory in use, see bank.ts
export const GLOBAL_HZ = 44; // the janitor's rounds a second
export const GLOBAL_ACTIVE_REACTORS = 45; // reactors from 0 on that connections are gathered on, see connection-spread.ts
export const GLOBAL_LFU_LOG_FACTOR = 46; // lfu-log-factor
export const GLOBAL_LFU_DECAY_MINUTES = 47; // lfu-decay-time; 0: frequencies don't decay
export const GLOBAL_WAITERS_LATCH = 56; // and its waiters: who takes and gives back slots of blocking/waiters.ts
export const GLOBAL_WAITERS_FREE = 58; // a free slot + 1, the first of a list
export const GLOBAL_WAITERS_TOP = 59; // slots ever used
export const GLOBAL_WORDS = 64;

export const PAUSE_WRITES = 1;
export const PAUSE_ALL = 2;
export const PAUSE_LOADING = 4;
export const PAUSE_MISCONF = 8;

export const LOG_APPENDS = 1;
export const LOG_SNAPSHOT = 2;

export const FSYNC_EVERYSEC = 0;
export const FSYNC_ALWAYS = 1;
export const FSYNC_NO = 2;

export const DATABASES = 16;
export const SHARDS = 64;
export const DOMAINS = DATABASES * SHARDS;

export const SHARD_LATCH = 0;
export const SHARD_LATCH_WAITERS = 1;
export const SHARD_COUNT = 2;
export const SHARD_DIRECTORY = 3;
export const SHARD_LOW_MASK = 4;
export const SHARD_SPLIT = 5;
export const SHARD_DIRECTORY_CAPACITY = 6;
export const SHARD_LRU = 7; // head, tail of keys without expiry
export const SHARD_LRU_VOLATILE = 9; // head, tail of keys with one
export const SHARD_HEAP = 11;
export const SHARD_HEAP_COUNT = 12;
export const SHARD_HEAP_CAPACITY = 13;
export const SHARD_FIELD_HEAP = 15; // hashes with fields that expire: ref, count, capacity, as the heap of keys
export const SHARD_FIELD_HEAP_COUNT = 16;
export const SHARD_WORDS = 32;
/** Where an entry notes when it was used last (keyspace.ts). */
export const ENTRY_STAMP = 4;

export const DETACHED_WORD = GLOBAL_WORDS + DOMAINS * SHARD_WORDS;
/** Big values without a key, one list a bank (values.ts). */
export const DETACHED_VALUES_WORD = DETACHED_WORD + SHARDS;
/** Versions for WATCH, striped by the key's hash; bumped with an atomic add by every write while anyone watches. */
export const WATCH_WORD = DETACHED_VALUES_WORD + SHARDS;
export const WATCH_STRIPES = 65536;
/** Clients that wait for keys of a shard: first and last of a list (blocking/waiters.ts), written under the shard's latch. */
export const BLOCKED_WORD = WATCH_WORD + WATCH_STRIPES;
export const THREADS_MAX = 128;
/** What other threads have for a thread: the first of a list of served waiters, an eventfd + 1 that wakes it, and a word to wake it by. */
export const MAIL_WORD = BLOCKED_WORD + DOMAINS * 2;
export const WAKE_FD_WORD = MAIL_WORD + THREADS_MAX;
export const WAKE_WORD = WAKE_FD_WORD + THREADS_MAX;
/** Slots of waiting clients, see blocking/waiters.ts. */
export const WAITER_WORDS = 8;
export const WAITERS_MAX = 65536;
export const WAITER_WORD = WAKE_WORD + THREADS_MAX;
/** A word a database, for WATCH as well: counts FLUSHDB and SWAPDB of it. */
export const DATABASE_VERSION_WORD = WAITER_WORD + WAITERS_MAX * WAITER_WORDS;
/** Locks of keys, see key-locks.ts. */
export const LOCK_WORD = DATABASE_VERSION_WORD + DATABASES;
export const LOCK_STRIPES = 65536;
export const CONTROL_WORDS = LOCK_WORD + LOCK_STRIPES;

/** The word of a shard's first waiter; the last one's is behind it. `head` is the word of the shard's header. */
export function blockedWord(head: number): number {
  return BLOCKED_WORD + ((head - GLOBAL_WORDS) / SHARD_WORDS) * 2;
}
/** The word at which the header of a shard begins. */
export function shardBase(database: number, shard: number): number {
  return GLOBAL_WORDS + (database * SHARDS + shard) * SHARD_WORDS;
}
export function createControl(seed: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(CONTROL_WORDS * 4);
  const words = new Int32Array(buffer);
  words[GLOBAL_SEED] = seed;
  words[GLOBAL_ACTIVE_EXPIRE] = 1;
  words[GLOBAL_LFU_LOG_FACTOR] = 10;
  words[GLOBAL_LFU_DECAY_MINUTES] = 1;
  return buffer;
}
