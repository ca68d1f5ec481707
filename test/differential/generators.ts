// Random commands, weighted by hand towards what breaks servers: the edges of 64 bits, options that exclude one another, keys
// that exist, empty and binary strings. Every generated request has a reply that doesn't depend on when it is sent.
import fc from 'fast-check';
import { functions } from './generators-functions.ts';
import { distances, places } from './generators-geo.ts';
import { hashes, randomFields } from './generators-hashes.ts';
import { sketches } from './generators-hll.ts';
import { lists } from './generators-lists.ts';
import { randomMembers, sets } from './generators-sets.ts';
import { sorting } from './generators-sort.ts';
import { asNumbers, lexical, ranks, sortedSets } from './generators-zsets.ts';
import { bytes, choose, command, exact, flatten, list, mangled, maybe, type Part, type Step, sequence, weighted, words } from './parts.ts';

// Few keys, so that commands meet each other's values; some are empty, tagged, long, or no text at all.
const KEYS: readonly Part[] = [
  'a',
  'b',
  'c',
  'counter',
  '{tag}x',
  '{tag}y',
  '',
  bytes('nul\x00key'),
  bytes('\xff\xfe\x80'),
  'k'.repeat(130),
];
const key = fc.constantFrom(...KEYS);

export const INTEGER_EDGES = [
  '0',
  '1',
  '-1',
  '5',
  '10',
  '127',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775806',
  '-9223372036854775807',
  '4611686018427387904',
  '2147483647',
  '2147483648',
  '4294967296',
  '9007199254740993',
] as const;
const NOT_INTEGERS = [
  '9223372036854775808',
  '-9223372036854775809',
  '',
  ' 1',
  '1 ',
  '+1',
  '-0',
  '007',
  '1.5',
  '1e3',
  'abc',
  '0x10',
  '99999999999999999999999',
] as const;
const integerText = weighted(
  [6, words(...INTEGER_EDGES)],
  [2, fc.integer({ min: -1000, max: 1000 }).map(String)],
  [2, words(...NOT_INTEGERS)],
);
const floatText = words(
  '0.1',
  '0.2',
  '-0.1',
  '3.0e3',
  '5',
  '-5',
  '1.5',
  '1e-7',
  '0.00001',
  '123456789.125',
  '1e17',
  '-1e10',
  '10.5e-1',
  '0',
  '-0',
  'abc',
  '',
  ' 1',
  '1 ',
  'nan',
  'inf',
  '-inf',
  '1..2',
  '3.14159265358979',
);
const binary = fc.uint8Array({ minLength: 0, maxLength: 64 }).map((array) => Buffer.from(array));
const value = weighted(
  [3, words('hello', 'world', 'foobar', 'ohmytext', 'mynewtext', '')],
  [3, words(...INTEGER_EDGES, ...NOT_INTEGERS)],
  [2, floatText],
  [2, binary],
  // 44 bytes is the longest string that Redis embeds, so both sides of it are wanted for OBJECT ENCODING.
  [2, fc.integer({ min: 40, max: 48 }).map((length) => 'x'.repeat(length))],
  [1, fc.integer({ min: 100, max: 5000 }).map((length) => 'long'.repeat(length / 4))],
);
const smallOffset = fc.integer({ min: -70, max: 70 }).map(String);
const rangeIndex = weighted(
  [6, smallOffset],
  [1, words('9223372036854775807', '-9223372036854775808', '4294967296')],
  [1, words('abc', '', '1.5')],
);

// Relative times are far and all different: two that are equal would make GT and LT depend on the millisecond.
const relativeSeconds = fc.noShrink(fc.noBias(fc.integer({ min: 10_000, max: 900_000_000 }))).map(String);
const relativeMilliseconds = fc.noShrink(fc.noBias(fc.integer({ min: 10_000_000, max: 2_000_000_000 }))).map(String);
// Beyond 2^53 milliseconds Ferrite keeps times to the second or so: one such time is enough, and no two of them are compared.
const FAR_SECONDS = ['4102444800', '32503680000'];
const FAR_MILLISECONDS = ['4102444800000', '32503680000000', '9223372036854775807'];
const BAD_TIMES = ['0', '-1', '-9223372036854775808', '9223372036854775807', '9223372036854775808', 'abc', '', '1.5', '-9223372036854775'];
const seconds = weighted([6, relativeSeconds], [2, words(...BAD_TIMES)]);
const milliseconds = weighted([6, relativeMilliseconds], [2, words(...BAD_TIMES)]);
const unixSeconds = weighted([6, words(...FAR_SECONDS)], [1, words('1', '1000000000')], [2, words(...BAD_TIMES)]);
const unixMilliseconds = weighted([6, words(...FAR_MILLISECONDS)], [1, words('1', '1000000000000')], [2, words(...BAD_TIMES)]);

