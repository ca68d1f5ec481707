/**
 * Sorted sets as values of keys. Encoding 0 is a packed sequence (structures/packed.ts) of members each before its score, in the set's
 * order; encoding 1 a tree with a table (structures/sorted-set.ts). A set becomes a tree when it outgrows zset-max-listpack-entries
 * or a member zset-max-listpack-value, and stays one.
 *
 * Every change of a sorted set is one of the primitive mutations below: `addMember`, `changeScore`, `removeMember`. Each passes the
 * keyspace's gate first.
 *
 *   mutation       its inverse                     what the inverse needs
 *   addMember      removeMember                    the member
 *   changeScore    changeScore                     the member, the old score
 *   removeMember   addMember                       the member, the score
 */
import { compareBytes } from '../base/bytes.ts';
import type { Bank } from '../memory/bank.ts';
import * as packed from '../structures/packed.ts';
import { Element } from '../structures/packed.ts';
import * as tree from '../structures/sorted-set.ts';
import type { Keyspace } from './keyspace.ts';
import { OutOfMemory, registerType, releaseValue, TYPE_ZSET } from './values.ts';

export const PACKED = 0;
export const TREE = 1;

/** In the place of an entry: no key leads to the set. */
const DETACHED = -1;
const BATCH_NODES = 64;
/** A score takes nine bytes and a byte of back length at the most. */
const MAX_SCORE_BYTES = 10;
/** Heads and back lengths of a member, and its score. */
const MAX_PAIR_OVERHEAD_BYTES = 20;

/** Limits of the packed encoding, from zset-max-listpack-entries and -value. */
let maxPackedEntries = 128;
let maxPackedBytes = 64;
export function setZsetLimits(entries: number, bytes: number): void {
  maxPackedEntries = entries;
  maxPackedBytes = bytes;
}

const element = new Element();
let moved = Buffer.alloc(256);

/**
 * A sorted set that is read or changed. A member is named by its handle, valid until the next change: a position in the packed
 * sequence or a node's ref; 0 is none. An instance is a view, to be opened on one entry after the other.
 */
export class Zset {
  bank!: Bank;
  ref = 0;
  isTree = false;
  private keyspace!: Keyspace;
  private entry = 0;
  /** Where `addPacked` has put the member. */
  private placed = 0;

  /** Opens the sorted set at an entry of the keyspace's current shard; 0 is a set without members. */
  open(keyspace: Keyspace, entry: number): this {
    // A store of an object costs the collector's notice, so it's left out where nothing changes.
    if (this.keyspace !== keyspace) this.keyspace = keyspace;
    if (this.bank !== keyspace.bank) this.bank = keyspace.bank;
    this.entry = entry;
    this.ref = entry === 0 ? 0 : keyspace.valueRef(entry);
    this.isTree = entry !== 0 && keyspace.encoding(entry) === TREE;
    return this;
  }

  /** A new sorted set in a bank that no key leads to; `keyspace` is the one that may take it over. A tree keeps scores of -0. */
  openDetached(keyspace: Keyspace, bank: Bank, isTree = maxPackedEntries === 0): this {
    this.keyspace = keyspace;
    this.entry = DETACHED;
    this.bank = bank;
    this.isTree = isTree;
    this.ref = this.isTree ? tree.create(bank, keyspace.seed) : packed.create(bank);
    if (this.ref === 0) throw new OutOfMemory();
    return this;
  }
  /** Frees a detached set. */
  discard(): void {
    if (this.ref !== 0) releaseValue(this.keyspace.control, this.bank, TYPE_ZSET | ((this.isTree ? TREE : PACKED) << 4), this.ref);
    this.ref = 0;
  }
  get encoding(): number {
    return this.isTree ? TREE : PACKED;
  }

  get size(): number {
    if (this.ref === 0) return 0;
    return this.isTree ? tree.size(this.bank, this.ref) : packed.length(this.bank, this.ref) >>> 1;
  }

