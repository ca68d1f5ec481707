/**
 * Looks ahead in a pipeline: parses its requests, finds their commands, and hands their keys to the keyspace, which brings them into the
 * cache together (keyspace/warm-keys.ts). Then the requests are taken one by one. One of a thread, used anew for each piece of input.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { COMPLETE, type RequestParser } from '../resp/request.ts';
import type { CommandContext } from './context.ts';
import { findCommand } from './lookup.ts';

/** Fewer bytes hold one request or two. */
export const MIN_LOOKAHEAD_BYTES = 128;
const MAX_REQUESTS = 64;
const MAX_ARGUMENTS = 1024;
/** Of EVAL and its like: where the number of their keys stands, and the first of them. */
const SCRIPT_KEY_COUNT = 2;
const FIRST_SCRIPT_KEY = 3;
const ZERO = 48;
const NO_BYTES = Buffer.alloc(0);

export class Lookahead {
  private readonly keyspace: Keyspace;
  private bytes: Buffer = NO_BYTES;
  private count = 0;
  private taken = 0;
  private readonly argcs = new Int32Array(MAX_REQUESTS);
  private readonly firsts = new Int32Array(MAX_REQUESTS);
  private readonly nexts = new Int32Array(MAX_REQUESTS);
  private readonly commands = new Int32Array(MAX_REQUESTS);
  private readonly allOffsets = new Int32Array(MAX_ARGUMENTS);
  private readonly allLengths = new Int32Array(MAX_ARGUMENTS);
  private readonly offsets = new Int32Array(MAX_ARGUMENTS);
  private readonly lengths = new Int32Array(MAX_ARGUMENTS);

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
  }
  get isSpent(): boolean {
    return this.taken === this.count;
  }

  /**
   * Parses requests of bytes[start, end), which begin behind those taken so far. It stops at one that isn't whole, is wrong, or is no
   * array: that one is the parser's, which is at rest before and after.
   */
  read(parser: RequestParser, bytes: Buffer, start: number, end: number, database: number): void {
    const { warm } = this.keyspace;
    const { allOffsets, allLengths } = this;
    this.bytes = bytes;
    this.taken = 0;
    warm.begin(bytes, this.keyspace.viewOf(bytes));
    let count = 0;
    let first = 0;
    let at = start;
    while (count < MAX_REQUESTS && at < end && !warm.isFull) {
      const isWhole = parser.parse(bytes, at, end) === COMPLETE;
      const { argc } = parser;
      if (!isWhole || argc === 0 || first + argc > MAX_ARGUMENTS || parser.bytes !== bytes) {
        parser.restart();
        break;
      }
      for (let index = 0; index < argc; index++) {
        allOffsets[first + index] = parser.offsets[index]!;
        allLengths[first + index] = parser.lengths[index]!;
      }
      this.argcs[count] = argc;
      this.firsts[count] = first;
      this.nexts[count] = parser.next;
      this.commands[count] = this.addKeys(first, argc, database);
      count++;
      first += argc;
      at = parser.next;
    }
    this.count = count;
    warm.warm();
  }
  /** Gives the keys of a request, and the members that it names, to the keyspace; returns its command's number, -1 for none. */
  private addKeys(first: number, argc: number, database: number): number {
    const { allOffsets, allLengths } = this;
    const command = findCommand(this.bytes, allOffsets[first]!, allLengths[first]!);
    if (command === null) return -1;
    if (command.isScript) {
      const last = FIRST_SCRIPT_KEY - 1 + this.countOfKeys(first, argc);
      for (let index = FIRST_SCRIPT_KEY; index <= last; index++) this.addKey(first + index, database);
    } else if (command.firstKey > 0 && command.locateKeys === null) {
      const last = command.lastKey < 0 ? argc + command.lastKey : Math.min(command.lastKey, argc - 1);
      for (let index = command.firstKey; index <= last; index += command.step) this.addKey(first + index, database);
      if (command.firstMember !== 0) this.addMembers(command.firstMember, command.memberStep, first, argc);
    }
    return command.index;
  }
  private addKey(argument: number, database: number): void {
    const start = this.allOffsets[argument]!;
    this.keyspace.warm.add(database, start, start + this.allLengths[argument]!);
  }
  private addMembers(firstMember: number, step: number, first: number, argc: number): void {
    const { allOffsets, allLengths, keyspace } = this;
    for (let index = firstMember; index < argc; index += step) {
      const start = allOffsets[first + index]!;
      keyspace.warm.addMember(start, start + allLengths[first + index]!);
      if (step === 0) break;
    }
  }
  /** How many keys a script is given: one digit, as good as always; what is more isn't looked ahead at. */
  private countOfKeys(first: number, argc: number): number {
    if (argc <= FIRST_SCRIPT_KEY || this.allLengths[first + SCRIPT_KEY_COUNT] !== 1) return 0;
    const count = this.bytes[this.allOffsets[first + SCRIPT_KEY_COUNT]!]! - ZERO;
    return count >= 0 && count <= argc - FIRST_SCRIPT_KEY && count <= 9 ? count : 0;
  }

  /** Puts the next request into the context; returns the place behind it. */
  take(ctx: CommandContext): number {
    const { taken, offsets, lengths, allOffsets, allLengths } = this;
    const first = this.firsts[taken]!;
    const argc = this.argcs[taken]!;
    for (let index = 0; index < argc; index++) {
      offsets[index] = allOffsets[first + index]!;
      lengths[index] = allLengths[first + index]!;
    }
    this.taken = taken + 1;
    ctx.takeParts(argc, this.bytes, offsets, lengths, this.commands[taken]!);
    return this.nexts[taken]!;
  }
  /** Forgets what wasn't taken: the bytes are about to change. */
  end(): void {
    this.taken = 0;
    this.count = 0;
    this.keyspace.warm.end();
  }
}
