// Writes docs/commands.md from the command table.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { commandsPage } from './command-docs.ts';

writeFileSync(path.resolve(import.meta.dirname, '../docs/commands.md'), commandsPage());
