// One client that asks for a small value, waits for the reply, notes how long that took, and asks again: what a user on an otherwise
// quiet connection feels while a server is busy with something else. A pause of the server is one sample, as long as the pause.
import { connect, type Socket } from 'node:net';
import { encode } from '../../test/support/raw-client.ts';
import { pipe, VALUE } from './pipe.ts';
import { type Latencies, latencies } from './statistics.ts';
import type { Target } from './target.ts';

const REPLY = Buffer.from(`$${VALUE.length}\r\n${VALUE}\r\n`);

export class Prober {
  /** How many keys it puts into the server. */
  static readonly KEYS = 64;
  readonly #socket: Socket;
  readonly #requests: readonly Buffer[];
  #samples = new Float64Array(1 << 16);
  #count = 0;
  #received = 0;
  #sentAt = 0;
  #failure: Error | null = null;
  #isStopping = false;
  #stopped: (() => void) | null = null;

  private constructor(socket: Socket, requests: readonly Buffer[]) {
    this.#socket = socket;
    this.#requests = requests;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the server closed the connection of the GETs that were timed')));
  }

  /** Puts its own keys into the server and connects. */
  static async connect(target: Target): Promise<Prober> {
    await pipe(target, Prober.KEYS, (index) => ['SET', `probe:${index}`, VALUE]);
    const requests = Array.from({ length: Prober.KEYS }, (_, index) => encode(['GET', `probe:${index}`]));
    const socket = connect({ port: target.port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Prober(socket, requests);
  }

  /** Begins, or begins again with no samples. */
  start(): void {
    this.#count = 0;
    this.#isStopping = false;
    this.#send();
  }

  /** Waits for the reply that is on its way: a pause that goes on counts to its end. */
  async stop(): Promise<Latencies> {
    if (this.#failure === null) {
      await new Promise<void>((resolve) => {
        this.#stopped = resolve;
        this.#isStopping = true;
      });
    }
    if (this.#failure !== null) throw this.#failure;
    return latencies(this.#samples.slice(0, this.#count));
  }

  async measure(during: () => Promise<unknown>): Promise<Latencies> {
    this.start();
    await during();
    return this.stop();
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #send(): void {
    this.#received = 0;
    this.#sentAt = performance.now();
    this.#socket.write(this.#requests[this.#count % Prober.KEYS] as Buffer);
  }

  #receive(bytes: Buffer): void {
    // A null or an error is shorter than what would be waited for.
    if (!REPLY.subarray(this.#received, this.#received + bytes.length).equals(bytes)) {
      this.#end(
        new Error(`a GET of a value of ${VALUE.length} bytes was answered with ${JSON.stringify(bytes.toString('latin1', 0, 200))}`),
      );
      return;
    }
    this.#received += bytes.length;
    if (this.#received < REPLY.length) return;
    if (this.#count === this.#samples.length) {
      const grown = new Float64Array(2 * this.#samples.length);
      grown.set(this.#samples);
      this.#samples = grown;
    }
    this.#samples[this.#count++] = performance.now() - this.#sentAt;
    if (this.#isStopping) this.#end(null);
    else this.#send();
  }

  #end(failure: Error | null): void {
    this.#failure ??= failure;
    this.#isStopping = true;
    this.#stopped?.();
    this.#stopped = null;
  }
}
