import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createEngine, type Engine, LuaError, LuaSyntaxError, LuaTable, type LuaValue, type Outcome } from './engine.ts';

const run = (engine: Engine, source: string, keys: string[] = [], args: string[] = []): Outcome =>
  engine.run(engine.compile(source, '@user_script'), keys, args);
function resultOf(outcome: Outcome): LuaValue {
  if (outcome.isError) assert.fail(`raised: ${String(outcome.error)}`);
  return outcome.value;
}
function errorOf(outcome: Outcome): LuaValue {
  assert.ok(outcome.isError, 'the script should have failed');
  return outcome.error;
}

describe('engine', () => {
  test('runs a chunk again and again, with its keys and arguments', () => {
    const engine = createEngine();
    const chunk = engine.compile('return KEYS[1] .. "/" .. ARGV[1] .. "/" .. #KEYS', '@user_script');
    for (let n = 0; n < 3; n++) assert.equal(resultOf(engine.run(chunk, [`k${n}`], [`a${n}`])), `k${n}/a${n}/1`);
  });
  test('host functions take and return values, and raise errors', () => {
    const host = (...args: LuaValue[]): LuaValue[] => [args.length, ...args];
    const raise = (): never => {
      throw new LuaError('from the host');
    };
    const engine = createEngine({ globals: { host, raise } });
    assert.equal(resultOf(run(engine, 'local n, a, b = host("x", nil) return n .. tostring(a) .. tostring(b)')), '2xnil');
    const outcome = run(engine, '\n\nraise()');
    assert.equal(errorOf(outcome), 'from the host');
    assert.ok(outcome.isError && outcome.source === '@user_script' && outcome.line === 3);
  });
  test('an error tells where it was raised, a table too', () => {
    const outcome = run(createEngine(), 'local function f()\n  error({ err = "MY error" })\nend\nf()');
    assert.ok(outcome.isError && outcome.error instanceof LuaTable && outcome.error.getString('err') === 'MY error');
    assert.deepEqual([outcome.source, outcome.line], ['@user_script', 2]);
  });
  test('a second engine of the thread has its own globals and its own strings', () => {
    const first = createEngine({ isProtected: false });
    const second = createEngine({ isProtected: false });
    run(first, 'x = 1 string.mine = 5');
    assert.equal(resultOf(run(second, 'return tostring(x) .. tostring(string.mine) .. tostring(("").mine)')), 'nilnilnil');
    assert.equal(resultOf(run(first, 'return x + ("").mine')), 6);
  });
  test('a faulty host function is a fault, not a Lua error', () => {
    const engine = createEngine({
      globals: {
        broken: () => {
          throw new TypeError('a bug of the host');
        },
      },
    });
    assert.throws(() => run(engine, 'pcall(broken)'), /a bug of the host/);
    assert.equal(resultOf(run(engine, 'return 1')), 1);
  });
});

