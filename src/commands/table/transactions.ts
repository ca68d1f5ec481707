import type { CommandRow } from './row.ts';

export const rows = [
  { name: 'multi', arity: 1, flags: 'noscript loading stale fast allow_busy', keys: [0, 0, 0], group: 'transactions', since: '1.2.0', complexity: 'O(1)', categories: 'fast transaction', summary: 'Begins a transaction: what follows is queued' },
  { name: 'exec', arity: 1, flags: 'noscript loading stale skip_slowlog', keys: [0, 0, 0], group: 'transactions', since: '1.2.0', complexity: 'Depends on commands in the transaction', categories: 'slow transaction', summary: 'Runs what was queued, all at once' },
  { name: 'discard', arity: 1, flags: 'noscript loading stale fast allow_busy', keys: [0, 0, 0], group: 'transactions', since: '2.0.0', complexity: 'O(N), when N is the number of queued commands', categories: 'fast transaction', summary: 'Forgets what was queued' },
  { name: 'watch', arity: -2, flags: 'noscript loading stale fast allow_busy', keys: [1, -1, 1], group: 'transactions', since: '2.2.0', complexity: 'O(1) for every key.', categories: 'fast transaction', summary: 'Makes EXEC run only if keys stay as they are' },
  { name: 'unwatch', arity: 1, flags: 'noscript loading stale fast allow_busy', keys: [0, 0, 0], group: 'transactions', since: '2.2.0', complexity: 'O(1)', categories: 'fast transaction', summary: 'Forgets the watched keys' },
] as const satisfies readonly CommandRow[];
