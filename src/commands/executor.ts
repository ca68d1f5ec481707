/**
 * Runs one command: finds it, checks what holds for all commands, takes the latches of its keys' shards in ascending order, calls
 * the handler, releases. A latch that is taken is tried for a moment only: then the session is parked and the reactor goes on.
 */

import { parseInt64 } from '../base/numbers.ts';
import { evictIfNeeded } from '../keyspace/eviction.ts';
import { areKeysLocked, lockWord, mayUse, mayUseAll, mayUseWord, TryAgain } from '../keyspace/key-locks.ts';
import { type Keyspace, OutOfMemory, POLICY_NOEVICTION } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import { releaseExclusive, releaseShared, tryExclusive, tryShared } from '../memory/latch.ts';
import { type CommandContext, UNKNOWN } from './context.ts';
import { logEffect, logState } from './effects.ts';
import * as latches from './latches.ts';
import { COMMANDS, type CommandDescriptor, findCommand } from './lookup.ts';
import { hasServed, serveReady, wakeServed } from './serve-waiters.ts';

export const DONE = 0;
export const PARK = 1;

const ERR_NOAUTH = 'NOAUTH Authentication required.';
const ERR_OOM = "OOM command not allowed when used memory > 'maxmemory'.";
const ERR_LOADING = 'LOADING Redis is loading the dataset in memory';
const MAX_UNKNOWN_ARGUMENT_BYTES = 128;
/** Verdict of the gate: the command may go on. DONE: it was answered. */
const PASS = 2;
const ERR_NO_MULTI = 'ERR Command not allowed inside a transaction';
/** The latch of a command on one key, which isn't among those of latches.ts. */
let oneLatch = -1;

/** The command that the arguments name, or null after an error was replied. */
export function resolve(ctx: CommandContext): CommandDescriptor | null {
  const { named } = ctx;
  let command = named === UNKNOWN ? findCommand(ctx.bytes, ctx.start(0), ctx.length(0)) : named < 0 ? null : COMMANDS[named]!;
  ctx.named = UNKNOWN;
  ctx.command = null;
  ctx.located = -1;
  if (command === null) {
    replyUnknown(ctx);
    return null;
  }
  if (command.subcommands.length > 0 && ctx.argc > 1) {
    const name = `${command.name}|${ctx.word(1)}`;
    const sub = command.subcommands.find((candidate) => candidate.name === name);
    if (sub === undefined) {
      const text = ctx.shown(1).slice(0, MAX_UNKNOWN_ARGUMENT_BYTES);
      ctx.reply.error(`ERR unknown subcommand '${text}'. Try ${command.name.toUpperCase()} HELP.`);
      return null;
    }
    command = sub;
  }
  const { arity } = command;
  ctx.command = command;
  if (arity > 0 ? ctx.argc !== arity : ctx.argc < -arity) {
    ctx.reply.error(`ERR wrong number of arguments for '${command.name}' command`);
    return null;
  }
  return command;
}

function replyUnknown(ctx: CommandContext): void {
  const name = ctx.shown(0).slice(0, MAX_UNKNOWN_ARGUMENT_BYTES);
  if (/^(post|host:)$/i.test(name)) {
    // HTTP: a web page makes a browser speak to a port of its own machine. No command of a body may run.
    ctx.client.closing = true;
    return;
  }
  let shown = '';
  for (let index = 1; index < ctx.argc && shown.length < MAX_UNKNOWN_ARGUMENT_BYTES; index++) {
    shown += `'${ctx.shown(index).slice(0, MAX_UNKNOWN_ARGUMENT_BYTES - shown.length)}' `;
  }
  ctx.reply.error(`ERR unknown command '${name}', with args beginning with: ${shown}`);
}

/** Runs the command in `ctx`, or queues it behind MULTI. PARK: nothing happened; the same command is to be run again later. */
export function execute(ctx: CommandContext): number {
  const begin = ctx.reply.length;
  ctx.isRejected = true;
  const verdict = admit(ctx);
  if (ctx.isRejected && verdict === DONE) refuse(ctx, begin);
  return verdict;
}
/** What was refused never runs, and takes the transaction it was meant for along. A refused EXEC ends it. */
function refuse(ctx: CommandContext, begin: number): void {
  const { client, reply, command } = ctx;
  if (client.transaction?.isOpen) client.transaction.isAborted = true;
  if (command?.isExec !== true) return;
  const why = reply.lastError.replace(/^ERR /, '');
  reply.length = begin;
  reply.errorCount--;
  reply.error(`EXECABORT Transaction discarded because of: ${why}`);
  client.transaction?.reset(ctx.keyspace);
}

