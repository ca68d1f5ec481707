/** Nanoseconds that the figures of scripts cost a run: node scripts/node26.js src/scripting/script-stats.bench.ts */
import { measure } from '../../test/support/measure.ts';
import { createScriptStats, FUNCTION, SCRIPT, ScriptStats } from './script-stats.ts';

const stats = new ScriptStats(createScriptStats(1), 0);
const few = Array.from({ length: 4 }, (_, index) => ({ name: String(index).repeat(40), kind: SCRIPT, row: 0 }));
const many = Array.from({ length: 1500 }, (_, index) => ({ name: `function_${index}`, kind: FUNCTION, row: 0 }));
let run = 0;

function count(of: readonly { name: string; kind: number; row: number }[]): void {
  const counted = of[++run % of.length]!;
  stats.begin(counted, run);
  stats.end(counted, false, false);
}
stats.start();
measure('a run of one of 4 scripts, the clock included', 1, () => count(few));
measure('the clock alone', 1, () => performance.now());
measure('a run of one of 1500 functions, in turn', 1, () => count(many));
