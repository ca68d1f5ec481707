/** Pieces of JavaScript while they're put together. Only numbers, quoted strings and names that the emitter made itself get into them. */
import type { NameOfOperand, Site } from '../runtime/sites.ts';
import type { StaticType, Variable } from './ast.ts';

/** An expression's code. */
export type Code = {
  readonly js: string;
  readonly type: StaticType;
  /** A constant or a local: may be written twice, and nothing within the same expression changes it. */
  readonly isSimple: boolean;
};

/** Texts above this length are kept beside the code instead of in it. */
const MAX_INLINE_TEXT = 200;
/** Stands at the start of a line in the code, with a site's number behind it; it never occurs in a quoted string. */
const SITE_MARK = '\x01';

export function quote(text: string): string {
  let quoted = '"';
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const isPlain = (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95 || code === 32;
    quoted += isPlain ? text[at] : `\\x${code.toString(16).padStart(2, '0')}`;
  }
  return `${quoted}"`;
}
export function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value < 0 || (value === 0 && 1 / value < 0)) return `(-${-value})`;
  return String(value);
}
export const variableName = (variable: Variable): string => `v${variable.id}`;

/** What all functions of a chunk share: its constants, its sites, its inline caches and its function factories. */
export class ChunkCode {
  readonly constants: unknown[] = [];
  readonly factories: string[] = [];
  readonly isResumable: boolean;
  cacheCount = 0;
  private readonly sites: Site[] = [];

  constructor(isResumable: boolean) {
    this.isResumable = isResumable;
  }
  text(text: string): string {
    return text.length <= MAX_INLINE_TEXT ? quote(text) : this.constant(text);
  }
  constant(value: unknown): string {
    this.constants.push(value);
    return `K.constants[${this.constants.length - 1}]`;
  }
  cache(): string {
    return `c${this.cacheCount++}`;
  }
  /** A line break behind which `site` is the operation of the JavaScript line. */
  mark(site: Site): string {
    this.sites.push(site);
    return `\n${SITE_MARK}${this.sites.length - 1};`;
  }
  markOperation(line: number, ...names: NameOfOperand[]): string {
    return this.mark({ line, names, isCall: false, isTail: false, argumentCount: -1 });
  }
  /** The finished code, and its sites by JavaScript line (the first line is 1). */
  finish(code: string): { code: string; sites: (Site | undefined)[] } {
    const sites: (Site | undefined)[] = [undefined];
    const lines = code.split('\n').map((line) => {
      if (line[0] !== SITE_MARK) {
        sites.push(undefined);
        return line;
      }
      const end = line.indexOf(';');
      sites.push(this.sites[Number(line.slice(1, end))]);
      return line.slice(end + 1);
    });
    return { code: lines.join('\n'), sites };
  }
}

/** Temporary variables of one function: taken while an expression is put together, and free again once it's whole. */
export class Temporaries {
  count = 0;
  private readonly free: string[] = [];
  take(): string {
    return this.free.pop() ?? `t${this.count++}`;
  }
  release(...names: (string | null)[]): void {
    for (const name of names) if (name !== null) this.free.push(name);
  }
}
