import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { Esm2, type Esm2Options, type Esm2Size } from "../models/index.ts";
import type { RandomMaskStrategy } from "../proteins/esm-masked-residue-dataset.ts";
import { type Esm2Batch, Esm2DataModule } from "../proteins/esm2-data-module.ts";
import { type OpenedProteins, openProteins } from "./protein-data.ts";
import { warmupAnnealDecayHold } from "./schedule.ts";
import {
  batchOfUpdate,
  modelOfWeights,
  TrainingRun,
  type TrainingRunOptions,
  type TrainingRunResult,
} from "./training-run.ts";

/** Defaults are those of BioNeMo's train_esm2 where nothing else is said. */
export interface TrainEsm2Options extends TrainingRunOptions<Esm2Batch> {
  /** A store of proteins (folder), or a file of them: see `openProteins()`. Or give the four paths. */
  readonly data?: string;
  /** Validation proteins, as `data`. */
  readonly validData?: string;
  /** Share of `data` held out for validation without `validData`. Default 0. */
  readonly validShare?: number;
  readonly trainClusterPath?: string;
  readonly trainDatabasePath?: string;
  readonly validClusterPath?: string;
  readonly validDatabasePath?: string;
  /**
   * A published size or one of your own. Default: that of the weights to restore, or "8M"; the
   * original is of 650M.
   */
  readonly model?: Esm2Size | Esm2Options;
  /** The run's folder in `resultDir`. Default "esm2". */
  readonly experimentName?: string;
  /** Updates. Default 500,000. */
  readonly numSteps?: number;
  /** Updates after which the learning rate would be 0. Default: `numSteps`. */
  readonly schedulerNumSteps?: number;
  /** Default 2000, but at most a tenth of the schedule. */
  readonly warmupSteps?: number;
  /** Default 4e-4. */
  readonly lr?: number;
  /** Proteins run at a time. Default 8; the original's is 64. */
  readonly microBatchSize?: number;
  /** Default: `maxSeqLength`. */
  readonly minSeqLength?: number;
  /** Most tokens of a protein; longer ones are cropped. Default 1024. */
  readonly maxSeqLength?: number;
  readonly randomMaskStrategy?: RandomMaskStrategy;
}

export interface TrainedEsm2 extends TrainingRunResult {
  readonly trainClusters: number | null;
}

/**
 * Trains ESM-2: opens data, model and executor, and writes `metrics.jsonl` and checkpoints in the
 * run's folder. What each part is can be had by itself: `Esm2DataModule`, `Esm2`, `Trainer`.
 */
export async function trainEsm2(options: TrainEsm2Options): Promise<TrainedEsm2> {
  const { numSteps = 500_000, microBatchSize = 8, experimentName = "esm2" } = options;
  const { earlyStopOnStep: maxSteps = numSteps } = options;
  const model = modelOf(options.model, options.restoreFromCheckpointPath);
  const schedule = scheduleOf(options, numSteps);
  const run = new TrainingRun(options, experimentName);
  using proteins = await openData(options);
  await using data = dataModule(options, proteins, maxSteps);
  const parts = { model, data, schedule, maxSteps, microBatchSize };
  const result = await run.fit({ ...parts, betas: [0.9, 0.98] });
  return { ...result, trainClusters: proteins?.train.length ?? null };
}

/** Without a size the one of the weights, or 8M. */
function modelOf(size: TrainEsm2Options["model"], restore: string | undefined): Esm2 {
  if (size !== undefined || restore === undefined) return new Esm2(size ?? "8M");
  return modelOfWeights(restore, Esm2, "an ESM-2");
}

function scheduleOf(options: TrainEsm2Options, numSteps: number) {
  const { lr = 4e-4, schedulerNumSteps: maxSteps = numSteps } = options;
  const { warmupSteps = Math.min(2000, Math.floor(maxSteps / 10)) } = options;
  return warmupAnnealDecayHold(lr, { warmupSteps, maxSteps, minLr: 0 });
}

async function openData(options: TrainEsm2Options): Promise<OpenedProteins | null> {
  const { data, validData: validPath, validShare, seed, signal } = options;
  const hasPaths = options.trainClusterPath !== undefined;
  if (hasPaths === (data !== undefined)) {
    throw new InvalidArgumentError(
      "data",
      data,
      "expected data, or trainClusterPath and trainDatabasePath",
      { suggestions: ["--data proteins.fasta", "--train-cluster-path and --train-database-path"] },
    );
  }
  return data === undefined ? null : openProteins(data, { validPath, validShare, seed, signal });
}

function dataModule(
  options: TrainEsm2Options,
  proteins: OpenedProteins | null,
  maxSteps: number,
): Esm2DataModule {
  const { maxSeqLength = 1024, minSeqLength = maxSeqLength, seed = 42 } = options;
  const { microBatchSize = 8, accumulateGradBatches, limitValBatches = 2 } = options;
  const { trainClusterPath, trainDatabasePath, validClusterPath, validDatabasePath } = options;
  const { randomMaskStrategy } = options;
  return new Esm2DataModule({
    ...defined({ trainClusterPath, trainDatabasePath, validClusterPath, validDatabasePath }),
    ...(proteins === null ? {} : { train: proteins.train }),
    ...(proteins === null || proteins.valid === null ? {} : { valid: proteins.valid }),
    ...defined({ randomMaskStrategy }),
    maxSteps,
    globalBatchSize: batchOfUpdate(microBatchSize, accumulateGradBatches),
    seed,
    minSeqLength,
    maxSeqLength,
    limitValBatches: { batches: limitValBatches },
  });
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // proof: the same fields, those that are undefined left out
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
