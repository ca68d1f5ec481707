// Writers that keep a journal of what a server has acknowledged, and the comparison of what it holds after a crash with that.
import assert from 'node:assert/strict';
import { encode, RawClient } from './raw-client.ts';
import { Random } from './seed.ts';

const KINDS = ['incr', 'append', 'mset', 'rpush', 'large'] as const;
type Kind = (typeof KINDS)[number];

/** Every how many writes of a kind one is larger than what the log's ring takes. */
const LARGE_BYTES = 80_000;

/** One kind of write of one client: the n-th of them leaves a state that says n. */
type Track = { sent: number; acknowledged: number };

/** What had been acknowledged at a time, for logs that may lose the last second. */
type Stamp = { readonly atMs: number; readonly counts: Readonly<Record<Kind, number>> };

export class JournalWriter {
  private readonly name: string;
  private readonly random: Random;
  private readonly tracks: Record<Kind, Track>;
  private stamps: Stamp[] = [];
  private isRunning = false;

  constructor(name: string, seed: number) {
    this.name = name;
    this.random = new Random(seed);
    this.tracks = Object.fromEntries(KINDS.map((kind) => [kind, { sent: 0, acknowledged: 0 }])) as Record<Kind, Track>;
  }
  private counts(): Record<Kind, number> {
    return Object.fromEntries(KINDS.map((kind) => [kind, this.tracks[kind].acknowledged])) as Record<Kind, number>;
  }
  get acknowledged(): number {
    return Object.values(this.counts()).reduce((sum, count) => sum + count, 0);
  }

  private request(kind: Kind, n: number): Buffer {
    const key = `${kind}:${this.name}`;
    switch (kind) {
      case 'incr':
        return encode(['INCR', key]);
      case 'append':
        return encode(['APPEND', key, `${n},`]);
      case 'mset':
        return encode(['MSET', `${key}:a`, n, `${key}:b`, n, `${key}:c`, n]);
      case 'rpush':
        return encode(['RPUSH', key, n]);
      case 'large':
        return encode(['SET', key, String(n).padEnd(LARGE_BYTES, '.'), 'EX', 100000]);
    }
  }

  /** Writes pipelines until the server goes away. Every reply is checked. */
  async run(port: number): Promise<void> {
    const client = await RawClient.connect(port);
    this.isRunning = true;
    try {
      while (this.isRunning) await this.pipeline(client);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      // The server was killed, or has closed the connection.
    }
    client.socket.destroy();
  }
  stop(): void {
    this.isRunning = false;
  }
  private async pipeline(client: RawClient): Promise<void> {
    const kinds = Array.from({ length: 1 + this.random.below(16) }, () => this.random.below(200));
    const batch = kinds.map((draw): Kind => (draw === 0 ? 'large' : (KINDS[draw % 4] as Kind)));
    const requests: Buffer[] = [];
    for (const kind of batch) requests.push(this.request(kind, ++this.tracks[kind].sent));
    client.send(Buffer.concat(requests));
    for (const kind of batch) {
      const reply = (await client.readReply()).toString('latin1');
      const n = ++this.tracks[kind].acknowledged;
      if (kind === 'incr' || kind === 'rpush') assert.equal(reply, `:${n}\r\n`);
      else assert.match(reply, kind === 'append' ? /^:\d+\r\n$/ : /^\+OK\r\n$/);
    }
    this.stamps.push({ atMs: Date.now(), counts: this.counts() });
    if (this.stamps.length > 20_000) this.stamps = this.stamps.slice(10_000);
  }

  /**
   * Compares with what the server holds after it was killed at `killedMs`: all that was acknowledged up to `lossMs` before, and nothing
   * that wasn't sent; `isExact`: what was acknowledged and nothing else. The journal goes on from what it holds.
   */
  async check(client: RawClient, killedMs: number, lossMs: number, isExact = false): Promise<void> {
    const least = lossMs === 0 ? this.counts() : this.countsBefore(killedMs - lossMs);
    for (const kind of KINDS) {
      const held = await this.held(client, kind);
      const { sent } = this.tracks[kind];
      if (isExact) assert.equal(held, least[kind], `${kind} of writer ${this.name} after a shutdown: acknowledged, and there`);
      assert.ok(held >= least[kind], `${kind} of writer ${this.name}: ${least[kind]} were acknowledged, ${held} are there`);
      assert.ok(held <= sent, `${kind} of writer ${this.name}: ${sent} were sent, ${held} are there`);
      this.tracks[kind] = { sent: held, acknowledged: held };
    }
    this.stamps = [{ atMs: Date.now(), counts: this.counts() }];
  }
  private countsBefore(atMs: number): Record<Kind, number> {
    const before = this.stamps.filter((stamp) => stamp.atMs <= atMs).at(-1);
    return before?.counts ?? (Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>);
  }
  /** Which n the state of a kind says; the state must be one that the first n writes leave. */
  private async held(client: RawClient, kind: Kind): Promise<number> {
    const key = `${kind}:${this.name}`;
    if (kind === 'mset') {
      const values = await Promise.all(['a', 'b', 'c'].map((part) => value(client, `${key}:${part}`)));
      assert.deepEqual(values, [values[0], values[0], values[0]], `MSET of writer ${this.name} is torn`);
      return Number(values[0]);
    }
    if (kind === 'rpush') {
      const elements = (await client.command('LRANGE', key, 0, -1)).toString('latin1').match(/^\d+\r$/gm) ?? [];
      elements.forEach((element, index) => {
        assert.equal(Number(element), index + 1, `list of writer ${this.name}, element ${index}`);
      });
      return elements.length;
    }
    const text = await value(client, key);
    if (kind === 'append') {
      const numbers = text === '' ? [] : text.slice(0, -1).split(',').map(Number);
      numbers.forEach((number, index) => {
        assert.equal(number, index + 1, `APPEND of writer ${this.name}, place ${index}`);
      });
      return numbers.length;
    }
    if (kind === 'large' && text !== '') assert.equal(text.length, LARGE_BYTES);
    return text === '' ? 0 : Number.parseInt(text, 10);
  }
}

/** A string's value, or ''. */
async function value(client: RawClient, key: string): Promise<string> {
  const reply = (await client.command('GET', key)).toString('latin1');
  return reply === '$-1\r\n' ? '' : reply.slice(reply.indexOf('\n') + 1, -2);
}
