import type { CommandRow } from './row.ts';

export const rows = [
  { name: 'sadd', arity: -3, flags: 'write denyoom fast', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(1) for each member', categories: 'write set fast', summary: 'Adds members; creates the set' },
  { name: 'srem', arity: -3, flags: 'write fast', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(N) where N is the number of members to be removed', categories: 'write set fast', summary: 'Removes members; deletes the key with the last one' },
  { name: 'smove', arity: 4, flags: 'write fast', keys: [1, 2, 1], group: 'set', since: '1.0.0', complexity: 'O(1)', categories: 'write set fast', summary: 'Moves a member from one set to another' },
  { name: 'sismember', arity: 3, flags: 'readonly fast', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(1)', categories: 'read set fast', summary: 'Is it a member?' },
  { name: 'smismember', arity: -3, flags: 'readonly fast', keys: [1, 1, 1], group: 'set', since: '6.2.0', complexity: 'O(N) where N is the number of members asked for', categories: 'read set fast', summary: 'Which of these are members?' },
  { name: 'scard', arity: 2, flags: 'readonly fast', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(1)', categories: 'read set fast', summary: 'The number of members' },
  { name: 'spop', arity: -2, flags: 'write fast', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(1), with a count O(N)', categories: 'write set fast', summary: 'Takes members out by chance' },
  { name: 'srandmember', arity: -2, flags: 'readonly', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(1), with a count O(N)', categories: 'read set slow', summary: 'Gives members by chance' },
  { name: 'sinter', arity: -2, flags: 'readonly', keys: [1, -1, 1], group: 'set', since: '1.0.0', complexity: 'O(N*M) where N is the size of the smallest set and M the number of sets', categories: 'read set slow', summary: 'What several sets have in common' },
  { name: 'sintercard', arity: -3, flags: 'readonly movablekeys', keys: [0, 0, 0], group: 'set', since: '7.0.0', complexity: 'O(N*M) where N is the size of the smallest set and M the number of sets', categories: 'read set slow', summary: 'How many members several sets have in common, up to a limit' },
  { name: 'sinterstore', arity: -3, flags: 'write denyoom', keys: [1, -1, 1], group: 'set', since: '1.0.0', complexity: 'O(N*M) where N is the size of the smallest set and M the number of sets', categories: 'write set slow', summary: 'Stores what several sets have in common' },
  { name: 'sunion', arity: -2, flags: 'readonly', keys: [1, -1, 1], group: 'set', since: '1.0.0', complexity: 'O(N) where N is the number of members of all sets', categories: 'read set slow', summary: 'The members of several sets' },
  { name: 'sunionstore', arity: -3, flags: 'write denyoom', keys: [1, -1, 1], group: 'set', since: '1.0.0', complexity: 'O(N) where N is the number of members of all sets', categories: 'write set slow', summary: 'Stores the members of several sets' },
  { name: 'sdiff', arity: -2, flags: 'readonly', keys: [1, -1, 1], group: 'set', since: '1.0.0', complexity: 'O(N) where N is the number of members of all sets', categories: 'read set slow', summary: 'What the first set has and no other' },
  { name: 'sdiffstore', arity: -3, flags: 'write denyoom', keys: [1, -1, 1], group: 'set', since: '1.0.0', complexity: 'O(N) where N is the number of members of all sets', categories: 'write set slow', summary: 'Stores what the first set has and no other' },
  { name: 'smembers', arity: 2, flags: 'readonly', keys: [1, 1, 1], group: 'set', since: '1.0.0', complexity: 'O(N)', categories: 'read set slow', summary: 'All members' },
  { name: 'sscan', arity: -3, flags: 'readonly', keys: [1, 1, 1], group: 'set', since: '2.8.0', complexity: 'O(1) for a call, O(N) for all of them', categories: 'read set slow', summary: 'Some members, and a cursor to the next ones' },
] as const satisfies readonly CommandRow[];
