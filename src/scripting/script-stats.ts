/**
 * Figures of each script and each function, as one thread that runs them counts them, in shared memory. One buffer for all threads:
 *
 *   word 0       RESETS: counts CONFIG RESETSTAT; a thread that sees a new number clears its section       whoever resets
 *   word 16 ...  a section of SECTION words a thread, written by that thread alone
 *
 *   section   +0 RUNNING    the row of the script that runs, 0: none (or of no row)
 *             +1 RESET      the number of RESETS that these figures belong to
 *             +2 TOP        rows in use, the first with them
 *             +3 DESCRIBED  the run (its SEQUENCE, never 0) that the description below is of
 *             +4 HEAP       what V8's heap holds, in KiB, as of lately
 *             +16 ...       the description: the count of arguments, their lengths in bytes, then the bytes; DESCRIPTION words
 *             behind        ROWS rows of ROW_WORDS; row 0 counts what had to make room for others
 *
 *   row       +0 KIND       0 nothing, 1 a script (its name is the SHA1), 2 a function
 *             +1 RUNS   +2 ERRORS   +3 ROLLBACKS   +4 CONFLICTS   +5 MAX (in units)   +6 USED (the run that used it last)
 *             +8 MICROS     a double: the time of all runs
 *             +10 LENGTH    +11 HASH    +12 ... NAME, up to NAME_BYTES of it
 *             +32 ...       how many runs took how long: BUCKETS counts
 *
 * A time is counted in units of an eighth of a microsecond, and the bucket is its highest three bits: a percentile is exact to an eighth.
 * Readers read words one by one while they change: figures of one row may be a run apart.
 *
 * A run costs one look at the clock and some eight stores into two lines of memory. A thread keeps the figures of ROWS - 1 scripts; when
 * there are more, one that hasn't been used for long makes room, and its figures go into row 0.
 */
import { performance } from 'node:perf_hooks';
// Not by the engine: the main thread reads these figures, and has no use for the language.
import { meter } from '../lua/runtime/counters.ts';

const RESETS = 0;
const SECTIONS = 16;
const RUNNING = 0;
const RESET = 1;
const TOP = 2;
const DESCRIBED = 3;
const HEAP = 4;
const DESCRIPTION_AT = 16;
const DESCRIPTION = 1024;
const ROWS_AT = DESCRIPTION_AT + DESCRIPTION;
/** Scripts and functions that a thread keeps figures of, and one row for all others. */
const ROWS = 1024;
const ROW_WORDS = 160;
const SECTION = ROWS_AT + ROWS * ROW_WORDS;

const KIND = 0;
const RUNS = 1;
const ERRORS = 2;
const ROLLBACKS = 3;
const CONFLICTS = 4;
const MAX = 5;
const USED = 6;
const MICROS = 8;
const LENGTH = 10;
const HASH = 11;
const NAME = 12;
const HISTOGRAM = 32;
const BUCKETS = 128;
const NAME_BYTES = (HISTOGRAM - NAME) * 4;

const UNITS_A_MS = 8000;
const MAX_UNITS = 0x7fffffff;
/** So many rows are looked at for one that makes room. */
const LOOKED_AT = 16;
const MAX_ARGUMENTS = 64;

export const SCRIPT = 1;
export const FUNCTION = 2;

/** Whose figures are counted: the row is kept where it is used. */
export type Counted = { readonly name: string; readonly kind: number; row: number };

export function createScriptStats(writers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((SECTIONS + writers * SECTION) * 4);
}

/** The bucket of a time: one each below 8 units, then four for each doubling. */
export function bucketOf(units: number): number {
  if (units < 8) return units;
  const shift = 29 - Math.clz32(units);
  return (shift << 2) + (units >>> shift);
}
/** The middle of a bucket, in units. */
export function middleOf(bucket: number): number {
  if (bucket < 8) return bucket + 0.5;
  const shift = (bucket >> 2) - 1;
  return ((bucket & 3) + 4.5) * 2 ** shift;
}

/** A thread's own section. */
export class ScriptStats {
  private readonly words: Int32Array;
  private readonly doubles: Float64Array;
  private readonly bytes: Buffer;
  private readonly base: number;
  /** Who has which row. */
  private owners: (Counted | null)[] = [null];
  private rows = new Map<string, number>();
  private hand = 1;
  /** When what is timed began. */
  private sinceMs = 0;

  constructor(buffer: SharedArrayBuffer, writer: number) {
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.bytes = Buffer.from(buffer);
    this.base = SECTIONS + writer * SECTION;
    // A thread that takes the place of one that died begins anew.
    this.clear();
  }
  private clear(): void {
    const { words, base } = this;
    words.fill(0, base, base + SECTION);
    words[base + TOP] = 1;
    words[base + RESET] = Atomics.load(words, RESETS);
    this.owners = [null];
    this.rows.clear();
    this.hand = 1;
  }

