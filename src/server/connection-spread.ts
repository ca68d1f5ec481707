/**
 * Which reactor serves which connection. One reactor with all connections spends less on each request than several with a few each:
 * it sleeps and wakes less often, has more requests in a turn, and shares no latch and no cache line. So connections are gathered on as
 * few reactors as the load needs (the active ones: those with the lowest indexes), and spread over one more when one is saturated.
 *
 * Every reactor decides for itself, from what all publish: its load in the statistics, and GLOBAL_ACTIVE_REACTORS, which a saturated
 * reactor raises and the last active one lowers. See docs/decisions/0030-elastic-reactors.md.
 */
import * as layout from '../keyspace/layout.ts';
import type { ClientSession } from '../net/session.ts';
import * as control from './control.ts';
import { type Load, ThreadLoad } from './thread-load.ts';

/** Loads are measured over this time at least. */
const MEASURE_MS = 100;
/** A reactor that should have no connections looks for those that can go. */
const CLEAR_MS = 10;
/** A connection that is younger may be over before it has moved. */
const SETTLED_MS = 10;
/** So many leave in one turn at most: a move costs some 20 us. */
const MAX_MOVES = 32;
/** Where a reactor works, or waits for a core, for so much of its time, three times in a row, it's saturated. */
const SATURATED = 0.98;
const SATURATED_TIMES = 3;
/** One more reactor helps when there is so much of a core to run it on, or the saturated one waits for cores that others have. */
const SPARE_CORES = 0.25;
const WITHOUT_CORE = 0.2;
/** Then all reactors must run more commands than before, when clients have moved; or it goes again. Each next try waits longer. */
const SETTLING_MS = 500;
const TRIAL_MS = 500;
const GAIN = 1.05;
const RETRY_MS = 2000;
const LONGEST_RETRY_MS = 32_000;
/** One reactor less would do when their CPU time sums up to no more than this part of those that are left ... */
const ROOMY = 0.85;
/** ... and what the one more costs by being there ... */
const COST_OF_ONE = 0.15;
/** ... for so long; and longer, each time that one more was needed again at once. */
const ROOMY_MS = 1000;
const LONGEST_ROOMY_MS = 16_000;
const SOON_MS = 3000;
/** A saturated reactor gives to another active one that has this much less to do. */
const UNEVEN = 0.25;
/** The last reactor takes clients with slow commands while its load is below this ... */
const HEAVY_ROOM = 0.7;
/** ... and those that it had to give to others count as any others for so long. */
const SHARED_MS = 10_000;
/** Without `io-threads-elastic`: so many connections more than its part make a reactor give some away. */
const SURPLUS = 1.25;
const SURPLUS_CLIENTS = 2;

type LoadMeter = Pick<ThreadLoad, 'look'>;
/** How many connections should go, and where; `targets` are taken in turn. */
export type Relief = { readonly targets: readonly number[]; readonly count: number };

type Count = { readonly ms: number; readonly commands: number };
/** One more reactor was made active, the `active`-th, when all ran `rate` commands a millisecond. */
type Trial = { readonly settledMs: number; readonly active: number; readonly rate: number; from: Count | null };

export class ConnectionSpread {
  isElastic = true;
  /** A client counts as a heavy one since the last turn that looked. */
  hasHeavy = false;
  private readonly words: Int32Array;
  private readonly stats: Float64Array;
  private readonly index: number;
  private readonly reactors: number;
  private dueMs = 0;
  private measuredMs = 0;
  private readonly load: LoadMeter;
  private saturatedTimes = 0;
  private roomySinceMs = 0;
  private waitsMs = ROOMY_MS;
  private loweredMs = 0;
  private wasActive = false;
  private hasCoreForOneMore = false;
  /** Commands of all reactors so far, and as this one got saturated. */
  private commands = 0;
  private saturated: Count = { ms: 0, commands: 0 };
  private trial: Trial | null = null;
  private retryMs = RETRY_MS;
  private triesAgainMs = 0;
  private nextTarget = 0;
  /** What was decided and is still to be done. */
  private relief: Relief | null = null;
  /** What was decided is to make a saturated reactor's load less. */
  private isSharing = false;
  /**
   * The connection that made most of that load. It stays: it takes its load with it wherever it goes, and the others are served
   * better where it isn't.
   */
  private stays: ClientSession | null = null;

