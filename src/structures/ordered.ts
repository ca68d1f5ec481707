/**
 * The order of a sorted set: a B+-tree that counts (R. Bayer, E. McCreight, "Organization and maintenance of large ordered
 * indexes", 1972; each child's number of entries stands beside it, so a rank costs one descent). An entry is a score and the ref
 * of the member's node (sorted-set.ts); the member's bytes are in that node alone, and are read only where scores are equal.
 *
 *   header (words +0, +1, +7, +8 of the sorted set's block)      leaf, 136 words          inner node, 136 words
 *   +0 root       ref, 0 is an empty tree                       word 0  count             word 0  count of children
 *   +1 height     levels of inner nodes above the leaves        word 1  previous leaf     word 1+ 27 children of 5 words:
 *   +7 first leaf                                               word 2  next leaf                 high, low, ref of the child's
 *   +8 last leaf                                                word 4+ 44 entries of             least entry; the child;
 *                                                                       3 words: high,            entries below it
 *                                                                       low, ref
 *
 * high and low are the score's bits, turned so that two signed comparisons order them as doubles: the 32 upper bits (all but the
 * sign flipped when it is negative), and the lower ones (flipped likewise, and their top bit once more). -0 stands as 0.
 *
 * Contract: writers hold the exclusive latch of the shard, readers at least the shared one. The work variables below are this
 * thread's own; what a function leaves in them is valid until the next call.
 */
import type { Bank } from '../memory/bank.ts';
import { keyLengthBytes, keyStartByte } from './dict.ts';

/** Words of a member's node before the member: the table's two, and the score. */
export const FIXED_WORDS = 4;

const ROOT = 0;
const HEIGHT = 1;
const FIRST_LEAF = 7;
const LAST_LEAF = 8;

const NODE_WORDS = 136;
const COUNT = 0;
const PREVIOUS = 1;
const NEXT = 2;
const LEAF_HEADER = 4;
const ENTRY_WORDS = 3;
const LEAF_MAX = 44;
const INNER_HEADER = 1;
const CHILD_WORDS = 5;
const INNER_MAX = 27;
const CHILD = 3;
const SIZE = 4;
/** A node that shrinks to a third joins a neighbour when both fill three quarters at the most: so neither splits again soon. */
const LEAF_MIN = 14;
const LEAF_MERGED_MAX = 33;
const INNER_MIN = 9;
const INNER_MERGED_MAX = 20;
const MAX_HEIGHT = 12;

if (LEAF_HEADER + LEAF_MAX * ENTRY_WORDS !== NODE_WORDS) throw new Error('a leaf does not fill its node');
if (INNER_HEADER + INNER_MAX * CHILD_WORDS !== NODE_WORDS) throw new Error('an inner node does not fill its node');

// The key that the current call looks for.
const scratch = new Float64Array(1);
const scratchWords = new Int32Array(scratch.buffer);
let keyHigh = 0;
let keyLow = 0;
let keyBytes: Uint8Array = new Uint8Array(0);
let keyStart = 0;
/** Below keyStart: behind every member with the score. */
let keyEnd = 0;

/** Where the last descent went: the node of each level and the child (at level 0 the entry) taken in it. */
const pathNode = new Int32Array(MAX_HEIGHT + 1);
const pathIndex = new Int32Array(MAX_HEIGHT + 1);
const spares: number[] = [];

function setScore(score: number): void {
  scratch[0] = score === 0 ? 0 : score;
  const high = scratchWords[1]!;
  const low = scratchWords[0]!;
  keyHigh = high < 0 ? high ^ 0x7fffffff : high;
  keyLow = (high < 0 ? ~low : low) ^ 0x80000000;
}
function setKeyToNode(bank: Bank, node: number, score: number): void {
  setScore(score);
  keyBytes = bank.u8;
  keyStart = keyStartByte(bank.i32, node, FIXED_WORDS);
  keyEnd = keyStart + keyLengthBytes(bank.i32, node, FIXED_WORDS);
}

