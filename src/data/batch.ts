import type { CsrMatrix, MatrixData } from "../../formats/csr/csr-matrix.ts";
import type {
  CategoricalColumn,
  FeatureValue,
  ListColumn,
  NumericColumn,
} from "../dataset/feature-column.ts";

/** Which samples a batch holds. */
export interface BatchInfo {
  readonly epoch: number;
  /** Number of the global batch inside the epoch. */
  readonly batch: number;
  /** [rows] row of the data set of each sample, in the sampler's order. */
  readonly rows: Float64Array;
  /** Samples at the end that only fill the last batch up; leave them out of metrics. */
  readonly padding: number;
  /** The obs columns asked for, by name. */
  readonly obs: Readonly<Record<string, BatchColumn>>;
  /** [rows] the neighbour drawn for each sample; null unless the loader has `neighbors: true`. */
  readonly nextRows: Float64Array | null;
}

/** Rows of the matrix as CSR: `data`, `indices`, `indptr`, `shape` [rows, nVars of the data set]. */
export interface CsrBatch extends BatchInfo, CsrMatrix {
  /** The matrix rows of `nextRows`, in their order. */
  readonly next: CsrMatrix | null;
}

/** The same rows with their zeros. */
export interface DenseBatch extends BatchInfo {
  /** [rows * nVars], row-major; where a column is stored twice the last value wins. */
  readonly data: MatrixData;
  readonly shape: readonly [rows: number, columns: number];
  /** The matrix rows of `nextRows`, in their order. */
  readonly next: Pick<DenseBatch, "data" | "shape"> | null;
}

/** Room for the row numbers of a batch, and of the neighbours behind them where there are any. */
export function allocateRows(
  count: number,
  hasNeighbors: boolean,
): Pick<BatchInfo, "rows" | "nextRows"> {
  if (!hasNeighbors) return { rows: new Float64Array(count), nextRows: null };
  const both = new Float64Array(2 * count);
  return { rows: both.subarray(0, count), nextRows: both.subarray(count) };
}

/** Every row that is read for a batch, in the order read: the cells, then their neighbours. */
export function rowsToRead({ rows, nextRows }: BatchInfo): Float64Array {
  // One array, as allocateRows made it; it stays one when it is sent to another thread.
  return nextRows === null ? rows : new Float64Array(rows.buffer, 0, 2 * rows.length);
}

/** One obs column of a batch, in the order of `rows`. The arrays belong to the caller. */
export type BatchColumn =
  | {
      readonly kind: "categorical";
      /** [rows] positions in `categories`, -1 where missing. */
      readonly codes: Int32Array;
      /** Of the whole data set: a code means the same in every batch. */
      readonly categories: readonly string[];
    }
  | {
      readonly kind: "numeric";
      /** [rows] in the type of the column; NaN (floats) or 0 (integers) where missing. */
      readonly values: NumericColumn["values"];
      /** [rows], 1 where missing; null when the column has no missing values. */
      readonly missing: Uint8Array | null;
    }
  | { readonly kind: "list"; readonly values: readonly FeatureValue[] };

/** Values of one column for the rows of a batch. */
export function gatherColumn(
  column: NumericColumn | CategoricalColumn | ListColumn,
  rows: Float64Array,
): BatchColumn {
  switch (column.kind) {
    case "categorical":
      return {
        kind: "categorical",
        codes: column.gatherCodes(rows),
        categories: column.categories,
      };
    case "numeric":
      return gatherNumbers(column, rows);
    default:
      return { kind: "list", values: column.gather(rows) };
  }
}

function gatherNumbers(column: NumericColumn, rows: Float64Array): BatchColumn {
  const source = column.values;
  const create = source.constructor as new (length: number) => NumericColumn["values"];
  const values = new create(rows.length);
  const missing = column.missing === null ? null : new Uint8Array(rows.length);
  const isFloat = values instanceof Float32Array || values instanceof Float64Array;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    // Two arrays of one class: numbers go into numbers, bigints into bigints.
    if (missing === null || column.missing?.[row] !== 1) values[i] = source[row] as never;
    else {
      missing[i] = 1;
      if (isFloat) values[i] = Number.NaN;
    }
  }
  return { kind: "numeric", values, missing };
}
