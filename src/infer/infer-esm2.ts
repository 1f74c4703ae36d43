import { openModel } from "../models/index.ts";
import { otherNetwork } from "../train/checkpoints/other-network.ts";
import { findWeights } from "../train/checkpoints/training-weights.ts";
import { runConfigYaml } from "../train/config/config-file.ts";
import { configOfOptions, runOptions } from "../train/config/run-options.ts";
import { type InferenceOutput, outputsOf } from "./inference-outputs.ts";
import { ProteinTokens } from "./protein-tokens.ts";
import { type InferenceOptions, type InferenceResult, runInference } from "./run-inference.ts";

export interface InferEsm2Options extends InferenceOptions {
  /** Proteins, as `trainEsm2()` reads `data`: files, stores, shards, or several of them. */
  readonly dataPath: string | readonly string[];
  /** Default: what the head gives out, of a model without one the embeddings. */
  readonly outputs?: readonly InferenceOutput[];
  /** Most tokens of a protein; what lies behind is left out. Default 1024. */
  readonly maxSeqLength?: number;
}

export interface InferredEsm2 extends Omit<InferenceResult, "rows"> {
  readonly proteins: number;
}

/**
 * Runs ESM-2, also a fine-tuned one, over proteins and writes in the order of the input: `embeddings`
 * [proteins, hidden], the mean over residues; `hidden_states` and `token_logits` [proteins, longest,
 * ...] with zeros behind the end of shorter ones; `input_ids` [proteins, longest]; `regression_output`
 * [proteins, 1]; `classification_output` [proteins, classes], or [proteins, longest, classes] of a
 * head on tokens; `lengths` [proteins] in tokens. Memory does not grow with the outputs.
 *
 * @throws StorageError when results are there, IncompatibleError for another model,
 *   InvalidArgumentError for an output that it does not have
 */
export async function inferEsm2(given: InferEsm2Options): Promise<InferredEsm2> {
  const said = configOfOptions("esm2-infer", { ...given }, {});
  const options = { ...given, ...runOptions("esm2-infer", said) };
  const config = runConfigYaml(said, "esm2-infer");
  const { checkpointPath, dataPath, signal } = options;
  const { onPreparation: onProgress } = options;
  const model = openModel(findWeights(checkpointPath));
  const network = "backbone" in model ? model.backbone : model;
  if (network.name !== "esm2") {
    throw otherNetwork(checkpointPath, "an ESM-2", model.name);
  }
  const outputs = outputsOf(model, options.outputs);
  const open = () =>
    ProteinTokens.open(dataPath, said.data_config.max_seq_length, { signal, onProgress });
  const { rows, ...result } = await runInference(model, open, outputs, { ...options, config });
  return { ...result, proteins: rows };
}
