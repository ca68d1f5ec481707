// What a reactor decides about its connections, from loads that the tests set.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as layout from '../keyspace/layout.ts';
import type { ClientSession } from '../net/session.ts';
import { ConnectionSpread, type Relief } from './connection-spread.ts';
import * as control from './control.ts';

const REACTORS = 3;
const CLIENTS = 100;

class Reactors {
  readonly words = new Int32Array(new SharedArrayBuffer(layout.GLOBAL_WORDS * 4));
  readonly stats = new Float64Array(new SharedArrayBuffer(REACTORS * control.STAT_WORDS * 8));
  readonly each = Array.from({ length: REACTORS }, (_, index) => new ConnectionSpread(this.words, this.stats, index, REACTORS));
  nowMs = 1_000_000;

  constructor(active = 1) {
    this.words[layout.GLOBAL_ACTIVE_REACTORS] = active;
  }
  get active(): number {
    return this.words[layout.GLOBAL_ACTIVE_REACTORS] as number;
  }
  /** A tenth of a second with these loads; what each reactor gives away. */
  pass(loads: readonly number[], clients = CLIENTS, withoutCore = 0, spareCores = 1): (Relief | null)[] {
    this.nowMs += 100;
    for (const [index, spread] of this.each.entries()) {
      const cpu = loads[index] ?? 0;
      spread.note(this.nowMs, { cpu, busy: cpu + withoutCore, spareCores });
    }
    return this.each.map((spread) => spread.decide(this.nowMs, true, clients));
  }
}

test('one reactor has all connections as long as it is not saturated', () => {
  const reactors = new Reactors();
  for (let look = 0; look < 50; look++) {
    const [first, second, third] = reactors.pass([0.9, 0, 0]);
    assert.equal(first, null);
    assert.deepEqual(second, { targets: [0], count: CLIENTS });
    assert.deepEqual(third, { targets: [0], count: CLIENTS });
  }
  assert.equal(reactors.active, 1);
});

test('a reactor that should have no connections and has none wants nothing', () => {
  assert.deepEqual(new Reactors().pass([0.5], 0), [null, null, null]);
});

test('a reactor that is saturated three times in a row gives half of its connections to one more', () => {
  const reactors = new Reactors();
  for (const load of [0.99, 0.99, 0.5, 0.99, 0.99]) assert.equal(reactors.pass([load])[0], null);
  assert.deepEqual(reactors.pass([0.99])[0], { targets: [1], count: CLIENTS / 2 });
  assert.equal(reactors.active, 2);
  // And the next one, when both are.
  for (let look = 0; look < 2; look++) reactors.pass([0.99, 0.98]);
  const [first, second] = reactors.pass([0.99, 0.98]);
  assert.equal(reactors.active, 3);
  assert.deepEqual([first?.targets, second?.targets], [[2], [2]]);
});

test('a reactor is saturated, too, when others have its core', () => {
  const reactors = new Reactors();
  for (let look = 0; look < 2; look++) reactors.pass([0.6], CLIENTS, 0.4, 0);
  assert.deepEqual(reactors.pass([0.6], CLIENTS, 0.4, 0)[0], { targets: [1], count: CLIENTS / 2 });
});

test('a reactor that is saturated stays alone where there is no core for one more', () => {
  const reactors = new Reactors();
  for (let look = 0; look < 20; look++) assert.equal(reactors.pass([0.99], CLIENTS, 0, 0.1)[0], null);
  assert.equal(reactors.active, 1);
});

test('one more that makes nothing faster goes again, and is tried again later each time', () => {
  const reactors = new Reactors();
  const activeAt: number[] = [];
  const raisedAt: number[] = [];
  for (let look = 0; look < 600; look++) {
    // All clients want one key: two reactors run no more commands than one.
    reactors.stats[control.STAT_COMMANDS]! += 1000;
    const before = reactors.active;
    reactors.pass(reactors.active === 1 ? [0.99, 0] : [0.9, 0.9]);
    activeAt.push(reactors.active);
    if (before === 1 && reactors.active === 2) raisedAt.push(look);
  }
  const waits = raisedAt.slice(1).map((look, index) => Math.round((look - (raisedAt[index] as number) - 10) / 10));
  assert.deepEqual(waits.slice(0, 4), [2, 4, 8, 16]);
  assert.ok(activeAt.filter((active) => active === 2).length < 60);
});

test('one more that makes all faster stays', () => {
  const reactors = new Reactors();
  for (let look = 0; look < 100; look++) {
    reactors.stats[control.STAT_COMMANDS]! += 1000 * reactors.active;
    reactors.pass(reactors.active === 1 ? [0.99, 0] : [0.9, 0.9]);
  }
  assert.equal(reactors.active, 2);
});

test('a single connection cannot be divided', () => {
  const reactors = new Reactors();
  for (let look = 0; look < 5; look++) assert.equal(reactors.pass([1], 1)[0], null);
  assert.equal(reactors.active, 1);
});

test('a saturated reactor gives to an active one that has less to do, as much as makes them even', () => {
  const reactors = new Reactors(2);
  for (let look = 0; look < 2; look++) reactors.pass([1, 0.5]);
  assert.deepEqual(reactors.pass([1, 0.5])[0], { targets: [1], count: CLIENTS / 4 });
  assert.equal(reactors.active, 2);
});

test('the last active reactor ends being one when the others have room for its load, and it stays with the connections to give away', () => {
  const reactors = new Reactors(2);
  for (let look = 0; look < 10; look++) assert.equal(reactors.pass([0.3, 0.3])[1], null);
  assert.equal(reactors.active, 2, 'room for less than a second');
  reactors.pass([0.3, 0.3]);
  assert.equal(reactors.active, 1);
  assert.deepEqual(reactors.pass([0.3, 0.3])[1], { targets: [0], count: CLIENTS });
});

