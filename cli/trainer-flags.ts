/** Flags of every command that trains, about how its trainer goes and ends. */
import { boolean, integer, option, string } from "@oclif/core/flags";
import type { TrainingRunOptions } from "../src/train/training-run.ts";
import { number } from "./number-flag.ts";

const STOPPING = { helpGroup: "STOPPING" };
const STEPS = { helpGroup: "STEPS" };
const PROCESSES = { helpGroup: "PROCESSES", min: 1, default: 1 };
const one = { ...STEPS, min: 1, default: 1, hidden: true };

export const TRAINER_FLAGS = {
  "early-stop-on-step": integer({
    ...STOPPING,
    min: 1,
    summary: "End at this step, with the learning rates of --num-steps; go on with it later.",
  }),
  "early-stopping-patience": integer({
    ...STOPPING,
    min: 1,
    summary: "End after so many validations without an improvement. Default: never.",
  }),
  "early-stopping-monitor": string({
    ...STOPPING,
    default: "val_loss",
    summary: "The metric that is to improve.",
  }),
  "early-stopping-min-delta": number({
    ...STOPPING,
    default: 0,
    summary: "Less than this is no improvement.",
  }),
  "early-stopping-mode": option({
    ...STOPPING,
    options: ["min", "max"] as const,
    default: "min",
    summary: "Whether a smaller or a larger value is better.",
  })(),
  "loss-reduction": option({
    ...STEPS,
    options: ["global", "micro-batch"] as const,
    default: "global",
    summary: "Mean over the tokens of the update, or of the means of its micro-batches as BioNeMo.",
  })(),
  "profile-step": integer({
    ...STEPS,
    min: 1,
    summary: "Measure forward and backward pass after this step.",
  }),
  "ckpt-async-save": boolean({
    helpGroup: "RESULTS",
    default: true,
    allowNo: true,
    summary: "Write checkpoints beside the steps.",
  }),
  "num-gpus": integer({
    ...PROCESSES,
    aliases: ["devices"],
    summary:
      "Processes of a machine, as mpirun or torchrun starts them: another number is an error.",
  }),
  "num-nodes": integer({ ...PROCESSES, summary: "Machines, likewise." }),
  "shard-optimizer": boolean({
    helpGroup: "PROCESSES",
    summary: "Each process keeps the optimizer's state of a part of the weights (ZeRO-1).",
  }),
  "tensor-model-parallel-size": integer(one),
  "pipeline-model-parallel-size": integer(one),
};

/** Flags of {@link TRAINER_FLAGS} as they are parsed. */
export interface ParsedTrainerFlags {
  readonly "early-stop-on-step": number | undefined;
  readonly "early-stopping-patience": number | undefined;
  readonly "early-stopping-monitor": string;
  readonly "early-stopping-min-delta": number;
  readonly "early-stopping-mode": "min" | "max";
  readonly "loss-reduction": "global" | "micro-batch";
  readonly "profile-step": number | undefined;
  readonly "ckpt-async-save": boolean;
  readonly "num-gpus": number;
  readonly "num-nodes": number;
  readonly "shard-optimizer": boolean;
  readonly "tensor-model-parallel-size": number;
  readonly "pipeline-model-parallel-size": number;
}

/** What they say to a program that trains. */
export function trainerOptions(flags: ParsedTrainerFlags) {
  const patience = flags["early-stopping-patience"];
  const lastStep = flags["early-stop-on-step"];
  const profileStep = flags["profile-step"];
  return {
    ...(lastStep === undefined ? {} : { earlyStopOnStep: lastStep }),
    ...(patience === undefined
      ? {}
      : {
          earlyStopping: {
            patience,
            monitor: flags["early-stopping-monitor"],
            minDelta: flags["early-stopping-min-delta"],
            mode: flags["early-stopping-mode"],
          },
        }),
    ...(profileStep === undefined ? {} : { profileStep }),
    lossReduction: flags["loss-reduction"],
    asyncSave: flags["ckpt-async-save"],
    devices: flags["num-gpus"],
    numNodes: flags["num-nodes"],
    shardOptimizer: flags["shard-optimizer"],
    tensorModelParallelSize: flags["tensor-model-parallel-size"],
    pipelineModelParallelSize: flags["pipeline-model-parallel-size"],
  } satisfies TrainingRunOptions<never>;
}
