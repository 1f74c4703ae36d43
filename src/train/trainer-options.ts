import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  anObject,
  anything,
  checkOptions,
  either,
  type OptionKinds,
  oneOf,
} from "../../formats/common/options.ts";
import type { DataModule } from "../data/data-module.ts";
import type { Communicator } from "../distributed/communicator.ts";
import type { TrainableModel } from "../models/model.ts";
import { checkOptimizer } from "../tensor/check-update.ts";
import type { Executor, OptimizerSettings } from "../tensor/index.ts";
import type { CheckpointFiles } from "./checkpoints/checkpoint-files.ts";
import type { EarlyStoppingOptions } from "./early-stopping.ts";
import type { Logger, Scalars } from "./loggers/logger.ts";
import type { LossReduction } from "./loss-reduction.ts";
import type { Schedule } from "./schedule.ts";

/** One update, as it was made. */
export interface TrainStep<B> {
  /** Updates done, this one included. */
  readonly step: number;
  /**
   * The batch; its arrays are read only, and only during the call. With an executor that has
   * `stepsInFlight` later ones were made by then: a loader that uses memory again has taken its back.
   */
  readonly batch: B;
  /** Mean loss over the batch, before the update. */
  readonly loss: number;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /** Rows so far. */
  readonly consumedSamples: number;
  /** Of float16: the gradients were too large for the factor on the loss, and the update was left out. */
  readonly skipped: boolean;
  /** Tokens of this batch that are not padding, where the model says so. */
  readonly tokens: number;
  /** Rows times length. */
  readonly paddedTokens: number;
}

/** One batch of a validation, without an update. */
export interface ValidationBatch<B> {
  readonly step: number;
  readonly batch: B;
  /** Summed loss and outputs; of several ranks all of them, while `batch` is this one's part. */
  readonly sums: Readonly<Record<string, number>>;
  readonly count: number;
}

/** Is told what happens, in order. What it throws ends the run. */
export interface TrainerObserver<B> {
  /** Before the first step, with the step that training goes on from and what is to be known of it. */
  started?(event: {
    readonly step: number;
    readonly checkpoint: string | null;
    readonly notes: readonly string[];
  }): void;
  trained?(event: TrainStep<B>): void;
  validatedBatch?(event: ValidationBatch<B>): void;
  validated?(event: { readonly step: number; readonly metrics: Scalars }): void;
  /** A checkpoint is whole: some steps later, where it is written beside them. */
  saved?(event: { readonly step: number; readonly path: string }): void;
}

export interface TrainerOptions<B> {
  readonly model: TrainableModel<B>;
  /** Set up for "fit" by the trainer; stays the caller's to close. */
  readonly data: DataModule<B>;
  /** Stays the caller's to close. */
  readonly executor: Executor;
  /** Weight decay leaves out the parameters that the model says, unless `noDecay` is given. */
  readonly optimizer: OptimizerSettings;
  /** What is no finite rate of at least 0 ends the run at that step. */
  readonly schedule: Schedule;
  /** Updates of the whole run. */
  readonly maxSteps: number;
  /** Rows run at a time; their gradients are added up for one update. Default: all of the batch. */
  readonly microBatchSize?: number;
  /** Divides a batch into micro-batches. Default: by rows, see `microBatches()`. */
  readonly divide?: (batch: B, microBatchSize: number) => readonly B[];
  /** Rows of a batch. Default: the first number of its `shape`. */
  readonly countRows?: (batch: B) => number;
  /** How the losses of micro-batches become one. Default "global". */
  readonly lossReduction?: LossReduction;
  /** Default: no clipping. */
  readonly maxGradientNorm?: number;
  /** Updates between validations, when the data module has validation data. Default: only at the end. */
  readonly valCheckInterval?: number;
  /** Batches of a validation at most. Default: all that the data module gives. */
  readonly limitValBatches?: number;
  /** Updates between lines of the loggers. Default 1. */
  readonly logEveryNSteps?: number;
  /** Of rank 0. Stays the caller's to close. */
  readonly logger?: Logger;
  /** Where checkpoints go; rank 0 reads and writes them. Default: none are written. */
  readonly checkpoints?: CheckpointFiles;
  /** Updates between checkpoints; there is one at the end, too. Default: `valCheckInterval`. */
  readonly saveEveryNSteps?: number;
  /**
   * Write checkpoints beside the steps, from a copy of the state. Default true: `fit()` ends when the
   * last is whole.
   */
  readonly asyncSave?: boolean;
  /** Ends the run when a metric does not get better. Default: never. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /** The step after which the times of forward and backward pass are measured. Default: none. */
  readonly profileStep?: number;
  /** Go on from the newest checkpoint when there is one. Default true. */
  readonly resumeIfExists?: boolean;
  /** Of initial weights and dropout. Default 42. */
  readonly seed?: number;
  /** Values to begin with in place of initial ones, all or some. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
  /** Kept in checkpoints: JSON. */
  readonly config?: unknown;
  /** Files written into every checkpoint, by name: vocabularies. Default: none. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  readonly observer?: TrainerObserver<B>;
  /**
   * The processes that train together, see `openCommunicator()`: each reads its part of every batch
   * (give the data module `rank` and `worldSize`). Stays the caller's to close. Default: this one alone.
   */
  readonly communicator?: Communicator;
  /**
   * Each rank has the optimizer's state of a part of the parameters (ZeRO-1): less memory, one exchange
   * more a step, the same weights. Default false.
   */
  readonly shardOptimizer?: boolean;
}

const KINDS: OptionKinds<TrainerOptions<unknown>> = {
  model: anObject,
  data: anObject,
  executor: anObject,
  optimizer: anObject,
  schedule: aFunction,
  maxSteps: aNumber,
  microBatchSize: aNumber,
  divide: aFunction,
  countRows: aFunction,
  lossReduction: either(oneOf("global", "micro-batch"), aFunction),
  maxGradientNorm: aNumber,
  valCheckInterval: aNumber,
  limitValBatches: aNumber,
  logEveryNSteps: aNumber,
  logger: anObject,
  checkpoints: anObject,
  saveEveryNSteps: aNumber,
  asyncSave: aBoolean,
  earlyStopping: anObject,
  profileStep: aNumber,
  resumeIfExists: aBoolean,
  seed: aNumber,
  weights: anObject,
  config: anything,
  files: anObject,
  observer: anObject,
  communicator: anObject,
  shardOptimizer: aBoolean,
};

/** @throws InvalidArgumentError for options that do not exist, of another kind or out of range */
export function checkTrainerOptions<B>(options: TrainerOptions<B>): void {
  checkOptions<object>("Trainer", options, KINDS);
  const { maxSteps, microBatchSize, valCheckInterval, limitValBatches } = options;
  const { logEveryNSteps, saveEveryNSteps, maxGradientNorm, profileStep, seed } = options;
  atLeast(1, { maxSteps, microBatchSize, valCheckInterval, logEveryNSteps, saveEveryNSteps });
  atLeast(1, { profileStep });
  atLeast(0, { limitValBatches, seed });
  checkOptimizer(options.optimizer);
  if (maxGradientNorm !== undefined && !(maxGradientNorm > 0)) {
    const message = `maxGradientNorm is ${maxGradientNorm}, expected more than 0`;
    throw new InvalidArgumentError("maxGradientNorm", maxGradientNorm, message, {
      suggestions: ["leave it out for no clipping"],
    });
  }
}

function atLeast(least: number, values: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= least)) continue;
    const message = `${name} is ${value}, expected a whole number of at least ${least}`;
    throw new InvalidArgumentError(name, value, message);
  }
}
