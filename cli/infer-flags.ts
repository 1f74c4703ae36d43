/** Flags that the commands `infer` have in common, and the options they stand for. */
import { boolean, integer, option, string } from "@oclif/core/flags";
import type { InferenceOutput } from "../src/infer/inference-outputs.ts";
import { outputName } from "./output-name.ts";
import { given } from "./train-flags.ts";

const OUTPUTS = { helpGroup: "OUTPUT" };

/** `rows` are what a row is of: "proteins". */
export function inferFlags(rows: string) {
  return {
    "checkpoint-path": string({
      required: true,
      summary: "A run's folder, a checkpoint, or a folder of transformers.",
    }),
    "results-path": string({ required: true, summary: "The folder to write." }),
    "include-embeddings": boolean({ ...OUTPUTS, summary: "The mean of hidden states." }),
    "include-hiddens": boolean({ ...OUTPUTS, summary: "Hidden states of every token." }),
    "include-logits": boolean({ ...OUTPUTS, summary: "Logits of every token." }),
    "include-input-ids": boolean({ ...OUTPUTS, summary: "The tokens." }),
    "include-predictions": boolean({ ...OUTPUTS, summary: "What a fine-tuned head gives out." }),
    format: option({
      ...OUTPUTS,
      options: ["safetensors", "parquet", "npy"] as const,
      default: "safetensors" as const,
      summary: "One file of tensors, one of rows, or a file for each output.",
    })(),
    "prediction-interval": option({
      ...OUTPUTS,
      aliases: ["write-interval"],
      options: ["epoch", "batch"] as const,
      default: "epoch" as const,
      summary: "All rows together, or files of --micro-batch-size rows.",
    })(),
    "micro-batch-size": integer({ min: 1, default: 8, summary: `${rows} run at a time.` }),
    threads: integer({ min: 1, summary: "Default: what the machine offers." }),
    overwrite: boolean({ ...OUTPUTS, summary: "Replace results that are there." }),
  };
}

interface ParsedInferFlags {
  readonly "checkpoint-path": string;
  readonly "results-path": string;
  readonly "include-embeddings": boolean;
  readonly "include-hiddens": boolean;
  readonly "include-logits": boolean;
  readonly "include-input-ids": boolean;
  readonly "include-predictions": boolean;
  readonly format: "safetensors" | "parquet" | "npy";
  readonly "prediction-interval": "epoch" | "batch";
  readonly "micro-batch-size": number;
  readonly threads: number | undefined;
  readonly overwrite: boolean;
}

/** What they say, but for the outputs. */
export function inferOptions(flags: ParsedInferFlags) {
  return {
    ...given({ threads: flags.threads }),
    checkpointPath: flags["checkpoint-path"],
    resultsPath: outputName("results-path", flags["results-path"]),
    format: flags.format,
    predictionInterval: flags["prediction-interval"],
    microBatchSize: flags["micro-batch-size"],
    overwrite: flags.overwrite,
  };
}

/** None where the outputs are left to the model. */
export function chosenOutputs(flags: ParsedInferFlags): {
  readonly outputs?: readonly InferenceOutput[];
} {
  const chosen: InferenceOutput[] = [];
  if (flags["include-predictions"]) chosen.push("predictions");
  if (flags["include-embeddings"]) chosen.push("embeddings");
  if (flags["include-hiddens"]) chosen.push("hidden_states");
  if (flags["include-logits"]) chosen.push("token_logits");
  if (flags["include-input-ids"]) chosen.push("input_ids");
  return chosen.length === 0 ? {} : { outputs: chosen };
}
