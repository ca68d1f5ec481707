/** Numbers as Redis reads and prints them: strict 64-bit integers, doubles, and the 80-bit floats of INCRBYFLOAT. */

const ZERO = 48;
const MINUS = 45;
const PLUS = 43;
const POINT = 46;
const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;

/**
 * A 64-bit integer from its decimal digits: a number when that is exact (up to 2^53), a BigInt beyond, null for anything that isn't
 * the one canonical form ("+1", "01", "-0", " 1", "" are not).
 */
export function parseInt64(bytes: Uint8Array, start: number, end: number): number | bigint | null {
  const length = end - start;
  if (length === 0 || length > 20) return null;
  let at = start;
  const isNegative = bytes[at] === MINUS;
  if (isNegative) at++;
  const first = bytes[at]! - ZERO;
  if (at >= end || first < 0 || first > 9) return null;
  if (first === 0) return length === 1 ? 0 : null;
  let value = 0;
  for (let digitAt = at; digitAt < end; digitAt++) {
    const digit = bytes[digitAt]! - ZERO;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  if (value <= Number.MAX_SAFE_INTEGER) return isNegative ? -value : value;
  let exact = 0n;
  for (; at < end; at++) exact = exact * 10n + BigInt(bytes[at]! - ZERO);
  if (isNegative) exact = -exact;
  return exact > INT64_MAX || exact < INT64_MIN ? null : exact;
}

const MAX_EXACT_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: MAX_EXACT_DIGITS + 1 }, (_, power) => 10 ** power);

/**
 * A float of at most 15 digits without an exponent; NaN for anything else, which is for a slower reader. Both the digits and the power of
 * ten are exact then, and their quotient is rounded once, as strtod does it.
 */
export function parsePlainFloat(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start];
  let at = first === MINUS || first === PLUS ? start + 1 : start;
  if (end - at > MAX_EXACT_DIGITS + 1) return Number.NaN;
  let value = 0;
  let digits = 0;
  let point = -1;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === POINT && point < 0) {
      point = digits;
      continue;
    }
    if (byte < ZERO || byte > ZERO + 9) return Number.NaN;
    value = value * 10 + (byte - ZERO);
    digits++;
  }
  if (digits === 0 || digits > MAX_EXACT_DIGITS) return Number.NaN;
  if (point >= 0) value /= POWERS_OF_TEN[digits - point]!;
  return first === MINUS ? -value : value;
}

/** Doubles that are integers print as integers up to here, half of what 64 bits hold. */
const MAX_PLAIN_INTEGER = 2 ** 62;
/** An integer of more zeros at its end than this, and a fraction of as many at its begin, takes an exponent. */
const MAX_ZEROS = 7;

/**
 * A double as Redis 7.2 replies it: the shortest digits that read back the same, laid out as by its d2string and fpconv; 'inf',
 * '-inf', 'nan'.
 */
