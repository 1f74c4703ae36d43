import type { NumericArray, UnsignedDType } from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";

type ColumnTarget = Uint8Array | Uint16Array | Uint32Array;

/**
 * Narrows column numbers and checks them against `nVars` in one pass.
 *
 * @param source any integer array, as a file stores `indices`
 * @param target receives `source.length` elements of `to`, aligned
 * @returns index of the first column that is negative or not below `nVars`, or -1
 */
export function castIndices(
  source: NumericArray,
  target: Uint8Array,
  to: UnsignedDType,
  nVars: number,
): number {
  if (to === "uint64") {
    // More than 2^32 genes: no file has them, and the other types hold every smaller count.
    throw new InvalidArgumentError("nVars", nVars, `expected at most 2^32 columns, found ${nVars}`);
  }
  const columns = columnView(target, to, source.length);
  const largest = maximum(source, columns);
  return largest < nVars ? -1 : firstOutside(source, nVars);
}

function columnView(target: Uint8Array, to: UnsignedDType, length: number): ColumnTarget {
  const { buffer, byteOffset } = target;
  switch (to) {
    case "uint8":
      return target.subarray(0, length);
    case "uint16":
      return new Uint16Array(buffer, byteOffset, length);
    default:
      return new Uint32Array(buffer, byteOffset, length);
  }
}

/** Copies `source` into `columns` and returns its largest element, negatives counted as huge. */
function maximum(source: NumericArray, columns: ColumnTarget): number {
  if (source instanceof BigInt64Array || source instanceof BigUint64Array) {
    const words = new Uint32Array(source.buffer, source.byteOffset, 2 * source.length);
    let largest = 0;
    let high = 0;
    for (let i = 0; i < columns.length; i++) {
      const low = words[2 * i] as number; // proof: words has 2 x columns.length elements
      high |= words[2 * i + 1] as number; // proof: same
      columns[i] = low;
      if (low > largest) largest = low;
    }
    return high === 0 ? largest : Number.POSITIVE_INFINITY;
  }
  let largest = 0;
  if (source instanceof Int32Array || source instanceof Uint32Array) {
    const words = new Uint32Array(source.buffer, source.byteOffset, source.length);
    for (let i = 0; i < words.length; i++) {
      const column = words[i] as number; // proof: i < words.length
      columns[i] = column;
      if (column > largest) largest = column;
    }
    return largest;
  }
  for (let i = 0; i < source.length; i++) {
    const column = source[i] as number; // proof: i < source.length
    columns[i] = column;
    if (column < 0 || !Number.isInteger(column)) return Number.POSITIVE_INFINITY;
    if (column > largest) largest = column;
  }
  return largest;
}

function firstOutside(source: NumericArray, nVars: number): number {
  for (let i = 0; i < source.length; i++) {
    const column = Number(source[i]);
    if (!(Number.isInteger(column) && column >= 0 && column < nVars)) return i;
  }
  return -1;
}
