/** Numbers from and to text, as C's strtod and printf("%.14g") do it for Lua 5.1. */

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const HEX = /^([+-]?)0[xX](?:([0-9a-fA-F]+)\.?([0-9a-fA-F]*)|\.([0-9a-fA-F]+))(?:[pP]([+-]?\d+))?$/;
const WORD = /^([+-]?)(?:(inf(?:inity)?)|nan(?:\([0-9a-zA-Z_]*\))?)$/i;
const OUTER_SPACE = /^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g;
const ZERO = 48;
const MAX_EXACT_INTEGER = 1e15;

function parseHex(match: RegExpExecArray): number {
  const whole = match[2] ?? '';
  const fraction = match[3] ?? match[4] ?? '';
  let value = Number(BigInt(`0x${whole}${fraction}`));
  const exponent = Number(match[5] ?? '0') - 4 * fraction.length;
  value *= 2 ** exponent;
  return match[1] === '-' ? -value : value;
}

/** The number a text stands for, spaces around it allowed; undefined when it is none. */
export function parseNumber(text: string): number | undefined {
  const { length } = text;
  // Mostly it's a plain integer that adds up exactly.
  if (length > 0 && length < 16) {
    let value = 0;
    let at = 0;
    for (; at < length; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === length) return value;
  }
  const first = text.charCodeAt(0);
  if (text.length < 16 && first >= 48 && first <= 57) {
    const quick = Number(text);
    // Number() reads 0b and 0o forms and trims more kinds of space than C does; plain digits can't be misread.
    if (!Number.isNaN(quick) && DECIMAL.test(text)) return quick;
  }
  const zero = text.indexOf('\0');
  const bare = (zero < 0 ? text : text.slice(0, zero)).replace(OUTER_SPACE, '');
  if (DECIMAL.test(bare)) return Number(bare);
  const hex = HEX.exec(bare);
  if (hex !== null) return parseHex(hex);
  const word = WORD.exec(bare);
  if (word === null) return undefined;
  if (word[2] === undefined) return Number.NaN;
  return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** tostring() of a number: "%.14g". */
export function formatNumber(value: number): string {
  if (value === Math.floor(value) && value < MAX_EXACT_INTEGER && value > -MAX_EXACT_INTEGER) {
    if (value === 0 && 1 / value < 0) return '-0';
    if (value < 1e14 && value > -1e14) return String(value);
  }
  const magnitude = value < 0 ? -value : value;
  if (magnitude >= 1e-4 && magnitude < 1e14) {
    // The shortest text that reads as this number: with at most 14 digits it's also what rounding to 14 digits gives.
    const shortest = String(value);
    if (shortest.length <= 15) return shortest;
  }
  return formatGeneral(value, 14, false);
}

/** C prints a NaN's sign, and the NaN that x86 computes is a negative one. JavaScript doesn't tell NaNs apart: all are that one. */
export function formatNotFinite(value: number): string {
  if (value > 0) return 'inf';
  return value < 0 ? '-inf' : '-nan';
}

/** The exact decimal expansion of |value|: an integer and how many of its digits are behind the point. */
function exactDecimal(value: number): { digits: string; scale: number } {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, Math.abs(value));
  const bits = bytes.getBigUint64(0);
  const biased = Number(bits >> 52n) & 0x7ff;
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = biased === 0 ? fraction : fraction | 0x10000000000000n;
  const exponent = (biased === 0 ? 1 : biased) - 1075;
  if (exponent >= 0) return { digits: (mantissa << BigInt(exponent)).toString(), scale: 0 };
  return { digits: (mantissa * 5n ** BigInt(-exponent)).toString(), scale: -exponent };
}
/** Drops the last `count` digits of an exact integer, half to even. */
function roundDigits(digits: string, count: number): string {
  if (count <= 0) return digits + '0'.repeat(-count);
  const padded = digits.padStart(count + 1, '0');
  const kept = padded.slice(0, -count);
  const rest = padded.slice(-count);
  const half = '5' + '0'.repeat(count - 1);
  const isUp = rest > half || (rest === half && (kept.charCodeAt(kept.length - 1) & 1) === 1);
  return isUp ? (BigInt(kept) + 1n).toString() : kept;
}

/** "%.<precision>f" of |value|. */
export function fixedDigits(value: number, precision: number): string {
  const magnitude = Math.abs(value);
  if (magnitude < 1e21 && precision < 100) {
    // toFixed rounds an exact half up, C to even: only where the next digit is a 5 they can differ.
    const next = magnitude.toFixed(precision + 1);
    if (next.charCodeAt(next.length - 1) !== 53) return magnitude.toFixed(precision);
  }
  const { digits, scale } = exactDecimal(value);
  const rounded = roundDigits(digits, scale - precision).padStart(precision + 1, '0');
  if (precision === 0) return rounded;
  return `${rounded.slice(0, -precision)}.${rounded.slice(-precision)}`;
}

/** The first `count` significant digits of |value|, rounded half to even, and the decimal exponent of the first one. */
function significant(value: number, count: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: '0'.repeat(count), exponent: 0 };
  const magnitude = Math.abs(value);
  if (count < 100) {
    const next = magnitude.toExponential(count);
    const mark = next.indexOf('e');
    if (next.charCodeAt(mark - 1) !== 53) {
      const text = magnitude.toExponential(count - 1);
      const at = text.indexOf('e');
      return { digits: text.slice(0, at).replace('.', ''), exponent: Number(text.slice(at + 1)) };
    }
  }
  const exact = exactDecimal(value);
  const digits = exact.digits.replace(/^0+/, '');
  let exponent = digits.length - exact.scale - 1;
  let rounded = roundDigits(digits, digits.length - count);
  if (rounded.length > count) {
    exponent++;
    rounded = rounded.slice(0, count);
  }
  return { digits: rounded, exponent };
}

function exponentText(exponent: number): string {
  const magnitude = Math.abs(exponent);
  return (exponent < 0 ? 'e-' : 'e+') + (magnitude < 10 ? '0' : '') + magnitude;
}
/** "%.<precision>e" of |value|. */
export function exponentDigits(value: number, precision: number, keepPoint: boolean): string {
  const { digits, exponent } = significant(value, precision + 1);
  const point = precision > 0 || keepPoint ? '.' : '';
  return digits[0] + point + digits.slice(1) + exponentText(exponent);
}

/** "%.<precision>g" of |value|; `keepZeros` is the flag '#'. */
export function generalDigits(value: number, precision: number, keepZeros: boolean): string {
  const count = precision === 0 ? 1 : precision;
  const { digits, exponent } = significant(value, count);
  const kept = keepZeros ? digits : digits.replace(/0+$/, '');
  if (exponent < -4 || exponent >= count) {
    const head = kept === '' ? '0' : (kept[0] as string);
    const tail = kept.slice(1);
    return head + (tail === '' && !keepZeros ? '' : '.') + tail + exponentText(exponent);
  }
  if (exponent < 0) return '0.' + '0'.repeat(-exponent - 1) + kept;
  const whole = kept.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  const fraction = kept.slice(exponent + 1);
  return fraction === '' && !keepZeros ? whole : `${whole}.${fraction}`;
}

/** "%.<precision>g" with its sign. */
export function formatGeneral(value: number, precision: number, keepZeros: boolean): string {
  if (value - value !== 0) return formatNotFinite(value);
  const isNegative = value < 0 || (value === 0 && 1 / value < 0);
  return (isNegative ? '-' : '') + generalDigits(value, precision, keepZeros);
}
