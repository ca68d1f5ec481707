// The repository looks after itself: who may import whom, how long lines, functions and files may get, and what may not be left
// behind. A rule that a case proves wrong is changed here, with its reason.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { attachAll } from '../src/commands/all.ts';
import { COMMANDS } from '../src/commands/lookup.ts';
import { ROOT, report, type SourceFile, textFiles } from './support/tree.ts';

const FILES = textFiles();
const CODE = FILES.filter((file) => /\.(ts|js)$/.test(file.path));
const TESTS = FILES.filter((file) => file.path.startsWith('test/') || file.path.endsWith('.test.ts'));

/** The floors of src/, the lowest first: a folder imports from its own files and from the floors below, types as well. */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['memory', 'resp'],
  ['lua'],
  ['structures'],
  ['keyspace'],
  // Undo and key locks are below the executor, which asks them at every command.
  ['pubsub', 'blocking', 'transactions'],
  ['commands'],
  ['persistence'],
  ['scripting'],
  ['net'],
  ['server'],
  ['main.ts', 'index.ts'],
];
const MAX_COLUMNS = 140;
const MAX_FUNCTION_LINES = 70;
/** Half of it is what to aim at. */
const MAX_FILE_LINES = 600;
/** Files that have outgrown the limit, and how far they may go. To be split, not to be added to. */
const OUTGROWN: Readonly<Record<string, number>> = { 'src/keyspace/keyspace.ts': 760 };
/** What stands beside a module and isn't shipped. */
const BESIDE = /\.(test|bench|fuzz|stress)\.ts$/;
/** Rows that stand one to a line, for the eye: src/commands/table is left alone by the formatter too. */
const WIDE = /^src\/commands\/table\//;

function floorOf(file: string): number {
  const place = file.split('/')[1] as string;
  return FLOORS.findIndex((floor) => floor.includes(place));
}

function importsOf(file: SourceFile, text = file.text): string[] {
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map((match) => path.posix.join(path.posix.dirname(file.path), match[1] as string));
}

test('imports go downwards', () => {
  const complaints: string[] = [];
  for (const file of CODE.filter(({ path: name }) => name.startsWith('src/') && !BESIDE.test(name))) {
    const floor = floorOf(file.path);
    if (floor < 0) {
      complaints.push(`${file.path}: its folder has no floor yet; give it one in FLOORS`);
      continue;
    }
    for (const target of importsOf(file)) {
      if (!target.startsWith('src/')) complaints.push(`${file.path} imports ${target}, which isn't part of the package`);
      else if (target.split('/')[1] === file.path.split('/')[1]) continue;
      else if (floorOf(target) >= floor) complaints.push(`${file.path} imports ${target}, which isn't below it`);
    }
  }
  report(complaints);
});

test('no files load one another in a circle', () => {
  // What is imported as a type alone is gone when the program runs.
  const edges = new Map(CODE.map((file) => [file.path, importsOf(file, file.text.replace(/^import type .*;$/gm, ''))]));
  const complaints: string[] = [];
  const done = new Set<string>();
  const visit = (name: string, above: readonly string[]): void => {
    if (above.includes(name)) complaints.push([...above.slice(above.indexOf(name)), name].join(' -> '));
    if (done.has(name) || above.includes(name)) return;
    for (const target of edges.get(name) ?? []) visit(target, [...above, name]);
    done.add(name);
  };
  for (const name of edges.keys()) visit(name, []);
  report(complaints);
});

test('every import leads to a file', () => {
  const complaints: string[] = [];
  for (const file of CODE) {
    for (const target of importsOf(file)) {
      if (!existsSync(path.join(ROOT, target))) complaints.push(`${file.path} imports ${target}, which isn't there`);
    }
  }
  report(complaints);
});

