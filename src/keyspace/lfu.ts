/**
 * LFU as Redis counts it (src/evict.c's description): a stamp is 16 bits of minutes and 8 bits of a logarithmic counter. How slowly the
 * counter rises is `lfu-log-factor`, and after how many minutes without a use it loses one is `lfu-decay-time`; both stand in the
 * control block, where main writes them.
 */
import { GLOBAL_LFU_DECAY_MINUTES, GLOBAL_LFU_LOG_FACTOR } from './layout.ts';

const LFU_INITIAL = 5;

function minutes(nowMs: number): number {
  return Math.floor(nowMs / 60000) & 0xffff;
}
export function lfuFresh(nowMs: number): number {
  return (minutes(nowMs) << 8) | LFU_INITIAL;
}
/** The frequency after decay, 0 to 255. */
export function lfuFrequency(control: Int32Array, stamp: number, nowMs: number): number {
  const decayMinutes = control[GLOBAL_LFU_DECAY_MINUTES]!;
  if (decayMinutes === 0) return stamp & 255;
  const passed = (minutes(nowMs) - ((stamp >>> 8) & 0xffff)) & 0xffff;
  return Math.max(0, (stamp & 255) - Math.floor(passed / decayMinutes));
}
export function lfuTouched(control: Int32Array, stamp: number, nowMs: number): number {
  let counter = lfuFrequency(control, stamp, nowMs);
  const chance = 1 / (Math.max(0, counter - LFU_INITIAL) * control[GLOBAL_LFU_LOG_FACTOR]! + 1);
  if (counter < 255 && Math.random() < chance) counter++;
  return (minutes(nowMs) << 8) | counter;
}
