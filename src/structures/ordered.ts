/**
 * The order of a sorted set: a B+-tree that counts (R. Bayer, E. McCreight, "Organization and maintenance of large ordered
 * indexes", 1972; each child's number of entries stands beside it, so a rank costs one descent). An entry is a score and the ref
 * of the member's node (sorted-set.ts); the member's bytes are in that node alone, and are read only where scores are equal.
 *
 *   header (words +0, +1, +7, +8, +10 of a sorted set's block)   leaf, 136 words          inner node, 136 words
 *   +0 root       ref, 0 is an empty tree                       word 0    count           word 0    count of children
 *   +1 height     levels of inner nodes above the leaves        word 1    previous leaf   word 1+   27 high, of each child's
 *   +7 first leaf                                               word 2    next leaf                 least entry
 *   +8 last leaf                                                word 4+   44 high         word 28+  27 low
 *   +10 nodes of the tree                                       word 48+  44 low          word 55+  27 refs
 *                                                               word 92+  44 refs         word 82+  27 children
 *                                                                                         word 109+ 27 entries below each
 *
 * high and low are the score's bits, turned so that two signed comparisons order them as doubles: the 32 upper bits (all but the
 * sign flipped when it is negative), and the lower ones (flipped likewise, and their top bit once more). -0 stands as 0. They stand in
 * columns, as a search reads the high ones of a node and, but for ties, nothing else: two cache lines.
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
const NODES = 10;

const NODE_WORDS = 136;
const COUNT = 0;
const PREVIOUS = 1;
const NEXT = 2;
const LEAF_MAX = 44;
const LEAF_HIGH = 4;
const LEAF_LOW = LEAF_HIGH + LEAF_MAX;
const LEAF_REF = LEAF_LOW + LEAF_MAX;
const INNER_MAX = 27;
const INNER_HIGH = 1;
const INNER_LOW = INNER_HIGH + INNER_MAX;
const INNER_REF = INNER_LOW + INNER_MAX;
const CHILD = INNER_REF + INNER_MAX;
const SIZE = CHILD + INNER_MAX;
/** A node that shrinks to a third joins a neighbour when both fill three quarters at the most: so neither splits again soon. */
const LEAF_MIN = 14;
const LEAF_MERGED_MAX = 33;
const INNER_MIN = 9;
const INNER_MERGED_MAX = 20;
const MAX_HEIGHT = 12;

if (LEAF_REF + LEAF_MAX !== NODE_WORDS || SIZE + INNER_MAX !== NODE_WORDS) throw new Error('a node is not filled');

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
/** Below zero when the entry whose columns stand at these words is before the key, zero when it is the key, above zero behind. */
function compare(i32: Int32Array, u8: Uint8Array, highAt: number, lowAt: number, refAt: number): number {
  const high = i32[highAt]!;
  if (high !== keyHigh) return high < keyHigh ? -1 : 1;
  const low = i32[lowAt]!;
  if (low !== keyLow) return low < keyLow ? -1 : 1;
  return compareMember(i32, u8, i32[refAt]!);
}

/** Leaves the path to the first entry that isn't before the key. */
function descend(bank: Bank, head: number): void {
  const { i32, u8 } = bank;
  let node = i32[head + ROOT]!;
  for (let level = i32[head + HEIGHT]!; level > 0; level--) {
    let low = 1;
    let high = i32[node + COUNT]!;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(i32, u8, node + INNER_HIGH + middle, node + INNER_LOW + middle, node + INNER_REF + middle) <= 0) low = middle + 1;
      else high = middle;
    }
    pathNode[level] = node;
    pathIndex[level] = low - 1;
    node = i32[node + CHILD + low - 1]!;
  }
  let low = 0;
  let high = i32[node + COUNT]!;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(i32, u8, node + LEAF_HIGH + middle, node + LEAF_LOW + middle, node + LEAF_REF + middle) < 0) low = middle + 1;
    else high = middle;
  }
  pathNode[0] = node;
  pathIndex[0] = low;
}
/** How many entries are before the one that the path leads to. */
function rankOfPath(i32: Int32Array, head: number): number {
  let before = pathIndex[0]!;
  for (let level = i32[head + HEIGHT]!; level > 0; level--) {
    const sizes = pathNode[level]! + SIZE;
    const taken = pathIndex[level]!;
    for (let child = 0; child < taken; child++) before += i32[sizes + child]!;
  }
  return before;
}

// ---- reading ----

