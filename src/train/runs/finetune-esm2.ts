import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { withoutRepeats } from "../../data/infer-samples.ts";
import { Esm2, type Esm2Options, type Esm2Size } from "../../models/index.ts";
import { FineTuneDataModule } from "../../proteins/fine-tune-data-module.ts";
import type { Label } from "../../proteins/label-map.ts";
import { InMemoryPerTokenValueDataset } from "../../proteins/per-token-dataset.ts";
import type { FineTuneBatch } from "../../proteins/protein-collate.ts";
import { InMemorySingleValueDataset } from "../../proteins/single-value-dataset.ts";
import { otherNetwork } from "../checkpoints/other-network.ts";
import { keptConfig } from "../config/config-file.ts";
import { configOfOptions, runOptions } from "../config/run-options.ts";
import {
  backboneOfWeights,
  type FineTuneTask,
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
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";

/** Defaults are those of BioNeMo's finetune_esm2 where nothing else is said. */
export interface FinetuneEsm2Options
  extends TrainingRunOptions<FineTuneBatch>,
    FineTuneScheduleOptions,
    HeadOptions {
  /** CSV, TSV, JSON lines or parquet with `sequences` and labels. */
  readonly trainDataPath: string;
  /** The same for validation. Default: none. */
  readonly validDataPath?: string;
  /** "token-classification" has a class for each residue. Default "regression". */
  readonly taskType?: FineTuneTask;
  /** Default "labels". */
  readonly labelColumn?: string;
  /** Of token classification: strings of 0 and 1, which residues count. Default: all. */
  readonly labelsMaskColumn?: string;
  /** Random weights of this size in place of `restoreFromCheckpointPath`. */
  readonly model?: Esm2Size | Esm2Options;
  /** The run's folder in `resultDir`. Default "esm2-finetune". */
  readonly experimentName?: string;
  /** Updates. Default 500,000. */
  readonly numSteps?: number;
  /** Default 4e-4. */
  readonly lr?: number;
  /** Proteins run at a time. Default 8; the original's is 64. */
  readonly microBatchSize?: number;
  /** Rows have this length at least. Default, or null: as long as the longest of a batch, a multiple of 16. */
  readonly minSeqLength?: number | null;
  /** Longer proteins are cut. Default 512. */
  readonly maxSeqLength?: number;
  /** Hears of classes that look like numbers. */
  readonly onWarning?: (message: string) => void;
}

export interface FinetunedEsm2 extends TrainingRunResult {
  readonly trainProteins: number;
  readonly validProteins: number | null;
  /** The class of each id; null for a regression. */
  readonly labels: readonly Label[] | null;
}

/** Lengths of rows are multiples of this, so that few programs are compiled. */
const LENGTH_STEP = 16;

/**
 * Fine-tunes ESM-2 on a table of proteins: a new head on the weights of a checkpoint. Checkpoints hold
 * both, and the names of the classes.
 * @throws InvalidArgumentError, UnsupportedFeatureError for LoRA, FormatError naming the line of a
 *   label, IncompatibleError for weights of another model
 */
export async function finetuneEsm2(given: FinetuneEsm2Options): Promise<FinetunedEsm2> {
  refuseLora(given);
  const { model: _random, onWarning, ...forRun } = given;
  const config = configOfOptions("esm2-finetune", { ...forRun }, {});
  const options = { ...forRun, ...runOptions("esm2-finetune", config) };
  const { data_config, training_config: training } = config;
  const steps = stepsOf(config);
  const taskType = data_config.task_type ?? "regression";
  const backbone = backboneOf(options.restoreFromCheckpointPath, given.model);
  const train = await readProteins(options.trainDataPath, taskType, options);
  const { validDataPath } = options;
  const read = validDataPath === undefined ? null : readProteins(validDataPath, taskType, options);
  const valid = await read;
  const labels = train.labelMap?.labels ?? null;
  if (taskType === "classification") noteClasses({ labels }, train.length, onWarning);
  const model = headOn(backbone, taskType, { labels, mean: train.labelMean }, options);
  const run = new TrainingRun<FineTuneBatch>(options, config.experiment_config.experiment_name);
  const { min_seq_length: minSeqLength } = data_config;
  const { communicator } = options;
  const batch = batchOfUpdate(steps.microBatchSize, options.accumulateGradBatches, communicator);
  await using data = new FineTuneDataModule({
    trainDataset: train,
    ...(valid === null ? {} : { validDataset: valid }),
    maxSteps: steps.maxSteps,
    globalBatchSize: batch,
    ...(communicator === undefined
      ? {}
      : { rank: communicator.rank, worldSize: communicator.worldSize }),
    seed: data_config.seed,
    ...(minSeqLength === null ? { padToMultipleOf: LENGTH_STEP } : { minSeqLength }),
    maxSeqLength: data_config.max_seq_length,
    limitValBatches: withoutRepeats(training.limit_val_batches, batch, valid?.length ?? 0),
  });
  // Data that cannot be trained on leaves no folder of a run.
  await data.setup("fit");
  const result = await run.fit({
    model,
    data,
    ...steps,
    loading: headLoading(options),
    learningRateFactors: learningRateFactors(model.parameters, options),
    config: keptConfig(config, "esm2-finetune"),
  });
  return { ...result, trainProteins: train.length, validProteins: valid?.length ?? null, labels };
}

function backboneOf(restore: string | undefined, model: FinetuneEsm2Options["model"]): Esm2 {
  if (restore === undefined && model !== undefined) return new Esm2(model);
  const path = requireWeights(restore);
  const backbone = backboneOfWeights(path);
  if (backbone instanceof Esm2) return backbone;
  throw otherNetwork(path, "an ESM-2", backbone.name);
}

type LabelledProteins = InMemorySingleValueDataset | InMemoryPerTokenValueDataset;

async function readProteins(
  path: string,
  task: FineTuneTask,
  {
    labelColumn = "labels",
    labelsMaskColumn,
    signal,
  }: Pick<FinetuneEsm2Options, "labelColumn" | "labelsMaskColumn" | "signal">,
): Promise<LabelledProteins> {
  const common = { labelColumn, ...(signal === undefined ? {} : { signal }) };
  const masked = labelsMaskColumn === undefined ? common : { ...common, labelsMaskColumn };
  const dataset =
    task === "token-classification"
      ? await InMemoryPerTokenValueDataset.fromFile(path, masked)
      : await InMemorySingleValueDataset.fromFile(path, { ...masked, taskType: task });
  if (dataset.length > 0) return dataset;
  throw new InvalidArgumentError("trainDataPath", path, `${path}: there are no proteins`);
}
