import type { CommandRow } from './row.ts';

export const rows = [
  { name: 'eval', arity: -3, flags: 'noscript stale skip_monitor no_mandatory_keys movablekeys', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'Depends on the script that is executed.', categories: 'slow scripting', summary: 'Runs a script as a transaction' },
  { name: 'eval_ro', arity: -3, flags: 'readonly noscript stale skip_monitor no_mandatory_keys movablekeys', keys: [0, 0, 0], group: 'scripting', since: '7.0.0', complexity: 'Depends on the script that is executed.', categories: 'slow scripting', summary: 'Runs a script that only reads' },
  { name: 'evalsha', arity: -3, flags: 'noscript stale skip_monitor no_mandatory_keys movablekeys', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'Depends on the script that is executed.', categories: 'slow scripting', summary: 'Runs a script that the server knows, by its SHA1' },
  { name: 'evalsha_ro', arity: -3, flags: 'readonly noscript stale skip_monitor no_mandatory_keys movablekeys', keys: [0, 0, 0], group: 'scripting', since: '7.0.0', complexity: 'Depends on the script that is executed.', categories: 'slow scripting', summary: 'Runs a script that only reads, by its SHA1' },
  { name: 'script', arity: -2, flags: '', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'Depends on subcommand.', categories: 'slow', summary: 'Scripts that the server knows' },
  { name: 'script|load', arity: 3, flags: 'noscript stale', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'O(N) with N being the length in bytes of the script body.', categories: 'slow scripting', summary: 'Makes a script known' },
  { name: 'script|exists', arity: -3, flags: 'noscript', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).', categories: 'slow scripting', summary: 'Says which scripts are known' },
  { name: 'script|flush', arity: -2, flags: 'noscript', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'O(N) with N being the number of scripts in cache', categories: 'slow scripting', summary: 'Forgets all scripts' },
  { name: 'script|kill', arity: 2, flags: 'noscript allow_busy', keys: [0, 0, 0], group: 'scripting', since: '2.6.0', complexity: 'O(1)', categories: 'slow scripting', summary: 'Ends the script that has been running longest, and takes it back' },
  { name: 'script|debug', arity: 3, flags: 'noscript', keys: [0, 0, 0], group: 'scripting', since: '3.2.0', complexity: 'O(1)', categories: 'slow scripting', summary: 'Says that there is no debugger' },
  { name: 'script|stats', arity: 2, flags: 'noscript', keys: [0, 0, 0], group: 'scripting', since: '7.2.0', complexity: 'O(N) with N being the number of script threads', categories: 'slow scripting', summary: 'What script threads have done' },
  { name: 'script|help', arity: 2, flags: 'loading stale', keys: [0, 0, 0], group: 'scripting', since: '5.0.0', complexity: 'O(1)', categories: 'slow scripting', summary: 'Lists the subcommands' },
] as const satisfies readonly CommandRow[];
