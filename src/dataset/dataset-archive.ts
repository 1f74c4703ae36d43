import type * as arrow from "apache-arrow";
import type { ScdlDType } from "../../formats/common/dtype.ts";

/** One array file of a data set: `path` holds at least `length` little-endian elements. */
export interface DatasetArray {
  readonly path: string;
  readonly dtype: ScdlDType;
  readonly length: number;
}

/** Rows `[rowBegin, rowEnd)` share one list of variables. */
export interface VarBlock {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly nVars: number;
  /** Where the rows came from, usually the path of an h5ad file. */
  readonly label: string | null;
}

/** Tables of a feature index, one per block, read when asked for. */
export interface FeatureTables {
  readonly nBlocks: number;
  readonly labels: readonly (string | null)[];
  /** Row boundaries: block b covers rows `[cumulative[b], cumulative[b + 1])`. */
  readonly cumulative: readonly number[];
  schema(block: number): Promise<arrow.Schema>;
  table(block: number, options?: { readonly columns?: readonly string[] }): Promise<arrow.Table>;
}

/** What a data set needs of an archive; `openArchive` gives more. */
export interface DatasetArchive {
  readonly directory: string;
  readonly nObs: number;
  readonly nnz: number;
  readonly data: DatasetArray;
  readonly indices: DatasetArray;
  readonly indptr: DatasetArray;
  readonly neighbors: {
    readonly indices: DatasetArray;
    readonly indptr: DatasetArray;
    readonly values: DatasetArray;
  } | null;
  /** One table of `nVars` rows per variable block, or null. */
  readonly var: FeatureTables | null;
  /** Blocks of observations whose rows add up to nObs, or null. */
  readonly obs: FeatureTables | null;
  readonly varBlocks: readonly VarBlock[];
}
