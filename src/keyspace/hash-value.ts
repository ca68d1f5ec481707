/**
 * Hashes as values of keys. Encoding 0 is a packed sequence (structures/packed.ts) of fields each before its value, 1 a table
 * (structures/table.ts). A hash becomes a table when it outgrows hash-max-listpack-entries, or a field or value does
 * hash-max-listpack-value, and stays one. Encodings 2 and 3 are the same with a block between that knows of fields that expire
 * (hash-expiry.ts); in a packed sequence each value is followed by the time when the field is over, or 0.
 *
 * A field whose time is over is as good as gone: whoever reads skips it, and the janitor takes it away.
 *
 * Every change of a hash is one of the primitive mutations below: `set`, `remove`, `setExpiry`. Each passes the keyspace's gate first.
 *
 *   mutation    its inverse               what the inverse needs
 *   set         set, setExpiry; remove    the old value and expiry; that there was none
 *   remove      set, setExpiry            the field, its value and expiry
 *   setExpiry   setExpiry                 the field, its old expiry (-1: none)
 */
import type { Bank } from '../memory/bank.ts';
import * as packed from '../structures/packed.ts';
import { Element } from '../structures/packed.ts';
import * as table from '../structures/table.ts';
import * as expiry from './hash-expiry.ts';
import type { Keyspace } from './keyspace.ts';
import { rebuildElements, registerRebuilder } from './rebuild.ts';
import { OutOfMemory, registerType, TYPE_HASH, type ValueOperations } from './values.ts';

/** Bits of the encoding. */
const TABLE = 1;
const EXPIRING = 2;
const NAMES = ['listpack', 'hashtable', 'listpackex', 'hashtable'] as const;

const FREED_AT_ONCE = 256;
/** A zero in the place of an expiry takes a byte and its back length. */
const ZERO_BYTES = 2;
/** What `expiryOf` says of a field that isn't there. */
export const NO_FIELD = -2;

let maxPackedEntries = 128;
let maxPackedBytes = 64;
/** Takes hash-max-listpack-entries and -value. */
export function setHashLimits(entries: number, bytes: number): void {
  maxPackedEntries = entries;
  maxPackedBytes = bytes;
}

type Visitor = (field: Element, value: Element, expiryMs: number) => void;

const noted = new Element();

/** Lends a table's node as two elements. */
function lendNode(bank: Bank, node: number, field: Element, value: Element): void {
  const start = table.keyStart(bank, node);
  field.lend(bank, start, start + table.keyLength(bank, node));
  lendValue(bank, node, value);
}
function lendValue(bank: Bank, node: number, value: Element): void {
  const start = table.valueStart(bank, node);
  value.lend(bank, start, start + table.valueLength(bank, node));
}

function fieldsOf(bank: Bank, ref: number, encoding: number): number {
  return encoding & EXPIRING ? expiry.fieldsOf(bank, ref) : ref;
}
function stepOf(encoding: number): number {
  return encoding & EXPIRING ? 3 : 2;
}

/** Lends every field, those whose time is over as well. The visitor changes nothing. */
function walkFields(bank: Bank, ref: number, encoding: number, visit: Visitor): void {
  const field = new Element();
  const value = new Element();
  const fields = fieldsOf(bank, ref, encoding);
  if (encoding & TABLE) {
    table.walk(bank, fields, (node) => {
      lendNode(bank, node, field, value);
      visit(field, value, table.expiryMs(bank, node));
    });
    return;
  }
  for (let at = packed.first(bank, fields); at !== 0; ) {
    packed.read(bank, at, field);
    at = packed.next(bank, fields, at);
    packed.read(bank, at, value);
    let atMs = -1;
    if (encoding & EXPIRING) {
      at = packed.next(bank, fields, at);
      atMs = packed.readNumber(bank, at) || -1;
    }
    visit(field, value, atMs);
    at = packed.next(bank, fields, at);
  }
}

/**
 * A hash that is read or changed: a view, to be opened on one entry after the other. The keyspace's current key is that of
 * the entry whenever the view changes it.
 */
