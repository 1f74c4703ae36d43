/**
 * Casts of matrix values to the seven types of an SCDL archive.
 *
 * A kernel converts a whole block, always completely and as numpy's `astype` does on x86-64 (floats
 * truncate, integers wrap), and returns where the first value lies that the target cannot stand for:
 * the caller decides whether that is an error. What counts as a loss:
 *
 * - to an unsigned type: a negative number, a fraction, a number too large, NaN, infinity;
 * - to a float type: a finite number that becomes infinite, an integer (of an integer type, or an
 *   integral float up to 2^53) that the target rounds.
 *
 * Rounding a fraction to a narrower float is no loss. A difference up to `tolerance` never is.
 */
import { type DType, itemBytes, type NumericArray, type ScdlDType } from "./dtype.ts";
import { InvalidArgumentError, PrecisionLossError } from "./errors.ts";
import { float16Table, toFloat16Bits } from "./float16.ts";

export interface CastOptions {
  /** Largest |cast - original| that is not a loss. Default 0. */
  readonly tolerance?: number;
}

/**
 * Casts `source` into the first `source.length` elements of `target` (native byte order).
 *
 * @returns index in `source` of the first value lost, or -1. The target is complete either way.
 */
export type CastKernel = (source: NumericArray, target: Uint8Array) => number;

type NumberArray = Exclude<NumericArray, BigInt64Array | BigUint64Array>;
type BigArray = BigInt64Array | BigUint64Array;

const TWO_32 = 2 ** 32;
const TWO_53 = 2 ** 53;

/**
 * The kernel for one pair of types. float16 sources come widened in a Float32Array.
 *
 * The source array must be the one that belongs to `from` ({@link allocate}); `target` must be
 * aligned to the item size of `to` and hold at least `source.length` elements.
 */
export function castKernel(from: DType, to: ScdlDType, options: CastOptions = {}): CastKernel {
  const tolerance = options.tolerance ?? 0;
  return (source, target) => {
    const item = itemBytes(to);
    if (target.byteOffset % item !== 0 || target.byteLength < source.length * item) {
      throw new InvalidArgumentError(
        "target",
        target.byteLength,
        `expected ${source.length * item} bytes aligned to ${item}, found ${target.byteLength} at offset ${target.byteOffset}`,
      );
    }
    if (source instanceof BigInt64Array || source instanceof BigUint64Array) {
      return castBig(source, target, to, tolerance);
    }
    return castNumbers(source, from, target, to, tolerance);
  };
}

/** The error for a loss found by a kernel. `row` and `column` are those of the matrix. */
export function precisionLoss(details: {
  readonly path: string;
  readonly from: DType;
  readonly to: ScdlDType;
  readonly row: number;
  readonly column: number;
  readonly value: number | bigint;
}): PrecisionLossError {
  const { path, from, to, row, column, value } = details;
  const reason = lossReason(value, to);
  return new PrecisionLossError(
    `${path}: row ${row}, column ${column}: ${from} value ${value} ${reason}`,
    {
      from,
      to,
      row,
      column,
      value,
      suggestions: [
        ...widerTypes(value)
          .slice(0, 1)
          .map((type) => `choose a data type that holds it (--data-dtype ${type})`),
        "allow lossy casts (--allow-lossy) to store the C-like cast instead",
      ],
    },
  );
}

function lossReason(value: number | bigint, to: ScdlDType): string {
  const number = Number(value);
  if (Number.isNaN(number)) return `has no ${to}`;
  if (to.startsWith("u")) {
    if (number < 0) return `is negative, ${to} is not`;
    if (typeof value === "number" && Number.isFinite(value) && !Number.isInteger(value)) {
      return `has a fraction, ${to} has none`;
    }
    return `is larger than ${to} holds`;
  }
  const largest = to === "float16" ? 65_504 : to === "float32" ? 3.4028235e38 : Number.MAX_VALUE;
  return Math.abs(number) > largest
    ? `is larger than ${to} holds`
    : `is an integer that ${to} would round`;
}

/** The wide types that hold a value, the one that holds most of a matrix's other values first. */
function widerTypes(value: number | bigint): ScdlDType[] {
  if (typeof value === "number") {
    return isFloatLoss(value, Math.fround(value), 0) ? ["float64"] : ["float32", "float64"];
  }
  const types: ScdlDType[] = [];
  if (isSameInteger(Math.fround(Number(value)), value)) types.push("float32");
  if (isSameInteger(Number(value), value)) types.push("float64");
  if (value >= 0n) types.push("uint64");
  return types;
}

function isSameInteger(float: number, integer: bigint): boolean {
  return Number.isFinite(float) && BigInt(float) === integer;
}

// Casts of plain numbers ---------------------------------------------------------------------

