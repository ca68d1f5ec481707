/** The janitor's part in fields that expire: it takes them away, and hashes that have none left. */

import { exclusive, releaseExclusive } from '../memory/latch.ts';
import { firstInBucket, META_EXTERNAL } from '../structures/dict.ts';
import { dueBlock, keyHashOf } from './hash-expiry.ts';
import { HashView } from './hash-value.ts';
import { areKeysLocked, mayUse } from './key-locks.ts';
import { type Keyspace, TYPE_HASH } from './keyspace.ts';
import * as layout from './layout.ts';

/** Fields that are removed under one latch. */
const FIELDS_AT_ONCE = 16;
const ERR_LOST = 'a hash with fields that expire has no entry in its shard';

const view = new HashView();

/** Removes fields whose time is over until `deadlineMs` of the clock of performance.now(); true when none is left. */
export function expireFields(keyspace: Keyspace, deadlineMs: number): boolean {
  const { control } = keyspace;
  for (let domain = 0; domain < layout.DOMAINS; domain++) {
    const head = layout.GLOBAL_WORDS + domain * layout.SHARD_WORDS;
    if (control[head + layout.SHARD_FIELD_HEAP_COUNT] === 0) continue;
    while (keyspace.mayExpire() && expireInShard(keyspace, domain, head)) {
      keyspace.log?.publish();
      if (performance.now() >= deadlineMs) return false;
    }
  }
  return true;
}

/** Removes some fields of the hash that is due first; false when none is. */
function expireInShard(keyspace: Keyspace, domain: number, head: number): boolean {
  const { control } = keyspace;
  exclusive(control, head);
  try {
    keyspace.enter(Math.floor(domain / layout.SHARDS), domain % layout.SHARDS);
    const block = dueBlock(control, head, keyspace.bank, keyspace.nowMs);
    if (block === 0) return false;
    const entry = entryOf(keyspace, head, block);
    keyspace.focus(entry);
    if (areKeysLocked(control) && !mayUse(keyspace, true)) return false;
    view.open(keyspace, entry);
    const removed = view.removeOver(FIELDS_AT_ONCE);
    view.dropIfEmpty();
    return removed > 0;
  } finally {
    releaseExclusive(control, head);
  }
}

function entryOf(keyspace: Keyspace, head: number, block: number): number {
  const { control, bank } = keyspace;
  let entry = firstInBucket(control, head, bank, keyHashOf(bank, block));
  for (; entry !== 0; entry = bank.i32[entry]!) {
    const isHash = (keyspace.meta(entry) & META_EXTERNAL) !== 0 && keyspace.type(entry) === TYPE_HASH;
    if (isHash && keyspace.valueRef(entry) === block) return entry;
  }
  throw new Error(ERR_LOST);
}