function admit(ctx: CommandContext): number {
  const command = resolve(ctx);
  if (command === null) return DONE;
  const { transaction } = ctx.client;
  if (!ctx.client.authenticated && !command.noAuth) {
    ctx.reply.error(ERR_NOAUTH);
    return DONE;
  }
  const isOpen = transaction?.isOpen === true;
  if (isOpen && command.isNotForMulti) {
    ctx.reply.error(ERR_NO_MULTI);
    return DONE;
  }
  // EXEC is all that has been queued.
  const isWrite = command.isWrite || (command.isScript && !command.isReadonly) || (isOpen && command.isExec && transaction.isWrite);
  const { control } = ctx.keyspace;
  const pause = control[layout.GLOBAL_PAUSE]!;
  if (pause !== 0) {
    const verdict = passGate(ctx, command, pause, isWrite);
    if (verdict !== PASS) return verdict;
  }
  if (control[layout.GLOBAL_LOG] !== 0) {
    if (isWrite) {
      if (!hasLogRoom(ctx)) return PARK;
    } else if (ctx.keyspace.log?.ring.hasUnpublished) {
      // What was written so far needn't wait for a command that may take its time.
      ctx.keyspace.log.publish();
    }
  }
  if ((command.denyOom || (isOpen && command.isExec && transaction.denyOom)) && isShortOfMemory(ctx)) {
    ctx.reply.error(ERR_OOM);
    return DONE;
  }
  ctx.isRejected = false;
  if (isOpen && !command.isForTransactions) {
    transaction.queue(ctx, command);
    return DONE;
  }
  if (!command.isBrief) ctx.server.settle();
  return dispatch(ctx, command);
}

/** Runs a command that was queued: what could be refused was when it came. Its latches are held. */
export function executeQueued(ctx: CommandContext): void {
  const command = resolve(ctx);
  if (command === null) return;
  ctx.isRejected = false;
  if (!command.isBrief) ctx.server.settle();
  dispatch(ctx, command);
}

/** Locks that a command needs: the words of its keys, or of all there are. */
export type KeyWords = { words: number[]; isAny: boolean };

/** Puts the locks of the keys of the request in `ctx` into `into`; false when it touches none. */
export function addKeyWords(ctx: CommandContext, command: CommandDescriptor, into: KeyWords): boolean {
  into.isAny = command.isWrite && command.scope !== 'keys';
  into.words.length = 0;
  if (into.isAny) return true;
  if (command.locateKeys === null && command.firstKey === 0) return false;
  const outer = latches.begin();
  addKeys(ctx, command);
  latches.forget(outer);
  into.isAny = isAnyKeyMeant;
  for (const word of lockWords) into.words.push(word);
  lockWords.length = 0;
  isAnyKeyMeant = false;
  return true;
}
/** Runs a command that a script has called and whose keys it holds; false when a latch is taken, and nothing has happened. */
export function executeUnlatched(ctx: CommandContext, command: CommandDescriptor): boolean {
  ctx.command = command;
  ctx.located = -1;
  return dispatch(ctx, command) !== PARK;
}
/** What became of the keys of a command whose transaction keeps their latches to its end. */
export const HELD = 0;
/** Another thread holds a latch of them, for some microseconds. */
export const LATCHED = 1;
/** A script on another thread holds one of the keys. */
export const LOCKED = 2;
/** The command may touch any key: no transaction of this kind may hold so many latches. */
export const ANY_KEY = 3;

/**
 * Takes the latches of the keys of the request in `ctx` into the set that is held, without waiting for any. A key that a script holds is
 * refused, as its value may be taken back; whoever locks it after this look finds the latch taken.
 */
