/** The arguments of redis.register_function, by position or by name. Messages are those of Redis's function_lua.c. */
import { LuaError } from './runtime/errors.ts';
import { formatNumber } from './runtime/numbers.ts';
import { LuaTable, tableOfFields } from './runtime/table.ts';
import { found, nextKey } from './runtime/traversal.ts';
import type { LuaFunction, LuaValue } from './runtime/value.ts';

export type Registration = {
  readonly name: string;
  readonly callback: LuaFunction;
  readonly description: string | null;
  readonly flags: readonly string[];
};
type Draft = { -readonly [Field in keyof Registration]: Registration[Field] | null };

const refuse = (message: string): LuaError => new LuaError(tableOfFields(['err'], [`ERR ${message}`]));
/** Numbers are strings wherever Lua's C interface is asked. */
const textOf = (value: LuaValue): string | null => {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? formatNumber(value) : null;
};

/** What the arguments say; throws a LuaError for what they mustn't. `known` are the flags there are, in order. */
export function readRegistration(args: readonly LuaValue[], known: readonly string[]): Registration {
  if (args.length < 1 || args.length > 2) throw refuse('wrong number of arguments to redis.register_function');
  if (args.length === 1) return readNamed(args[0], known);
  const name = textOf(args[0]);
  const callback = args[1];
  if (name === null) throw refuse('first argument to redis.register_function must be a string');
  if (typeof callback !== 'function') throw refuse('second argument to redis.register_function must be a function');
  return { name, callback, description: null, flags: [] };
}

function readNamed(table: LuaValue, known: readonly string[]): Registration {
  if (!(table instanceof LuaTable)) {
    throw refuse('calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).');
  }
  const draft: Draft = { name: null, callback: null, description: null, flags: null };
  for (let key = nextKey(table, undefined); key !== undefined; key = nextKey(table, key)) {
    const name = textOf(key);
    if (name === null) throw refuse('named argument key given to redis.register_function is not a string');
    readField(draft, name.toLowerCase(), found.value, known);
  }
  const { name, callback, description, flags } = draft;
  if (name === null) throw refuse('redis.register_function must get a function name argument');
  if (callback === null) throw refuse('redis.register_function must get a callback argument');
  return { name, callback, description, flags: flags ?? [] };
}
function readField(draft: Draft, field: string, value: LuaValue, known: readonly string[]): void {
  switch (field) {
    case 'function_name':
    case 'description': {
      const text = textOf(value);
      if (text === null) throw refuse(`${field} argument given to redis.register_function must be a string`);
      draft[field === 'description' ? 'description' : 'name'] = text;
      break;
    }
    case 'callback':
      if (typeof value !== 'function') throw refuse('callback argument given to redis.register_function must be a function');
      draft.callback = value;
      break;
    case 'flags':
      draft.flags = readFlags(value, known);
      break;
    default:
      throw refuse('unknown argument given to redis.register_function');
  }
}
function readFlags(value: LuaValue, known: readonly string[]): string[] {
  if (!(value instanceof LuaTable)) throw refuse('flags argument to redis.register_function must be a table representing function flags');
  const given = new Set<string>();
  for (let index = 1; ; index++) {
    const flag = value.get(index);
    if (flag === undefined) break;
    const text = textOf(flag)?.toLowerCase();
    if (text === undefined || !known.includes(text)) throw refuse('unknown flag given');
    given.add(text);
  }
  return known.filter((flag) => given.has(flag));
}