// Not in the past: when Redis forgets a key that was set so, and with it what DBSIZE says, is a matter of chance.
const laterSeconds = weighted([6, words(...FAR_SECONDS)], [2, words(...BAD_TIMES)]);
const laterMilliseconds = weighted([6, words(...FAR_MILLISECONDS)], [2, words(...BAD_TIMES)]);
const timeOption = fc.oneof(
  sequence(words('EX', 'ex'), seconds),
  sequence('PX', milliseconds),
  sequence('EXAT', laterSeconds),
  sequence('PXAT', laterMilliseconds),
);
const setOption = weighted(
  [3, words('NX', 'XX', 'nx', 'xx')],
  [3, words('GET')],
  [2, words('KEEPTTL')],
  [4, timeOption],
  [1, words('EX', 'PERSIST', 'bogus', '')],
);

// Lists that most families use to look at what the others did.
const look: fc.Arbitrary<Step> = choose(
  [4, exact('GET', key)],
  [1, exact('STRLEN', key)],
  [1, exact('EXISTS', list(key, 1, 4))],
  [1, command('near-seconds', 'TTL', key)],
  [1, command('near-milliseconds', 'PTTL', key)],
);
const set: fc.Arbitrary<Step> = exact('SET', key, value);

const strings = choose(
  [6, look],
  [4, set],
  [10, exact('SET', key, value, list(setOption, 0, 3))],
  [1, exact('SETNX', key, value)],
  [1, exact('SETEX', key, seconds, value)],
  [1, exact('PSETEX', key, milliseconds, value)],
  [1, exact('GETSET', key, value)],
  [1, exact('GETDEL', key)],
  [4, exact('GETEX', key, maybe(fc.oneof(timeOption, words('PERSIST', 'bogus'), sequence('PERSIST', timeOption))))],
  [3, exact('APPEND', key, value)],
  [
    3,
    exact(
      'SETRANGE',
      key,
      weighted([6, fc.integer({ min: 0, max: 100 }).map(String)], [1, words('-1', '536870912', '9223372036854775807', 'abc')]),
      value,
    ),
  ],
  [4, exact(fc.constantFrom('GETRANGE', 'SUBSTR'), key, rangeIndex, rangeIndex)],
  [2, exact('MGET', list(key, 1, 6))],
  [2, exact('MSET', list(sequence(key, value), 1, 4))],
  [2, exact('MSETNX', list(sequence(key, value), 1, 4))],
  [1, exact('DEL', list(key, 1, 3))],
);

const integerCounters = choose(
  [3, look],
  [4, exact('SET', key, integerText)],
  [3, exact('INCR', key)],
  [3, exact('DECR', key)],
  [4, exact('INCRBY', key, integerText)],
  [4, exact('DECRBY', key, integerText)],
  [2, exact('SET', key, floatText)],
  [1, exact('APPEND', key, words('0', '1', '.5', ' '))],
  [1, exact('DEL', key)],
);

// A whole number that INCRBYFLOAT left is 'embstr' to Redis's OBJECT ENCODING and 'int' to Ferrite's, which looks at the value: so
// the two commands aren't mixed.
const counters = choose([20, integerCounters], [6, exact('INCRBYFLOAT', key, floatText)]);

const letters = fc.array(fc.constantFrom('a', 'b', 'c', '\x00', '\xff'), { maxLength: 40 }).map((all) => bytes(all.join('')));
const lcs = choose(
  [4, exact('SET', key, letters)],
  [1, exact('MSET', 'a', letters, 'b', letters)],
  [4, exact('LCS', key, key)],
  [
    6,
    exact(
      'LCS',
      words('a', 'b', 'c'),
      words('a', 'b', 'c'),
      list(fc.oneof(words('LEN', 'IDX', 'WITHMATCHLEN', 'idx'), sequence('MINMATCHLEN', words('0', '1', '2', '4', '-1', 'x'))), 0, 3),
    ),
  ],
  [1, exact('DEL', key)],
);

