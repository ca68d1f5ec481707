/**
 * Clients that wait for keys, over all threads. A client has one slot in the control block, and in each shard where it waits a node for
 * each key, in a list in the order of arrival. Whoever makes a key ready serves the first node of the list that means it, under the
 * shard's latch: so the clients are served in the order in which they came, whatever thread they live on.
 *
 *   slot, 8 words of the control block                 node, in the bank of the key's shard
 *   word 0  ticket: bits 0-1 phase, 2-31 round         word 0  next        word 1  previous
 *   word 1  thread of the client                       word 2  slot        word 3  ticket as it waits
 *   word 2  bank of the result    word 3  its ref      word 4  form (below)
 *   word 4  next of the mail (slot + 1)                word 5  count       word 6  bytes of the key
 *   word 5  next free slot (slot + 1)                  word 7  bytes of the target (BLMOVE)
 *                                                      word 8+ key, target
 *
 *   phase 0 free, 1 waiting, 2 served, 3 given up. From 1 it's moved by compare-and-exchange: serving and giving up exclude each
 *   other, and an element is taken only for a client that will get it.
 *   form: bits 0-3 what is wanted (WANT_*), 4 from the head or the lowest score, 5 to the head, 6 the client speaks RESP3
 *   result: word 0 length, then the reply's bytes. Mail: a stack of served slots a thread, pushed by anyone, taken whole by its thread.
 *
 * Contract: lists and nodes are written under the shard's exclusive latch; a node is removed by its client's thread alone. Slots
 * are taken and given back under GLOBAL_WAITERS_LATCH.
 */
import { compareBytes } from '../base/bytes.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import * as layout from '../keyspace/layout.ts';
import type { Bank } from '../memory/bank.ts';
import { exclusive, releaseExclusive } from '../memory/latch.ts';

export const WANT_ELEMENT = 0;
export const WANT_MOVE = 1;
export const WANT_ELEMENTS = 2;
export const WANT_MEMBER = 3;
export const WANT_MEMBERS = 4;
export const FROM_HEAD = 16;
export const TO_HEAD = 32;
export const RESP3 = 64;
const WANT_MASK = 15;

const WAITING = 1;
const TO_SERVED = 1;
const TO_GIVEN_UP = 2;
const ROUND = 4;

const TICKET = 0;
const THREAD = 1;
const RESULT_BANK = 2;
const RESULT = 3;
const NEXT_MAIL = 4;
const NEXT_FREE = 5;

const NEXT = 0;
const PREVIOUS = 1;
const SLOT = 2;
const NODE_TICKET = 3;
const FORM = 4;
const COUNT = 5;
const KEY_BYTES = 6;
const TARGET_BYTES = 7;
const NODE_WORDS = 8;

function slotWord(slot: number): number {
  return layout.WAITER_WORD + slot * layout.WAITER_WORDS;
}

// ---- the client's side ----

/** Takes a slot for a client of a thread; -1 when all are taken. */
export function takeSlot(control: Int32Array, thread: number): number {
  exclusive(control, layout.GLOBAL_WAITERS_LATCH);
  let slot = control[layout.GLOBAL_WAITERS_FREE]! - 1;
  if (slot >= 0) control[layout.GLOBAL_WAITERS_FREE] = control[slotWord(slot) + NEXT_FREE]!;
  else if (control[layout.GLOBAL_WAITERS_TOP]! < layout.WAITERS_MAX) slot = control[layout.GLOBAL_WAITERS_TOP]!++;
  releaseExclusive(control, layout.GLOBAL_WAITERS_LATCH);
  if (slot < 0) return -1;
  const at = slotWord(slot);
  control[at + THREAD] = thread;
  control[at + RESULT] = 0;
  const ticket = (control[at + TICKET]! & ~3) + ROUND;
  Atomics.store(control, at + TICKET, ticket | WAITING);
  return slot;
}
/** Gives a slot back whose nodes are all removed. */
export function giveSlot(control: Int32Array, slot: number): void {
  const at = slotWord(slot);
  Atomics.store(control, at + TICKET, control[at + TICKET]! & ~3);
  exclusive(control, layout.GLOBAL_WAITERS_LATCH);
  control[at + NEXT_FREE] = control[layout.GLOBAL_WAITERS_FREE]!;
  control[layout.GLOBAL_WAITERS_FREE] = slot + 1;
  releaseExclusive(control, layout.GLOBAL_WAITERS_LATCH);
}
/** The client no longer waits; false when it has been served already, and mail is on its way. */
export function giveUp(control: Int32Array, slot: number): boolean {
  const at = slotWord(slot) + TICKET;
  const ticket = (Atomics.load(control, at) & ~3) | WAITING;
  return Atomics.compareExchange(control, at, ticket, ticket + TO_GIVEN_UP) === ticket;
}

