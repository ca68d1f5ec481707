/** LFU as Redis counts it (src/evict.c's description): a stamp is 16 bits of minutes and 8 bits of a logarithmic counter. */
const LFU_INITIAL = 5;
const LFU_LOG_FACTOR = 10;
const LFU_DECAY_MINUTES = 1;

function minutes(nowMs: number): number {
  return Math.floor(nowMs / 60000) & 0xffff;
}
export function lfuFresh(nowMs: number): number {
  return (minutes(nowMs) << 8) | LFU_INITIAL;
}
/** The frequency after decay, 0 to 255. */
export function lfuFrequency(stamp: number, nowMs: number): number {
  const passed = (minutes(nowMs) - ((stamp >>> 8) & 0xffff)) & 0xffff;
  return Math.max(0, (stamp & 255) - Math.floor(passed / LFU_DECAY_MINUTES));
}
export function lfuTouched(stamp: number, nowMs: number): number {
  let counter = lfuFrequency(stamp, nowMs);
  if (counter < 255 && Math.random() < 1 / (Math.max(0, counter - LFU_INITIAL) * LFU_LOG_FACTOR + 1)) counter++;
  return (minutes(nowMs) << 8) | counter;
}
