import { allocate, type IndexArray, type ScdlDType, type TypedArrays } from "../common/dtype.ts";
import { FormatError, InvalidArgumentError } from "../common/errors.ts";

/** Values of an SCDL matrix in memory: float16 as Float32Array, uint64 as BigUint64Array. */
export type MatrixData = TypedArrays[ScdlDType];

/**
 * Rows of a sparse matrix. Row i is `data[k]` at column `indices[k]` for k in
 * `[indptr[i], indptr[i + 1])`.
 *
 * As on disk, the columns of a row may be unsorted, may repeat, and zeros may be stored.
 */
export interface CsrMatrix<D extends MatrixData = MatrixData> {
  /** [nnz] */
  readonly data: D;
  /** [nnz] column numbers */
  readonly indices: IndexArray;
  /** [rows + 1], from 0, ascending; exact integers */
  readonly indptr: Float64Array;
  readonly shape: readonly [rows: number, columns: number];
}

/** Where an inconsistent matrix came from. */
export interface CsrContext {
  readonly path: string;
}

/**
 * Checks lengths, row pointers and every column number.
 * @throws FormatError "bad-indptr" or "column-out-of-range", naming row, expected and found.
 */
export function validateCsr(matrix: CsrMatrix, context: CsrContext): void {
  const { data, indices, indptr, shape } = matrix;
  const [rows, columns] = shape;
  if (indptr.length !== rows + 1) {
    throw badIndptr(`expected ${rows + 1} row pointers, found ${indptr.length}`, context);
  }
  if (indptr[0] !== 0) throw badIndptr(`row pointer 0 is ${indptr[0]}, expected 0`, context);
  const nnz = indptr[rows] as number;
  if (nnz > data.length || nnz > indices.length) {
    throw badIndptr(
      `row pointers end at ${nnz}, there are ${data.length} values and ${indices.length} columns`,
      context,
    );
  }
  for (let row = 0; row < rows; row++) {
    const begin = indptr[row] as number;
    const end = indptr[row + 1] as number;
    if (!(begin <= end && end <= nnz)) {
      throw badIndptr(
        `row ${row} is [${begin}, ${end}), expected ascending to at most ${nnz}`,
        context,
      );
    }
    checkColumns(indices, begin, end, columns, row, context.path);
  }
}

/** @throws FormatError "column-out-of-range" for the first column not below `columns`. */
export function checkColumns(
  indices: IndexArray,
  begin: number,
  end: number,
  columns: number,
  row: number,
  path: string,
): void {
  for (let k = begin; k < end; k++) {
    const column = indices[k] as number;
    if (column >= columns) throw columnOutOfRange(column, columns, row, path);
  }
}

/**
 * Writes row `row` of `matrix` as a dense vector of length `shape[1]` to `target` at `at`, zeros
 * included. Where a column repeats the last value wins, as in the original.
 */
export function scatterRow(
  matrix: CsrMatrix,
  row: number,
  target: MatrixData,
  at: number,
  path = "matrix",
): void {
  const columns = matrix.shape[1];
  if (!(row >= 0 && row < matrix.shape[0])) {
    throw new InvalidArgumentError("row", row, `row ${row} of a matrix of ${matrix.shape[0]} rows`);
  }
  if (target.length < at + columns) {
    throw new InvalidArgumentError(
      "target",
      target.length,
      `expected room for ${at + columns} values, found ${target.length}`,
    );
  }
  const begin = matrix.indptr[row] as number;
  const end = matrix.indptr[row + 1] as number;
  scatter(matrix.data, matrix.indices, begin, end, columns, target, at, row, path);
}

/** The loop of {@link scatterRow}; `target` has `columns` elements from `at`. */
export function scatter(
  data: MatrixData,
  indices: IndexArray,
  begin: number,
  end: number,
  columns: number,
  target: MatrixData,
  at: number,
  row: number,
  path: string,
): void {
  if (target instanceof BigUint64Array) {
    target.fill(0n, at, at + columns);
    for (let k = begin; k < end; k++) {
      const column = indices[k] as number;
      if (column >= columns) throw columnOutOfRange(column, columns, row, path);
      target[at + column] = BigInt(data[k] as number | bigint);
    }
    return;
  }
  if (data instanceof BigUint64Array) {
    throw new InvalidArgumentError("target", target.constructor.name, "expected a BigUint64Array");
  }
  target.fill(0, at, at + columns);
  for (let k = begin; k < end; k++) {
    const column = indices[k] as number;
    if (column >= columns) throw columnOutOfRange(column, columns, row, path);
    target[at + column] = data[k] as number;
  }
}

/** The whole matrix, row-major, `shape[0] * shape[1]` values of `dtype`. */
export function toDense<D extends ScdlDType>(matrix: CsrMatrix, dtype: D): TypedArrays[D] {
  const [rows, columns] = matrix.shape;
  const dense = allocate(dtype, rows * columns);
  for (let row = 0; row < rows; row++) scatterRow(matrix, row, dense, row * columns);
  return dense;
}

function columnOutOfRange(column: number, columns: number, row: number, path: string): FormatError {
  return new FormatError(
    "column-out-of-range",
    `row ${row} has column ${column}, expected below ${columns}`,
    { path, suggestions: ["scdl inspect --verify DIR checks every row"] },
  );
}

function badIndptr(message: string, context: CsrContext): FormatError {
  return new FormatError("bad-indptr", message, { path: context.path });
}