/** Below zero when the entry at word `at` stands before the key, zero when it is the key, above zero behind. */
function compare(i32: Int32Array, u8: Uint8Array, at: number): number {
  const high = i32[at]!;
  if (high !== keyHigh) return high < keyHigh ? -1 : 1;
  const low = i32[at + 1]!;
  if (low !== keyLow) return low < keyLow ? -1 : 1;
  return compareMember(i32, u8, i32[at + 2]!);
}
function compareMember(i32: Int32Array, u8: Uint8Array, node: number): number {
  const length = keyEnd - keyStart;
  if (length < 0) return -1;
  const start = keyStartByte(i32, node, FIXED_WORDS);
  const nodeLength = keyLengthBytes(i32, node, FIXED_WORDS);
  const both = nodeLength < length ? nodeLength : length;
  for (let index = 0; index < both; index++) {
    const difference = u8[start + index]! - keyBytes[keyStart + index]!;
    if (difference !== 0) return difference;
  }
  return nodeLength - length;
}

/** Leaves the path to the first entry that isn't before the key; returns how many entries are before it. */
function descend(bank: Bank, head: number): number {
  const { i32, u8 } = bank;
  let node = i32[head + ROOT]!;
  let before = 0;
  for (let level = i32[head + HEIGHT]!; level > 0; level--) {
    let low = 1;
    let high = i32[node + COUNT]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(i32, u8, node + INNER_HEADER + middle * CHILD_WORDS) <= 0) low = middle + 1;
      else high = middle;
    }
    const taken = low - 1;
    for (let child = 0; child < taken; child++) before += i32[node + INNER_HEADER + child * CHILD_WORDS + SIZE]!;
    pathNode[level] = node;
    pathIndex[level] = taken;
    node = i32[node + INNER_HEADER + taken * CHILD_WORDS + CHILD]!;
  }
  let low = 0;
  let high = i32[node + COUNT]!;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(i32, u8, node + LEAF_HEADER + middle * ENTRY_WORDS) < 0) low = middle + 1;
    else high = middle;
  }
  pathNode[0] = node;
  pathIndex[0] = low;
  return before + low;
}

// ---- reading ----

/** Entries whose score is below `score`, or with `orEqual` not above it. */
export function rankOfScore(bank: Bank, head: number, score: number, orEqual: boolean): number {
  if (bank.i32[head + ROOT] === 0) return 0;
  setScore(score);
  keyStart = 0;
  keyEnd = orEqual ? -1 : 0;
  return descend(bank, head);
}

/** Entries before the member in a tree whose scores are all the same, with `orEqual` the member's own too. */
export function rankOfMember(bank: Bank, head: number, bytes: Uint8Array, start: number, end: number, orEqual: boolean): number {
  const { i32, u8 } = bank;
  if (i32[head + ROOT] === 0) return 0;
  const first = i32[head + FIRST_LEAF]! + LEAF_HEADER;
  keyHigh = i32[first]!;
  keyLow = i32[first + 1]!;
  keyBytes = bytes;
  keyStart = start;
  keyEnd = end;
  const rank = descend(bank, head);
  if (!orEqual || pathIndex[0] === i32[pathNode[0]! + COUNT]) return rank;
  return compare(i32, u8, pathNode[0]! + LEAF_HEADER + pathIndex[0]! * ENTRY_WORDS) === 0 ? rank + 1 : rank;
}

/** The place of a node that is in the tree with this score, from 0. */
export function rankOfNode(bank: Bank, head: number, node: number, score: number): number {
  setKeyToNode(bank, node, score);
  return descend(bank, head);
}

/**
 * Writes the nodes from rank `from` on into `out`, downwards with `isReverse`, as many as `count` says, `out` holds and there are;
 * returns how many.
 */
export function collect(bank: Bank, head: number, from: number, count: number, isReverse: boolean, out: Int32Array): number {
  const { i32 } = bank;
  let node = i32[head + ROOT]!;
  if (node === 0) return 0;
  let index = from;
  for (let level = i32[head + HEIGHT]!; level > 0; level--) {
    let at = node + INNER_HEADER;
    const last = at + (i32[node + COUNT]! - 1) * CHILD_WORDS;
    while (at < last && index >= i32[at + SIZE]!) {
      index -= i32[at + SIZE]!;
      at += CHILD_WORDS;
    }
    node = i32[at + CHILD]!;
  }
  const wanted = count < out.length ? count : out.length;
  let written = 0;
  while (node !== 0 && written < wanted) {
    const size = i32[node + COUNT]!;
    if (isReverse) {
      while (index >= 0 && written < wanted) out[written++] = i32[node + LEAF_HEADER + index-- * ENTRY_WORDS + 2]!;
      node = i32[node + PREVIOUS]!;
      index = node === 0 ? 0 : i32[node + COUNT]! - 1;
    } else {
      while (index < size && written < wanted) out[written++] = i32[node + LEAF_HEADER + index++ * ENTRY_WORDS + 2]!;
      node = i32[node + NEXT]!;
      index = 0;
    }
  }
  return written;
}

