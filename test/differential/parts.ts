// What random commands are put together from.
import fc from 'fast-check';
import type { Compare } from '../support/compare.ts';

export type Step =
  | { readonly kind: 'command'; readonly args: readonly Buffer[]; readonly compare: Compare }
  /**
   * A complete loop of SCAN, or of `of` (ZSCAN and its key); what it returned is compared as a set, in groups of `group` elements.
   * `args` follow the cursor.
   */
  | { readonly kind: 'scan'; readonly args: readonly Buffer[]; readonly of?: readonly Buffer[]; readonly group?: number };

export type Part = string | Buffer | readonly Part[];
export type PartSource = string | fc.Arbitrary<Part>;

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

export function flatten(part: Part, into: Buffer[]): Buffer[] {
  if (typeof part === 'string') into.push(bytes(part));
  else if (Buffer.isBuffer(part)) into.push(part);
  else for (const inner of part as readonly Part[]) flatten(inner, into);
  return into;
}

/** A command whose words are constants or generated; a generated list of words is spliced in. */
export function command(compare: Compare, ...parts: readonly PartSource[]): fc.Arbitrary<Step> {
  return fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant<Part>(part) : part)))
    .map((words) => ({ kind: 'command', args: flatten(words, []), compare }) as const);
}

export const exact = (...parts: readonly PartSource[]): fc.Arbitrary<Step> => command('exact', ...parts);
export const words = (...choices: readonly string[]): fc.Arbitrary<Part> => fc.constantFrom(...choices);
export const maybe = (part: fc.Arbitrary<Part>): fc.Arbitrary<Part> => fc.oneof(fc.constant<Part>([]), part);
export const list = (part: fc.Arbitrary<Part>, minLength: number, maxLength: number): fc.Arbitrary<Part> =>
  fc.array(part, { minLength, maxLength });
export const sequence = (...parts: readonly PartSource[]): fc.Arbitrary<Part> =>
  fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant<Part>(part) : part)));
export const weighted = (...choices: readonly (readonly [number, fc.Arbitrary<Part>])[]): fc.Arbitrary<Part> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
export const choose = (...choices: readonly (readonly [number, fc.Arbitrary<Step>])[]): fc.Arbitrary<Step> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));

/** Sometimes a word is lost, doubled or replaced: arity, syntax and number errors for every command. */
const GARBAGE = ['abc', '', '-1', '9223372036854775808', '1.5', 'XX', bytes('\xff\x00')] as const;
export function mangled(steps: fc.Arbitrary<Step>): fc.Arbitrary<Step> {
  const broken = fc
    .tuple(steps, fc.nat(1000), fc.constantFrom('drop', 'double', 'replace', 'append'), fc.constantFrom(...GARBAGE))
    .map(([step, position, how, garbage]): Step => {
      // Redis 7.0 and 7.2 differ in what BITCOUNT and BITPOS say of bad arguments for a key that is missing.
      const name = step.kind === 'scan' ? 'SCAN' : step.args[0]?.toString();
      if (step.kind === 'scan' || step.args.length < 2 || name === 'SCAN' || name === 'BITCOUNT' || name === 'BITPOS') return step;
      const args = [...step.args];
      const at = 1 + (position % (args.length - 1));
      const word = typeof garbage === 'string' ? bytes(garbage) : garbage;
      if (how === 'drop') args.splice(at, 1);
      else if (how === 'double') args.splice(at, 0, args[at] ?? word);
      else if (how === 'replace') args[at] = word;
      else args.push(word);
      return { ...step, args };
    });
  return fc.oneof({ weight: 9, arbitrary: steps }, { weight: 1, arbitrary: broken });
}
