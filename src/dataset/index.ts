/** SCDL data sets: opening, reading, joining, writing. */

export { type CastDatasetOptions, castDataset } from "./cast.ts";
export type { CollectionNeighbors } from "./collection-neighbors.ts";
export { type ConcatOptions, concatDatasets, saveDataset } from "./concat.ts";
export type { VarBlock } from "./dataset-archive.ts";
export { DatasetCollection } from "./dataset-collection.ts";
export type {
  CategoricalColumn,
  FeatureColumn,
  FeatureValue,
  ListColumn,
  NumericColumn,
} from "./feature-column.ts";
export {
  GatherBuffers,
  type GatherCounts,
  type GatherTarget,
  type MatrixDTypes,
} from "./gather-buffers.ts";
export type {
  NeighborOptions,
  NeighborStats,
  NeighborStrategy,
  Neighbors,
} from "./neighbors.ts";
export type { GatherOptions, ReadRowsOptions, SparseRow } from "./row-reader.ts";
export {
  type NeighborPair,
  type OpenDatasetOptions,
  SingleCellDataset,
} from "./single-cell-dataset.ts";
export type {
  WriteDatasetOptions,
  WriteProgress,
  WrittenDataset,
} from "./write-datasets.ts";
