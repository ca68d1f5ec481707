import type { ClientState } from './services.ts';

/** The client that commands seem to come from which no connection has sent: those of the log, and those of scripts. */
export function internalClient(): ClientState {
  return {
    id: 0,
    name: '',
    libName: '',
    libVersion: '',
    database: 0,
    resp: 2,
    authenticated: true,
    noTouch: false,
    noEvict: false,
    replyMode: 'on',
    createdMs: Date.now(),
    lastCommandMs: 0,
    lastCommand: '',
    closing: false,
    transaction: null,
    peerAddress: '',
    localAddress: '',
    describe: () => '',
  };
}
