// Decodes a whole raw reply into plain values, for tests that look into it.

export type Value = string | number | boolean | null | Value[] | Map<string, Value>;

class Decoder {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  value(): Value {
    const end = this.bytes.indexOf('\r\n', this.at);
    const type = this.bytes.toString('latin1', this.at, this.at + 1);
    const line = this.bytes.toString('latin1', this.at + 1, end);
    this.at = end + 2;
    switch (type) {
      case '+':
      case '(':
        return line;
      case '-':
        return `-${line}`;
      case ':':
      case ',':
        return Number(line);
      case '#':
        return line === 't';
      case '_':
        return null;
      case '$':
        return this.bulk(Number(line));
      case '=':
        return this.bulk(Number(line))?.slice(4) ?? null;
      case '*':
      case '~':
      case '>':
        return Number(line) < 0 ? null : Array.from({ length: Number(line) }, () => this.value());
      case '%':
        return new Map(Array.from({ length: Number(line) }, (): [string, Value] => [String(this.value()), this.value()]));
      default:
        throw new Error(`no reply begins with '${type}'`);
    }
  }
  private bulk(length: number): string | null {
    if (length < 0) return null;
    const text = this.bytes.toString('latin1', this.at, this.at + length);
    this.at += length + 2;
    return text;
  }
}

/** Errors become strings with their '-', bulk strings latin1 text, maps Maps, sets arrays. */
export function parseReply(bytes: Buffer): Value {
  return new Decoder(bytes).value();
}