/** Entries whose score is below `score`, or with `orEqual` not above it. */
export function rankOfScore(bank: Bank, head: number, score: number, orEqual: boolean): number {
  if (bank.i32[head + ROOT] === 0) return 0;
  setScore(score);
  keyStart = 0;
  keyEnd = orEqual ? -1 : 0;
  descend(bank, head);
  return rankOfPath(bank.i32, head);
}

/** Entries before the member in a tree whose scores are all the same, with `orEqual` the member's own too. */
export function rankOfMember(bank: Bank, head: number, bytes: Uint8Array, start: number, end: number, orEqual: boolean): number {
  const { i32, u8 } = bank;
  if (i32[head + ROOT] === 0) return 0;
  const first = i32[head + FIRST_LEAF]!;
  keyHigh = i32[first + LEAF_HIGH]!;
  keyLow = i32[first + LEAF_LOW]!;
  keyBytes = bytes;
  keyStart = start;
  keyEnd = end;
  descend(bank, head);
  const rank = rankOfPath(i32, head);
  if (!orEqual || pathIndex[0] === i32[pathNode[0]! + COUNT]) return rank;
  return compareMember(i32, u8, i32[pathNode[0]! + LEAF_REF + pathIndex[0]!]!) === 0 ? rank + 1 : rank;
}

/** The place of a node that is in the tree with this score, from 0. */
export function rankOfNode(bank: Bank, head: number, node: number, score: number): number {
  setKeyToNode(bank, node, score);
  descend(bank, head);
  return rankOfPath(bank.i32, head);
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
    let child = 0;
    const last = i32[node + COUNT]! - 1;
    while (child < last && index >= i32[node + SIZE + child]!) index -= i32[node + SIZE + child++]!;
    node = i32[node + CHILD + child]!;
  }
  // The last leaf stays when its last entry goes.
  const wanted = i32[node + COUNT] === 0 ? 0 : Math.min(count, out.length);
  let written = 0;
  while (node !== 0 && written < wanted) {
    const size = i32[node + COUNT]!;
    if (isReverse) {
      while (index >= 0 && written < wanted) out[written++] = i32[node + LEAF_REF + index--]!;
      node = i32[node + PREVIOUS]!;
      index = node === 0 ? 0 : i32[node + COUNT]! - 1;
    } else {
      while (index < size && written < wanted) out[written++] = i32[node + LEAF_REF + index++]!;
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
  if (i32[pathNode[0]! + COUNT] === LEAF_MAX) return splitAndInsert(bank, head, node);
  insertOnPath(i32, head, node);
  return true;
}
/** The path leads to where the key belongs, in a leaf with room. */
function insertOnPath(i32: Int32Array, head: number, node: number): void {
  putEntry(i32, pathNode[0]!, pathIndex[0]!, node);
  for (let level = i32[head + HEIGHT]!; level > 0; level--) i32[pathNode[level]! + SIZE + pathIndex[level]!]!++;
  if (pathIndex[0] === 0) copyLeastUp(i32, head);
}

function createRoot(bank: Bank, head: number): boolean {
  const leaf = bank.alloc(NODE_WORDS);
  if (leaf === 0) return false;
  const { i32 } = bank;
  i32.fill(0, leaf, leaf + LEAF_HIGH);
  i32[head + ROOT] = leaf;
  i32[head + HEIGHT] = 0;
  i32[head + NODES] = 1;
  i32[head + FIRST_LEAF] = leaf;
  i32[head + LAST_LEAF] = leaf;
  return true;
}

/** Moves entries from `index` on one place up, or (`by` -1) down onto the one before. A call that moves costs more than so few words. */
function shift(i32: Int32Array, leaf: number, index: number, count: number, by: 1 | -1): void {
  const end = by > 0 ? leaf + index : leaf + count - 1;
  for (let at = by > 0 ? leaf + count : leaf + index - 1; at !== end; at -= by) {
    i32[at + LEAF_HIGH] = i32[at + LEAF_HIGH - by]!;
    i32[at + LEAF_LOW] = i32[at + LEAF_LOW - by]!;
    i32[at + LEAF_REF] = i32[at + LEAF_REF - by]!;
  }
}
function putEntry(i32: Int32Array, leaf: number, index: number, node: number): void {
  const count = i32[leaf + COUNT]!;
  shift(i32, leaf, index, count, 1);
  i32[leaf + LEAF_HIGH + index] = keyHigh;
  i32[leaf + LEAF_LOW + index] = keyLow;
  i32[leaf + LEAF_REF + index] = node;
  i32[leaf + COUNT] = count + 1;
}

/** After the path's nodes have a new least entry: every parent on the path notes it. */
function copyLeastUp(i32: Int32Array, head: number): void {
  for (let level = 1; level <= i32[head + HEIGHT]!; level++) copyLeast(i32, level);
}
function copyLeast(i32: Int32Array, level: number): void {
  copyLeastOf(i32, pathNode[level]!, pathIndex[level]!, pathNode[level - 1]!, level - 1);
}
/** The least entry of a child, which is at `level`, is what its parent notes of it. */
function copyLeastOf(i32: Int32Array, parent: number, index: number, child: number, level: number): void {
  i32[parent + INNER_HIGH + index] = i32[child + (level === 0 ? LEAF_HIGH : INNER_HIGH)]!;
  i32[parent + INNER_LOW + index] = i32[child + (level === 0 ? LEAF_LOW : INNER_LOW)]!;
  i32[parent + INNER_REF + index] = i32[child + (level === 0 ? LEAF_REF : INNER_REF)]!;
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

/** One of the nodes that were reserved: it belongs to the tree now. */
function takeSpare(i32: Int32Array, head: number): number {
  i32[head + NODES]!++;
  return spares.pop() as number;
}
function splitAndInsert(bank: Bank, head: number, node: number): boolean {
  if (!reserveSpares(bank, head)) return false;
  const { i32 } = bank;
  const leaf = pathNode[0]!;
  const index = pathIndex[0]!;
  // What is added behind all others opens a leaf of its own: a sorted load leaves full leaves behind it.
  const isAppend = index === LEAF_MAX && i32[leaf + NEXT] === 0;
  const keep = isAppend ? LEAF_MAX : LEAF_MAX >>> 1;
  const right = takeSpare(i32, head);
  moveColumns(i32, LEAF_MAX, leaf, keep, LEAF_MAX, right, 0);
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
      i32[node + SIZE + index]!++;
      continue;
    }
    i32[node + SIZE + index] = sizeOf(i32, pathNode[level - 1]!, level - 1);
    if (i32[node + COUNT]! < INNER_MAX) {
      putChild(i32, node, index + 1, right, level - 1);
      right = 0;
      continue;
    }
    const keep = isAppend && index === INNER_MAX - 1 ? INNER_MAX : INNER_MAX >>> 1;
    const other = takeSpare(i32, head);
    moveColumns(i32, INNER_MAX, node, keep, INNER_MAX, other, 0);
    i32[other + COUNT] = INNER_MAX - keep;
    i32[node + COUNT] = keep;
    if (index + 1 > keep || keep === INNER_MAX) putChild(i32, other, index + 1 - keep, right, level - 1);
    else putChild(i32, node, index + 1, right, level - 1);
    right = other;
  }
  if (right === 0) return;
  const root = takeSpare(i32, head);
  i32[root + COUNT] = 0;
  putChild(i32, root, 0, i32[head + ROOT]!, height);
  putChild(i32, root, 1, right, height);
  i32[head + ROOT] = root;
  i32[head + HEIGHT] = height + 1;
}