test('a load that the others have no room for keeps all active', () => {
  const reactors = new Reactors(2);
  for (let look = 0; look < 50; look++) reactors.pass([0.6, 0.6]);
  assert.equal(reactors.active, 2);
});

test('one more that was needed again at once is kept twice as long each time', () => {
  const reactors = new Reactors();
  const kept: number[] = [];
  for (let time = 0; time < 4; time++) {
    while (reactors.active === 1) reactors.pass([1]);
    const fromMs = reactors.nowMs;
    while (reactors.active === 2) reactors.pass([0.45, 0.45]);
    kept.push(Math.round((reactors.nowMs - fromMs) / 1000));
  }
  assert.deepEqual(kept, [1, 2, 4, 8]);
});

test('without elasticity connections only go from reactors that have many more than others', () => {
  const reactors = new Reactors(REACTORS);
  for (const spread of reactors.each) spread.isElastic = false;
  const counts = [60, 30, 0];
  for (const [index, count] of counts.entries()) reactors.stats[index * control.STAT_WORDS + control.STAT_CLIENTS] = count;
  const reliefs = reactors.each.map((spread, index) => spread.decide(reactors.nowMs, false, counts[index] as number));
  assert.deepEqual(reliefs, [{ targets: [2], count: 30 }, null, null]);
});

test('connections that can not go now take no places from those that can', () => {
  const reactors = new Reactors();
  const moved: number[] = [];
  /** The first ones wait for clients that read nothing. */
  const sessions = Array.from({ length: CLIENTS }, (_, index) => ({
    heavyUntilMs: 0,
    createdMs: 0,
    canMove: true,
    move: () => index >= CLIENTS / 2 && moved.push(index) > 0,
  })) as unknown as ClientSession[];
  const comesBackMs = reactors.each[1]?.turn(reactors.nowMs, new Set(sessions));
  assert.equal(moved.length, 32);
  assert.ok((comesBackMs as number) > 0, 'the others are moved in the next turns');
});

/** Reactors whose loads come from the clients that they have. */
class Loaded {
  readonly words = new Int32Array(new SharedArrayBuffer(layout.GLOBAL_WORDS * 4));
  readonly sessions: Set<ClientSession>[];
  moves = 0;
  private readonly each: ConnectionSpread[];
  private nowMs = 1_000_000;

  /** Each client uses so much of a core. */
  constructor(reactors: number, loads: readonly number[], isHeavy = false) {
    const stats = new Float64Array(new SharedArrayBuffer(reactors * control.STAT_WORDS * 8));
    this.words[layout.GLOBAL_ACTIVE_REACTORS] = 1;
    this.sessions = Array.from({ length: reactors }, () => new Set());
    const meter = (index: number) => ({ look: () => ({ cpu: this.load(index), busy: this.load(index), spareCores: 1 }) });
    this.each = this.sessions.map((_, index) => new ConnectionSpread(this.words, stats, index, reactors, meter(index)));
    for (const load of loads) this.sessions[0]?.add(this.client(load, isHeavy));
  }
  private client(load: number, isHeavy: boolean): ClientSession {
    const client = {
      load,
      createdMs: 0,
      heavyUntilMs: isHeavy ? Number.POSITIVE_INFINITY : 0,
      sharedUntilMs: 0,
      servedMs: 0,
      canMove: true,
      move: (target: number) => {
        for (const sessions of this.sessions) sessions.delete(client);
        this.sessions[target]?.add(client);
        this.moves++;
        return true;
      },
    } as unknown as ClientSession & { load: number };
    return client;
  }
  load(index: number): number {
    return Math.min(
      1,
      [...(this.sessions[index] as Set<ClientSession>)].reduce((sum, each) => sum + (each as unknown as { load: number }).load, 0),
    );
  }
  get counts(): number[] {
    return this.sessions.map(({ size }) => size);
  }
  pass(seconds: number): void {
    for (const end = this.nowMs + seconds * 1000; this.nowMs < end; this.nowMs += 10) {
      for (const [index, spread] of this.each.entries()) {
        const sessions = this.sessions[index] as Set<ClientSession>;
        for (const each of sessions) each.servedMs += (each as unknown as { load: number }).load * 10;
        spread.hasHeavy = true;
        spread.turn(this.nowMs, sessions);
      }
    }
  }
}

test('one connection that saturates a reactor is left alone on it, and then nothing moves any more', () => {
  for (let hot = 0; hot < CLIENTS; hot += 7) {
    const reactors = new Loaded(
      2,
      Array.from({ length: CLIENTS }, (_, index) => (index === hot ? 1 : 0.0005)),
    );
    reactors.pass(5);
    assert.deepEqual(reactors.counts.sort(), [1, CLIENTS - 1]);
    const { moves } = reactors;
    reactors.pass(20);
    assert.equal(reactors.moves, moves, `client ${hot}`);
  }
});

test('clients whose commands are all slow use all reactors', () => {
  for (const count of [2, 3, 8]) {
    const reactors = new Loaded(count, Array(4 * count).fill(1), true);
    reactors.pass(5);
    assert.ok(!reactors.counts.includes(0), `${reactors.counts}`);
    const { moves } = reactors;
    reactors.pass(4);
    assert.equal(reactors.moves, moves);
  }
});

test('few slow commands are all on the last reactor', () => {
  const reactors = new Loaded(3, Array(6).fill(0.1), true);
  reactors.pass(30);
  assert.deepEqual(reactors.counts, [0, 0, 6]);
});
