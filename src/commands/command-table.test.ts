import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keySpecsOf } from './key-specs.ts';
import { COMMANDS } from './lookup.ts';
import { parseSyntax } from './syntax.ts';
import { SYNTAX } from './table/arguments.ts';

/** Redis's own documentation says nothing of their arguments either. */
const UNDOCUMENTED = ['quit', 'debug', 'command|getkeys', 'command|getkeysandflags'];

test('every command with arguments has them documented', () => {
  for (const { name, arity, subcommands } of COMMANDS) {
    const own = name.includes('|') ? 2 : 1;
    if (arity === own || subcommands.length > 0 || UNDOCUMENTED.includes(name)) continue;
    assert.ok(SYNTAX[name] !== undefined, `${name} has no line in table/arguments.ts`);
  }
});

test('every line of arguments can be read', () => {
  for (const line of Object.values(SYNTAX)) assert.ok(parseSyntax(line).length > 0, line);
});

test('a line of arguments is read into its parts', () => {
  const [key, condition, limit, element] = parseSyntax(
    'key<key 1> [condition{NX|change!CH}@6.2.0] [LIMIT=range(offset<integer> count)] element...',
  );
  assert.deepEqual([key?.name, key?.type, key?.keySpec], ['key', 'key', 1]);
  assert.deepEqual([condition?.type, condition?.isOptional, condition?.since], ['oneof', true, '6.2.0']);
  assert.deepEqual(
    condition?.parts.map(({ name, token }) => [name, token]),
    [
      ['nx', 'NX'],
      ['change', 'CH'],
    ],
  );
  assert.deepEqual([limit?.token, limit?.type, limit?.parts.length, limit?.parts[0]?.type], ['LIMIT', 'block', 2, 'integer']);
  assert.equal(element?.isMultiple, true);
});

for (const line of ['key<key', 'a{B|', '[a', 'a]', '']) {
  test(`a line that can't be read is said: '${line}'`, () => assert.throws(() => parseSyntax(line), /can't be read from character \d/));
}

test('every command with keys has specifications of them, and the first agrees with its row', () => {
  for (const command of COMMANDS) {
    if (command.firstKey === 0) continue;
    const [spec] = keySpecsOf(command);
    assert.ok(spec?.begin.type === 'index', `${command.name} has no line in table/key-specs.ts`);
    assert.equal(spec.begin.index, command.firstKey, command.name);
  }
});