  // ---- reading ----

  find(bytes: Uint8Array, start: number, end: number): number {
    const { bank, ref } = this;
    if (ref === 0) return 0;
    if (this.isTree) return tree.find(bank, ref, bytes, start, end);
    return packed.find(bank, ref, packed.first(bank, ref), bytes, start, end, 2);
  }
  score(handle: number): number {
    const { bank } = this;
    return this.isTree ? tree.scoreOf(bank.i32, handle) : packed.readNumber(bank, packed.next(bank, this.ref, handle));
  }
  /** Lends the member of a handle. */
  member(handle: number, into: Element): void {
    const { bank } = this;
    if (!this.isTree) {
      packed.read(bank, handle, into);
      return;
    }
    const start = tree.memberStart(bank.i32, handle);
    into.lend(bank, start, start + tree.memberLength(bank.i32, handle));
  }
  /** In a tree: the word that the member begins at, and its bytes. */
  memberWord(handle: number): number {
    return tree.memberStart(this.bank.i32, handle) >>> 2;
  }
  memberLength(handle: number): number {
    return tree.memberLength(this.bank.i32, handle);
  }
  /** The member of a rank from 0, which must be below the size. */
  at(rank: number): number {
    const { bank, ref } = this;
    if (!this.isTree) return packed.seek(bank, ref, rank * 2);
    tree.collect(bank, ref, rank, 1, false, oneNode);
    return oneNode[0]!;
  }
  rank(handle: number): number {
    const { bank, ref } = this;
    if (this.isTree) return tree.rank(bank, ref, handle);
    let rank = 0;
    for (let at = packed.first(bank, ref); at !== handle; at = this.following(at)) rank++;
    return rank;
  }
  /** Members with a score below `score`, with `orEqual` those that have it too. */
  rankOfScore(score: number, orEqual: boolean): number {
    const { bank, ref } = this;
    if (ref === 0) return 0;
    if (this.isTree) return tree.rankOfScore(bank, ref, score, orEqual);
    let rank = 0;
    for (let at = packed.first(bank, ref); at !== 0; at = this.following(at)) {
      const own = this.score(at);
      if (orEqual ? own > score : own >= score) break;
      rank++;
    }
    return rank;
  }
  /** Members before the given bytes in a set whose scores are all equal, with `orEqual` the member of these bytes too. */
  rankOfMember(bytes: Uint8Array, start: number, end: number, orEqual: boolean): number {
    const { bank, ref } = this;
    if (ref === 0) return 0;
    if (this.isTree) return tree.rankOfMember(bank, ref, bytes, start, end, orEqual);
    let rank = 0;
    for (let at = packed.first(bank, ref); at !== 0; at = this.following(at)) {
      packed.read(bank, at, element);
      const order = compareBytes(element.bytes, element.start, element.end, bytes, start, end);
      if (orEqual ? order > 0 : order >= 0) break;
      rank++;
    }
    return rank;
  }
  /**
   * A step of ZSCAN: about `count` members, each lent in `into`. Returns the next cursor, 0 at the end. A packed set is one step.
   */
  scan(cursor: number, count: number, into: Element, visit: (score: number) => void): number {
    const { bank, ref } = this;
    if (ref === 0) return 0;
    if (!this.isTree) {
      for (let at = packed.first(bank, ref); at !== 0; at = this.following(at)) {
        packed.read(bank, at, into);
        visit(this.score(at));
      }
      return 0;
    }
    let seen = 0;
    let at = cursor;
    for (let step = 0; step < count * 10 && seen < count; step++) {
      at = tree.scan(bank, ref, at, (node) => {
        this.member(node, into);
        visit(tree.scoreOf(bank.i32, node));
        seen++;
      });
      if (at === 0) break;
    }
    return at;
  }
  private following(at: number): number {
    return packed.next(this.bank, this.ref, packed.next(this.bank, this.ref, at));
  }

  // ---- the primitive mutations ----

