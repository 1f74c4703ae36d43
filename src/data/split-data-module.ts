import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, aText } from "../../formats/common/options.ts";
import { PLACE_KINDS, placeOf } from "../distributed/place.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { SequentialSampler } from "../sampling/sequential-sampler.ts";
import { DataModule, noStage, type ResumableBatches, type Stage } from "./data-module.ts";
import { isSwitchedOff, LIMIT_KIND, type LimitBatches } from "./infer-samples.ts";
import { assertSteps, evaluationOrder, trainingOrder } from "./run-orders.ts";

export interface SplitOptions {
  /** SCDL directories: all of train, val and test, or predict. */
  readonly trainDatasetPath?: string;
  readonly valDatasetPath?: string;
  readonly testDatasetPath?: string;
  readonly predictDatasetPath?: string;
  /** Optimizer steps of the run: training draws `maxSteps * globalBatchSize` samples. */
  readonly maxSteps?: number;
  /** Default 8. */
  readonly globalBatchSize?: number;
  /** Of the order of training samples. Default 42. */
  readonly seed?: number;
  /** How much of the validation and test data is used; `{ batches: 0 }` for none. Default: all. */
  readonly limitValBatches?: LimitBatches;
  readonly limitTestBatches?: LimitBatches;
  /** Both or none, default 0 of 1. `processPlace()` has those of torchrun, MPI and Slurm. */
  readonly rank?: number;
  readonly worldSize?: number;
}

export const SPLIT_KINDS = {
  trainDatasetPath: aText,
  valDatasetPath: aText,
  testDatasetPath: aText,
  predictDatasetPath: aText,
  maxSteps: aNumber,
  globalBatchSize: aNumber,
  seed: aNumber,
  limitValBatches: LIMIT_KIND,
  limitTestBatches: LIMIT_KIND,
  ...PLACE_KINDS,
};

export type Split = "train" | "val" | "test" | "predict";

/** One data set of a module, open. */
export interface SplitData<B> {
  readonly length: number;
  load(order: Sampler): ResumableBatches<B>;
}

/**
 * The stages and orders of BioNeMo's single-cell data module: training samples come from all epochs
 * in one sequence in the order of its resampler, validation, test and prediction as stored.
 */
export abstract class SplitDataModule<B> extends DataModule<B> {
  readonly #options: SplitOptions;

  /** @throws InvalidArgumentError unless either predict, or all of train, val and test are given. */
  constructor(options: SplitOptions) {
    super();
    placeOf(options);
    const { trainDatasetPath, valDatasetPath, testDatasetPath, predictDatasetPath } = options;
    const training = [trainDatasetPath, valDatasetPath, testDatasetPath];
    const given = training.filter((path) => path !== undefined).length;
    if (predictDatasetPath === undefined ? given !== 3 : given !== 0) {
      throw new InvalidArgumentError(
        "trainDatasetPath",
        trainDatasetPath,
        "give either predictDatasetPath, or all of trainDatasetPath, valDatasetPath and testDatasetPath",
      );
    }
    this.#options = options;
  }

  /** @throws InvalidArgumentError without `maxSteps` for "fit", or without the data set of the stage. */
  async setup(stage: Stage): Promise<void> {
    switch (stage) {
      case "fit":
        await this.#train();
        await this.#evaluate("val");
        break;
      case "validate":
        await this.#evaluate("val");
        break;
      case "test":
        await this.#evaluate("test");
        break;
      case "predict":
        await this.#predict();
        break;
      default:
        throw noStage(stage);
    }
  }

  /** Opens one of the data sets; it is this object's to close. */
  protected abstract open(split: Split, path: string): Promise<SplitData<B>>;

  async #train(): Promise<void> {
    const { maxSteps, seed = 42 } = this.#options;
    if (this.has("train")) return;
    assertSteps(maxSteps);
    const data = await this.#open("train");
    this.provide("train", data.load(trainingOrder(data.length, maxSteps, this.#batch, seed)));
  }

  async #evaluate(stage: "val" | "test"): Promise<void> {
    const { limitValBatches, limitTestBatches } = this.#options;
    const limit = stage === "val" ? limitValBatches : limitTestBatches;
    if (this.has(stage) || isSwitchedOff(limit)) return;
    const data = await this.#open(stage);
    const order = { limit, globalBatchSize: this.#batch, stage };
    this.provide(stage, data.load(evaluationOrder(data.length, order)));
  }

  async #predict(): Promise<void> {
    if (this.has("predict")) return;
    const data = await this.#open("predict");
    this.provide("predict", data.load(new SequentialSampler(data.length)));
  }

  get #batch(): number {
    return this.#options.globalBatchSize ?? 8;
  }

  #open(split: Split): Promise<SplitData<B>> {
    const path = this.#options[`${split}DatasetPath`];
    if (path !== undefined) return this.open(split, path);
    throw new InvalidArgumentError("stage", split, `there is no ${split} data set in this module`);
  }
}