test(`no line of code is longer than ${MAX_COLUMNS} columns, unless it is one string`, () => {
  const complaints: string[] = [];
  for (const file of CODE) {
    if (WIDE.test(file.path)) continue;
    file.lines.forEach((line, index) => {
      // A message is found by searching for it, so it isn't broken in two; a comment can be.
      const isString = /['"`]|^\s*\/.*\/[a-z]*[,;]$/.test(line) && !/^\s*(\*|\/\/|\/\*)/.test(line);
      if (line.length > MAX_COLUMNS && !isString) complaints.push(`${file.path}:${index + 1}: ${line.length} columns`);
    });
  }
  report(complaints);
});

test(`no file is longer than ${MAX_FILE_LINES} lines`, () => {
  const complaints: string[] = [];
  for (const { path: name, lines } of CODE) {
    const limit = OUTGROWN[name] ?? MAX_FILE_LINES;
    if (lines.length > limit) complaints.push(`${name}: ${lines.length} lines, at most ${limit}`);
  }
  for (const name of Object.keys(OUTGROWN)) {
    const file = CODE.find((candidate) => candidate.path === name);
    if (file === undefined || file.lines.length <= MAX_FILE_LINES) complaints.push(`${name} is in OUTGROWN and no longer needs to be`);
  }
  report(complaints);
});

/** The first line of a function, a method or a named arrow. Callbacks, such as those of test() and describe(), aren't meant. */
const MODIFIERS = `(?:(?:export|default|private|protected|public|static|override|async|get|set) )*`;
const FUNCTION = new RegExp(String.raw`^\s*${MODIFIERS}(?:function\b.*|[#\w]+(?:<[^>]*>)?\(.*|const \w+ = .*=>) ?\{$`);
const STATEMENT = /^\s*(if|for|while|switch|catch|do|else|return|throw|try|test|describe|it|before|after)\b/;

/** Every file is formatted, so a block ends with the first line that is indented as its beginning. */
function longFunctions(file: SourceFile): string[] {
  const complaints: string[] = [];
  file.lines.forEach((line, index) => {
    // A signature on several lines ends with one that begins with a bracket.
    const isHeader = (FUNCTION.test(line) && !STATEMENT.test(line)) || /^\s*\).*\{$/.test(line);
    if (!isHeader) return;
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const end = file.lines.findIndex((candidate, at) => at > index && candidate.startsWith(`${indent}}`));
    const length = end - index + 1;
    if (length > MAX_FUNCTION_LINES) complaints.push(`${file.path}:${index + 1}: a function of ${length} lines`);
  });
  return complaints;
}

test(`no function is longer than ${MAX_FUNCTION_LINES} lines`, () => {
  report(CODE.flatMap(longFunctions));
});

/** The words are put together here so that the test doesn't find itself. */
const NOTES = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|');
const LEFTOVERS: readonly [RegExp, string][] = [
  [new RegExp(`\\b(${NOTES})\\b`), 'a note left behind'],
  [new RegExp(`\\bdebug${'ger'};`), 'a breakpoint'],
  [new RegExp(`\\b(test|describe|it)\\.on${'ly'}\\(`), 'a test that silences the others'],
];

test('nothing is left behind', () => {
  const complaints: string[] = [];
  for (const file of FILES) {
    file.lines.forEach((line, index) => {
      for (const [pattern, what] of LEFTOVERS) if (pattern.test(line)) complaints.push(`${file.path}:${index + 1}: ${what}`);
      const prints = /^src\//.test(file.path) && !BESIDE.test(file.path) && /\bconsole\.\w+\(/.test(line);
      if (prints) complaints.push(`${file.path}:${index + 1}: the server writes to its log, not to the console`);
    });
  }
  report(complaints);
});

/** Where a developer's own machine shows: home folders, other people's checkouts, the registry that an install went to. */
const PRIVATE = [
  /(^|[\s"'`(=:])\/(home|Users)\/[a-z]/,
  new RegExp(`(^|[\\s"'\`(=:])/(root|wo${'rk'}|mnt)/`),
  /\b(registry|mirror|artifactory|nexus)\.[a-z0-9.-]+\.[a-z]{2,}/i,
  /"resolved": "https?:/,
];

test('no path of a machine and no host of a registry is in a file', () => {
  const complaints: string[] = [];
  for (const file of FILES) {
    file.lines.forEach((line, index) => {
      for (const pattern of PRIVATE)
        if (pattern.test(line)) complaints.push(`${file.path}:${index + 1}: ${pattern.exec(line)?.[0].trim()}`);
    });
  }
  report(complaints);
});

test('files are UTF-8 with line feeds, end with one, and have no spaces at the end of a line', () => {
  const complaints: string[] = [];
  for (const { path: name, text, lines } of FILES) {
    if (text.includes('\ufffd') && !name.endsWith('.test.ts')) complaints.push(`${name}: not UTF-8`);
    if (text.includes('\r') && !name.startsWith('test/lua/')) complaints.push(`${name}: carriage returns`);
    if (text !== '' && !text.endsWith('\n')) complaints.push(`${name}: no line feed at the end`);
    if (name.includes('/cases/') || name.startsWith('test/lua/')) continue;
    lines.forEach((line, index) => {
      if (/[ \t]$/.test(line)) complaints.push(`${name}:${index + 1}: spaces at the end`);
    });
  }
  report(complaints);
});

test('every row of the command table has a handler, and every command a test that names it', () => {
  attachAll();
  const complaints: string[] = [];
  const text = TESTS.filter((file) => !file.path.endsWith('tidy.test.ts'))
    .map((file) => file.text.toLowerCase())
    .join('\n');
  for (const { name, handler } of COMMANDS) {
    if (handler === null) complaints.push(`${name} has no handler`);
    // A subcommand is looked for beside its parent: CLIENT LIST, 'client', 'list'.
    const pattern = new RegExp(`\\b${name.split('|').join('\\b[^a-z\\n]{1,12}')}\\b`);
    if (!pattern.test(text)) complaints.push(`${name} is named by no test`);
  }
  report(complaints);
});