export function holdKeys(ctx: CommandContext, command: CommandDescriptor): number {
  const { keyspace } = ctx;
  ctx.located = -1;
  const key = command.firstKey;
  if (command.locateKeys !== null || command.lastKey !== key || command.name === 'move') return holdAllKeys(ctx, command);
  if (key === 0) return command.scope === 'keys' ? HELD : ANY_KEY;
  const start = ctx.start(key);
  const end = ctx.end(key);
  const isKnown = end <= ctx.steadyEnd && keyspace.isAt(ctx.database, ctx.bytes, start, end);
  const latch = isKnown ? keyspace.head : keyspace.locate(ctx.database, ctx.bytes, start, end);
  ctx.located = key;
  if (!latches.tryHold(keyspace, latch)) return LATCHED;
  return areKeysLocked(keyspace.control) && !mayUse(keyspace, !command.isReadonly) ? LOCKED : HELD;
}
function holdAllKeys(ctx: CommandContext, command: CommandDescriptor): number {
  const { keyspace } = ctx;
  const outer = latches.begin();
  addKeys(ctx, command);
  let verdict = HELD;
  if (isAnyKeyMeant) {
    latches.forget(outer);
    verdict = ANY_KEY;
  } else if (!latches.tryJoin(keyspace, outer)) verdict = LATCHED;
  else if (areKeysLocked(keyspace.control) && !areOurs(keyspace, !command.isReadonly)) verdict = LOCKED;
  lockWords.length = 0;
  isAnyKeyMeant = false;
  return verdict;
}
/** Runs a command whose keys `holdKeys` has latched; the keyspace's `isLatched` says so meanwhile. */
export function executeHeld(ctx: CommandContext, command: CommandDescriptor): void {
  ctx.command = command;
  ctx.keyspace.mayWrite = command.isWrite;
  runHandler(ctx, command);
}
/** True when the command may add data and there is no room for any. */
export function isOutOfMemory(ctx: CommandContext, command: CommandDescriptor): boolean {
  return command.denyOom && isShortOfMemory(ctx);
}
/** True when there is no room for more data, even when some is evicted. No latch may be held. */
export function isShortOfMemory(ctx: CommandContext): boolean {
  const { control } = ctx.keyspace;
  const isLimited = control[layout.GLOBAL_MAXMEMORY_KIB] !== 0 || control[layout.GLOBAL_MAXMEMORY_SUBKIB] !== 0;
  return isLimited && !evictIfNeeded(ctx.keyspace);
}

/** Runs a command of the log: nothing is asked, and nobody answered. */
export function replay(ctx: CommandContext): CommandDescriptor | null {
  const command = resolve(ctx);
  ctx.command = command;
  ctx.located = -1;
  // A latch that another thread holds for a moment is tried again: nothing else is to be done meanwhile.
  while (command !== null && dispatch(ctx, command) === PARK);
  return command;
}

/** True when the request in `ctx` touches one key and nothing else, the argument `command.firstKey`: then `replayOnKey` may run it. */
export function hasOneKey(ctx: CommandContext, command: CommandDescriptor): boolean {
  const { firstKey, lastKey } = command;
  if (firstKey === 0 || command.locateKeys !== null || command.runner !== null || command.name === 'move') return false;
  return lastKey === firstKey || (lastKey < 0 ? ctx.argc + lastKey : lastKey) < firstKey + command.step;
}
/** Runs a command of the log whose only key is the keyspace's current one, and whose latch is held. */
export function replayOnKey(ctx: CommandContext, command: CommandDescriptor): void {
  ctx.command = command;
  ctx.located = command.firstKey;
  ctx.keyspace.mayWrite = command.isWrite;
  runHandler(ctx, command);
}

function dispatch(ctx: CommandContext, command: CommandDescriptor): number {
  ctx.keyspace.mayWrite = command.isWrite;
  if (command.runner !== null) return command.runner(ctx);
  if (ctx.keyspace.isLatched) return runHandler(ctx, command);
  if (command.locateKeys === null) {
    if (command.firstKey === 0) return command.isWrite && command.scope !== 'keys' ? runOnAll(ctx, command) : runHandler(ctx, command);
    if (command.lastKey === command.firstKey && command.name !== 'move') return runOnOneKey(ctx, command);
  }
  return runOnKeys(ctx, command);
}