  /** `reactors` threads, of which this one has `index`; `stats` are those of all threads (control.ts). */
  constructor(words: Int32Array, stats: Float64Array, index: number, reactors: number, load: LoadMeter = new ThreadLoad()) {
    this.words = words;
    this.stats = stats;
    this.index = index;
    this.reactors = reactors;
    this.load = load;
  }

  /** To be called in every turn. Returns after how many milliseconds another turn is wanted, 0 for none. */
  turn(nowMs: number, sessions: ReadonlySet<ClientSession>): number {
    if (nowMs < this.dueMs) return 0;
    const isMeasured = nowMs - this.measuredMs >= MEASURE_MS && this.measure(nowMs);
    if (this.relief === null) {
      this.relief = this.decide(nowMs, isMeasured, sessions.size);
      this.stays = this.isSharing ? busiest(sessions) : null;
    }
    const isToComeBack = (this.relief !== null || this.hasHeavy) && this.move(nowMs, sessions);
    this.dueMs = nowMs + (isToComeBack ? CLEAR_MS : MEASURE_MS);
    return isToComeBack ? CLEAR_MS : 0;
  }

  /** Publishes the load since the last time; false at the first one. */
  private measure(nowMs: number): boolean {
    this.measuredMs = nowMs;
    const load = this.load.look(nowMs);
    if (load !== null) this.note(nowMs, load);
    return load !== null;
  }
  /** The load of this reactor; apart from `measure` for tests. */
  note(nowMs: number, { cpu, busy, spareCores }: Load): void {
    this.commands = control.totalOf(this.stats, control.STAT_COMMANDS);
    this.hasCoreForOneMore = spareCores >= SPARE_CORES || busy - cpu >= WITHOUT_CORE;
    this.stats[this.index * control.STAT_WORDS + control.STAT_LOAD] = cpu;
    this.saturatedTimes = busy >= SATURATED ? this.saturatedTimes + 1 : 0;
    if (this.saturatedTimes === 1) this.saturated = { ms: nowMs, commands: this.commands };
    const { active } = this;
    const isActive = this.index < active;
    if (isActive && !this.wasActive)
      this.waitsMs = nowMs - this.loweredMs < SOON_MS ? Math.min(this.waitsMs * 2, LONGEST_ROOMY_MS) : ROOMY_MS;
    this.wasActive = isActive;
    let sum = 0;
    for (let each = 0; each < active; each++) sum += this.loadOf(each);
    if (sum > ROOMY * (active - 1) + COST_OF_ONE) this.roomySinceMs = 0;
    else if (this.roomySinceMs === 0) this.roomySinceMs = nowMs;
  }

  /**
   * Was the reactor that this one made active worth it? Where all clients want the same key, or their programs have no core left, it
   * wasn't.
   */
  private judge(nowMs: number): void {
    const { trial } = this;
    if (trial === null || nowMs < trial.settledMs) return;
    trial.from ??= { ms: nowMs, commands: this.commands };
    if (nowMs < trial.settledMs + TRIAL_MS) return;
    this.trial = null;
    if (this.rateSince(trial.from, nowMs) >= trial.rate * GAIN) {
      this.retryMs = RETRY_MS;
      return;
    }
    Atomics.compareExchange(this.words, layout.GLOBAL_ACTIVE_REACTORS, trial.active, trial.active - 1);
    this.triesAgainMs = nowMs + this.retryMs;
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }
  /** Commands a millisecond of all reactors. */
  private rateSince({ ms, commands }: Count, nowMs: number): number {
    return nowMs === ms ? 0 : Math.max(0, this.commands - commands) / (nowMs - ms);
  }

