/**
 * How recovery uses several cores. One thread (the log's) reads the files and parses them; requests on one key are sorted by the bank of
 * their key into a batch, and the banks of a batch are applied by whichever thread takes them first. Of one bank all requests are in the
 * order of the log, and what concerns more than one bank is run between batches.
 *
 * There are two batches: while one is being applied, the next one is parsed. A batch is
 *
 *   bytes    BATCH_BYTES of a file, from its place `base` on
 *   words    0  the file's place in the list of files, then BASE_LOW, BASE_HIGH: where in the file bytes[0] is
 *            4  a row of 4 words a bank: first record, last record, bytes of its requests, -
 *            ROWS_END  records: 0 the next one of the bank, or 0    1 command | database << 16    2 place of the request in `bytes`
 *                      3 argc    4 offset and length of every argument, in pairs
 *
 *   control  0 STATE    a count << 9 | which batch is published << 8 | next bank to be taken   the parser; who takes a bank adds 1
 *            1 LEFT     banks of it that aren't done                                           the parser; who has done one takes 1 off
 *            2 ENDED    1: no more batches come                                                the parser
 *            3 FAILED   1: a thread couldn't apply a bank                                      who failed
 *            4 REFUSED  requests that were answered with an error                              all, atomic add
 *            8          of the first of them: file, place (low, high), bytes of its words; then the words    who made REFUSED 1
 *
 * A batch is written by the parser before STATE says that it's published, and isn't touched again before LEFT is 0. A bank of it
 * belongs to the thread that took it.
 */
import { SHARDS } from '../keyspace/layout.ts';

const STATE = 0;
const LEFT = 1;
const ENDED = 2;
const FAILED = 3;
const REFUSED = 4;
const REFUSAL = 8;
const REFUSAL_TEXT_BYTES = (REFUSAL + 4) * 4;
const CONTROL_WORDS = 128;

/** More than all banks, and than the threads that look once too often. */
const TAKEN_MASK = 255;
const BATCH_SHIFT = 8;
const COUNT_SHIFT = 9;
const COUNT_MASK = 0x7fffffff >>> COUNT_SHIFT;

export const BATCH_BYTES = 4194304;
/** The least that a request takes is 19 bytes (DEL of an empty key), and a record of it 32. */
const RECORD_BYTES = BATCH_BYTES * 2;
const FILE = 0;
const BASE_LOW = 1;
const BASE_HIGH = 2;
const ROWS = 4;
const ROW_WORDS = 4;
const FIRST = 0;
const LAST = 1;
const BANK_BYTES = 2;
const ROWS_END = ROWS + SHARDS * ROW_WORDS;
const NEXT = 0;
const COMMAND = 1;
const PLACE = 2;
const ARGC = 3;
const HEADER_WORDS = 4;
const DATABASE_SHIFT = 16;
const COMMAND_MASK = (1 << DATABASE_SHIFT) - 1;
const TWO_32 = 4294967296;

/** A request that was refused; recovery goes on. */
export type Refusal = { readonly file: number; readonly place: number; readonly words: string };

export type RecoveryBuffers = {
  readonly control: SharedArrayBuffer;
  readonly bytes: readonly SharedArrayBuffer[];
  readonly words: readonly SharedArrayBuffer[];
};
/** Pages are taken as they are touched. */
export function createRecoveryBuffers(): RecoveryBuffers {
  const pair = (bytes: number): SharedArrayBuffer[] => [new SharedArrayBuffer(bytes), new SharedArrayBuffer(bytes)];
  const control = new SharedArrayBuffer(CONTROL_WORDS * 4);
  // Nothing is to be taken before the first batch.
  new Int32Array(control)[STATE] = SHARDS;
  return { control, bytes: pair(BATCH_BYTES), words: pair(RECORD_BYTES) };
}

/** What a parser has found. */
export type ParsedRequest = { readonly argc: number; readonly offsets: Int32Array; readonly lengths: Int32Array };

/** A batch as one thread sees it. */
export class Batch {
  readonly bytes: Buffer;
  records = 0;
  private readonly words: Int32Array;
  private end = ROWS_END;

  constructor(bytes: SharedArrayBuffer, words: SharedArrayBuffer) {
    this.bytes = Buffer.from(bytes);
    this.words = new Int32Array(words);
  }

  // ---- the parser's side ----

  clear(): void {
    this.words.fill(0, ROWS, ROWS_END);
    this.end = ROWS_END;
    this.records = 0;
  }
  /** Says which bytes of which file these are. */
  setPlace(file: number, base: number): void {
    this.words[FILE] = file;
    this.words[BASE_LOW] = (base % TWO_32) | 0;
    this.words[BASE_HIGH] = Math.floor(base / TWO_32);
  }
  /** Puts a request behind those of its bank. Its bytes are bytes[place, end). */
  add(bank: number, command: number, database: number, place: number, end: number, request: ParsedRequest): void {
    const { words } = this;
    const { argc, offsets, lengths } = request;
    const record = this.end;
    words[record + NEXT] = 0;
    words[record + COMMAND] = command | (database << DATABASE_SHIFT);
    words[record + PLACE] = place;
    words[record + ARGC] = argc;
    let at = record + HEADER_WORDS;
    for (let index = 0; index < argc; index++) {
      words[at++] = offsets[index] as number;
      words[at++] = lengths[index] as number;
    }
    this.end = at;
    const row = ROWS + bank * ROW_WORDS;
    const last = words[row + LAST] as number;
    if (last === 0) words[row + FIRST] = record;
    else words[last + NEXT] = record;
    words[row + LAST] = record;
    words[row + BANK_BYTES] = (words[row + BANK_BYTES] as number) + end - place;
    this.records++;
  }