describe('limits', () => {
  const ENDLESS: readonly string[] = [
    'while true do end',
    'repeat until false',
    'for i = 1, math.huge do end',
    'local function f() return f() end f()',
    'while true do pcall(function() while true do end end) end',
    'while true do pcall(error, "x") end',
    'local function f() pcall(f) end while true do f() end',
    'coroutine.wrap(function() while true do end end)()',
    'local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end',
    'for k in function() return 1 end do end',
    'local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end',
    'while true do ("x"):rep(1000) end',
    'string.find(("a"):rep(100000), ("a-"):rep(50) .. "b")',
    'string.find(("a"):rep(3000), ".-.-.-.-b")',
    'string.match(("a"):rep(30000) , "(.*)(.*)(.*)(.*)b")',
    'string.gsub(("x"):rep(100000), ".-b", "")',
    'for i = 1, 1e9 do string.find(("a"):rep(1000000), "b", 1, true) end',
    'local s = ("%s"):rep(1000) while true do pcall(string.format, s) end',
    'local t = {} for i = 1, 100000 do t[i] = i end while true do table.concat(t) end',
    'local t = {} for i = 1, 100000 do t[i] = i % 7 end table.sort(t, function(a, b) while true do end end)',
    'local t = {} for i = 1, 50000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end',
    'local t = {} for i = 1, 1000 do t[i] = i end while true do unpack(t) end',
    'local t = {} for i = 1, 1000 do t[i] = {i} end while true do cjson.decode(cjson.encode(t)) end',
    'local t = {} for i = 1, 1000 do t[i] = {i} end while true do cmsgpack.unpack(cmsgpack.pack(t)) end',
    'while true do loadstring("return 1") end',
    'xpcall(function() while true do end end, function() while true do end end)',
    'setmetatable({}, {__tostring = function() while true do end end}) while true do tostring(1) end',
    'local s = "x" while true do s = (s .. "y"):sub(2) end',
    'while true do local t = {} t.x = 1 end',
    'for _ in ("x"):rep(1000000):gmatch("") do for _ in ("x"):rep(1000000):gmatch("") do end end',
    'load(function() return "x" end)',
    'while true do redis.sha1hex(("x"):rep(100000)) end',
  ];
  for (const source of ENDLESS) {
    test(`the interrupt ends: ${source.slice(0, 70)}`, () => {
      let asked = 0;
      const started = performance.now();
      const redis = new LuaTable();
      redis.set('sha1hex', (text: LuaValue) => String(text).length);
      const engine = createEngine({ interrupt: () => (++asked > 3 ? 'stopped' : null), globals: { redis } });
      const outcome = run(engine, source);
      assert.ok(outcome.isError && outcome.isInterrupt, `not interrupted: ${JSON.stringify(outcome).slice(0, 200)}`);
      assert.equal(outcome.error, 'stopped');
      assert.ok(performance.now() - started < 3_000, 'it took too long');
      assert.equal(resultOf(run(createEngine(), 'return 1')), 1);
    });
  }
  test('a budget of ticks ends a script', () => {
    const outcome = run(createEngine({ maxTicks: 100_000 }), 'local n = 0 while true do n = n + 1 end');
    assert.ok(outcome.isError && outcome.isInterrupt);
  });

  const HUNGRY: readonly string[] = [
    'local t = {} while true do t[#t + 1] = {} end',
    'local t = {} local i = 0 while true do i = i + 1 t["key" .. i] = i end',
    'local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end',
    'local s = "x" while true do s = s .. s end',
    'local s = ("x"):rep(1000) local t = {} while true do s = s .. "yyyyyyyyyy" t[#t + 1] = s:sub(1, -2) end',
    'return ("x"):rep(1e9)',
    'return ("x"):rep(2e9)',
    'local s = ("x"):rep(1e6) return (s:gsub("x", s))',
    'local t = {} for i = 1, 100 do t[i] = ("x"):rep(1e6) end return #table.concat(t)',
    'local s, t = ("x"):rep(1e6), {} for i = 1, 200 do t[i] = s end return string.format(("%s"):rep(200), unpack(t))',
    'local t = {} while true do t[#t + 1] = function() return t end end',
    'local t = {} while true do t[#t + 1] = coroutine.create(function() end) end',
    'local t = {} local s = ("x"):rep(1e6) for i = 1, 200 do t[i] = s:upper() .. i end',
    'local t = {} for i = 1, 1e7 do t[i] = i + 0.5 end',
    'local t = {} for i = 1, 300 do t[i] = cjson.encode({("x"):rep(1e6) .. i}) end',
    'local t = {} while true do t[#t + 1] = loadstring("return " .. #t) end',
    'local function f(...) return f(1, ...) end f()',
  ];
  for (const source of HUNGRY) {
    test(`memory is limited: ${source.slice(0, 70)}`, () => {
      const engine = createEngine({ memoryBytes: 32 * 1024 * 1024, maxTicks: 50_000_000 });
      const outcome = run(engine, source);
      assert.ok(outcome.isError, 'it should have run out of memory');
      assert.match(String(outcome.error), /not enough memory|stack overflow/);
      assert.equal(resultOf(run(engine, 'return 1')), 1);
    });
  }
  test('garbage does not count', () => {
    const engine = createEngine({ memoryBytes: 32 * 1024 * 1024 });
    assert.equal(
      resultOf(run(engine, 'local n = 0 for i = 1, 20000 do local s = ("x"):rep(10000) .. i n = n + #s end return n')),
      200_088_894,
    );
    assert.equal(resultOf(run(engine, 'local last for i = 1, 1000000 do last = { i } end return last[1]')), 1_000_000);
  });
  test('running out of memory is an error that a script can catch', () => {
    const engine = createEngine({ memoryBytes: 16 * 1024 * 1024 });
    assert.equal(resultOf(run(engine, 'local ok, e = pcall(string.rep, "x", 1e8) return tostring(ok) .. e')), 'falsenot enough memory');
  });
});

