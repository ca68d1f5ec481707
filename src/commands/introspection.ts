/** COMMAND and its subcommands, and the HELP of every container. */
import { globMatch } from '../base/glob.ts';
import { type CommandContext, ERR_SYNTAX, type Handler } from './context.ts';
import { type FoundKey, findKeys, type KeySpec, keySpecsOf } from './key-specs.ts';
import { COMMANDS, type CommandDescriptor, commandNamed, findCommand } from './lookup.ts';
import { type Argument, parseSyntax } from './syntax.ts';
import { SYNTAX } from './table/arguments.ts';
import { DEPRECATED, SYSTEM_COMMANDS, TIPS } from './table/hints.ts';

const topLevel = (): CommandDescriptor[] => COMMANDS.filter((command) => !command.name.includes('|'));

function writeCommand(ctx: CommandContext, command: CommandDescriptor): void {
  const { reply } = ctx;
  const { row } = command;
  reply.array(10);
  reply.bulkString(command.name);
  reply.integer(row.arity);
  writeWords(ctx, command.flags);
  for (const position of row.keys) reply.integer(position);
  writeWords(
    ctx,
    row.categories.split(' ').map((category) => `@${category}`),
  );
  writeWords(ctx, (TIPS[command.name] ?? '').split(' ').filter(Boolean));
  const specs = keySpecsOf(command);
  reply.set(specs.length);
  for (const spec of specs) writeKeySpec(ctx, spec);
  reply.array(command.subcommands.length);
  for (const sub of command.subcommands) writeCommand(ctx, sub);
}
function writeWords(ctx: CommandContext, words: readonly string[]): void {
  ctx.reply.set(words.length);
  for (const word of words) ctx.reply.simple(word);
}
/** A map of a type's name and the facts that belong to it. */
function writeTyped(ctx: CommandContext, type: string, facts: Readonly<Record<string, string | number>>): void {
  const { reply } = ctx;
  reply.map(2);
  reply.bulkString('type');
  reply.bulkString(type);
  reply.bulkString('spec');
  const pairs = Object.entries(facts);
  reply.map(pairs.length);
  for (const [name, value] of pairs) {
    reply.bulkString(name);
    if (typeof value === 'number') reply.integer(value);
    else reply.bulkString(value);
  }
}
function writeKeySpec(ctx: CommandContext, { flags, begin, find }: KeySpec): void {
  const { reply } = ctx;
  reply.map(3);
  reply.bulkString('flags');
  writeWords(ctx, flags);
  reply.bulkString('begin_search');
  if (begin.type === 'index') writeTyped(ctx, 'index', { index: begin.index });
  else if (begin.type === 'keyword') writeTyped(ctx, 'keyword', { keyword: begin.keyword, startfrom: begin.from });
  else writeTyped(ctx, 'unknown', {});
  reply.bulkString('find_keys');
  if (find.type === 'range') writeTyped(ctx, 'range', { lastkey: find.last, keystep: find.step, limit: find.limit });
  else if (find.type === 'keynum') writeTyped(ctx, 'keynum', { keynumidx: 0, firstkey: 1, keystep: 1 });
  else writeTyped(ctx, 'unknown', {});
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
    if (found === undefined) ctx.reply.nil();
    else writeCommand(ctx, found);
  }
}
function writeDocs(ctx: CommandContext, each: CommandDescriptor): void {
  const { reply } = ctx;
  const { row } = each;
  const deprecated = DEPRECATED[each.name];
  const syntax = SYNTAX[each.name];
  const facts = [
    ['summary', row.summary],
    ['since', row.since],
    ['group', row.group],
    ['complexity', row.complexity],
  ] as const;
  const isSystem = SYSTEM_COMMANDS.has(each.name);
  reply.bulkString(each.name);
  reply.map(
    facts.length + (isSystem ? 1 : 0) + (deprecated ? 3 : 0) + (syntax === undefined ? 0 : 1) + (each.subcommands.length > 0 ? 1 : 0),
  );
  for (const [name, value] of facts) {
    reply.bulkString(name);
    reply.bulkString(value);
  }
  if (isSystem || deprecated !== undefined) {
    reply.bulkString('doc_flags');
    writeWords(ctx, [isSystem ? 'syscmd' : 'deprecated']);
  }
  if (deprecated !== undefined) {
    reply.bulkString('deprecated_since');
    reply.bulkString(deprecated[0]);
    reply.bulkString('replaced_by');
    reply.bulkString(deprecated[1]);
  }
  if (syntax !== undefined) {
    reply.bulkString('arguments');
    writeArguments(ctx, parseSyntax(syntax));
  }
  if (each.subcommands.length === 0) return;
  reply.bulkString('subcommands');
  reply.map(each.subcommands.length);
  for (const sub of each.subcommands) writeDocs(ctx, sub);
}
function writeArguments(ctx: CommandContext, all: readonly Argument[]): void {
  const { reply } = ctx;
  reply.array(all.length);
  for (const each of all) {
    const facts: [string, string][] = [
      ['name', each.name],
      ['type', each.type],
    ];
    if (each.token !== null) facts.push(['token', each.token]);
    if (each.since !== '') facts.push(['since', each.since]);
    if (each.deprecatedSince !== '') facts.push(['deprecated_since', each.deprecatedSince]);
    const flags: string[] = [];
    if (each.isOptional) flags.push('optional');
    if (each.isMultiple) flags.push('multiple');
    if (each.repeatsToken) flags.push('multiple_token');
    const more = (each.keySpec < 0 ? 0 : 1) + (flags.length > 0 ? 1 : 0) + (each.parts.length > 0 ? 1 : 0);
    reply.map(facts.length + more);
    for (const [name, value] of facts) {
      reply.bulkString(name);
      reply.bulkString(value);
      if (name !== 'type' || each.keySpec < 0) continue;
      reply.bulkString('key_spec_index');
      reply.integer(each.keySpec);
    }
    if (flags.length > 0) {
      reply.bulkString('flags');
      writeWords(ctx, flags);
    }
    if (each.parts.length === 0) continue;
    reply.bulkString('arguments');
    writeArguments(ctx, each.parts);
  }
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
    if (found === null) {
      ctx.reply.error('ERR Invalid command specified');
    } else if (keySpecsOf(found).every((spec) => spec.flags.includes('not_key'))) {
      ctx.reply.error('ERR The command has no key arguments');
    } else if (found.arity > 0 ? argc !== found.arity : argc < -found.arity) {
      ctx.reply.error('ERR Invalid number of arguments specified for command');
    } else {
      const keys = findKeys(ctx, found, 2) ?? [];
      if (keys.length === 0 && !found.flags.includes('no_mandatory_keys')) {
        ctx.reply.error('ERR Invalid arguments specified for command');
        return;
      }
      ctx.reply.array(keys.length);
      for (const key of keys) writeKey(ctx, key, withFlags);
    }
  };
}
function writeKey(ctx: CommandContext, key: FoundKey, withFlags: boolean): void {
  if (withFlags) ctx.reply.array(2);
  ctx.reply.bulk(ctx.bytes, ctx.start(key.index), ctx.end(key.index));
  if (withFlags) writeWords(ctx, key.flags);
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
