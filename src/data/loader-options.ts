import {
  aBoolean,
  aNumber,
  aSignal,
  type OptionKinds,
  texts,
} from "../../formats/common/options.ts";
import { PLACE_KINDS } from "../distributed/place.ts";
import { COLLATE_KIND, type Collate } from "./collate.ts";

export interface LoaderOptions<C = Collate> {
  /** Samples of a batch of this rank. Give this or `globalBatchSize`. */
  readonly batchSize?: number;
  /**
   * Samples of a batch of all ranks together, a multiple of `worldSize`. It alone decides what a
   * batch holds: keep it when the number of ranks changes. Default `batchSize * worldSize`.
   */
  readonly globalBatchSize?: number;
  /** Both or none, default 0 of 1. `processPlace()` has those of torchrun, MPI and Slurm. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Leaves out the last global batch of an epoch when it is not full. Default false. */
  readonly dropLast?: boolean;
  /** Fills it up with the first samples of the epoch instead. Default false. */
  readonly padLast?: boolean;
  /**
   * Worker threads, each of which opens the data set by its directory. Default 0: rows are read in
   * the calling thread when a batch is asked for. The batches are the same.
   */
  readonly workers?: number;
  /**
   * Batches read ahead of the one handed out (with 0 workers: whose pages are announced ahead, where
   * they are not in memory). From 0, or 1 with workers. Default 2 per worker, 1 without. Memory is this many batches and two.
   */
  readonly prefetch?: number;
  /** obs columns that every batch carries. Each is held in memory whole. Default none. */
  readonly obs?: readonly string[];
  /**
   * Draws a neighbour for every sample: batches carry `nextRows` and, read along, `next`. Which one
   * depends on the epoch, the row and the `neighbors` options of `SingleCellDataset.open` (strategy,
   * seed) alone. Default false.
   */
  readonly neighbors?: boolean;
  /** Default "csr". */
  readonly collate?: C;
  /**
   * Reuses the memory of a batch when the next one is asked for; its arrays have length 0 from then
   * on. Default true. With false every batch may be kept.
   */
  readonly recycle?: boolean;
  /**
   * Compares every column number with nVars; dense batches always do. Default false: in memory it
   * costs more than reading the batch. For files that `scdl inspect --verify` has not passed.
   */
  readonly validate?: boolean;
  /** Ends iteration with the signal's reason, also while a batch is waited for. */
  readonly signal?: AbortSignal;
}

export const LOADER_KINDS: OptionKinds<LoaderOptions> = {
  batchSize: aNumber,
  globalBatchSize: aNumber,
  ...PLACE_KINDS,
  dropLast: aBoolean,
  padLast: aBoolean,
  workers: aNumber,
  prefetch: aNumber,
  obs: texts,
  neighbors: aBoolean,
  collate: COLLATE_KIND,
  recycle: aBoolean,
  validate: aBoolean,
  signal: aSignal,
};

const SHUFFLE = "a sampler: new ShuffledSampler(dataset.nObs)";
/** What torch's DataLoader calls them. */
export const TORCH_NAMES = {
  num_workers: "workers",
  numWorkers: "workers",
  prefetch_factor: "prefetch",
  collate_fn: "collate",
  shuffle: SHUFFLE,
  sampler: SHUFFLE,
};