function castNumbers(
  source: NumberArray,
  from: DType,
  target: Uint8Array,
  to: ScdlDType,
  tolerance: number,
): number {
  const { buffer, byteOffset } = target;
  const n = source.length;
  switch (to) {
    case "uint8":
      return toNarrowUnsigned(source, from, target.subarray(0, n), tolerance);
    case "uint16":
      return toNarrowUnsigned(source, from, new Uint16Array(buffer, byteOffset, n), tolerance);
    case "uint32":
      return toNarrowUnsigned(source, from, new Uint32Array(buffer, byteOffset, n), tolerance);
    case "uint64":
      return toUint64(source, new Uint32Array(buffer, byteOffset, 2 * n), tolerance);
    case "float16":
      return toFloat16(source, from, new Uint16Array(buffer, byteOffset, n), tolerance);
    case "float32":
      return toFloat32(source, from, new Float32Array(buffer, byteOffset, n), tolerance);
    case "float64":
      // Every 32-bit integer and every narrower float is a float64.
      new Float64Array(buffer, byteOffset, n).set(source);
      return -1;
    default:
      return to satisfies never;
  }
}

function toNarrowUnsigned(
  source: NumberArray,
  from: DType,
  target: Uint8Array | Uint16Array | Uint32Array,
  tolerance: number,
): number {
  target.set(source);
  if (from === "float16" || from === "float32" || from === "float64") {
    return repairFloatToUnsigned(source, target, tolerance);
  }
  // Signed and wider types share this test: the bits outside the target are those of some value.
  let bits = 0;
  for (let i = 0; i < source.length; i++) bits |= source[i] as number;
  const outside = target.BYTES_PER_ELEMENT === 4 ? 0 : ~(2 ** (8 * target.BYTES_PER_ELEMENT) - 1);
  if ((bits & outside) === 0 && (from === "uint32" || bits >= 0)) return -1;
  return firstDifference(source, target, 0, tolerance);
}

/**
 * `set` wraps modulo 2^32; numpy's compiled loops convert through int32 and, for 32 bits, a second
 * int32 range above 2^31. What neither holds becomes 0, or 2^31 for a uint32 from below. All such
 * values are lost, so this decides only what a lossy cast stores.
 */
function repairFloatToUnsigned(
  source: NumberArray,
  target: Uint8Array | Uint16Array | Uint32Array,
  tolerance: number,
): number {
  const held = target.BYTES_PER_ELEMENT === 4 ? 2 ** 32 : 2 ** 31;
  const below = target.BYTES_PER_ELEMENT === 4 ? 2 ** 31 : 0;
  let first = -1;
  for (let i = 0; i < source.length; i++) {
    const value = source[i] as number;
    if (target[i] === value) continue;
    if (value >= held) target[i] = 0;
    else if (!(value >= -(2 ** 31))) target[i] = below;
    if (first < 0 && !(Math.abs((target[i] as number) - value) <= tolerance)) first = i;
  }
  return first;
}

function firstDifference(
  source: NumberArray,
  target: NumberArray,
  begin: number,
  tolerance: number,
): number {
  for (let i = begin; i < source.length; i++) {
    const value = source[i] as number;
    const cast = target[i] as number;
    if (cast !== value && !(Math.abs(cast - value) <= tolerance)) return i;
  }
  return -1;
}

function toUint64(source: NumberArray, words: Uint32Array, tolerance: number): number {
  let first = -1;
  for (let i = 0; i < source.length; i++) {
    const value = source[i] as number;
    const high = Math.floor(value / TWO_32);
    if (value >= 0 && value < 2 ** 64 && Number.isInteger(value)) {
      words[2 * i] = value;
      words[2 * i + 1] = high;
      continue;
    }
    const cast = truncateToUint64(value);
    words[2 * i] = Number(cast & 0xffff_ffffn);
    words[2 * i + 1] = Number(cast >> 32n);
    if (first < 0 && !(Math.abs(Number(cast) - value) <= tolerance)) first = i;
  }
  return first;
}

/** C's conversion of a double to uint64 as x86-64 compilers emit it. */
function truncateToUint64(value: number): bigint {
  if (Number.isNaN(value) || value < -(2 ** 63)) return 1n << 63n;
  if (value >= 2 ** 64) return 0n;
  return BigInt.asUintN(64, BigInt(Math.trunc(value)));
}

function toFloat32(
  source: NumberArray,
  from: DType,
  target: Float32Array,
  tolerance: number,
): number {
  target.set(source);
  if (from === "int32" || from === "uint32") return firstDifference(source, target, 0, tolerance);
  if (from !== "float64") return -1;
  // Below 2^24 float32 holds every integer, so nothing but fractions can be rounded there.
  for (let i = 0; i < source.length; i++) {
    const value = source[i] as number;
    if (value <= 16_777_216 && value >= -16_777_216) continue;
    if (isFloatLoss(value, target[i] as number, tolerance)) return i;
  }
  return -1;
}

