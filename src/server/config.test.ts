import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { chance } from '../../test/support/seed.ts';
import { Config, ConfigError, configFromArguments, DIRECTIVES, defaultOf, splitLine } from './config.ts';
import { rewriteConfig } from './config-rewrite.ts';
import { parseMemory } from './config-values.ts';

let directory = '';
before(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'ferrite-config-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function file(content: string): string {
  const name = path.join(directory, 'ferrite.conf');
  writeFileSync(name, content, 'latin1');
  return name;
}
function load(content: string): Config {
  return configFromArguments([file(content)]);
}

describe('words of a line', () => {
  for (const [line, words] of [
    ['port 6379', ['port', '6379']],
    ['  bind\t127.0.0.1   ::1 ', ['bind', '127.0.0.1', '::1']],
    ['requirepass "a b"', ['requirepass', 'a b']],
    ['requirepass "\\x41\\n\\"\\\\"', ['requirepass', 'A\n"\\']],
    ["requirepass 'it\\'s \\n'", ['requirepass', "it's \\n"]],
    ['save ""', ['save', '']],
    ['requirepass caf\xc3\xa0 \xa0', ['requirepass', 'caf\xc3\xa0', '\xa0']],
    ['requirepass "open', null],
    ["requirepass 'open", null],
    ['requirepass "a"b', null],
    ['', []],
  ] as const) {
    test(JSON.stringify(line), () => assert.deepEqual(splitLine(line), words));
  }
});

describe('memory values', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['1024', 1024],
    ['1b', 1],
    ['1k', 1000],
    ['1kb', 1024],
    ['2M', 2_000_000],
    ['2mb', 2_097_152],
    ['1G', 1_000_000_000],
    ['1gb', 1_073_741_824],
    ['-1', null],
    ['1.5gb', null],
    ['mb', null],
    ['1tb', null],
    ['', null],
  ] as const) {
    test(JSON.stringify(text), () => assert.equal(parseMemory(text), bytes));
  }
});