/** Adds a node for the keyspace's current key, whose shard is latched. Returns its ref, or 0 when the bank is full. */
export function addNode(keyspace: Keyspace, slot: number, form: number, count: number, target: Uint8Array | null): number {
  const { control, bank, head, bytes, start, end } = keyspace;
  const targetBytes = target === null ? 0 : target.length;
  const node = bank.alloc(NODE_WORDS + ((end - start + targetBytes + 3) >>> 2));
  if (node === 0) return 0;
  const { i32, u8 } = bank;
  const first = layout.blockedWord(head);
  const last = control[first + 1]!;
  i32[node + NEXT] = 0;
  i32[node + PREVIOUS] = last;
  i32[node + SLOT] = slot;
  i32[node + NODE_TICKET] = control[slotWord(slot) + TICKET]!;
  i32[node + FORM] = form;
  i32[node + COUNT] = count;
  i32[node + KEY_BYTES] = end - start;
  i32[node + TARGET_BYTES] = targetBytes;
  u8.set(bytes.subarray(start, end), (node + NODE_WORDS) << 2);
  if (target !== null) u8.set(target, ((node + NODE_WORDS) << 2) + end - start);
  if (last === 0) control[first] = node;
  else i32[last + NEXT] = node;
  control[first + 1] = node;
  return node;
}
/** Removes a node and frees it; the shard at `head` is latched. */
export function removeNode(control: Int32Array, head: number, bank: Bank, node: number): void {
  const { i32 } = bank;
  const first = layout.blockedWord(head);
  const next = i32[node + NEXT]!;
  const previous = i32[node + PREVIOUS]!;
  if (previous === 0) control[first] = next;
  else i32[previous + NEXT] = next;
  if (next === 0) control[first + 1] = previous;
  else i32[next + PREVIOUS] = previous;
  bank.free(node);
}

/** Takes all mail of a thread, oldest first. */
export function takeMail(control: Int32Array, thread: number, visit: (slot: number, bank: number, result: number) => void): void {
  const slots: number[] = [];
  for (let next = Atomics.exchange(control, layout.MAIL_WORD + thread, 0); next !== 0; next = control[slotWord(next - 1) + NEXT_MAIL]!) {
    slots.push(next - 1);
  }
  for (const slot of slots.reverse()) visit(slot, control[slotWord(slot) + RESULT_BANK]!, control[slotWord(slot) + RESULT]!);
}

// ---- the server's side ----

/** The first node whose client still waits for the keyspace's current key, for a list or for a sorted set; 0 when there is none. */
export function firstWaiter(keyspace: Keyspace, forList: boolean): number {
  const { control, bank, head, bytes, start, end } = keyspace;
  const { i32, u8 } = bank;
  for (let node = control[layout.blockedWord(head)]!; node !== 0; node = i32[node + NEXT]!) {
    if ((i32[node + FORM]! & WANT_MASK) < WANT_MEMBER !== forList) continue;
    const at = (node + NODE_WORDS) << 2;
    if (compareBytes(u8, at, at + i32[node + KEY_BYTES]!, bytes, start, end) !== 0) continue;
    if (Atomics.load(control, slotWord(i32[node + SLOT]!) + TICKET) === i32[node + NODE_TICKET]) return node;
  }
  return 0;
}
/** Calls `visit` with the key of every node of the keyspace's current shard, a copy, doubles and all. */
export function forEachWaited(keyspace: Keyspace, visit: (key: Buffer) => void): void {
  const { control, bank, head } = keyspace;
  const { i32, u8 } = bank;
  for (let node = control[layout.blockedWord(head)]!; node !== 0; node = i32[node + NEXT]!) {
    const at = (node + NODE_WORDS) << 2;
    visit(Buffer.from(u8.subarray(at, at + i32[node + KEY_BYTES]!)));
  }
}
/** Makes the client of a node ours to serve; false when it has given up meanwhile. */
export function claim(control: Int32Array, bank: Bank, node: number): boolean {
  const ticket = bank.i32[node + NODE_TICKET]!;
  const at = slotWord(bank.i32[node + SLOT]!) + TICKET;
  return Atomics.compareExchange(control, at, ticket, ticket + TO_SERVED) === ticket;
}
/** Lets a claimed client wait on, as if nothing had happened. */
export function unclaim(control: Int32Array, bank: Bank, node: number): void {
  Atomics.store(control, slotWord(bank.i32[node + SLOT]!) + TICKET, bank.i32[node + NODE_TICKET]!);
}
export function wanted(bank: Bank, node: number): number {
  return bank.i32[node + FORM]! & WANT_MASK;
}
export function formOf(bank: Bank, node: number): number {
  return bank.i32[node + FORM]!;
}
export function countOf(bank: Bank, node: number): number {
  return bank.i32[node + COUNT]!;
}
/** A copy of the key that the elements are to be moved to. */
export function targetOf(bank: Bank, node: number): Buffer {
  const at = ((node + NODE_WORDS) << 2) + bank.i32[node + KEY_BYTES]!;
  return Buffer.from(bank.u8.subarray(at, at + bank.i32[node + TARGET_BYTES]!));
}

/** Puts a reply's bytes into a block of the bank, for `send`; 0 when that is full. */
export function putResult(bank: Bank, reply: Buffer, start: number, end: number): number {
  const block = bank.alloc(1 + ((end - start + 3) >>> 2));
  if (block === 0) return 0;
  bank.i32[block] = end - start;
  bank.u8.set(reply.subarray(start, end), (block + 1) << 2);
  return block;
}
/** Sends a claimed client its result; returns the thread that is to be woken. */
export function send(control: Int32Array, bank: Bank, node: number, result: number): number {
  const slot = bank.i32[node + SLOT]!;
  const at = slotWord(slot);
  control[at + RESULT_BANK] = bank.index;
  control[at + RESULT] = result;
  const thread = control[at + THREAD]!;
  const mail = layout.MAIL_WORD + thread;
  for (;;) {
    const first = Atomics.load(control, mail);
    control[at + NEXT_MAIL] = first;
    if (Atomics.compareExchange(control, mail, first, slot + 1) === first) return thread;
  }
}