  /** Adds a member that isn't there. Without an entry the key is created. */
  addMember(bytes: Uint8Array, start: number, end: number, score: number): void {
    const { keyspace, bank } = this;
    if (this.entry === 0) this.createKey(end - start);
    else {
      this.gate();
      if (this.entry !== DETACHED) keyspace.undo?.zsetMember(keyspace, this.entry, bytes, start, end, Number.NaN);
    }
    const isOver = this.size >= maxPackedEntries || end - start > maxPackedBytes;
    if (!this.isTree && isOver) this.turnIntoTree();
    if (this.isTree) {
      if (tree.add(bank, this.ref, bytes, start, end, score) !== 0) return;
    } else if (this.addPacked(bytes, start, end, score)) {
      return;
    }
    // A key that has just been created must not stay behind without a member.
    if (this.size === 0 && this.entry !== DETACHED) keyspace.remove(this.entry);
    throw new OutOfMemory();
  }

  /** Gives a member another score; returns its handle from then on. */
  changeScore(handle: number, score: number): number {
    const { bank } = this;
    this.gate();
    this.noteMember(handle);
    if (this.isTree) {
      if (!tree.setScore(bank, this.ref, handle, score)) throw new OutOfMemory();
      return handle;
    }
    const { ref } = this;
    packed.read(bank, handle, element);
    const length = element.end - element.start;
    // The bytes are copied, as those of the sequence itself move while it changes.
    if (length > moved.length) moved = Buffer.alloc(length * 2);
    moved.set(element.bytes.subarray(element.start, element.end));
    // The new pair is put in before the old one is taken out: without room nothing has changed.
    const before = packed.contentSize(bank, ref);
    const oldOffset = handle - (ref << 2);
    if (!this.addPacked(moved, 0, length, score)) throw new OutOfMemory();
    const grown = packed.contentSize(bank, this.ref) - before;
    const newOffset = this.placed - (this.ref << 2);
    const isBehind = newOffset > oldOffset;
    const size = packed.contentSize(bank, this.ref);
    this.setRef(packed.remove(bank, this.ref, (this.ref << 2) + oldOffset + (isBehind ? 0 : grown), 2));
    const removed = size - packed.contentSize(bank, this.ref);
    return (this.ref << 2) + newOffset - (isBehind ? removed : 0);
  }

  /** Removes a member. The key of a set that has become empty is the caller's to remove: see `removeIfEmpty`. */
  removeMember(handle: number): void {
    const { bank } = this;
    this.gate();
    this.noteMember(handle);
    if (this.isTree) tree.remove(bank, this.ref, handle);
    else this.setRef(packed.remove(bank, this.ref, handle, 2));
  }

  /** Removes the key when its set has no members left. The keyspace's current key must be this one. */
  removeIfEmpty(): void {
    if (this.entry !== 0 && this.entry !== DETACHED && this.size === 0) this.removeKey();
  }
  /** Removes the key with all its members: one change, which the key's removal stands for. */
  removeKey(): void {
    this.keyspace.remove(this.entry);
    this.entry = 0;
    this.ref = 0;
    this.isTree = false;
  }

