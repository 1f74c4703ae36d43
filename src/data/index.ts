/** Samplers and data sets to batches. */

export type { BatchColumn, BatchInfo, CsrBatch, DenseBatch } from "./batch.ts";
export type { BatchOf, Collate, CollateModule } from "./collate.ts";
export { DataModule, type ResumableBatches, type Stage } from "./data-module.ts";
export {
  AlignedDataset,
  type AlignedGenes,
  type AlignGenesOptions,
  alignGenes,
} from "./gene-alignment.ts";
export {
  type GlobalBatchSizeOptions,
  inferGlobalBatchSize,
  inferNumSamples,
  type LimitBatches,
} from "./infer-samples.ts";
export {
  type ItemBatchInfo,
  ItemLoader,
  type ItemLoaderOptions,
} from "./item-loader.ts";
export type { ItemLoaderState } from "./item-loader-state.ts";
export { Loader, type LoaderPosition } from "./loader.ts";
export { LoaderError, type LoaderErrorCode } from "./loader-error.ts";
export type { LoaderOptions } from "./loader-options.ts";
export type { DatasetFingerprint, LoaderState } from "./loader-state.ts";
export { type PaddedTokenIds, type PadTokenIdsOptions, padTokenIds } from "./pad-token-ids.ts";
export {
  type AutocastDType,
  getAutocastDtype,
  PRECISION_OF_DTYPE,
  PRECISIONS,
  type Precision,
} from "./precision.ts";
export type { NeighborSource, RowSource } from "./row-source.ts";
export { RunSampler } from "./run-sampler.ts";
export {
  type LastBatch,
  type PositionRange,
  type Share,
  Shares,
  type SharesOptions,
} from "./shares.ts";
export {
  SingleCellDataModule,
  type SingleCellDataModuleOptions,
} from "./single-cell-data-module.ts";
export {
  type CollatedRows,
  collateNeighborSparseMatrixBatch,
  collateSparseMatrixBatch,
  type NeighborBatch,
  type SparseCollateOptions,
} from "./sparse-collate.ts";