  /** What this reactor should give away now, or null. */
  decide(nowMs: number, isMeasured: boolean, clients: number): Relief | null {
    const { index, active } = this;
    this.isSharing = false;
    if (!this.isElastic) return this.surplus(clients);
    if (isMeasured) this.judge(nowMs);
    if (isMeasured && this.saturatedTimes >= SATURATED_TIMES && clients > 1) {
      this.saturatedTimes = 0;
      const relief = this.share(nowMs, active, clients);
      this.isSharing = relief !== null;
      return relief;
    }
    if (index >= active) return clients === 0 ? null : { targets: range(active), count: clients };
    if (!isMeasured) return null;
    if (index === active - 1 && index > 0 && this.roomySinceMs !== 0 && nowMs - this.roomySinceMs >= this.waitsMs) {
      this.roomySinceMs = 0;
      // Another reactor may have asked for one more in this moment: then it stays.
      Atomics.compareExchange(this.words, layout.GLOBAL_ACTIVE_REACTORS, active, active - 1);
      this.loweredMs = nowMs;
    }
    return null;
  }
  /** What a saturated reactor gives to one that has less to do, or to one that nobody has used so far. */
  private share(nowMs: number, active: number, clients: number): Relief | null {
    const own = this.loadOf(this.index);
    let least = this.index;
    for (let each = 0; each < active; each++) if (this.loadOf(each) < this.loadOf(least)) least = each;
    const difference = own - this.loadOf(least);
    if (difference >= UNEVEN) return { targets: [least], count: Math.round((clients * difference) / (2 * own)) };
    if (active === this.reactors || !this.hasCoreForOneMore || nowMs < this.triesAgainMs) return null;
    const isRaised = Atomics.compareExchange(this.words, layout.GLOBAL_ACTIVE_REACTORS, active, active + 1) === active;
    if (isRaised) {
      this.trial = { settledMs: nowMs + SETTLING_MS, active: active + 1, rate: this.rateSince(this.saturated, nowMs), from: null };
    }
    return isRaised && active !== this.index ? { targets: [active], count: clients >>> 1 } : null;
  }
  private surplus(own: number): Relief | null {
    const { index, reactors } = this;
    let sum = 0;
    let fewest = 0;
    for (let each = 0; each < reactors; each++) {
      sum += this.clientsOf(each);
      if (this.clientsOf(each) < this.clientsOf(fewest)) fewest = each;
    }
    const even = sum / reactors;
    return own > even * SURPLUS + SURPLUS_CLIENTS && fewest !== index ? { targets: [fewest], count: Math.round(own - even) } : null;
  }

  /** Sends sessions on their way; true when some may go in a moment that can't now. */
  private move(nowMs: number, sessions: ReadonlySet<ClientSession>): boolean {
    const { relief, isSharing, stays } = this;
    const heavyTarget = this.heavyTarget();
    let isFresh = false;
    let left = MAX_MOVES;
    let count = relief?.count ?? 0;
    /** Of every session that many go: for a half, every second one. */
    const part = Math.min(1, count / (sessions.size - (stays === null ? 0 : 1)));
    let parts = 0;
    this.hasHeavy = false;
    for (const session of sessions) {
      if (left === 0) break;
      const isHeavy = this.isElastic && session.heavyUntilMs > nowMs && session.sharedUntilMs <= nowMs;
      const isForLast = isHeavy && heavyTarget >= 0;
      this.hasHeavy ||= isForLast;
      if ((!isForLast && (count === 0 || session === stays || (isHeavy && !isSharing))) || !session.canMove) continue;
      if (isForLast) {
        if (session.move(heavyTarget)) left--;
      } else if (nowMs - session.createdMs < SETTLED_MS) isFresh = true;
      else {
        parts += part;
        if (parts < 1) continue;
        parts -= 1;
        if (isHeavy) session.sharedUntilMs = nowMs + SHARED_MS;
        // One that is going already, or waits for its client to read, isn't one of those that go.
        if (!session.move(relief?.targets[this.nextTarget % relief.targets.length] as number)) continue;
        this.nextTarget++;
        count--;
        left--;
      }
    }
    // Those that can't go now are left for the next decision, unless there were too many for one turn.
    this.relief = relief !== null && left === 0 && count > 0 ? { ...relief, count } : null;
    return isFresh || left === 0;
  }
  /**
   * Clients with slow commands are served by the last reactor, where they hold up as few others as can be; -1 on that one, and when it has
   * enough to do: it's better that some wait than that all slow commands share one core.
   */
  private heavyTarget(): number {
    const last = this.reactors - 1;
    return this.isElastic && this.index !== last && this.loadOf(last) < HEAVY_ROOM ? last : -1;
  }

  private get active(): number {
    return Atomics.load(this.words, layout.GLOBAL_ACTIVE_REACTORS);
  }
  private loadOf(reactor: number): number {
    return this.stats[reactor * control.STAT_WORDS + control.STAT_LOAD] as number;
  }
  private clientsOf(reactor: number): number {
    return this.stats[reactor * control.STAT_WORDS + control.STAT_CLIENTS] as number;
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Whose commands took most time since this was asked last. */
function busiest(sessions: ReadonlySet<ClientSession>): ClientSession | null {
  let found: ClientSession | null = null;
  let longestMs = 0;
  for (const session of sessions) {
    if (session.servedMs > longestMs) {
      longestMs = session.servedMs;
      found = session;
    }
    session.servedMs = 0;
  }
  return found;
}
