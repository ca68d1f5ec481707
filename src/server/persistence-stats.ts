/**
 * What INFO's persistence section and the metrics page say of the log: one Float64Array that all threads see; every word has one writer,
 * the log's thread unless it's said otherwise.
 */
export const ENABLED = 0;
export const REWRITE_RUNS = 1; // main
export const REWRITE_SCHEDULED = 2; // main
export const REWRITE_STARTED_MS = 3; // main
export const REWRITE_LAST_SECONDS = 4; // main; -1: none yet
export const REWRITE_FAILED = 5; // main: 1 when the last one failed
export const REWRITES = 6; // main
export const REWRITE_KEYS = 7; // the snapshot's thread
export const REWRITE_BYTES = 8; // the snapshot's thread
export const CURRENT_BYTES = 9; // base and increments
export const BASE_BYTES = 10; // CURRENT_BYTES when the last rewrite ended
export const BACKLOG_BYTES = 11;
export const SYNC_RUNS = 12;
export const SYNCS = 13;
export const DELAYED_SYNCS = 14;
export const WRITE_FAILED = 15;
export const LOADING_STARTED_MS = 16;
export const LOADING_TOTAL_BYTES = 17;
export const LOADING_DONE_BYTES = 18;
export const LOADING_RECORDS = 19;
export const LOST_BYTES = 20; // at the end
export const WORDS = 32;
