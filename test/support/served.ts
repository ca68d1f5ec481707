// Tests that share one server of a describe: each gets an empty keyspace and a way to connect, and what it opened is closed behind it.
import { after, before, test } from 'node:test';
import { RawClient } from './raw-client.ts';
import { isReactorRefused, type RunningServer, type StartOptions, startServer } from './server.ts';

export type Connect = () => Promise<RawClient>;
export type ServedTest = (name: string, body: (connect: Connect, server: RunningServer) => Promise<void>) => void;

/**
 * To be called within describe(): starts the server before its tests and stops it behind them. Where the machine refuses the reactor, the
 * tests are skipped. `empty` are the requests that empty the server before each test.
 */
export function serveTests(options: StartOptions, timeout: number, empty: readonly (readonly string[])[] = [['FLUSHALL']]): ServedTest {
  let server: RunningServer | undefined;
  before(async () => {
    try {
      server = await startServer(options);
    } catch (error) {
      if (!isReactorRefused(error)) throw error;
    }
  });
  after(async () => {
    await server?.stop();
  });
  return (name, body) => {
    test(name, { timeout }, async (context) => {
      if (server === undefined) {
        context.skip(`this machine refuses ${options.reactor}`);
        return;
      }
      const { port } = server;
      const open: RawClient[] = [];
      const connect = async (): Promise<RawClient> => {
        const client = await RawClient.connect(port);
        open.push(client);
        return client;
      };
      const first = await connect();
      for (const request of empty) await first.command(...request);
      try {
        await body(connect, server);
      } finally {
        for (const client of open) client.destroy();
      }
      server.assertAlive();
    });
  };
}
