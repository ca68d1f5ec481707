// Runs Lua on the engine and on the oracles: Debian's lua5.1 for the language, a redis-server for the libraries and replies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { createEngine, type Engine, LuaError, LuaSyntaxError, type LuaTable, type LuaValue } from '../../src/lua/engine.ts';
import { libraryTable } from '../../src/lua/library/arguments.ts';
import { toText } from '../../src/lua/library/base.ts';
import { apiError, createRedisTable, errorTable } from '../../src/lua/redis-library.ts';
import { errorReplyText, ReplyReader, writeValue } from '../../src/lua/resp-values.ts';
import { ReplyWriter } from '../../src/resp/reply.ts';

const TIMEOUT_MS = 10_000;
/** Lua 5.1 prints addresses, which differ from run to run. */
export const withoutAddresses = (text: string): string => text.replace(/0x[0-9a-f]{6,}/g, '0xADDRESS');

/** Standard output and, on an error, what the interpreter says, of Debian's lua5.1. */
export function runOracle(source: string, chunkName: string): string {
  const { stdout, stderr, status } = spawnSync('lua5.1', ['-'], {
    input: Buffer.from(
      `${ORACLE_PRELUDE}local chunk, problem = loadstring(${quoteLua(source)}, ${quoteLua(chunkName)})\nrun(chunk, problem)`,
      'latin1',
    ),
    timeout: TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`lua5.1 ended with ${status}: ${stderr.toString('latin1').slice(0, 500)}`);
  return withoutAddresses(stdout.toString('latin1'));
}
/** What Redis takes away is taken away, and the chunk runs as the engine's does: an error is one more line of output. */
const ORACLE_PRELUDE = `
local io, tostring, pcall, type, select, table = io, tostring, pcall, type, select, table
local function run(chunk, problem)
  if not chunk then io.write("syntax error: ", problem, "\\n") return end
  local ok, e = pcall(chunk)
  if not ok then io.write("error: ", tostring(e), "\\n") end
end
function print(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
  io.write(table.concat(words, "\\t"), "\\n")
end
getfenv, setfenv, newproxy, module, require, dofile, loadfile, package, debug, os = nil
_G.io = nil
`;
function quoteLua(text: string): string {
  return `"${text.replace(/[^ !#-[\]-~]/g, (character) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`)}"`;
}

/** The same on the engine. */
export function runEngine(source: string, chunkName: string, options: { isResumable?: boolean } = {}): string {
  const output: string[] = [];
  const print = (...args: LuaValue[]): LuaValue[] => {
    output.push(`${args.map((value) => toText(value)).join('\t')}\n`);
    return [];
  };
  const engine = createEngine({ isProtected: false, globals: { print } });
  const text = options.isResumable
    ? `local ok, problem = coroutine.resume(coroutine.create(function(...) ${source}\nend)) if not ok then error(problem, 0) end`
    : source;
  try {
    const outcome = engine.run(engine.compile(text, chunkName), [], []);
    if (outcome.isError) output.push(`error: ${toText(outcome.error)}\n`);
  } catch (error) {
    if (!(error instanceof LuaSyntaxError)) throw error;
    output.push(`syntax error: ${error.message}\n`);
  }
  return withoutAddresses(output.join(''));
}
export const luaInstalled = (): boolean => spawnSync('lua5.1', ['-v'], { stdio: 'ignore' }).error === undefined;

/** A host whose only commands are those that need no data: enough for conversions and errors. */
const COMMANDS: Readonly<Record<string, (args: string[]) => string>> = {
  ping: (args) => (args[0] === undefined ? '+PONG\r\n' : bulk(args[0])),
  echo: (args) => bulk(args[0] ?? ''),
};
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

function callHost(args: LuaValue[]): LuaValue {
  if (args.length === 0) throw apiError('Please specify at least one argument for this redis lib call');
  if (!args.every((one) => typeof one === 'string' || typeof one === 'number')) {
    throw apiError('Lua redis lib command arguments must be strings or integers');
  }
  const [name, ...rest] = args.map(String);
  const command = COMMANDS[(name as string).toLowerCase()];
  if (command === undefined) throw apiError('Unknown Redis command called from script');
  return new ReplyReader().read(Buffer.from(command(rest), 'latin1'), 0);
}

/** What EVAL answers, as bytes. */
export class ScriptRunner {
  private isResp3 = false;
  private readonly engine: Engine;
  constructor() {
    const redis: LuaTable = createRedisTable({
      version: '7.0.15',
      call: (...args: LuaValue[]) => callHost(args),
      pcall: (...args: LuaValue[]) => {
        try {
          return callHost(args);
        } catch (error) {
          if (!(error instanceof LuaError)) throw error;
          return error.value;
        }
      },
      log: () => {},
      setResp: (version) => {
        this.isResp3 = version === 3;
      },
    });
    this.engine = createEngine({
      globals: { redis, extra: libraryTable({ errorTable: (text: LuaValue) => errorTable(String(text)) }) },
    });
  }
  eval(source: string, keys: string[], args: string[], resp: 2 | 3): Buffer {
    const writer = new ReplyWriter();
    writer.resp = resp;
    this.isResp3 = false;
    const sha = createHash('sha1').update(source, 'latin1').digest('hex');
    try {
      const outcome = this.engine.run(this.engine.compile(source, '@user_script'), keys, args);
      if (outcome.isError) writer.error(errorReplyText(outcome.error, sha, outcome.source, outcome.line));
      else writeValue(outcome.value, writer, this.isResp3);
    } catch (error) {
      if (!(error instanceof LuaSyntaxError)) throw error;
      writer.error(`ERR Error compiling script (new function): ${error.message}`);
    }
    return Buffer.from(writer.buffer.subarray(0, writer.length));
  }
}
export const CASES = path.join(import.meta.dirname, 'cases');
