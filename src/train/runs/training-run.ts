/** What the programs that train a published model have in common. */
import { join } from "node:path";
import { writeAtomically } from "../../../formats/common/atomic-file.ts";
import { fromFsError, StorageError } from "../../../formats/common/errors.ts";
import { makeDirectories } from "../../../formats/common/make-directories.ts";
import type { DataModule } from "../../data/data-module.ts";
import { inferGlobalBatchSize, type LimitBatches } from "../../data/infer-samples.ts";
import type { Communicator } from "../../distributed/communicator.ts";
import { processesHere } from "../../distributed/environment.ts";
import {
  type LoadWeightsOptions,
  openModel,
  parameterCount,
  type TrainableModel,
  type WeightReport,
} from "../../models/index.ts";
import { CheckpointFiles } from "../checkpoints/checkpoint-files.ts";
import { otherNetwork } from "../checkpoints/other-network.ts";
import { CHECKPOINTS, findWeights, startingWeights } from "../checkpoints/training-weights.ts";
import type { FitResult } from "../fit-result.ts";
import { JsonLinesLogger } from "../loggers/json-lines-logger.ts";
import { type Logger, LoggerGroup } from "../loggers/logger.ts";
import { PerplexityFilter } from "../loggers/perplexity-filter.ts";
import { TensorBoardLogger } from "../loggers/tensorboard-logger.ts";
import { bestOf, PUBLISHED_METRICS, requireMetricOf } from "../metrics/monitored-metric.ts";
import { withReport } from "../report/run-report.ts";
import { REPORT_FILE } from "../report/write-report.ts";
import type { Schedule } from "../schedule.ts";
import { Trainer } from "../trainer.ts";
import type { TrainerObserver } from "../trainer-options.ts";
import { placeOf, requireModelMemory } from "./model-memory.ts";
import { ofRank, openRunExecutor, type RunDeviceOptions } from "./run-executor.ts";
import { RunLock } from "./run-lock.ts";
import {
  assertRanks,
  type ParallelSizes,
  type TrainerExtras,
  trainerExtras,
} from "./trainer-extras.ts";

/** Where a run is written and how it goes, whatever the model. */
export interface TrainingRunOptions<B> extends TrainerExtras, ParallelSizes, RunDeviceOptions {
  /** Default "results". */
  readonly resultDir?: string;
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** Global norm to which gradients are clipped; 0 for none. Default 1. */
  readonly maxGradientNorm?: number;
  /** Ends the run at this step, with the learning rates of all its steps. Default: not. */
  readonly earlyStopOnStep?: number;
  /** Updates between validations and checkpoints. Default 10,000. */
  readonly valCheckInterval?: number;
  /** Batches of a validation, or a share of its data; 0 for none, null for all. Default 2. */
  readonly limitValBatches?: number | LimitBatches;
  /** Default 10. */
  readonly logEveryNSteps?: number;
  /** Log the perplexity of training, too. Default false. */
  readonly logTrainPpl?: boolean;
  /** Log the perplexity of validation. Default true. */
  readonly logValPpl?: boolean;
  /** Default true. */
  readonly checkpointing?: boolean;
  /** Checkpoints kept for the metric. Default 2. */
  readonly saveTopK?: number;
  /** Keep the newest one, too. Default true. */
  readonly saveLastCheckpoint?: boolean;
  /** Default "val_loss". Of accuracies and correlations the largest is the best. */
  readonly metricToMonitor?: string;
  /** Go on where the run in this folder stands. Default false: a run that is there is an error. */
  readonly resumeIfExists?: boolean;
  /** Weights to begin with: a checkpoint, a safetensors file, or a folder of transformers. */
  readonly restoreFromCheckpointPath?: string;
  /** Names of weights to begin with that begin so are left alone. Default: none. */
  readonly skipKeysWithThesePrefixes?: readonly string[];
  /** Of order, masks, initial weights and dropout. Default 42. */
  readonly seed?: number;
  /** Write TensorBoard files. Default false. */
  readonly tensorboard?: boolean;
  /** Is told of every line besides `metrics.jsonl`. */
  readonly logger?: Logger;
  readonly observer?: TrainerObserver<B>;
  /** Is told what of the weights to begin with was used; not for a run that goes on. */
  readonly onWeights?: (report: WeightReport) => void;
  /**
   * The processes that train together, each with micro-batches of its own: see `openCommunicator()`.
   * Rank 0 writes the folder. Default: this one alone.
   */
  readonly communicator?: Communicator;
  /** Ends the run after the steps in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

export interface TrainingRunResult extends FitResult {
  /** The run's folder. */
  readonly directory: string;
  readonly parameters: number;
  /** `report.html` in it: curves and numbers, written however the run ends. */
  readonly report: string;
}

