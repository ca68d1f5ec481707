#!/usr/bin/env node
// Starts the server: the built JavaScript of the package, or in a checkout the TypeScript itself.
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { cacheCode, isNode26, runNode26 } from '../scripts/node26.js';

const source = new URL('../src/main.ts', import.meta.url);
const program = existsSync(source) ? source : new URL('../dist/main.js', import.meta.url);
cacheCode();
if (isNode26()) await import(program.href);
else runNode26([fileURLToPath(program), ...process.argv.slice(2)]);
