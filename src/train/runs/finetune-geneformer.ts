import { existsSync } from "node:fs";
import { join } from "node:path";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { isSwitchedOff } from "../../data/infer-samples.ts";
import { firstRankFirst } from "../../distributed/communicator.ts";
import { placeAmong } from "../../distributed/place.ts";
import { CellLabelDataModule } from "../../gene-tokens/cell-label-data-module.ts";
import { type CellTask, LabelledCells } from "../../gene-tokens/labelled-cells.ts";
import type { CellVocabulary } from "../../gene-tokens/masked-cells.ts";
import { Geneformer } from "../../models/index.ts";
import type { Label } from "../../proteins/label-map.ts";
import type { FineTuneBatch } from "../../proteins/protein-collate.ts";
import { otherNetwork } from "../checkpoints/other-network.ts";
import { findWeights } from "../checkpoints/training-weights.ts";
import { keptConfig } from "../config/config-file.ts";
import { expandPaths } from "../config/expand-paths.ts";
import { configOfOptions, runOptions } from "../config/run-options.ts";
import { type OpenCellsOptions, openCellData } from "../data/cell-data.ts";
import { cutToPositions } from "../data/cut-to-positions.ts";
import { trainIn } from "../data/data-dir.ts";
import type { PreparationProgress } from "../data/preparation.ts";
import {
  backboneOfWeights,
  type HeadOptions,
  headLoading,
  headOn,
  learningRateFactors,
  noteClasses,
  refuseLora,
  requireWeights,
} from "./fine-tune-parts.ts";
import { type FineTuneScheduleOptions, stepsOf } from "./run-schedule.ts";
import {
  batchOfUpdate,
  limitBatches,
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";

export interface FinetuneGeneformerOptions
  extends TrainingRunOptions<FineTuneBatch>,
    FineTuneScheduleOptions,
    Omit<HeadOptions, "cnnDropout" | "cnnHiddenSize" | "cnnNumClasses"> {
  /** The folder of the SCDL data sets `train` and, for validation, `val`; or give `data`. */
  readonly dataDir?: string;
  /** SCDL data sets, h5ad and 10x files, tokens and shards with obs, as `trainGeneformer()` reads them. */
  readonly data?: string | readonly string[];
  /** Validation cells, as `data`. */
  readonly validData?: string | readonly string[];
  /** Share of `data` held out for validation without `validData`. Default 0. */
  readonly validShare?: number;
  /** For h5ad files: `raw` (default), `X` or `layers/NAME`. */
  readonly matrix?: string;
  /** Obs column of the labels, e.g. "cell_type". */
  readonly label: string;
  /** Default: classification for a column of text, regression for one of numbers. */
  readonly taskType?: CellTask;
  /** Medians of genes. Default: those in the weights, or in or beside the training cells. */
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
  /** Learning rate, constant unless a schedule is given. Default 1e-4. */
  readonly lr?: number;
  /** Cells run at a time. Default 4. */
  readonly microBatchSize?: number;
  /** Most genes of a cell. Default: the model's positions, at most 2048. */
  readonly seqLength?: number;
  /** Hears of cells that are cut, and of medians that the weights were not trained with. */
  readonly onWarning?: (message: string) => void;
  /** Hears how far converting is, before training begins. */
  readonly onPreparation?: (progress: PreparationProgress) => void;
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
  all: FinetuneGeneformerOptions,
): Promise<FinetunedGeneformer> {
  refuseLora(all);
  const { onPreparation, onWarning, ...given } = all;
  const said = configOfOptions("geneformer-finetune", { ...given }, {});
  const options = { ...given, ...runOptions("geneformer-finetune", said) };
  const { training_config: training } = said;
  const steps = stepsOf(said);
  const path = requireWeights(options.restoreFromCheckpointPath);
  const backbone = backboneOfWeights(path);
  if (!(backbone instanceof Geneformer)) {
    throw otherNetwork(path, "a Geneformer", backbone.name);
  }
  const { padId, maxPositions } = backbone.settings;
  const config = cutToPositions(said, maxPositions, given.seqLength !== undefined, onWarning);
  const { data_config } = config;
  const run = new TrainingRun<FineTuneBatch>(options, config.experiment_config.experiment_name);
  const places = placesOf(options);
  const { medians, vocab, genes, matrix, includeUnrecognizedVocabInDataset } = options;
  const { seed, seq_length: seqLength, valid_share: validShare } = data_config;
  const cellOptions: OpenCellsOptions = {
    validData: places.validData,
    ...{ validShare, medians, vocab, genes, matrix, signal: given.signal, seed, seqLength },
    includeUnrecognizedVocabInDataset,
    weights: findWeights(path),
    restored: { path: findWeights(path), settings: backbone.settings },
    folder: join(run.directory, "data"),
    isResumed: run.isResumed,
    checkpoint: run.checkpoint,
    onWarning,
    onProgress: onPreparation,
  };
  const { communicator } = given;
  using cells = await firstRankFirst(communicator, () => openCellData(places.data, cellOptions));
  const { vocabulary, ends, files } = cells;
  requireTokens(backbone, vocabulary, path);
  const { label, taskType: task } = options;
  const shared = { vocabulary, ends, maxLen: seqLength, label };
  const train = await LabelledCells.open(cells.train, { ...shared, task });
  const valid =
    cells.valid === null
      ? null
      : await LabelledCells.open(cells.valid, {
          ...shared,
          task: train.task,
          labelMap: train.labelMap,
        });
  const labels = train.labelMap?.labels ?? null;
  noteClasses({ labels }, train.length, onWarning);
  const model = headOn(backbone, train.task, { labels, mean: train.labelMean }, options);
  await using data = new CellLabelDataModule({
    train,
    ...(valid === null ? {} : { valid }),
    maxSteps: steps.maxSteps,
    globalBatchSize: batchOfUpdate(
      steps.microBatchSize,
      options.accumulateGradBatches,
      communicator,
    ),
    ...placeAmong(communicator),
    limitValBatches: training.limit_val_batches,
    seed,
    seqLength,
    padId,
  });
  const result = await run.fit({
    model,
    data,
    ...steps,
    loading: headLoading(options),
    learningRateFactors: learningRateFactors(model.parameters, options),
    files,
    config: keptConfig(config, "geneformer-finetune"),
  });
  return { ...result, trainCells: train.length, validCells: valid?.length ?? null, labels };
}

/** Where the cells are: `data` and `validData`, or the data sets of `dataDir`. */
function placesOf(options: FinetuneGeneformerOptions) {
  const { dataDir, data, validData, limitValBatches } = options;
  if (data !== undefined) {
    const valid = validData === undefined ? undefined : expandPaths(validData);
    return { data: expandPaths(data), validData: valid };
  }
  if (dataDir === undefined) {
    throw new InvalidArgumentError("data", data, "expected data or dataDir, one of them", {
      suggestions: ["--data cells.h5ad --valid-share 0.1", "--data-dir FOLDER with train and val"],
    });
  }
  const val = join(dataDir, "val");
  const hasVal = !isSwitchedOff(limitBatches(limitValBatches)) && existsSync(val);
  return { data: [trainIn(dataDir)], validData: hasVal ? [val] : undefined };
}

/** @throws IncompatibleError for more tokens than the model has */
function requireTokens(
  { settings }: Geneformer,
  { vocabSize }: CellVocabulary,
  path: string,
): void {
  if (vocabSize <= settings.vocabSize) return;
  throw new IncompatibleError(
    "vocabulary",
    `${path}: the model has ${settings.vocabSize} tokens, the vocabulary ${vocabSize}`,
    { suggestions: ["name the vocabulary that the weights were trained with"] },
  );
}
