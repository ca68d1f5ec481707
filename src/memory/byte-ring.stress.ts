/** A producer of byte-ring.test.ts: appends numbered lines as fast as there is room for them. */
import { Random } from '../../test/support/seed.ts';
import { stressThread } from '../../test/support/workers.ts';
import { type RingBuffers, RingProducer } from './byte-ring.ts';

export type RingStress = { readonly ring: RingBuffers; readonly seed: number; readonly lines: number };
export const TAGS = 3;
/** What says the tag of the lines behind it. */
export const PREFIXES = Array.from({ length: TAGS }, (_, tag) => Buffer.from(`@${tag}\r\n`));

/** A line that says who wrote it, as which one, under which tag, and how long it is. */
export function line(producer: number, n: number, tag: number, padding: number): Buffer {
  return Buffer.from(`${producer} ${n} ${tag} ${padding} ${'.'.repeat(padding)}\r\n`);
}

stressThread<RingStress, number>(({ data, index }) => {
  const random = new Random(data.seed + index * 104_729);
  const producer = new RingProducer(data.ring, index, null);
  const nap = new Int32Array(new SharedArrayBuffer(4));
  let tag = 0;
  for (let n = 0; n < data.lines; n++) {
    if (!producer.hasRoom()) {
      producer.publish();
      while (!producer.hasRoom()) Atomics.wait(nap, 0, 0, 1);
    }
    if (random.below(8) === 0) tag = random.below(TAGS);
    const bytes = line(index, n, tag, random.below(10) === 0 ? random.below(6000) : random.below(60));
    producer.append(tag, tag, PREFIXES, bytes, 0, bytes.length);
    if (random.below(16) === 0) {
      producer.publish();
      producer.wakeReader();
    }
  }
  producer.publish();
  producer.wakeReader();
  return producer.appends;
});
