import type { NumericArray } from "../common/dtype.ts";

/** Consecutive rows of a matrix in compressed sparse row form; the arrays belong to the caller. */
export interface CsrBlock {
  readonly rowBegin: number;
  readonly rowEnd: number;
  /** Stored values, row after row; float16 comes as Float32Array. */
  readonly data: NumericArray;
  /** Column of every value, each below the matrix's number of columns; order as stored. */
  readonly indices: Uint32Array;
  /** Where each row begins in `data`: rows + 1 numbers, the first 0. */
  readonly indptr: Float64Array;
}

export interface RowBlockOptions {
  /** First row. Default 0. */
  readonly begin?: number;
  /** Row after the last. Default all. */
  readonly end?: number;
  /** About how many bytes of values and columns a block holds; one row is never split. Default 8 MiB. */
  readonly blockBytes?: number;
  readonly signal?: AbortSignal;
  /** Where a csc matrix of more than 64 MiB keeps its entries meanwhile. Default the system's. */
  readonly temporaryDirectory?: string;
}

export const DEFAULT_BLOCK_BYTES = 8 << 20;