  /** Notes a member's score before it changes. */
  private noteMember(handle: number): void {
    const { keyspace, entry } = this;
    if (keyspace.undo === null || entry === DETACHED) return;
    this.member(handle, element);
    keyspace.undo.zsetMember(keyspace, entry, element.bytes, element.start, element.end, this.score(handle));
  }
  private gate(): void {
    if (this.entry !== DETACHED) this.keyspace.change(this.entry);
  }
  private createKey(memberBytes: number): void {
    const { keyspace, bank } = this;
    this.isTree = maxPackedEntries === 0 || memberBytes > maxPackedBytes;
    this.ref = this.isTree ? tree.create(bank, keyspace.seed) : packed.create(bank, memberBytes + 2 * MAX_SCORE_BYTES);
    if (this.ref === 0) throw new OutOfMemory();
    this.entry = keyspace.setValue(0, TYPE_ZSET, this.encoding, this.ref);
  }
  private setRef(ref: number): void {
    if (ref === this.ref) return;
    this.ref = ref;
    if (this.entry !== DETACHED) this.keyspace.moveValue(this.entry, this.encoding, ref);
  }
  /** Puts a member and its score in order; -0 is kept as 0, as in Redis's listpacks. False without room: nothing has changed then. */
  private addPacked(bytes: Uint8Array, start: number, end: number, score: number): boolean {
    const { bank } = this;
    const need = packed.sizeOfText(bytes, start, end) + MAX_SCORE_BYTES;
    const room = packed.reserve(bank, this.ref, packed.contentSize(bank, this.ref) + need);
    if (room === 0) return false;
    this.setRef(room);
    let at = packed.first(bank, room);
    for (; at !== 0; at = this.following(at)) {
      const own = this.score(at);
      if (own > score) break;
      if (own < score) continue;
      packed.read(bank, at, element);
      if (compareBytes(element.bytes, element.start, element.end, bytes, start, end) > 0) break;
    }
    this.setRef(packed.insert(bank, room, at === 0 ? packed.endOf(bank, room) : at, bytes, start, end));
    this.placed = packed.lastPlace();
    const behind = packed.next(bank, this.ref, this.placed);
    this.setRef(packed.insertNumber(bank, this.ref, behind === 0 ? packed.endOf(bank, this.ref) : behind, score === 0 ? 0 : score));
    return true;
  }
  /** Turns a detached tree that the limits allow to be packed into a packed sequence. Without room it stays a tree. */
  packIfSmall(): void {
    const { bank, size } = this;
    if (!this.isTree || size > maxPackedEntries) return;
    const nodes = new Int32Array(size);
    tree.collect(bank, this.ref, 0, size, false, nodes);
    for (const node of nodes) if (tree.memberLength(bank.i32, node) > maxPackedBytes) return;
    let ref = packed.create(bank);
    for (const node of nodes) {
      if (ref === 0) return;
      const start = tree.memberStart(bank.i32, node);
      const room = packed.reserve(bank, ref, packed.contentSize(bank, ref) + tree.memberLength(bank.i32, node) + MAX_PAIR_OVERHEAD_BYTES);
      if (room === 0) {
        packed.free(bank, ref);
        return;
      }
      const score = tree.scoreOf(bank.i32, node);
      ref = packed.append(bank, room, bank.u8, start, start + tree.memberLength(bank.i32, node));
      ref = packed.appendNumber(bank, ref, score === 0 ? 0 : score);
    }
    if (ref === 0) return;
    const old = this.ref;
    this.ref = ref;
    this.isTree = false;
    while (!tree.freeSome(bank, old, Number.MAX_SAFE_INTEGER));
  }
  private turnIntoTree(): void {
    const { bank, keyspace } = this;
    const set = tree.create(bank, keyspace.seed);
    if (set === 0) throw new OutOfMemory();
    for (let at = packed.first(bank, this.ref); at !== 0; at = this.following(at)) {
      packed.read(bank, at, element);
      if (tree.add(bank, set, element.bytes, element.start, element.end, this.score(at)) !== 0) continue;
      while (!tree.freeSome(bank, set, Number.MAX_SAFE_INTEGER));
      throw new OutOfMemory();
    }
    packed.free(bank, this.ref);
    this.ref = set;
    this.isTree = true;
    if (this.entry !== DETACHED) keyspace.moveValue(this.entry, TREE, set);
  }
}
const oneNode = new Int32Array(1);

/** Walks a part of a sorted set by order. What it lends is valid until it moves on or the set changes. */
export class ZsetCursor {
  readonly element = new Element();
  handle = 0;
  private readonly batch = new Int32Array(BATCH_NODES);
  zset!: Zset;
  private left = 0;
  private rank = 0;
  private isReverse = false;
  private place = 0;
  private filled = 0;
  private isFirst = true;