// ---- inserting ----

/** Puts in a node that isn't in the tree with this score yet. False when the bank is full: nothing has changed then. */
export function insert(bank: Bank, head: number, node: number, score: number): boolean {
  const { i32 } = bank;
  if (i32[head + ROOT] === 0 && !createRoot(bank, head)) return false;
  setKeyToNode(bank, node, score);
  descend(bank, head);
  const leaf = pathNode[0]!;
  if (i32[leaf + COUNT] === LEAF_MAX) return splitAndInsert(bank, head, node);
  putEntry(i32, leaf, pathIndex[0]!, node);
  for (let level = 1; level <= i32[head + HEIGHT]!; level++) {
    i32[pathNode[level]! + INNER_HEADER + pathIndex[level]! * CHILD_WORDS + SIZE]!++;
  }
  if (pathIndex[0] === 0) copyLeastUp(i32, head);
  return true;
}

function createRoot(bank: Bank, head: number): boolean {
  const leaf = bank.alloc(NODE_WORDS);
  if (leaf === 0) return false;
  const { i32 } = bank;
  i32[leaf + COUNT] = 0;
  i32[leaf + PREVIOUS] = 0;
  i32[leaf + NEXT] = 0;
  i32[head + ROOT] = leaf;
  i32[head + HEIGHT] = 0;
  i32[head + FIRST_LEAF] = leaf;
  i32[head + LAST_LEAF] = leaf;
  return true;
}

function putEntry(i32: Int32Array, leaf: number, index: number, node: number): void {
  const at = leaf + LEAF_HEADER + index * ENTRY_WORDS;
  const end = leaf + LEAF_HEADER + i32[leaf + COUNT]! * ENTRY_WORDS;
  if (at !== end) i32.copyWithin(at + ENTRY_WORDS, at, end);
  i32[at] = keyHigh;
  i32[at + 1] = keyLow;
  i32[at + 2] = node;
  i32[leaf + COUNT]!++;
}

/** After the path's nodes have a new least entry: every parent on the path notes it. */
function copyLeastUp(i32: Int32Array, head: number): void {
  const height = i32[head + HEIGHT]!;
  for (let level = 1; level <= height; level++) copyLeast(i32, level);
}
function copyLeast(i32: Int32Array, level: number): void {
  const child = pathNode[level - 1]!;
  const from = child + (level === 1 ? LEAF_HEADER : INNER_HEADER);
  const at = pathNode[level]! + INNER_HEADER + pathIndex[level]! * CHILD_WORDS;
  i32[at] = i32[from]!;
  i32[at + 1] = i32[from + 1]!;
  i32[at + 2] = i32[from + 2]!;
}

/** The nodes that splitting the path needs, allocated before anything changes: one for each full node, and a new root. */
function reserveSpares(bank: Bank, head: number): boolean {
  const { i32 } = bank;
  const height = i32[head + HEIGHT]!;
  let level = 1;
  while (level <= height && i32[pathNode[level]! + COUNT] === INNER_MAX) level++;
  const needed = level > height ? level + 1 : level;
  if (needed > MAX_HEIGHT) return false;
  while (spares.length < needed) {
    const spare = bank.alloc(NODE_WORDS);
    if (spare === 0) {
      while (spares.length > 0) bank.free(spares.pop() as number);
      return false;
    }
    spares.push(spare);
  }
  return true;
}

