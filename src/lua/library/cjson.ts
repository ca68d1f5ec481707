/** The module cjson: encode, decode, and the options of each instance. */
import { argumentError } from '../runtime/errors.ts';
import type { LuaTable } from '../runtime/table.ts';
import type { LightUserdata, LuaFunction, LuaValue } from '../runtime/value.ts';
import { chargeBytes, checkInt32, checkString, libraryTable, untilZero } from './arguments.ts';
import { buildText } from './byte-builder.ts';
import { Decoder } from './cjson-decode.ts';
import { Encoder } from './cjson-encode.ts';

export type CjsonOptions = {
  encodeMaxDepth: number;
  decodeMaxDepth: number;
  encodeInvalidNumbers: 'off' | 'on' | 'null';
  decodeInvalidNumbers: boolean;
  encodeNumberPrecision: number;
  encodeKeepBuffer: boolean;
  sparseConvert: boolean;
  sparseRatio: number;
  sparseSafe: number;
};
const DEFAULTS: Readonly<CjsonOptions> = {
  encodeMaxDepth: 1_000,
  decodeMaxDepth: 1_000,
  encodeInvalidNumbers: 'off',
  decodeInvalidNumbers: true,
  encodeNumberPrecision: 14,
  encodeKeepBuffer: true,
  sparseConvert: false,
  sparseRatio: 2,
  sparseSafe: 10,
};
/** Asked before each script, and nearly always true. */
function areDefaults(options: CjsonOptions): boolean {
  return (
    options.encodeMaxDepth === DEFAULTS.encodeMaxDepth &&
    options.decodeMaxDepth === DEFAULTS.decodeMaxDepth &&
    options.encodeInvalidNumbers === DEFAULTS.encodeInvalidNumbers &&
    options.decodeInvalidNumbers === DEFAULTS.decodeInvalidNumbers &&
    options.encodeNumberPrecision === DEFAULTS.encodeNumberPrecision &&
    options.encodeKeepBuffer === DEFAULTS.encodeKeepBuffer &&
    options.sparseConvert === DEFAULTS.sparseConvert &&
    options.sparseRatio === DEFAULTS.sparseRatio &&
    options.sparseSafe === DEFAULTS.sparseSafe
  );
}
const INT_MAX = 0x7fffffff;

function checkCount(args: readonly LuaValue[], most: number): void {
  if (args.length > most) throw argumentError(most + 1, 'found too many arguments');
}
function integerOption(value: LuaValue, position: number, current: number, least: number, most: number): number {
  if (value === undefined) return current;
  const number = checkInt32(value, position);
  if (number < least || number > most) {
    // lua-cjson blames the first argument whichever it was.
    throw argumentError(1, `expected integer between ${least} and ${most}`);
  }
  return number;
}
function switchOption(value: LuaValue, position: number, names: readonly string[]): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  const name = checkString(value, position);
  if (!names.includes(name)) throw argumentError(position, `invalid option '${untilZero(name)}'`);
  return name;
}

type NumberOption = 'encodeMaxDepth' | 'decodeMaxDepth' | 'encodeNumberPrecision';
type SwitchOption = 'decodeInvalidNumbers' | 'encodeKeepBuffer';
const numberFunction = (options: CjsonOptions, name: NumberOption, most: number): LuaFunction => {
  return (...args: LuaValue[]) => {
    checkCount(args, 1);
    options[name] = integerOption(args[0], 1, options[name], 1, most);
    return options[name];
  };
};
const switchFunction = (options: CjsonOptions, name: SwitchOption): LuaFunction => {
  return (...args: LuaValue[]) => {
    checkCount(args, 1);
    if (args[0] !== undefined) options[name] = switchOption(args[0], 1, ['off', 'on']) === 'on';
    return options[name];
  };
};
function optionFunctions(options: CjsonOptions): Record<string, LuaFunction> {
  return {
    encode_max_depth: numberFunction(options, 'encodeMaxDepth', INT_MAX),
    decode_max_depth: numberFunction(options, 'decodeMaxDepth', INT_MAX),
    encode_number_precision: numberFunction(options, 'encodeNumberPrecision', 14),
    encode_keep_buffer: switchFunction(options, 'encodeKeepBuffer'),
    decode_invalid_numbers: switchFunction(options, 'decodeInvalidNumbers'),
    encode_invalid_numbers: (...args: LuaValue[]) => {
      checkCount(args, 1);
      if (args[0] !== undefined) {
        options.encodeInvalidNumbers = switchOption(args[0], 1, ['off', 'on', 'null']) as 'off' | 'on' | 'null';
      }
      return options.encodeInvalidNumbers === 'null' ? 'null' : options.encodeInvalidNumbers === 'on';
    },
    encode_sparse_array: (...args: LuaValue[]) => {
      checkCount(args, 3);
      if (args[0] !== undefined) options.sparseConvert = switchOption(args[0], 1, ['off', 'on']) === 'on';
      options.sparseRatio = integerOption(args[1], 2, options.sparseRatio, 0, INT_MAX);
      options.sparseSafe = integerOption(args[2], 3, options.sparseSafe, 0, INT_MAX);
      return [options.sparseConvert, options.sparseRatio, options.sparseSafe];
    },
  };
}

/** An instance, and what puts its options back to where they start. */
export type Cjson = { readonly table: LuaTable; readonly reset: () => void };

export function createCjson(nullValue: LightUserdata): Cjson {
  const options: CjsonOptions = { ...DEFAULTS };
  const table = libraryTable({
    _NAME: 'cjson',
    _VERSION: '2.1.0',
    null: nullValue,
    new: () => createCjson(nullValue).table,
    encode: (...args: LuaValue[]) => {
      if (args.length !== 1) throw argumentError(1, 'expected 1 argument');
      return buildText((builder) => new Encoder(builder, options).value(args[0], 0));
    },
    decode: (...args: LuaValue[]) => {
      if (args.length !== 1) throw argumentError(1, 'expected 1 argument');
      const text = checkString(args[0], 1);
      chargeBytes(text.length);
      return new Decoder(text, options, nullValue).decode();
    },
    ...optionFunctions(options),
  });
  return { table, reset: () => void (areDefaults(options) || Object.assign(options, DEFAULTS)) };
}
