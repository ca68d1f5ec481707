/** How much a second, of counters that are looked at now and then: INFO's instantaneous_* fields. */

/** A rate is taken over the last so many looks, so that it's neither nervous nor slow. */
const WINDOW = 16;

export class Rates {
  private readonly looks: { atMs: number; values: readonly number[] }[] = [];

  /** Notes the counters, always in the same order, and returns what each grew by a second. */
  look(atMs: number, values: readonly number[]): number[] {
    const { looks } = this;
    looks.push({ atMs, values });
    if (looks.length > WINDOW) looks.shift();
    const oldest = looks[0] as { atMs: number; values: readonly number[] };
    const seconds = (atMs - oldest.atMs) / 1000;
    // A counter that was set back has no rate until it is out of the window.
    return values.map((value, index) => (seconds <= 0 ? 0 : Math.max(0, (value - (oldest.values[index] as number)) / seconds)));
  }
}