function isFloatLoss(value: number, cast: number, tolerance: number): boolean {
  if (value === cast || !Number.isFinite(value)) return false;
  if (Math.abs(cast - value) <= tolerance) return false;
  return !Number.isFinite(cast) || (Math.abs(value) <= TWO_53 && Number.isInteger(value));
}

function toFloat16(
  source: NumberArray,
  from: DType,
  target: Uint16Array,
  tolerance: number,
): number {
  const widened = float16Table();
  const exact = from === "float16" || from === "int8" || from === "uint8";
  let first = -1;
  for (let i = 0; i < source.length; i++) {
    const value = source[i] as number;
    const half = toFloat16Bits(value);
    target[i] = half;
    if (exact || first >= 0 || (value <= 2048 && value >= -2048)) continue;
    if (isFloatLoss(value, widened[half] as number, tolerance)) first = i;
  }
  return first;
}

// Casts of 64-bit integers -------------------------------------------------------------------

function castBig(source: BigArray, target: Uint8Array, to: ScdlDType, tolerance: number): number {
  const words = new Uint32Array(source.buffer, source.byteOffset, 2 * source.length);
  const signed = source instanceof BigInt64Array;
  const { buffer, byteOffset } = target;
  const n = source.length;
  switch (to) {
    case "uint8":
      return lowWords(source, words, target.subarray(0, n), 0xff, tolerance);
    case "uint16":
      return lowWords(source, words, new Uint16Array(buffer, byteOffset, n), 0xffff, tolerance);
    case "uint32":
      return lowWords(
        source,
        words,
        new Uint32Array(buffer, byteOffset, n),
        0xffff_ffff,
        tolerance,
      );
    case "uint64":
      new Uint32Array(buffer, byteOffset, 2 * n).set(words);
      return signed ? firstNegative(words) : -1;
    case "float16":
    case "float32":
    case "float64":
      return bigToFloat(source, words, target, to, tolerance);
    default:
      return to satisfies never;
  }
}

function lowWords(
  source: BigArray,
  words: Uint32Array,
  target: Uint8Array | Uint16Array | Uint32Array,
  mask: number,
  tolerance: number,
): number {
  let outside = 0;
  for (let i = 0; i < target.length; i++) {
    const low = words[2 * i] as number;
    target[i] = low;
    outside |= (low & ~mask) | (words[2 * i + 1] as number);
  }
  if (outside === 0) return -1;
  for (let i = 0; i < target.length; i++) {
    const inside = words[2 * i + 1] === 0 && (words[2 * i] as number) <= mask >>> 0;
    if (inside) continue;
    const difference = Math.abs(Number(source[i] as bigint) - (target[i] as number));
    if (!(difference <= tolerance)) return i;
  }
  return -1;
}

function firstNegative(words: Uint32Array): number {
  for (let i = 1; i < words.length; i += 2) {
    if ((words[i] as number) >= 0x8000_0000) return (i - 1) / 2;
  }
  return -1;
}

function bigToFloat(
  source: BigArray,
  words: Uint32Array,
  target: Uint8Array,
  to: "float16" | "float32" | "float64",
  tolerance: number,
): number {
  const { buffer, byteOffset } = target;
  const n = source.length;
  const halves = to === "float16" ? new Uint16Array(buffer, byteOffset, n) : undefined;
  const floats =
    to === "float64"
      ? new Float64Array(buffer, byteOffset, n)
      : new Float32Array(
          to === "float32" ? buffer : new ArrayBuffer(4 * n),
          to === "float32" ? byteOffset : 0,
          n,
        );
  const signed = source instanceof BigInt64Array;
  const widened = float16Table();
  let first = -1;
  for (let i = 0; i < n; i++) {
    const high = words[2 * i + 1] as number;
    const signedHigh = signed ? high | 0 : high;
    const small = signedHigh < 0x20_0000 && signedHigh >= -0x20_0000;
    const value = small
      ? signedHigh * TWO_32 + (words[2 * i] as number)
      : to === "float64"
        ? Number(source[i])
        : roundToOdd(source[i] as bigint);
    floats[i] = value;
    let cast = floats[i] as number;
    if (halves !== undefined) {
      halves[i] = toFloat16Bits(value);
      cast = widened[halves[i] as number] as number;
    }
    if (first >= 0) continue;
    const exact = small ? cast === value : Number.isFinite(cast) && BigInt(cast) === source[i];
    if (!exact && !(Math.abs(cast - value) <= tolerance && small)) first = i;
  }
  return first;
}

/** A double whose rounding to a narrower float equals rounding the integer itself. */
function roundToOdd(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const kept = magnitude >> 11n;
  const sticky = kept << 11n === magnitude ? 0n : 1n;
  const rounded = Number((kept | sticky) << 11n);
  return value < 0n ? -rounded : rounded;
}
