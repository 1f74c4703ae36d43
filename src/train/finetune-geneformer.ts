import { existsSync } from "node:fs";
import { join } from "node:path";
import { IncompatibleError } from "../../formats/common/errors.ts";
import { isSwitchedOff } from "../data/infer-samples.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { CellLabelDataModule } from "../gene-tokens/cell-label-data-module.ts";
import { dictionaryFiles, findDictionaries } from "../gene-tokens/gene-dictionaries.ts";
import { type CellTask, LabelledCells } from "../gene-tokens/labelled-cells.ts";
import { Geneformer } from "../models/index.ts";
import type { Label, LabelMap } from "../proteins/label-map.ts";
import type { FineTuneBatch } from "../proteins/protein-collate.ts";
import { keptConfig } from "./config/config-file.ts";
import { configOfOptions, runOptions } from "./config/run-options.ts";
import {
  backboneOfWeights,
  type HeadOptions,
  headLoading,
  headOn,
  learningRateFactors,
  refuseLora,
  requireWeights,
} from "./fine-tune-parts.ts";
import { constantSchedule } from "./schedule.ts";
import {
  batchOfUpdate,
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";
import { findWeights } from "./training-weights.ts";

export interface FinetuneGeneformerOptions
  extends TrainingRunOptions<FineTuneBatch>,
    Omit<HeadOptions, "cnnDropout" | "cnnHiddenSize" | "cnnNumClasses"> {
  /** The folder of the SCDL data sets `train` and, for validation, `val`. */
  readonly dataDir: string;
  /** Obs column of the labels, e.g. "cell_type". */
  readonly label: string;
  /** Default: classification for a column of text, regression for one of numbers. */
  readonly taskType?: CellTask;
  /** Medians of genes. Default: those in the weights, or in `train`. */
  readonly medians?: string;
  /** The vocabulary. Default: that beside the medians. */
  readonly vocab?: string;
  /** Var column with Ensembl ids. Default: the first there is of feature_id, ensembl_id, the index. */
  readonly genes?: string;
  /** A gene without token is an error, not left out. Default false. */
  readonly includeUnrecognizedVocabInDataset?: boolean;
  /** The run's folder in `resultDir`. Default "geneformer-finetune". */
  readonly experimentName?: string;
  /** Updates. Default 10,000. */
  readonly numSteps?: number;
  /** Constant. Default 1e-4. */
  readonly lr?: number;
  /** Cells run at a time. Default 4. */
  readonly microBatchSize?: number;
  /** Most genes of a cell. Default: the model's positions, at most 2048. */
  readonly seqLength?: number;
}

export interface FinetunedGeneformer extends TrainingRunResult {
  readonly trainCells: number;
  readonly validCells: number | null;
  /** The class of each id; null for a regression. */
  readonly labels: readonly Label[] | null;
}

/**
 * Fine-tunes Geneformer on cells with a value or a class each: the head of `SequenceModel` on the mean
 * over a cell's genes. Checkpoints hold network, head, the names of the classes, and the medians and
 * vocabulary.
 * @throws NotFoundError for a column or medians that are not there, FormatError naming the row of a
 *   label, IncompatibleError for weights of another model or vocabulary, UnsupportedFeatureError for
 *   LoRA
 */
export async function finetuneGeneformer(
  given: FinetuneGeneformerOptions,
): Promise<FinetunedGeneformer> {
  refuseLora(given);
  const config = configOfOptions("geneformer-finetune", { ...given }, {});
  const options = { ...given, ...runOptions("geneformer-finetune", config) };
  const { data_config, training_config: training, optim_config: optim } = config;
  const { micro_batch_size: microBatchSize } = data_config;
  const { limit_val_batches: limit } = training;
  const maxSteps = training.early_stop_on_step ?? training.max_steps;
  const { dataDir, label } = options;
  const path = requireWeights(options.restoreFromCheckpointPath);
  const backbone = backboneOfWeights(path);
  if (!(backbone instanceof Geneformer)) {
    const message = `${path}: expected a Geneformer, found ${backbone.name}`;
    throw new IncompatibleError("other-model", message);
  }
  const { padId, maxPositions } = backbone.settings;
  const seqLength = Math.min(data_config.seq_length, maxPositions);
  const dictionaries = await dictionariesOf(options, backbone, path);
  await using opened = new AsyncDisposableStack();
  const cells = async (split: string, labelMap?: LabelMap | null, task = options.taskType) => {
    const dataset = opened.use(await SingleCellDataset.open(join(dataDir, split)));
    const { genes, includeUnrecognizedVocabInDataset } = options;
    const tokens = { ...dictionaries, maxLen: seqLength, genes, includeUnrecognizedVocabInDataset };
    return LabelledCells.open(dataset, { ...tokens, label, task, labelMap });
  };
  const train = await cells("train");
  const hasVal = !isSwitchedOff(limit) && existsSync(join(dataDir, "val"));
  const valid = hasVal ? await cells("val", train.labelMap, train.task) : null;
  const labels = train.labelMap?.labels ?? null;
  const model = headOn(backbone, train.task, { labels, mean: train.labelMean }, options);
  const run = new TrainingRun<FineTuneBatch>(options, config.experiment_config.experiment_name);
  await using data = new CellLabelDataModule({
    train,
    ...(valid === null ? {} : { valid }),
    maxSteps,
    globalBatchSize: batchOfUpdate(microBatchSize, options.accumulateGradBatches),
    limitValBatches: limit,
    seed: data_config.seed,
    seqLength,
    padId,
  });
  const result = await run.fit({
    model,
    data,
    schedule: constantSchedule(optim.lr),
    maxSteps,
    microBatchSize,
    betas: [optim.adam_beta1, optim.adam_beta2],
    epsilon: optim.adam_eps,
    loading: headLoading(options),
    learningRateFactors: learningRateFactors(model.parameters, options),
    files: dictionaryFiles(dictionaries),
    config: keptConfig(config, "geneformer-finetune"),
  });
  return { ...result, trainCells: train.length, validCells: valid?.length ?? null, labels };
}

/** Medians and vocabulary: named, of the weights, or in the training data. */
async function dictionariesOf(
  options: Pick<FinetuneGeneformerOptions, "dataDir" | "medians" | "vocab">,
  { settings }: Geneformer,
  path: string,
) {
  const folders = [findWeights(path), join(options.dataDir, "train")];
  const found = await findDictionaries(folders, options);
  const { vocabSize } = found.tokenizer;
  if (vocabSize <= settings.vocabSize) return found;
  throw new IncompatibleError(
    "vocabulary",
    `${path}: the model has ${settings.vocabSize} tokens, the vocabulary ${vocabSize}`,
    { suggestions: ["name the vocabulary that the weights were trained with"] },
  );
}
