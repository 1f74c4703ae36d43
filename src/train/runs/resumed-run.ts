import { IncompatibleError } from "../../../formats/common/errors.ts";
import type { OptimizerSettings, ParameterState } from "../../tensor/index.ts";
import { openCheckpoint } from "../checkpoints/checkpoint.ts";
import type { TrainerState } from "../checkpoints/trainer-file.ts";
import { loadTensors, storedMoments } from "../checkpoints/training-weights.ts";
import type { OptimizerShards } from "../ranks/optimizer-shards.ts";
import type { Replicas } from "../ranks/replicas.ts";
import type { RunProgress } from "../run-progress.ts";
import type { TrainerOptions } from "../trainer-options.ts";

export interface ResumedRun extends Pick<TrainerState, "step" | "epoch" | "consumedSamples"> {
  readonly progress: RunProgress;
  /** What differs from the run that wrote the checkpoint and may. */
  readonly notes: readonly string[];
}

/** A run that all ranks go on with. */
export interface FoundRun extends ResumedRun {
  readonly path: string;
}

interface ResumeOptions<B>
  extends Pick<TrainerOptions<B>, "model" | "data" | "optimizer" | "schedule" | "maxSteps"> {
  readonly state: ParameterState;
  readonly seed: number;
}

/**
 * Reads a checkpoint into the state and the data module: rank 0 does, and the others take it over.
 * Without a checkpoint (null) they take its initial weights.
 *
 * @throws IncompatibleError for one of another model, other data, another seed or behind `maxSteps`
 */
export async function resumeRun<B>(
  path: string | null,
  options: ResumeOptions<B> & {
    readonly replicas: Replicas;
    readonly shards: OptimizerShards | null;
  },
): Promise<FoundRun | null> {
  const { replicas, shards, state, data, optimizer } = options;
  const kinds = shards === null ? momentsOf(optimizer) : [];
  const found = await replicas.fromFirst(async () => {
    if (path === null) return null;
    return { run: { path, ...(await openRun(path, options, kinds)) }, data: data.state() };
  });
  await replicas.takeFromFirst(state, ["values", ...(found === null ? [] : kinds)]);
  if (found === null) return null;
  if (shards !== null) await handOut(path, shards, state, momentsOf(optimizer));
  if (!replicas.isFirst) data.loadState(found.data);
  return found.run;
}

/** @param path Rank 0's; the others need none. */
async function handOut(
  path: string | null,
  shards: OptimizerShards,
  state: ParameterState,
  kinds: readonly ("first" | "second")[],
): Promise<void> {
  if (path === null) {
    await shards.handOut(state, kinds, () => new Float32Array(0));
    return;
  }
  using checkpoint = openCheckpoint(path);
  await shards.handOut(state, kinds, (kind, name) => storedMoments(checkpoint, kind, name));
}

/** @param kinds moments to read into the state */
async function openRun<B>(
  path: string,
  options: ResumeOptions<B>,
  kinds: readonly ("first" | "second")[],
): Promise<ResumedRun> {
  const { model, data, state, seed, maxSteps } = options;
  using checkpoint = openCheckpoint(path);
  const { trainer } = checkpoint;
  const random = trainer.random as { readonly seed?: unknown } | null; // proof: only seed is read
  if (random?.seed !== seed) {
    throw new IncompatibleError(
      "other-seed",
      `${path}: the run has seed ${String(random?.seed)}, this one ${seed}`,
      { suggestions: ["use the same seed, or another folder"] },
    );
  }
  if (trainer.step > maxSteps) {
    throw new IncompatibleError(
      "state-run-ended",
      `${path}: the run is at step ${trainer.step}, and is to end at ${maxSteps}`,
      { suggestions: [`more than ${trainer.step} steps (maxSteps, --num-steps)`] },
    );
  }
  await loadTensors(state, model, checkpoint, kinds);
  data.loadState(trainer.data);
  const { step, epoch, consumedSamples, metrics } = trainer;
  const progress = trainer.progress ?? { metrics, validationDue: false, earlyStopping: null };
  return { step, epoch, consumedSamples, progress, notes: scheduleNotes(options, progress, step) };
}

/** A longer run may have another schedule: the one thing that is not as if it had been so long before. */
function scheduleNotes<B>(
  { schedule }: ResumeOptions<B>,
  { metrics }: RunProgress,
  step: number,
): readonly string[] {
  const was = metrics["lr"];
  if (was === undefined || step === 0) return [];
  const is = schedule(step - 1);
  if (is === was) return [];
  return [
    `the schedule is another one: step ${step} had learning rate ${was.toPrecision(4)}, by this one ` +
      `it is ${is.toPrecision(4)}`,
  ];
}

/** Which moments an optimizer keeps. */
export function momentsOf(optimizer: OptimizerSettings): readonly ("first" | "second")[] {
  if (optimizer.kind !== "sgd") return ["first", "second"];
  return (optimizer.momentum ?? 0) === 0 ? [] : ["first"];
}