// A bit offset below 2^32 is legal and makes a string of up to 512 MB, so the generated ones are small, or too large.
const bitOffset = weighted([8, fc.integer({ min: 0, max: 600 }).map(String)], [1, words('4294967296', '-1', 'abc', '9223372036854775808')]);
const fieldType = weighted(
  [6, words('u1', 'u4', 'u8', 'u13', 'u16', 'u31', 'u32', 'u63', 'i1', 'i5', 'i8', 'i16', 'i32', 'i33', 'i63', 'i64')],
  [1, words('u64', 'i65', 'u0', 'x8', 'i', '')],
);
const fieldOffset = weighted(
  [5, fc.integer({ min: 0, max: 300 }).map(String)],
  [3, fc.integer({ min: 0, max: 12 }).map((n) => `#${n}`)],
  [1, words('-1', '#-1', 'abc', '#')],
);
const fieldOperation = fc.oneof(
  sequence('GET', fieldType, fieldOffset),
  sequence('SET', fieldType, fieldOffset, integerText),
  sequence('INCRBY', fieldType, fieldOffset, integerText),
  sequence('OVERFLOW', words('WRAP', 'SAT', 'FAIL', 'sat', 'bogus')),
);
const bitIndex = fc.oneof(smallOffset, words('9223372036854775807', '-9223372036854775808'));
const bitRange = fc.oneof(sequence(bitIndex, bitIndex), sequence(bitIndex, bitIndex, words('BIT', 'BYTE', 'bit')));
const goodBitmaps = choose(
  [2, look],
  [3, set],
  [6, exact('SETBIT', key, bitOffset, weighted([8, words('0', '1')], [1, words('2', '-1', 'x')]))],
  [4, exact('GETBIT', key, bitOffset)],
  [4, exact('BITCOUNT', key, maybe(bitRange))],
  [5, exact('BITPOS', key, words('0', '1'), maybe(fc.oneof(bitIndex, bitRange)))],
  [5, exact('BITOP', words('AND', 'OR', 'XOR', 'NOT', 'and', 'bogus'), key, list(key, 1, 4))],
  [8, exact('BITFIELD', key, list(fieldOperation, 0, 4))],
  [2, exact('BITFIELD_RO', key, list(fc.oneof(sequence('GET', fieldType, fieldOffset), fieldOperation), 0, 3))],
);
// Redis 7.0 doesn't look at a bad range when the key is missing and 7.2 does, so what is bad goes to a key that exists: in families that
// don't take it away.
const bitmaps = choose(
  [40, goodBitmaps],
  [1, exact('BITCOUNT', 'bits', words('x', '0', '1.5'), words('x', '-1'), maybe(words('BIT', 'bogus')))],
  [1, exact('BITPOS', 'bits', words('0', '1', '2', 'x'), words('x', '0'), maybe(words('-1', 'x')))],
);

const database = weighted([8, words('0', '1', '2', '15')], [1, words('16', '-1', 'x', '', '9223372036854775807')]);
const expireCondition = weighted(
  [6, maybe(words('NX', 'XX', 'GT', 'LT', 'nx', 'gt'))],
  [1, list(words('NX', 'XX', 'GT', 'LT', 'bogus'), 2, 3)],
);
const expiry = choose(
  [3, look],
  [4, set],
  [5, exact('EXPIRE', key, seconds, expireCondition)],
  [5, exact('PEXPIRE', key, milliseconds, expireCondition)],
  [5, exact('EXPIREAT', key, unixSeconds, expireCondition)],
  [5, exact('PEXPIREAT', key, unixMilliseconds, expireCondition)],
  [2, command('near-seconds', 'EXPIRETIME', key)],
  [2, command('near-milliseconds', 'PEXPIRETIME', key)],
  [2, command('near-seconds', 'TTL', key)],
  [2, command('near-milliseconds', 'PTTL', key)],
  [2, exact('PERSIST', key)],
  [2, exact('SET', key, value, 'KEEPTTL')],
  [1, exact('APPEND', key, 'x')],
  [1, exact('INCR', key)],
  [1, exact('RENAME', key, key)],
  [1, exact('COPY', key, key, 'REPLACE')],
  [1, exact('DBSIZE')],
);

