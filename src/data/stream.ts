import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { BlockShuffledSampler } from "../sampling/block-shuffled-sampler.ts";
import { ResampledSampler } from "../sampling/resampled-sampler.ts";
import type { Sampler, SamplerDescription } from "../sampling/sampler.ts";
import { SequentialSampler } from "../sampling/sequential-sampler.ts";
import { ShuffledSampler } from "../sampling/shuffled-sampler.ts";
import type { BatchInfo } from "./batch.ts";
import { Loader } from "./loader.ts";
import type { LoaderState } from "./loader-state.ts";

export const STREAM_ORDERS = ["sequential", "shuffled", "block-shuffled", "resampled"] as const;

export type StreamOrder = (typeof STREAM_ORDERS)[number];

export interface StreamOptions {
  readonly order: StreamOrder;
  readonly seed: number;
  readonly globalBatchSize: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly epochs: number;
  /** Batches to stop after, of all epochs together. Default: never. */
  readonly maxBatches?: number | undefined;
  readonly workers: number;
  readonly prefetch?: number | undefined;
  readonly dense?: boolean;
  readonly dropLast?: boolean;
  readonly padLast?: boolean;
  readonly obs?: readonly string[];
  /** Goes on where a loader stood. */
  readonly state?: unknown;
  readonly signal?: AbortSignal;
  /** Told of every batch before the next is read. */
  readonly onBatch?: (batch: BatchInfo, state: () => LoaderState) => void;
}

export interface StreamedEpoch {
  readonly epoch: number;
  readonly batches: number;
  /** Samples of this rank, padding included. */
  readonly rows: number;
  /** Values of the batches; with `dense` zeros count. */
  readonly values: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

export interface StreamReport {
  readonly path: string;
  readonly nObs: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly globalBatchSize: number;
  readonly workers: number;
  readonly sampler: SamplerDescription;
  readonly epochs: readonly StreamedEpoch[];
  /** Where the loader stands afterwards. */
  readonly state: LoaderState;
}

/**
 * Runs a loader over a data set and measures it; nothing is done with the batches.
 * @throws what opening a data set and a {@link Loader} throw.
 */
export async function streamDataset(
  directory: string,
  options: StreamOptions,
): Promise<StreamReport> {
  const { rank, worldSize, globalBatchSize, workers, prefetch, signal } = options;
  using dataset = await SingleCellDataset.open(directory);
  const sampler = makeSampler(options.order, dataset.nObs, options.seed);
  await using loader = new Loader(dataset, sampler, {
    globalBatchSize,
    rank,
    worldSize,
    workers,
    dropLast: options.dropLast ?? false,
    padLast: options.padLast ?? false,
    obs: options.obs ?? [],
    collate: options.dense === true ? ("dense" as const) : ("csr" as const),
    ...(prefetch === undefined ? {} : { prefetch }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (options.state !== undefined) loader.loadState(options.state);
  const epochs: StreamedEpoch[] = [];
  let left = options.maxBatches ?? Number.POSITIVE_INFINITY;
  while (loader.position.epoch < options.epochs && left > 0) {
    const streamed = await streamEpoch(loader, left, options);
    epochs.push(streamed);
    left -= streamed.batches;
  }
  const { nObs } = dataset;
  const state = loader.state();
  const described = sampler.describe();
  return {
    path: directory,
    nObs,
    rank,
    worldSize,
    globalBatchSize,
    workers,
    sampler: described,
    epochs,
    state,
  };
}

async function streamEpoch(
  loader: Loader<"csr" | "dense">,
  maxBatches: number,
  options: StreamOptions,
): Promise<StreamedEpoch> {
  const { epoch } = loader.position;
  const beganMs = performance.now();
  let batches = 0;
  let rows = 0;
  let values = 0;
  for await (const batch of loader) {
    batches++;
    rows += batch.rows.length;
    values += batch.data.length;
    options.onBatch?.(batch, () => loader.state());
    if (batches === maxBatches) break;
  }
  const seconds = (performance.now() - beganMs) / 1000;
  return { epoch, batches, rows, values, seconds, rowsPerSecond: rows / Math.max(seconds, 1e-9) };
}

function makeSampler(order: StreamOrder, nRows: number, seed: number): Sampler {
  switch (order) {
    case "sequential":
      return new SequentialSampler(nRows);
    case "shuffled":
      return new ShuffledSampler(nRows, { seed });
    case "block-shuffled":
      return new BlockShuffledSampler(nRows, { seed });
    case "resampled":
      return new ResampledSampler(nRows, { seed });
    default:
      return order satisfies never;
  }
}
