// The language: each file of cases/ is run on the engine, plainly and inside of a coroutine, and on Debian's lua5.1; all must
// print what the file beside it says. LUA_UPDATE=1 writes what lua5.1 prints into those files.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { CASES, luaInstalled, runEngine, runOracle } from './support.ts';

const hasOracle = luaInstalled();
const read = (file: string): string => readFileSync(file, 'latin1');

describe('Lua cases', () => {
  for (const file of readdirSync(CASES).filter((name) => name.endsWith('.lua'))) {
    const source = read(path.join(CASES, file));
    const expectedFile = path.join(CASES, file.replace('.lua', '.out'));
    const chunkName = `@${file}`;
    // What 5.1 can't do (a yield across pcall, say) has no oracle.
    const isBeyond = source.startsWith('-- beyond 5.1');
    if (process.env['LUA_UPDATE'] === '1') {
      writeFileSync(expectedFile, isBeyond ? runEngine(source, chunkName) : runOracle(source, chunkName), 'latin1');
    }
    const expected = read(expectedFile);
    test(`${file} on the engine`, () => {
      assert.equal(runEngine(source, chunkName), expected);
    });
    test(`${file} inside of a coroutine`, { skip: source.includes('-- not in a coroutine') }, () => {
      assert.equal(runEngine(source, chunkName, { isResumable: true }), expected);
    });
    test(`${file} on lua5.1`, { skip: isBeyond ? 'beyond 5.1' : hasOracle ? false : 'lua5.1 is not installed' }, () => {
      assert.equal(runOracle(source, chunkName), expected);
    });
  }
});