/** What is particular to the model. */
interface RunParts<B> {
  readonly model: TrainableModel<B>;
  readonly data: DataModule<B>;
  readonly schedule: Schedule;
  readonly maxSteps: number;
  readonly microBatchSize: number;
  /** Of Adam. */
  readonly betas: readonly [number, number];
  /** Files written into every checkpoint. Default: none. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  /** Which weights to restore need not fit. Default: all must. */
  readonly loading?: LoadWeightsOptions;
  /** What the learning rate of a parameter is multiplied by. Default: 1. */
  readonly learningRateFactors?: ReadonlyMap<string, number>;
  /** Of Adam. Default 1e-8. */
  readonly epsilon?: number;
  /** What this run is, as its folder and its checkpoints keep it. Default: the options. */
  readonly config?: { readonly value: unknown; readonly yaml: string };
}

/** The folder of a run: `metrics.jsonl`, `report.html`, `checkpoints/`, `tensorboard/`. */
export class TrainingRun<B> {
  readonly directory: string;
  readonly #options: TrainingRunOptions<B>;
  readonly #checkpoints: CheckpointFiles;
  /** Rank 0 writes, and knows what is there. */
  readonly #isFirst: boolean;
  /** Of the checkpoint to go on from; 0 for a run that begins. */
  readonly #step: number;
  /** The checkpoint to go on from; undefined for a run that begins. */
  readonly checkpoint: string | undefined;

