import type { CommandRow } from './row.ts';

export const rows = [
  { name: 'setbit', arity: 4, flags: 'write denyoom', keys: [1, 1, 1], group: 'bitmap', since: '2.2.0', complexity: 'O(1)', categories: 'write bitmap slow', summary: 'Sets or clears one bit' },
  { name: 'getbit', arity: 3, flags: 'readonly fast', keys: [1, 1, 1], group: 'bitmap', since: '2.2.0', complexity: 'O(1)', categories: 'read bitmap fast', summary: 'One bit' },
  { name: 'bitcount', arity: -2, flags: 'readonly', keys: [1, 1, 1], group: 'bitmap', since: '2.6.0', complexity: 'O(N)', categories: 'read bitmap slow', summary: 'Counts the bits that are set' },
  { name: 'bitpos', arity: -3, flags: 'readonly', keys: [1, 1, 1], group: 'bitmap', since: '2.8.7', complexity: 'O(N)', categories: 'read bitmap slow', summary: 'Finds the first bit set or clear' },
  { name: 'bitop', arity: -4, flags: 'write denyoom', keys: [2, -1, 1], group: 'bitmap', since: '2.6.0', complexity: 'O(N)', categories: 'write bitmap slow', summary: 'Combines values bit by bit' },
  { name: 'bitfield', arity: -2, flags: 'write denyoom', keys: [1, 1, 1], group: 'bitmap', since: '3.2.0', complexity: 'O(1) for each subcommand specified', categories: 'write bitmap slow', summary: 'Reads and writes integers of any width in a string' },
  { name: 'bitfield_ro', arity: -2, flags: 'readonly fast', keys: [1, 1, 1], group: 'bitmap', since: '6.0.0', complexity: 'O(1) for each subcommand specified', categories: 'read bitmap fast', summary: 'Reads integers of any width from a string' },
] as const satisfies readonly CommandRow[];