describe('size and depth', () => {
  const engine = createEngine();
  test('more than 200 locals, upvalues, parameters and returned values', () => {
    const names = Array.from({ length: 500 }, (_, n) => `a${n}`);
    const source = `local ${names.join(', ')} = ${names.map((_, n) => n).join(', ')}
      local function sum() return ${names.join(' + ')} end
      local function pass(${names.join(', ')}) return ${names.join(', ')} end
      return sum() + select("#", pass(${names.join(', ')}))`;
    assert.equal(resultOf(run(engine, source)), 124_750 + 500);
  });
  test('large tables and long constants', () => {
    const numbers = Array.from({ length: 100_000 }, (_, n) => n).join(',');
    assert.equal(resultOf(run(engine, `local t = {${numbers}} return #t + t[100000]`)), 199_999);
    const fields = Array.from({ length: 20_000 }, (_, n) => `k${n}=${n}`).join(',');
    assert.equal(resultOf(run(engine, `local t = {${fields}} return t.k19999`)), 19_999);
    assert.equal(resultOf(run(engine, `return #"${'x'.repeat(1_000_000)}"`)), 1_000_000);
    assert.equal(resultOf(run(engine, `return #[[${'\\x'.repeat(100_000)}]]`)), 200_000);
  });
  test('sums, chains and branches of thousands', () => {
    assert.equal(resultOf(run(engine, `local x = 1 return ${'x + '.repeat(5_000)}0`)), 5_000);
    assert.equal(resultOf(run(engine, `local x = {v = 1} return ${'x.v + '.repeat(5_000)}0`)), 5_000);
    assert.equal(resultOf(run(engine, `local x = false return ${'x or '.repeat(5_000)}7`)), 7);
    assert.equal(resultOf(run(engine, `local x = false if ${'x or '.repeat(5_000)}true then return 8 end`)), 8);
    const branches = Array.from({ length: 1_000 }, (_, n) => `if x == ${n} then return ${n}`).join(' else');
    assert.equal(resultOf(run(engine, `local x = 999 ${branches} end`)), 999);
  });
  for (const [name, source] of [
    ['calls', `return tostring${'()'.repeat(20_000)}`],
    ['fields', `local t = {} return t${'.x'.repeat(20_000)}`],
    ['parentheses', `return ${'('.repeat(20_000)}1${')'.repeat(20_000)}`],
    ['tables', `return ${'{'.repeat(20_000)}${'}'.repeat(20_000)}`],
    ['functions', `return ${'function() return '.repeat(150)}1${' end'.repeat(150)}`],
    ['blocks', `${'do '.repeat(20_000)}${'end '.repeat(20_000)}`],
    ['nots', `return ${'not '.repeat(20_000)}1`],
    ['branches', `local x ${'if x then '.repeat(20_000)}${'end '.repeat(20_000)}`],
    ['elseifs', `local x if x then ${'elseif x then '.repeat(20_000)} end`],
    ['concatenations', `return ${'"a" .. '.repeat(20_000)}"b"`],
    ['operands', `return 1 ${'- 1 '.repeat(200_000)}`],
  ] as const) {
    test(`20000 nested or chained ${name} compile or are refused in Lua's words`, () => {
      try {
        run(engine, source);
      } catch (error) {
        assert.ok(error instanceof LuaSyntaxError, String(error));
        assert.match(error.message, /^user_script:1: chunk has too many syntax levels/);
      }
    });
  }
  const megabytes = process.env['FERRITE_LONG'] === '1' ? 10 : 3;
  test(`a script of ${megabytes} MB compiles`, () => {
    const line = 'local function f(a, b) if a > b then return a .. "text" else return { a, b, x = a } end end\n';
    const source = `${`do ${line} end\n`.repeat(Math.ceil((megabytes * 1e6) / (line.length + 9)))}return 1`;
    assert.equal(resultOf(run(engine, source)), 1);
  });
  test('16000 calls deep on a stack of 16 MB', async () => {
    const code = `
      import { createEngine } from ${JSON.stringify(new URL('./engine.ts', import.meta.url).href)};
      import { parentPort } from 'node:worker_threads';
      const engine = createEngine();
      const source = 'local function d(n) if n == 0 then return 0 end return 1 + d(n - 1) end return {d(16000), (pcall(d, 1e7)), d(16000)}';
      const outcome = engine.run(engine.compile(source, '@x'), [], []);
      parentPort.postMessage(outcome.isError ? outcome.error : outcome.value.items.slice(1));`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      resourceLimits: { stackSizeMb: 16 },
    });
    const answer = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    assert.deepEqual(answer, [16_000, false, 16_000]);
    await worker.terminate();
  });
});