  /** Starts at a rank, for at most `count` members, downwards with `isReverse`. `next` takes the first one. */
  open(zset: Zset, rank: number, count: number, isReverse: boolean): this {
    if (this.zset !== zset) this.zset = zset;
    this.rank = rank;
    this.isReverse = isReverse;
    this.left = Math.max(0, Math.min(count, isReverse ? rank + 1 : zset.size - rank));
    this.place = 0;
    this.filled = 0;
    this.isFirst = true;
    return this;
  }
  next(): boolean {
    if (!this.advance()) return false;
    this.zset.member(this.handle, this.element);
    return true;
  }
  /** As `next`, without lending the member. */
  advance(): boolean {
    if (this.left === 0) return false;
    this.left--;
    const { zset } = this;
    const { bank, ref } = zset;
    if (zset.isTree) {
      if (this.place === this.filled) this.fill();
      this.handle = this.batch[this.place++]!;
    } else if (this.isFirst) {
      this.handle = packed.seek(bank, ref, this.rank * 2);
    } else if (this.isReverse) {
      this.handle = packed.previous(bank, ref, packed.previous(bank, ref, this.handle));
    } else {
      this.handle = packed.next(bank, ref, packed.next(bank, ref, this.handle));
    }
    this.isFirst = false;
    return true;
  }
  /** In a tree, in the place of `advance`: puts the members that come next into `nodes`; returns how many, 0 at the end. */
  nextNodes(): number {
    if (this.left === 0) return 0;
    this.left--;
    this.fill();
    this.left -= this.filled - 1;
    return this.filled;
  }
  get nodes(): Int32Array {
    return this.batch;
  }
  /** The score of the member that the cursor is on. */
  get score(): number {
    return this.zset.score(this.handle);
  }
  private fill(): void {
    const { zset, isReverse } = this;
    this.filled = tree.collect(zset.bank, zset.ref, this.rank, this.left + 1, isReverse, this.batch);
    this.rank += isReverse ? -this.filled : this.filled;
    this.place = 0;
  }
}

registerType(TYPE_ZSET, {
  tableEncoding: TREE,
  encodingName: (_bank, _ref, encoding) => (encoding === TREE ? 'skiplist' : 'listpack'),
  length: (bank, ref, encoding) => (encoding === TREE ? tree.size(bank, ref) : packed.length(bank, ref) >>> 1),
  usedWords: (bank, ref, encoding) => (encoding === TREE ? tree.usedWords(bank, ref, 16) : packed.usedWords(bank, ref)),
  copy: (bank, ref, encoding, to) => (encoding === TREE ? tree.copyTo(bank, ref, to) : packed.copy(bank, ref, to)),
  freeSome(bank, ref, encoding, limit) {
    if (encoding === TREE) return tree.freeSome(bank, ref, limit);
    packed.free(bank, ref);
    return true;
  },
  walk(bank, ref, encoding, visit) {
    if (encoding === PACKED) {
      for (let at = packed.first(bank, ref); at !== 0; at = packed.next(bank, ref, at)) {
        packed.read(bank, at, element);
        visit(element);
      }
      return;
    }
    const batch = new Int32Array(BATCH_NODES);
    for (let done = 0; done < tree.size(bank, ref); done += batch.length) {
      const count = tree.collect(bank, ref, done, batch.length, false, batch);
      for (let index = 0; index < count; index++) {
        const node = batch[index]!;
        const start = tree.memberStart(bank.i32, node);
        element.lend(bank, start, start + tree.memberLength(bank.i32, node));
        visit(element);
        const score = tree.scoreOf(bank.i32, node);
        element.lendDigits(score, packed.writeNumber(element.digits, score, true));
        visit(element);
      }
    }
  },
  check(bank, ref, encoding) {
    if (encoding === TREE) tree.check(bank, ref);
    else packed.check(bank, ref);
  },
});