export class HashView {
  bank!: Bank;
  private ref = 0;
  private encoding = 0;
  /** The packed sequence or the table. */
  private fields = 0;
  private keyspace!: Keyspace;
  private entry = 0;
  /** Where `locate` found the field: position of its name, or its node; 0 when there is none. And the link to the node. */
  private at = 0;
  private link = 0;

  /** Opens the hash at an entry of the keyspace's current shard; 0 is an empty hash, that `set` puts under the current key. */
  open(keyspace: Keyspace, entry: number): this {
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.keyspace !== keyspace) this.keyspace = keyspace;
    if (this.bank !== keyspace.bank) this.bank = keyspace.bank;
    this.entry = entry;
    this.encoding = entry === 0 ? 0 : keyspace.encoding(entry);
    this.ref = entry === 0 ? 0 : keyspace.valueRef(entry);
    this.fields = entry === 0 ? 0 : fieldsOf(this.bank, this.ref, this.encoding);
    return this;
  }

  get isAbsent(): boolean {
    return this.ref === 0;
  }
  /** May fields be over? Then `draw` doesn't draw. */
  get hasExpiries(): boolean {
    return this.isExpiring;
  }
  private get isTable(): boolean {
    return (this.encoding & TABLE) !== 0;
  }
  private get isExpiring(): boolean {
    return (this.encoding & EXPIRING) !== 0;
  }

  // ---- reading ----

  /** Number of fields that are not over. */
  get length(): number {
    if (this.ref === 0) return 0;
    if (!this.isExpiring) return this.physicalLength;
    const over = this.isTable ? expiry.countOver(this.bank, this.ref, this.keyspace.nowMs) : -1;
    if (over >= 0) return this.physicalLength - over;
    let live = 0;
    this.walk(() => {
      live++;
    });
    return live;
  }
  private get physicalLength(): number {
    if (this.ref === 0) return 0;
    return this.isTable ? table.length(this.bank, this.fields) : packed.length(this.bank, this.fields) / stepOf(this.encoding);
  }

  /** Finds a field, over or not. */
  private locate(bytes: Uint8Array, start: number, end: number): boolean {
    const { bank, fields } = this;
    if (fields === 0) this.at = 0;
    else if (this.isTable) {
      this.at = table.find(bank, fields, bytes, start, end);
      this.link = table.lastLink();
    } else {
      this.at = packed.find(bank, fields, packed.first(bank, fields), bytes, start, end, stepOf(this.encoding));
    }
    return this.at !== 0;
  }
  /** When the located field is over, or -1. */
  private locatedExpiry(): number {
    const { bank, fields } = this;
    if (!this.isExpiring) return -1;
    if (this.isTable) return table.expiryMs(bank, this.at);
    return packed.readNumber(bank, packed.next(bank, fields, packed.next(bank, fields, this.at))) || -1;
  }
  private isOver(expiryMs: number): boolean {
    return expiryMs >= 0 && expiryMs <= this.keyspace.nowMs;
  }

  has(bytes: Uint8Array, start: number, end: number): boolean {
    return this.locate(bytes, start, end) && !this.isOver(this.locatedExpiry());
  }
  /** Lends a field's value, valid until the next change; false when there is none. */
  get(bytes: Uint8Array, start: number, end: number, into: Element): boolean {
    if (!this.has(bytes, start, end)) return false;
    if (this.isTable) lendValue(this.bank, this.at, into);
    else packed.read(this.bank, packed.next(this.bank, this.fields, this.at), into);
    return true;
  }
  /** When a field is over, in milliseconds since 1970; -1 for one that stays, NO_FIELD when there is none. */
  expiryOf(bytes: Uint8Array, start: number, end: number): number {
    if (!this.locate(bytes, start, end)) return NO_FIELD;
    const atMs = this.locatedExpiry();
    return this.isOver(atMs) ? NO_FIELD : atMs;
  }
  /** Lends every field that is not over. The visitor changes nothing. */
  walk(visit: Visitor): void {
    if (this.ref === 0) return;
    walkFields(this.bank, this.ref, this.encoding, (field, value, atMs) => {
      if (!this.isOver(atMs)) visit(field, value, atMs);
    });
  }
  /** Lends a field, each as likely as any other; false when there is none, or with `hasExpiries`. */
  draw(field: Element, value: Element, random: () => number): boolean {
    const { bank, fields } = this;
    if (this.ref === 0 || this.isExpiring) return false;
    if (this.isTable) {
      lendNode(bank, table.sample(bank, fields, random), field, value);
      return true;
    }
    const at = packed.seek(bank, fields, (random() % this.physicalLength) * 2);
    packed.read(bank, at, field);
    packed.read(bank, packed.next(bank, fields, at), value);
    return true;
  }
  /** HSCAN's step over about `count` fields: returns the next cursor, 0 at the end. Small hashes are lent at once. */
  scan(cursor: number, count: number, visit: Visitor): number {
    if (!this.isTable) {
      this.walk(visit);
      return 0;
    }
    const { bank, fields } = this;
    const field = new Element();
    const value = new Element();
    let seen = 0;
    let at = cursor;
    for (let steps = 0; steps < count * 10 && seen < count; steps++) {
      at = table.scan(bank, fields, at, (node) => {
        seen++;
        const atMs = table.expiryMs(bank, node);
        if (this.isOver(atMs)) return;
        lendNode(bank, node, field, value);
        visit(field, value, atMs);
      });
      if (at === 0) break;
    }
    return at;
  }

  // ---- the primitive mutations ----

  /**
   * Sets a field to a value; true when there was none. Its expiry goes, unless `keepsExpiry`. The bytes are not those of this
   * hash.
   */
  set(name: Uint8Array, start: number, end: number, value: Uint8Array, from: number, to: number, keepsExpiry = false): boolean {
    if (this.ref === 0) this.create();
    else if (this.entry !== 0) this.keyspace.change(this.entry);
    if (!this.isTable && Math.max(end - start, to - from) > maxPackedBytes) this.convertToTable();
    let isNew = !this.locate(name, start, end);
    if (!isNew && this.isOver(this.locatedExpiry())) {
      this.dropOver(name, start, end);
      isNew = true;
    }
    if (this.entry !== 0 && this.keyspace.undo !== null) this.noteField(name, start, end, isNew);
    if (isNew) this.append(name, start, end, value, from, to);
    else this.replaceValue(value, from, to, keepsExpiry);
    if (this.entry === 0) this.install();
    return isNew;
  }

  /** Takes a field out, which may be lent by `draw`; false when there was none. A hash that is empty then is for `dropIfEmpty`. */
  remove(name: Uint8Array, start: number, end: number): boolean {
    if (!this.locate(name, start, end)) return false;
    if (this.isOver(this.locatedExpiry())) {
      this.dropOver(name, start, end);
      return false;
    }
    this.keyspace.change(this.entry);
    if (this.keyspace.undo !== null) this.noteField(name, start, end, false);
    this.removeLocated();
    return true;
  }
  /** Notes what the field is before it changes; the located one unless it's new. */
  private noteField(name: Uint8Array, start: number, end: number, isNew: boolean): void {
    const { keyspace, entry } = this;
    if (isNew) {
      keyspace.undo?.hashField(keyspace, entry, name, start, end, null, 0, 0, -1);
      return;
    }
    if (this.isTable) lendValue(this.bank, this.at, noted);
    else packed.read(this.bank, packed.next(this.bank, this.fields, this.at), noted);
    keyspace.undo?.hashField(keyspace, entry, name, start, end, noted.bytes, noted.start, noted.end, this.locatedExpiry());
  }
  private removeLocated(): void {
    const { bank, fields } = this;
    const atMs = this.locatedExpiry();
    if (this.isTable) {
      if (atMs >= 0) expiry.leave(bank, this.ref, this.at);
      table.remove(bank, fields, this.link);
    } else {
      this.moveFields(packed.remove(bank, fields, this.at, stepOf(this.encoding)));
    }
    if (atMs >= 0) this.refresh();
  }
  /** The located field goes because its time is over. It's no change of the command that found it, and is logged by itself. */
  private dropOver(name: Uint8Array, start: number, end: number): void {
    const { keyspace } = this;
    const { changes } = keyspace;
    keyspace.log?.fieldDeleted(keyspace.database, keyspace.bytes, keyspace.start, keyspace.end, name, start, end);
    keyspace.change(this.entry);
    keyspace.changes = changes;
    if (keyspace.undo !== null) this.noteField(name, start, end, false);
    this.removeLocated();
  }

  /** Sets when a field that is there is over (milliseconds since 1970), or that it stays, with -1. */
  setExpiry(name: Uint8Array, start: number, end: number, atMs: number): void {
    if (!this.locate(name, start, end)) return;
    if (!this.isExpiring && atMs < 0) return;
    this.keyspace.change(this.entry);
    if (this.keyspace.undo !== null) this.noteField(name, start, end, false);
    if (!this.isExpiring) {
      this.makeExpiring();
      this.locate(name, start, end);
    }
    this.storeExpiry(atMs);
    this.refresh();
  }

  /** Deletes the key of a hash without fields; true when it did. */
  dropIfEmpty(): boolean {
    if (this.entry === 0 || this.physicalLength > 0) return false;
    this.keyspace.remove(this.entry);
    this.entry = 0;
    this.ref = 0;
    this.fields = 0;
    return true;
  }

  /** Removes up to `limit` fields whose time is over. Returns how many; the hash may be empty then. */
  removeOver(limit: number): number {
    let removed = 0;
    while (removed < limit && this.isExpiring) {
      const name = this.firstOver();
      if (name === null) break;
      this.remove(name, 0, name.length);
      removed++;
    }
    return removed;
  }
  private firstOver(): Buffer | null {
    const { bank, fields } = this;
    if (this.isTable) {
      const node = expiry.firstNode(bank, this.ref);
      if (node === 0 || !this.isOver(table.expiryMs(bank, node))) return null;
      const start = table.keyStart(bank, node);
      return Buffer.from(bank.u8.subarray(start, start + table.keyLength(bank, node)));
    }
    const field = new Element();
    for (let at = packed.first(bank, fields); at !== 0; at = packed.next(bank, fields, at)) {
      const name = at;
      at = packed.next(bank, fields, packed.next(bank, fields, at));
      if (!this.isOver(packed.readNumber(bank, at) || -1)) continue;
      packed.read(bank, name, field);
      return Buffer.from(field.bytes.subarray(field.start, field.end));
    }
    return null;
  }

  // ---- how they are done ----

  private create(): void {
    const { bank } = this;
    this.encoding = maxPackedEntries === 0 ? TABLE : 0;
    this.ref = this.isTable ? table.create(bank, this.keyspace.seed) : packed.create(bank);
    if (this.ref === 0) throw new OutOfMemory();
    this.fields = this.ref;
  }
  private install(): void {
    this.entry = this.keyspace.setValue(0, TYPE_HASH, this.encoding, this.ref);
  }
  /** There was no room: a hash that no key leads to yet is given up. */
  private fail(): never {
    if (this.entry === 0 && this.ref !== 0) {
      while (!hashOperations.freeSome(this.bank, this.ref, this.encoding, FREED_AT_ONCE));
      this.ref = 0;
      this.fields = 0;
    }
    throw new OutOfMemory();
  }

  private append(name: Uint8Array, start: number, end: number, value: Uint8Array, from: number, to: number): void {
    const { bank } = this;
    if (!this.isTable && this.physicalLength >= maxPackedEntries) this.convertToTable();
    if (this.isTable) {
      if (table.add(bank, this.fields, name, start, end, value, from, to) === 0) this.fail();
      return;
    }
    if (this.isExpiring) {
      const more = packed.sizeOfText(name, start, end) + packed.sizeOfText(value, from, to) + ZERO_BYTES;
      // With the room there is, appending the third can't fail when the two are there.
      this.moveFields(packed.reserve(bank, this.fields, packed.contentSize(bank, this.fields) + more));
    }
    this.moveFields(packed.appendPair(bank, this.fields, name, start, end, value, from, to));
    if (this.isExpiring) packed.appendNumber(bank, this.fields, 0);
  }

  private replaceValue(value: Uint8Array, from: number, to: number, keepsExpiry: boolean): void {
    const { bank, fields } = this;
    const atMs = this.locatedExpiry();
    if (this.isTable) {
      const node = table.setValue(bank, fields, this.at, this.link, value, from, to);
      if (node === 0) this.fail();
      this.at = node;
      if (atMs >= 0) expiry.moved(bank, this.ref, node);
    } else {
      const name = this.at - (fields << 2);
      this.moveFields(packed.replace(bank, fields, packed.next(bank, fields, this.at), value, from, to));
      this.at = (this.fields << 2) + name;
    }
    if (atMs < 0 || keepsExpiry) return;
    this.storeExpiry(-1);
    this.refresh();
  }

  /** Stores the located field's expiry. */
  private storeExpiry(atMs: number): void {
    const { bank, fields } = this;
    if (!this.isTable) {
      const at = packed.next(bank, fields, packed.next(bank, fields, this.at));
      this.moveFields(packed.replaceNumber(bank, fields, at, Math.max(atMs, 0)));
      return;
    }
    const had = table.expiryMs(bank, this.at) >= 0;
    if (had && atMs < 0) expiry.leave(bank, this.ref, this.at);
    const node = table.setExpiry(bank, fields, this.at, this.link, atMs);
    if (node === 0) {
      if (had) expiry.enter(bank, this.ref, this.at);
      throw new OutOfMemory();
    }
    this.at = node;
    if (atMs < 0) return;
    if (had) expiry.moved(bank, this.ref, node);
    else expiry.enter(bank, this.ref, node);
  }
  private refresh(): void {
    const { control, head } = this.keyspace;
    expiry.refresh(control, head, this.bank, this.ref, this.isTable);
  }

  /** The packed sequence has this ref now; 0 means that there was no room. */
  private moveFields(fields: number): void {
    if (fields === 0) this.fail();
    if (fields === this.fields) return;
    this.fields = fields;
    if (this.isExpiring) expiry.setFields(this.bank, this.ref, fields);
    else this.adopt(this.encoding, fields);
  }
  private adopt(encoding: number, ref: number): void {
    this.encoding = encoding;
    this.ref = ref;
    if (this.entry !== 0) this.keyspace.moveValue(this.entry, encoding, ref);
  }

  private convertToTable(): void {
    const { bank, fields, ref } = this;
    const fresh = table.create(bank, this.keyspace.seed);
    if (fresh === 0) this.fail();
    let isFull = false;
    walkFields(bank, ref, this.encoding, (field, value, atMs) => {
      if (isFull) return;
      const node = table.add(bank, fresh, field.bytes, field.start, field.end, value.bytes, value.start, value.end);
      isFull = node === 0 || (atMs >= 0 && table.setExpiry(bank, fresh, node, table.linkOf(bank, fresh, node), atMs) === 0);
    });
    if (isFull) {
      while (!table.freeSome(bank, fresh, FREED_AT_ONCE));
      this.fail();
    }
    this.fields = fresh;
    if (this.isExpiring) {
      expiry.setFields(bank, ref, fresh);
      expiry.enterAll(bank, ref);
      this.adopt(this.encoding | TABLE, ref);
    } else {
      this.adopt(this.encoding | TABLE, fresh);
    }
    packed.free(bank, fields);
  }

  /** Puts the block between the entry and the fields, and into a packed sequence a third element a field. */
  private makeExpiring(): void {
    const { bank, fields } = this;
    const block = expiry.createBlock(bank, fields);
    if (block === 0) throw new OutOfMemory();
    if (!this.isTable) {
      const fresh = this.withThirds();
      if (fresh === 0) {
        expiry.freeBlock(bank, block);
        throw new OutOfMemory();
      }
      packed.free(bank, fields);
      expiry.setFields(bank, block, fresh);
      this.fields = fresh;
    }
    this.adopt(this.encoding | EXPIRING, block);
    const { control, head, hash } = this.keyspace;
    expiry.attach(control, head, bank, block, this.isTable, hash);
  }
  private withThirds(): number {
    const { bank, fields } = this;
    // One byte and its back length for each zero.
    const fresh = packed.create(bank, packed.contentSize(bank, fields) + packed.length(bank, fields));
    if (fresh === 0) return 0;
    walkFields(bank, fields, 0, (field, value) => {
      packed.append(bank, fresh, field.bytes, field.start, field.end);
      packed.append(bank, fresh, value.bytes, value.start, value.end);
      packed.appendNumber(bank, fresh, 0);
    });
    return fresh;
  }
}