describe('sandbox', () => {
  const engine = createEngine();
  const WORDS = [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    '__defineGetter__',
    'length',
    'name',
    'call',
    'apply',
    'caller',
    'arguments',
    'items',
    'keys',
    'values',
    'metatable',
    'resumable',
  ];
  test('no property of a JavaScript object is a field', () => {
    for (const word of WORDS) {
      const source = `local t, f, s, co = {}, function() end, "text", coroutine.create(function() end)
        local seen = { tostring(t.${word}), tostring(t["${word}"]), tostring(({ 1 })["${word}"]),
          tostring(rawget(t, "${word}")), tostring(rawget(_G, "${word}")),
          tostring(pcall(function() return f.${word} end)), tostring(pcall(function() return co.${word} end)),
          tostring(pcall(function() return (5).${word} end)),
          tostring(pcall(function() return cjson.null.${word} end)), tostring(pcall(function() return (true).${word} end)) }
        return table.concat(seen, " ")`;
      assert.equal(resultOf(run(engine, source)), `${'nil '.repeat(5)}${'false '.repeat(4)}false`, word);
      assert.equal(resultOf(run(engine, `return tostring(("x").${word})`)), 'nil', word);
    }
  });
  test('they can be used as keys like any others', () => {
    for (const word of WORDS) {
      const source = `local t = {} t["${word}"] = 1 t.other = 2 local n = 0 for k, v in pairs(t) do n = n + v end
        local u = { ${word} = 5 } u.${word} = u.${word} + 1
        local json = cjson.decode(cjson.encode(t)) local pack = cmsgpack.unpack(cmsgpack.pack(t))
        return n + u.${word} + json["${word}"] + pack["${word}"]`;
      assert.equal(resultOf(run(engine, source)), 11, word);
    }
    assert.equal(({} as Record<string, unknown>)['other'], undefined);
  });
  test('they can name locals, functions and methods', () => {
    for (const word of [
      ...WORDS,
      'var',
      'let',
      'const',
      'class',
      'new',
      'this',
      'await',
      'yield',
      'eval',
      'arguments',
      'undefined',
      'NaN',
      'Infinity',
      'meter',
      'self',
      'rest',
      'ticks',
      'G',
      'K',
      'S',
      'main',
      'process',
      'globalThis',
      'require',
    ]) {
      const source = `local ${word} = 1 local function f(${word}) ${word} = ${word} + 1 return ${word} end
        local t = {} function t:${word}() return 5 end
        for ${word} = 1, 2 do end for ${word} in pairs({}) do end return ${word} + f(1) + t:${word}()`;
      assert.equal(resultOf(run(engine, source)), 8, word);
    }
  });
  test('texts stay texts', () => {
    for (const text of [
      '\\"); process.exit(1); (\\"',
      '`$' + '{process.exit(1)}`',
      "'; process.exit(1); '",
      '\\\\',
      '\\0\\1\\2',
      '\\n\\r',
      '</script>',
      '*/ process.exit(1) /*',
      '\\226\\128\\168',
      '\\x01',
      '\\\\x01',
    ]) {
      const source = `local s = "${text}" local t = { ["${text}"] = s } return t["${text}"]`;
      const expected = resultOf(run(engine, `return "${text}"`));
      assert.equal(resultOf(run(engine, source)), expected);
    }
    const marks = '\x01' + '0;\n' + '\x01' + '1;';
    assert.equal(resultOf(run(engine, `return "${marks.replaceAll('\n', '\\n')}"`)), marks);
    assert.equal(resultOf(run(engine, `return [[${marks}]]`)), marks);
    assert.equal(
      resultOf(run(engine, `local ok, e = pcall(function() local t = {} return t["${marks.replaceAll('\n', '\\n')}"].x end) return e`)),
      "user_script:1: attempt to index field '" + marks + "' (a nil value)",
    );
  });
  const ESCAPES: readonly string[] = [
    'return getfenv',
    'return setfenv',
    'return debug',
    'return io',
    'return require',
    'return module',
    'return package',
    'return dofile',
    'return loadfile',
    'return newproxy',
    'return print',
    'return process',
    'return globalThis',
    'return os.execute("x")',
    'return os.getenv("PATH")',
    'string.rep = nil',
    'table.foo = 1',
    '_G.x = 1',
    'rawset(_G, "x", 1)',
    'rawset(string, "x", 1)',
    'setmetatable(_G, {})',
    'setmetatable(string, {})',
    'getmetatable("").__index = {}',
    'rawset(getmetatable(""), "__index", {})',
    'getmetatable(_G).__index = nil',
    'rawset(getmetatable(_G), "__index", nil)',
    'setmetatable("", {})',
    'table.insert(string, 1)',
    'table.sort(math)math.x = 1',
    'table.remove(redis or {}, 1) _G[1] = 1',
    'coroutine.wrap(function() x = 1 end)()',
    'loadstring("x = 1")()',
    'cjson.encode = nil',
    'cmsgpack.pack = nil',
    'KEYS = nil',
    'ARGV = nil',
    'string.dump(function() end)',
    'loadstring("\\27Lua")()',
    'loadstring(string.dump(function() end))()',
    'local n = 0 load(function() n = n + 1 return n == 1 and "\\27Lua" or nil end)()',
  ];
  for (const source of ESCAPES) {
    test(`refused: ${source}`, () => {
      errorOf(run(engine, source));
      assert.equal(resultOf(run(engine, 'return string.rep("x", 2) .. table.concat({1}) .. type(cjson.encode) .. #KEYS')), 'xx1function0');
    });
  }
  test('coroutines left behind do not reach into the next run', () => {
    errorOf(run(engine, 'coroutine.wrap(function() error("x") end)()'));
    assert.equal(resultOf(run(engine, 'return tostring(coroutine.running())')), 'nil');
  });
});

