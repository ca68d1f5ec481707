// What runs right now, on standard error, so that standard output is the report alone.

const begin = performance.now();

export function progress(text: string): void {
  const seconds = Math.round((performance.now() - begin) / 1000);
  process.stderr.write(`[${String(seconds).padStart(4)} s] ${text}\n`);
}