const pattern = words('*', 'a', '?', '[abc]', '[^a]', '{tag}*', 'k*k', '\\a', '[a-c]', '*[', '', 'nul*', '*key');
const scanArguments = fc
  .tuple(
    maybe(sequence('MATCH', pattern)),
    maybe(sequence('COUNT', words('1', '2', '10', '1000'))),
    maybe(sequence('TYPE', words('string', 'list', 'hash'))),
  )
  .map((parts): Step => ({ kind: 'scan', args: flatten(parts, []) }));
const generic = choose(
  [3, look],
  [8, set],
  [
    3,
    exact(
      'MSET',
      list(
        sequence(
          fc.nat(200).map((n) => `many:${n}`),
          value,
        ),
        1,
        8,
      ),
    ),
  ],
  [2, exact('SET', key, value, 'EX', relativeSeconds)],
  [3, exact(words('DEL', 'UNLINK'), list(key, 1, 4))],
  [3, exact(words('EXISTS', 'TOUCH'), list(key, 1, 5))],
  [2, exact('TYPE', key)],
  [3, exact('RENAME', key, key)],
  [2, exact('RENAMENX', key, key)],
  [4, exact('COPY', key, key, list(fc.oneof(words('REPLACE', 'replace', 'bogus'), sequence('DB', database)), 0, 2))],
  [3, exact('MOVE', key, database)],
  [4, exact('SELECT', database)],
  [2, exact('SWAPDB', database, database)],
  [3, exact('OBJECT', 'ENCODING', key)],
  [1, exact('OBJECT', words('FREQ', 'bogus'), key)],
  [1, command('shape', 'OBJECT', words('REFCOUNT', 'IDLETIME'), key)],
  [2, exact('DBSIZE')],
  [1, command('shape', 'RANDOMKEY')],
  [3, command('sorted', 'KEYS', pattern)],
  [4, scanArguments],
  // Cursors are each server's own business, so a lone SCAN is generated only where it ends in an error.
  [1, exact('SCAN', words('x', '18446744073709551616', '1x'))],
  [1, exact('SCAN', '0', words('COUNT', 'bogus'), words('0', 'x', '-1'))],
  [1, exact(words('FLUSHDB', 'FLUSHALL'), maybe(words('SYNC', 'ASYNC', 'bogus')))],
  [
    1,
    exact(
      'COMMAND',
      'GETKEYS',
      fc.oneof(
        sequence('SET', key, 'v'),
        sequence('MSET', list(sequence(key, value), 1, 3)),
        sequence('BITOP', 'AND', key, key),
        sequence('PING'),
      ),
    ),
  ],
);

const printable = fc.string({ minLength: 0, maxLength: 150, unit: 'grapheme-ascii' });
const connection = choose(
  [3, exact('PING', maybe(value))],
  [3, exact('ECHO', value)],
  [2, exact('SELECT', database)],
  [1, exact('HELLO', words('1', '4', 'x', '', '9223372036854775808'))],
  [1, exact('HELLO', words('2', '3'), words('bogus', 'AUTH', 'SETNAME'))],
  [2, exact('CLIENT', 'SETNAME', words('name', 'a b', 'a\nb', 'caf\xe9', ''))],
  [2, exact('CLIENT', 'GETNAME')],
  [1, exact('CLIENT', words('bogus', 'SETNAME'))],
  [1, exact('CLIENT', 'KILL', words('bogus', '1.1.1.1:1'))],
  [1, exact('AUTH', list(words('user', 'default', 'secret'), 1, 3))],
  [4, exact(words('NOSUCH', 'nosuch', 'GETX', ''), list(printable, 0, 5))],
  [
    1,
    exact(
      printable.filter((text) => /^z/.test(text) || text.length > 20),
      list(words('x', 'a\r\nb', '', "it's"), 0, 3),
    ),
  ],
  [1, exact(words('OBJECT', 'COMMAND', 'CONFIG', 'MEMORY'), words('nosuch', 'NOSUCH'), maybe(words('a')))],
  [1, set],
  [1, look],
);

