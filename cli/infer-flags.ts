/** Flags of the commands `infer`, and the options they stand for. */
import { boolean, integer, option, string } from "@oclif/core/flags";
import type { InferenceOutput } from "../src/infer/inference-outputs.ts";
import type { RunOptions } from "../src/train/config/run-options.ts";
import { CONFIG_FLAGS, commandConfig, type FlagKey, type ParsedFlags } from "./config-flags.ts";
import { DEVICE_FLAGS } from "./device-flags.ts";
import { outputName } from "./output-name.ts";

const OUTPUTS = { helpGroup: "OUTPUT" };

/** `rows` are what a row is of: "proteins". */
export function inferFlags(rows: string) {
  return {
    "checkpoint-path": string({
      summary: "A run's folder, a checkpoint, or a folder of transformers.",
    }),
    "results-path": string({ summary: "The folder to write." }),
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
    ...DEVICE_FLAGS,
    ...CONFIG_FLAGS,
    overwrite: boolean({ ...OUTPUTS, summary: "Replace results that are there." }),
  };
}

interface OutputFlags {
  readonly "include-embeddings": boolean;
  readonly "include-hiddens": boolean;
  readonly "include-logits": boolean;
  readonly "include-input-ids": boolean;
  readonly "include-predictions": boolean;
}

/** What the flags of `infer` are in a configuration. */
const INFER_KEYS: Readonly<Record<string, FlagKey>> = {
  "checkpoint-path": "bionemo_model_config.initial_ckpt_path",
  "results-path": "inference_config.results_path",
  outputs: "inference_config.outputs",
  format: "inference_config.format",
  "prediction-interval": "inference_config.prediction_interval",
  "micro-batch-size": "data_config.micro_batch_size",
  device: "training_config.device",
  precision: "training_config.precision",
  deterministic: "training_config.deterministic",
  tf32: "training_config.tf32",
  libtorch: "training_config.libtorch",
  threads: "training_config.threads",
};

export const INFER_ESM2_KEYS: Readonly<Record<string, FlagKey>> = {
  ...INFER_KEYS,
  "data-path": "data_config.data",
  "max-seq-length": "data_config.max_seq_length",
};

export const INFER_GENEFORMER_KEYS: Readonly<Record<string, FlagKey>> = {
  ...INFER_KEYS,
  "data-dir": "data_config.data",
  medians: "data_config.medians",
  vocab: "data_config.vocab",
  genes: "data_config.genes",
  matrix: "data_config.matrix",
  "include-unrecognized-vocab-in-dataset": "data_config.include_unrecognized_vocab_in_dataset",
  "seq-length": "data_config.seq_length",
};

/** The options that file, flags and `--set` stand for. @throws as `commandConfig()` */
export async function inferOptions<M extends "esm2-infer" | "geneformer-infer">(
  model: M,
  parsed: ParsedFlags & { readonly flags: OutputFlags },
  options: {
    readonly keys: Readonly<Record<string, FlagKey>>;
    readonly onWarning: (message: string) => void;
  },
): Promise<RunOptions[M]> {
  const outputs = chosenOutputs(parsed.flags);
  const flags = { ...parsed.flags, ...(outputs.length > 0 ? { outputs } : {}) };
  const config = await commandConfig(model, { ...parsed, flags }, options);
  outputName("results-path", config.inference_config.results_path ?? "");
  const { runOptions } = await import("../src/train/config/run-options.ts");
  return runOptions(model, config);
}

/** None where the outputs are left to the model. */
function chosenOutputs(flags: OutputFlags): readonly InferenceOutput[] {
  const chosen: InferenceOutput[] = [];
  if (flags["include-predictions"]) chosen.push("predictions");
  if (flags["include-embeddings"]) chosen.push("embeddings");
  if (flags["include-hiddens"]) chosen.push("hidden_states");
  if (flags["include-logits"]) chosen.push("token_logits");
  if (flags["include-input-ids"]) chosen.push("input_ids");
  return chosen;
}
