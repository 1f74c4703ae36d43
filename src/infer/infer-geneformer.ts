import { Geneformer, openModel } from "../models/index.ts";
import { otherNetwork } from "../train/checkpoints/other-network.ts";
import { findWeights } from "../train/checkpoints/training-weights.ts";
import { runConfigYaml } from "../train/config/config-file.ts";
import { expandPaths } from "../train/config/expand-paths.ts";
import { configOfOptions, runOptions } from "../train/config/run-options.ts";
import { cutToPositions } from "../train/data/cut-to-positions.ts";
import { openCellTokens } from "./cell-tokens.ts";
import { type InferenceOutput, outputsOf } from "./inference-outputs.ts";
import { type InferenceOptions, type InferenceResult, runInference } from "./run-inference.ts";

export interface InferGeneformerOptions extends InferenceOptions {
  /** SCDL data sets, h5ad and 10x files, tokens, shards, or folders of such, as `trainGeneformer()`. */
  readonly dataDir: string | readonly string[];
  /** Default: what the head gives out, of a model without one the embeddings. */
  readonly outputs?: readonly InferenceOutput[];
  /** Most genes of a cell. Default: the model's positions, at most 2048. */
  readonly seqLength?: number;
  /** For h5ad files: `raw` (default), `X` or `layers/NAME`. */
  readonly matrix?: string;
  /** Medians of genes. Default: those in the checkpoint, or in or beside the data. */
  readonly medians?: string;
  /** The vocabulary. Default: that beside the medians. */
  readonly vocab?: string;
  /** Var column with Ensembl ids. Default: the first there is of feature_id, ensembl_id, the index. */
  readonly genes?: string;
  /** A gene without token is an error, not left out. Default false. */
  readonly includeUnrecognizedVocabInDataset?: boolean;
  /** Hears of cells that are cut, and of medians that the model was not trained with. */
  readonly onWarning?: (message: string) => void;
}

export interface InferredGeneformer extends Omit<InferenceResult, "rows"> {
  readonly cells: number;
}

/**
 * Runs Geneformer, also a fine-tuned one, over cells, unmasked, and writes in their order what
 * `inferEsm2()` writes of proteins. A checkpoint of `trainGeneformer()` has the medians and the
 * vocabulary it was trained with.
 *
 * @throws StorageError when results are there, IncompatibleError for another model or vocabulary,
 *   NotFoundError without medians
 */
export async function inferGeneformer(all: InferGeneformerOptions): Promise<InferredGeneformer> {
  const { onWarning, ...given } = all;
  const said = configOfOptions("geneformer-infer", { ...given }, {});
  const options = { ...given, ...runOptions("geneformer-infer", said) };
  const { checkpointPath, dataDir, includeUnrecognizedVocabInDataset, signal } = options;
  const { medians, vocab, genes, matrix } = options;
  const weights = findWeights(checkpointPath);
  const model = openModel(weights);
  const network = "backbone" in model ? model.backbone : model;
  if (!(network instanceof Geneformer)) {
    throw otherNetwork(checkpointPath, "a Geneformer", model.name);
  }
  const { maxPositions, vocabSize } = network.settings;
  const cut = cutToPositions(said, maxPositions, given.seqLength !== undefined, onWarning);
  const config = runConfigYaml(cut, "geneformer-infer");
  const outputs = outputsOf(model, options.outputs);
  const open = (folder: string) =>
    openCellTokens(expandPaths(dataDir), {
      ...{ medians, vocab, genes, matrix, includeUnrecognizedVocabInDataset, signal, vocabSize },
      maxLength: cut.data_config.seq_length,
      weights,
      restored: { path: weights, settings: network.settings },
      onWarning,
      folder,
      onProgress: options.onPreparation,
    });
  const { rows, ...result } = await runInference(model, open, outputs, { ...options, config });
  return { ...result, cells: rows };
}