const protocolTypes = 'string integer double bignum null array set map attrib verbatim true false bogus'.split(' ');
const server = choose(
  [
    2,
    exact(
      'CLIENT',
      'KILL',
      words('TYPE', 'USER', 'ID', 'SKIPME', 'ADDR', 'LADDR', 'bogus'),
      words('pubsub', 'nobody', '0', '999999', 'x', '-1'),
    ),
  ],
  [2, exact('CLIENT', 'LIST', words('ID', 'TYPE', 'bogus'), words('x', '999999', 'pubsub', 'bogus', '0'))],
  [1, exact('CLIENT', 'LIST', words('ID', 'TYPE'))],
  [1, exact('CLIENT', 'PAUSE', words('x', '-1', '99999999999999999999', '1'), words('bogus', '', 'x'))],
  [1, exact('CLIENT', 'PAUSE', '1', 'WRITE', 'x')],
  [1, exact('CLIENT', words('NO-EVICT', 'REPLY'), words('bogus', '', 'ONN'))],
  [1, exact('CLIENT', 'NO-EVICT', words('on', 'OFF'))],
  [1, exact('CLIENT', words('GETREDIR', 'TRACKINGINFO', 'UNPAUSE'))],
  [1, exact('CLIENT', words('ID', 'UNPAUSE', 'GETNAME'), 'x')],
  [2, command('shape', 'HELLO', words('2', '3', '4'), words('SETNAME', 'AUTH'), list(words('a', 'default', 'x y', 'AUTH'), 0, 2))],
  [2, exact('SLOWLOG', 'GET', words('x', '-2', '', '9223372036854775808'), maybe(words('1')))],
  [1, exact('SLOWLOG', words('RESET', 'bogus', 'HELP'), 'x')],
  [2, exact('SHUTDOWN', words('bogus', 'abort', 'ABORT'), maybe(words('NOW', 'abort', 'SAVE', 'x')))],
  [1, exact('SHUTDOWN', 'SAVE', 'NOSAVE')],
  [2, exact('MEMORY', 'USAGE', words('no', 'such'), list(words('SAMPLES', '1', '-1', 'x', 'bogus'), 0, 3))],
  [1, exact('MEMORY', words('PURGE', 'bogus', 'USAGE'))],
  [2, exact('SWAPDB', words('0', '1', '16', 'x', '99999999999', '-1'), words('0', '1', '16', 'x', '99999999999', '-1'))],
  [1, exact('LOLWUT', 'VERSION', words('x', '', '9223372036854775808'))],
  [1, exact('WAIT', words('0', 'x', '-1'), words('0', 'x', '-1', '1'))],
  [
    2,
    exact(
      'CONFIG',
      'SET',
      words('maxmemory', 'proto-max-bulk-len', 'hz', 'timeout', 'slowlog-log-slower-than'),
      words('x', '-2', '10%', '1.5'),
    ),
  ],
  [1, exact('CONFIG', 'SET', words('maxmemory-policy', 'lazyfree-lazy-expire', 'save', 'databases', 'nosuch'), words('bogus', '', '1 x'))],
  [
    1,
    exact(
      'CONFIG',
      'SET',
      'client-output-buffer-limit',
      words('bogus', 'normal 1 2', 'bogus 0 0 0', 'normal x 0 0', 'normal 0 0 0 pubsub'),
    ),
  ],
  [1, exact('CONFIG', 'SET', 'timeout', words('0', 'x'), 'timeout', words('0', 'x'))],
  [1, exact('CONFIG', words('GET', 'SET', 'REWRITE', 'bogus', 'RESETSTAT'), maybe(words('nosuch')))],
  [
    1,
    exact('CONFIG', 'SET', 'client-output-buffer-limit', words('normal 0 0 0', 'pubsub 32mb 8mb 60', 'slave 256mb 64mb 60 normal 0 0 0')),
  ],
  [1, exact('CONFIG', 'GET', words('client-output-buffer-limit', 'save', 'appendonly', 'timeout', 'maxmemory', 'nosuch*'))],
  [1, exact('LATENCY', words('RESET', 'LATEST', 'bogus'), maybe(words('command')))],
  [1, exact('LATENCY', words('HISTORY', 'GRAPH', 'HISTOGRAM'), words('nosuch', 'sort_ro'))],
  [1, exact('LASTSAVE', 'x')],
  [1, exact('ROLE')],
  [1, exact('MODULE', 'LIST')],
  [1, exact(words('TIME', 'DBSIZE', 'FLUSHALL', 'RESET', 'ROLE'), 'x')],
  [3, exact('DEBUG', 'PROTOCOL', words(...protocolTypes))],
  [1, exact('DEBUG', words('SLEEP', 'OBJECT', 'bogus', 'ERROR'), maybe(words('nosuchkey')))],
  [1, set],
);