  /**
   * Writes nothing yet.
   * @throws InvalidArgumentError for a metric that no model has; StorageError for a run that is there
   *   and is not to be gone on with, or goes on
   */
  constructor(options: TrainingRunOptions<B>, experimentName: string) {
    assertRanks(options, options.communicator?.worldSize ?? 1);
    requireMonitored(options, PUBLISHED_METRICS);
    const { metricToMonitor: monitor = "val_loss" } = options;
    this.directory = join(options.resultDir ?? "results", experimentName);
    this.#options = options;
    this.#checkpoints = new CheckpointFiles(join(this.directory, CHECKPOINTS), {
      saveTopK: options.saveTopK ?? 2,
      monitor,
      saveLast: options.saveLastCheckpoint ?? true,
    });
    this.#isFirst = (options.communicator?.rank ?? 0) === 0;
    if (this.#isFirst) RunLock.requireFree(this.directory);
    const newest = this.#isFirst ? this.#checkpoints.newest() : null;
    this.#step = newest?.step ?? 0;
    this.checkpoint = newest?.path;
    if (this.#step > 0 && options.resumeIfExists !== true) throw this.#isThere(this.#step);
  }

  #isThere(step: number): StorageError {
    return new StorageError("already-exists", `has a run of ${step} steps`, {
      path: this.directory,
      suggestions: [
        "go on with it: --resume-if-exists",
        "give another --experiment-name or --result-dir",
      ],
    });
  }

  /** Keeps the folder to this run. @throws StorageError where another one writes, or has written */
  #takeFolder(): RunLock {
    const lock = new RunLock(this.directory);
    const step = this.#checkpoints.list().at(-1)?.step ?? 0;
    if (step === this.#step) return lock;
    lock.release();
    throw this.#isThere(step);
  }

  /** Whether it goes on at a checkpoint. */
  get isResumed(): boolean {
    return this.#step > 0;
  }

  /** Refuses a model that is sure not to fit. @throws ScdlError "out-of-memory" */
  requireMemory({ parameters }: Pick<TrainableModel<B>, "parameters">): void {
    const { communicator, shardOptimizer = false } = this.#options;
    const ranks = communicator?.worldSize ?? 1;
    const sharers = shardOptimizer ? ranks : 1;
    const options = ranks > 1 ? ofRank(this.#options) : this.#options;
    const place = placeOf(options, processesHere(ranks));
    requireModelMemory({ parameters, trains: true, sharers }, place);
  }

  /** Trains. The parts stay the caller's to close. */
  async fit(parts: RunParts<B>): Promise<TrainingRunResult> {
    requireMonitored(this.#options, parts.model.metrics ?? PUBLISHED_METRICS);
    this.requireMemory(parts.model);
    const { model, microBatchSize, betas, epsilon = 1e-8, config: kept, ...others } = parts;
    const { loading, learningRateFactors, ...rest } = others;
    const { signal, logger: _logger, observer, onWeights, communicator, ...config } = this.#options;
    const { maxGradientNorm = 1, checkpointing = true, seed = 42 } = config;
    const isShared = (communicator?.worldSize ?? 1) > 1;
    const { restoreFromCheckpointPath: restore } = config;
    const restored =
      restore === undefined || this.#step > 0 || !this.#isFirst
        ? undefined
        : startingWeights(
            model,
            restore,
            seed,
            withSkipped(loading, config.skipKeysWithThesePrefixes),
          );
    if (restored !== undefined) onWeights?.(restored.report);
    const weights =
      restored === undefined ? undefined : new Map([...restored.values, ...restored.companions]);
    await using executor = await openRunExecutor(isShared ? ofRank(config) : config);
    const limit = limitBatches(config.limitValBatches);
    using _lock = this.#isFirst ? this.#takeFolder() : null;
    const logger = this.#openLogger();
    try {
      if (kept !== undefined && this.#isFirst) this.#writeConfig(kept.yaml);
      await using trainer = new Trainer<B>({
        ...rest,
        ...trainerExtras(config),
        model,
        microBatchSize,
        executor,
        optimizer: {
          kind: "adamw",
          betas,
          epsilon,
          weightDecay: config.weightDecay ?? 0.01,
          ...(learningRateFactors === undefined ? {} : { learningRateFactors }),
        },
        ...(maxGradientNorm === 0 ? {} : { maxGradientNorm }),
        valCheckInterval: config.valCheckInterval ?? 10_000,
        ...(limit !== null && "batches" in limit ? { limitValBatches: limit.batches } : {}),
        logEveryNSteps: config.logEveryNSteps ?? 10,
        logger,
        ...(checkpointing ? { checkpoints: this.#checkpoints } : {}),
        seed,
        config: kept?.value ?? config,
        ...(weights === undefined ? {} : { weights }),
        ...(observer === undefined ? {} : { observer }),
        ...(communicator === undefined ? {} : { communicator }),
      });
      const { directory } = this;
      const parameters = parameterCount(model.parameters);
      const about = {
        ...{ directory, parameters, model: model.name, executor: executor.name },
        config: kept?.value ?? config,
      };
      const training = () => trainer.fit({ signal });
      const report = join(directory, REPORT_FILE);
      const result = this.#isFirst
        ? await withReport(about, training)
        : { ...(await training()), report };
      return { ...result, directory, parameters };
    } finally {
      logger.close();
    }
  }

  #writeConfig(yaml: string): void {
    const bytes = Buffer.from(yaml, "utf8");
    const path = join(this.directory, "config.yaml");
    writeAtomically(path, (file) => file.write(bytes), { overwrite: true });
  }

  #openLogger(): Logger {
    const { directory } = this;
    const { tensorboard, logger } = this.#options;
    if (!this.#isFirst) return new LoggerGroup([]);
    // A line of the resumed step is of an update that stays.
    const fromStep = this.#step === 0 ? 0 : this.#step + 1;
    try {
      makeDirectories(directory);
    } catch (error) {
      throw fromFsError(error, directory);
    }
    const lines = new LoggerGroup([
      new JsonLinesLogger(join(directory, "metrics.jsonl"), { fromStep }),
      ...(tensorboard === true
        ? [new TensorBoardLogger(join(directory, "tensorboard"), { fromStep })]
        : []),
      ...(logger === undefined ? [] : [logger]),
    ]);
    const { logTrainPpl = false, logValPpl = true } = this.#options;
    return new PerplexityFilter(lines, { train: logTrainPpl, val: logValPpl });
  }
}

/**
 * What checkpoints and early stopping look at must be there, and have a best value.
 * @throws InvalidArgumentError
 */
function requireMonitored(
  { metricToMonitor = "val_loss", earlyStopping, precision }: TrainingRunOptions<never>,
  metrics: readonly string[],
): void {
  requireMetricOf(metrics, metricToMonitor, "to choose checkpoints by", precision);
  if (earlyStopping === undefined) return;
  const { monitor = "val_loss", mode = "auto" } = earlyStopping;
  requireMetricOf(metrics, monitor, "to end early by", precision);
  bestOf(monitor, mode, "earlyStopping");
}

function withSkipped(
  loading: LoadWeightsOptions | undefined,
  prefixes: readonly string[] = [],
): LoadWeightsOptions | undefined {
  if (prefixes.length === 0) return loading;
  return { ...loading, skipPrefixes: [...(loading?.skipPrefixes ?? []), ...prefixes] };
}

/** A number counts batches. Default 2. */
export function limitBatches(limit: number | LimitBatches = 2): LimitBatches {
  return typeof limit === "number" ? { batches: limit } : limit;
}

/** Samples of an update of all ranks. */
export function batchOfUpdate(
  microBatchSize: number,
  accumulateGradBatches = 1,
  communicator?: Communicator,
): number {
  const devices = communicator?.worldSize ?? 1;
  return inferGlobalBatchSize({ microBatchSize, accumulateGradBatches, numNodes: 1, devices });
}

/** The model that weights are of. @throws IncompatibleError for one of another kind */
export function modelOfWeights<M extends object>(
  path: string,
  kind: abstract new (...args: never[]) => M,
  expected: "an ESM-2" | "a Geneformer",
): M {
  const model = openModel(findWeights(path));
  if (model instanceof kind) return model;
  throw otherNetwork(path, expected, model.name);
}