describe('configuration file', () => {
  test('sets what it names, in any case, and leaves the rest', () => {
    const config = load('# a comment\n\nPort 7777\nmaxmemory 100mb\nrequirepass "a b"\nprotected-mode NO\nbind 127.0.0.1 ::1\r\n');
    assert.equal(config.getNumber('port'), 7777);
    assert.equal(config.getNumber('maxmemory'), 104_857_600);
    assert.equal(config.getString('requirepass'), 'a b');
    assert.equal(config.getBoolean('protected-mode'), false);
    assert.equal(config.getString('bind'), '127.0.0.1 ::1');
    assert.equal(config.getString('maxclients'), defaultOf('maxclients'));
    assert.deepEqual(config.warnings, []);
  });

  test('the limits of each class of clients are set alone, and printed as bytes', () => {
    const config = load('client-output-buffer-limit normal 1mb 512kb 30\nclient-output-buffer-limit replica 2mb 1mb 60\n');
    assert.equal(
      config.getString('client-output-buffer-limit'),
      'normal 1048576 524288 30 slave 2097152 1048576 60 pubsub 33554432 8388608 60',
    );
  });

  test('keeps bytes beyond ASCII as they are, also those that are white space elsewhere', () => {
    // The last byte of this UTF-8 letter is 0xa0.
    const password = Buffer.from('voilà', 'utf8').toString('latin1');
    assert.equal(load(`requirepass ${password}\n`).getString('requirepass'), password);
  });

  test('an unknown directive is a warning that names the line', () => {
    const config = load('port 1\nno-such-thing 5\n');
    assert.match(config.warnings.join(), /ferrite\.conf, at line 2: unknown directive 'no-such-thing'/);
  });

  for (const [line, words] of [
    ['port 70000', /at line 1\n>>> 'port 70000'\nargument must be between 0 and 65535 inclusive/],
    ['port x', /at line 1\n>>> 'port x'\nargument couldn't be parsed into an integer/],
    ['appendonly maybe', /at line 1\n.*\nargument must be 'yes' or 'no'/],
    ['maxmemory lots', /at line 1\n.*\nargument must be a memory value/],
    ['proto-max-bulk-len 1kb', /at line 1\n.*\nargument must be between 1048576 and/],
    ['maxmemory-policy best', /at line 1\n.*\n.*one of the following: volatile-lru/],
    ['requirepass two words', /at line 1\n.*\nwrong number of arguments/],
    ['client-output-buffer-limit normal 0 0', /at line 1\n.*\nWrong number of arguments in buffer limit/],
    ['unixsocketperm 888', /at line 1\n.*\nargument couldn't be parsed/],
    ['save 900 1', /at line 1\n.*\nsnapshots aren't written/],
    ['port', /at line 1\n.*\nwrong number of arguments/],
    ['requirepass "x', /at line 1\n.*\nUnbalanced quotes/],
  ] as const) {
    test(`stops the start at ${line}`, () => {
      assert.throws(
        () => load(`${line}\n`),
        (error: unknown) => error instanceof ConfigError && words.test(error.message),
      );
    });
  }

  test('a file that cannot be read is said', () => {
    assert.throws(
      () => configFromArguments([path.join(directory, 'missing.conf')]),
      /Reading the configuration file .*missing\.conf\n.*\nENOENT/,
    );
  });
});

describe('command line', () => {
  test('directives with one value, several, and after a file', () => {
    const name = file('port 1111\nhz 20\n');
    const config = configFromArguments([name, '--port', '2222', '--bind', '127.0.0.1', '::1', '--MAXMEMORY', '1gb']);
    assert.equal(config.getNumber('port'), 2222);
    assert.equal(config.getNumber('hz'), 20);
    assert.equal(config.getString('bind'), '127.0.0.1 ::1');
    assert.equal(config.getNumber('maxmemory'), 1_073_741_824);
    assert.equal(config.file, name);
  });
  test('an empty value stands', () => {
    assert.equal(configFromArguments(['--requirepass', '']).getString('requirepass'), '');
  });
  for (const [args, words] of [
    [['--no-such-thing', '1'], /the command line\n>>> '--no-such-thing 1'\nBad directive/],
    [['--port'], /the command line\n>>> 'port'\nwrong number of arguments/],
    [['--port', '-5'], /between 0 and 65535/],
  ] as const) {
    test(`refuses ${args.join(' ')}`, () => assert.throws(() => configFromArguments(args), words));
  }
});

describe('CONFIG GET and SET', () => {
  test('patterns in any case, in the order of the table', () => {
    const config = new Config();
    assert.deepEqual(config.match(['MaxMemory']), [['MaxMemory', '0']]);
    assert.deepEqual(
      config
        .match(['maxmemory*', 'port'])
        .map(([name]) => name)
        .slice(0, 2),
      ['port', 'maxmemory'],
    );
    assert.equal(config.match(['*']).length, DIRECTIVES.length);
    assert.deepEqual(config.match(['nothing-like-it']), []);
  });
  test('all pairs or none', () => {
    const config = new Config();
    assert.equal(
      config.set([
        ['hz', '50'],
        ['MAXMEMORY', '2kb'],
      ]),
      null,
    );
    assert.equal(config.getNumber('hz'), 50);
    assert.equal(config.getNumber('maxmemory'), 2048);
    assert.match(
      config.set([
        ['hz', '60'],
        ['timeout', 'x'],
      ])!,
      /^ERR CONFIG SET failed \(possibly related to argument 'timeout'\)/,
    );
    assert.match(
      config.set([
        ['hz', '60'],
        ['hz', '70'],
      ])!,
      /duplicate parameter/,
    );
    assert.match(
      config.set([
        ['hz', '60'],
        ['port', '1'],
      ])!,
      /can't set immutable config/,
    );
    assert.match(
      config.set([
        ['hz', '60'],
        ['nope', '1'],
      ])!,
      /^ERR Unknown option or number of arguments for CONFIG SET - 'nope'/,
    );
    assert.equal(config.getNumber('hz'), 50);
  });
});

describe('CONFIG REWRITE', () => {
  test('keeps comments and order, changes what changed, adds what is new', () => {
    const name = file('# mine\nport 1234\n\nhz 20\n# more\nhz 30\nunknown-one 5\n');
    const config = configFromArguments([name]);
    assert.equal(
      config.set([
        ['hz', '77'],
        ['maxmemory', '1mb'],
      ]),
      null,
    );
    chmodSync(name, 0o640);
    assert.equal(rewriteConfig(config), null);
    const text = readFileSync(name, 'latin1');
    assert.equal(text, '# mine\nport 1234\n\nhz 77\n# more\nunknown-one 5\n# Generated by CONFIG REWRITE\nmaxmemory 1048576\n');
    if (process.platform !== 'win32') assert.equal(statSync(name).mode & 0o777, 0o640);
  });

  test('what it writes is read again as the same values, of any bytes', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 12 }),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.constantFrom('', ' ', 'a  b', '#x', '"', "'", ' a', 'a '),
    );
    fc.assert(
      fc.property(fc.constantFrom('requirepass', 'logfile', 'dir'), value, (name, text) => {
        fc.pre(!text.includes('\0'));
        const config = new Config(file('port 1\n'), [[name, text]]);
        assert.equal(rewriteConfig(config), null);
        const again = configFromArguments([config.file]);
        assert.equal(again.getString(name), text);
        assert.deepEqual(again.warnings, []);
      }),
      chance(100),
    );
  });

  test('says why it cannot', () => {
    assert.equal(rewriteConfig(new Config()), 'ERR The server is running without a config file');
    assert.match(rewriteConfig(new Config(path.join(directory, 'gone', 'x.conf')))!, /^ERR Rewriting config file: /);
  });
});