export function formatDouble(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0' : String(value);
  const magnitude = value < 0 ? -value : value;
  // Between these JavaScript prints the same.
  if (magnitude >= 0.001 && magnitude < 10000) return String(value);
  if (Number.isNaN(value)) return 'nan';
  if (value === Number.POSITIVE_INFINITY) return 'inf';
  if (value === Number.NEGATIVE_INFINITY) return '-inf';
  if (Number.isInteger(value) && Math.abs(value) <= MAX_PLAIN_INTEGER) return BigInt(value).toString();
  const [mantissa, power] = Math.abs(value).toExponential().split('e') as [string, string];
  const sign = value < 0 ? '-' : '';
  const digits = mantissa.replace('.', '');
  const exponent = Number(power);
  /** The power of ten of the last digit. */
  const scale = exponent - digits.length + 1;
  if (scale >= 0 && exponent < digits.length + MAX_ZEROS - sign.length) return sign + digits + '0'.repeat(scale);
  if (scale < 0 && (scale > -MAX_ZEROS || Math.abs(exponent) < 4)) {
    if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
    return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
  }
  return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`;
}

/** mantissa * 2^exponent, the mantissa of at most 64 bits: what the x87's long double holds. */
type LongDouble = { mantissa: bigint; exponent: number };
const MANTISSA_BITS = 64;
const MAX_EXPONENT = 16384;
const MAX_DIGITS = 5000;
const DECIMALS = 17;
const FLOAT_SYNTAX = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** numerator / denominator * 2^exponent to 64 bits, half to even. Null when it is too large. */
function round(numerator: bigint, denominator: bigint): LongDouble | null {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 };
  const isNegative = numerator < 0n;
  let top = isNegative ? -numerator : numerator;
  let bottom = denominator;
  let shift = MANTISSA_BITS + 1 - (bitLength(top) - bitLength(bottom));
  if (shift > 0) top <<= BigInt(shift);
  else bottom <<= BigInt(-shift);
  let quotient = top / bottom;
  let isInexact = top % bottom !== 0n;
  const excess = bitLength(quotient) - MANTISSA_BITS;
  if (excess > 0) {
    const cut = BigInt(excess);
    const rest = quotient & ((1n << cut) - 1n);
    const half = 1n << (cut - 1n);
    quotient >>= cut;
    shift -= excess;
    if (rest > half || (rest === half && (isInexact || (quotient & 1n) === 1n))) quotient += 1n;
    isInexact = false;
  }
  if (bitLength(quotient) - shift > MAX_EXPONENT) return null;
  return { mantissa: isNegative ? -quotient : quotient, exponent: -shift };
}

const HEX_SYNTAX = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?\d+))?$/i;

/** C's strtold takes hexadecimal floats as well: '0x1.8p3'. */
function parseHexDouble(text: string): LongDouble | null {
  const match = HEX_SYNTAX.exec(text);
  const digits = (match?.[2] ?? '') + (match?.[3] ?? '');
  if (match === null || digits === '' || text.length > MAX_DIGITS) return null;
  const value = BigInt(`0x${digits}`) * (match[1] === '-' ? -1n : 1n);
  const exponent = Number(match[4] ?? '0') - 4 * (match[3] ?? '').length;
  if (Math.abs(exponent) > MAX_EXPONENT) return null;
  return exponent >= 0 ? round(value << BigInt(exponent), 1n) : round(value, 1n << BigInt(-exponent));
}

/** Null when the text is no float, or no finite one. */
function parseLongDouble(text: string): LongDouble | null {
  if (/^[+-]?0x/i.test(text)) return parseHexDouble(text);
  const match = FLOAT_SYNTAX.exec(text);
  if (match === null || text.length > MAX_DIGITS) return null;
  const whole = match[2] ?? '';
  const fraction = match[3] ?? '';
  if (whole === '' && fraction === '') return null;
  const exponent = Number(match[4] ?? '0') - fraction.length;
  let digits = BigInt(whole + fraction);
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  if (exponent > MAX_DIGITS || exponent < -3 * MAX_DIGITS) return exponent > 0 ? null : { mantissa: 0n, exponent: 0 };
  if (match[1] === '-') digits = -digits;
  return exponent >= 0 ? round(digits * 10n ** BigInt(exponent), 1n) : round(digits, 10n ** BigInt(-exponent));
}

export function isLongDouble(text: string): boolean {
  return parseLongDouble(text) !== null;
}

/** The sum as INCRBYFLOAT prints it: %.17Lf without trailing zeros. Null when a text is no float or the sum isn't finite. */
export function addLongDouble(a: string, b: string): string | null {
  const left = parseLongDouble(a);
  const right = parseLongDouble(b);
  if (left === null || right === null) return null;
  const exponent = Math.min(left.exponent, right.exponent);
  const sum = (left.mantissa << BigInt(left.exponent - exponent)) + (right.mantissa << BigInt(right.exponent - exponent));
  const rounded = exponent >= 0 ? round(sum << BigInt(exponent), 1n) : round(sum, 1n << BigInt(-exponent));
  return rounded === null ? null : printLongDouble(rounded);
}

function printLongDouble(value: LongDouble): string {
  const isNegative = value.mantissa < 0n;
  const magnitude = (isNegative ? -value.mantissa : value.mantissa) * 10n ** BigInt(DECIMALS);
  let scaled: bigint;
  if (value.exponent >= 0) {
    scaled = magnitude << BigInt(value.exponent);
  } else {
    const cut = BigInt(-value.exponent);
    scaled = magnitude >> cut;
    const rest = magnitude & ((1n << cut) - 1n);
    const half = 1n << (cut - 1n);
    if (rest > half || (rest === half && (scaled & 1n) === 1n)) scaled += 1n;
  }
  const digits = scaled.toString().padStart(DECIMALS + 1, '0');
  const whole = digits.slice(0, -DECIMALS);
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '');
  const text = fraction === '' ? whole : `${whole}.${fraction}`;
  return isNegative && text !== '0' ? `-${text}` : text;
}

/** The sum of two 64-bit integers, or null when it is none. A number where it's exact as one, else a bigint. */
export function addInt64(a: number | bigint, b: number | bigint): number | bigint | null {
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a + b)) return a + b;
  const sum = BigInt(a) + BigInt(b);
  return sum > INT64_MAX || sum < INT64_MIN ? null : sum;
}
