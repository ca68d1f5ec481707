// Random programs on the engine, on the engine inside of a coroutine, and on lua5.1. A failure prints fast-check's seed and path.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LONG } from '../support/server.ts';
import { program } from './programs.ts';
import { luaInstalled, runEngine, runOracle } from './support.ts';

/** Where the stack ends is each interpreter's own affair; the names in messages of nested choices depend on Lua's registers. */
const comparable = (output: string): string =>
  output
    .replace(/p:\d+: stack overflow/g, 'stack overflow')
    .replace(/-nan/g, 'nan')
    .replace(/(?:local|global|upvalue|field|method) '[^']*' \(a (\w+) value\)/g, 'a $1 value');
const RUNS = LONG ? 20_000 : 250;

test('random programs print on the engine what they print on lua5.1', {
  skip: luaInstalled() ? false : 'lua5.1 is not installed',
}, () => {
  fc.assert(
    fc.property(program, (source) => {
      assert.equal(comparable(runEngine(source, '@p')), comparable(runOracle(source, '@p')));
    }),
    { numRuns: RUNS },
  );
});
test('random programs run alike plainly and inside of a coroutine', () => {
  fc.assert(
    fc.property(program, (source) => {
      assert.equal(comparable(runEngine(source, '@p', { isResumable: true })), comparable(runEngine(source, '@p')));
    }),
    { numRuns: RUNS },
  );
});
