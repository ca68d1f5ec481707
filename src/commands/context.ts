/**
 * What a handler works with: the arguments as offsets into the bytes they arrived in, the keyspace, and the reply.
 * One context a thread, reused by every command; what it lends is valid until the handler returns.
 */
import { latin1Of } from '../base/latin1.ts';
import { parseInt64 } from '../base/numbers.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { ReplyWriter } from '../resp/reply.ts';
import type { RequestWriter } from '../resp/request-writer.ts';
import type { CommandDescriptor } from './lookup.ts';
import type { ClientState, ControlRequest, ServerServices } from './services.ts';

export const UNKNOWN = -2;

export type Handler = (ctx: CommandContext) => void;

/** A request to other threads, and where in the reply its answer stands. */
export type Deferral = {
  readonly at: number;
  readonly request: ControlRequest;
  readonly finish: (ctx: CommandContext, answer: unknown) => void;
};

export class CommandContext {
  readonly keyspace: Keyspace;
  readonly reply: ReplyWriter;
  readonly server: ServerServices;
  client!: ClientState;
  /** The command that runs; null when there is none of that name. */
  command: CommandDescriptor | null = null;
  /** The command was refused before its handler: arguments, authentication, memory. */
  isRejected = false;
  database = 0;
  /** False within transactions and scripts: commands that would wait reply as if their time were over. */
  mayBlock = true;
  /** The argument that is the keyspace's current key, or -1; kept by the executor. */
  located = -1;
  /** While EXEC runs: what its commands ask of other threads, to be answered behind it. */
  deferred: Deferral[] | null = null;
  /** The number of the command that `take` was told of; `resolve` uses it once. */
  named = UNKNOWN;
  argc = 0;
  bytes: Buffer = Buffer.alloc(0);
  offsets: Int32Array = new Int32Array(0);
  lengths: Int32Array = new Int32Array(0);
  /** Bytes before this place stay as they are from one command to the next: a script's own keys and arguments. */
  steadyEnd = 0;

  constructor(keyspace: Keyspace, reply: ReplyWriter, server: ServerServices) {
    this.keyspace = keyspace;
    this.reply = reply;
    this.server = server;
  }

  /** The request that a parser has found; its arrays stay the parser's. */
  take(parser: { readonly argc: number; readonly bytes: Buffer; readonly offsets: Int32Array; readonly lengths: Int32Array }): void {
    this.takeParts(parser.argc, parser.bytes, parser.offsets, parser.lengths, UNKNOWN);
  }
  /** As `take`; `command` is the number of the command that the name means: -1 for none, UNKNOWN when nobody has looked yet. */
  takeParts(argc: number, bytes: Buffer, offsets: Int32Array, lengths: Int32Array, command: number): void {
    this.argc = argc;
    this.named = command;
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.bytes !== bytes) this.bytes = bytes;
    if (this.offsets !== offsets) this.offsets = offsets;
    if (this.lengths !== lengths) this.lengths = lengths;
  }
  start(index: number): number {
    return this.offsets[index] as number;
  }
  end(index: number): number {
    return (this.offsets[index] as number) + (this.lengths[index] as number);
  }
  length(index: number): number {
    return this.lengths[index] as number;
  }
  /** The argument as a latin1 string: one character a byte. */
  text(index: number): string {
    const start = this.start(index);
    return latin1Of(this.bytes, start, start + this.length(index));
  }
  /** The argument for the words of an error: up to a NUL, as C's %s prints it. */
  shown(index: number): string {
    const text = this.text(index);
    const end = text.indexOf('\0');
    return end < 0 ? text : text.slice(0, end);
  }
  /** Whether the argument is this word, given in lower case, in any case. */
  is(index: number, word: string): boolean {
    if (this.length(index) !== word.length) return false;
    const start = this.start(index);
    for (let at = 0; at < word.length; at++) {
      const byte = this.bytes[start + at] as number;
      if ((byte >= 65 && byte <= 90 ? byte | 32 : byte) !== word.charCodeAt(at)) return false;
    }
    return true;
  }
  /** The argument in lower case, for option words. */
  word(index: number): string {
    return this.text(index).toLowerCase();
  }
  /** A copy that outlives the command. */
  copy(index: number): Buffer {
    return Buffer.from(this.bytes.subarray(this.start(index), this.end(index)));
  }
  /**
   * Begins what the log gets in the place of this request: `argc` arguments with the name, put into what is returned (null: there is
   * no log). For requests that would do something else when they are run again: times from now, members drawn by chance. Call it
   * when the change is done, and as often as it takes: several are one transaction in the log. See docs/persistence.md.
   */
  effect(name: string, argc: number): RequestWriter | null {
    const { log } = this.keyspace;
    if (log === null || !log.isOn) return null;
    log.hasEffect = true;
    this.keyspace.changes++;
    return log.begin(this.database, name, argc);
  }
  /** As `effect`, with all arguments behind the name: numbers are arguments of this request, strings (latin1) stand for themselves. */
  effectOf(name: string, ...parts: readonly (number | string)[]): void {
    const record = this.effect(name, parts.length + 1);
    if (record === null) return;
    for (const part of parts) {
      if (typeof part === 'string') record.text(part);
      else record.bytes(this.bytes, this.start(part), this.end(part));
    }
  }
  /** What the gate counted was no change that anybody could see: nothing is logged. */
  noEffect(): void {
    if (this.keyspace.log !== null) this.keyspace.log.hasEffect = true;
  }

  /** Makes an argument the keyspace's current key. For the only key of a command the executor has done it. */
  locate(index: number): void {
    if (index === this.located) return;
    this.located = -1;
    this.keyspace.locate(this.database, this.bytes, this.start(index), this.end(index));
  }
}

/** A 32-bit integer argument; replies the error and returns null for anything else, in Redis's words. */
export function int32Argument(ctx: CommandContext, index: number): number | null {
  const value = parseInt64(ctx.bytes, ctx.start(index), ctx.end(index));
  if (value === null) ctx.reply.error(ERR_NOT_INTEGER);
  else if (value < -2147483648 || value > 2147483647) {
    ctx.reply.error('ERR value is out of range, value must between -2147483648 and 2147483647');
  } else return Number(value);
  return null;
}

/** A subcommand with arguments that it doesn't take. */
export function replyBadSubcommand(ctx: CommandContext): void {
  const parent = (ctx.command?.name.split('|')[0] ?? '').toUpperCase();
  ctx.reply.error(`ERR unknown subcommand or wrong number of arguments for '${ctx.shown(1)}'. Try ${parent} HELP.`);
}

export const ERR_SYNTAX = 'ERR syntax error';
export const ERR_NOT_INTEGER = 'ERR value is not an integer or out of range';
export const ERR_NOT_FLOAT = 'ERR value is not a valid float';
export const ERR_WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
export const ERR_NO_KEY = 'ERR no such key';
export const ERR_OFFSET = 'ERR offset is out of range';
export const ERR_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
export const ERR_DB_INDEX = 'ERR DB index is out of range';
