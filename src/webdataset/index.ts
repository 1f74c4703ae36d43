/** WebDataset shards, read and written. */

export type { SampleCollate } from "./collate.ts";
export type { FieldDecoder } from "./decode-field.ts";
export type { ErrorHandler } from "./error-handler.ts";
export type {
  DecodeOptions,
  ExtractOptions,
  RenameOptions,
  TupleOptions,
} from "./field-stages.ts";
export type { HttpOptions } from "./http-chunks.ts";
export {
  type FieldReport,
  type InspectShardsOptions,
  inspectShards,
  type ShardProblem,
  type ShardReport,
  type ShardsReport,
} from "./inspect-shards.ts";
export {
  type MixOptions,
  RandomMix,
  type RandomMixOptions,
  RoundRobin,
} from "./mix.ts";
export type { ShuffleOptions } from "./order-stages.ts";
export { PickledDataWDS, type PickledDataWDSOptions } from "./pickled-data-wds.ts";
export { type PicklesToTarsOptions, picklesToTars } from "./pickles-to-tars.ts";
export {
  ShardWriter,
  type ShardWriterOptions,
  type WrittenShard,
} from "./shard-writer.ts";
export { TarWriter, type TarWriterOptions, type WritableSample } from "./tar-writer.ts";
export {
  type Invocations,
  type PerSplit,
  type Split,
  type Steps,
  WebDataModule,
  type WebDataModuleOptions,
} from "./web-data-module.ts";
export {
  type BatchOptions,
  type IterateOptions,
  type Sample,
  WebDataset,
  type WebDatasetOptions,
} from "./web-dataset.ts";
export type { WebDatasetIterator } from "./web-dataset-iterator.ts";
export type { WebDatasetState } from "./web-dataset-state.ts";
export { type MakeDataset, WebLoader, type WebLoaderOptions } from "./web-loader.ts";
export type { WebLoaderState, WorkerPlace } from "./web-loader-state.ts";
export {
  type WriteDatasetShardsOptions,
  type WrittenDatasetShards,
  writeDatasetShards,
} from "./write-dataset-shards.ts";
