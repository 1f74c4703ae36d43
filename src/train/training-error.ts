import { ScdlError } from "../../formats/common/errors.ts";
import { RankError, type RankErrorCode } from "../distributed/communicator.ts";
import type { ParameterSpec } from "../models/model.ts";
import type { CheckpointFiles } from "./checkpoints/checkpoint-files.ts";
import type { CheckpointSaver } from "./checkpoints/checkpoint-saver.ts";
import { smallerModel, smallerSteps } from "./smaller.ts";

export type TrainingErrorCode = "loss-not-finite" | "data-ended" | "out-of-memory";

/** Training cannot go on: `loss-not-finite`, `data-ended`, `out-of-memory`. The weights are those of `step`. */
export class TrainingError extends ScdlError {
  /** Updates done before. */
  readonly step: number;
  /** The newest checkpoint; null without one. */
  readonly checkpoint: string | null;

  constructor(
    code: TrainingErrorCode,
    message: string,
    details: {
      readonly step: number;
      readonly checkpoint: string | null;
      readonly suggestions?: readonly string[];
      readonly cause?: unknown;
    },
  ) {
    const { step, checkpoint } = details;
    const suggestions = [...(details.suggestions ?? []), whereToGoOn(checkpoint)];
    super(code, message, { suggestions, cause: details.cause });
    this.step = step;
    this.checkpoint = checkpoint;
  }
}

/** What there is to be said of a run that cannot go on. */
export interface StoppedRun {
  readonly step: number;
  readonly checkpoints: CheckpointFiles | undefined;
  readonly saver: CheckpointSaver | null;
  readonly microBatchSize: number | undefined;
  readonly parameters: readonly ParameterSpec[];
  /** They are on the device: the steps are what does not fit. */
  readonly hasWeights: boolean;
}

export async function dataEnded({ step, saver }: StoppedRun): Promise<TrainingError> {
  await saver?.settle();
  const given = { step, checkpoint: saver?.newest ?? null };
  return new TrainingError("data-ended", "the training data has ended", given);
}

/** @param what e.g. "the loss of step 3 is NaN" */
export async function lossNotFinite(what: string, run: StoppedRun): Promise<TrainingError> {
  const { step, saver } = run;
  await saver?.settle();
  const suggestions = [
    "a smaller learning rate (--lr), a longer warm-up (--warmup-steps), or clipping (--clip-grad)",
    ...beforeThisStep(run),
  ];
  const given = { step, checkpoint: saver?.newest ?? null, suggestions };
  const message = `${what}: training stopped after step ${step}`;
  return new TrainingError("loss-not-finite", message, given);
}

/** Of `fit()` when its trainer is closed before it is through. */
export function trainerClosed(): ScdlError {
  return new ScdlError("closed", "the trainer was closed while it trained", {
    suggestions: ["wait for fit() before it is closed; a signal ends it with a checkpoint"],
  });
}

/** The same error with the newest checkpoint among its suggestions; only rank 0 knows it. */
export function ranksApart(error: RankError, { saver }: StoppedRun): RankError {
  if (saver === null) return error;
  const { code, rank, message, suggestions } = error;
  return new RankError(code as RankErrorCode, rank, message, {
    cause: error,
    suggestions: [...suggestions, whereToGoOn(saver.newest)],
  });
}

/** @param missing an error of the code "out-of-memory" */
export async function memoryMissing(missing: ScdlError, run: StoppedRun): Promise<TrainingError> {
  const { step, saver, microBatchSize, parameters, hasWeights } = run;
  await saver?.settle();
  const what = hasWeights ? `step ${step + 1}` : "the weights";
  const message = `${missing.message}, for ${what}: training stopped after step ${step}`;
  const suggestions = hasWeights ? smallerSteps(microBatchSize) : smallerModel(parameters);
  const checkpoint = saver?.newest ?? null;
  return new TrainingError("out-of-memory", message, {
    ...{ step, checkpoint, suggestions, cause: missing },
  });
}

function whereToGoOn(checkpoint: string | null): string {
  return checkpoint === null ? "no checkpoint was written" : `go on from ${checkpoint}`;
}

/** A checkpoint of the weights that the loss is of may be as bad as it. */
function beforeThisStep({ step, saver, checkpoints }: StoppedRun): readonly string[] {
  const kept = saver === null ? [] : (checkpoints?.list() ?? []);
  const [before, newest] = kept.slice(-2);
  if (before === undefined || newest?.step !== step) return [];
  return [`if it is not the data, remove ${newest.path}, and go on from ${before.path}`];
}