function splitAndInsert(bank: Bank, head: number, node: number): boolean {
  if (!reserveSpares(bank, head)) return false;
  const { i32 } = bank;
  const leaf = pathNode[0]!;
  const index = pathIndex[0]!;
  // What is added behind all others opens a leaf of its own: a sorted load leaves full leaves behind it.
  const isAppend = index === LEAF_MAX && i32[leaf + NEXT] === 0;
  const keep = isAppend ? LEAF_MAX : LEAF_MAX >>> 1;
  const right = spares.pop() as number;
  const from = leaf + LEAF_HEADER;
  i32.copyWithin(right + LEAF_HEADER, from + keep * ENTRY_WORDS, from + LEAF_MAX * ENTRY_WORDS);
  i32[right + COUNT] = LEAF_MAX - keep;
  i32[leaf + COUNT] = keep;
  const next = i32[leaf + NEXT]!;
  i32[right + NEXT] = next;
  i32[right + PREVIOUS] = leaf;
  i32[leaf + NEXT] = right;
  if (next === 0) i32[head + LAST_LEAF] = right;
  else i32[next + PREVIOUS] = right;
  if (index > keep || isAppend) putEntry(i32, right, index - keep, node);
  else putEntry(i32, leaf, index, node);
  if (index === 0) copyLeastUp(i32, head);
  addToParents(i32, head, right, isAppend);
  return true;
}

/** Hangs a node that was split off the path's leaf into its parent, which may be full and split as well, up to a new root. */
function addToParents(i32: Int32Array, head: number, firstRight: number, isAppend: boolean): void {
  const height = i32[head + HEIGHT]!;
  let right = firstRight;
  for (let level = 1; level <= height; level++) {
    const node = pathNode[level]!;
    const index = pathIndex[level]!;
    if (right === 0) {
      i32[node + INNER_HEADER + index * CHILD_WORDS + SIZE]!++;
      continue;
    }
    i32[node + INNER_HEADER + index * CHILD_WORDS + SIZE] = sizeOf(i32, pathNode[level - 1]!, level - 1);
    if (i32[node + COUNT]! < INNER_MAX) {
      putChild(i32, node, index + 1, right, level - 1);
      right = 0;
      continue;
    }
    const keep = isAppend && index === INNER_MAX - 1 ? INNER_MAX : INNER_MAX >>> 1;
    const other = spares.pop() as number;
    const from = node + INNER_HEADER;
    i32.copyWithin(other + INNER_HEADER, from + keep * CHILD_WORDS, from + INNER_MAX * CHILD_WORDS);
    i32[other + COUNT] = INNER_MAX - keep;
    i32[node + COUNT] = keep;
    if (index + 1 > keep || keep === INNER_MAX) putChild(i32, other, index + 1 - keep, right, level - 1);
    else putChild(i32, node, index + 1, right, level - 1);
    right = other;
  }
  if (right === 0) return;
  const root = spares.pop() as number;
  i32[root + COUNT] = 0;
  putChild(i32, root, 0, i32[head + ROOT]!, height);
  putChild(i32, root, 1, right, height);
  i32[head + ROOT] = root;
  i32[head + HEIGHT] = height + 1;
}

function putChild(i32: Int32Array, node: number, index: number, child: number, childLevel: number): void {
  const at = node + INNER_HEADER + index * CHILD_WORDS;
  const end = node + INNER_HEADER + i32[node + COUNT]! * CHILD_WORDS;
  if (at !== end) i32.copyWithin(at + CHILD_WORDS, at, end);
  const least = child + (childLevel === 0 ? LEAF_HEADER : INNER_HEADER);
  i32[at] = i32[least]!;
  i32[at + 1] = i32[least + 1]!;
  i32[at + 2] = i32[least + 2]!;
  i32[at + CHILD] = child;
  i32[at + SIZE] = sizeOf(i32, child, childLevel);
  i32[node + COUNT]!++;
}
/** Entries below a node. */
function sizeOf(i32: Int32Array, node: number, level: number): number {
  const count = i32[node + COUNT]!;
  if (level === 0) return count;
  let size = 0;
  for (let child = 0; child < count; child++) size += i32[node + INNER_HEADER + child * CHILD_WORDS + SIZE]!;
  return size;
}

// ---- removing ----