  // ---- the side of who applies a bank ----

  first(bank: number): number {
    return this.words[ROWS + bank * ROW_WORDS + FIRST] as number;
  }
  /** Bytes of the requests of a bank. */
  bankBytes(bank: number): number {
    return this.words[ROWS + bank * ROW_WORDS + BANK_BYTES] as number;
  }
  next(record: number): number {
    return this.words[record + NEXT] as number;
  }
  command(record: number): number {
    return (this.words[record + COMMAND] as number) & COMMAND_MASK;
  }
  database(record: number): number {
    return (this.words[record + COMMAND] as number) >>> DATABASE_SHIFT;
  }
  argc(record: number): number {
    return this.words[record + ARGC] as number;
  }
  /** Puts the places of the arguments where a context expects them. */
  unpack(record: number, argc: number, offsets: Int32Array, lengths: Int32Array): void {
    const { words } = this;
    let at = record + HEADER_WORDS;
    for (let index = 0; index < argc; index++) {
      offsets[index] = words[at++] as number;
      lengths[index] = words[at++] as number;
    }
  }
  get file(): number {
    return this.words[FILE] as number;
  }
  /** Where in its file a record's request begins. */
  placeInFile(record: number): number {
    const base = (this.words[BASE_HIGH] as number) * TWO_32 + ((this.words[BASE_LOW] as number) >>> 0);
    return base + (this.words[record + PLACE] as number);
  }
}
/** One thread's end of the batches. `apply` applies one bank of one. */
export class BatchQueue {
  readonly batches: readonly Batch[];
  private readonly words: Int32Array;
  private readonly apply: (batch: Batch, bank: number) => void;
  private published = 0;

  constructor(buffers: RecoveryBuffers, apply: (batch: Batch, bank: number) => void) {
    this.words = new Int32Array(buffers.control);
    this.batches = [0, 1].map((index) => new Batch(buffers.bytes[index] as SharedArrayBuffer, buffers.words[index] as SharedArrayBuffer));
    this.apply = apply;
  }

  /** Takes one bank of the published batch and applies it; false when all are taken. */
  private takeOne(): boolean {
    const { words } = this;
    if ((Atomics.load(words, STATE) & TAKEN_MASK) >= SHARDS) return false;
    const state = Atomics.add(words, STATE, 1);
    const bank = state & TAKEN_MASK;
    if (bank >= SHARDS) return false;
    try {
      this.apply(this.batches[(state >>> BATCH_SHIFT) & 1] as Batch, bank);
    } catch (error) {
      Atomics.store(words, FAILED, 1);
      throw error;
    } finally {
      if (Atomics.sub(words, LEFT, 1) === 1) Atomics.notify(words, LEFT);
    }
    return true;
  }
  /** A helper's life: applies banks until the log has been read. */
  help(): void {
    const { words } = this;
    while (Atomics.load(words, ENDED) === 0) {
      const state = Atomics.load(words, STATE);
      if (!this.takeOne()) Atomics.wait(words, STATE, state);
    }
  }

  // ---- the parser's side ----

  /** Takes part in the published batch until all of it is applied. False when a thread couldn't. */
  finish(): boolean {
    const { words } = this;
    while (this.takeOne());
    for (let left = Atomics.load(words, LEFT); left !== 0; left = Atomics.load(words, LEFT)) Atomics.wait(words, LEFT, left);
    return Atomics.load(words, FAILED) === 0;
  }
  /** Lets all threads have a batch. The one before has been finished. */
  publish(batch: Batch): void {
    Atomics.store(this.words, LEFT, SHARDS);
    this.setState(batch === this.batches[0] ? 0 : 1, 0);
  }
  private setState(batch: number, taken: number): void {
    this.published = (this.published + 1) & COUNT_MASK;
    Atomics.store(this.words, STATE, (this.published << COUNT_SHIFT) | (batch << BATCH_SHIFT) | taken);
    Atomics.notify(this.words, STATE);
  }
  /** The batch that isn't this one. */
  other(batch: Batch): Batch {
    return this.batches[batch === this.batches[0] ? 1 : 0] as Batch;
  }
  /** Applies a small batch without the other threads. */
  applyAll(batch: Batch): void {
    for (let bank = 0; bank < SHARDS; bank++) this.apply(batch, bank);
  }
  /** Lets the helpers go. */
  end(): void {
    Atomics.store(this.words, ENDED, 1);
    this.setState(0, SHARDS);
  }

  // ---- requests that were refused ----

  noteRefused({ file, place, words: text }: Refusal): void {
    const { words } = this;
    if (Atomics.add(words, REFUSED, 1) !== 0) return;
    const target = Buffer.from(words.buffer, REFUSAL_TEXT_BYTES);
    words[REFUSAL] = file;
    words[REFUSAL + 1] = (place % TWO_32) | 0;
    words[REFUSAL + 2] = Math.floor(place / TWO_32);
    words[REFUSAL + 3] = target.latin1Write(text.slice(0, target.length));
  }
  /** How many there were, and the first that a thread met. All batches have been finished. */
  get refused(): { count: number; first: Refusal } {
    const { words } = this;
    const place = (words[REFUSAL + 2] as number) * TWO_32 + ((words[REFUSAL + 1] as number) >>> 0);
    const text = Buffer.from(words.buffer, REFUSAL_TEXT_BYTES).latin1Slice(0, words[REFUSAL + 3]);
    return { count: words[REFUSED] as number, first: { file: words[REFUSAL] as number, place, words: text } };
  }
}
