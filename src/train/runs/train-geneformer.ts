import { existsSync } from "node:fs";
import { join } from "node:path";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { isSwitchedOff } from "../../data/infer-samples.ts";
import { firstRankFirst } from "../../distributed/communicator.ts";
import { placeAmong } from "../../distributed/place.ts";
import { MEDIANS_FILE } from "../../gene-tokens/gene-dictionaries.ts";
import type { GeneformerBatch } from "../../gene-tokens/geneformer-data-module.ts";
import type { CellEnds, CellVocabulary } from "../../gene-tokens/masked-cells.ts";
import { MaskedCellsDataModule } from "../../gene-tokens/masked-cells-data-module.ts";
import {
  Geneformer,
  type GeneformerConfig,
  type GeneformerLayout,
  geneformerConfig,
} from "../../models/index.ts";
import { findWeights } from "../checkpoints/training-weights.ts";
import { keptConfig } from "../config/config-file.ts";
import { expandPaths } from "../config/expand-paths.ts";
import {
  configOfOptions,
  type RunOptions,
  runOptions,
  sizesOf,
  withSizes,
} from "../config/run-options.ts";
import type { RunConfig } from "../config/sections.ts";
import { type OpenCellsOptions, openCellData } from "../data/cell-data.ts";
import { trainIn } from "../data/data-dir.ts";
import type { PreparationProgress } from "../data/preparation.ts";
import { folderOfWeights } from "../data/same-dictionaries.ts";
import { type RunScheduleOptions, stepsOf } from "./run-schedule.ts";
import {
  batchOfUpdate,
  modelOfWeights,
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";

/** As BioNeMo's program has it, which keeps more of the masked genes than its data module does. */
const RANDOM_TOKEN_PROB = 0.02;
/** The embedding has a multiple of this many rows. */
const EMBEDDING_STEP = 128;

/** Sizes that BioNeMo's program has; all but `layout` default to those of its 10M. */
export interface GeneformerRunSize
  extends Partial<
    Pick<
      GeneformerConfig,
      "hiddenDropout" | "attentionDropout" | "initialStd" | "layerNormEpsilon" | "activation"
    >
  > {
  /** Default "bionemo"; "bert" makes weights that transformers loads as `BertForMaskedLM`. */
  readonly layout?: GeneformerLayout;
  /** Default 6. */
  readonly layers?: number;
  /** Default 256. */
  readonly hiddenSize?: number;
  /** Default 4. */
  readonly heads?: number;
  /** Width of the feed-forward layers. Default 512. */
  readonly intermediateSize?: number;
}

/** Defaults are those of BioNeMo's train_geneformer where nothing else is said. */
export interface TrainGeneformerOptions
  extends TrainingRunOptions<GeneformerBatch>,
    RunScheduleOptions {
  /** The folder of the SCDL data sets `train` and `val`; or give `data`. */
  readonly dataDir?: string;
  /** SCDL data sets, h5ad and 10x files, tokens, shards, or folders of such: see docs/training.md. */
  readonly data?: string | readonly string[];
  /** Validation cells, as `data`. */
  readonly validData?: string | readonly string[];
  /** Share of `data` held out for validation without `validData`. Default 0. */
  readonly validShare?: number;
  /** For h5ad files: `raw` (default), `X` or `layers/NAME`. */
  readonly matrix?: string;
  /**
   * Medians of genes: pickle, JSON or parquet; "auto" computes those of the training cells into the
   * run's folder. Default: those of the weights to restore, or `medians.json` in or beside the
   * training data. Tokens need none.
   */
  readonly medians?: string;
  /**
   * BioNeMo's `geneformer.vocab`. Default: that of the weights to restore, or beside medians that were
   * found; else made of them.
   */
  readonly vocab?: string;
  /** Var column with Ensembl ids. Default: the first there is of feature_id, ensembl_id, the index. */
  readonly genes?: string;
  /** A gene without token is an error, not left out. Default false. */
  readonly includeUnrecognizedVocabInDataset?: boolean;
  /** Default: the sizes of the weights to restore, or of 10M. */
  readonly model?: GeneformerRunSize;
  /** The run's folder in `resultDir`. Default "geneformer". */
  readonly experimentName?: string;
  /** Updates. Default 10,000. */
  readonly numSteps?: number;
  /** Learning rate after the warm-up. Default 1e-4. */
  readonly lr?: number;
  /** Cells run at a time. Default 4; the original's is 64. */
  readonly microBatchSize?: number;
  /** Genes of every row, padding and [CLS] included. Default 2048. */
  readonly seqLength?: number;
  /** Hears of medians that the weights were not trained with. */
  readonly onWarning?: (message: string) => void;
  /** Hears how far converting and medians are, before training begins. */
  readonly onPreparation?: (progress: PreparationProgress) => void;
}

export interface TrainedGeneformer extends TrainingRunResult {
  readonly trainCells: number;
  /** Tokens of the vocabulary, special ones included. */
  readonly vocabulary: number;
}

/**
 * Trains Geneformer on cells: opens data, model and executor, and writes `config.yaml`,
 * `metrics.jsonl` and checkpoints in the run's folder. Each part can be had by itself:
 * `GeneformerDataModule`, `Geneformer`, `Trainer`.
 *
 * @throws InvalidArgumentError for options that do not go together, UnsupportedFeatureError; what
 *   the data and the trainer throw
 */
export async function trainGeneformer(given: TrainGeneformerOptions): Promise<TrainedGeneformer> {
  const { onPreparation, onWarning, model: size, ...forRun } = given;
  const said = configOfOptions("geneformer", forRun, { ...size });
  const { training_config: training, data_config } = said;
  const steps = stepsOf(said);
  const options = runOptions("geneformer", said);
  const places = placesOf(options);
  const { experiment_name } = said.experiment_config;
  const run = new TrainingRun<GeneformerBatch>({ ...forRun, ...options }, experiment_name);
  const { medians, vocab, genes, matrix, includeUnrecognizedVocabInDataset } = options;
  const { seed, seq_length: seqLength, valid_share: validShare } = data_config;
  const restored = restoredModel(said, options);
  const { communicator } = given;
  const cellOptions: OpenCellsOptions = {
    validData: places.validData,
    ...{ validShare, medians, vocab, genes, matrix, signal: given.signal, seed, seqLength },
    includeUnrecognizedVocabInDataset,
    ...dictionariesOf(restored),
    folder: join(run.directory, "data"),
    isResumed: run.isResumed,
    checkpoint: run.checkpoint,
    onWarning,
    onProgress: onPreparation,
  };
  // Rank 0 converts files and computes medians; the others find them made.
  using cells = await firstRankFirst(communicator, () => openCellData(places.data, cellOptions));
  const { train, valid, vocabulary, ends, files } = cells;
  const model = modelOf(said, vocabulary, ends, restored?.model ?? null);
  const config = withSizes(said, model.settings);
  await using data = new MaskedCellsDataModule({
    ...{ train, valid, vocabulary, maxSteps: training.max_steps, seed, seqLength, ...ends },
    randomTokenProb: RANDOM_TOKEN_PROB,
    globalBatchSize: batchOfUpdate(
      data_config.micro_batch_size,
      options.accumulateGradBatches,
      communicator,
    ),
    ...placeAmong(communicator),
    limitValBatches: training.limit_val_batches,
  });
  // Data that cannot be trained on leaves no folder of a run.
  await data.setup("fit");
  const result = await run.fit({
    model,
    data,
    ...steps,
    files,
    config: keptConfig(config, "geneformer"),
  });
  return { ...result, trainCells: train.length, vocabulary: vocabulary.vocabSize };
}

/** Where the cells are: `data` and `validData`, or the data sets of `dataDir`. */
function placesOf({ dataDir, data, validData, limitValBatches }: RunOptions["geneformer"]) {
  if (data !== undefined) {
    return {
      data: expandPaths(data),
      validData: validData === undefined ? undefined : expandPaths(validData),
    };
  }
  if (dataDir === undefined) {
    throw new InvalidArgumentError("data", data, "expected data or dataDir, one of them", {
      suggestions: ["--data cells.h5ad --valid-share 0.05", "--data-dir FOLDER with train and val"],
    });
  }
  const val = isSwitchedOff(limitValBatches) ? undefined : [join(dataDir, "val")];
  return { data: [trainIn(dataDir)], validData: val };
}

/** What is restored, before anything is read or converted. */
interface RestoredModel {
  readonly path: string;
  readonly model: Geneformer;
  /** Their embedding is left alone: they know no genes. */
  readonly isNew: boolean;
}

/** @throws InvalidArgumentError for rows longer than the model's positions */
function restoredModel(
  { bionemo_model_config, data_config }: RunConfig,
  { skipKeysWithThesePrefixes: skipped = [] }: RunOptions["geneformer"],
): RestoredModel | null {
  const { initial_ckpt_path: path } = bionemo_model_config;
  if (path === null) return null;
  const model = modelOfWeights(path, Geneformer, "a Geneformer");
  const { maxPositions } = model.settings;
  const { seq_length: length } = data_config;
  const isNew = model.parameters.some(
    ({ name }) =>
      name.includes("word_embeddings") && skipped.some((prefix) => name.startsWith(prefix)),
  );
  if (length <= maxPositions) return { path, model, isNew };
  const message = `a length of ${length}, and the model of ${path} has ${maxPositions} positions`;
  throw new InvalidArgumentError("seqLength", length, message, {
    suggestions: [`--seq-length ${maxPositions}`],
  });
}

/** Restored weights have medians and ids of their own, unless their embedding is left alone. */
function dictionariesOf(
  restored: RestoredModel | null,
): Pick<OpenCellsOptions, "weights" | "isRestored" | "restored"> {
  if (restored === null || restored.isNew) return {};
  const path = findWeights(restored.path);
  const weights = folderOfWeights(path);
  const model = { path, settings: restored.model.settings };
  const hasMedians = existsSync(join(weights, MEDIANS_FILE));
  return { restored: model, ...(hasMedians ? { weights } : { isRestored: true }) };
}

/**
 * Of the sizes that were said, the rest that of the weights or of 10M; with a row for every token. Mean
 * embeddings leave special tokens out where cells have them.
 */
function modelOf(
  config: RunConfig,
  vocabulary: CellVocabulary,
  { clsId }: CellEnds,
  restored: Geneformer | null,
): Geneformer {
  const { initial_ckpt_path: restore, num_layers } = config.bionemo_model_config;
  const specialTokens = clsId !== null;
  const sizes: Partial<GeneformerConfig> = { ...sizesOf(config), specialTokens };
  const vocabSize = Math.ceil(vocabulary.vocabSize / EMBEDDING_STEP) * EMBEDDING_STEP;
  if (restored === null) {
    const { layers, hiddenSize, heads } = geneformerConfig("10M");
    const { padId } = vocabulary;
    const maxPositions = config.data_config.seq_length;
    return new Geneformer({ layers, hiddenSize, heads, ...sizes, vocabSize, padId, maxPositions });
  }
  // Of an embedding that is new the pad token is that of the cells.
  const settings = { ...restored.settings, padId: vocabulary.padId };
  if (settings.vocabSize >= vocabulary.vocabSize) return new Geneformer({ ...settings, ...sizes });
  if (num_layers !== null) return new Geneformer({ ...settings, ...sizes, vocabSize });
  throw new IncompatibleError(
    "vocabulary",
    `${restore}: the model has ${settings.vocabSize} tokens, the vocabulary ${vocabulary.vocabSize}`,
    { suggestions: ["name the vocabulary that the weights were trained with"] },
  );
}
