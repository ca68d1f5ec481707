/**
 * Sets as values of keys. Encoding 0 is a sorted array of integers (structures/intset.ts), 1 a packed sequence of members
 * (structures/packed.ts), 2 a table (structures/table.ts). A set grows from one to the next as Redis 7.2's do: at
 * set-max-intset-entries, set-max-listpack-entries, or with a member longer than set-max-listpack-value; it never goes back.
 *
 * Every change of a set is one of the primitive mutations below: `add` and `remove`. Each passes the keyspace's gate first.
 *
 *   mutation   its inverse   what the inverse needs
 *   add        remove        the member
 *   remove     add           the member
 */
import type { Bank } from '../memory/bank.ts';
import * as intset from '../structures/intset.ts';
import * as packed from '../structures/packed.ts';
import { Element } from '../structures/packed.ts';
import * as table from '../structures/table.ts';
import type { Keyspace } from './keyspace.ts';
import { OutOfMemory, registerType, releaseValue, TYPE_SET, type ValueOperations } from './values.ts';

const INTSET = 0;
const PACKED = 1;
const TABLE = 2;
const NAMES = ['intset', 'listpack', 'hashtable'] as const;

/** In the place of an entry: no key leads to the set. */
const DETACHED = -1;

let maxIntsetEntries = 512;
let maxPackedEntries = 128;
let maxPackedBytes = 64;
/** Takes set-max-intset-entries, set-max-listpack-entries and -value. */
export function setSetLimits(intsetEntries: number, packedEntries: number, packedBytes: number): void {
  maxIntsetEntries = intsetEntries;
  maxPackedEntries = packedEntries;
  maxPackedBytes = packedBytes;
}

const FREED_AT_ONCE = 256;
const scratch = new Element();

/** Lends a table's node as an element. */
function lendNode(bank: Bank, node: number, into: Element): void {
  const start = table.keyStart(bank, node);
  into.lend(bank, start, start + table.keyLength(bank, node));
}

/** Lends every member; the visitor changes nothing, and stops the walk with `false`. */
function walk(bank: Bank, ref: number, encoding: number, visit: (element: Element) => unknown): void {
  const element = new Element();
  if (encoding === INTSET) {
    const count = intset.length(bank, ref);
    for (let index = 0; index < count; index++) {
      intset.read(bank, ref, index, element);
      if (visit(element) === false) return;
    }
  } else if (encoding === PACKED) {
    for (let at = packed.first(bank, ref); at !== 0; at = packed.next(bank, ref, at)) {
      packed.read(bank, at, element);
      if (visit(element) === false) return;
    }
  } else {
    let isOn = true;
    table.walk(bank, ref, (node) => {
      if (!isOn) return;
      lendNode(bank, node, element);
      if (visit(element) === false) isOn = false;
    });
  }
}

/**
 * A set that is read or changed: a view, to be opened on one entry after the other. The keyspace's current key is that of the
 * entry whenever the view changes it.
 */
export class SetView {
  bank!: Bank;
  ref = 0;
  encoding = INTSET;
  private keyspace!: Keyspace;
  private entry = 0;
  /** How many members are about to be added to a set that isn't there yet. */
  private hint = 1;

