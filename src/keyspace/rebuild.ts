/**
 * The requests that make a key what it is: for snapshots in RESP, and for the log where a command failed half way. Every type of value
 * may register how it is rebuilt; the general way is the type's elements in its own order, by the command that adds them.
 */
import type { RequestWriter } from '../resp/request-writer.ts';
import { keyLengthBytes, keyStartByte } from '../structures/dict.ts';
import type { Element } from '../structures/packed.ts';
import type { Keyspace } from './keyspace.ts';
import { operationsOf, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET } from './values.ts';

/** Writes requests that build the value of `entry` in the entered shard under key[start, end), its expiry left out. */
export type Rebuilder = (keyspace: Keyspace, entry: number, key: Buffer, start: number, end: number, into: RequestWriter) => void;

const rebuilders: (Rebuilder | undefined)[] = [];

/** Makes a type's own way known, as its module loads. Not needed where the elements of `walk` and one command say it all. */
export function registerRebuilder(type: number, rebuilder: Rebuilder): void {
  rebuilders[type] = rebuilder;
}

/** Elements (pairs count as one) a request, as Redis writes them: readers keep one request in memory. */
const ITEMS_PER_REQUEST = 64;

/** Writes the requests for an entry of the entered shard; its latch is held. */
export function rebuild(keyspace: Keyspace, entry: number, into: RequestWriter): void {
  const { bank } = keyspace;
  const start = keyStartByte(bank.i32, entry);
  const end = start + keyLengthBytes(bank.i32, entry);
  const type = keyspace.type(entry);
  const expiryMs = keyspace.expiryMs(entry);
  if (type === TYPE_STRING) {
    const value = keyspace.stringStart(entry);
    into.begin('SET', expiryMs < 0 ? 3 : 5);
    into.bytes(bank.u8, start, end);
    into.bytes(bank.u8, value, value + keyspace.stringLength(entry));
    if (expiryMs >= 0) {
      into.text('PXAT');
      into.number(expiryMs);
    }
    return;
  }
  const rebuilder = rebuilders[type] ?? rebuildElements;
  rebuilder(keyspace, entry, bank.u8, start, end, into);
  if (expiryMs < 0) return;
  into.begin('PEXPIREAT', 3);
  into.bytes(bank.u8, start, end);
  into.number(expiryMs);
}

const ADDERS: Readonly<Record<number, string>> = {
  [TYPE_LIST]: 'RPUSH',
  [TYPE_SET]: 'SADD',
  [TYPE_HASH]: 'HSET',
  [TYPE_ZSET]: 'ZADD',
};

function put(into: RequestWriter, element: Element): void {
  if (element.isNumber) into.number(element.number);
  else into.bytes(element.bytes, element.start, element.end);
}

/** The general way: the elements as `walk` lends them. */
export const rebuildElements: Rebuilder = (keyspace, entry, key, start, end, into) => {
  const type = keyspace.type(entry);
  const of = operationsOf(type);
  const { bank } = keyspace;
  const ref = keyspace.valueRef(entry);
  const encoding = keyspace.encoding(entry);
  const perItem = type === TYPE_HASH || type === TYPE_ZSET ? 2 : 1;
  let left = of.length(bank, ref, encoding);
  let inRequest = 0;
  let isSecond = false;
  // ZADD wants a score in front of its member, which is lent first: the member waits here.
  let kept = Buffer.allocUnsafeSlow(0);
  of.walk(bank, ref, encoding, (element) => {
    if (!isSecond && inRequest === 0) {
      inRequest = Math.min(left, ITEMS_PER_REQUEST);
      left -= inRequest;
      into.begin(ADDERS[type] as string, 2 + inRequest * perItem);
      into.bytes(key, start, end);
    }
    if (type === TYPE_ZSET && !isSecond) {
      kept = element.isNumber
        ? Buffer.from(String(element.number), 'latin1')
        : Buffer.from(element.bytes.subarray(element.start, element.end));
    } else {
      put(into, element);
      if (type === TYPE_ZSET) into.bytes(kept, 0, kept.length);
    }
    isSecond = perItem === 2 && !isSecond;
    if (!isSecond) inRequest--;
  });
};