function putChild(i32: Int32Array, node: number, index: number, child: number, childLevel: number): void {
  const count = i32[node + COUNT]!;
  if (index < count) moveColumns(i32, INNER_MAX, node, index, count, node, index + 1);
  copyLeastOf(i32, node, index, child, childLevel);
  i32[node + CHILD + index] = child;
  i32[node + SIZE + index] = sizeOf(i32, child, childLevel);
  i32[node + COUNT] = count + 1;
}
/** Copies entries or children [from, end) to where `index` of another node, or the same one, begins: `max` says which they are. */
function moveColumns(i32: Int32Array, max: number, node: number, from: number, end: number, to: number, index: number): void {
  for (let column = NODE_WORDS - max; column > 0; column -= max)
    i32.copyWithin(to + column + index, node + column + from, node + column + end);
}
/** Entries below a node. */
function sizeOf(i32: Int32Array, node: number, level: number): number {
  const count = i32[node + COUNT]!;
  if (level === 0) return count;
  let size = 0;
  for (let child = 0; child < count; child++) size += i32[node + SIZE + child]!;
  return size;
}

// ---- removing ----

/** Takes out the entry of a node that stands in the tree with this score. The node isn't touched. */
export function erase(bank: Bank, head: number, node: number, score: number): void {
  findEntry(bank, head, node, score);
  eraseOnPath(bank, head);
}
/** Leaves the path to the entry of a node. */
function findEntry(bank: Bank, head: number, node: number, score: number): void {
  setKeyToNode(bank, node, score);
  descend(bank, head);
  const leaf = pathNode[0]!;
  const index = pathIndex[0]!;
  if (index >= bank.i32[leaf + COUNT]! || bank.i32[leaf + LEAF_REF + index] !== node)
    throw new Error('the node is not in the tree with its score');
}
function eraseOnPath(bank: Bank, head: number): void {
  const { i32 } = bank;
  const leaf = pathNode[0]!;
  const index = pathIndex[0]!;
  const count = i32[leaf + COUNT]!;
  shift(i32, leaf, index + 1, count, -1);
  i32[leaf + COUNT] = count - 1;
  const height = i32[head + HEIGHT]!;
  for (let level = 1; level <= height; level++) i32[pathNode[level]! + SIZE + pathIndex[level]!]!--;
  for (let level = 0; level < height; level++) shrink(bank, head, level);
  while (i32[head + HEIGHT]! > 0 && i32[i32[head + ROOT]! + COUNT] === 1) {
    const root = i32[head + ROOT]!;
    i32[head + ROOT] = i32[root + CHILD]!;
    i32[head + HEIGHT]!--;
    i32[head + NODES]!--;
    bank.free(root);
  }
}

