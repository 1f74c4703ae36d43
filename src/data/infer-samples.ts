import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, checkOptions, type OptionKind, shown } from "../../formats/common/options.ts";

export interface GlobalBatchSizeOptions {
  /** Samples of one forward pass of one model replica. */
  readonly microBatchSize: number;
  readonly numNodes: number;
  /** Devices of a node. */
  readonly devices: number;
  /** Forward passes per optimizer step. Default 1. */
  readonly accumulateGradBatches?: number;
  /** Devices one replica is spread over, each default 1. */
  readonly tensorModelParallelSize?: number;
  readonly pipelineModelParallelSize?: number;
  readonly contextModelParallelSize?: number;
}

/**
 * Samples of one optimizer step of all devices: micro batch x replicas x accumulation, where a
 * replica takes tensor x pipeline x context devices (`infer_global_batch_size`).
 * @throws InvalidArgumentError for sizes that are not positive integers or do not divide the devices.
 */
export function inferGlobalBatchSize(options: GlobalBatchSizeOptions): number {
  checkOptions("inferGlobalBatchSize", options, {
    microBatchSize: aNumber,
    numNodes: aNumber,
    devices: aNumber,
    accumulateGradBatches: aNumber,
    tensorModelParallelSize: aNumber,
    pipelineModelParallelSize: aNumber,
    contextModelParallelSize: aNumber,
  });
  const sizes = {
    microBatchSize: options.microBatchSize,
    numNodes: options.numNodes,
    devices: options.devices,
    accumulateGradBatches: options.accumulateGradBatches ?? 1,
    tensorModelParallelSize: options.tensorModelParallelSize ?? 1,
    pipelineModelParallelSize: options.pipelineModelParallelSize ?? 1,
    contextModelParallelSize: options.contextModelParallelSize ?? 1,
  };
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size >= 1) continue;
    throw new InvalidArgumentError(name, size, `${name} is ${size}, expected a positive integer`);
  }
  const world = sizes.numNodes * sizes.devices;
  const perReplica =
    sizes.tensorModelParallelSize *
    sizes.pipelineModelParallelSize *
    sizes.contextModelParallelSize;
  if (world % perReplica !== 0) {
    throw new InvalidArgumentError(
      "devices",
      world,
      `${world} devices cannot be shared out to replicas of ${perReplica} devices (tensor x pipeline x context)`,
    );
  }
  return sizes.microBatchSize * (world / perReplica) * sizes.accumulateGradBatches;
}

/** How much of a data set a stage uses: a share in (0, 1], a number of global batches, or all. */
export type LimitBatches = { readonly share: number } | { readonly batches: number } | null;

export const LIMIT_KIND: OptionKind = {
  expected: "{ share }, { batches } or null",
  takes: isLimit,
};

/** Whether a stage is switched off: `{ batches: 0 }`, the 0 of `limit_val_batches`. */
export function isSwitchedOff(limit: LimitBatches | undefined): boolean {
  return limit !== undefined && limit !== null && "batches" in limit && limit.batches === 0;
}

/**
 * Samples of a stage (`infer_num_samples`): all of them, a share rounded down, or a number of global
 * batches. The original tells 1.0, a share, from 1, a count, by Python's number types; here the
 * limit says which it is.
 * @throws InvalidArgumentError for a limit that makes no sense or leaves less than a global batch.
 */
export function inferNumSamples(
  limit: LimitBatches,
  numSamplesInDataset: number,
  globalBatchSize: number,
  stage: string,
): number {
  assertLimit(limit, stage);
  if (limit !== null && "batches" in limit) {
    const { batches } = limit;
    if (Number.isSafeInteger(batches) && batches >= 1) return batches * globalBatchSize;
    throw new InvalidArgumentError(
      "limit.batches",
      batches,
      `limit of ${stage} is ${batches} batches, expected a positive integer`,
    );
  }
  const share = limit?.share ?? 1;
  if (!(share > 0 && share <= 1)) {
    throw new InvalidArgumentError(
      "limit.share",
      share,
      `limit of ${stage} is a share of ${share}, expected above 0 and at most 1`,
    );
  }
  const samples = Math.floor(numSamplesInDataset * share);
  if (samples >= globalBatchSize) return samples;
  throw new InvalidArgumentError(
    "limit",
    samples,
    `The limited number of ${stage} samples ${samples} is less than the global batch size ${globalBatchSize}`,
  );
}

/** The same, but all of the data where batches reach for its end: nothing of it comes twice. */
export function withoutRepeats(
  limit: LimitBatches,
  globalBatchSize: number,
  samples: number,
): LimitBatches {
  if (limit === null || "share" in limit) return limit;
  const { batches } = limit;
  return batches > 0 && batches * globalBatchSize >= samples ? null : limit;
}

/** One of the two, not both. */
function isLimit(limit: unknown): boolean {
  if (typeof limit !== "object" || limit === null) return limit === null;
  const [[name, value] = [], ...more] = Object.entries(limit);
  return more.length === 0 && (name === "share" || name === "batches") && typeof value === "number";
}

/** For callers without a type checker, who give a number as in the original. */
function assertLimit(limit: unknown, stage: string): void {
  if (limit === undefined || isLimit(limit)) return;
  throw new InvalidArgumentError(
    "limit",
    limit,
    `limit of ${stage} is ${shown(limit)}, expected { share }, { batches } or null`,
    {
      suggestions:
        typeof limit === "number"
          ? [`{ share: ${limit} } for a float of the original`, `{ batches: ${limit} } for an int`]
          : ["{ share: 0.5 } for half of the samples, { batches: 10 } for ten global batches"],
    },
  );
}
