/**
 * MULTI, EXEC, DISCARD, WATCH and UNWATCH. EXEC takes the latches of all keys that its commands name, of all their databases' shards
 * where a command names none, and runs them one after the other: nobody sees anything between them.
 */
import { parseInt64 } from '../base/numbers.ts';
import { forgetUndo, rollBack } from '../transactions/rollback.ts';
import { UndoLog } from '../transactions/undo-log.ts';
import type { CommandContext, Deferral, Handler } from './context.ts';
import { addKeys, addScope, DONE, executeQueued, meanAnyKey, meanPlaces, PARK, takeWithLocks } from './executor.ts';
import * as latches from './latches.ts';
import { type CommandDescriptor, findCommand } from './lookup.ts';
import { hasServed, serveReady, wakeServed } from './serve-waiters.ts';
import { Transaction } from './transaction.ts';

/** Only EXEC uses it, under latches that it holds all the time. */
const undoLog = new UndoLog(null);

function transactionOf(ctx: CommandContext): Transaction {
  ctx.client.transaction ??= new Transaction();
  return ctx.client.transaction;
}

function multi(ctx: CommandContext): void {
  const transaction = transactionOf(ctx);
  if (transaction.isOpen) {
    ctx.reply.error('ERR MULTI calls can not be nested');
    return;
  }
  transaction.open();
  ctx.reply.ok();
}
function discard(ctx: CommandContext): void {
  const { transaction } = ctx.client;
  if (!transaction?.isOpen) {
    ctx.reply.error('ERR DISCARD without MULTI');
    return;
  }
  transaction.reset(ctx.keyspace);
  ctx.reply.ok();
}
function watch(ctx: CommandContext): void {
  const transaction = transactionOf(ctx);
  if (transaction.isOpen) {
    ctx.reply.error('ERR WATCH inside MULTI is not allowed');
    return;
  }
  const { touching } = ctx.keyspace;
  ctx.keyspace.touching = false;
  for (let index = 1; index < ctx.argc; index++) {
    ctx.locate(index);
    transaction.watch(ctx.keyspace);
  }
  ctx.keyspace.touching = touching;
  ctx.reply.ok();
}
function unwatch(ctx: CommandContext): void {
  ctx.client.transaction?.unwatch(ctx.keyspace);
  ctx.reply.ok();
}

/** EXEC. PARK when one of its latches is taken: nothing has happened then. */
function exec(ctx: CommandContext): number {
  const { transaction } = ctx.client;
  const { keyspace, reply, command } = ctx;
  if (!transaction?.isOpen) {
    reply.error('ERR EXEC without MULTI');
    return DONE;
  }
  if (transaction.isAborted) {
    transaction.reset(keyspace);
    reply.error('EXECABORT Transaction discarded because of previous errors.');
    return DONE;
  }
  if (transaction.hasScripts) return ctx.server.scripts.exec(ctx, transaction);
  const outer = latches.begin();
  addAllKeys(ctx, transaction);
  if (!takeWithLocks(ctx, true)) {
    latches.forget(outer);
    return PARK;
  }
  const begin = reply.length;
  const deferred: Deferral[] = [];
  keyspace.isLatched = true;
  try {
    if (transaction.hasChanged(keyspace)) reply.nilArray();
    else runAll(ctx, transaction, deferred);
  } finally {
    keyspace.isLatched = false;
    latches.drop(keyspace, outer);
    if (hasServed()) wakeServed(ctx);
    transaction.reset(keyspace);
    ctx.command = command;
  }
  if (deferred.length > 0) answerDeferred(ctx, begin, deferred);
  return DONE;
}

function runAll(ctx: CommandContext, transaction: Transaction, deferred: Deferral[]): void {
  const { keyspace } = ctx;
  const { log } = keyspace;
  const mayRollBack = transaction.isWrite && ctx.server.config.getString('transaction-rollback') === 'yes';
  ctx.mayBlock = false;
  ctx.deferred = deferred;
  log?.beginGroup();
  if (mayRollBack) keyspace.undo = undoLog;
  try {
    const why = runQueued(ctx, transaction, mayRollBack);
    keyspace.undo = null;
    if (why !== '') {
      rollBack(keyspace, undoLog);
      log?.dropGroup();
      deferred.length = 0;
      ctx.reply.error(`EXECABORT Transaction rolled back because of: ${why}`);
      return;
    }
    if (mayRollBack) forgetUndo(keyspace, undoLog);
    // Who waits for a key is served what the whole transaction has left there.
    if (keyspace.ready.length > 0) serveReady(ctx, latches.isHeld);
    log?.endGroup();
  } finally {
    keyspace.undo = null;
    ctx.mayBlock = true;
    ctx.deferred = null;
  }
}
/** Runs the commands one after the other. With `isStrict` the first error ends that: it is returned, and nothing is replied. */
function runQueued(ctx: CommandContext, transaction: Transaction, isStrict: boolean): string {
  const { reply, client } = ctx;
  const begin = reply.length;
  const { database } = client;
  let why = '';
  reply.array(transaction.count);
  transaction.forEach(ctx, () => {
    if (why !== '') return;
    const { errorCount } = reply;
    ctx.keyspace.nextStamp();
    executeQueued(ctx);
    ctx.server.finished();
    if (isStrict && reply.errorCount !== errorCount) why = reply.lastError;
  });
  if (why !== '') {
    reply.length = begin;
    client.database = database;
    ctx.database = database;
  }
  return why;
}

/** Adds the latches of whatever the queued commands and the watched keys need. */
function addAllKeys(ctx: CommandContext, transaction: Transaction): void {
  const database = ctx.database;
  transaction.forEach(ctx, () => {
    const command = findCommand(ctx.bytes, ctx.start(0), ctx.length(0));
    if (command === null) return;
    const sub = ctx.argc > 1 ? command.subcommands.find((each) => each.name === `${command.name}|${ctx.word(1)}`) : undefined;
    addNeeds(ctx, sub ?? command);
  });
  ctx.database = database;
  transaction.addWatched(ctx.keyspace);
}
function addNeeds(ctx: CommandContext, command: CommandDescriptor): void {
  if (command.locateKeys !== null || command.firstKey !== 0) addKeys(ctx, command);
  else if (command.scope !== 'keys') {
    addScope(ctx, command);
    if (command.isWrite) meanAnyKey();
    else meanPlaces();
  } else if (command.name === 'select') {
    const database = parseInt64(ctx.bytes, ctx.start(1), ctx.end(1));
    if (typeof database === 'number' && database >= 0 && database < ctx.keyspace.databases) ctx.database = database;
  }
}

/** Asks the other threads, one answer after the other, and puts the reply together around what they say. */
function answerDeferred(ctx: CommandContext, begin: number, deferred: readonly Deferral[]): void {
  const { reply } = ctx;
  const bytes = Buffer.from(reply.buffer.subarray(begin, reply.length));
  reply.length = begin;
  const step = (later: CommandContext, index: number, from: number): void => {
    const next = deferred[index];
    if (next === undefined) {
      later.reply.raw(bytes, from, bytes.length);
      return;
    }
    later.reply.raw(bytes, from, next.at - begin);
    later.server.defer(later, next.request, (answered, answer) => {
      next.finish(answered, answer);
      step(answered, index + 1, next.at - begin);
    });
  };
  step(ctx, 0, 0);
}

export const multiHandlers: Record<string, Handler> = { multi, discard, watch, unwatch };
export const runExec = exec;
