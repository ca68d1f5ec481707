/**
 * The spikes that LATENCY LATEST and HISTORY tell of: commands that took `latency-monitor-threshold` milliseconds or longer, the worst of
 * each second, the last 160 seconds that had one. Each thread keeps its own; main puts them together.
 */

export type LatencyEvent = { name: string; samples: [second: number, ms: number][]; worstMs: number };

const MAX_SAMPLES = 160;

export class LatencyMonitor {
  /** Infinity: nothing is noted. */
  thresholdMs = Number.POSITIVE_INFINITY;
  private readonly events = new Map<string, LatencyEvent>();

  note(name: string, nowMs: number, ms: number): void {
    let event = this.events.get(name);
    if (event === undefined) {
      event = { name, samples: [], worstMs: 0 };
      this.events.set(name, event);
    }
    add(event, Math.floor(nowMs / 1000), Math.floor(ms));
  }
  list(): LatencyEvent[] {
    return [...this.events.values()];
  }
  /** Forgets the events of these names, or all; returns the names of those that there were. */
  reset(names: readonly string[]): string[] {
    const gone = names.length === 0 ? [...this.events.keys()] : names.filter((name) => this.events.has(name));
    for (const name of gone) this.events.delete(name);
    return gone;
  }
}

function add(event: LatencyEvent, second: number, ms: number): void {
  event.worstMs = Math.max(event.worstMs, ms);
  const last = event.samples[event.samples.length - 1];
  if (last !== undefined && last[0] === second) last[1] = Math.max(last[1], ms);
  else event.samples.push([second, ms]);
  if (event.samples.length > MAX_SAMPLES) event.samples.shift();
}

/** The events of several threads as if one had noted them. */
export function mergeEvents(all: readonly LatencyEvent[]): LatencyEvent[] {
  const merged = new Map<string, LatencyEvent>();
  const samples = all.flatMap((event) => event.samples.map(([second, ms]) => ({ name: event.name, second, ms })));
  for (const { name, second, ms } of samples.sort((a, b) => a.second - b.second)) {
    const event = merged.get(name) ?? { name, samples: [], worstMs: 0 };
    merged.set(name, event);
    add(event, second, ms);
  }
  for (const { name, worstMs } of all) {
    const event = merged.get(name);
    if (event !== undefined) event.worstMs = Math.max(event.worstMs, worstMs);
  }
  return [...merged.values()];
}
