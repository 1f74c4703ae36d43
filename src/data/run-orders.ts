import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { ResampledSampler } from "../sampling/resampled-sampler.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { SequentialSampler } from "../sampling/sequential-sampler.ts";
import { inferNumSamples, type LimitBatches } from "./infer-samples.ts";
import { RunSampler } from "./run-sampler.ts";

/**
 * The training order of BioNeMo's data modules: `maxSteps * globalBatchSize` samples in one sequence
 * over as many epochs as it takes, each in the order of its resampler.
 * @param epochs another order of an epoch, e.g. a weighted one.
 * @throws InvalidArgumentError unless `maxSteps` is a positive integer.
 */
export function trainingOrder(
  items: number,
  maxSteps: number | undefined,
  globalBatchSize: number,
  seed: number,
  epochs: Sampler = new ResampledSampler(items, { seed }),
): Sampler {
  assertSteps(maxSteps);
  return new RunSampler(epochs, maxSteps * globalBatchSize);
}

/** @throws InvalidArgumentError unless it is a positive integer. */
export function assertSteps(maxSteps: number | undefined): asserts maxSteps is number {
  if (maxSteps !== undefined && Number.isSafeInteger(maxSteps) && maxSteps > 0) return;
  const message = "Please specify maxSteps, a positive integer";
  throw new InvalidArgumentError("maxSteps", maxSteps, message);
}

export interface EvaluationOrder {
  readonly limit: LimitBatches | undefined;
  readonly globalBatchSize: number;
  readonly stage: "val" | "test";
  /** In the order of the resampler with this seed. Default null: as stored. */
  readonly shuffleSeed?: number | null;
}

/** The samples of a validation or test run. @throws as `inferNumSamples` */
export function evaluationOrder(items: number, options: EvaluationOrder): Sampler {
  const { limit = null, globalBatchSize, stage, shuffleSeed = null } = options;
  const samples = inferNumSamples(limit, items, globalBatchSize, stage);
  const epochs =
    shuffleSeed === null
      ? new SequentialSampler(items)
      : new ResampledSampler(items, { seed: shuffleSeed });
  return new RunSampler(epochs, samples);
}
