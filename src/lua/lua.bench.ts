// The language's own loads on the engine, beside redis-server's Lua in the same run when one is installed:
//
//   node scripts/node26.js src/lua/lua.bench.ts
//
// Redis's times are those of its slow log (the script alone, without network and parsing); the engine's are of run(). Both are the least
// of their rounds: the machine may have other things to do.
import { RawClient } from '../../test/support/raw-client.ts';
import { installed, startServer } from '../../test/support/server.ts';
import { createEngine } from './engine.ts';

type Load = { readonly name: string; readonly script: string; readonly wanted: number };
const RANDOM_NUMBERS = 'local t, x = {}, 42 for i = 1, 100000 do x = (x * 16807) % 2147483647 t[i] = x end';
const LOADS: readonly Load[] = [
  { name: 'loop of 100 k', wanted: 5, script: 'local s=0 for i=1,100000 do s=s+i%7 end return s' },
  { name: 'fib(24)', wanted: 2, script: 'local function fib(n) if n<2 then return n end return fib(n-1)+fib(n-2) end return fib(24)' },
  {
    name: '200 k inserts and sum',
    wanted: 2,
    script: 'local t={} for i=1,200000 do t[i]=i end local s=0 for i=1,#t do s=s+t[i] end return s',
  },
  {
    name: '200 k table.insert, ipairs',
    wanted: 2,
    script: 'local t={} for i=1,200000 do table.insert(t,i) end local s=0 for _,v in ipairs(t) do s=s+v end return s',
  },
  { name: '20 k concats', wanted: 2, script: 'local s="" for i=1,20000 do s=s.."x" end return #s' },
  { name: 'gsub over 1 MB', wanted: 2, script: 'local s=string.rep("hello world ",87382) local r,n=string.gsub(s,"o","0") return n' },
  {
    name: 'gsub by a function, 1 MB',
    wanted: 2,
    script: 'local s=string.rep("hello world ",87382) local r,n=string.gsub(s,"%w+",function(w) return w:upper() end) return n',
  },
  {
    name: 'cjson round trip, 100 KB',
    wanted: 2,
    script:
      'local t={} for i=1,1800 do t[i]={id=i,name="user"..i,tags={"a","b"},ok=true} end local s=cjson.encode(t) local u=cjson.decode(s) return #s',
  },
  { name: 'sort of 100 k', wanted: 2, script: `${RANDOM_NUMBERS} table.sort(t) return t[1]` },
  {
    name: 'sort of 100 k by a function',
    wanted: 2,
    script: `${RANDOM_NUMBERS} table.sort(t, function(a, b) return a > b end) return t[1]`,
  },
  {
    name: 'objects and methods',
    wanted: 2,
    script:
      'local P={} P.__index=P function P:add(n) self.v=self.v+n return self end local p=setmetatable({v=0},P) for i=1,100000 do p:add(i) end return p.v',
  },
  {
    name: 'closures',
    wanted: 2,
    script:
      'local function counter() local n=0 return function() n=n+1 return n end end local s=0 for i=1,10000 do local c=counter() for j=1,10 do s=s+c() end end return s',
  },
  {
    name: 'a coroutine, 20 k yields',
    wanted: 1,
    script:
      'local co=coroutine.wrap(function() for i=1,20000 do coroutine.yield(i) end return 0 end) local s=0 for i=1,20001 do s=s+co() end return s',
  },
];

const SLOWLOG = { 'slowlog-log-slower-than': 0 };
const microseconds = (ns: bigint): number => Number(ns) / 1e3;
function measureEngine(script: string, rounds: number): { best: number; result: string } {
  const engine = createEngine();
  const chunk = engine.compile(script, '@user_script');
  let best = Number.POSITIVE_INFINITY;
  let result = '';
  for (let round = 0; round < rounds; round++) {
    const started = process.hrtime.bigint();
    const outcome = engine.run(chunk, [], []);
    best = Math.min(best, microseconds(process.hrtime.bigint() - started));
    result = String(outcome.isError ? outcome.error : outcome.value);
  }
  return { best, result };
}
async function measureRedis(client: RawClient, script: string, rounds: number): Promise<{ best: number; result: string }> {
  let best = Number.POSITIVE_INFINITY;
  let result = '';
  for (let round = 0; round < rounds; round++) {
    result = (await client.command('EVAL', script, '0')).toString('latin1').slice(1).trim();
    const entry = (await client.command('SLOWLOG', 'GET', '1')).toString('latin1');
    // *1 entry, *6 fields: id, time, microseconds...
    best = Math.min(best, Number(entry.split('\r\n')[4]?.slice(1)));
  }
  return { best, result };
}

/** BENCH_ROUNDS, as all micro-benchmarks read it; a small one is for a look whether all still runs, without a server beside. */
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 400) / 10;
const IS_TINY = ROUNDS < 10;
const REDIS_ROUNDS = 10;
const column = (label: string, value: number): string => `${label.padEnd(44)} ${value.toFixed(0).padStart(9)} us`;

const server = !IS_TINY && installed('redis-server') ? await startServer({ kind: 'redis-server', directives: SLOWLOG }) : null;
const client = server === null ? null : await RawClient.connect(server.port);
try {
  for (const { name, script, wanted } of LOADS) {
    const ours = measureEngine(script, IS_TINY ? 1 : ROUNDS);
    console.log(column(name, ours.best));
    if (client === null) continue;
    const theirs = await measureRedis(client, script, REDIS_ROUNDS);
    if (theirs.result !== ours.result) throw new Error(`${name}: Redis gives ${theirs.result}, the engine ${ours.result}`);
    const ratio = `${(theirs.best / ours.best).toFixed(1)} times, wanted ${wanted}`;
    console.log(column(`  redis-server (${ratio})`, theirs.best));
  }
} finally {
  client?.destroy();
  await server?.stop();
}
