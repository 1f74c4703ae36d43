/** Flags of every command that trains, about how its trainer goes and ends. */
import { boolean, integer, option, string } from "@oclif/core/flags";
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
    options: ["auto", "min", "max"] as const,
    default: "auto",
    summary: "Which value is better; auto: of accuracies and correlations the larger.",
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
  "rank-timeout": integer({
    ...PROCESSES,
    min: 1,
    default: 600,
    summary:
      "Seconds that processes wait for another one, when they meet and later, before they end and say which it is.",
  }),
  "shard-optimizer": boolean({
    helpGroup: "PROCESSES",
    summary: "Each process keeps the optimizer's state of a part of the weights (ZeRO-1).",
  }),
  "tensor-model-parallel-size": integer(one),
  "pipeline-model-parallel-size": integer(one),
};
