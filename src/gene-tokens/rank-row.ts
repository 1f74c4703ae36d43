/**
 * Keys and tokens of a usual row in one pass: columns in order, one gene a column. The numbers are
 * those of `rankValues`, operation by operation.
 *
 * Four loops that differ in their rounding alone: a choice inside would cost as much as the work.
 */
import type { IndexArray } from "../../formats/common/dtype.ts";
import type { MatrixData } from "../../formats/csr/csr-matrix.ts";
import { type RankRounding, TARGET_SUM } from "./rank-values.ts";

type Numbers = Exclude<MatrixData, BigUint64Array>;

/** What every value of a row is multiplied by, or divided by for "dense". */
export function rowFactor(sum: number, { arithmetic, isSingleSum }: RankRounding): number {
  if (arithmetic !== "sparse") return sum;
  return isSingleSum ? Math.fround(1 / sum) : 1 / sum;
}

/**
 * Writes keys and items of the values [begin, end) whose column has a token; returns how many there
 * are, or -1 when columns are out of order. Every column must be in the table.
 * @param table scale and token of each column, side by side; scale 0 without a token.
 */
export function rankRow(
  data: Numbers,
  indices: IndexArray,
  begin: number,
  end: number,
  table: Float64Array,
  factor: number,
  { arithmetic, share }: RankRounding,
  keys: Float64Array,
  items: Int32Array,
): number {
  const isSingle = share === "float32";
  if (arithmetic === "sparse") {
    return isSingle
      ? sparseSingle(data, indices, begin, end, table, factor, keys, items)
      : sparseDouble(data, indices, begin, end, table, factor, keys, items);
  }
  return isSingle
    ? denseSingle(data, indices, begin, end, table, factor, keys, items)
    : denseDouble(data, indices, begin, end, table, factor, keys, items);
}

const { fround } = Math;

function sparseDouble(
  data: Numbers,
  indices: IndexArray,
  begin: number,
  end: number,
  table: Float64Array,
  factor: number,
  keys: Float64Array,
  items: Int32Array,
): number {
  let n = 0;
  let previous = -1;
  let disorder = 0;
  // Without branches: which genes have a token is as good as random.
  for (let k = begin; k < end; k++) {
    const column = indices[k] as number;
    const scale = table[2 * column] as number;
    disorder |= column - previous - 1;
    previous = column;
    keys[n] = (data[k] as number) * factor * TARGET_SUM * scale;
    items[n] = table[2 * column + 1] as number;
    n += scale > 0 ? 1 : 0;
  }
  return disorder < 0 ? -1 : n;
}

function sparseSingle(
  data: Numbers,
  indices: IndexArray,
  begin: number,
  end: number,
  table: Float64Array,
  factor: number,
  keys: Float64Array,
  items: Int32Array,
): number {
  let n = 0;
  let previous = -1;
  let disorder = 0;
  for (let k = begin; k < end; k++) {
    const column = indices[k] as number;
    const scale = table[2 * column] as number;
    disorder |= column - previous - 1;
    previous = column;
    keys[n] = fround(fround((data[k] as number) * factor) * TARGET_SUM) * scale;
    items[n] = table[2 * column + 1] as number;
    n += scale > 0 ? 1 : 0;
  }
  return disorder < 0 ? -1 : n;
}

function denseDouble(
  data: Numbers,
  indices: IndexArray,
  begin: number,
  end: number,
  table: Float64Array,
  sum: number,
  keys: Float64Array,
  items: Int32Array,
): number {
  let n = 0;
  let previous = -1;
  let disorder = 0;
  for (let k = begin; k < end; k++) {
    const column = indices[k] as number;
    const scale = table[2 * column] as number;
    disorder |= column - previous - 1;
    previous = column;
    keys[n] = (((data[k] as number) / sum) * TARGET_SUM) / scale;
    items[n] = table[2 * column + 1] as number;
    n += scale > 0 ? 1 : 0;
  }
  return disorder < 0 ? -1 : n;
}

function denseSingle(
  data: Numbers,
  indices: IndexArray,
  begin: number,
  end: number,
  table: Float64Array,
  sum: number,
  keys: Float64Array,
  items: Int32Array,
): number {
  let n = 0;
  let previous = -1;
  let disorder = 0;
  for (let k = begin; k < end; k++) {
    const column = indices[k] as number;
    const scale = table[2 * column] as number;
    disorder |= column - previous - 1;
    previous = column;
    keys[n] = fround(fround((data[k] as number) / sum) * TARGET_SUM) / scale;
    items[n] = table[2 * column + 1] as number;
    n += scale > 0 ? 1 : 0;
  }
  return disorder < 0 ? -1 : n;
}
