// What the documentation says is held against the code: links, commands to type, directives, the list of commands, the dump of an entry.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { commandsPage } from '../scripts/command-docs.ts';
import { Keyspace } from '../src/keyspace/keyspace.ts';
import { createControl } from '../src/keyspace/layout.ts';
import { createBanks } from '../src/memory/bank.ts';
import { DIRECTIVES, defaultOf } from '../src/server/config.ts';
import { ROOT, report, textFiles } from './support/tree.ts';

const PAGES = textFiles().filter((file) => file.path.endsWith('.md'));
const SCRIPTS = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).scripts as Record<string, string>;
const NPM_BUILT_IN = new Set(['ci', 'install', 'pack']);

function pageNamed(name: string): string {
  const page = PAGES.find((file) => file.path === name);
  assert.ok(page !== undefined, `${name} isn't there`);
  return page.text;
}

/** The anchor that GitHub makes of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function headingsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map((match) => anchorOf(match[1] as string));
}

test('every link within the documentation leads somewhere', () => {
  const complaints: string[] = [];
  for (const file of PAGES) {
    const text = file.text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`(?!\])/g, '');
    for (const match of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const target = match[1] as string;
      if (/^https?:/.test(target)) continue;
      const [name, anchor] = target.split('#') as [string, string | undefined];
      const full = name === '' ? file.path : path.posix.join(path.posix.dirname(file.path), name);
      if (!existsSync(path.join(ROOT, full))) complaints.push(`${file.path}: ${target}: there is no ${full}`);
      else if (anchor !== undefined && !headingsOf(pageNamed(full)).includes(anchor))
        complaints.push(`${file.path}: ${target}: no such heading`);
    }
  }
  report(complaints);
});

test('every npm command in the documentation exists', () => {
  const complaints: string[] = [];
  for (const file of PAGES) {
    for (const match of file.text.matchAll(/\bnpm (run )?([a-z][a-z:]*)/g)) {
      const [whole, run, name] = match as unknown as [string, string | undefined, string];
      const isBuiltIn = run === undefined && NPM_BUILT_IN.has(name);
      // Without `run`, only these of our scripts have a short form; any other word behind "npm" is prose.
      const isShort = name === 'start' || name === 'test';
      if (isBuiltIn || (run === undefined && !isShort)) continue;
      if (SCRIPTS[name] === undefined) complaints.push(`${file.path}: ${whole}: package.json has no script '${name}'`);
    }
  }
  report(complaints);
});

test('.ci/run does what the README tells people to do', () => {
  const script = readFileSync(path.join(ROOT, '.ci/run'), 'utf8');
  for (const command of ['npm ci', 'npm start', 'npm test', 'npm run check']) {
    assert.ok(pageNamed('README.md').includes(command), `the README no longer says ${command}`);
    assert.ok(script.includes(command), `.ci/run doesn't run ${command}`);
  }
});

test('docs/configuration.md has every directive, with its default and when it can be set', () => {
  const complaints: string[] = [];
  const rows = new Map<string, string[]>();
  for (const match of pageNamed('docs/configuration.md').matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)) {
    const name = match[1] as string;
    if (rows.has(name)) complaints.push(`${name} is there twice`);
    rows.set(name, (match[2] as string).split(' | '));
  }
  for (const { name, mutable } of DIRECTIVES) {
    const [value, when, meaning] = rows.get(name) ?? [];
    rows.delete(name);
    if (value === undefined || when === undefined || meaning === undefined) {
      complaints.push(`${name} is missing`);
      continue;
    }
    // The number of cores isn't the same everywhere.
    const expected = name === 'io-threads' ? 'cores, at most 8' : defaultOf(name) || 'none';
    if (value.trim().replaceAll('`', '') !== expected) complaints.push(`${name}: the default is '${expected}'`);
    if (when !== (mutable ? 'at any time' : 'at the start'))
      complaints.push(`${name}: it can be set ${mutable ? 'at any time' : 'at the start'}`);
  }
  for (const name of rows.keys()) complaints.push(`${name} isn't a directive`);
  report(complaints);
});

test('docs/configuration.md says so where a directive is taken and nobody reads it', () => {
  const code = textFiles()
    .filter((file) => /^src\/.*\.ts$/.test(file.path) && !/\.(test|bench)\.ts$/.test(file.path))
    .map((file) => file.text)
    .join('\n');
  const complaints: string[] = [];
  for (const { name } of DIRECTIVES) {
    const row = new RegExp(`^\\| \`${name}\` .*$`, 'm').exec(pageNamed('docs/configuration.md'))?.[0] ?? '';
    const isRead = new RegExp(`get(String|Number|Boolean)\\(\\s*'${name}'`).test(code);
    const saysUnused = /Taken for compatibility|As above/.test(row);
    if (isRead === saysUnused) complaints.push(`${name} is ${isRead ? 'read' : 'not read'} by the server: ${row}`);
  }
  report(complaints);
});

test('docs/commands.md is what npm run docs writes', () => {
  assert.equal(pageNamed('docs/commands.md'), commandsPage(), 'run npm run docs');
});

test('the dump in docs/memory-layout.md is what is in memory', () => {
  const keyspace = new Keyspace(createControl(1), createBanks(64, 256 * 1048576));
  const key = Buffer.from('user:7');
  const value = Buffer.from('Ada');
  keyspace.stamp = 1;
  keyspace.locate(0, key, 0, key.length);
  const entry = keyspace.setString(keyspace.write(), value, 0, value.length, false);
  const bytes = keyspace.bank.u8.subarray(entry * 4, (entry + keyspace.bank.sizeWords(entry)) * 4);
  const page = pageNamed('docs/memory-layout.md');
  assert.ok(page.includes(`in bank ${keyspace.bank.index}:`), `it is in bank ${keyspace.bank.index}`);
  const block = /^ref (\d+) [\s\S]*?^```/m.exec(page);
  assert.equal(Number(block?.[1]), entry);
  const shown = [...(block?.[0] ?? '').matchAll(/\b[0-9a-f]{2}(?= |$)/gm)].map((match) => match[0]).join(' ');
  assert.equal(shown, bytes.toString('hex').replace(/(..)(?=.)/g, '$1 '));
});
