/** What a directive's value may be, and the form in which CONFIG GET prints it. The words of a refusal are Redis's. */
import type { Directive } from './config.ts';

export type Checked = { value: string } | { problem: string };

const UNITS: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1e6,
  mb: 1048576,
  g: 1e9,
  gb: 1073741824,
};

/** Bytes of '100mb', or null. */
export function parseMemory(given: string): number | null {
  const match = /^(\d+)([a-z]*)$/.exec(given.toLowerCase());
  const unit = match === null ? undefined : UNITS[match[2] as string];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}

function checkInteger(given: string, min: number, max: number, top: string): Checked {
  if (!/^-?\d+$/.test(given)) return { problem: "argument couldn't be parsed into an integer" };
  const value = Number(given);
  if (value < min || value > max) return { problem: `argument must be between ${min} and ${top} inclusive` };
  return { value: String(value) };
}

function checkMemory(given: string, min: number): Checked {
  const value = parseMemory(given);
  if (value === null) return { problem: 'argument must be a memory value' };
  if (value < min) return { problem: `argument must be between ${min} and 9223372036854775807 inclusive` };
  return { value: String(value) };
}

function checkPermissions(given: string): Checked {
  if (!/^[0-7]+$/.test(given)) return { problem: "argument couldn't be parsed into an integer" };
  return Number.parseInt(given, 8) <= 0o777
    ? { value: String(Number.parseInt(given, 8) === 0 ? 0 : given.replace(/^0+/, '')) }
    : { problem: 'argument must be between 0 and 777 inclusive' };
}

const CLIENT_CLASSES = ['normal', 'slave', 'pubsub'];

/** Four words a class, any number of classes; those that aren't named keep what they have. */
function checkOutputLimits(given: string, current: string): Checked {
  const words = given.trim().split(/\s+/);
  if (given.trim() === '' || words.length % 4 !== 0) return { problem: 'Wrong number of arguments in buffer limit configuration.' };
  const limits = new Map<string, string>();
  const add = (all: readonly string[]): string | null => {
    for (let at = 0; at < all.length; at += 4) {
      const name = (all[at] as string).toLowerCase().replace('replica', 'slave');
      const [hard, soft] = [parseMemory(all[at + 1] as string), parseMemory(all[at + 2] as string)];
      const seconds = all[at + 3] as string;
      if (!CLIENT_CLASSES.includes(name)) return 'Invalid client class specified in buffer limit configuration.';
      if (hard === null || soft === null || !/^\d+$/.test(seconds)) {
        return 'Error in hard, soft or soft_seconds setting in buffer limit configuration.';
      }
      limits.set(name, `${name} ${hard} ${soft} ${Number(seconds)}`);
    }
    return null;
  };
  add(current.split(' '));
  const problem = add(words);
  return problem === null ? { value: CLIENT_CLASSES.map((name) => limits.get(name)).join(' ') } : { problem };
}

/** A memory value, or a part of maxmemory in percent. */
function checkMemoryOrPercent(given: string): Checked {
  const percent = /^(\d+)%$/.exec(given);
  if (percent === null) {
    const value = parseMemory(given);
    return value === null ? { problem: 'argument must be a memory or percent value' } : { value: String(value) };
  }
  if (Number(percent[1]) > 100) return { problem: 'percentage argument must be less or equal to 100' };
  return { value: `${Number(percent[1])}%` };
}

/** Pairs of seconds and changes; an empty text is no save point. */
function checkSavePoints(given: string): Checked {
  const words = given.trim().split(/\s+/);
  if (given.trim() === '') return { value: '' };
  if (words.length % 2 !== 0 || words.some((word) => !/^\d+$/.test(word))) return { problem: 'Invalid save parameters' };
  return { problem: `snapshots aren't written by this version: only save "" is possible` };
}

/** Any number is taken, as Redis does, and brought within what makes sense. */
function checkHz(given: string): Checked {
  const checked = checkInteger(given, 0, 2147483647, '2147483647');
  return 'problem' in checked ? checked : { value: String(Math.min(500, Math.max(1, Number(checked.value)))) };
}
/** The value as it is kept, or what is wrong with it. `current` is the one in force: some directives change only a part of theirs. */
export function checkValue(directive: Directive, given: string, current: string): Checked {
  switch (directive.name) {
    case 'save':
      return checkSavePoints(given);
    case 'client-output-buffer-limit':
      return checkOutputLimits(given, current);
    case 'maxmemory-clients':
      return checkMemoryOrPercent(given);
    case 'unixsocketperm':
      return checkPermissions(given);
    case 'hz':
      return checkHz(given);
  }
  switch (directive.type) {
    case 'bool': {
      const value = given.toLowerCase();
      return value === 'yes' || value === 'no' ? { value } : { problem: "argument must be 'yes' or 'no'" };
    }
    case 'integer':
      return checkInteger(
        given,
        directive.min,
        directive.max,
        directive.max === Number.MAX_SAFE_INTEGER ? '9223372036854775807' : String(directive.max),
      );
    case 'memory':
      return checkMemory(given, directive.min);
    case 'enum': {
      const value = given.toLowerCase();
      return directive.values.includes(value)
        ? { value }
        : { problem: `argument(s) must be one of the following: ${directive.values.join(', ')}` };
    }
    default:
      return { value: given };
  }
}