const keyed = fc.oneof(
  sequence('SET', key, value, maybe(words('GET', 'NX', 'get'))),
  sequence('MSET', list(sequence(key, value), 1, 3)),
  sequence('MSET', list(key, 1, 4)),
  sequence('BITOP', list(words('and', 'a', 'b'), 0, 4)),
  sequence('BITFIELD', key, list(words('GET', 'SET', 'u8', '0', 'incrby', '1'), 0, 5)),
  sequence('OBJECT', words('ENCODING', 'bogus'), list(key, 0, 2)),
  sequence(words('GET', 'DEL', 'COPY', 'PING', 'LCS', 'nosuch', 'CONFIG', 'MEMORY'), list(words('a', 'USAGE', 'GET', ''), 0, 3)),
);
const introspection = choose(
  [8, exact('COMMAND', words('GETKEYS', 'GETKEYSANDFLAGS', 'getkeys'), keyed)],
  [1, exact('COMMAND', 'LIST', list(words('FILTERBY', 'ACLCAT', 'bogus'), 1, 2))],
  [1, command('sorted', 'COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', words('bitmap', 'string', 'nosuch', 'BITMAP'))],
  [1, command('sorted', 'COMMAND', 'LIST', 'FILTERBY', 'PATTERN', words('set*', 'bit*', 'config|*', 'nosuch', 'GET'))],
  [1, exact('COMMAND', 'LIST', 'FILTERBY', 'MODULE', 'nosuch')],
  [1, exact('COMMAND', words('DOCS', 'INFO'), words('nosuch', 'config|nosuch'))],
  [1, exact('COMMAND', words('COUNT', 'bogus', 'GETKEYS'), 'x')],
);

// From here on: families that run only against servers that have the commands.
const transactions = choose(
  [5, exact('MULTI')],
  [5, exact('EXEC')],
  [1, exact('DISCARD')],
  [2, exact('WATCH', list(key, 1, 2))],
  [1, exact('UNWATCH')],
  [6, set],
  [4, look],
  [3, exact('INCR', key)],
  [1, exact('NOSUCH', key)],
  [1, exact('GET')],
  [1, exact('SELECT', database)],
  [1, exact('FLUSHDB')],
  [1, exact('SWAPDB', '0', database)],
  [1, exact('DBSIZE')],
  [1, exact(words('MULTI', 'EXEC', 'DISCARD', 'WATCH'), words('a'))],
  [2, lists],
  [2, sortedSets],
);

