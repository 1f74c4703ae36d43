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
export * from "./data/index.ts";
export * from "./dataset/index.ts";
export * from "./distributed/index.ts";
export * from "./gene-tokens/index.ts";
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
export * from "./proteins/index.ts";
export * from "./random/index.ts";
export * from "./sampling/index.ts";
export {
  type SimulatedDType,
  type SimulateOptions,
  type SimulateProgress,
  type SimulateResult,
  simulateH5ad,
} from "./simulate/simulate-h5ad.ts";
export * from "./tokenize/index.ts";
export {
  type Checkpoint,
  type OpenCheckpoint,
  openCheckpoint,
  verifyCheckpoint,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from "./train/checkpoints/checkpoint.ts";
export {
  CheckpointFiles,
  type CheckpointFilesOptions,
  type CheckpointInfo,
  findCheckpoint,
} from "./train/checkpoints/checkpoint-files.ts";
export type { TrainerState } from "./train/checkpoints/trainer-file.ts";
export { runConfigYaml } from "./train/config/config-file.ts";
export { expandFileRange } from "./train/config/file-range.ts";
export { loadRunConfig, type RunConfigOptions } from "./train/config/run-config.ts";
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
} from "./train/metrics/metrics.ts";
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
export * from "./webdataset/index.ts";