/** The path of an entry that is about to move. */
const oldNode = new Int32Array(MAX_HEIGHT + 1);
const oldIndex = new Int32Array(MAX_HEIGHT + 1);

/** Moves a node's entry to where another score belongs. False when the bank is full: nothing has changed then. */
export function move(bank: Bank, head: number, node: number, old: number, score: number): boolean {
  const { i32, u8 } = bank;
  findEntry(bank, head, node, old);
  const leaf = pathNode[0]!;
  let index = pathIndex[0]!;
  setScore(score);
  if (index > 0 && index + 1 < i32[leaf + COUNT]! && isBetween(i32, u8, leaf, index)) {
    // A small change, and it stays between its neighbours.
    i32[leaf + LEAF_HIGH + index] = keyHigh;
    i32[leaf + LEAF_LOW + index] = keyLow;
    return true;
  }
  const height = i32[head + HEIGHT]!;
  for (let level = 0; level <= height; level++) {
    oldNode[level] = pathNode[level]!;
    oldIndex[level] = pathIndex[level]!;
  }
  descend(bank, head);
  if (i32[pathNode[0]! + COUNT] === LEAF_MAX) {
    if (!splitAndInsert(bank, head, node)) return false;
    erase(bank, head, node, old);
    return true;
  }
  if (pathNode[0] === leaf && pathIndex[0]! <= index) index++;
  insertOnPath(i32, head, node);
  for (let level = 0; level <= height; level++) {
    pathNode[level] = oldNode[level]!;
    pathIndex[level] = oldIndex[level]!;
  }
  pathIndex[0] = index;
  eraseOnPath(bank, head);
  return true;
}
function isBetween(i32: Int32Array, u8: Uint8Array, leaf: number, index: number): boolean {
  const before = leaf + index - 1;
  const behind = leaf + index + 1;
  if (compare(i32, u8, before + LEAF_HIGH, before + LEAF_LOW, before + LEAF_REF) >= 0) return false;
  return compare(i32, u8, behind + LEAF_HIGH, behind + LEAF_LOW, behind + LEAF_REF) > 0;
}

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
  if (index + 1 < i32[parent + COUNT]! && count + i32[i32[parent + CHILD + index + 1]! + COUNT]! <= most) {
    mergeNext(bank, head, parent, index, level);
  } else if (index > 0 && count + i32[i32[parent + CHILD + index - 1]! + COUNT]! <= most) {
    mergeNext(bank, head, parent, index - 1, level);
  }
}

/** Joins child `index + 1` to child `index`. */
function mergeNext(bank: Bank, head: number, parent: number, index: number, level: number): void {
  const { i32 } = bank;
  const left = i32[parent + CHILD + index]!;
  const right = i32[parent + CHILD + index + 1]!;
  moveColumns(i32, level === 0 ? LEAF_MAX : INNER_MAX, right, 0, i32[right + COUNT]!, left, i32[left + COUNT]!);
  i32[left + COUNT]! += i32[right + COUNT]!;
  i32[parent + SIZE + index]! += i32[parent + SIZE + index + 1]!;
  dropChild(bank, head, parent, index + 1, level);
}