/** Why a command might not run at all now: the data are being loaded, the log can't be written, clients are paused. */
function passGate(ctx: CommandContext, command: CommandDescriptor, pause: number, isWrite: boolean): number {
  if ((pause & layout.PAUSE_LOADING) !== 0 && !command.runsWhileLoading) {
    ctx.reply.error(ERR_LOADING);
    return DONE;
  }
  if ((pause & layout.PAUSE_MISCONF) !== 0 && isWrite) {
    const errno = ctx.keyspace.control[layout.GLOBAL_LOG_ERRNO]!;
    ctx.reply.error(`MISCONF Errors writing to the AOF file: ${ctx.server.describeErrno(errno)}`);
    return DONE;
  }
  const isPaused = (pause & layout.PAUSE_ALL) !== 0 || ((pause & layout.PAUSE_WRITES) !== 0 && isWrite);
  return isPaused && !command.name.startsWith('client') ? PARK : PASS;
}

/** False when the log's writer (or a snapshot's) is so far behind that a write has to wait. */
function hasLogRoom(ctx: CommandContext): boolean {
  const { log, snapshot } = ctx.keyspace;
  return (log === null || log.ring.hasRoom()) && (snapshot === null || snapshot.hasRoom());
}

function runHandler(ctx: CommandContext, command: CommandDescriptor): number {
  const { reply, keyspace } = ctx;
  const begin = reply.length;
  // A handler may run other commands: their changes are logged as theirs.
  const outerChanges = keyspace.changes;
  keyspace.changes = 0;
  try {
    (command.handler as (ctx: CommandContext) => void)(ctx);
    if (keyspace.changes !== 0) logEffect(ctx);
  } catch (error) {
    if (error instanceof TryAgain) {
      reply.length = begin;
      keyspace.changes = outerChanges;
      return PARK;
    }
    if (!(error instanceof OutOfMemory)) throw error;
    reply.length = begin;
    reply.error(ERR_OOM);
    if (keyspace.changes !== 0) logState(ctx, command, otherDatabase(ctx, command));
  }
  keyspace.changes = outerChanges;
  return DONE;
}

/** As `runHandler`, then serves who waited for keys that are ready now. In a transaction its commit does that. */
function runAndServe(ctx: CommandContext, command: CommandDescriptor): number {
  const outcome = runHandler(ctx, command);
  if (ctx.keyspace.ready.length > 0 && ctx.mayBlock) serveReady(ctx, isLatched);
  return outcome;
}
/** Whether the command that runs holds this latch. */
function isLatched(latch: number): boolean {
  return latch === oneLatch || latches.isHeld(latch);
}

function runOnOneKey(ctx: CommandContext, command: CommandDescriptor): number {
  const { control } = ctx.keyspace;
  const key = command.firstKey;
  const latch = ctx.keyspace.locate(ctx.database, ctx.bytes, ctx.start(key), ctx.end(key));
  ctx.located = key;
  // Under a policy that orders keys by use even a read writes: the list of its shard.
  if (command.isReadonly && control[layout.GLOBAL_POLICY] === POLICY_NOEVICTION) {
    if (!tryShared(control, latch)) return PARK;
    if (areKeysLocked(control) && !mayUse(ctx.keyspace, false)) {
      releaseShared(control, latch);
      return PARK;
    }
    ctx.keyspace.isShared = true;
    try {
      return runHandler(ctx, command);
    } finally {
      ctx.keyspace.isShared = false;
      releaseShared(control, latch);
    }
  }
  if (!tryExclusive(control, latch)) return PARK;
  if (areKeysLocked(control) && !mayUse(ctx.keyspace, !command.isReadonly)) {
    releaseExclusive(control, latch);
    return PARK;
  }
  const outerLatch = oneLatch;
  try {
    oneLatch = latch;
    return runAndServe(ctx, command);
  } finally {
    oneLatch = outerLatch;
    releaseExclusive(control, latch);
    if (hasServed()) wakeServed(ctx);
  }
}

function runOnKeys(ctx: CommandContext, command: CommandDescriptor): number {
  const { keyspace } = ctx;
  const outer = latches.begin();
  addKeys(ctx, command);
  // A handler that finds keys by itself asks for the lock of each.
  isAnyKeyMeant = false;
  if (!takeWithLocks(ctx, !command.isReadonly)) {
    latches.forget(outer);
    return PARK;
  }
  try {
    return runAndServe(ctx, command);
  } finally {
    latches.drop(keyspace, outer);
    if (hasServed()) wakeServed(ctx);
  }
}

