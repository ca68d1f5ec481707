// Each figure of a thread has a word of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as control from './control.ts';

test('no two statistics share a word, and all lie within a row', () => {
  const places = Object.entries(control).filter(([name]) => name.startsWith('STAT_') && name !== 'STAT_WORDS');
  const words = places.map(([, word]) => word as number);
  assert.equal(new Set(words).size, words.length, JSON.stringify(places));
  assert.ok(Math.max(...words) < control.STAT_WORDS);
});
