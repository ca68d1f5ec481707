/** A reader of byte-ring.test.ts that sleeps until enough wait for it. */
import { stressThread } from '../../test/support/workers.ts';
import { type RingBuffers, RingReader } from './byte-ring.ts';

export type RingSleep = { readonly ring: RingBuffers; readonly wanted: number; readonly milliseconds: number };

stressThread<RingSleep, number>(({ data }) => {
  const reader = new RingReader(data.ring, []);
  reader.sleepUntilHeld(data.wanted, data.milliseconds);
  return reader.held;
});
