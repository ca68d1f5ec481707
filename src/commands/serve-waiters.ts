/**
 * Serves clients that wait for keys (blocking/waiters.ts), as the last thing of a command that gave such a key a value, while its
 * latches are still held: nobody else can come first. What a client is served is the same change as the command that it sent makes
 * when it needn't wait: LPOP, LMOVE, LMPOP, ZPOPMIN, ZMPOP and the like.
 */
import * as waiters from '../blocking/waiters.ts';
import { wakeThread } from '../blocking/wake.ts';
import { areKeysLocked, mayUse } from '../keyspace/key-locks.ts';
import { OutOfMemory, type ReadyKey, TYPE_LIST, TYPE_ZSET } from '../keyspace/keyspace.ts';
import { List, ListCursor } from '../keyspace/list-value.ts';
import { Zset, ZsetCursor } from '../keyspace/zset-value.ts';
import { releaseExclusive, tryExclusive } from '../memory/latch.ts';
import { type CommandContext, ERR_WRONG_TYPE } from './context.ts';

/** How often the latch of a BLMOVE's target is tried: its holders go on within microseconds, and none of them waits for us. */
const TARGET_TRIES = 2000;

const list = new List();
const target = new List();
const listCursor = new ListCursor();
const zset = new Zset();
const zsetCursor = new ZsetCursor();
/** Threads with mail, to be woken when the latches are released. */
const toWake = new Set<number>();

/** Keys whose clients could not be served for want of a latch or of memory; the thread tries again on its next turn. */
export const unserved: ReadyKey[] = [];

/** Says whether a latch is held already. */
type IsLatched = (latch: number) => boolean;

/** Serves the clients of all keys that the command made ready. */
export function serveReady(ctx: CommandContext, isLatched: IsLatched): void {
  const { keyspace, reply } = ctx;
  const { ready } = keyspace;
  const { resp } = reply;
  const { changes } = keyspace;
  // Serving one may make another key ready: BLMOVE's target.
  for (let index = 0; index < ready.length; index++) {
    if (!serveKey(ctx, ready[index]!, isLatched)) unserved.push(ready[index]!);
  }
  ready.length = 0;
  reply.resp = resp;
  keyspace.changes = changes;
}
/** Wakes the threads whose clients were served. No latch is held. */
export function wakeServed(ctx: CommandContext): void {
  for (const thread of toWake) wakeThread(ctx.keyspace.control, thread);
  toWake.clear();
}
export function hasServed(): boolean {
  return toWake.size > 0;
}

/** Tries the keys again whose clients are left; true when all of them are done. No latch is held. */
export function retryUnserved(ctx: CommandContext): boolean {
  const { keyspace } = ctx;
  for (const one of unserved.splice(0)) {
    const head = keyspace.locate(one.database, one.key, 0, one.key.length);
    if (!tryExclusive(keyspace.control, head)) {
      unserved.push(one);
      continue;
    }
    try {
      if (areKeysLocked(keyspace.control) && !mayUse(keyspace, true)) {
        unserved.push(one);
        continue;
      }
      keyspace.ready.push(one);
      serveReady(ctx, (latch) => latch === head);
    } finally {
      releaseExclusive(keyspace.control, head);
    }
  }
  wakeServed(ctx);
  return unserved.length === 0;
}

/** Serves clients of one key while it has something for them; false when one is left that should have been served. */
function serveKey(ctx: CommandContext, { database, key }: ReadyKey, isLatched: IsLatched): boolean {
  const { keyspace, reply } = ctx;
  const { control } = keyspace;
  for (;;) {
    keyspace.locate(database, key, 0, key.length);
    const entry = keyspace.write();
    if (entry === 0) return true;
    const type = keyspace.type(entry);
    if (type !== TYPE_LIST && type !== TYPE_ZSET) return true;
    const node = waiters.firstWaiter(keyspace, type === TYPE_LIST);
    if (node === 0) return true;
    const { bank } = keyspace;
    if (!waiters.claim(control, bank, node)) continue;
    const begin = reply.length;
    reply.resp = waiters.formOf(bank, node) & waiters.RESP3 ? 3 : 2;
    const isServed = serveNode(ctx, node, entry, key, isLatched);
    reply.length = begin;
    if (isServed) continue;
    waiters.unclaim(control, bank, node);
    return false;
  }
}

/** Writes the reply of one client, takes what it says, sends it. False without room or latch: nothing has changed then. */
function serveNode(ctx: CommandContext, node: number, entry: number, key: Buffer, isLatched: IsLatched): boolean {
  switch (waiters.wanted(ctx.keyspace.bank, node)) {
    case waiters.WANT_MOVE:
      return serveMove(ctx, node, entry, key, isLatched);
    case waiters.WANT_ELEMENT:
    case waiters.WANT_ELEMENTS:
      return serveElements(ctx, node, entry, key);
    default:
      return serveMembers(ctx, node, entry, key);
  }
}

/** Tells the log what a client got, as the command that would have taken it. */
function logPop(ctx: CommandContext, name: string, key: Buffer, count: number): void {
  const { log, database } = ctx.keyspace;
  if (log === null || !log.isOn) return;
  const record = log.begin(database, name, 3);
  record.bytes(key, 0, key.length);
  record.number(count);
  log.flush();
}
function logMove(ctx: CommandContext, database: number, key: Buffer, to: Buffer, form: number): void {
  const { log } = ctx.keyspace;
  if (log === null || !log.isOn) return;
  const record = log.begin(database, 'LMOVE', 5);
  record.bytes(key, 0, key.length);
  record.bytes(to, 0, to.length);
  record.text(form & waiters.FROM_HEAD ? 'LEFT' : 'RIGHT');
  record.text(form & waiters.TO_HEAD ? 'LEFT' : 'RIGHT');
  log.flush();
}