/** Takes out the entry of a node that stands in the tree with this score. The node isn't touched. */
export function erase(bank: Bank, head: number, node: number, score: number): void {
  const { i32 } = bank;
  setKeyToNode(bank, node, score);
  descend(bank, head);
  const leaf = pathNode[0]!;
  const at = leaf + LEAF_HEADER + pathIndex[0]! * ENTRY_WORDS;
  const end = leaf + LEAF_HEADER + i32[leaf + COUNT]! * ENTRY_WORDS;
  if (at >= end || i32[at + 2] !== node) throw new Error(ERR_NOT_THERE);
  if (at + ENTRY_WORDS !== end) i32.copyWithin(at, at + ENTRY_WORDS, end);
  i32[leaf + COUNT]!--;
  const height = i32[head + HEIGHT]!;
  for (let level = 1; level <= height; level++) {
    i32[pathNode[level]! + INNER_HEADER + pathIndex[level]! * CHILD_WORDS + SIZE]!--;
  }
  for (let level = 0; level < height; level++) shrink(bank, head, level);
  while (i32[head + HEIGHT]! > 0 && i32[i32[head + ROOT]! + COUNT] === 1) {
    const root = i32[head + ROOT]!;
    i32[head + ROOT] = i32[root + INNER_HEADER + CHILD]!;
    i32[head + HEIGHT]!--;
    bank.free(root);
  }
}
const ERR_NOT_THERE = 'the node is not in the tree with this score';

/** After an entry below it went: an empty node goes too, a small one joins a neighbour, and the parent's notes are set right. */
function shrink(bank: Bank, head: number, level: number): void {
  const { i32 } = bank;
  const node = pathNode[level]!;
  const parent = pathNode[level + 1]!;
  const index = pathIndex[level + 1]!;
  const count = i32[node + COUNT]!;
  if (count === 0) {
    dropChild(bank, head, parent, index, level);
    return;
  }
  copyLeast(i32, level + 1);
  if (count > (level === 0 ? LEAF_MIN : INNER_MIN)) return;
  const most = level === 0 ? LEAF_MERGED_MAX : INNER_MERGED_MAX;
  const at = parent + INNER_HEADER + index * CHILD_WORDS;
  if (index + 1 < i32[parent + COUNT]! && count + i32[i32[at + CHILD_WORDS + CHILD]! + COUNT]! <= most) {
    mergeNext(bank, head, parent, index, level);
  } else if (index > 0 && count + i32[i32[at - CHILD_WORDS + CHILD]! + COUNT]! <= most) {
    mergeNext(bank, head, parent, index - 1, level);
  }
}

/** Joins child `index + 1` to child `index`. */
function mergeNext(bank: Bank, head: number, parent: number, index: number, level: number): void {
  const { i32 } = bank;
  const at = parent + INNER_HEADER + index * CHILD_WORDS;
  const left = i32[at + CHILD]!;
  const right = i32[at + CHILD_WORDS + CHILD]!;
  const header = level === 0 ? LEAF_HEADER : INNER_HEADER;
  const words = level === 0 ? ENTRY_WORDS : CHILD_WORDS;
  const from = right + header;
  i32.copyWithin(left + header + i32[left + COUNT]! * words, from, from + i32[right + COUNT]! * words);
  i32[left + COUNT]! += i32[right + COUNT]!;
  i32[at + SIZE]! += i32[at + CHILD_WORDS + SIZE]!;
  dropChild(bank, head, parent, index + 1, level);
}

/** Frees a child whose entries are gone or elsewhere. */
function dropChild(bank: Bank, head: number, parent: number, index: number, level: number): void {
  const { i32 } = bank;
  const at = parent + INNER_HEADER + index * CHILD_WORDS;
  const child = i32[at + CHILD]!;
  if (level === 0) {
    const previous = i32[child + PREVIOUS]!;
    const next = i32[child + NEXT]!;
    if (previous === 0) i32[head + FIRST_LEAF] = next;
    else i32[previous + NEXT] = next;
    if (next === 0) i32[head + LAST_LEAF] = previous;
    else i32[next + PREVIOUS] = previous;
  }
  bank.free(child);
  i32.copyWithin(at, at + CHILD_WORDS, parent + INNER_HEADER + i32[parent + COUNT]! * CHILD_WORDS);
  i32[parent + COUNT]!--;
}

// ---- the end, and the check ----

/**
 * Frees the tree and calls `freeNode` for every node, in steps of about `budget` blocks; true when nothing is left. Between two
 * steps the tree serves nothing else.
 */
