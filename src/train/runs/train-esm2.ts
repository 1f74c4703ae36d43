import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { Communicator } from "../../distributed/communicator.ts";
import { placeAmong } from "../../distributed/place.ts";
import { Esm2, type Esm2Options, type Esm2Size, esm2Config } from "../../models/index.ts";
import type { RandomMaskStrategy } from "../../proteins/esm-masked-residue-dataset.ts";
import { type Esm2Batch, Esm2DataModule } from "../../proteins/esm2-data-module.ts";
import { keptConfig } from "../config/config-file.ts";
import {
  configOfOptions,
  type RunOptions,
  runOptions,
  sizesOf,
  withSizes,
} from "../config/run-options.ts";
import type { PreparationProgress } from "../data/preparation.ts";
import {
  type OpenedProteins,
  type OpenProteinsOptions,
  openProteins,
} from "../data/protein-data.ts";
import { type RunScheduleOptions, stepsOf } from "./run-schedule.ts";
import {
  batchOfUpdate,
  modelOfWeights,
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";

/** Defaults are those of BioNeMo's train_esm2 where nothing else is said. */
export interface TrainEsm2Options extends TrainingRunOptions<Esm2Batch>, RunScheduleOptions {
  /** Proteins in files, shards or stores: see `openProteins()`. Or give the four paths. */
  readonly data?: string | readonly string[];
  /** Validation proteins, as `data`. */
  readonly validData?: string | readonly string[];
  /** Share of `data` held out for validation without `validData`. Default 0. */
  readonly validShare?: number;
  readonly trainClusterPath?: string;
  readonly trainDatabasePath?: string;
  readonly validClusterPath?: string;
  readonly validDatabasePath?: string;
  /**
   * A published size or one of your own; what is left out is that of the weights to restore, or of
   * "8M". The original is of 650M.
   */
  readonly model?: Esm2Size | Partial<Esm2Options>;
  /** The run's folder in `resultDir`. Default "esm2". */
  readonly experimentName?: string;
  /** Updates. Default 500,000. */
  readonly numSteps?: number;
  /** Learning rate after the warm-up. Default 4e-4. */
  readonly lr?: number;
  /** Proteins run at a time. Default 8; the original's is 64. */
  readonly microBatchSize?: number;
  /** Least tokens of a row; null for as many as its longest protein has. Default: `maxSeqLength`. */
  readonly minSeqLength?: number | null;
  /** Most tokens of a protein; longer ones are cropped. Default 1024. */
  readonly maxSeqLength?: number;
  readonly randomMaskStrategy?: RandomMaskStrategy;
  /** Hears how far reading `data` is, before training begins. */
  readonly onPreparation?: (progress: PreparationProgress) => void;
}

export interface TrainedEsm2 extends TrainingRunResult {
  readonly trainClusters: number | null;
}

/**
 * Trains ESM-2: opens data, model and executor, and writes `config.yaml`, `metrics.jsonl` and
 * checkpoints in the run's folder. What each part is can be had by itself: `Esm2DataModule`, `Esm2`,
 * `Trainer`.
 *
 * @throws InvalidArgumentError for options that do not go together, UnsupportedFeatureError; what
 *   the data and the trainer throw
 */
export async function trainEsm2(all: TrainEsm2Options): Promise<TrainedEsm2> {
  const { onPreparation, ...given } = all;
  const said = configOfOptions("esm2", { ...given }, sizeOf(given.model));
  const size = typeof given.model === "object" ? given.model : {};
  const { initial_ckpt_path: weights } = said.bionemo_model_config;
  const model = modelOf({ ...size, ...sizesOf(said) }, weights);
  const config = withSizes(said, model.settings);
  const options = runOptions("esm2", config);
  const steps = stepsOf(config);
  const { experiment_name } = config.experiment_config;
  const run = new TrainingRun<Esm2Batch>({ ...given, ...options }, experiment_name);
  run.requireMemory(model);
  using proteins = await openData(options, { signal: given.signal, onProgress: onPreparation });
  await using data = dataModule(options, proteins, given.communicator);
  // Data that cannot be trained on leaves no folder of a run.
  await data.setup("fit");
  const result = await run.fit({
    model,
    data,
    ...steps,
    config: keptConfig(config, "esm2"),
  });
  return { ...result, trainClusters: proteins?.train.length ?? null };
}

function sizeOf(size: TrainEsm2Options["model"]): Readonly<Record<string, unknown>> {
  if (typeof size !== "string") return { ...size };
  const { layers, hiddenSize, heads, intermediateSize } = esm2Config(size);
  return { layers, hiddenSize, heads, intermediateSize };
}

/** Of the sizes that were said; the rest is that of the weights. */
function modelOf(sizes: Partial<Esm2Options>, restore: string | null): Esm2 {
  const { layers, hiddenSize, heads } = esm2Config("8M");
  if (restore === null) return new Esm2({ layers, hiddenSize, heads, ...sizes });
  const { settings } = modelOfWeights(restore, Esm2, "an ESM-2");
  return new Esm2({ ...settings, ...sizes });
}

async function openData(
  options: RunOptions["esm2"],
  reading: Pick<OpenProteinsOptions, "signal" | "onProgress">,
): Promise<OpenedProteins | null> {
  const { data, validData: validPath, validShare, seed } = options;
  if (data !== undefined) return openProteins(data, { validPath, validShare, seed, ...reading });
  if (options.trainClusterPath !== undefined) return null;
  throw new InvalidArgumentError(
    "data",
    data,
    "there are no proteins to train on: no data, and no clusters with their database",
    {
      suggestions: [
        "--data proteins.fasta (data_config.data)",
        "or --train-cluster-path and --train-database-path",
      ],
    },
  );
}

function dataModule(
  options: RunOptions["esm2"],
  proteins: OpenedProteins | null,
  communicator: Communicator | undefined,
): Esm2DataModule {
  const { trainClusterPath, trainDatabasePath, validClusterPath, validDatabasePath } = options;
  const { randomMaskStrategy, seed, maxSeqLength, minSeqLength, numSteps: maxSteps } = options;
  const { microBatchSize = 1, accumulateGradBatches, limitValBatches = null } = options;
  return new Esm2DataModule({
    ...defined({ trainClusterPath, trainDatabasePath, validClusterPath, validDatabasePath }),
    ...(proteins === null ? {} : { train: proteins.train }),
    ...(proteins === null || proteins.valid === null ? {} : { valid: proteins.valid }),
    ...defined({ randomMaskStrategy, seed, maxSeqLength, maxSteps }),
    minSeqLength: minSeqLength ?? 1,
    globalBatchSize: batchOfUpdate(microBatchSize, accumulateGradBatches, communicator),
    ...defined(placeAmong(communicator)),
    limitValBatches,
  });
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // proof: the same fields, those that are undefined left out
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
