import type { CommandRow } from './row.ts';

export const rows = [
  { name: 'sort', arity: -2, flags: 'write denyoom movablekeys', keys: [1, 1, 1], group: 'generic', since: '1.0.0', complexity: 'O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).', categories: 'write set sortedset list slow dangerous', summary: 'Sorts a list, a set or a sorted set' },
  { name: 'sort_ro', arity: -2, flags: 'readonly movablekeys', keys: [1, 1, 1], group: 'generic', since: '7.0.0', complexity: 'O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).', categories: 'read set sortedset list slow dangerous', summary: 'Sorts a list, a set or a sorted set, and stores nothing' },
] as const satisfies readonly CommandRow[];