function serveElements(ctx: CommandContext, node: number, entry: number, key: Buffer): boolean {
  const { keyspace, reply } = ctx;
  const { bank } = keyspace;
  const begin = reply.length;
  const atHead = (waiters.formOf(bank, node) & waiters.FROM_HEAD) !== 0;
  list.open(keyspace, entry);
  const taken = Math.min(waiters.countOf(bank, node), list.size);
  reply.array(2);
  reply.bulk(key, 0, key.length);
  if (waiters.wanted(bank, node) === waiters.WANT_ELEMENTS) reply.array(taken);
  list.seek(listCursor, atHead ? 0 : list.size - 1);
  for (let index = 0; index < taken; index++) {
    reply.bulk(listCursor.bytes, listCursor.start, listCursor.end);
    if (atHead) listCursor.next();
    else listCursor.previous();
  }
  const result = waiters.putResult(bank, reply.buffer, begin, reply.length);
  if (result === 0) return false;
  list.drop(taken, atHead);
  list.removeIfEmpty();
  logPop(ctx, atHead ? 'LPOP' : 'RPOP', key, taken);
  toWake.add(waiters.send(keyspace.control, bank, node, result));
  return true;
}

function serveMembers(ctx: CommandContext, node: number, entry: number, key: Buffer): boolean {
  const { keyspace, reply } = ctx;
  const { bank } = keyspace;
  const begin = reply.length;
  const fromBottom = (waiters.formOf(bank, node) & waiters.FROM_HEAD) !== 0;
  const isMany = waiters.wanted(bank, node) === waiters.WANT_MEMBERS;
  zset.open(keyspace, entry);
  const taken = Math.min(waiters.countOf(bank, node), zset.size);
  reply.array(isMany ? 2 : 3);
  reply.bulk(key, 0, key.length);
  if (isMany) reply.array(taken);
  zsetCursor.open(zset, fromBottom ? 0 : zset.size - 1, taken, !fromBottom);
  while (zsetCursor.next()) {
    if (isMany) reply.array(2);
    reply.bulk(zsetCursor.element.bytes, zsetCursor.element.start, zsetCursor.element.end);
    reply.double(zsetCursor.score);
  }
  const result = waiters.putResult(bank, reply.buffer, begin, reply.length);
  if (result === 0) return false;
  for (let left = taken; left > 0; left--) zset.removeMember(zset.at(fromBottom ? 0 : zset.size - 1));
  zset.removeIfEmpty();
  logPop(ctx, fromBottom ? 'ZPOPMIN' : 'ZPOPMAX', key, taken);
  toWake.add(waiters.send(keyspace.control, bank, node, result));
  return true;
}

function takeTarget(control: Int32Array, latch: number): boolean {
  for (let tries = 0; tries < TARGET_TRIES; tries++) if (tryExclusive(control, latch)) return true;
  return false;
}

function serveMove(ctx: CommandContext, node: number, entry: number, key: Buffer, isLatched: IsLatched): boolean {
  const { keyspace } = ctx;
  const { control, bank, database } = keyspace;
  const to = waiters.targetOf(bank, node);
  list.open(keyspace, entry);
  const latch = keyspace.locate(database, to, 0, to.length);
  const isOurs = isLatched(latch);
  if (!isOurs && !takeTarget(control, latch)) return false;
  try {
    // A script holds the target.
    if (areKeysLocked(control) && !mayUse(keyspace, true)) return false;
    const form = waiters.formOf(bank, node);
    const fromHead = (form & waiters.FROM_HEAD) !== 0;
    const result = moveTo(ctx, fromHead, (form & waiters.TO_HEAD) !== 0);
    if (result < 0) return false;
    if (result > 0) {
      keyspace.locate(database, key, 0, key.length);
      list.drop(1, fromHead);
      list.removeIfEmpty();
      logMove(ctx, database, key, to, form);
    }
    toWake.add(waiters.send(control, bank, node, Math.abs(result === 0 ? wrongType : result)));
    return true;
  } finally {
    if (!isOurs) releaseExclusive(control, latch);
  }
}
/** The result that says WRONGTYPE, when `moveTo` has returned 0. */
let wrongType = 0;

/** Pushes the element to the current key. Returns the result's ref; 0 when the target is no list; -1 without room. */
function moveTo(ctx: CommandContext, fromHead: boolean, toHead: boolean): number {
  const { keyspace, reply } = ctx;
  const { bank } = list;
  const begin = reply.length;
  const entry = keyspace.write();
  if (entry !== 0 && keyspace.type(entry) !== TYPE_LIST) {
    // The client learns what its command would have said, and the element stays for the next one.
    reply.error(ERR_WRONG_TYPE);
    wrongType = waiters.putResult(bank, reply.buffer, begin, reply.length);
    return wrongType === 0 ? -1 : 0;
  }
  list.seek(listCursor, fromHead ? 0 : list.size - 1);
  reply.bulk(listCursor.bytes, listCursor.start, listCursor.end);
  const result = waiters.putResult(bank, reply.buffer, begin, reply.length);
  if (result === 0) return -1;
  try {
    target.open(keyspace, entry).push(listCursor.bytes, listCursor.start, listCursor.end, toHead);
  } catch (error) {
    bank.free(result);
    if (!(error instanceof OutOfMemory)) throw error;
    return -1;
  }
  return result;
}
