import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { CsrMatrix, MatrixData } from "../../formats/csr/csr-matrix.ts";
import type { SparseRow } from "../dataset/row-reader.ts";
import type { NeighborPair } from "../dataset/single-cell-dataset.ts";

export interface SparseCollateOptions {
  /**
   * Columns of the batch, e.g. `dataset.nVars`, so that every batch has one shape. Default: the
   * largest column of the batch plus one, as in the original, which differs from batch to batch.
   */
  readonly width?: number;
}

/** Rows as one matrix; the columns of a row keep their order. Columns are Uint32Array. */
export interface CollatedRows<D extends MatrixData = MatrixData> extends CsrMatrix<D> {
  readonly indices: Uint32Array;
}

/** Cells and one neighbour of each, as the original's collate function names them. */
export interface NeighborBatch {
  readonly currentCells: CollatedRows<Float32Array>;
  readonly nextCells: CollatedRows<Float32Array>;
  readonly currentCellIndices: readonly number[];
  readonly nextCellIndices: readonly number[];
  readonly batchSize: number;
}

/**
 * `collate_sparse_matrix_batch` of bionemo-scdl: single rows joined to a CSR batch, for rows that
 * were read one by one. A `Loader` needs it not: its batches are CSR from the start.
 *
 * @throws InvalidArgumentError for no rows at all or a column beyond `width`, naming the place in the
 *   batch; IncompatibleError when the values are of several types.
 */
export function collateSparseMatrixBatch<D extends MatrixData>(
  batch: readonly (SparseRow & { readonly data: D })[],
  options: SparseCollateOptions = {},
): CollatedRows<D> {
  const [first] = batch;
  if (first === undefined) {
    throw new InvalidArgumentError("batch", batch, "expected at least one row, found none");
  }
  const indptr = new Float64Array(batch.length + 1);
  for (const [i, { data, indices }] of batch.entries()) {
    if (data.constructor !== first.data.constructor) {
      throw new IncompatibleError(
        "dtype-family",
        `row ${i} of the batch has values in a ${data.constructor.name}, row 0 in a ${first.data.constructor.name}`,
      );
    }
    if (data.length !== indices.length) {
      throw new InvalidArgumentError(
        "batch",
        indices.length,
        `row ${i} of the batch has ${data.length} values and ${indices.length} columns`,
      );
    }
    indptr[i + 1] = (indptr[i] as number) + data.length;
  }
  const nnz = indptr[batch.length] as number;
  const create = first.data.constructor as new (length: number) => D;
  const data = new create(nnz);
  const indices = new Uint32Array(nnz);
  for (const [i, row] of batch.entries()) {
    // One class, which was compared above.
    data.set(row.data as never, indptr[i]);
    indices.set(row.indices, indptr[i]);
  }
  return { data, indices, indptr, shape: [batch.length, widthOf(indices, indptr, options.width)] };
}

/**
 * `collate_neighbor_sparse_matrix_batch`: pairs of {@link SingleCellDataset.rowWithNeighbor} as two
 * CSR batches with float32 values. Columns are exact (the original passes them through float32 too
 * and is exact below 2^24 only).
 *
 * @throws as {@link collateSparseMatrixBatch}
 */
export function collateNeighborSparseMatrixBatch(
  batch: readonly NeighborPair<SparseRow>[],
  options: SparseCollateOptions = {},
): NeighborBatch {
  return {
    currentCells: collateSparseMatrixBatch(
      batch.map(({ current }) => inFloat32(current)),
      options,
    ),
    nextCells: collateSparseMatrixBatch(
      batch.map(({ next }) => inFloat32(next)),
      options,
    ),
    currentCellIndices: batch.map(({ currentIndex }) => currentIndex),
    nextCellIndices: batch.map(({ nextIndex }) => nextIndex),
    batchSize: batch.length,
  };
}

function inFloat32({ data, indices }: SparseRow): {
  data: Float32Array;
  indices: SparseRow["indices"];
} {
  return { data: data instanceof Float32Array ? data : Float32Array.from(data, Number), indices };
}

function widthOf(indices: Uint32Array, indptr: Float64Array, width: number | undefined): number {
  let largest = -1;
  let at = 0;
  for (let k = 0; k < indices.length; k++) {
    if ((indices[k] as number) <= largest) continue;
    largest = indices[k] as number;
    at = k;
  }
  if (width === undefined || largest < width) return width ?? largest + 1;
  const row = indptr.findIndex((end) => end > at) - 1;
  throw new InvalidArgumentError(
    "width",
    width,
    `row ${row} of the batch has column ${largest}, expected below the width of ${width}`,
  );
}
