import type { Problem } from "../../formats/scdl/verify.ts";

/** What {@link inspect} returns and `scdl inspect --json` prints; every field is plain data. */

export interface InspectReport {
  readonly format: "scdl" | "anndata" | "10x-v2" | "10x-v3";
  readonly path: string;
  /** Cells (rows). */
  readonly nObs: number;
  /** Genes (columns) of the main matrix; of the widest var block when an archive has several. */
  readonly nVars: number;
  /** Stored values of the main matrix; null when only counting a dense matrix would tell. */
  readonly nnz: number | null;
  /** Share of the matrix that is not stored; from the sampled rows when `nnz` is null. */
  readonly sparsity: number | null;
  /** Element types on disk. */
  readonly dtypes: {
    readonly data: string | null;
    readonly rowPtr: string | null;
    readonly colPtr: string | null;
  };
  /** The matrix that the figures describe and a conversion takes: "raw" if there is one, else "X". */
  readonly matrix: string | null;
  /** Every matrix of an AnnData file; empty for an SCDL data set. */
  readonly matrices: readonly MatrixSummary[];
  readonly obsColumns: readonly ColumnSummary[];
  readonly varColumns: readonly ColumnSummary[];
  /** Row ranges that share their genes; one for a file. */
  readonly varBlocks: readonly VarBlockSummary[];
  readonly neighbors: NeighborSummary | null;
  /** Names in these groups of an AnnData file; empty for an SCDL data set. */
  readonly obsm: readonly string[];
  readonly varm: readonly string[];
  readonly obsp: readonly string[];
  readonly varp: readonly string[];
  readonly bytesOnDisk: number;
  /** Bytes on disk for each stored value, annotations included. */
  readonly bytesPerValue: number | null;
  /** Version of the SCDL header, or the `encoding-version` of an AnnData file. */
  readonly schemaVersion: string | null;
  /** Version of the package that wrote an SCDL data set. */
  readonly version: string | null;
  readonly distributions: Distributions | null;
  /** Why there are no distributions. */
  readonly distributionsMissing: string | null;
  /** The first rows, when asked for. */
  readonly head: readonly RowSummary[];
  /** What opening remarked on, e.g. an archive of an older version; part of `problems` when verified. */
  readonly warnings: readonly string[];
  /** Whether everything was read and checked. */
  readonly verified: boolean;
  /** Empty unless verified. Only those of severity "error" mean damage. */
  readonly problems: readonly Problem[];
}

export interface MatrixSummary {
  /** As `--matrix` takes it: "raw", "X", "layers/NAME". */
  readonly name: string;
  readonly encoding: "csr" | "csc" | "dense";
  readonly dtype: string;
  readonly shape: readonly [number, number];
  readonly nnz: number | null;
}

export interface ColumnSummary {
  readonly name: string;
  /** "string", "int64", "categorical of string", ...; "unreadable" with `note` saying why. */
  readonly type: string;
  /** Up to three different values from the first rows. */
  readonly examples: readonly (string | number | boolean)[];
  readonly note?: string;
}

export interface VarBlockSummary {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly nVars: number;
  readonly label: string | null;
}

export interface NeighborSummary {
  readonly connections: number;
  readonly minPerCell: number;
  readonly maxPerCell: number;
  readonly cellsWithout: number;
}

export interface Distributions {
  readonly sampledRows: number;
  readonly totalRows: number;
  /** Cells that hold NaN or infinity: they have no sum and are not in `counts`. */
  readonly nonFiniteCells: number;
  /** Sum of the values of each cell. */
  readonly counts: Distribution;
  /** Values other than zero in each cell. */
  readonly genes: Distribution;
}

export interface Distribution {
  readonly minimum: number;
  readonly lowerQuartile: number;
  readonly median: number;
  readonly upperQuartile: number;
  readonly maximum: number;
  readonly mean: number;
  /** Bin edges, one more than bins; a bin holds its lower edge, the last one both. */
  readonly edges: readonly number[];
  readonly bins: readonly number[];
}

export interface RowSummary {
  readonly row: number;
  readonly id: string | null;
  readonly nnz: number;
  /** The first values of the row, in stored order. */
  readonly values: readonly { readonly column: number; readonly value: number }[];
  readonly obs: Readonly<Record<string, string | number | boolean | null>>;
}