test('which chunks leave functions behind that keep something between calls', () => {
  const engine = createEngine();
  const keeps = (source: string): boolean => engine.compile(source, '@library').keepsState;
  for (const source of [
    "redis.register_function('f', function(keys) return #keys end)",
    "local a, b = 1, 'x' local function f(n) if n == 0 then return a end return f(n - 1) .. b end redis.register_function('f', f)",
    "local c = 60 * 60 .. '' redis.register_function('f', function() local t = {c} return function() t[1] = 1 end end)",
    "for i = 1, 3 do redis.register_function('f' .. i, function() return i end) end",
    "local unused = {} unused = 1 redis.register_function{function_name = 'f', callback = function() end}",
    "local r = redis.REDIS_VERSION local lib = redis redis.register_function('f', function() return r, lib end)",
  ]) {
    assert.equal(keeps(source), false, source);
  }
  for (const source of [
    "local n = 0 redis.register_function('f', function() n = n + 1 end)",
    "local t = {} redis.register_function('f', function() t.x = 1 end)",
    "local t = nil or {} redis.register_function('f', function() t.x = 1 end)",
    "local t = ({}) local u = t redis.register_function('f', function() u.x = 1 end)",
    "local function make() local n = 0 return function() n = n + 1 end end redis.register_function('f', make())",
    'local redis = {g = function() end} redis.g()',
    "local f do local n = 0 f = function() n = n + 1 end end redis.register_function('f', f)",
    "('x'):rep(3)",
    "local a = ... redis.register_function('f', function() return a end)",
    "for _, t in next, {{}} do redis.register_function('f', function() t.x = 1 end) end",
  ]) {
    assert.equal(keeps(source), true, source);
  }
});
