// Random changes of a few libraries whose functions' names collide, and calls of what is there at the time. No function fails after it
// has written: that is where Ferrite takes back what Redis keeps.
import fc from 'fast-check';
import { choose, exact, type Part, type Step, words } from './parts.ts';

const name = words('a', 'b', 'Lib_3');
const fn = words('f', 'g', 'h', 'F', 'nope');
const key = words('k', '{t}x', '');
const BODIES = [
  'return {keys, args}',
  "return redis.call('append', keys[1] or 'k', args[1] or 'x')",
  "return redis.call('get', keys[1] or 'k')",
  "return redis.pcall('incr', keys[1] or 'k')",
  "return redis.call('nope')",
  "error({err = 'MINE ' .. #keys})",
  'return #args',
  'local x = y',
] as const;
const FLAGS = ['', "'no-writes'", "'allow-oom', 'no-writes'", "'allow-stale', 'no-cluster'", "'wrong'"] as const;

const registration = fc
  .record({ fn: fc.constantFrom('f', 'g', 'h', 'F', 'not-a-name'), body: fc.constantFrom(...BODIES), flags: fc.constantFrom(...FLAGS) })
  .map(({ fn, body, flags }) =>
    flags === ''
      ? `redis.register_function('${fn}', function(keys, args) ${body} end)`
      : `redis.register_function{function_name='${fn}', callback=function(keys, args) ${body} end, flags={${flags}}, description='${flags.length}'}`,
  );
/** One that lost a part, or has one too many, now and then. Names that differ by case alone in one library make redis-server fail later. */
const code = fc
  .tuple(
    fc.constantFrom('a', 'a', 'b', 'b', 'Lib_3', 'no name'),
    fc.uniqueArray(registration, {
      minLength: 0,
      maxLength: 3,
      selector: (text) => /'([\w-]+)'/.exec(text)?.[1]?.toLowerCase() ?? text,
    }),
    fc.constantFrom('', '', '', '', '', '', 'local x = nil x()', 'not Lua', "redis.call('get', 'k')"),
  )
  .map(([lib, registrations, tail]): Part => `#!lua name=${lib}\n${registrations.join('\n')}\n${tail}`);
const count = words('0', '1', '1', '2', '3', '-1', 'x');

export const functions: fc.Arbitrary<Step> = choose(
  [4, exact('FUNCTION', 'LOAD', code)],
  [5, exact('FUNCTION', 'LOAD', 'REPLACE', code)],
  [2, exact('FUNCTION', 'DELETE', name)],
  [1, exact('FUNCTION', 'FLUSH')],
  [10, exact('FCALL', fn, count, key, words('v', '1', ''))],
  [3, exact('FCALL_RO', fn, count, key)],
  [3, exact('FUNCTION', 'STATS')],
  [1, exact('FUNCTION', 'LIST', 'LIBRARYNAME', words('nothing', 'A?'))],
  [1, exact('MULTI')],
  [2, exact('EXEC')],
  [2, exact('SET', key, words('v', '5'))],
  [2, exact('GET', key)],
);
