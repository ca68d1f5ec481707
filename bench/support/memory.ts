// Bytes of memory an element costs: growth of the resident set while a fresh server is filled, over the number of elements.
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from './machine.ts';
import { type Options, scaled } from './options.ts';
import { pipe, VALUE } from './pipe.ts';
import { progress } from './progress.ts';
import { figure, ratio, type Table } from './report.ts';
import type { Contender, Fleet, Target } from './target.ts';

export type Shape = {
  readonly name: string;
  readonly elements: number;
  /** The i-th of `requests` requests that build it. */
  readonly requests: number;
  readonly request: (index: number) => readonly string[];
};

export type Cost = {
  readonly shape: string;
  readonly server: string;
  readonly isSubject: boolean;
  readonly residentBytes: number;
  /** The same, counted from before the very first request: with the code and buffers that any requests bring into memory. */
  readonly residentFromStartBytes: number;
  /** By the server's own used_memory. */
  readonly usedBytes: number;
};

/**
 * SETs of one and the same key before the first measured element, so that compiled code, heap and buffers of the request path, which
 * are there once and not once a key, aren't shared out among the elements. In Ferrite they are some 20 MB.
 */
const WARM_REQUESTS = 100_000;
/** By several connections, one behind the other: each of the server's threads that may accept the one that fills has been warm before. */
const WARM_CONNECTIONS = 8;
/** Tables that grow are still being moved for a moment after the last reply. */
const SETTLE_MS = 1_000;

async function fill(target: Target, shape: Shape, options: Options): Promise<Cost> {
  const residentAtStart = residentBytes(target.pid);
  const warming = scaled(options, WARM_REQUESTS / WARM_CONNECTIONS);
  for (let each = 0; each < WARM_CONNECTIONS; each++) await pipe(target, warming, () => ['SET', 'warm', VALUE]);
  const residentBefore = residentBytes(target.pid);
  const usedBefore = await target.infoNumber('memory', 'used_memory');
  await pipe(target, shape.requests, shape.request);
  await sleep(options.quick ? SETTLE_MS / 10 : SETTLE_MS);
  const usedAfter = await target.infoNumber('memory', 'used_memory');
  const residentAfter = residentBytes(target.pid);
  return {
    shape: shape.name,
    server: target.name,
    isSubject: target.isSubject,
    residentBytes: (residentAfter - residentBefore) / shape.elements,
    residentFromStartBytes: (residentAfter - residentAtStart) / shape.elements,
    usedBytes: (usedAfter - usedBefore) / shape.elements,
  };
}

/** Every shape on every server, each in a server of its own: memory that was freed is not always given back. */
export async function measureMemory(
  fleet: Fleet,
  contenders: readonly Contender[],
  shapes: readonly Shape[],
  options: Options,
): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const shape of shapes) {
    for (const contender of contenders) {
      progress(`memory of ${shape.name}: ${contender.name}`);
      const target = await fleet.start(contender);
      costs.push(await fill(target, shape, options));
      await fleet.stop(target);
    }
  }
  return costs;
}

/** What the subject's elements take, over what Redis's take; null when one of them wasn't measured. */
export function memoryRatio(costs: readonly Cost[], shape: string): number | null {
  const of = (matches: (cost: Cost) => boolean): number | undefined =>
    costs.find((cost) => cost.shape === shape && matches(cost))?.residentBytes;
  return ratio(
    of((cost) => cost.isSubject),
    of((cost) => cost.server === 'redis'),
  );
}

export function memoryTable(title: string, costs: readonly Cost[]): Table {
  return {
    title,
    columns: ['what', 'server', 'resident bytes each', 'counted from the start', 'used_memory each', 'resident / redis'],
    rows: costs.map((cost) => {
      const redis = costs.find((other) => other.shape === cost.shape && other.server === 'redis')?.residentBytes;
      const bytes = [cost.residentBytes, cost.residentFromStartBytes, cost.usedBytes];
      return [cost.shape, cost.server, ...bytes.map(figure), figure(ratio(cost.residentBytes, redis))];
    }),
  };
}
