/**
 * Lists as values of keys: a deque of packed chunks (structures/deque.ts), the one encoding.
 *
 * Every change of a list is one of the primitive mutations below. Each passes the keyspace's gate first.
 *
 *   mutation          its inverse                        what the inverse needs
 *   push, insertAt    drop, removeAt                     the end or the index
 *   setAt             setAt                              the index, the old element
 *   drop              push, in the reverse order         the end, the elements
 *   removeAt          insertAt                           the index, the element
 */

import type { Bank } from '../memory/bank.ts';
import * as deque from '../structures/deque.ts';
import { ListCursor } from '../structures/deque.ts';
import { Element } from '../structures/packed.ts';
import type { Keyspace } from './keyspace.ts';
import { OutOfMemory, registerType, TYPE_LIST } from './values.ts';

const QUICKLIST = 0;

export { ListCursor, setChunkLimit } from '../structures/deque.ts';

/** A list that is read or changed: a view, to be opened on one entry after the other. */
export class List {
  bank!: Bank;
  ref = 0;
  private keyspace!: Keyspace;
  private entry = 0;

  /** Opens the list at an entry of the keyspace's current shard; 0 is an empty list, whose key the first push creates. */
  open(keyspace: Keyspace, entry: number): this {
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.keyspace !== keyspace) this.keyspace = keyspace;
    if (this.bank !== keyspace.bank) this.bank = keyspace.bank;
    this.entry = entry;
    this.ref = entry === 0 ? 0 : keyspace.valueRef(entry);
    return this;
  }
  get size(): number {
    return this.ref === 0 ? 0 : deque.size(this.bank, this.ref);
  }
  /** Places the cursor on the element of an index, which must be there. */
  seek(cursor: ListCursor, index: number): void {
    cursor.seek(this.bank, this.ref, index);
  }

  // ---- the primitive mutations ----

  /** Adds an element at one end. Without an entry the key is created: it must be the keyspace's current one. */
  push(bytes: Uint8Array, start: number, end: number, atHead: boolean): void {
    const { keyspace, bank } = this;
    if (this.entry === 0) this.createKey();
    else keyspace.change(this.entry);
    if (keyspace.undo !== null) keyspace.undo.room(keyspace, 0);
    const done = atHead ? deque.pushHead(bank, this.ref, bytes, start, end) : deque.pushTail(bank, this.ref, bytes, start, end);
    if (done) {
      if (keyspace.undo !== null) keyspace.undo.listPushed(keyspace, this.entry, atHead);
      return;
    }
    if (this.size === 0) this.removeKey();
    throw new OutOfMemory();
  }
  /** Removes `count` elements from one end, no more than there are. */
  drop(count: number, atHead: boolean): void {
    this.keyspace.change(this.entry);
    if (this.keyspace.undo !== null) this.noteDrop(count, atHead);
    deque.drop(this.bank, this.ref, count, atHead);
  }
  setAt(index: number, bytes: Uint8Array, start: number, end: number): void {
    this.keyspace.change(this.entry);
    if (this.keyspace.undo !== null) {
      noted.seek(this.bank, this.ref, index);
      this.keyspace.undo.listSet(this.keyspace, this.entry, index, noted.bytes, noted.start, noted.end);
    }
    if (!deque.setAt(this.bank, this.ref, index, bytes, start, end)) throw new OutOfMemory();
  }
  insertAt(index: number, bytes: Uint8Array, start: number, end: number): void {
    const { keyspace } = this;
    keyspace.change(this.entry);
    keyspace.undo?.room(keyspace, 0);
    if (!deque.insertAt(this.bank, this.ref, index, bytes, start, end)) throw new OutOfMemory();
    keyspace.undo?.listInserted(keyspace, this.entry, index);
  }
  /** Removes the element under the cursor, whose index is `index`; the cursor goes to the one behind it, or before it. */
  removeHere(cursor: ListCursor, index: number, isForward: boolean): void {
    const { keyspace } = this;
    keyspace.change(this.entry);
    keyspace.undo?.listRemove(keyspace, this.entry, index, cursor.bytes, cursor.start, cursor.end);
    deque.removeHere(this.bank, this.ref, cursor, isForward);
  }

  /** Removes the key when its list has become empty. The keyspace's current key must be this one. */
  removeIfEmpty(): void {
    if (this.entry !== 0 && this.size === 0) this.removeKey();
  }
  /** Removes the key with all its elements: one change, which the key's removal stands for. */
  removeKey(): void {
    this.keyspace.remove(this.entry);
    this.entry = 0;
    this.ref = 0;
  }
  private noteDrop(count: number, atHead: boolean): void {
    const { keyspace } = this;
    if (count === 0 || keyspace.undo === null || keyspace.undo.isFresh(keyspace, this.entry)) return;
    noted.seek(this.bank, this.ref, atHead ? 0 : this.size - 1);
    for (let index = 0; index < count; index++) {
      keyspace.undo.listDrop(keyspace, this.entry, atHead, noted.bytes, noted.start, noted.end);
      if (atHead) noted.next();
      else noted.previous();
    }
  }
  private createKey(): void {
    const { keyspace, bank } = this;
    const ref = deque.create(bank);
    if (ref === 0) throw new OutOfMemory();
    this.entry = keyspace.setValue(0, TYPE_LIST, QUICKLIST, ref);
    this.ref = ref;
  }
}

const element = new Element();
const noted = new ListCursor();

registerType(TYPE_LIST, {
  // As in Redis 7.2: what one node holds is a listpack.
  encodingName: (bank, ref) => (deque.chunkCount(bank, ref) === 1 && deque.isWithinLimit(bank, ref) ? 'listpack' : 'quicklist'),
  length: (bank, ref) => deque.size(bank, ref),
  usedWords: (bank, ref) => deque.usedWords(bank, ref),
  copy: (bank, ref, _encoding, to) => deque.copyTo(bank, ref, to),
  freeSome: (bank, ref, _encoding, limit) => deque.freeSome(bank, ref, limit),
  walk(bank, ref, _encoding, visit) {
    if (deque.size(bank, ref) === 0) return;
    const cursor = new ListCursor();
    for (cursor.seek(bank, ref, 0); cursor.chunk !== 0; cursor.next()) {
      element.isNumber = false;
      element.bytes = cursor.bytes;
      element.view = cursor.view;
      element.start = cursor.start;
      element.end = cursor.end;
      visit(element);
    }
  },
  check: (bank, ref) => deque.check(bank, ref),
});
