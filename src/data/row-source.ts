import type { VarBlock } from "../dataset/dataset-archive.ts";
import type { CategoricalColumn, ListColumn, NumericColumn } from "../dataset/feature-column.ts";
import type {
  GatherBuffers,
  GatherCounts,
  GatherTarget,
  MatrixDTypes,
} from "../dataset/gather-buffers.ts";

import type { NeighborStrategy } from "../dataset/neighbors.ts";

/** Draws a neighbour of each cell, by arithmetic: see `Neighbors`. */
export interface NeighborSource {
  readonly strategy: NeighborStrategy;
  readonly seed: number;
  /** Depends on (seed, row, draw) alone; a cell without neighbours is its own. */
  sampleAll(rows: ArrayLike<number>, draw: number, target: Float64Array): Float64Array;
}

/** What a loader reads rows of: a data set, a collection of them, or either with genes aligned. */
export interface RowSource {
  readonly nObs: number;
  readonly nVars: number;
  readonly nnz: number;
  readonly dtypes: MatrixDTypes;
  readonly varBlocks: readonly VarBlock[];
  /** Which files are read: the same text in every thread that opened the same ones. */
  readonly identity: string;
  /** Tells sources of the same shape and types apart by what is in them, wherever they lie. */
  readonly contentHash?: string;
  gather(rows: ArrayLike<number>, out: GatherTarget): GatherCounts;
  /** Reads one row and checks its columns. @throws FormatError that names the file. */
  row?(row: number): unknown;
  createBuffers(): GatherBuffers;
  prefetch(rows: ArrayLike<number>, options: { readonly onlyCold?: boolean }): void;
  /** Null or absent where no neighbours are stored. */
  readonly neighbors?: NeighborSource | null;
  obsColumn(name: string): Promise<NumericColumn | CategoricalColumn | ListColumn>;
}
