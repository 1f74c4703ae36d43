import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  fromFsError,
  IncompatibleError,
  InvalidArgumentError,
  NotFoundError,
} from "../../formats/common/errors.ts";
import { type GeneMedians, readGeneMedians } from "../gene-tokens/gene-medians.ts";
import { GeneTokenizer } from "../gene-tokens/gene-tokenizer.ts";
import {
  type GeneformerBatch,
  GeneformerDataModule,
} from "../gene-tokens/geneformer-data-module.ts";
import { Geneformer, type GeneformerConfig, type GeneformerLayout } from "../models/index.ts";
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
  /** The folder of the SCDL data sets `train` and `val`. */
  readonly dataDir: string;
  /** Medians of genes: pickle, JSON or parquet. Default: `train/medians.json` in `dataDir`. */
  readonly medians?: string;
  /** BioNeMo's `geneformer.vocab`. Default: that in `train`; else made of the medians. */
  readonly vocab?: string;
  /** Var column with Ensembl ids. Default "feature_id". */
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
}

export interface TrainedGeneformer extends TrainingRunResult {
  /** Tokens of the vocabulary, special ones included. */
  readonly vocabulary: number;
}

/**
 * Trains Geneformer on SCDL data sets: opens data, model and executor, and writes `metrics.jsonl` and
 * checkpoints in the run's folder. Each part can be had by itself: `GeneformerDataModule`,
 * `Geneformer`, `Trainer`.
 */
export async function trainGeneformer(options: TrainGeneformerOptions): Promise<TrainedGeneformer> {
  const { numSteps = 10_000, microBatchSize = 4, seqLength = 2048 } = options;
  const { earlyStopOnStep: maxSteps = numSteps } = options;
  const schedule = scheduleOf(options, numSteps);
  const { tokenizer, medians } = await readDictionaries(options);
  const model = modelOf(options, tokenizer, seqLength);
  const run = new TrainingRun(options, options.experimentName ?? "geneformer");
  const { genes, includeUnrecognizedVocabInDataset, accumulateGradBatches, dataDir } = options;
  await using data = new GeneformerDataModule({
    tokenizer,
    medians,
    trainDatasetPath: requireDataset(dataDir, "train"),
    valDatasetPath: requireDataset(dataDir, "val", options.limitValBatches === 0),
    // Not opened: a run tests nothing.
    testDatasetPath: join(dataDir, "test"),
    ...(genes === undefined ? {} : { genes }),
    ...(includeUnrecognizedVocabInDataset === undefined
      ? {}
      : { includeUnrecognizedVocabInDataset }),
    randomTokenProb: RANDOM_TOKEN_PROB,
    maxSteps,
    globalBatchSize: batchOfUpdate(microBatchSize, accumulateGradBatches),
    seed: options.seed ?? 42,
    seqLength,
    limitValBatches: { batches: options.limitValBatches ?? 2 },
  });
  // Data that cannot be trained on leaves no folder of a run.
  await data.setup("fit");
  const parts = { model, data, schedule, maxSteps, microBatchSize };
  const result = await run.fit({ ...parts, betas: [0.9, 0.999] });
  return { ...result, vocabulary: tokenizer.vocabSize };
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

/** Medians and vocabulary: named, or in the training data as BioNeMo's preprocessing leaves them. */
async function readDictionaries(
  options: TrainGeneformerOptions,
): Promise<{ readonly tokenizer: GeneTokenizer; readonly medians: GeneMedians }> {
  const train = requireDataset(options.dataDir, "train");
  const inData = join(train, "medians.json");
  if (options.medians === undefined && !existsSync(inData)) {
    throw new NotFoundError("no-medians", `there are no medians of genes: ${inData}`, {
      what: inData,
      suggestions: [
        `scdl medians ${train} --output ${inData}`,
        "name a file of medians with --medians",
      ],
    });
  }
  const medians = await readGeneMedians(options.medians ?? inData);
  const vocab = join(train, "geneformer.vocab");
  const isThere = options.medians === undefined && existsSync(vocab);
  if (options.vocab === undefined && !isThere) {
    return { tokenizer: GeneTokenizer.fromMediansAndGenes(medians), medians };
  }
  return { tokenizer: GeneTokenizer.fromVocabFile(options.vocab ?? vocab), medians };
}

/** @throws NotFoundError naming the folder that is missing */
function requireDataset(dataDir: string, split: "train" | "val", unused = false): string {
  const path = join(dataDir, split);
  if (unused) return path;
  try {
    statSync(path);
  } catch (error) {
    throw fromFsError(error, path);
  }
  return path;
}

/** Of the sizes asked for, or of the weights, or 10M; with a row for every token of the vocabulary. */
function modelOf(
  { model: size, restoreFromCheckpointPath: restore }: TrainGeneformerOptions,
  tokenizer: GeneTokenizer,
  seqLength: number,
): Geneformer {
  if (size === undefined && restore !== undefined) {
    const model = modelOfWeights(restore, Geneformer, "a Geneformer");
    const { vocabSize } = model.settings;
    if (vocabSize >= tokenizer.vocabSize) return model;
    throw new IncompatibleError(
      "vocabulary",
      `${restore}: the model has ${vocabSize} tokens, the vocabulary ${tokenizer.vocabSize}`,
      { suggestions: ["name the vocabulary that the weights were trained with"] },
    );
  }
  return new Geneformer({
    layers: 6,
    hiddenSize: 256,
    heads: 4,
    intermediateSize: 512,
    ...size,
    vocabSize: tokenizer.paddedVocabSize(),
    padId: tokenizer.padId,
    maxPositions: seqLength,
  });
}
