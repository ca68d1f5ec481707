// Random Lua programs for the differential test: every statement prints what it has done, all loops end, and what isn't the same on
// two interpreters (addresses, the order of a hash with objects as keys, #t of tables with holes) is left out.
import fc from 'fast-check';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const FIELDS = ['x', 'y', 'name', 'size', 'k1', 'k2', 'value'];
const TEXTS = ['', 'a', 'abc', '10', '0x1F', ' 7 ', 'hello world', 'x=1,y=2', '1e2', '%d+', '\\0\\200\\n'];
const NUMBERS = [
  '0',
  '1',
  '2',
  '3',
  '-1',
  '7',
  '10',
  '0.5',
  '-2.25',
  '1e15',
  '123456789',
  '2^53',
  '1/3',
  '100',
  '255',
  '-7.5',
  '1e300',
  '3',
];

/** A choice of texts, deeper ones rarer. */
type Grammar = { readonly expression: fc.Arbitrary<string>; readonly block: fc.Arbitrary<string> };

const name = fc.constantFrom(...NAMES);
const field = fc.constantFrom(...FIELDS);
const text = fc.constantFrom(...TEXTS).map((one) => `"${one}"`);
const number = fc.constantFrom(...NUMBERS);
const operator = fc.constantFrom(
  '+',
  '-',
  '*',
  '/',
  '%',
  '^',
  '..',
  '==',
  '~=',
  '<',
  '<=',
  '>',
  '>=',
  'and',
  'or',
  '+',
  '-',
  '..',
  'and',
  'or',
);