export function discardSome(bank: Bank, head: number, budget: number, freeNode: (node: number) => void): boolean {
  const { i32 } = bank;
  const root = i32[head + ROOT]!;
  if (root === 0) return true;
  if (discardNode(bank, root, i32[head + HEIGHT]!, budget, freeNode) < 0) return false;
  i32[head + ROOT] = 0;
  return true;
}
/**
 * Works from the node's end, counting down, so that a later step goes on from there. Returns the budget that is left when the node
 * is gone, -1 when it isn't.
 */
function discardNode(bank: Bank, node: number, level: number, budget: number, freeNode: (node: number) => void): number {
  const { i32 } = bank;
  let left = budget;
  while (i32[node + COUNT]! > 0) {
    if (left <= 0) return -1;
    const last = i32[node + COUNT]! - 1;
    if (level === 0) {
      freeNode(i32[node + LEAF_HEADER + last * ENTRY_WORDS + 2]!);
      left--;
    } else {
      left = discardNode(bank, i32[node + INNER_HEADER + last * CHILD_WORDS + CHILD]!, level - 1, left, freeNode);
      if (left < 0) return -1;
    }
    i32[node + COUNT] = last;
  }
  if (left <= 0) return -1;
  bank.free(node);
  return left - 1;
}

/** Words of the tree's own blocks. */
export function treeWords(bank: Bank, head: number): number {
  const { i32 } = bank;
  const root = i32[head + ROOT]!;
  return root === 0 ? 0 : nodeWords(i32, root, i32[head + HEIGHT]!);
}
function nodeWords(i32: Int32Array, node: number, level: number): number {
  if (level === 0) return NODE_WORDS;
  const count = i32[node + COUNT]!;
  if (level === 1) return (count + 1) * NODE_WORDS;
  let words = NODE_WORDS;
  for (let child = 0; child < count; child++) {
    words += nodeWords(i32, i32[node + INNER_HEADER + child * CHILD_WORDS + CHILD]!, level - 1);
  }
  return words;
}

/** Walks the tree and throws with what doesn't hold: order, sizes, least entries, links of the leaves. Returns the entries. */
export function checkTree(bank: Bank, head: number, scoreOf: (node: number) => number): number {
  const { i32, u8 } = bank;
  const root = i32[head + ROOT]!;
  if (root === 0) return 0;
  let previousLeaf = 0;
  let previousEntry = 0;
  const fail = (what: string): never => {
    throw new Error(`tree check: ${what}`);
  };
  const visit = (node: number, level: number): number => {
    const count = i32[node + COUNT]!;
    if (count === 0 && node !== root) fail('an empty node');
    if (level > 0) {
      let size = 0;
      for (let child = 0; child < count; child++) {
        const at = node + INNER_HEADER + child * CHILD_WORDS;
        const least = i32[at + CHILD]! + (level === 1 ? LEAF_HEADER : INNER_HEADER);
        for (let word = 0; word < 3; word++) if (i32[at + word] !== i32[least + word]) fail('a wrong least entry');
        const found = visit(i32[at + CHILD]!, level - 1);
        if (found !== i32[at + SIZE]) fail('a wrong size');
        size += found;
      }
      return size;
    }
    if (i32[node + PREVIOUS] !== previousLeaf) fail('a leaf is linked to the wrong one');
    if (previousLeaf !== 0 ? i32[previousLeaf + NEXT] !== node : i32[head + FIRST_LEAF] !== node) fail('a wrong next leaf');
    previousLeaf = node;
    for (let index = 0; index < count; index++) {
      const at = node + LEAF_HEADER + index * ENTRY_WORDS;
      setKeyToNode(bank, i32[at + 2]!, scoreOf(i32[at + 2]!));
      if (i32[at] !== keyHigh || i32[at + 1] !== keyLow) fail('an entry has another score than its node');
      if (previousEntry !== 0 && compare(i32, u8, previousEntry) >= 0) fail('entries out of order');
      previousEntry = at;
    }
    return count;
  };
  const size = visit(root, i32[head + HEIGHT]!);
  if (i32[head + LAST_LEAF] !== previousLeaf) fail('a wrong last leaf');
  return size;
}
