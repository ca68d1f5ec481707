/**
 * From JavaScript's stack to Lua's. The emitter puts every operation that can fail, and every call, on a JavaScript line of its own,
 * and keeps for each such line the Lua line and the names that messages need. A running script pays nothing for it.
 */
export type NameOfOperand = {
  readonly kind: 'local' | 'upvalue' | 'global' | 'field' | 'method';
  readonly name: string;
} | null;

/** One operation of a script. */
export type Site = {
  readonly line: number;
  /** The called function, the indexed object, or an operator's operands. Of a loop's iterator: none, and how errors call it. */
  readonly names: readonly NameOfOperand[];
  readonly isCall: boolean;
  /** Arguments that a call passes, -1 when the last one stands for any number. */
  readonly argumentCount: number;
  readonly isTail: boolean;
};
/** What is kept of a compiled chunk. */
export type ChunkInfo = {
  /** As messages show it. */
  readonly name: string;
  /** As it was given: "@user_script". */
  readonly source: string;
  /** By JavaScript line. */
  readonly sites: readonly (Site | undefined)[];
};

/** A level of Lua's call stack, from the innermost outwards. */
export type Level =
  | { readonly kind: 'lua'; readonly chunk: ChunkInfo; readonly site: Site | undefined }
  | { readonly kind: 'native' }
  | { readonly kind: 'tail' };

const SCRIPT_PREFIX = 'lua-chunk:';
const SWEEP_EVERY = 256;
const RUNTIME_DIRECTORY = new URL('.', import.meta.url).href;
const LIBRARY_DIRECTORY = new URL('../library/', import.meta.url).href;
/** The function through which library code calls a function value. */
const CALL_NAMES = new Set(['callFunction', 'callFunctionWithOne', 'callFunctionWithTwo', 'callFunctionResumable']);
/** The function below which another coroutine's stack begins. */
const BOUNDARY_NAME = 'runCoroutine';

const chunks = new Map<string, WeakRef<ChunkInfo>>();
let chunkCount = 0;

/** A name for the next chunk's emitted script. */
export function nextScriptName(): string {
  return SCRIPT_PREFIX + ++chunkCount;
}
/** The chunk stays known for as long as something, as a rule its own functions, refers to `info`. */
export function registerChunk(scriptName: string, info: ChunkInfo): void {
  if (chunkCount % SWEEP_EVERY === 0) {
    for (const [name, reference] of chunks) if (reference.deref() === undefined) chunks.delete(name);
  }
  chunks.set(scriptName, new WeakRef(info));
}

type Traced = { stack?: unknown };

/** The frames captured in an object, as V8's call sites. V8 formats a trace when it's first read, so nothing is lost by reading late. */
function framesOf(traced: Traced): readonly NodeJS.CallSite[] {
  const { prepareStackTrace } = Error;
  Error.prepareStackTrace = (_, frames) => frames;
  try {
    const frames = traced.stack;
    return Array.isArray(frames) ? frames : [];
  } finally {
    Error.prepareStackTrace = prepareStackTrace as NonNullable<typeof prepareStackTrace>;
  }
}

/** The Lua levels of a captured trace; the first is the function that was running. */
export function levelsOf(traced: Traced): Level[] {
  const levels: Level[] = [];
  let isNewNative = true;
  for (const frame of framesOf(traced)) {
    const file = frame.getFileName() ?? frame.getScriptNameOrSourceURL() ?? '';
    if (file.startsWith(SCRIPT_PREFIX)) {
      const chunk = chunks.get(file)?.deref();
      if (chunk === undefined) continue;
      const site = chunk.sites[frame.getLineNumber() ?? 0];
      if (site?.isTail && levels.at(-1)?.kind === 'lua') levels.push({ kind: 'tail' });
      levels.push({ kind: 'lua', chunk, site });
      isNewNative = true;
    } else if (file.startsWith(RUNTIME_DIRECTORY)) {
      const name = frame.getFunctionName() ?? '';
      if (CALL_NAMES.has(name)) isNewNative = true;
      if (name === BOUNDARY_NAME) break;
    } else if (!file.startsWith('node:') && file !== '') {
      if (!file.startsWith(LIBRARY_DIRECTORY) && levels.at(-1)?.kind === 'native') continue;
      if (isNewNative) levels.push({ kind: 'native' });
      isNewNative = false;
    }
  }
  return levels;
}

/** "chunk:line: " of a level, '' when it's no Lua function. */
export function whereText(level: Level | undefined): string {
  if (level?.kind !== 'lua' || level.site === undefined) return '';
  return `${level.chunk.name}:${level.site.line}: `;
}