  /** Opens the set at an entry of the keyspace's current shard; 0 is an empty set, that `add` puts under the current key. */
  open(keyspace: Keyspace, entry: number, hint = 1): this {
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.keyspace !== keyspace) this.keyspace = keyspace;
    if (this.bank !== keyspace.bank) this.bank = keyspace.bank;
    this.entry = entry;
    this.hint = hint;
    this.ref = entry === 0 ? 0 : keyspace.valueRef(entry);
    this.encoding = entry === 0 ? INTSET : keyspace.encoding(entry);
    return this;
  }
  /** A new set in the keyspace's current bank that no key leads to yet: `install` gives it one, `discard` frees it. */
  openDetached(keyspace: Keyspace): this {
    this.open(keyspace, 0);
    this.entry = DETACHED;
    this.encoding = INTSET;
    this.ref = intset.create(this.bank);
    if (this.ref === 0) throw new OutOfMemory();
    return this;
  }
  /** Puts a detached set that isn't empty in the place of what the current key holds. */
  install(): void {
    const old = this.keyspace.write();
    this.entry = this.keyspace.setValue(old, TYPE_SET, this.encoding, this.ref);
  }
  discard(): void {
    releaseValue(this.keyspace.control, this.bank, TYPE_SET | (this.encoding << 4), this.ref);
  }

  get length(): number {
    return this.ref === 0 ? 0 : lengthOf(this.bank, this.ref, this.encoding);
  }
  get isTable(): boolean {
    return this.encoding === TABLE;
  }
  has(bytes: Uint8Array, start: number, end: number): boolean {
    const { bank, ref } = this;
    if (ref === 0) return false;
    if (this.encoding === TABLE) return table.find(bank, ref, bytes, start, end) !== 0;
    if (this.encoding === PACKED) return packed.find(bank, ref, packed.first(bank, ref), bytes, start, end, 1) !== 0;
    return intset.parse(bytes, start, end) && intset.find(bank, ref) >= 0;
  }
  /** Lends every member; the visitor changes nothing, and stops the walk with `false`. */
  walk(visit: (element: Element) => unknown): void {
    if (this.ref !== 0) walk(this.bank, this.ref, this.encoding, visit);
  }
  /** Lends a member, each as likely as any other; the set isn't empty. Valid until the next change. */
  draw(into: Element, random: () => number): void {
    const { bank, ref } = this;
    if (this.encoding === TABLE) lendNode(bank, table.sample(bank, ref, random), into);
    else if (this.encoding === PACKED) packed.read(bank, packed.seek(bank, ref, random() % packed.length(bank, ref)), into);
    else intset.read(bank, ref, random() % intset.length(bank, ref), into);
  }
  /** SSCAN's step over about `count` buckets: returns the next cursor, 0 at the end. Small sets are lent at once. */
  scan(cursor: number, count: number, visit: (element: Element) => void): number {
    if (!this.isTable) {
      this.walk(visit);
      return 0;
    }
    const element = new Element();
    let seen = 0;
    let at = cursor;
    for (let steps = 0; steps < count * 10 && seen < count; steps++) {
      at = table.scan(this.bank, this.ref, at, (node) => {
        seen++;
        lendNode(this.bank, node, element);
        visit(element);
      });
      if (at === 0) break;
    }
    return at;
  }

  // ---- the primitive mutations ----

  /** Adds a member; false when it was there. The bytes are not those of this set. */
  add(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.ref === 0) {
      this.create(bytes, start, end);
      return true;
    }
    if (this.has(bytes, start, end)) return false;
    if (this.entry !== DETACHED) {
      this.keyspace.change(this.entry);
      this.keyspace.undo?.setMember(this.keyspace, this.entry, bytes, start, end, true);
    }
    this.put(bytes, start, end);
    return true;
  }
  /** Takes a member out, which may be lent by `draw`; false when there was none. A set that is empty then is for `dropIfEmpty`. */
  remove(bytes: Uint8Array, start: number, end: number): boolean {
    const { bank, ref } = this;
    if (ref === 0) return false;
    if (this.encoding === TABLE) {
      if (table.find(bank, ref, bytes, start, end) === 0) return false;
      const link = table.lastLink();
      this.beforeRemoval(bytes, start, end);
      table.remove(bank, ref, link);
      return true;
    }
    if (this.encoding === PACKED) {
      const at = packed.find(bank, ref, packed.first(bank, ref), bytes, start, end, 1);
      if (at === 0) return false;
      this.beforeRemoval(bytes, start, end);
      this.moved(PACKED, packed.remove(bank, ref, at, 1));
      return true;
    }
    if (!intset.parse(bytes, start, end)) return false;
    const index = intset.find(bank, ref);
    if (index < 0) return false;
    this.beforeRemoval(bytes, start, end);
    this.moved(INTSET, intset.remove(bank, ref, index));
    return true;
  }
  private beforeRemoval(bytes: Uint8Array, start: number, end: number): void {
    const { keyspace, entry } = this;
    keyspace.change(entry);
    keyspace.undo?.setMember(keyspace, entry, bytes, start, end, false);
  }
  /** Deletes the key of a set without members; true when it did. */
  dropIfEmpty(): boolean {
    if (this.entry <= 0 || this.length > 0) return false;
    this.keyspace.remove(this.entry);
    this.entry = 0;
    this.ref = 0;
    return true;
  }

  // ---- encodings ----

  /** A new set under the current key, with one member, in the encoding that suits it and the number of members to come. */
  private create(bytes: Uint8Array, start: number, end: number): void {
    const { bank, hint } = this;
    const isInteger = intset.parse(bytes, start, end);
    if (isInteger && hint <= maxIntsetEntries) this.encoding = INTSET;
    else this.encoding = hint <= maxPackedEntries ? PACKED : TABLE;
    if (this.encoding === INTSET) this.ref = intset.create(bank);
    else if (this.encoding === PACKED) this.ref = packed.create(bank);
    else this.ref = table.create(bank, this.keyspace.seed);
    if (this.ref === 0) throw new OutOfMemory();
    this.entry = DETACHED;
    try {
      this.put(bytes, start, end);
    } catch (error) {
      this.discard();
      this.ref = 0;
      throw error;
    }
    this.entry = this.keyspace.setValue(0, TYPE_SET, this.encoding, this.ref);
  }

  /** Puts a member that isn't there, in the encoding that the set has with it. */
  private put(bytes: Uint8Array, start: number, end: number): void {
    const { bank } = this;
    if (this.encoding === INTSET) {
      if (intset.parse(bytes, start, end)) {
        this.moved(INTSET, intset.insert(bank, this.ref, -1 - intset.find(bank, this.ref)));
        if (intset.length(bank, this.ref) > maxIntsetEntries) this.convertToTable();
        return;
      }
      if (this.fitsPacked(end - start) && this.longestInteger() <= maxPackedBytes) this.convertToPacked();
      else this.convertToTable();
    } else if (this.encoding === PACKED && !this.fitsPacked(end - start)) {
      this.convertToTable();
    }
    if (this.encoding === PACKED) this.moved(PACKED, packed.append(bank, this.ref, bytes, start, end));
    else if (table.addMember(bank, this.ref, bytes, start, end) === 0) throw new OutOfMemory();
  }
  private fitsPacked(memberBytes: number): boolean {
    return memberBytes <= maxPackedBytes && this.length < maxPackedEntries;
  }
  /** Characters of the longest member of an intset: the first or the last. */
  private longestInteger(): number {
    const count = intset.length(this.bank, this.ref);
    let longest = 0;
    for (const index of count === 0 ? [] : [0, count - 1]) {
      intset.read(this.bank, this.ref, index, scratch);
      longest = Math.max(longest, scratch.end);
    }
    return longest;
  }

  /** The set has this ref now; 0 means that there was no room, and it's as it was. */
  private moved(encoding: number, ref: number): void {
    if (ref === 0) throw new OutOfMemory();
    if (ref === this.ref && encoding === this.encoding) return;
    this.ref = ref;
    this.encoding = encoding;
    if (this.entry !== DETACHED) this.keyspace.moveValue(this.entry, encoding, ref);
  }
  private convertToPacked(): void {
    const { bank, ref } = this;
    let fresh = packed.create(bank, intset.length(bank, ref) * 3);
    let isFull = fresh === 0;
    walk(bank, ref, INTSET, ({ bytes, start, end }) => {
      const grown = isFull ? 0 : packed.append(bank, fresh, bytes, start, end);
      if (grown === 0) isFull = true;
      else fresh = grown;
    });
    if (isFull && fresh !== 0) packed.free(bank, fresh);
    this.moved(PACKED, isFull ? 0 : fresh);
    intset.free(bank, ref);
  }
  private convertToTable(): void {
    const { bank, ref, encoding } = this;
    const fresh = table.create(bank, this.keyspace.seed);
    let isFull = fresh === 0;
    walk(bank, ref, encoding, ({ bytes, start, end }) => {
      if (!isFull && table.addMember(bank, fresh, bytes, start, end) === 0) isFull = true;
    });
    if (isFull && fresh !== 0) while (!table.freeSome(bank, fresh, FREED_AT_ONCE));
    this.moved(TABLE, isFull ? 0 : fresh);
    bank.free(ref);
  }
}

function lengthOf(bank: Bank, ref: number, encoding: number): number {
  if (encoding === TABLE) return table.length(bank, ref);
  return encoding === PACKED ? packed.length(bank, ref) : intset.length(bank, ref);
}

export const setOperations: ValueOperations = {
  tableEncoding: TABLE,
  encodingName: (_bank, _ref, encoding) => NAMES[encoding] as string,
  length: lengthOf,
  usedWords: (bank, ref, encoding) => (encoding === TABLE ? table.usedWords(bank, ref) : bank.sizeWords(ref)),
  copy(bank, ref, encoding, to) {
    if (encoding === TABLE) return table.copy(bank, ref, to);
    return encoding === PACKED ? packed.copy(bank, ref, to) : intset.copy(bank, ref, to);
  },
  freeSome(bank, ref, encoding, limit) {
    if (encoding === TABLE) return table.freeSome(bank, ref, limit);
    bank.free(ref);
    return true;
  },
  walk,
  check(bank, ref, encoding) {
    if (encoding === TABLE) table.check(bank, ref);
    else if (encoding === PACKED) packed.check(bank, ref);
    else intset.check(bank, ref);
  },
};
registerType(TYPE_SET, setOperations);