function copyHash(bank: Bank, ref: number, encoding: number, to: Bank): number {
  const fields = fieldsOf(bank, ref, encoding);
  const fresh = encoding & TABLE ? table.copy(bank, fields, to) : packed.copy(bank, fields, to);
  if (fresh === 0 || !(encoding & EXPIRING)) return fresh;
  const block = expiry.createBlock(to, fresh);
  if (block === 0) {
    while (!freeFields(to, fresh, encoding, FREED_AT_ONCE));
    return 0;
  }
  if (encoding & TABLE) expiry.enterAll(to, block);
  return block;
}
function freeFields(bank: Bank, fields: number, encoding: number, limit: number): boolean {
  if (encoding & TABLE) return table.freeSome(bank, fields, limit);
  packed.free(bank, fields);
  return true;
}

export const hashOperations: ValueOperations = {
  tableEncoding: TABLE,
  encodingName: (_bank, _ref, encoding) => NAMES[encoding] as string,
  length(bank, ref, encoding) {
    const fields = fieldsOf(bank, ref, encoding);
    return encoding & TABLE ? table.length(bank, fields) : packed.length(bank, fields) / stepOf(encoding);
  },
  usedWords(bank, ref, encoding) {
    const fields = fieldsOf(bank, ref, encoding);
    const words = encoding & TABLE ? table.usedWords(bank, fields) : packed.usedWords(bank, fields);
    return encoding & EXPIRING ? words + expiry.blockWords(bank, ref) : words;
  },
  copy: copyHash,
  freeSome(bank, ref, encoding, limit) {
    if (!freeFields(bank, fieldsOf(bank, ref, encoding), encoding, limit)) return false;
    if (encoding & EXPIRING) expiry.freeBlock(bank, ref);
    return true;
  },
  walk(bank, ref, encoding, visit) {
    walkFields(bank, ref, encoding, (field, value) => {
      visit(field);
      visit(value);
    });
  },
  check(bank, ref, encoding) {
    const fields = fieldsOf(bank, ref, encoding);
    if (encoding & TABLE) table.check(bank, fields);
    else packed.check(bank, fields);
  },
  attach(words, head, bank, ref, encoding, keyHash) {
    if (encoding & EXPIRING) expiry.attach(words, head, bank, ref, (encoding & TABLE) !== 0, keyHash);
    return true;
  },
  detach(words, head, bank, ref, encoding) {
    if (encoding & EXPIRING) expiry.detach(words, head, bank, ref);
  },
};
registerType(TYPE_HASH, hashOperations);

/** Fields and values first, then each expiry. What is over already is rebuilt as well, and goes when the time is looked at. */
registerRebuilder(TYPE_HASH, (keyspace, entry, key, start, end, into) => {
  rebuildElements(keyspace, entry, key, start, end, into);
  const encoding = keyspace.encoding(entry);
  if ((encoding & EXPIRING) === 0) return;
  walkFields(keyspace.bank, keyspace.valueRef(entry), encoding, (field, _value, atMs) => {
    if (atMs < 0) return;
    into.begin('HPEXPIREAT', 6);
    into.bytes(key, start, end);
    into.number(atMs);
    into.text('FIELDS');
    into.number(1);
    into.bytes(field.bytes, field.start, field.end);
  });
});
