/** Chooses the reactor: io_uring where the kernel gives it, else node:net; and says why when it isn't the one asked for. */
import { PortableReactor } from './portable/reactor.ts';
import type { Reactor, ReactorHost } from './transport.ts';

/**
 * `wanted` is auto, io_uring or portable. With io_uring a refusal is an error; with auto `warn` gets the reason, and the portable
 * one is made.
 */
export async function createReactor(host: ReactorHost, wanted: string, reusePort: boolean, warn: (why: string) => void): Promise<Reactor> {
  if (wanted === 'portable') return new PortableReactor(host, reusePort);
  try {
    // Loaded only here: node:ffi doesn't exist in older Nodes, which the portable reactor still serves.
    const { UringReactor } = await import('./uring/reactor.ts');
    return new UringReactor(host);
  } catch (error) {
    const why = `io_uring is not available (${(error as Error).message})`;
    if (wanted === 'io_uring') throw new Error(`${why}; start with --reactor portable`);
    if (process.platform === 'linux') warn(`${why}; the portable reactor serves instead`);
    return new PortableReactor(host, reusePort);
  }
}
