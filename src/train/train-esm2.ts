import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  fromFsError,
  IncompatibleError,
  InvalidArgumentError,
  StorageError,
} from "../../formats/common/errors.ts";
import { inferGlobalBatchSize } from "../data/infer-samples.ts";
import { Esm2, type Esm2Options, type Esm2Size, openModel } from "../models/index.ts";
import type { RandomMaskStrategy } from "../proteins/esm-masked-residue-dataset.ts";
import { type Esm2Batch, Esm2DataModule } from "../proteins/esm2-data-module.ts";
import { openExecutor } from "../tensor/index.ts";
import { CheckpointFiles } from "./checkpoint-files.ts";
import { JsonLinesLogger } from "./loggers/json-lines-logger.ts";
import { type Logger, LoggerGroup } from "./loggers/logger.ts";
import { TensorBoardLogger } from "./loggers/tensorboard-logger.ts";
import { type OpenedProteins, openProteins } from "./protein-data.ts";
import { warmupAnnealDecayHold } from "./schedule.ts";
import { type FitResult, Trainer } from "./trainer.ts";
import type { TrainerObserver } from "./trainer-options.ts";
import { findWeights, startingWeights } from "./training-weights.ts";

/** Defaults are those of BioNeMo's train_esm2 where nothing else is said. */
export interface TrainEsm2Options {
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
  /** Default "results". */
  readonly resultDir?: string;
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
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** Global norm to which gradients are clipped; 0 for none. Default 1. */
  readonly maxGradientNorm?: number;
  /** Proteins run at a time. Default 8; the original's is 64. */
  readonly microBatchSize?: number;
  /** Micro-batches of an update. Default 1. */
  readonly accumulateGradBatches?: number;
  /** Default: `maxSeqLength`. */
  readonly minSeqLength?: number;
  /** Most tokens of a protein; longer ones are cropped. Default 1024. */
  readonly maxSeqLength?: number;
  readonly randomMaskStrategy?: RandomMaskStrategy;
  /** Updates between validations and checkpoints. Default 10,000. */
  readonly valCheckInterval?: number;
  /** Batches of a validation; 0 for none. Default 2. */
  readonly limitValBatches?: number;
  /** Default 10. */
  readonly logEveryNSteps?: number;
  /** Default true. */
  readonly checkpointing?: boolean;
  /** Checkpoints kept for the metric. Default 2. */
  readonly saveTopK?: number;
  /** Keep the newest one, too. Default true. */
  readonly saveLastCheckpoint?: boolean;
  /** Default "val_loss". */
  readonly metricToMonitor?: string;
  /** Go on where the run in this folder stands. Default false: a run that is there is an error. */
  readonly resumeIfExists?: boolean;
  /** Weights to begin with: a checkpoint, a safetensors file, or a folder of transformers. */
  readonly restoreFromCheckpointPath?: string;
  /** Of order, masks, initial weights and dropout. Default 42. */
  readonly seed?: number;
  /** Default "onnx". */
  readonly executor?: string;
  /** Threads of the executor. Default: what the machine offers. */
  readonly threads?: number;
  /** Write TensorBoard files. Default false. */
  readonly tensorboard?: boolean;
  /** Is told of every line besides `metrics.jsonl`. */
  readonly logger?: Logger;
  readonly observer?: TrainerObserver<Esm2Batch>;
  /** Ends the run after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedEsm2 extends FitResult {
  /** The run's folder. */
  readonly directory: string;
  readonly parameters: number;
  readonly trainClusters: number | null;
}

/**
 * Trains ESM-2: opens data, model and executor, and writes `metrics.jsonl` and checkpoints in the
 * run's folder. What each part is can be had by itself: `Esm2DataModule`, `Esm2`, `Trainer`.
 */
