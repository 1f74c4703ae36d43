import { join } from "node:path";
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import type { GeneformerBatch } from "../gene-tokens/geneformer-data-module.ts";
import type { CellVocabulary } from "../gene-tokens/masked-cells.ts";
import { MaskedCellsDataModule } from "../gene-tokens/masked-cells-data-module.ts";
import { Geneformer, type GeneformerConfig, type GeneformerLayout } from "../models/index.ts";
import { openCellData } from "./cell-data.ts";
import type { PreparationProgress } from "./gene-dictionaries.ts";
import { cosineAnnealing, type Schedule } from "./schedule.ts";
import {
  batchOfUpdate,
  modelOfWeights,
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";

/** As BioNeMo's program has it, which keeps more of the masked genes than its data module does. */
const RANDOM_TOKEN_PROB = 0.02;
const LEARNING_RATE = 1e-4;
/** The embedding has a multiple of this many rows. */
const EMBEDDING_STEP = 128;

/** Sizes that BioNeMo's program has; all but `layout` default to those of its 10M. */
export interface GeneformerRunSize
  extends Partial<Pick<GeneformerConfig, "hiddenDropout" | "attentionDropout">> {
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
export interface TrainGeneformerOptions extends TrainingRunOptions<GeneformerBatch> {
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
   * run's folder. Default: `medians.json` in or beside the training data. Tokens need none.
   */
  readonly medians?: string;
  /** BioNeMo's `geneformer.vocab`. Default: that beside medians that were found; else made of them. */
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
  /** Learning rate after the warm-up; the least is a hundredth of it. Default 1e-4. */
  readonly lr?: number;
  /** Share of the updates that warm up. Default 0.01. */
  readonly cosineRampupFrac?: number;
  /** Share of the updates, the last ones, at the least learning rate. Default 0.05. */
  readonly cosineHoldFrac?: number;
  /** Cells run at a time. Default 4; the original's is 64. */
  readonly microBatchSize?: number;
  /** Genes of every row, padding and [CLS] included. Default 2048. */
  readonly seqLength?: number;
  /** Hears how far converting and medians are, before training begins. */
  readonly onPreparation?: (progress: PreparationProgress) => void;
}

export interface TrainedGeneformer extends TrainingRunResult {
  readonly trainCells: number;
  /** Tokens of the vocabulary, special ones included. */
  readonly vocabulary: number;
}

/**
 * Trains Geneformer on cells: opens data, model and executor, and writes `metrics.jsonl` and
 * checkpoints in the run's folder. Each part can be had by itself: `GeneformerDataModule`,
 * `Geneformer`, `Trainer`.
 */
export async function trainGeneformer(options: TrainGeneformerOptions): Promise<TrainedGeneformer> {
  const { numSteps = 10_000, microBatchSize = 4, seqLength = 2048 } = options;
  const { earlyStopOnStep: maxSteps = numSteps } = options;
  const schedule = scheduleOf(options, numSteps);
  const places = placesOf(options);
  const { onPreparation, ...forRun } = options;
  const run = new TrainingRun(forRun, options.experimentName ?? "geneformer");
  const { seed = 42, limitValBatches = 2 } = options;
  const { validShare, medians, vocab, genes, matrix, signal } = options;
  const { includeUnrecognizedVocabInDataset } = options;
  using cells = await openCellData(places.data, {
    validData: places.validData,
    ...{ validShare, medians, vocab, genes, matrix, signal, seed, seqLength },
    includeUnrecognizedVocabInDataset,
    folder: join(run.directory, "data"),
    isResumed: run.isResumed,
    onProgress: onPreparation,
  });
  const { train, valid, vocabulary, ends } = cells;
  const model = modelOf(options, vocabulary, seqLength);
  await using data = new MaskedCellsDataModule({
    ...{ train, valid, vocabulary, maxSteps, seed, seqLength, ...ends },
    randomTokenProb: RANDOM_TOKEN_PROB,
    globalBatchSize: batchOfUpdate(microBatchSize, options.accumulateGradBatches),
    limitValBatches: { batches: limitValBatches },
  });
  // Data that cannot be trained on leaves no folder of a run.
  await data.setup("fit");
  const parts = { model, data, schedule, maxSteps, microBatchSize };
  const result = await run.fit({ ...parts, betas: [0.9, 0.999] });
  return { ...result, trainCells: train.length, vocabulary: vocabulary.vocabSize };
}

function scheduleOf(options: TrainGeneformerOptions, maxSteps: number): Schedule {
  const { lr = LEARNING_RATE, cosineRampupFrac = 0.01, cosineHoldFrac = 0.05 } = options;
  for (const [name, share] of Object.entries({ cosineRampupFrac, cosineHoldFrac })) {
    if (share >= 0 && share <= 1) continue;
    const message = `${name} is ${share}, expected a share of the steps, from 0 to 1`;
    throw new InvalidArgumentError(name, share, message);
  }
  return cosineAnnealing(lr, {
    maxSteps,
    warmupSteps: Math.ceil(maxSteps * cosineRampupFrac),
    constantSteps: Math.ceil(maxSteps * cosineHoldFrac),
    minLr: lr / 100,
  });
}

/** Where the cells are: `data` and `validData`, or the data sets of `dataDir`. */
function placesOf(options: TrainGeneformerOptions) {
  const { dataDir, data, validData, validShare } = options;
  if ((dataDir === undefined) === (data === undefined)) {
    throw new InvalidArgumentError("data", data, "expected data or dataDir, one of them", {
      suggestions: ["--data cells.h5ad --valid-share 0.05", "--data-dir FOLDER with train and val"],
    });
  }
  if (dataDir === undefined) {
    return {
      data: listOf(data),
      validData: validData === undefined ? undefined : listOf(validData),
    };
  }
  if (validData !== undefined || validShare !== undefined) {
    const message = "dataDir has its validation data in val";
    throw new InvalidArgumentError("dataDir", dataDir, message, {
      suggestions: ["give --data and --valid-data instead of --data-dir"],
    });
  }
  const isUnused = options.limitValBatches === 0;
  const val = isUnused ? undefined : [join(dataDir, "val")];
  return { data: [join(dataDir, "train")], validData: val };
}

function listOf(paths: string | readonly string[] | undefined): readonly string[] {
  return typeof paths === "string" ? [paths] : (paths ?? []);
}

/** Of the sizes asked for, or of the weights, or 10M; with a row for every token of the vocabulary. */
function modelOf(
  { model: size, restoreFromCheckpointPath: restore }: TrainGeneformerOptions,
  vocabulary: CellVocabulary,
  seqLength: number,
): Geneformer {
  if (size === undefined && restore !== undefined) {
    const model = modelOfWeights(restore, Geneformer, "a Geneformer");
    const { vocabSize } = model.settings;
    if (vocabSize >= vocabulary.vocabSize) return model;
    throw new IncompatibleError(
      "vocabulary",
      `${restore}: the model has ${vocabSize} tokens, the vocabulary ${vocabulary.vocabSize}`,
      { suggestions: ["name the vocabulary that the weights were trained with"] },
    );
  }
  return new Geneformer({
    layers: 6,
    hiddenSize: 256,
    heads: 4,
    intermediateSize: 512,
    ...size,
    vocabSize: Math.ceil(vocabulary.vocabSize / EMBEDDING_STEP) * EMBEDDING_STEP,
    padId: vocabulary.padId,
    maxPositions: seqLength,
  });
}
