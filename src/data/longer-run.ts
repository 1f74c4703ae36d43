import { IncompatibleError } from "../../formats/common/errors.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { RunSampler } from "./run-sampler.ts";

interface Place {
  readonly sampler: Readonly<Record<string, unknown>>;
  readonly globalBatchSize: number;
  readonly nBatches: number;
}

/**
 * The state of a run of another number of samples as one of this run: the order of a longer run begins
 * with that of a shorter one, so a batch of the one is that of the other. Any other state stays as it
 * is, for the checks that follow.
 *
 * @throws IncompatibleError "state-run-ended" for a place behind the end of this run
 */
export function asStateOfRun(
  state: Record<string, unknown>,
  sampler: Sampler,
  { sampler: expected, globalBatchSize, nBatches }: Place,
): Record<string, unknown> {
  const described = state["sampler"];
  if (!(sampler instanceof RunSampler) || typeof described !== "object" || described === null) {
    return state;
  }
  const samples: unknown = "samples" in described ? described.samples : undefined;
  const { epoch, batch } = state;
  const isOtherRun =
    isCount(samples) &&
    samples !== sampler.length &&
    isCount(epoch) &&
    isCount(batch) &&
    state["globalBatchSize"] === globalBatchSize;
  // A last batch that is not full holds other rows in a longer run.
  if (!isOtherRun || samples % globalBatchSize !== 0) return state;
  // The end of a run is the beginning of its next epoch.
  if (epoch > 1 || (epoch === 1 && batch > 0)) return state;
  const at = epoch === 1 ? samples / globalBatchSize : batch;
  if (at > nBatches) {
    throw new IncompatibleError(
      "state-run-ended",
      `the state stands behind ${at} batches, this run has ${nBatches}`,
      { suggestions: [`make the run longer than ${at} steps (maxSteps, --num-steps)`] },
    );
  }
  return { ...state, sampler: { ...described, samples: expected["samples"] }, epoch: 0, batch: at };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
