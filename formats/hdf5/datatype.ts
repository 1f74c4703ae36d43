import type { DType } from "../common/dtype.ts";
import type { Cursor } from "./cursor.ts";

/** A number type as the bytes of a dataset hold it. */
export interface NumberType {
  readonly dtype: DType;
  readonly littleEndian: boolean;
}

/**
 * Parses a datatype message; only the integers and IEEE floats that numpy has.
 *
 * @returns null for everything else (strings, compounds, odd precisions): h5wasm reads those
 */
export function parseNumberType(message: Cursor): NumberType | null {
  const classAndVersion = message.u8();
  const bits = message.uint(3);
  const bytes = message.u32();
  const kind = classAndVersion & 0x0f;
  if (kind === 8) {
    // An enum (numpy's bool among them): its base type follows.
    return parseNumberType(message);
  }
  if (kind === 0) {
    const bitOffset = message.u16();
    const precision = message.u16();
    if (bitOffset !== 0 || precision !== bytes * 8) return null;
    const dtype = integerOf(bytes, (bits & 8) !== 0);
    return dtype === null ? null : { dtype, littleEndian: (bits & 1) === 0 };
  }
  if (kind === 1) {
    if ((bits & 0x40) !== 0) return null; // VAX byte order
    const bitOffset = message.u16();
    const precision = message.u16();
    const exponentAt = message.u8();
    const exponentBits = message.u8();
    const mantissaAt = message.u8();
    const mantissaBits = message.u8();
    const bias = message.u32();
    const ieee = IEEE[bytes];
    if (
      ieee === undefined ||
      bitOffset !== 0 ||
      precision !== bytes * 8 ||
      mantissaAt !== 0 ||
      mantissaBits !== ieee.mantissaBits ||
      exponentAt !== ieee.mantissaBits ||
      exponentBits !== ieee.exponentBits ||
      bias !== ieee.bias
    ) {
      return null;
    }
    return { dtype: ieee.dtype, littleEndian: (bits & 1) === 0 };
  }
  return null;
}

/** A variable-length string in a dataset: its length, and where in the global heap it is. */
export const TEXT_ITEM_BYTES = 16;

/** Whether a datatype message says variable-length string. */
export function isVariableString(message: Cursor): boolean {
  const kind = message.u8() & 0x0f;
  const bits = message.uint(3);
  return kind === 9 && (bits & 0x0f) === 1 && message.u32() === TEXT_ITEM_BYTES;
}

const IEEE: Readonly<
  Record<number, { dtype: DType; exponentBits: number; mantissaBits: number; bias: number }>
> = {
  2: { dtype: "float16", exponentBits: 5, mantissaBits: 10, bias: 15 },
  4: { dtype: "float32", exponentBits: 8, mantissaBits: 23, bias: 127 },
  8: { dtype: "float64", exponentBits: 11, mantissaBits: 52, bias: 1023 },
};

/** The integer type of `bytes` bytes, null when numpy has none. */
export function integerOf(bytes: number, signed: boolean): DType | null {
  switch (bytes) {
    case 1:
      return signed ? "int8" : "uint8";
    case 2:
      return signed ? "int16" : "uint16";
    case 4:
      return signed ? "int32" : "uint32";
    case 8:
      return signed ? "int64" : "uint64";
    default:
      return null;
  }
}

/** The float type of `bytes` bytes, null when numpy has none. */
export function floatOf(bytes: number): DType | null {
  return IEEE[bytes]?.dtype ?? null;
}
