/**
 * One command, as clients see it through COMMAND.
 *
 *   name        lower case; a subcommand is 'parent|sub'
 *   arity       arguments with the name; negative: at least so many
 *   flags       Redis's words, parted by spaces; write, readonly, denyoom, noscript, ... decide what the executor does
 *   keys        position of the first key, of the last (negative: from the end), and the step; zeros: no keys
 *   group since complexity summary      for COMMAND DOCS; the summaries are ours
 *   categories  of the ACL, without '@'
 */
export type CommandRow = {
  readonly name: string;
  readonly arity: number;
  readonly flags: string;
  readonly keys: readonly [first: number, last: number, step: number];
  readonly group: string;
  readonly since: string;
  readonly complexity: string;
  readonly categories: string;
  readonly summary: string;
};