export async function trainEsm2(options: TrainEsm2Options): Promise<TrainedEsm2> {
  const { numSteps = 500_000, seed = 42, signal, maxGradientNorm = 1 } = options;
  const { microBatchSize = 8, valCheckInterval = 10_000, limitValBatches = 2 } = options;
  const { resultDir = "results", experimentName = "esm2", checkpointing = true } = options;
  const directory = join(resultDir, experimentName);
  const restore = options.restoreFromCheckpointPath;
  const model = modelOf(options.model, restore);
  const schedule = scheduleOf(options, numSteps);
  const checkpoints = new CheckpointFiles(join(directory, "checkpoints"), {
    saveTopK: options.saveTopK ?? 2,
    monitor: options.metricToMonitor ?? "val_loss",
    saveLast: options.saveLastCheckpoint ?? true,
  });
  const resumed = startOf(checkpoints, options.resumeIfExists ?? false, directory);
  const weights =
    restore === undefined || resumed > 0 ? undefined : startingWeights(model, restore, seed).values;
  using proteins = await openData(options);
  await using data = dataModule(options, proteins, numSteps);
  await using executor = await openExecutor(options.executor, {
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  const { signal: _signal, logger: _logger, observer, ...config } = options;
  // A line of the resumed step is of an update that stays.
  const fromStep = resumed === 0 ? 0 : resumed + 1;
  makeFolder(directory);
  const logger = new LoggerGroup([
    new JsonLinesLogger(join(directory, "metrics.jsonl"), { fromStep }),
    ...(options.tensorboard === true
      ? [new TensorBoardLogger(join(directory, "tensorboard"), { fromStep })]
      : []),
    ...(options.logger === undefined ? [] : [options.logger]),
  ]);
  try {
    await using trainer = new Trainer<Esm2Batch>({
      model,
      data,
      executor,
      optimizer: { kind: "adamw", betas: [0.9, 0.98], weightDecay: options.weightDecay ?? 0.01 },
      schedule,
      maxSteps: numSteps,
      microBatchSize,
      ...(maxGradientNorm === 0 ? {} : { maxGradientNorm }),
      valCheckInterval,
      limitValBatches,
      logEveryNSteps: options.logEveryNSteps ?? 10,
      logger,
      ...(checkpointing ? { checkpoints } : {}),
      seed,
      config,
      ...(weights === undefined ? {} : { weights }),
      ...(observer === undefined ? {} : { observer }),
    });
    const result = await trainer.fit({ signal });
    const parameters = model.parameters.reduce((sum, { shape }) => sum + product(shape), 0);
    return { ...result, directory, parameters, trainClusters: proteins?.train.length ?? null };
  } finally {
    logger.close();
  }
}

/** Without a size the one of the weights, or 8M. */
function modelOf(size: TrainEsm2Options["model"], restore: string | undefined): Esm2 {
  if (size !== undefined || restore === undefined) return new Esm2(size ?? "8M");
  const model = openModel(findWeights(restore));
  if (model instanceof Esm2) return model;
  throw new IncompatibleError("other-model", `${restore}: expected an ESM-2, found ${model.name}`);
}

function scheduleOf(options: TrainEsm2Options, numSteps: number) {
  const { lr = 4e-4, schedulerNumSteps: maxSteps = numSteps } = options;
  const { warmupSteps = Math.min(2000, Math.floor(maxSteps / 10)) } = options;
  return warmupAnnealDecayHold(lr, { warmupSteps, maxSteps, minLr: 0 });
}

/** The step of the run that is there. @throws StorageError when it is not to be gone on with */
function startOf(checkpoints: CheckpointFiles, resume: boolean, directory: string): number {
  const newest = checkpoints.newest();
  if (newest === null) return 0;
  if (resume) return newest.step;
  throw new StorageError("already-exists", `has a run of ${newest.step} steps`, {
    path: directory,
    suggestions: [
      "go on with it: --resume-if-exists",
      "give another --experiment-name or --result-dir",
    ],
  });
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
  const { microBatchSize = 8, accumulateGradBatches = 1, limitValBatches = 2 } = options;
  const { trainClusterPath, trainDatabasePath, validClusterPath, validDatabasePath } = options;
  const { randomMaskStrategy } = options;
  const globalBatchSize = inferGlobalBatchSize({
    microBatchSize,
    accumulateGradBatches,
    numNodes: 1,
    devices: 1,
  });
  return new Esm2DataModule({
    ...defined({ trainClusterPath, trainDatabasePath, validClusterPath, validDatabasePath }),
    ...(proteins === null ? {} : { train: proteins.train }),
    ...(proteins === null || proteins.valid === null ? {} : { valid: proteins.valid }),
    ...defined({ randomMaskStrategy }),
    maxSteps,
    globalBatchSize,
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

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw fromFsError(error, path);
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
