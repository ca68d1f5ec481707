/** Reads the notation of table/arguments.ts, which is described there. A recursive descent over one line of text. */

export type Argument = {
  name: string;
  /** string, integer, double, key, pattern, unix-time, pure-token, oneof or block. */
  type: string;
  /** Which key specification a key belongs to, -1 for none. */
  keySpec: number;
  token: string | null;
  since: string;
  deprecatedSince: string;
  isOptional: boolean;
  isMultiple: boolean;
  repeatsToken: boolean;
  /** Of a oneof or a block. */
  parts: Argument[];
};

const NAME = /[^\s[\]{}()<>|!=@+.]+/y;
const TOKEN = /(?:""|[^\s[\]{}()<>|@+.])+/y;
const VERSION = /[0-9.]*[0-9]/y;

class Reader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }
  /** Arguments up to `end`, parted by `separator`. */
  list(separator: string, end: string): Argument[] {
    const found = [this.argument()];
    while (this.skip(separator)) found.push(this.argument());
    if (end === '' ? this.at < this.text.length : !this.skip(end)) throw this.unreadable();
    return found;
  }
  private argument(): Argument {
    if (!this.skip('[')) return this.item();
    const argument = this.item();
    argument.isOptional = true;
    if (!this.skip(']')) throw this.unreadable();
    return argument;
  }
  private item(): Argument {
    let word = this.match(NAME);
    let token: string | null = null;
    if (this.skip('=')) {
      token = word;
      word = this.match(NAME);
    }
    const argument = this.core(word, token);
    if (this.skip('+')) argument.repeatsToken = true;
    if (this.skip('...')) argument.isMultiple = true;
    while (this.skip('@')) {
      if (this.skip('!')) argument.deprecatedSince = this.match(VERSION);
      else argument.since = this.match(VERSION);
    }
    return argument;
  }
  private core(name: string, token: string | null): Argument {
    if (this.skip('{')) return argumentOf(name, 'oneof', token, this.list('|', '}'));
    if (this.skip('(')) return argumentOf(name, 'block', token, this.list(' ', ')'));
    if (this.skip('<')) {
      const type = this.match(NAME);
      const argument = argumentOf(name, type, token);
      if (type === 'key') argument.keySpec = 0;
      if (this.skip(' ')) argument.keySpec = Number(this.match(NAME));
      if (!this.skip('>')) throw this.unreadable();
      return argument;
    }
    if (this.skip('!')) return argumentOf(name, 'pure-token', this.match(TOKEN).replace('""', ''));
    if (token === null && /^[A-Z][A-Z0-9-]*$/.test(name)) return argumentOf(name.toLowerCase(), 'pure-token', name);
    return argumentOf(name, 'string', token);
  }

  private skip(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }
  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) throw this.unreadable();
    this.at = pattern.lastIndex;
    return found[0];
  }
  private unreadable(): Error {
    return new Error(`the command table's arguments '${this.text}' can't be read from character ${this.at} on`);
  }
}

function argumentOf(name: string, type: string, token: string | null, parts: Argument[] = []): Argument {
  return {
    name,
    type,
    keySpec: -1,
    token,
    since: '',
    deprecatedSince: '',
    isOptional: false,
    isMultiple: false,
    repeatsToken: false,
    parts,
  };
}

/** The arguments of a line of the table. Throws an Error that says where the line can't be read. */
export function parseSyntax(line: string): Argument[] {
  return new Reader(line).list(' ', '');
}
