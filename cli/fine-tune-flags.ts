/** Flags that the commands `finetune` have in common. */
import { boolean, integer, string } from "@oclif/core/flags";
import { number } from "./number-flag.ts";
import { MODEL, STEPS } from "./train-flags.ts";

const HEAD = { helpGroup: "HEAD" };

export const FINE_TUNE_FLAGS = {
  "encoder-frozen": boolean({ ...MODEL, summary: "Train the head alone." }),
  "keep-head": boolean({
    ...MODEL,
    summary: "Begin with the head of the weights, too, where they have one.",
  }),
  "scale-lr-layer": string({
    ...STEPS,
    summary: "Parameters with this in their name have the learning rate times --lr-multiplier.",
  }),
  "lr-multiplier": number({ ...STEPS, default: 1, summary: "See --scale-lr-layer." }),
  "mlp-ft-dropout": number({ ...HEAD, default: 0.25, summary: "Of a head on sequences." }),
  "mlp-hidden-size": integer({ ...HEAD, min: 1, default: 256, summary: "Its inner width." }),
  "mlp-target-size": integer({
    ...HEAD,
    min: 1,
    summary: "Its outputs. Default: the number of classes, 1 for a regression.",
  }),
  "lora-finetune": boolean({ ...MODEL, hidden: true }),
  "lora-checkpoint-path": string({ ...MODEL, hidden: true }),
};

/** Of heads on tokens. */
export const TOKEN_HEAD_FLAGS = {
  "cnn-dropout": number({ ...HEAD, default: 0.25, summary: "Of a head on tokens." }),
  "cnn-hidden-size": integer({ ...HEAD, min: 1, default: 32, summary: "Its inner channels." }),
  "cnn-num-classes": integer({
    ...HEAD,
    min: 1,
    summary: "Its outputs. Default: the number of classes.",
  }),
};