  /** Before one run after another: time counts from here. */
  start(): void {
    this.look();
    this.words[this.base + HEAP] = meter.idleHeapBytes / 1024;
    this.sinceMs = performance.now();
  }
  /** Begins anew after CONFIG RESETSTAT. */
  look(): void {
    if (this.words[this.base + RESET] !== Atomics.load(this.words, RESETS)) this.clear();
  }
  /** A script begins; `run` is its number, not 0. */
  begin(counted: Counted, run: number): void {
    if (this.owners[counted.row] !== counted) this.assign(counted);
    this.words[this.base + RUNNING] = counted.row;
    this.words[this.rowAt(counted.row) + USED] = run;
  }
  conflict(counted: Counted): void {
    this.words[this.rowAt(counted.row) + CONFLICTS]!++;
  }
  get isRunning(): boolean {
    return this.words[this.base + RUNNING] !== 0;
  }
  /** Nothing runs, without an end that counts. */
  leave(): void {
    this.words[this.base + RUNNING] = 0;
  }
  /** It has ended. What comes next is timed from here. */
  end(counted: Counted, isError: boolean, isTakenBack: boolean): void {
    const now = performance.now();
    this.count(counted, isError, isTakenBack);
    this.took(counted, now - this.sinceMs);
    this.sinceMs = now;
  }
  /** As `end`; what it took is said later, by `took`. */
  count(counted: Counted, isError: boolean, isTakenBack: boolean): void {
    const { words } = this;
    const row = this.rowAt(counted.row);
    words[row + RUNS]!++;
    if (isError) words[row + ERRORS]!++;
    if (isTakenBack) words[row + ROLLBACKS]!++;
    words[this.base + RUNNING] = 0;
  }
  took(counted: Counted, milliseconds: number): void {
    if (this.owners[counted.row] !== counted) return;
    const { words } = this;
    const row = this.rowAt(counted.row);
    const units = Math.min(MAX_UNITS, milliseconds * UNITS_A_MS) | 0;
    this.doubles[(row + MICROS) >> 1]! += milliseconds * 1000;
    if (units > words[row + MAX]!) words[row + MAX] = units;
    words[row + HISTOGRAM + bucketOf(units)]!++;
  }
  private rowAt(row: number): number {
    return this.base + ROWS_AT + row * ROW_WORDS;
  }

  private assign(counted: Counted): void {
    const key = `${counted.kind}${counted.name}`;
    const known = this.rows.get(key);
    counted.row = known ?? this.makeRow(counted, key);
    this.owners[counted.row] = counted;
  }
  private makeRow(counted: Counted, key: string): number {
    const { words, base } = this;
    let row = words[base + TOP]!;
    if (row < ROWS) words[base + TOP] = row + 1;
    else row = this.makeRoom();
    this.rows.set(key, row);
    const at = this.rowAt(row);
    words[at + LENGTH] = this.bytes.latin1Write(counted.name.slice(0, NAME_BYTES), (at + NAME) << 2);
    words[at + HASH] = hashOf(counted.name);
    words[at + KIND] = counted.kind;
    return row;
  }
  /** Of some rows in turn the one that was used longest ago is emptied. */
  private makeRoom(): number {
    const { words } = this;
    let oldest = this.hand;
    for (let step = 0; step < LOOKED_AT; step++) {
      this.hand = this.hand + 1 < ROWS ? this.hand + 1 : 1;
      if (words[this.rowAt(this.hand) + USED]! < words[this.rowAt(oldest) + USED]!) oldest = this.hand;
    }
    const from = this.rowAt(oldest);
    const to = this.rowAt(0);
    for (const figure of [RUNS, ERRORS, ROLLBACKS, CONFLICTS]) words[to + figure]! += words[from + figure]!;
    for (let bucket = HISTOGRAM; bucket < HISTOGRAM + BUCKETS; bucket++) words[to + bucket]! += words[from + bucket]!;
    words[to + MAX] = Math.max(words[to + MAX]!, words[from + MAX]!);
    this.doubles[(to + MICROS) >> 1]! += this.doubles[(from + MICROS) >> 1]!;
    words.fill(0, from, from + ROW_WORDS);
    const owner = this.owners[oldest];
    if (owner != null) this.rows.delete(`${owner.kind}${owner.name}`);
    return oldest;
  }

  /** Leaves the request of the run for FUNCTION STATS, cut where there's no more room. Asked for once a run that takes long. */
  describe(run: number, argc: number, argument: (index: number) => string): void {
    const { words, bytes, base } = this;
    if (words[base + DESCRIBED] === run) return;
    Atomics.store(words, base + DESCRIBED, 0);
    const count = Math.min(argc, MAX_ARGUMENTS);
    let at = base + DESCRIPTION_AT;
    words[at++] = count;
    let byte = (at + count) << 2;
    const end = (base + DESCRIPTION_AT + DESCRIPTION) << 2;
    for (let index = 0; index < count; index++) {
      const size = bytes.latin1Write(argument(index).slice(0, end - byte), byte);
      words[at++] = size;
      byte += size;
    }
    Atomics.store(words, base + DESCRIBED, run);
  }
}

