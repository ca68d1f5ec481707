/** The counters that emitted code changes in place: see meter.ts, which says what they mean and looks after them. */

/** Ticks between two looks at the interrupt: some tenths of a millisecond. */
export const SLICE_TICKS = 20_000;
/** Turns of a loop that its function pays for at once, and then counts in a local variable. */
export const LOOP_TICKS = 256;
/** Turns that come free with a call: most loops are short, and then the meter isn't told of them. */
export const FREE_TURNS = 20;
/** Bytes asked for between two looks at the heap, at most. */
export const BYTES_PER_LOOK = 16 * 1024 * 1024;

export const meter = {
  /** Left of the current slice. */
  ticks: SLICE_TICKS,
  /** Tail calls that are JavaScript calls inside each other right now. */
  tails: 0,
  /** Bytes asked for since the heap was looked at. */
  allocated: 0,
  /** The mark at which it's looked at again. */
  allocatedMark: BYTES_PER_LOOK,
  /** What the heap held when it was looked at last between two runs. */
  idleHeapBytes: 0,
};