/** What redis.call gives for every type, errors at the top and caught, and conversions of what is returned. */
const SCRIPT_BODIES = [
  "return redis.call('get', KEYS[1])",
  "return redis.call('set', KEYS[1], ARGV[1])",
  "return redis.call('incr', KEYS[1])",
  "return redis.pcall('incr', KEYS[1])",
  "return redis.call('lrange', KEYS[1], 0, -1)",
  "return redis.call('rpush', KEYS[1], ARGV[1], 'x')",
  "return redis.call('type', KEYS[1])",
  "return {redis.call('exists', KEYS[1]), redis.call('ttl', KEYS[1]), redis.call('strlen', 'none')}",
  "local v = redis.pcall('hget', KEYS[1], 'f') if type(v) == 'table' then return v.err end return v",
  "redis.call('hset', KEYS[1], 'f', ARGV[1]) return redis.call('hgetall', KEYS[1])",
  "redis.call('set', KEYS[1], 1.5) return redis.call('get', KEYS[1])",
  'return {1, 2.9, -3.1, "a", true, false, {ok = "fine"}, {err = "ERR bad"}, nil, 4}',
  'return {KEYS, ARGV, #KEYS, #ARGV[1]}',
  "return redis.call('nosuch')",
  "return redis.call('get')",
  "return redis.pcall('get', KEYS[1], 1)",
  "return redis.call('mget', KEYS[1], 'none', 'a')",
  "redis.setresp(3) return redis.call('hgetall', KEYS[1])",
  "return tostring(redis.call('get', KEYS[1]))",
  'return nothing',
  "error('plain')",
  "error({err = 'CODE words'})",
  'return redis.sha1hex(ARGV[1])',
  'return redis.status_reply(ARGV[1])',
  "return redis.error_reply('SOME error')",
  'return cjson.encode({ARGV[1], 1, true})',
  'return {redis.call("dbsize") > 0, redis.call("echo", ARGV[1])}',
  'syntax error',
] as const;
const scripts = choose(
  [8, exact(words('EVAL', 'eval'), words(...SCRIPT_BODIES), '1', key, words('v', '7', 'two words', ''))],
  [2, exact('EVAL_RO', words(...SCRIPT_BODIES), '1', key, 'v')],
  [1, exact('EVAL', 'return ARGV', words('0', '1', '2', '-1', 'x'), 'a')],
  [1, exact('SCRIPT', 'LOAD', words(...SCRIPT_BODIES))],
  [2, exact('EVALSHA', words('e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 'x'), '0')],
  [1, exact('SCRIPT', words('FLUSH', 'KILL'))],
  [1, exact('MULTI')],
  [2, exact('EXEC')],
  [3, set],
  [2, look],
  [1, exact('DEL', key)],
);

const wrongTypes = choose(
  [3, exact('LPUSH', words('a', 'b'), value)],
  [2, exact('DEL', words('a', 'b'))],
  [6, strings],
  [3, integerCounters],
  [4, goodBitmaps],
  [2, lcs],
  [3, expiry],
  [2, generic],
);

export type Family = {
  readonly name: string;
  readonly steps: fc.Arbitrary<Step>;
  /** The family is skipped with a notice where the server under test hasn't got this command. */
  readonly needs?: string;
};

export const FAMILIES: readonly Family[] = [
  { name: 'strings', steps: mangled(strings) },
  { name: 'counters', steps: mangled(counters) },
  { name: 'longest common subsequence', steps: mangled(lcs), needs: 'lcs' },
  { name: 'bitmaps', steps: mangled(bitmaps), needs: 'bitfield' },
  { name: 'expiry', steps: mangled(expiry) },
  { name: 'generic', steps: mangled(generic) },
  { name: 'connection', steps: connection },
  { name: 'server', steps: server },
  { name: 'introspection', steps: introspection },
  { name: 'everything together', steps: mangled(fc.oneof(strings, integerCounters, expiry, generic)) },
  { name: 'lists', steps: mangled(lists), needs: 'lpush' },
  { name: 'hashes', steps: mangled(hashes), needs: 'hset' },
  { name: 'random fields', steps: randomFields, needs: 'hset' },
  { name: 'sets', steps: mangled(sets), needs: 'sadd' },
  { name: 'random members', steps: randomMembers, needs: 'sadd' },
  { name: 'sorted sets', steps: sortedSets, needs: 'zadd' },
  { name: 'sorted sets, broken commands', steps: mangled(asNumbers(sortedSets)), needs: 'zadd' },
  { name: 'ranks and scores', steps: ranks, needs: 'zadd' },
  { name: 'members in the order of their bytes', steps: lexical, needs: 'zadd' },
  { name: 'sorting', steps: mangled(sorting), needs: 'sort' },
  { name: 'places', steps: mangled(places), needs: 'geoadd' },
  { name: 'stored distances', steps: distances, needs: 'geoadd' },
  { name: 'sketches', steps: mangled(sketches), needs: 'pfadd' },
  { name: 'transactions', steps: transactions, needs: 'multi' },
  { name: 'scripts', steps: scripts, needs: 'eval' },
  { name: 'functions', steps: functions, needs: 'fcall' },
  { name: 'wrong types', steps: wrongTypes, needs: 'lpush' },
];
