/** The public entry: everything users import, by name. */

import "./require-node.ts";

export type { FileAccess } from "../formats/bytes/open-source.ts";
export type { DType, IndexArray, NumericArray, ScdlDType } from "../formats/common/dtype.ts";
export {
  type ErrorDetails,
  FormatError,
  IncompatibleError,
  InvalidArgumentError,
  isScdlError,
  NotFoundError,
  PrecisionLossError,
  ScdlError,
  StorageError,
  type StorageErrorCode,
  UnsupportedFeatureError,
} from "../formats/common/errors.ts";
export {
  type CsrMatrix,
  type MatrixData,
  toDense,
  validateCsr,
} from "../formats/csr/csr-matrix.ts";
export {
  FastaReader,
  type FastaReaderOptions,
  type FastaRecord,
} from "../formats/fasta/fasta-reader.ts";
export type { FastaFormat } from "../formats/fasta/record-parser.ts";
export type { FastaRegion } from "../formats/fasta/region.ts";
export type {
  AxisEntry,
  CategoricalValues,
  CsrBlock,
  Element,
  ElementMap,
  FrameBatches,
  FrameColumn,
  FrameRange,
  FrameReader,
  H5adOpenOptions,
  MatrixReader,
  NullableValues,
  NumberTensor,
  RawReader,
  RecordTensor,
  RowBlockOptions,
  Scalar,
  TextTensor,
  UnreadElement,
} from "../formats/h5ad/index.ts";
export { H5adFile } from "../formats/h5ad/index.ts";
export { MsgpackExtension } from "../formats/msgpack/decode.ts";
export type { NdArray, TextArray } from "../formats/npy/npy-array.ts";
export {
  ProteinStoreWriter,
  type ProteinStoreWriterOptions,
} from "../formats/protein-store/store-writer.ts";
export {
  type FloatStoredDType,
  float32Values,
  floatTensor,
} from "../formats/safetensors/float-values.ts";
export type { TensorEntry } from "../formats/safetensors/header.ts";
export {
  type OpenSafetensorsOptions,
  SafetensorsFile,
} from "../formats/safetensors/safetensors-file.ts";
export {
  SafetensorsCheckpoint,
  type WriteShardsOptions,
  type WrittenFile,
  writeShards,
} from "../formats/safetensors/shards.ts";
export type { StoredArrays, StoredDType, StoredTensor } from "../formats/safetensors/tensor.ts";
export {
  encodeSafetensors,
  type WriteSafetensorsOptions,
  writeSafetensors,
} from "../formats/safetensors/write-safetensors.ts";
export {
  type Problem,
  type VerifyOptions,
  type VerifyProgress,
  verifyArchive,
} from "../formats/scdl/verify.ts";
export { convertH5ad } from "./convert/convert-h5ad.ts";
export type {
  ConvertedFile,
  ConvertOptions,
  ConvertProgress,
  ConvertResult,
  LossReport,
} from "./convert/options.ts";
export type { BatchColumn, BatchInfo, CsrBatch, DenseBatch } from "./data/batch.ts";
export type { BatchOf, Collate, CollateModule } from "./data/collate.ts";
export { DataModule, type ResumableBatches, type Stage } from "./data/data-module.ts";
export {
  AlignedDataset,
  type AlignedGenes,
  type AlignGenesOptions,
  alignGenes,
} from "./data/gene-alignment.ts";
export {
  type GlobalBatchSizeOptions,
  inferGlobalBatchSize,
  inferNumSamples,
  type LimitBatches,
} from "./data/infer-samples.ts";
export {
  type ItemBatchInfo,
  ItemLoader,
  type ItemLoaderOptions,
} from "./data/item-loader.ts";
export type { ItemLoaderState } from "./data/item-loader-state.ts";
export { Loader, type LoaderOptions, type LoaderPosition } from "./data/loader.ts";
export { LoaderError, type LoaderErrorCode } from "./data/loader-error.ts";
export type { DatasetFingerprint, LoaderState } from "./data/loader-state.ts";
export { type PaddedTokenIds, type PadTokenIdsOptions, padTokenIds } from "./data/pad-token-ids.ts";
export {
  type AutocastDType,
  getAutocastDtype,
  PRECISION_OF_DTYPE,
  PRECISIONS,
  type Precision,
} from "./data/precision.ts";
export type { NeighborSource, RowSource } from "./data/row-source.ts";
export { RunSampler } from "./data/run-sampler.ts";
export {
  type LastBatch,
  type PositionRange,
  type Share,
  Shares,
  type SharesOptions,
} from "./data/shares.ts";
export {
  SingleCellDataModule,
  type SingleCellDataModuleOptions,
} from "./data/single-cell-data-module.ts";
export {
  type CollatedRows,
  collateNeighborSparseMatrixBatch,
  collateSparseMatrixBatch,
  type NeighborBatch,
  type SparseCollateOptions,
} from "./data/sparse-collate.ts";
export { type CastDatasetOptions, castDataset } from "./dataset/cast.ts";
export type { CollectionNeighbors } from "./dataset/collection-neighbors.ts";
export { type ConcatOptions, concatDatasets, saveDataset } from "./dataset/concat.ts";
export type { VarBlock } from "./dataset/dataset-archive.ts";
export { DatasetCollection } from "./dataset/dataset-collection.ts";
export type {
  CategoricalColumn,
  FeatureColumn,
  FeatureValue,
  ListColumn,
  NumericColumn,
} from "./dataset/feature-column.ts";
export {
  GatherBuffers,
  type GatherCounts,
  type GatherTarget,
  type MatrixDTypes,
} from "./dataset/gather-buffers.ts";
export type {
  NeighborOptions,
  NeighborStats,
  NeighborStrategy,
  Neighbors,
} from "./dataset/neighbors.ts";
export type { GatherOptions, ReadRowsOptions, SparseRow } from "./dataset/row-reader.ts";
export {
  type NeighborPair,
  type OpenDatasetOptions,
  SingleCellDataset,
} from "./dataset/single-cell-dataset.ts";
export type {
  WriteDatasetOptions,
  WriteProgress,
  WrittenDataset,
} from "./dataset/write-datasets.ts";
export { type ProcessPlace, processPlace } from "./distributed/environment.ts";
export type {
  BoundCellTokenizer,
  TokenizeOptions,
} from "./gene-tokens/bound-cell-tokenizer.ts";
export {
  type CellMatrixTypes,
  CellTokenizer,
  type CellTokenizerOptions,
  type EmptyCells,
} from "./gene-tokens/cell-tokenizer.ts";
export {
  type ComputedMedians,
  type ComputeMediansOptions,
  computeGeneMedians,
} from "./gene-tokens/compute-medians.ts";
export {
  readGeneDistributions,
  writeGeneDistributions,
} from "./gene-tokens/distributions-file.ts";
export type { MissingGenes } from "./gene-tokens/gene-columns.ts";
export {
  type CollectMediansOptions,
  GeneDistributions,
  type MediansProgress,
} from "./gene-tokens/gene-distributions.ts";
export { type GeneMedians, readGeneMedians, writeGeneMedians } from "./gene-tokens/gene-medians.ts";
export { GeneTokenizer } from "./gene-tokens/gene-tokenizer.ts";
export {
  GeneVocabulary,
  type SpecialTokens,
  type TokenIds,
  type VocabularyLayout,
} from "./gene-tokens/gene-vocabulary.ts";
export {
  type GeneformerBatch,
  GeneformerDataModule,
  type GeneformerDataModuleOptions,
} from "./gene-tokens/geneformer-data-module.ts";
export { type EnsemblMapping, readEnsemblMapping } from "./gene-tokens/name-dictionary.ts";
export {
  SingleCellTokenDataset,
  type SingleCellTokenOptions,
} from "./gene-tokens/single-cell-token-dataset.ts";
export {
  type OpenTokensOptions,
  TokenDataset,
  type TokenItem,
} from "./gene-tokens/token-dataset.ts";
export { TokenRows } from "./gene-tokens/token-rows.ts";
export {
  type TokenizeDatasetOptions,
  type TokenizeProgress,
  tokenizeDataset,
} from "./gene-tokens/tokenize-dataset.ts";
export {
  type TokenizedCells,
  type TokenizeToDiskOptions,
  tokenizeToDisk,
} from "./gene-tokens/tokenize-to-disk.ts";
export { type InspectOptions, type InspectProgress, inspect } from "./inspect/inspect.ts";
export type {
  ColumnSummary,
  Distribution,
  Distributions,
  InspectReport,
  MatrixSummary,
  NeighborSummary,
  RowSummary,
  VarBlockSummary,
} from "./inspect/report.ts";
export {
  type BuildProteinsOptions,
  type BuildProteinsProgress,
  type BuiltProteins,
  buildProteins,
} from "./proteins/build-proteins.ts";
export type { ClusterSplit } from "./proteins/cluster-parquet.ts";
export {
  type ClusterParquetOptions,
  ClusterParquetWriter,
} from "./proteins/cluster-parquet-writer.ts";
export { ClusterTable, type ClusterTableOptions } from "./proteins/cluster-table.ts";
export { clustersFromArrays, type NamedSequences } from "./proteins/clusters-from-arrays.ts";
export {
  ESMMaskedResidueDataset,
  type EsmMaskedResidueOptions,
  type MaskedBatchOptions,
  type RandomMaskStrategy,
} from "./proteins/esm-masked-residue-dataset.ts";
export {
  type Esm2Batch,
  Esm2DataModule,
  type Esm2DataModuleOptions,
} from "./proteins/esm2-data-module.ts";
export { FastaFile, type FastaFileOptions } from "./proteins/fasta-file.ts";
export {
  type FastaIndexReport,
  type FastaProgress,
  type IndexFastaOptions,
  indexFasta,
  type ScanFastaOptions,
} from "./proteins/fasta-index.ts";
export { type FastaStats, type FastaStatsOptions, fastaStats } from "./proteins/fasta-stats.ts";
export {
  FineTuneDataModule,
  type FineTuneDataModuleOptions,
} from "./proteins/fine-tune-data-module.ts";
export {
  type InspectProteinsOptions,
  inspectProteins,
  type ProteinsReport,
} from "./proteins/inspect-proteins.ts";
export { type Label, LabelMap } from "./proteins/label-map.ts";
export { NamedClusters, type SequencesByName } from "./proteins/named-clusters.ts";
export type { PendingFileOptions } from "./proteins/pending-file.ts";
export {
  InMemoryPerTokenValueDataset,
  type PerTokenFileOptions,
  type PerTokenOptions,
} from "./proteins/per-token-dataset.ts";
export {
  type FineTuneBatch,
  type ProteinBatch,
  type ProteinCollateOptions,
  proteinCollate,
} from "./proteins/protein-collate.ts";
export { ProteinDatabase, type ProteinDatabaseOptions } from "./proteins/protein-database.ts";
export { ProteinDatabaseWriter } from "./proteins/protein-database-writer.ts";
export {
  InMemoryProteinDataset,
  ProteinDataset,
  type ProteinDatasetOptions,
  type ProteinFileOptions,
  type ProteinItem,
} from "./proteins/protein-dataset.ts";
export type { ClusteredProteins, ProteinSource } from "./proteins/protein-source.ts";
export {
  type GatheredSequences,
  ProteinStore,
  type ProteinStoreOptions,
} from "./proteins/protein-store.ts";
export {
  InMemorySingleValueDataset,
  type SingleValueFileOptions,
  type SingleValueOptions,
  type TaskType,
} from "./proteins/single-value-dataset.ts";
export type { StoreClusters } from "./proteins/store-clusters.ts";
export type { ChoiceOptions } from "./random/numpy-choice.ts";
export {
  defaultRng,
  type IntegerArrays,
  type IntegerDType,
  type IntegersOptions,
  NumpyGenerator,
  type NumpyGeneratorState,
} from "./random/numpy-generator.ts";
export { PythonRandom, type PythonRandomState } from "./random/python-random.ts";
export { seedFrom } from "./random/seed-from.ts";
export type { Seed } from "./random/seed-sequence.ts";
export {
  TorchGenerator,
  type TorchGeneratorOptions,
  type TorchGeneratorState,
  type TorchRelease,
} from "./random/torch-generator.ts";
export type { MultinomialOptions } from "./random/torch-multinomial.ts";
export {
  type BlockShuffledOptions,
  BlockShuffledSampler,
} from "./sampling/block-shuffled-sampler.ts";
export {
  BatchSampler,
  type BatchSource,
  type BucketBatchOptions,
  BucketBatchSampler,
  resumeByReplay,
} from "./sampling/bucket-batch-sampler.ts";
export { type ClassBalancedOptions, classBalancedSampler } from "./sampling/class-balanced.ts";
export { type Buckets, createBuckets } from "./sampling/create-buckets.ts";
export {
  type MixtureOptions,
  type MixturePart,
  MixtureSampler,
} from "./sampling/mixture-sampler.ts";
export {
  type EpochIndex,
  IdentityMultiEpochDatasetWrapper,
  type MultiEpochDataset,
  MultiEpochDatasetResampler,
  MultiEpochDatasetWrapper,
  type ResamplerOptions,
  type SizedDataset,
} from "./sampling/multi-epoch-dataset.ts";
export { permute } from "./sampling/permute.ts";
export { PRNGResampleDataset, type PrngResampleOptions } from "./sampling/prng-resample-dataset.ts";
export { ResampledSampler } from "./sampling/resampled-sampler.ts";
export type { RowLabels } from "./sampling/row-labels.ts";
export type { Sampler, SamplerDescription } from "./sampling/sampler.ts";
export { SequentialSampler } from "./sampling/sequential-sampler.ts";
export { type ShuffledOptions, ShuffledSampler } from "./sampling/shuffled-sampler.ts";
export {
  SizeAwareBatchSampler,
  type SizeAwareOptions,
  sizeAwareBatching,
} from "./sampling/size-aware-batches.ts";
export {
  type SplitOptions,
  type Splits,
  splitByFraction,
  splitByGroup,
  splitByValue,
} from "./sampling/splits.ts";
export { SubsetSampler } from "./sampling/subset-sampler.ts";
export { type WeightedOptions, WeightedSampler } from "./sampling/weighted-sampler.ts";
export {
  type SimulatedDType,
  type SimulateOptions,
  type SimulateProgress,
  type SimulateResult,
  simulateH5ad,
} from "./simulate/simulate-h5ad.ts";
export { type BertCollateOptions, bertPaddingCollate } from "./tokenize/bert-collate.ts";
export type { BertBatch, BertItem } from "./tokenize/bert-item.ts";
export {
  applyBertPretrainingMask,
  BertMaskConfig,
  type BertMaskOptions,
  type MaskedTokens,
} from "./tokenize/bert-mask.ts";
export {
  EsmTokenizer,
  type TokenDecodeOptions,
  type TokenEncodeOptions,
} from "./tokenize/esm-tokenizer.ts";
export { AMINO_ACID_IDS, ESM_TOKENS } from "./tokenize/esm-tokens.ts";
export {
  type PackedBatch,
  type PackedRow,
  type PackedRowsOptions,
  type PackOptions,
  packBatch,
  packedRows,
} from "./tokenize/pack-batch.ts";
export { type PackPlanOptions, planPacking } from "./tokenize/pack-plan.ts";
export type { PaddedLengthOptions } from "./tokenize/padded-length.ts";
export {
  type PaddableArray,
  type PaddedArray,
  paddingCollate,
} from "./tokenize/padding-collate.ts";
export type { CropWindows } from "./tokenize/random-crop.ts";
export {
  type Checkpoint,
  type OpenCheckpoint,
  openCheckpoint,
  verifyCheckpoint,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from "./train/checkpoint.ts";

export {
  CheckpointFiles,
  type CheckpointFilesOptions,
  type CheckpointInfo,
  findCheckpoint,
} from "./train/checkpoint-files.ts";
export { expandFileRange } from "./train/config/file-range.ts";
export { loadRunConfig, type RunConfigOptions, runConfigYaml } from "./train/config/run-config.ts";
export type { RunConfig } from "./train/config/sections.ts";
export { CsvLogger } from "./train/loggers/csv-logger.ts";
export { JsonLinesLogger } from "./train/loggers/json-lines-logger.ts";
export {
  type LogFileOptions,
  type Logger,
  LoggerGroup,
  type Scalars,
} from "./train/loggers/logger.ts";
export { ProgressLineLogger, type ProgressLineOptions } from "./train/loggers/progress-line.ts";
export { TensorBoardLogger, type TensorBoardOptions } from "./train/loggers/tensorboard-logger.ts";
export {
  AccuracyMetric,
  MeanMetric,
  type Metric,
  MseMetric,
  PearsonMetric,
  PerplexityMetric,
  SpearmanMetric,
} from "./train/metrics.ts";
export {
  type CosineAnnealingOptions,
  type CosineDecayOptions,
  constantSchedule,
  cosineAnnealing,
  cosineDecay,
  type DecayOptions,
  linearDecay,
  type Schedule,
  type WarmupAnnealOptions,
  warmupAnnealDecayHold,
} from "./train/schedule.ts";
export type { TrainerState } from "./train/trainer-file.ts";
export type { SampleCollate } from "./webdataset/collate.ts";
export type { FieldDecoder } from "./webdataset/decode-field.ts";
export type { ErrorHandler } from "./webdataset/error-handler.ts";
export type {
  DecodeOptions,
  ExtractOptions,
  RenameOptions,
  TupleOptions,
} from "./webdataset/field-stages.ts";
export type { HttpOptions } from "./webdataset/http-chunks.ts";
export {
  type FieldReport,
  type InspectShardsOptions,
  inspectShards,
  type ShardProblem,
  type ShardReport,
  type ShardsReport,
} from "./webdataset/inspect-shards.ts";
export {
  type MixOptions,
  RandomMix,
  type RandomMixOptions,
  RoundRobin,
} from "./webdataset/mix.ts";
export type { ShuffleOptions } from "./webdataset/order-stages.ts";
export { PickledDataWDS, type PickledDataWDSOptions } from "./webdataset/pickled-data-wds.ts";
export { type PicklesToTarsOptions, picklesToTars } from "./webdataset/pickles-to-tars.ts";
export {
  ShardWriter,
  type ShardWriterOptions,
  type WrittenShard,
} from "./webdataset/shard-writer.ts";
export { TarWriter, type TarWriterOptions, type WritableSample } from "./webdataset/tar-writer.ts";
export {
  type Invocations,
  type PerSplit,
  type Split,
  type Steps,
  WebDataModule,
  type WebDataModuleOptions,
} from "./webdataset/web-data-module.ts";
export {
  type BatchOptions,
  type IterateOptions,
  type Sample,
  WebDataset,
  type WebDatasetOptions,
} from "./webdataset/web-dataset.ts";
export type { WebDatasetIterator } from "./webdataset/web-dataset-iterator.ts";
export type { WebDatasetState } from "./webdataset/web-dataset-state.ts";
export { type MakeDataset, WebLoader, type WebLoaderOptions } from "./webdataset/web-loader.ts";
export type { WebLoaderState, WorkerPlace } from "./webdataset/web-loader-state.ts";
export {
  type WriteDatasetShardsOptions,
  type WrittenDatasetShards,
  writeDatasetShards,
} from "./webdataset/write-dataset-shards.ts";