/** Frees a child whose entries are gone or elsewhere. */
function dropChild(bank: Bank, head: number, parent: number, index: number, level: number): void {
  const { i32 } = bank;
  const child = i32[parent + CHILD + index]!;
  if (level === 0) {
    const previous = i32[child + PREVIOUS]!;
    const next = i32[child + NEXT]!;
    if (previous === 0) i32[head + FIRST_LEAF] = next;
    else i32[previous + NEXT] = next;
    if (next === 0) i32[head + LAST_LEAF] = previous;
    else i32[next + PREVIOUS] = previous;
  }
  bank.free(child);
  i32[head + NODES]!--;
  moveColumns(i32, INNER_MAX, parent, index + 1, i32[parent + COUNT]!, parent, index);
  i32[parent + COUNT]!--;
}

// ---- the end, and the check ----

/**
 * Frees the tree and calls `freeNode` for every node, in steps of about `budget` blocks; true when nothing is left. Between two
 * steps the tree serves nothing else.
 */
export function discardSome(bank: Bank, head: number, budget: number, freeNode: (bank: Bank, node: number) => void): boolean {
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
function discardNode(bank: Bank, node: number, level: number, budget: number, freeNode: (bank: Bank, node: number) => void): number {
  const { i32 } = bank;
  let left = budget;
  while (i32[node + COUNT]! > 0) {
    if (left <= 0) return -1;
    const last = i32[node + COUNT]! - 1;
    if (level === 0) {
      freeNode(bank, i32[node + LEAF_REF + last]!);
      left--;
    } else {
      left = discardNode(bank, i32[node + CHILD + last]!, level - 1, left, freeNode);
      if (left < 0) return -1;
    }
    i32[node + COUNT] = last;
  }
  if (left <= 0) return -1;
  bank.free(node);
  return left - 1;
}

/** Words of its blocks. */
export const treeWords = ({ i32 }: Bank, head: number): number => (i32[head + ROOT] === 0 ? 0 : i32[head + NODES]! * NODE_WORDS);

/** Walks the tree and throws with what doesn't hold: order, sizes, least entries, links of the leaves. Returns the entries. */
export function checkTree(bank: Bank, head: number, scoreOf: (node: number) => number): number {
  const { i32, u8 } = bank;
  const root = i32[head + ROOT]!;
  if (root === 0) return 0;
  let previousLeaf = 0;
  /** A leaf and an index in one: both columns and entries are counted in words. */
  let previousEntry = 0;
  const fail = (what: string): never => {
    throw new Error(`tree check: ${what}`);
  };
  let nodes = 0;
  const visit = (node: number, level: number): number => {
    nodes++;
    const count = i32[node + COUNT]!;
    if (count === 0 && node !== root) fail('an empty node');
    if (level > 0) {
      let size = 0;
      for (let child = 0; child < count; child++) {
        const below = i32[node + CHILD + child]!;
        const least = [i32[node + INNER_HIGH + child], i32[node + INNER_LOW + child], i32[node + INNER_REF + child]];
        const columns = level === 1 ? [LEAF_HIGH, LEAF_LOW, LEAF_REF] : [INNER_HIGH, INNER_LOW, INNER_REF];
        if (columns.some((column, index) => i32[below + column] !== least[index])) fail('a wrong least entry');
        const found = visit(below, level - 1);
        if (found !== i32[node + SIZE + child]) fail('a wrong size');
        size += found;
      }
      return size;
    }
    if (i32[node + PREVIOUS] !== previousLeaf) fail('a leaf is linked to the wrong one');
    if (previousLeaf !== 0 ? i32[previousLeaf + NEXT] !== node : i32[head + FIRST_LEAF] !== node) fail('a wrong next leaf');
    previousLeaf = node;
    for (let index = 0; index < count; index++) {
      const ref = i32[node + LEAF_REF + index]!;
      setKeyToNode(bank, ref, scoreOf(ref));
      if (i32[node + LEAF_HIGH + index] !== keyHigh || i32[node + LEAF_LOW + index] !== keyLow) fail('an entry has another score');
      const at = previousEntry;
      if (at !== 0 && compare(i32, u8, at + LEAF_HIGH, at + LEAF_LOW, at + LEAF_REF) >= 0) fail('entries out of order');
      previousEntry = node + index;
    }
    return count;
  };
  const size = visit(root, i32[head + HEIGHT]!);
  if (i32[head + LAST_LEAF] !== previousLeaf) fail('a wrong last leaf');
  if (i32[head + NODES] !== nodes) fail('a wrong number of nodes');
  return size;
}
