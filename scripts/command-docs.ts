// docs/commands.md from the command table: `npm run docs` writes it, a test compares.
import { COMMAND_ROWS } from '../src/commands/table/index.ts';
import type { CommandRow } from '../src/commands/table/row.ts';

const HEAD = `# Commands

All commands that this version serves, from the command table (\`src/commands/table/\`). Written by \`npm run docs\`; not to be edited by hand.
The words are those of COMMAND DOCS; "since" is the version of Redis that brought the command. For arguments and replies see Redis's own pages.
`;

/** What a command may be given: 'exactly 1', 'at least 2', counted without its own name. */
function argumentsOf(row: CommandRow): string {
  const ownWords = row.name.split('|').length;
  return row.arity > 0 ? `${row.arity - ownWords}` : `${-row.arity - ownWords} or more`;
}

function line(row: CommandRow): string {
  const name = row.name.replace('|', ' ').toUpperCase();
  const complexity = row.complexity.replaceAll('|', '\\|');
  return `| \`${name}\` | ${argumentsOf(row)} | ${row.summary} | ${complexity} | ${row.since} |`;
}

/** The whole page. */
export function commandsPage(): string {
  const groups = [...new Set(COMMAND_ROWS.map((row) => row.group))];
  // A container such as CLIENT isn't a command by itself: its subcommands are listed.
  const isContainer = (row: CommandRow): boolean =>
    COMMAND_ROWS.some((other) => other.name.startsWith(`${row.name}|`)) && row.name !== 'command';
  const sections = groups.map((group) => {
    const rows = COMMAND_ROWS.filter((row) => row.group === group && !isContainer(row)).sort((a, b) => (a.name < b.name ? -1 : 1));
    const head = `\n## ${group.charAt(0).toUpperCase()}${group.slice(1)}\n\n| command | arguments | what it does | time | since |\n| --- | --- | --- | --- | --- |\n`;
    return `${head}${rows.map(line).join('\n')}\n`;
  });
  return HEAD + sections.join('');
}
