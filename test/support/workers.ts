// Runs one stress body in several threads at once: they wait at a gate until all are there, and each returns a result or an error.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export type StressSetup<T> = {
  readonly data: T;
  readonly index: number;
  readonly count: number;
  readonly gate: SharedArrayBuffer;
};

/** Starts `count` threads of `file` with `data`; resolves to what each passed to `report`, in their order. */
export async function runThreads<T, R>(file: URL, count: number, data: T, timeoutMs = 30_000): Promise<R[]> {
  const gate = new SharedArrayBuffer(4);
  const workers = Array.from({ length: count }, (_, index) => {
    const setup: StressSetup<T> = { data, index, count, gate };
    return new Worker(file, { workerData: setup });
  });
  const timer = setTimeout(() => {
    for (const worker of workers) void worker.terminate();
  }, timeoutMs);
  try {
    return await Promise.all(
      workers.map(async (worker): Promise<R> => {
        let result: { value: R } | undefined;
        worker.on('message', (message: { value: R }) => {
          result = message;
        });
        await once(worker, 'exit');
        if (result === undefined) throw new Error(`a stress thread ended without a result (${timeoutMs} ms is its limit)`);
        return result.value;
      }),
    );
  } finally {
    clearTimeout(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** The body of a stress thread: waits for the others, runs, and hands its result back. Does nothing in the main thread. */
export function stressThread<T, R>(body: (setup: StressSetup<T>) => R): void {
  if (isMainThread) return;
  const setup = workerData as StressSetup<T>;
  const gate = new Int32Array(setup.gate);
  if (Atomics.add(gate, 0, 1) + 1 === setup.count) Atomics.notify(gate, 0);
  for (let seen = Atomics.load(gate, 0); seen < setup.count; seen = Atomics.load(gate, 0)) Atomics.wait(gate, 0, seen, 100);
  parentPort?.postMessage({ value: body(setup) });
}
