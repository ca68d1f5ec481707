import { rows as bitmap } from './bitmap.ts';
import { rows as blocking } from './blocking.ts';
import { rows as connection } from './connection.ts';
import { rows as generic } from './generic.ts';
import { rows as geo } from './geo.ts';
import { rows as hash } from './hash.ts';
import { rows as hyperloglog } from './hyperloglog.ts';
import { rows as list } from './list.ts';
import type { CommandRow } from './row.ts';
import { rows as scripting } from './scripting.ts';
import { rows as server } from './server.ts';
import { rows as set } from './set.ts';
import { rows as sort } from './sort.ts';
import { rows as sortedSet } from './sorted-set.ts';
import { rows as string } from './string.ts';
import { rows as transactions } from './transactions.ts';

export const COMMAND_ROWS: readonly CommandRow[] = [
  ...string,
  ...bitmap,
  ...hash,
  ...list,
  ...set,
  ...sortedSet,
  ...geo,
  ...hyperloglog,
  ...blocking,
  ...sort,
  ...generic,
  ...connection,
  ...server,
  ...transactions,
  ...scripting,
];
