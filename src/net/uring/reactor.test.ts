// A connection that is to leave its reactor: a pair of Unix sockets, with the reactor at one end and the test at the other. The test is the
// reactor's host, so it runs between two turns, and what it does comes at exactly that point.
import assert from 'node:assert/strict';
import { closeSync, readSync, writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { loadFfi } from '../../base/ffi.ts';
import type { MovedConnection, ReactorHost, Session, Transport } from '../transport.ts';
import type { UringReactor } from './reactor.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const TURN_MS = 5;
const LIMIT_MS = 3000;
/** Less than how long a connection may be leaving, and much more than a turn takes. */
const SOON_MS = 60;

/** Both ends of a connection, as descriptors. */
function socketPair(): [number, number] {
  const { functions } = loadFfi().dlopen(null, {
    socketpair: { arguments: ['i32', 'i32', 'i32', 'buffer'], return: 'i32' },
  });
  const ends = Buffer.alloc(8);
  assert.equal(functions.socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  return [ends.readInt32LE(0), ends.readInt32LE(4)];
}

/** What happens to one connection, and what its session answers when it's quiet. */
class Events implements Session {
  readonly received: string[] = [];
  quietMs = 0;
  isClosed = false;
  connection: MovedConnection | null = null;
  private readonly goes: boolean;

  constructor(goes: boolean) {
    this.goes = goes;
  }
  onData(bytes: Buffer, start: number, end: number): void {
    this.received.push(bytes.toString('latin1', start, end));
  }
  onDrain(): void {}
  onEnd(): void {}
  onClose(): void {
    this.isClosed = true;
  }
  onQuiet(connection: MovedConnection): boolean {
    this.quietMs = Date.now();
    this.connection = connection;
    return this.goes;
  }
}

/** Serves one connection until `turn` says 'over'. After 'sleep' the next turn comes only when the reactor has something to do. */
async function serve(
  context: TestContext,
  goes: boolean,
  turn: (transport: Transport, events: Events, peer: number) => 'again' | 'sleep' | 'over',
): Promise<Events | null> {
  let reactor: UringReactor | undefined;
  let transport: Transport | undefined;
  const events = new Events(goes);
  const [own, peer] = socketPair();
  const startedMs = Date.now();
  const host: ReactorHost = {
    onOpen: () => events,
    onWake: () => undefined,
    onTurn: () => {
      const next = Date.now() - startedMs > LIMIT_MS ? 'over' : turn(transport as Transport, events, peer);
      if (next === 'over') {
        transport?.destroy();
        reactor?.stop();
      } else if (next === 'again') reactor?.askTurnIn(TURN_MS);
      return next === 'over';
    },
  };
  try {
    const { UringReactor } = await import('./reactor.ts');
    reactor = new UringReactor(host);
  } catch (error) {
    context.skip(`this machine refuses io_uring: ${(error as Error).message}`);
    closeSync(own);
    closeSync(peer);
    return null;
  }
  reactor.adopt({ fd: own, peerAddress: '', localAddress: '' }, (opened) => {
    transport = opened;
    return events;
  });
  reactor.askTurn();
  reactor.run();
  if (events.connection !== null && goes) closeSync(events.connection.fd);
  closeSync(peer);
  return events;
}

test('a connection that leaves while a reply waits for the disk goes as soon as that is sent', async (context) => {
  // The thread mustn't sleep over the end of that sending. The fastest of several rounds, as a thread may be late for other reasons.
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    let turns = 0;
    let allowedMs = 0;
    const events = await serve(context, true, (transport, { quietMs }) => {
      turns++;
      if (turns === 1) {
        transport.allow(0);
        transport.write(Buffer.from('+OK\r\n'), 0, 5);
        assert.equal(transport.leave(), true);
        assert.equal(transport.leave(), false, 'it is leaving already');
      } else if (turns === 3) {
        allowedMs = Date.now();
        transport.allow(Number.POSITIVE_INFINITY);
        return 'sleep';
      }
      return quietMs === 0 ? 'again' : 'over';
    });
    if (events === null) return;
    assert.notEqual(events.quietMs, 0, 'it was asked whether it goes');
    fastestMs = Math.min(fastestMs, events.quietMs - allowedMs);
  }
  assert.ok(fastestMs < SOON_MS, `it went after ${fastestMs} ms`);
});

test('a connection that is to leave is read from again when its client reads nothing', async (context) => {
  // A client that writes all of its requests before it reads a reply: it would wait for ever.
  const output = Buffer.alloc(4_000_000, 'x');
  let turns = 0;
  const events = await serve(context, true, (transport, { received }, peer) => {
    turns++;
    if (turns === 1) {
      transport.write(output, 0, output.length);
      assert.equal(transport.leave(), true);
    } else if (turns === 3) {
      writeSync(peer, 'PING');
    }
    if (received.length > 0) assert.equal(transport.leave(), false, 'it waits for its client');
    return received.length === 0 ? 'again' : 'over';
  });
  if (events === null) return;
  assert.deepEqual(events.received, ['PING']);
  assert.equal(events.connection, null, 'it has not left');
});

test('a connection whose session is not at rest stays, and is read from', async (context) => {
  let hasBegun = false;
  let isAsked = false;
  const reply = Buffer.alloc(5);
  const events = await serve(context, false, (transport, { quietMs, received }, peer) => {
    if (!hasBegun) {
      hasBegun = true;
      transport.write(Buffer.from('+OK\r\n'), 0, 5);
      assert.equal(transport.leave(), true);
    } else if (quietMs !== 0 && !isAsked) {
      isAsked = true;
      readSync(peer, reply, 0, 5, null);
      writeSync(peer, 'PING');
    }
    return received.length === 0 ? 'again' : 'over';
  });
  if (events === null) return;
  assert.equal(reply.toString('latin1'), '+OK\r\n');
  assert.deepEqual(events.received, ['PING']);
});
