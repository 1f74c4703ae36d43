/** Flags that the commands `train` and `finetune` have in common. */
import { boolean, integer, option, string } from "@oclif/core/flags";
import type { LimitBatches } from "../src/data/infer-samples.ts";
import type { RunModel } from "../src/train/config/run-kinds.ts";
import { defaultOf, type RunConfig, type RunConfigKey } from "../src/train/config/sections.ts";
import { DEVICE_FLAGS } from "./device-flags.ts";
import { number } from "./number-flag.ts";
import { TRAINER_FLAGS } from "./trainer-flags.ts";

export const DATA = { helpGroup: "DATA" };
export const MODEL = { helpGroup: "MODEL" };
export const STEPS = { helpGroup: "STEPS" };
const RESULTS = { helpGroup: "RESULTS" };

export interface TrainDefaults {
  readonly experimentName: string;
  readonly numSteps: number;
  readonly lr: number;
  readonly microBatchSize: number;
  /** What a micro-batch is of. */
  readonly samples: string;
  readonly valCheckInterval: number;
  readonly limitValBatches: number;
}

/** The defaults of a configuration that flags show, too. */
export function configDefaults(model: RunModel) {
  const numberOf = (key: RunConfigKey): number => Number(defaultOf(model, key));
  // proof: the default of such a field
  const limit = defaultOf(model, "training_config.limit_val_batches") as LimitBatches;
  return {
    experimentName: String(defaultOf(model, "experiment_config.experiment_name")),
    numSteps: numberOf("training_config.max_steps"),
    lr: numberOf("optim_config.lr"),
    microBatchSize: numberOf("data_config.micro_batch_size"),
    valCheckInterval: numberOf("training_config.val_check_interval"),
    limitValBatches: limit !== null && "batches" in limit ? limit.batches : 0,
  };
}

/** How the learning rate goes. */
export function scheduleFlags(model: RunModel) {
  const numberOf = (key: RunConfigKey): number => Number(defaultOf(model, key));
  const warmup = defaultOf(model, "optim_config.warmup_steps");
  return {
    "lr-scheduler": option({
      ...STEPS,
      options: ["warmup_anneal", "cosine", "constant"] as const,
      // proof: the default of such a field
      default: defaultOf(
        model,
        "optim_config.lr_scheduler",
      ) as RunConfig["optim_config"]["lr_scheduler"],
      summary: "How the learning rate goes.",
    })(),
    "warmup-steps": integer({
      ...STEPS,
      min: 0,
      summary: `Not of a cosine. Default ${warmup ?? "2000, but at most a tenth of the steps"}.`,
    }),
    "scheduler-num-steps": integer({ ...STEPS, min: 1, summary: "Default: --num-steps." }),
    "cosine-rampup-frac": number({
      ...STEPS,
      default: numberOf("optim_config.cosine_rampup_frac"),
      summary: "Share of the updates that warm up, of a cosine.",
    }),
    "cosine-hold-frac": number({
      ...STEPS,
      default: numberOf("optim_config.cosine_hold_frac"),
      summary: "Share of the updates, the last ones, at the least rate, of a cosine.",
    }),
  };
}

/** Of networks that are trained from the beginning. */
export const DROPOUT_FLAGS = {
  "hidden-dropout": number({ ...MODEL, summary: "Default: that of the published model." }),
  "attention-dropout": number({ ...MODEL, summary: "Default: that of the published model." }),
};

/** With the defaults of a model. */
export function trainFlags(defaults: TrainDefaults) {
  const { experimentName, numSteps, lr, microBatchSize, samples } = defaults;
  const { valCheckInterval, limitValBatches } = defaults;
  return {
    "restore-from-checkpoint-path": string({
      ...MODEL,
      summary: "Weights to begin with: a checkpoint, or a folder of transformers.",
    }),
    "num-steps": integer({ ...STEPS, min: 1, default: numSteps, summary: "Updates." }),
    lr: number({ ...STEPS, default: lr, summary: "Learning rate after the warm-up." }),
    "weight-decay": number({ ...STEPS, default: 0.01, summary: "Of matrices." }),
    "clip-grad": number({ ...STEPS, default: 1, summary: "Norm of gradients; 0 for no clipping." }),
    "micro-batch-size": integer({
      ...STEPS,
      min: 1,
      default: microBatchSize,
      summary: `${samples} run at a time; the original's default is 64.`,
    }),
    "accumulate-grad-batches": integer({
      ...STEPS,
      min: 1,
      default: 1,
      summary: "Micro-batches of an update.",
    }),
    "val-check-interval": integer({
      ...STEPS,
      min: 1,
      default: valCheckInterval,
      summary: "Updates between validations and checkpoints.",
    }),
    "limit-val-batches": string({
      ...STEPS,
      default: String(limitValBatches),
      summary: "Batches of a validation; a number with a point is a share of the data, 1.0 all.",
    }),
    seed: integer({ ...STEPS, min: 0, default: 42, summary: "Of order, masks and weights." }),
    ...DEVICE_FLAGS,
    "result-dir": string({ ...RESULTS, default: "results", summary: "Folder of runs." }),
    "experiment-name": string({
      ...RESULTS,
      default: experimentName,
      summary: "Folder of this run.",
    }),
    "resume-if-exists": boolean({ ...RESULTS, summary: "Go on with the run in that folder." }),
    "log-every-n-steps": integer({ ...RESULTS, min: 1, default: 10, summary: "Steps a line." }),
    "create-tensorboard-logger": boolean({ ...RESULTS, summary: "Write TensorBoard files, too." }),
    "disable-checkpointing": boolean({ ...RESULTS, summary: "Write no checkpoints." }),
    "save-top-k": integer({
      ...RESULTS,
      min: -1,
      default: 2,
      summary: "Best checkpoints to keep; -1 for all.",
    }),
    "save-last-checkpoint": boolean({
      ...RESULTS,
      default: true,
      allowNo: true,
      summary: "Keep the newest checkpoint as well.",
    }),
    "metric-to-monitor-for-checkpoints": string({
      ...RESULTS,
      default: "val_loss",
      summary: "What is best has the smallest of it, of accuracies and correlations the largest.",
    }),
    ...TRAINER_FLAGS,
  };
}
