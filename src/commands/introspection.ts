/** COMMAND and its subcommands, and the HELP of every container. */
import { globMatch } from '../base/glob.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { COMMANDS, type CommandDescriptor, commandNamed, findCommand } from './lookup.ts';

const topLevel = (): CommandDescriptor[] => COMMANDS.filter((command) => !command.name.includes('|'));

function writeCommand(ctx: CommandContext, command: CommandDescriptor): void {
  const { reply } = ctx;
  const { row } = command;
  reply.array(10);
  reply.bulkString(command.name);
  reply.integer(row.arity);
  reply.set(command.flags.length);
  for (const flag of command.flags) reply.simple(flag);
  for (const position of row.keys) reply.integer(position);
  const categories = row.categories.split(' ');
  reply.set(categories.length);
  for (const category of categories) reply.simple(`@${category}`);
  reply.array(0);
  writeKeySpecs(ctx, command);
  reply.array(command.subcommands.length);
  for (const sub of command.subcommands) writeCommand(ctx, sub);
}
function writeKeySpecs(ctx: CommandContext, command: CommandDescriptor): void {
  const { reply } = ctx;
  if (command.firstKey === 0) {
    reply.array(0);
    return;
  }
  reply.array(1);
  reply.map(3);
  reply.bulkString('flags');
  const flags = command.isWrite ? ['RW', 'UPDATE'] : ['RO', 'ACCESS'];
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
  reply.bulkString('begin_search');
  reply.map(2);
  reply.bulkString('type');
  reply.bulkString('index');
  reply.bulkString('spec');
  reply.map(1);
  reply.bulkString('index');
  reply.integer(command.firstKey);
  reply.bulkString('find_keys');
  reply.map(2);
  reply.bulkString('type');
  reply.bulkString('range');
  reply.bulkString('spec');
  reply.map(3);
  reply.bulkString('lastkey');
  reply.integer(command.lastKey < 0 ? command.lastKey : command.lastKey - command.firstKey);
  reply.bulkString('keystep');
  reply.integer(command.step);
  reply.bulkString('limit');
  reply.integer(0);
}

function command(ctx: CommandContext): void {
  const all = topLevel();
  ctx.reply.array(all.length);
  for (const each of all) writeCommand(ctx, each);
}
function commandInfo(ctx: CommandContext): void {
  if (ctx.argc === 2) {
    command(ctx);
    return;
  }
  ctx.reply.array(ctx.argc - 2);
  for (let index = 2; index < ctx.argc; index++) {
    const found = commandNamed(ctx.word(index));
    if (found === undefined) ctx.reply.nilArray();
    else writeCommand(ctx, found);
  }
}
function writeDocs(ctx: CommandContext, each: CommandDescriptor): void {
  const { reply } = ctx;
  const { row } = each;
  reply.bulkString(each.name);
  reply.map(each.subcommands.length > 0 ? 5 : 4);
  for (const [name, value] of [
    ['summary', row.summary],
    ['since', row.since],
    ['group', row.group],
    ['complexity', row.complexity],
  ] as const) {
    reply.bulkString(name);
    reply.bulkString(value);
  }
  if (each.subcommands.length === 0) return;
  reply.bulkString('subcommands');
  reply.map(each.subcommands.length);
  for (const sub of each.subcommands) writeDocs(ctx, sub);
}
function commandDocs(ctx: CommandContext): void {
  const wanted: CommandDescriptor[] = [];
  for (let index = 2; index < ctx.argc; index++) {
    const found = commandNamed(ctx.word(index));
    if (found !== undefined) wanted.push(found);
  }
  const listed = ctx.argc === 2 ? topLevel() : wanted;
  ctx.reply.map(listed.length);
  for (const each of listed) writeDocs(ctx, each);
}

/** GETKEYS and GETKEYSANDFLAGS: the keys of the command line behind them. */
function commandKeys(withFlags: boolean): Handler {
  return (ctx) => {
    let found = findCommand(ctx.bytes, ctx.start(2), ctx.length(2));
    if (found !== null && found.subcommands.length > 0 && ctx.argc > 3) {
      found = commandNamed(`${found.name}|${ctx.word(3)}`) ?? null;
    }
    const argc = ctx.argc - 2;
    if (found === null) ctx.reply.error('ERR Invalid command specified');
    else if (found.firstKey === 0) ctx.reply.error('ERR The command has no key arguments');
    else if (found.arity > 0 ? argc !== found.arity : argc < -found.arity) {
      ctx.reply.error('ERR Invalid number of arguments specified for command');
    } else {
      const last = found.lastKey < 0 ? argc + found.lastKey : found.lastKey;
      const keys: number[] = [];
      for (let index = found.firstKey; index <= last; index += found.step) keys.push(index + 2);
      ctx.reply.array(keys.length);
      for (const key of keys) writeKey(ctx, key, withFlags, found);
    }
  };
}
function writeKey(ctx: CommandContext, key: number, withFlags: boolean, found: CommandDescriptor): void {
  if (withFlags) ctx.reply.array(2);
  ctx.reply.bulk(ctx.bytes, ctx.start(key), ctx.end(key));
  if (!withFlags) return;
  const flags = found.isWrite ? ['RW', 'UPDATE'] : ['RO', 'ACCESS'];
  ctx.reply.set(flags.length);
  for (const flag of flags) ctx.reply.simple(flag);
}

function commandList(ctx: CommandContext): void {
  let names = COMMANDS;
  if (ctx.argc === 5 && ctx.word(2) === 'filterby') {
    const value = ctx.text(4);
    const kind = ctx.word(3);
    if (kind === 'pattern') names = COMMANDS.filter((each) => globMatch(value, each.name, true));
    else if (kind === 'aclcat') names = COMMANDS.filter((each) => each.row.categories.split(' ').includes(value.toLowerCase()));
    else if (kind === 'module') names = [];
    else {
      ctx.reply.error(ERR_SYNTAX);
      return;
    }
  } else if (ctx.argc !== 2) {
    ctx.reply.error(ERR_SYNTAX);
    return;
  }
  ctx.reply.array(names.length);
  for (const each of names) ctx.reply.bulkString(each.name);
}

/** HELP of a container: its subcommands with their summaries. */
function help(ctx: CommandContext): void {
  const parent = commandNamed((ctx.command as CommandDescriptor).name.split('|')[0] as string) as CommandDescriptor;
  ctx.reply.array(parent.subcommands.length * 2 + 1);
  ctx.reply.simple(`${parent.name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const sub of parent.subcommands) {
    ctx.reply.simple((sub.name.split('|')[1] as string).toUpperCase());
    ctx.reply.simple(`    ${sub.row.summary}.`);
  }
}

export const introspectionHandlers: Record<string, Handler> = {
  command,
  'command|count': (ctx) => ctx.reply.integer(topLevel().length),
  'command|info': commandInfo,
  'command|docs': commandDocs,
  'command|getkeys': commandKeys(false),
  'command|getkeysandflags': commandKeys(true),
  'command|list': commandList,
  ...Object.fromEntries(COMMANDS.filter((each) => each.name.endsWith('|help')).map((each) => [each.name, help])),
};
