// Random calls of the libraries, as text: for the test that makes them on redis-server and on the engine and compares what they return.
import { Random } from '../support/seed.ts';

// Edges of C's integers, of "%.14g" and of doubles, some more than once in other clothes.
const NUMBERS = `0 1 -1 2 3 7 10 16 31 32 33 64 100 127 128 255 256 65535 65536 2^31-1 2^31 2^32-1 2^32 2^53 2^53+2 2^63 -2^63 2^64 -2^31
  -2^31-1 0.5 -0.5 1.5 2.5 -1.5 0.1 1/3 1e15 1e14 123456789012345 1e16 1e100 -1e100 1e300 1e-5 1e-4 0.0001234 5e-324 (0/0) (1/0) (-1/0)
  (-0) 12.25 99.99 1234.5678 3.14159265358979 1e21 1e22 0.1+0.2`.split(/\s+/);
const WORDS = ['', 'a', 'abc', 'hello world', '10', '0x1F', ' 7 ', '1e2', '%d+', 'x=1, y=2', 'THE (quick) fox', 'aXb', '\0', 'a\0b', '\n'];
/** Not "nan": C keeps its sign, and JavaScript has no such thing. */
const MORE_WORDS = ['"', '\\', '/', 'inf', '-inf', '0x', '1e', '.5', '5.', '--1', 'true', 'foo.bar(baz[1])', '\u00e9\u00ff'];
const JSON_SCALARS = `true false null nul tru NaN nan Infinity -Infinity inf +1 -nan -inf infinit 0 1 -1 12 1.5 -0 0.25 1e5 1E+2 01 0x10
  -0x1p3 1. .5 - 1e 123456789012345678 99.99 0.0001 1e400 12345678901234567890.5 00 0. -.5 1.0e-2`.split(/\s+/);
const JSON_TEXTS = [
  '',
  'a',
  'name',
  'hello world this is longer than thirty two bytes',
  '\\n',
  '\\u0041',
  '\\u00e9',
  '\\ud83d\\ude00',
  'id',
];
const MORE_JSON_TEXTS = ['\\ud83d', '\\u12', '\\x', 'tab\t', '\\/', '\\"', 'a\\\\b', '\u00ff', '\\u0000', '\\udc00', '\\ud83d\\u0041'];
const PATTERN_ITEMS =
  '%w %a %d %s %p %S . a b x [a-z] [^a-z] [%w_] []] [^]] [a-] (%w+) () (.-) %b() %f[%w] %1 ^ $ ( ) % [ = l o %z %x %%'.split(' ');
const STRUCT_ITEMS = '< > ! !4 !3 b B h H l L T i I i1 i2 i3 i8 I8 i16 I4 f d s c0 c1 c5 x i33 z c !8 = i0 c300 Bc0'.split(' ');
const FORMAT_FLAGS = ['', '-', '+', ' ', '#', '0', '-+', '+0', '#0', '- '];
const FORMAT_WIDTHS = ['', '', '5', '10', '2', '20', '99', '100'];
const FORMAT_PRECISIONS = ['', '', '.', '.0', '.2', '.5', '.14', '.20', '.99', '.100'];
const CJSON_OPTIONS =
  `encode_max_depth decode_max_depth encode_number_precision encode_keep_buffer decode_invalid_numbers encode_invalid_numbers
  encode_sparse_array`.split(/\s+/);
const BIT_FUNCTIONS = 'tobit tohex bnot band bor bxor lshift rshift arshift rol ror bswap'.split(' ');
// Those whose last digit isn't the C library's own affair.
const MATH_FUNCTIONS = 'abs ceil floor sqrt fmod modf frexp ldexp max min mod'.split(' ');
/** What can be done to two values. */
const OPERATIONS = `return a[b]|a[b] = 1 return a[b]|return #a|return -a|return a.x.y|return a:upper()|return a()|return a.b()|return a < b
  |for i = a, b do return i end|for k in a do end|return a .. b|return not a|local c = a + b return c|return rawequal(a, b)
  |return rawget(a, b)|return next(a, b)|return setmetatable(a, b)|return getmetatable(a)|error(a, b)|assert(a, b)|return type(a)
  |return ipairs(a)|return pcall(a, b)|return xpcall(a, b)|return loadstring(a, b)|return rawset(a, b, 1)|return coroutine.resume(a, b)
  |return coroutine.status(a)|return coroutine.create(a)|return redis.error_reply(a)|return redis.status_reply(a)
  |return table.concat(a, b)|return string.format(a, b)
  |return a % b|return a ^ b|return a <= b|return a == b|return a - b|return a * b|return a / b`.split(/\s*\|/);