/** FLUSHDB, FLUSHALL, SWAPDB: all shards of a database or of all, and no script that holds a key. */
function runOnAll(ctx: CommandContext, command: CommandDescriptor): number {
  const { keyspace } = ctx;
  const outer = latches.begin();
  addScope(ctx, command);
  if (!latches.tryTake(keyspace)) {
    latches.forget(outer);
    return PARK;
  }
  keyspace.isLatched = true;
  try {
    return mayUseAll(keyspace) ? runAndServe(ctx, command) : PARK;
  } finally {
    keyspace.isLatched = false;
    latches.drop(keyspace, outer);
    if (hasServed()) wakeServed(ctx);
  }
}
export function addScope(ctx: CommandContext, command: CommandDescriptor): void {
  if (command.scope === 'database') latches.addDatabase(ctx.database);
  else if (command.scope === 'all') for (let database = 0; database < layout.DATABASES; database++) latches.addDatabase(database);
}

/** Words of the locks of the keys that were added, to be looked at when their latches are taken. */
const lockWords: number[] = [];
let isAnyKeyMeant = false;
let isPlaceMeant = false;

/** Takes the latches that were added, all or none, unless a script holds one of the keys. */
export function takeWithLocks(ctx: CommandContext, isWrite: boolean): boolean {
  const { keyspace } = ctx;
  const isTaken = latches.tryTake(keyspace);
  const mayGo = isTaken && (!areKeysLocked(keyspace.control) || areOurs(keyspace, isWrite));
  if (isTaken && !mayGo) latches.giveBack(keyspace);
  lockWords.length = 0;
  isAnyKeyMeant = false;
  isPlaceMeant = false;
  return mayGo;
}
function areOurs(keyspace: Keyspace, isWrite: boolean): boolean {
  if (isAnyKeyMeant && !mayUseAll(keyspace)) return false;
  const whole = Atomics.load(keyspace.control, layout.GLOBAL_WHOLE_LOCK);
  if (isPlaceMeant && whole !== 0 && whole !== keyspace.lockBit) return false;
  for (const word of lockWords) if (!mayUseWord(keyspace, word, isWrite)) return false;
  return true;
}
/** The transaction writes whole databases: nobody may hold any key. */
export function meanAnyKey(): void {
  isAnyKeyMeant = true;
}
/** The transaction looks at whole databases, whose latches it takes: nobody may be about to exchange them. */
export function meanPlaces(): void {
  isPlaceMeant = true;
}

/** Places of the keys of the command that runs, where they depend on its arguments. */
const places: number[] = [];

/** Adds the latches of all keys that the command may touch. */
export function addKeys(ctx: CommandContext, command: CommandDescriptor): void {
  if (command.locateKeys !== null) {
    places.length = 0;
    if (command.locateKeys(ctx, 0, places)) {
      for (const place of places) addKey(ctx, place, ctx.database);
    } else {
      // Keys that only the data names (SORT BY and GET): no shard of the database may change meanwhile.
      latches.addDatabase(ctx.database);
      isAnyKeyMeant = true;
    }
    return;
  }
  const last = command.lastKey < 0 ? ctx.argc + command.lastKey : Math.min(command.lastKey, ctx.argc - 1);
  for (let index = command.firstKey; index <= last; index += command.step) addKey(ctx, index, ctx.database);
  const other = otherDatabase(ctx, command);
  if (other >= 0) addKey(ctx, last, other);
}
function addKey(ctx: CommandContext, index: number, database: number): void {
  const { keyspace } = ctx;
  latches.add(keyspace.locate(database, ctx.bytes, ctx.start(index), ctx.end(index)));
  lockWords.push(lockWord(keyspace));
}

/** MOVE and COPY ... DB reach into another database: that key's shard there is latched as well. */
function otherDatabase(ctx: CommandContext, command: CommandDescriptor): number {
  let at = -1;
  if (command.name === 'move') at = 2;
  else if (command.name === 'copy') {
    for (let index = 3; index < ctx.argc - 1; index++) if (ctx.word(index) === 'db') at = index + 1;
  }
  if (at < 0) return -1;
  const database = parseInt64(ctx.bytes, ctx.start(at), ctx.end(at));
  return typeof database === 'number' && database >= 0 && database < ctx.keyspace.databases ? database : -1;
}
