import { ScdlError, StorageError, type StorageErrorCode } from "../../formats/common/errors.ts";
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
  /** The newest checkpoint; null without one, and on ranks other than 0. */
  readonly checkpoint: string | null;

  constructor(
    code: TrainingErrorCode,
    message: string,
    details: {
      readonly step: number;
      readonly checkpoint: string | null;
      /** Another rank writes them, and knows. Default false. */
      readonly isElsewhere?: boolean;
      readonly suggestions?: readonly string[];
      readonly cause?: unknown;
    },
  ) {
    const { step, checkpoint, isElsewhere = false } = details;
    const where = isElsewhere ? WITH_RANK_0 : whereToGoOn(checkpoint);
    const suggestions = [...(details.suggestions ?? []), where];
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
  readonly worldSize: number;
  /** Rank 0: writes the checkpoints. */
  readonly isFirst: boolean;
}

export async function dataEnded(run: StoppedRun): Promise<TrainingError> {
  const given = await placeOfEnd(run);
  return new TrainingError("data-ended", "the training data has ended", given);
}

/**
 * @param what e.g. "the loss of step 3 is NaN"
 * @param ranks on which it is; none where it is not known
 */
export async function lossNotFinite(
  what: string,
  ranks: readonly number[],
  run: StoppedRun,
): Promise<TrainingError> {
  const { step } = run;
  const place = await placeOfEnd(run);
  const suggestions = [
    "a smaller learning rate (--lr), a longer warm-up (--warmup-steps), or clipping (--clip-grad)",
    ...beforeThisStep(run),
  ];
  const message = `${what}${onRanks(ranks, run.worldSize)}: training stopped after step ${step}`;
  return new TrainingError("loss-not-finite", message, { ...place, suggestions });
}

/** Of all ranks it is the weights, of one its data or its machine. */
function onRanks(ranks: readonly number[], worldSize: number): string {
  if (ranks.length === 0) return "";
  if (ranks.length === worldSize) return ", on all ranks";
  const sorted = [...ranks].sort((a, b) => a - b);
  return sorted.length === 1 ? `, on rank ${sorted[0]}` : `, on ranks ${sorted.join(", ")}`;
}

/** Once the checkpoint in progress is whole. */
async function placeOfEnd({ step, saver, checkpoints, isFirst }: StoppedRun) {
  await saver?.settle();
  const isElsewhere = !isFirst && checkpoints !== undefined;
  return { step, checkpoint: saver?.newest ?? null, isElsewhere };
}

/** {@link withPlace} of a run that has ended; only rank 0 knows it. */
export async function notStored(error: StorageError, { saver }: StoppedRun): Promise<StorageError> {
  if (saver === null) return error;
  await saver.settle();
  return withPlace(error, saver.newest);
}

/** The same error, of a full disk, with what there is to go on from once there is room again. */
export function withPlace(error: StorageError, checkpoint: string | null): StorageError {
  const { path, message, suggestions, code } = error;
  const where = whereToGoOn(checkpoint);
  const how = checkpoint === null ? "" : ": the same command with --resume-if-exists";
  // proof: a StorageError has a code of its own
  return new StorageError(code as StorageErrorCode, message.slice(path.length + 2), {
    ...{ path, cause: error, suggestions: [...suggestions, `${where}${how}`] },
  });
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
  const { step, microBatchSize, parameters, hasWeights } = run;
  const place = await placeOfEnd(run);
  const what = hasWeights ? `step ${step + 1}` : "the weights";
  const message = `${missing.message}, for ${what}: training stopped after step ${step}`;
  const suggestions = hasWeights ? smallerSteps(microBatchSize) : smallerModel(parameters);
  return new TrainingError("out-of-memory", message, { ...place, suggestions, cause: missing });
}

const WITH_RANK_0 = "rank 0 writes the checkpoints: its error says where to go on from";

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
