import type { CommandRow } from './row.ts';

export const rows = [
  { name: 'pfadd', arity: -2, flags: 'write denyoom fast', keys: [1, 1, 1], group: 'hyperloglog', since: '2.8.9', complexity: 'O(1) to add every element.', categories: 'write hyperloglog fast', summary: 'Adds elements to an estimate of distinct ones' },
  { name: 'pfcount', arity: -2, flags: 'readonly', keys: [1, -1, 1], group: 'hyperloglog', since: '2.8.9', complexity: 'O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.', categories: 'read hyperloglog slow', summary: 'Estimates how many distinct elements were added' },
  { name: 'pfmerge', arity: -2, flags: 'write denyoom', keys: [1, -1, 1], group: 'hyperloglog', since: '2.8.9', complexity: 'O(N) to merge N HyperLogLogs, but with high constant times.', categories: 'write hyperloglog slow', summary: 'Merges estimates of distinct elements' },
  { name: 'pfdebug', arity: 3, flags: 'write denyoom admin', keys: [2, 2, 1], group: 'hyperloglog', since: '2.8.9', complexity: 'N/A', categories: 'write hyperloglog admin slow dangerous', summary: 'Shows what an estimate is made of' },
  { name: 'pfselftest', arity: 1, flags: 'admin', keys: [0, 0, 0], group: 'hyperloglog', since: '2.8.9', complexity: 'N/A', categories: 'hyperloglog admin slow dangerous', summary: 'Tests the estimates of distinct elements' },
] as const satisfies readonly CommandRow[];
