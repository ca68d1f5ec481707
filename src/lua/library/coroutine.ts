/**
 * Coroutines on generators: inside of one every Lua function runs in its generator form, and a yield passes out through all of them
 * to resume. See docs/decisions/0011.
 */
import { many } from '../runtime/calls.ts';
import { argumentError, LuaError, toLuaError, where } from '../runtime/errors.ts';
import { chargeMemory, meter } from '../runtime/meter.ts';
import { isGenerator, manyResumable, type Resumable, resumableOf, YieldRequest } from '../runtime/resumable.ts';
import { CoroutineBase, type LuaFunction, type LuaResult, type LuaValue, TailCall } from '../runtime/value.ts';
import { checkFunction } from './arguments.ts';

const COROUTINE_BYTES = 1_024;
/** How many coroutines may be resumed inside each other: LUAI_MAXCCALLS. */
const MAX_DEPTH = 200;

export class Coroutine extends CoroutineBase {
  status: 'suspended' | 'running' | 'normal' | 'dead' = 'suspended';
  readonly body: LuaFunction;
  run: Resumable<LuaResult> | null = null;
  constructor(body: LuaFunction) {
    super();
    this.body = body;
  }
}

let current: Coroutine | null = null;
let depth = 0;
/** Before a script runs: what an interrupted one left behind is forgotten. */
export function resetCoroutines(): void {
  current = null;
  depth = 0;
}

/** The first stretch: calls the body. One without a generator form has run to its end by then. */
function start(coroutine: Coroutine, values: LuaValue[]): readonly LuaValue[] {
  const result = resumableOf(coroutine.body)(...values) as unknown;
  coroutine.run = isGenerator(result) && result.request === undefined ? result : whole(result as LuaResult);
  return advance(coroutine, coroutine.run.next());
}
function* whole(result: LuaResult | YieldRequest): Resumable<LuaResult> {
  return result instanceof YieldRequest ? yield result.request : result;
}
function advance(coroutine: Coroutine, step: IteratorResult<LuaValue[], LuaResult>): readonly LuaValue[] {
  if (step.done !== true) {
    coroutine.status = 'suspended';
    return step.value;
  }
  if (step.value instanceof TailCall) {
    // The body's last call was left to its caller.
    coroutine.run = manyResumable(step.value);
    return advance(coroutine, coroutine.run.next());
  }
  coroutine.status = 'dead';
  return many(step.value);
}
/** One stretch of a coroutine, from a resume to the next yield or the end. Its name marks the border in a stack trace. */
function runCoroutine(coroutine: Coroutine, values: LuaValue[]): readonly LuaValue[] {
  const previous = current;
  const { tails } = meter;
  if (previous !== null) previous.status = 'normal';
  coroutine.status = 'running';
  current = coroutine;
  depth++;
  try {
    if (coroutine.run === null) return start(coroutine, values);
    return advance(coroutine, coroutine.run.next(values));
  } catch (error) {
    coroutine.status = 'dead';
    throw error;
  } finally {
    current = previous;
    depth--;
    meter.tails = tails;
    if (previous !== null) previous.status = 'running';
  }
}
/** Throws LuaError when the coroutine can't go on. */
function resumeOf(coroutine: Coroutine, values: LuaValue[]): readonly LuaValue[] {
  if (coroutine.status !== 'suspended') {
    throw new LuaError(`cannot resume ${coroutine.status} coroutine`);
  }
  if (depth >= MAX_DEPTH) throw new LuaError('C stack overflow');
  return runCoroutine(coroutine, values);
}

function create(body: LuaValue): Coroutine {
  // Lua 5.1 refuses C functions here; those without a generator form couldn't yield.
  if (typeof body !== 'function') throw argumentError(1, 'Lua function expected');
  chargeMemory(COROUTINE_BYTES);
  return new Coroutine(checkFunction(body, 1));
}
function checkCoroutine(value: LuaValue): Coroutine {
  if (!(value instanceof Coroutine)) throw argumentError(1, 'coroutine expected');
  return value;
}
function resume(...args: LuaValue[]): LuaValue[] {
  const coroutine = checkCoroutine(args[0]);
  try {
    return [true, ...resumeOf(coroutine, args.slice(1))];
  } catch (thrown) {
    const error = toLuaError(thrown);
    if (!(error instanceof LuaError)) throw error;
    return [false, error.value];
  }
}
function wrap(body: LuaValue): LuaFunction {
  const coroutine = create(body);
  return (...args: LuaValue[]) => {
    try {
      return resumeOf(coroutine, args);
    } catch (thrown) {
      const error = toLuaError(thrown);
      if (!(error instanceof LuaError)) throw error;
      // As auxwrap does: a text gets the place of the call in front.
      throw new LuaError(typeof error.value === 'string' ? where(1) + error.value : error.value);
    }
  };
}
/** Reached only where no generator form is running: outside of coroutines, or below a library function that calls back. */
function yieldPlain(): never {
  throw new LuaError('attempt to yield across metamethod/C-call boundary');
}
const yieldResumable = (...args: LuaValue[]): YieldRequest => new YieldRequest(args);

export function createCoroutine(): Record<string, LuaFunction> {
  const yields: LuaFunction = () => yieldPlain();
  yields.resumable = yieldResumable as unknown as NonNullable<LuaFunction['resumable']>;
  return {
    create,
    resume,
    running: () => current ?? undefined,
    status: (value: LuaValue) => checkCoroutine(value).status,
    wrap,
    yield: yields,
  };
}
