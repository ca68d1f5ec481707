/**
 * Takes a transaction back: its undo records are undone from the last to the first, so each finds what its change left. Encodings and
 * places in the LRU order needn't return; keys, values, expiries do.
 *
 * The caller holds the latches of all shards concerned (`keyspace.isLatched`), or else the key locks: then each record takes the latches
 * of its keys for itself.
 */
import { HashView } from '../keyspace/hash-value.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { OutOfMemory, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET } from '../keyspace/keyspace.ts';
import { SHARD_COUNT } from '../keyspace/layout.ts';
import { List, ListCursor } from '../keyspace/list-value.ts';
import { moveValue } from '../keyspace/move-value.ts';
import { SetView } from '../keyspace/set-value.ts';
import { swapDatabases } from '../keyspace/walk.ts';
import { Zset } from '../keyspace/zset-value.ts';
import { exclusive, releaseExclusive } from '../memory/latch.ts';
import * as undo from './undo-log.ts';
import { type UndoLog, UndoRecord } from './undo-log.ts';

const record = new UndoRecord();
const hash = new HashView();
const set = new SetView();
const zset = new Zset();
const list = new List();
const cursor = new ListCursor();

/**
 * Undoes all records of the log and empties it. Where there is no memory to put something back, the state in between can't be left to
 * anybody: throws, and the process ends.
 */
export function rollBack(keyspace: Keyspace, log: UndoLog): void {
  rollBackTo(keyspace, log, 0);
  log.reset();
}
/** Undoes what was noted behind a mark of the log; what was before stays noted. `keyspace.undo` is null afterwards. */
export function rollBackTo(keyspace: Keyspace, log: UndoLog, mark: number): void {
  const { touching } = keyspace;
  keyspace.undo = null;
  keyspace.touching = false;
  try {
    for (const { kind } of log.backwards(record, Math.max(mark, undo.FIRST))) {
      if (kind !== undo.SWAP) undoLatched(keyspace, log, kind);
      else swapDatabases(keyspace, record.database, record.value, () => log.exchange(record.database, record.value));
    }
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error;
    throw new Error('no memory is left to take a transaction back: raise maxmemory, or let transactions be smaller', { cause: error });
  } finally {
    keyspace.touching = touching;
  }
  keyspace.ready.length = 0;
  log.undone();
  log.forgetFresh();
}

/** The transaction stays: what it kept for going back is freed. */
export function forgetUndo(keyspace: Keyspace, log: UndoLog): void {
  log.close();
  log.freeKept(keyspace);
  log.reset();
}

function undoLatched(keyspace: Keyspace, log: UndoLog, kind: number): void {
  const { control, isLatched } = keyspace;
  const other = kind === undo.MOVE_BACK ? keyspace.locate(record.value, record.bytes, record.textStart, record.textEnd) : -1;
  const head = keyspace.locate(record.database, record.bytes, record.keyStart, record.keyEnd);
  if (isLatched) {
    undoRecord(keyspace, kind);
    return;
  }
  const low = other < 0 ? head : Math.min(head, other);
  const high = Math.max(head, other);
  exclusive(control, low);
  if (high !== low) exclusive(control, high);
  try {
    const keys = control[head + SHARD_COUNT]!;
    const otherKeys = control[other + SHARD_COUNT]!;
    undoRecord(keyspace, kind);
    if (other >= 0 && other !== head) log.takeBack(record, record.value, control[other + SHARD_COUNT]! - otherKeys);
    log.takeBack(record, record.database, control[head + SHARD_COUNT]! - keys);
  } finally {
    releaseExclusive(control, low);
    if (high !== low) releaseExclusive(control, high);
  }
}

function undoRecord(keyspace: Keyspace, kind: number): void {
  if (kind === undo.KEY) {
    keyspace.restore(record.value);
    return;
  }
  const entry = keyspace.findAny();
  if (entry === 0) return;
  const { bytes, textStart, textEnd } = record;
  switch (kind) {
    case undo.EXPIRY:
      keyspace.setExpiry(entry, record.value);
      break;
    case undo.TEXT:
      // The entry may be a smaller one by now: it has been copied when an expiry came or went.
      if (keyspace.type(entry) === TYPE_STRING) keyspace.setString(entry, bytes, textStart, textEnd, true);
      break;
    case undo.MOVE_BACK:
      moveValue(keyspace, entry, record.value, bytes, textStart, textEnd);
      break;
    default:
      if (kind <= undo.SET_REMOVE) undoSet(keyspace, entry, kind);
      else if (kind <= undo.ZSET_REMOVE) undoZset(keyspace, entry, kind);
      else if (kind <= undo.HASH_REMOVE) undoHash(keyspace, entry, kind);
      else undoList(keyspace, entry, kind);
  }
}

function undoSet(keyspace: Keyspace, entry: number, kind: number): void {
  if (keyspace.type(entry) !== TYPE_SET) return;
  set.open(keyspace, entry);
  if (kind === undo.SET_ADD) set.add(record.bytes, record.textStart, record.textEnd);
  else set.remove(record.bytes, record.textStart, record.textEnd);
}
function undoZset(keyspace: Keyspace, entry: number, kind: number): void {
  if (keyspace.type(entry) !== TYPE_ZSET) return;
  zset.open(keyspace, entry);
  const { bytes, textStart, textEnd } = record;
  const handle = zset.find(bytes, textStart, textEnd);
  if (kind === undo.ZSET_REMOVE) {
    if (handle !== 0) zset.removeMember(handle);
  } else if (handle === 0) zset.addMember(bytes, textStart, textEnd, record.value);
  else zset.changeScore(handle, record.value);
}
function undoHash(keyspace: Keyspace, entry: number, kind: number): void {
  if (keyspace.type(entry) !== TYPE_HASH) return;
  hash.open(keyspace, entry);
  const { bytes, textStart, textEnd } = record;
  if (kind === undo.HASH_REMOVE) {
    hash.remove(bytes, textStart, textEnd);
    return;
  }
  hash.set(bytes, textStart, textEnd, bytes, record.secondStart, record.secondEnd);
  if (record.value >= 0) hash.setExpiry(bytes, textStart, textEnd, record.value);
}
function undoList(keyspace: Keyspace, entry: number, kind: number): void {
  if (keyspace.type(entry) !== TYPE_LIST) return;
  list.open(keyspace, entry);
  const { bytes, textStart, textEnd, value: index } = record;
  switch (kind) {
    case undo.LIST_DROP_HEAD:
      list.drop(1, true);
      break;
    case undo.LIST_DROP_TAIL:
      list.drop(1, false);
      break;
    case undo.LIST_PUSH_HEAD:
      list.push(bytes, textStart, textEnd, true);
      break;
    case undo.LIST_PUSH_TAIL:
      list.push(bytes, textStart, textEnd, false);
      break;
    case undo.LIST_INSERT:
      list.insertAt(index, bytes, textStart, textEnd);
      break;
    case undo.LIST_REMOVE:
      list.seek(cursor, index);
      list.removeHere(cursor, index, true);
      break;
    default:
      list.setAt(index, bytes, textStart, textEnd);
  }
}