function hashOf(name: string): number {
  let hash = name.length;
  for (let at = 0; at < name.length; at++) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) | 0;
  return hash;
}

/** What is known of a script or function, over all threads. Times in microseconds. */
export type ScriptFigures = {
  readonly name: string;
  readonly kind: number;
  runs: number;
  errors: number;
  rollbacks: number;
  conflicts: number;
  micros: number;
  max: number;
  readonly histogram: Float64Array;
};

/** All threads' sections, for whoever asks. */
export class ScriptStatsReader {
  private readonly words: Int32Array;
  private readonly doubles: Float64Array;
  private readonly bytes: Buffer;
  private readonly writers: number;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.bytes = Buffer.from(buffer);
    this.writers = Math.floor((this.words.length - SECTIONS) / SECTION);
  }
  /** CONFIG RESETSTAT. */
  reset(): void {
    Atomics.add(this.words, RESETS, 1);
  }
  /** Figures by script, those that took most time first; what made room for others is the last, without a name. */
  read(): ScriptFigures[] {
    const all = new Map<string, ScriptFigures>();
    const { words } = this;
    for (let writer = 0; writer < this.writers; writer++) {
      const base = SECTIONS + writer * SECTION;
      if (words[base + RESET] !== Atomics.load(words, RESETS)) continue;
      for (let row = 0; row < words[base + TOP]!; row++) this.addRow(base + ROWS_AT + row * ROW_WORDS, all);
    }
    const others = all.get('0');
    all.delete('0');
    const figures = [...all.values()].sort((a, b) => b.micros - a.micros);
    return others === undefined || others.runs === 0 ? figures : [...figures, others];
  }
  private addRow(at: number, all: Map<string, ScriptFigures>): void {
    const { words } = this;
    const kind = words[at + KIND]!;
    const name = this.nameAt(at);
    const key = kind === 0 ? '0' : `${kind} ${words[at + HASH]} ${name}`;
    let figures = all.get(key);
    if (figures === undefined) {
      figures = { name, kind, runs: 0, errors: 0, rollbacks: 0, conflicts: 0, micros: 0, max: 0, histogram: new Float64Array(BUCKETS) };
      all.set(key, figures);
    }
    figures.runs += words[at + RUNS]!;
    figures.errors += words[at + ERRORS]!;
    figures.rollbacks += words[at + ROLLBACKS]!;
    figures.conflicts += words[at + CONFLICTS]!;
    figures.micros += this.doubles[(at + MICROS) >> 1]!;
    figures.max = Math.max(figures.max, words[at + MAX]! / 8);
    for (let bucket = 0; bucket < BUCKETS; bucket++) figures.histogram[bucket]! += words[at + HISTOGRAM + bucket]!;
  }
  private nameAt(at: number): string {
    return this.bytes.latin1Slice((at + NAME) << 2, ((at + NAME) << 2) + this.words[at + LENGTH]!);
  }

  /** What the heaps of all threads hold. */
  heapBytes(): number {
    let kib = 0;
    for (let writer = 0; writer < this.writers; writer++) kib += this.words[SECTIONS + writer * SECTION + HEAP]!;
    return kib * 1024;
  }
  /** What a thread runs now: SCRIPT or FUNCTION and its name, or null. */
  running(writer: number): { kind: number; name: string } | null {
    const base = SECTIONS + writer * SECTION;
    const row = this.words[base + RUNNING]!;
    if (row === 0) return null;
    const at = base + ROWS_AT + row * ROW_WORDS;
    return { kind: this.words[at + KIND]!, name: this.nameAt(at) };
  }
  /** The request of a run that takes long; null when it hasn't been described (yet). */
  description(writer: number, run: number): string[] | null {
    const { words } = this;
    const base = SECTIONS + writer * SECTION;
    if (run === 0 || Atomics.load(words, base + DESCRIBED) !== run) return null;
    const found: string[] = [];
    const count = Math.min(MAX_ARGUMENTS, words[base + DESCRIPTION_AT]!);
    let byte = (base + DESCRIPTION_AT + 1 + count) << 2;
    for (let index = 0; index < count; index++) {
      const end = byte + words[base + DESCRIPTION_AT + 1 + index]!;
      found.push(this.bytes.latin1Slice(byte, end));
      byte = end;
    }
    // Another run's may have come meanwhile.
    return Atomics.load(words, base + DESCRIBED) === run ? found : null;
  }
}

/** The time that so great a part of the runs took at most, in microseconds. */
export function percentileOf({ runs, max, histogram }: ScriptFigures, part: number): number {
  let left = runs * part;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    left -= histogram[bucket]!;
    if (left <= 0) return Math.min(max, middleOf(bucket) / 8);
  }
  return max;
}
