/**
 * A shard's lists by last use: doubly linked by refs in the entries (word 2 the newer neighbour, word 3 the older one), so that a
 * touch and an eviction take constant time. A list's header is two words: head (used last), tail (used longest ago).
 *
 * Contract: all calls hold the shard's exclusive latch.
 */
const NEWER = 2;
const OLDER = 3;

export function listPush(words: Int32Array, list: number, i32: Int32Array, entry: number): void {
  const head = words[list]!;
  i32[entry + NEWER] = 0;
  i32[entry + OLDER] = head;
  if (head !== 0) i32[head + NEWER] = entry;
  else words[list + 1] = entry;
  words[list] = entry;
}

export function listRemove(words: Int32Array, list: number, i32: Int32Array, entry: number): void {
  const newer = i32[entry + NEWER]!;
  const older = i32[entry + OLDER]!;
  if (newer !== 0) i32[newer + OLDER] = older;
  else words[list] = older;
  if (older !== 0) i32[older + NEWER] = newer;
  else words[list + 1] = newer;
}

/** `fresh` takes the place of `old`. */
export function listReplace(words: Int32Array, list: number, i32: Int32Array, old: number, fresh: number): void {
  const newer = i32[old + NEWER]!;
  const older = i32[old + OLDER]!;
  i32[fresh + NEWER] = newer;
  i32[fresh + OLDER] = older;
  if (newer !== 0) i32[newer + OLDER] = fresh;
  else words[list] = fresh;
  if (older !== 0) i32[older + NEWER] = fresh;
  else words[list + 1] = fresh;
}
/** The entry that was used next after this one, 0 behind the last. */
export function listNewer(i32: Int32Array, entry: number): number {
  return i32[entry + NEWER]!;
}