/** Numbers that a loop of redis-server's may run up to. */
const small = (number: string): string => (/\^|e\d\d|\/0|\d{6}/.test(number) ? '3' : number);

class Calls {
  private readonly random: Random;
  constructor(random: Random) {
    this.random = random;
  }
  private chance(outOf: number): boolean {
    return this.random.below(outOf) === 0;
  }
  private pick<T>(choices: readonly T[]): T {
    return choices[this.random.below(choices.length)] as T;
  }
  private list(most: number, one: () => string, separator = ', '): string {
    return Array.from({ length: this.random.below(most + 1) }, one).join(separator);
  }
  private bytes(most: number): string {
    return this.list(most, () => String.fromCharCode(this.chance(3) ? this.random.below(256) : 32 + this.random.below(95)), '');
  }
  private literal(text: string): string {
    const escaped = (character: string): string => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`;
    return `"${text.replace(/[^A-Za-z0-9 _.,:;=+*-]/g, escaped)}"`;
  }
  private number = (): string => {
    if (this.chance(4)) return String(this.random.below(2000) - 1000);
    return this.chance(5) ? String(this.random.below(100_000) / this.pick([1, 8, 10, 100, 1000, 3])) : this.pick(NUMBERS);
  };
  private text = (): string => {
    return this.literal(this.chance(3) ? this.bytes(this.chance(10) ? 80 : 12) : this.pick([...WORDS, ...MORE_WORDS]));
  };
  private scalar = (): string => (this.chance(2) ? this.number() : this.text());
  /** Never 1: where there is room in the hash, Lua 5.1 keeps it there, and its place in a traversal is another (decision 13). */
  private key = (): string => (this.chance(6) ? 'true' : this.scalar().replace(/^(1|\(0\/0\))$/, '11'));
  private value = (depth = 0): string => {
    const inner = (): string => this.value(depth + 1);
    switch (this.random.below(depth > 2 ? 6 : 9)) {
      case 0:
        return this.pick(['nil', 'true', 'false', 'cjson.null', 'func', 'thread', '{}']);
      case 6:
        return `{${this.list(4, inner)}}`;
      case 7:
        return `{${this.list(3, () => `[${this.key()}] = ${inner()}`)}}`;
      case 8:
        return `{${this.list(3, () => `${this.pick(['x', 'y', 'name', 'id', 'tags'])} = ${inner()}`)}}`;
      default:
        return this.scalar();
    }
  };
  private json = (depth = 0): string => {
    const space = (): string => (this.chance(6) ? this.pick([' ', '\n', '\t', '\r']) : '');
    const name = (): string => `"${this.pick([...JSON_TEXTS, ...MORE_JSON_TEXTS])}"`;
    const inner = (): string => space() + this.json(depth + 1) + space();
    switch (this.random.below(depth > 3 ? 4 : 7)) {
      case 4:
        return `[${this.list(4, inner, ',')}]`;
      case 5:
      case 6:
        return `{${this.list(4, () => `${space()}${this.chance(4) ? name() : this.pick(['"a"', '"b"', '"id"'])}${space()}:${inner()}`, ',')}}`;
      default:
        return this.chance(2) ? this.pick(JSON_SCALARS) : name();
    }
  };
  private damaged(text: string): string {
    const at = this.random.below(text.length + 1);
    switch (this.random.below(9)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + this.pick([...',}]{[:"\0 \\x']) + text.slice(at);
      case 2:
        return text.slice(0, at) + text.slice(at + 1);
      default:
        return text;
    }
  }
  private repeated(most: number, items: readonly string[], suffixes: readonly string[] = ['']): string {
    return this.pick(items) + this.pick(suffixes) + this.list(most, () => this.pick(items) + this.pick(suffixes), '');
  }
  private pattern = (): string => this.literal(this.repeated(4, PATTERN_ITEMS, ['', '', '', '*', '+', '-', '?']));
  private directive = (): string => {
    return `%${this.pick(FORMAT_FLAGS)}${this.pick(FORMAT_WIDTHS)}${this.pick(FORMAT_PRECISIONS)}${this.pick([...'diucxXoeEfgGqssdg%zynp', ''])}`;
  };

  /** By library: the text of a function and its arguments. */
  readonly kinds: Readonly<Record<string, () => string>> = {
    encode: () => `cjson.encode, ${this.value()}`,
    decode: () => `cjson.decode, ${this.literal(this.damaged(this.json()))}`,
    'decode and encode': () => `function(v) return cjson.encode(cjson.decode(v)) end, ${this.literal(this.damaged(this.json()))}`,
    options: () => {
      const set = `cjson.${this.pick(CJSON_OPTIONS)}, ${this.list(2, this.pick([this.number, () => this.pick(['"on"', '"off"', '"null"', 'true'])]))}`;
      const use = `pcall(cjson.encode, ${this.value()}), pcall(cjson.decode, ${this.literal(this.json())})`;
      return `function() local r = {${`pcall(${set})`.replace(', )', ')')}} local e = {${use}} reset() return show(r, 0), show(e, 0) end`;
    },
    pack: () => `cmsgpack.pack, ${this.value()}, ${this.value()}`,
    unpack: () => {
      const name = this.pick(['unpack', 'unpack', 'unpack_one', 'unpack_limit']);
      return `cmsgpack.${name}, ${this.literal(this.bytes(20))}, ${this.list(2, this.number)}`;
    },
    'pack and unpack': () => `function(...) return cmsgpack.unpack(cmsgpack.pack(...)) end, ${this.value()}`,
    'struct.pack': () =>
      // A NaN is packed with its sign, which JavaScript doesn't keep.
      `struct.pack, ${this.literal(this.repeated(4, STRUCT_ITEMS))}, ${this.list(4, () => (this.chance(5) ? this.value() : this.scalar())).replaceAll('(0/0)', '7')}`,
    'struct.unpack': () =>
      `struct.unpack, ${this.literal(this.repeated(4, STRUCT_ITEMS))}, ${this.literal(this.bytes(30))}, ${this.list(1, this.number)}`,
    'struct.size': () => `struct.size, ${this.literal(this.repeated(4, STRUCT_ITEMS))}`,
    bit: () => `bit.${this.pick(BIT_FUNCTIONS)}, ${this.list(3, () => (this.chance(8) ? this.value() : this.number()))}`,
    format: () =>
      `string.format, ${this.literal(this.directive() + this.list(1, this.directive))}, ${this.list(3, () => (this.chance(4) ? this.value() : this.scalar()))}`,
    find: () => `string.${this.pick(['find', 'match'])}, ${this.text()}, ${this.pattern()}, ${this.list(1, this.number)}`,
    gsub: () => {
      const by = this.pick([
        '"%0"',
        '"%1"',
        '"<%1%2>"',
        '"%"',
        '"%x"',
        'function(...) return ... end',
        'function() end',
        'string.upper',
        'true',
      ]);
      const other = this.pick([
        'string.lower',
        'string.len',
        '{a = "1", b = 2, hello = true, ["("] = false}',
        'function() return {} end',
        '5',
        '"y"',
      ]);
      return `string.gsub, ${this.text()}, ${this.pattern()}, ${this.chance(2) ? by : other}, ${this.list(1, this.number)}`;
    },
    gmatch: () => `matches, ${this.text()}, ${this.pattern()}`,
    string: () => {
      const name = this.pick(['len', 'sub', 'upper', 'lower', 'reverse', 'byte', 'char', 'sub', 'byte']);
      return `string.${name}, ${name === 'char' ? '' : `${this.scalar()}, `}${this.list(3, () => (this.chance(4) ? this.number() : this.pick(['1', '2', '-1', '65', '"3"'])))}`;
    },
    rep: () => `string.rep, ${this.text()}, ${small(this.number())}`,
    tonumber: () => {
      const digits = this.pick([
        'ff',
        '0xff',
        '-ff',
        'zz',
        '10',
        '777',
        ' 12 ',
        '1 2',
        '0x',
        '-0x10',
        '+5',
        '1e1',
        'FFFFFFFFFFFFFFFFFF',
        '12a',
        '',
      ]);
      return `tonumber, ${this.chance(2) ? this.literal(digits) : this.scalar()}, ${this.list(1, () => this.pick(['10', '16', '8', '2', '36', '37', '1', '3.7', '"16"']))}`;
    },
    tostring: () => `tostring, ${this.number()}`,
    math: () => `math.${this.pick(MATH_FUNCTIONS)}, ${this.list(3, () => (this.chance(6) ? this.text() : this.number()))}`,
    table: () => {
      const name = this.pick(['concat', 'insert', 'remove', 'maxn', 'getn']);
      const place = (): string => small(this.number()).replace(/^[-(0].*|.*e-.*/, '1');
      return `whole, table.${name}, {${this.list(5, this.scalar)}}, ${this.list(2, name === 'concat' ? () => this.pick([this.text, place])() : place)}`;
    },
    sort: () =>
      `whole, table.sort, {${this.list(12, () => (this.chance(8) ? this.text() : this.number().replace('(0/0)', '4')))}}, ${this.list(1, () => 'function(a, b) return tostring(a) < tostring(b) end')}`,
    select: () => `select, ${this.chance(4) ? '"#"' : small(this.number())}, ${this.value()}, ${this.value()}`,
    'unpack a table': () =>
      `unpack, ${this.value()}, ${this.list(2, () => this.pick(['1', '2', '-1', '0', 'nil', '1.5', '"2"', '100', '9000']))}`,
    sha1hex: () => `redis.sha1hex, ${this.scalar()}`,
    operation: () => `function(a, b) ${this.pick(OPERATIONS)} end, ${this.value()}, ${this.value()}`,
  };
  next(): string {
    return (this.kinds[this.pick(Object.keys(this.kinds))] as () => string)().replace(/, $/, '');
  }
}

/** What the calls find around them. `run` notes the results of one; the texts of all are what a script returns. */
const PRELUDE = `local func = function() end local thread = coroutine.create(func)
local function reset()
  cjson.encode_max_depth(1000) cjson.decode_max_depth(1000) cjson.encode_number_precision(14) cjson.encode_keep_buffer("on")
  cjson.decode_invalid_numbers("on") cjson.encode_invalid_numbers("off") cjson.encode_sparse_array("off", 2, 10)
end
local show
local function isBefore(a, b)
  if type(a) == "number" and type(b) == "number" then return a < b end
  return type(a) .. tostring(a) < type(b) .. tostring(b)
end
local function showTable(t, depth)
  local keys = {} for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, isBefore)
  local shown = {} for _, k in ipairs(keys) do shown[#shown + 1] = show(k, depth + 1) .. "=" .. show(t[k], depth + 1) end
  return "{" .. table.concat(shown, ",") .. "}"
end
show = function(v, depth)
  local kind = type(v)
  if kind == "number" then return v ~= v and "nan" or string.format("%.17g", v) end
  if kind == "string" then return "'" .. v:gsub("0x%x%x%x%x%x%x+", "ADDRESS"):gsub("%-nan", "nan") .. "'" end
  if kind == "table" then return depth > 4 and "..." or showTable(v, depth) end
  return (kind == "boolean" or v == nil) and tostring(v) or kind
end
local function matches(s, p)
  local r = {} for a, b in string.gmatch(s, p) do r[#r + 1] = tostring(a) .. ":" .. tostring(b) if #r > 50 then break end end
  return unpack(r)
end
local function whole(f, t, ...) local r = {f(t, ...)} return show(r, 0), show(t, 0) end
local out = {}
local function run(...)
  local r = {} for i = 1, select("#", ...) do r[i] = show((select(i, ...)), 0) end
  out[#out + 1] = table.concat(r, " ")
end
`;

export function randomCalls(seed: number, count: number): string[] {
  const calls = new Calls(new Random(seed));
  return Array.from({ length: count }, () => calls.next());
}
/** A script that makes the calls, each protected, and returns a text for each. */
export const scriptOf = (calls: readonly string[]): string =>
  `${PRELUDE}${calls.map((call) => `run(pcall(${call}))\n`).join('')}return out`;
