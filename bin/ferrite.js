#!/usr/bin/env node
// Starts the server: the built JavaScript of the package, or in a checkout the TypeScript itself.
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runNode26 } from '../scripts/node26.js';

const source = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const built = fileURLToPath(new URL('../dist/main.js', import.meta.url));
runNode26([existsSync(source) ? source : built, ...process.argv.slice(2)]);
