import type { ScdlDType, UnsignedDType } from "../../formats/common/dtype.ts";

export interface ConvertOptions {
  /** AnnData or 10x files, or folders of `*.h5ad`; they become one data set in this order. */
  readonly inputs: readonly string[];
  /** Directory to create. */
  readonly output: string;
  /**
   * Which matrix: `raw` (default), `X` or `layers/NAME`. 10x files have one matrix, raw counts
   * stored as X: there `raw` means that one.
   */
  readonly matrix?: string;
  /** Type of data.npy; default float32 whatever the source type is, as the original. */
  readonly dataDtype?: ScdlDType;
  /** Largest |stored - original| that is not a loss; default 0. */
  readonly dataDtypeTolerance?: number;
  /** Store what a C cast gives and warn, instead of failing at the first value lost. */
  readonly allowLossy?: boolean;
  /** Decoding threads; 0 decodes in the calling thread. Default: one per processor, at most 8. */
  readonly workers?: number;
  /** Bytes for buffers of all threads together; default 192 MiB. */
  readonly memoryBudgetBytes?: number;
  /** obs columns to keep, in this order; default all. */
  readonly obsColumns?: readonly string[];
  /** var columns to keep, in this order; default all. */
  readonly varColumns?: readonly string[];
  /** Do not keep the index (cell and gene ids) of a frame that has columns, as the original. */
  readonly dropIndex?: boolean;
  /** Key of obsp whose matrix becomes the neighbour files. */
  readonly neighbors?: string;
  /** Check the written data set before returning. */
  readonly verify?: boolean;
  /** Replace an existing output. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  /** At most ten times a second. */
  readonly onProgress?: (progress: ConvertProgress) => void;
  readonly onWarning?: (message: string) => void;
}

export interface ConvertProgress {
  readonly phase: "planning" | "converting" | "finishing" | "verifying";
  /** The input being worked on. */
  readonly file: string;
  readonly rows: number;
  readonly totalRows: number;
  /** Bytes of data and columns written. */
  readonly bytes: number;
  /** 0 while unknown: dense matrices are counted as they are read. */
  readonly totalBytes: number;
}

export interface ConvertResult {
  readonly output: string;
  readonly files: readonly ConvertedFile[];
  readonly nObs: number;
  /** Genes of each var block. */
  readonly nVars: readonly number[];
  readonly nnz: number;
  readonly dtypes: {
    readonly data: ScdlDType;
    readonly rowPtr: UnsignedDType;
    readonly colPtr: UnsignedDType;
  };
  readonly obsColumns: readonly string[];
  readonly varColumns: readonly string[];
  readonly neighbors: number | null;
  /** Values that changed in the cast (only with `allowLossy`). */
  readonly lossyFiles: readonly LossReport[];
  readonly bytesOnDisk: number;
  readonly verified: boolean;
}

export interface ConvertedFile {
  readonly path: string;
  readonly matrix: string;
  readonly nObs: number;
  readonly nVars: number;
  readonly nnz: number;
}

export interface LossReport {
  readonly path: string;
  readonly maxAbsDiff: number;
}

export const DEFAULT_MEMORY_BUDGET_BYTES = 192 * 2 ** 20;
