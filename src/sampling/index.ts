/** Which rows come in which order. */

export {
  type BlockShuffledOptions,
  BlockShuffledSampler,
} from "./block-shuffled-sampler.ts";
export {
  BatchSampler,
  type BatchSource,
  type BucketBatchOptions,
  BucketBatchSampler,
  resumeByReplay,
} from "./bucket-batch-sampler.ts";
export { type ClassBalancedOptions, classBalancedSampler } from "./class-balanced.ts";
export { type Buckets, createBuckets } from "./create-buckets.ts";
export {
  type MixtureOptions,
  type MixturePart,
  MixtureSampler,
} from "./mixture-sampler.ts";
export {
  type EpochIndex,
  IdentityMultiEpochDatasetWrapper,
  type MultiEpochDataset,
  MultiEpochDatasetResampler,
  MultiEpochDatasetWrapper,
  type ResamplerOptions,
  type SizedDataset,
} from "./multi-epoch-dataset.ts";
export { permute } from "./permute.ts";
export { PRNGResampleDataset, type PrngResampleOptions } from "./prng-resample-dataset.ts";
export { ResampledSampler } from "./resampled-sampler.ts";
export type { RowLabels } from "./row-labels.ts";
export type { Sampler, SamplerDescription } from "./sampler.ts";
export { SequentialSampler } from "./sequential-sampler.ts";
export { type ShuffledOptions, ShuffledSampler } from "./shuffled-sampler.ts";
export {
  SizeAwareBatchSampler,
  type SizeAwareOptions,
  sizeAwareBatching,
} from "./size-aware-batches.ts";
export {
  type SplitOptions,
  type Splits,
  splitByFraction,
  splitByGroup,
  splitByValue,
} from "./splits.ts";
export { SubsetSampler } from "./subset-sampler.ts";
export { type WeightedOptions, WeightedSampler } from "./weighted-sampler.ts";