const { expression, block } = fc.letrec<{
  expression: string;
  leaf: string;
  simple: string;
  table: string;
  call: string;
  func: string;
  block: string;
  statement: string;
}>((tie) => ({
  leaf: fc.oneof(number, text, name, name, name, fc.constantFrom('nil', 'true', 'false', '...', '#arg')),
  simple: fc.oneof(
    { weight: 4, arbitrary: fc.oneof(number, text, name, name, fc.constantFrom('nil', 'true', 'false')) },
    fc.tuple(name, field).map(([n, f]) => `${n}.${f}`),
  ),
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('simple'),
    fc.tuple(tie('expression'), operator, tie('expression')).map(([a, o, b]) => `(${a} ${o} ${b})`),
    fc.tuple(fc.constantFrom('-', 'not ', '- -'), tie('expression')).map(([o, a]) => `(${o}(${a}))`),
    tie('call'),
    tie('table'),
    tie('func'),
    fc.tuple(name, tie('expression')).map(([n, k]) => `${n}[${k}]`),
  ),
  table: fc.oneof(
    fc.array(tie('expression'), { maxLength: 4 }).map((items) => `{${items.map((one) => `(${one}) or 0`).join(', ')}}`),
    fc.array(fc.tuple(field, tie('expression')), { maxLength: 4 }).map((items) => `{${items.map(([k, v]) => `${k} = ${v}`).join(', ')}}`),
    fc.tuple(tie('expression'), field, tie('expression')).map(([a, f, b]) => `{(${a}) or 1, ${f} = ${b}; 3}`),
  ),
  func: fc.oneof(
    fc.tuple(name, tie('expression')).map(([n, e]) => `function(${n}, ...) return ${e}, ... end`),
    fc.tuple(name, tie('block')).map(([n, b]) => `function(${n}) ${b} return ${n} end`),
  ),
  call: fc.oneof(
    fc.tuple(name, fc.array(tie('expression'), { maxLength: 3 })).map(([n, args]) => `${n}(${args.join(', ')})`),
    fc.tuple(tie('expression')).map(([e]) => `tostring(${e})`),
    fc.tuple(tie('expression')).map(([e]) => `type(${e})`),
    fc.tuple(tie('expression')).map(([e]) => `tonumber(${e})`),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `select(2, pcall(function() return ${a} end), ${b})`),
    fc.tuple(name, fc.constantFrom('upper', 'lower', 'reverse', 'len', 'byte')).map(([n, m]) => `${n}:${m}()`),
    fc.tuple(tie('simple'), number, number).map(([s, i, j]) => `string.sub(${s}, ${i}, ${j})`),
    fc
      .tuple(tie('simple'), fc.constantFrom('%a+', '%d', '.', '(%w)(%w)', '^%s*(.-)%s*$', 'l*', '[a-c]', '%w-'))
      .map(([s, p]) => `string.gsub(${s}, "${p}", "<%0>")`),
    fc.tuple(tie('simple'), fc.constantFrom('%a+', '(%d+)', 'b', '()b', '^a', 'o w')).map(([s, p]) => `string.find(${s}, "${p}")`),
    fc
      .tuple(fc.constantFrom('%d', '%5.2f', '%s', '%x', '%g', '%q', '%-8s|', '%05d', '%e'), tie('simple'))
      .map(([f, v]) => `string.format("${f}", ${v})`),
    fc.tuple(fc.constantFrom('floor', 'ceil', 'abs', 'sqrt'), tie('expression')).map(([f, e]) => `math.${f}(${e})`),
    fc.tuple(fc.constantFrom('max', 'min', 'fmod'), tie('simple'), tie('simple')).map(([f, a, b]) => `math.${f}(${a}, ${b})`),
    fc.tuple(tie('simple'), text).map(([t, s]) => `table.concat(${t}, ${s})`),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `rawequal(${a}, ${b})`),
  ),
  statement: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(name, tie('expression')).map(([n, e]) => `${n} = ${e} show("${n}", ${n})`),
    fc.tuple(name, name, tie('expression'), tie('expression')).map(([m, n, e, f]) => `${m}, ${n} = ${e}, ${f}`),
    fc.tuple(name, tie('expression')).map(([n, e]) => `local ${n} = ${e} show("local", ${n})`),
    fc.tuple(name, name, tie('call')).map(([m, n, e]) => `local ${m}, ${n} = ${e} show("${m}", ${m}, ${n})`),
    fc.tuple(name, field, tie('expression')).map(([n, f, e]) => `${n}.${f} = ${e}`),
    fc
      .tuple(tie('table'), tie('expression'), tie('expression'))
      .map(([t, e, f]) => `do local t = ${t} table.insert(t, ${e}) t[#t + 1] = ${f} show("insert", #t, t[1], t[2], t[#t]) end`),
    fc
      .tuple(name, tie('expression'))
      .map(([n, e]) => `show("insert", pcall(function() table.insert(${n}, ${e}) local t = {} table.insert(t, ${n}) return #t, t[1] end))`),
    fc.tuple(tie('expression')).map(([e]) => `show("value", ${e})`),
    fc.tuple(tie('call')).map(([e]) => `show("call", pcall(function() return ${e} end))`),
    fc.tuple(tie('expression'), tie('block'), tie('block')).map(([e, t, f]) => `if ${e} then ${t} else ${f} end`),
    fc.tuple(name, number, tie('block')).map(([n, step, b]) => `for ${n} = 1, 3, (${step}) % 3 + 0.5 do ${b} end`),
    fc.tuple(name, tie('block')).map(([n, b]) => `for ${n} = 3, 1, -1 do ${b} if not ${n} then break end end`),
    fc
      .tuple(tie('expression'), tie('block'))
      .map(([e, b]) => `do local n = 0 while ${e} do n = n + 1 ${b} if n > 2 then break end end end`),
    fc
      .tuple(tie('block'), tie('expression'))
      .map(([b, e]) => `do local n = 0 repeat n = n + 1 local last = n > 2 ${b} until last or ${e} end`),
    fc
      .tuple(name, name, tie('table'), tie('block'))
      .map(([k, v, t, b]) => `for ${k}, ${v} in pairs(${t}) do show("pair", ${k}, ${v}) ${b} end`),
    fc.tuple(name, name, tie('table'), tie('block')).map(([k, v, t, b]) => `for ${k}, ${v} in ipairs(${t}) do ${b} end`),
    fc
      .tuple(name, name, tie('block'), tie('expression'))
      .map(
        ([f, p, b, e]) =>
          `local function ${f}(${p}, ...) ${b} if type(${p}) == "number" and ${p} > 0 then return ${f}(${p} - 1, ...) end return ${e} end show("f", pcall(${f}, 3, "va"))`,
      ),
    fc.tuple(name, tie('block')).map(([n, b]) => `show("pcall", pcall(function(${n}) ${b} end, 1))`),
    fc.tuple(name, tie('block'), name).map(([n, b, m]) => `local ${n} = function() ${b} return ${m} end ${m} = pcall(${n})`),
    fc
      .tuple(name, tie('table'), tie('expression'))
      .map(
        ([n, t, e]) =>
          `${n} = setmetatable(${t}, { __index = function(_, k) return k end, __add = function(p, q) return ${e} end, __call = function(self, ...) return ... end, __concat = function() return "cat" end, __eq = function() return true end, __lt = function() return false end })`,
      ),
    fc
      .tuple(name, tie('expression'))
      .map(
        ([n, e]) =>
          `do local co = coroutine.wrap(function(...) local ${n} = coroutine.yield(${e}) show("in", ${n}, ...) return ${e} end) show("co", pcall(co, 1)) show("co", pcall(co, 2)) end`,
      ),
    fc
      .tuple(tie('expression'), fc.constantFrom(0, 1, 2))
      .map(([e, n]) => `error(${e}, ${n})`)
      .map((raise) => `show("raised", pcall(function() ${raise} end))`),
  ),
  block: fc.array(tie('statement'), { maxLength: 3, depthIdentifier: 'block' }).map((list) => list.join('\n')),
}));
const grammar: Grammar = { expression, block };

/** show() prints values of any kind; calls are counted so that a program can't run away. */
const PRELUDE = `
local calls = 0
local function show(...)
  calls = calls + 1
  if calls > 300 then error("enough", 0) end
  local words = {}
  for i = 1, math.min(select("#", ...), 8) do
    local v = select(i, ...)
    if type(v) == "table" then v = "table" elseif type(v) == "function" then v = "function" elseif type(v) == "string" then v = string.format("%q", v:sub(1, 60)) end
    words[i] = tostring(v)
  end
  print(table.concat(words, " "))
end
local depth = 0
local plainPcall = pcall
local function pcall(...)
  depth = depth + 1
  if depth > 40 then depth = depth - 1 error("deep", 0) end
  local function done(...) depth = depth - 1 return ... end
  return done(plainPcall(...))
end
local a, b, c, d, e = 1, "text", { x = 1, 10, 20 }, function(...) return ... end, nil
`;
export const program: fc.Arbitrary<string> = fc
  .tuple(fc.array(grammar.block, { minLength: 1, maxLength: 4 }), grammar.expression)
  .map(([blocks, last]) => `${PRELUDE}${blocks.join('\n')}\nshow("end", ${last})\n`);
