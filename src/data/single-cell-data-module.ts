import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aNumber,
  aText,
  checkOptions,
  type OptionKinds,
  texts,
} from "../../formats/common/options.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { PLACE_EXTRAS, PLACE_KINDS, placeOf } from "../distributed/place.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { SequentialSampler } from "../sampling/sequential-sampler.ts";
import { type BatchOf, COLLATE_KIND, type Collate } from "./collate.ts";
import { DataModule, type Stage } from "./data-module.ts";
import { isSwitchedOff, LIMIT_KIND, type LimitBatches } from "./infer-samples.ts";
import { Loader } from "./loader.ts";
import { assertSteps, evaluationOrder, trainingOrder } from "./run-orders.ts";

export interface SingleCellDataModuleOptions<C = Collate> {
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
  /** Default 0; the original's 10 processes make up for the time Python takes for a row. */
  readonly numWorkers?: number;
  /** Both or none, default 0 of 1. `processPlace()` has those of torchrun, MPI and Slurm. */
  readonly rank?: number;
  readonly worldSize?: number;
  readonly obs?: readonly string[];
  readonly collate?: C;
}

const KINDS: OptionKinds<SingleCellDataModuleOptions> = {
  trainDatasetPath: aText,
  valDatasetPath: aText,
  testDatasetPath: aText,
  predictDatasetPath: aText,
  maxSteps: aNumber,
  globalBatchSize: aNumber,
  seed: aNumber,
  limitValBatches: LIMIT_KIND,
  limitTestBatches: LIMIT_KIND,
  numWorkers: aNumber,
  ...PLACE_KINDS,
  obs: texts,
  collate: COLLATE_KIND,
};

/**
 * The single-cell data module of BioNeMo on SCDL data sets, with its orders: training samples come from
 * all epochs in one sequence in the order of its resampler, validation, test and prediction as stored.
 *
 * Batches are rows, not tokens: give a collate function, or module, that makes what a model needs.
 */
export class SingleCellDataModule<C extends Collate = "csr"> extends DataModule<BatchOf<C>> {
  readonly #options: SingleCellDataModuleOptions<C>;
  readonly #datasets: SingleCellDataset[] = [];

  /** @throws InvalidArgumentError unless either predict, or all of train, val and test are given. */
  constructor(options: SingleCellDataModuleOptions<C>) {
    super();
    checkOptions("SingleCellDataModule", options, KINDS, {
      ignored: PLACE_EXTRAS,
      allowOthers: new.target !== SingleCellDataModule,
    });
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
        stage satisfies never;
    }
  }

  override async close(): Promise<void> {
    await super.close();
    for (const dataset of this.#datasets.splice(0)) dataset.close();
  }

  async #train(): Promise<void> {
    const { maxSteps, seed = 42, trainDatasetPath } = this.#options;
    if (this.has("train")) return;
    assertSteps(maxSteps);
    const dataset = await this.#open("train", trainDatasetPath);
    this.provide(
      "train",
      this.#load(dataset, trainingOrder(dataset.nObs, maxSteps, this.#batch, seed)),
    );
  }

  async #evaluate(stage: "val" | "test"): Promise<void> {
    const { limitValBatches, limitTestBatches, valDatasetPath, testDatasetPath } = this.#options;
    const limit = stage === "val" ? limitValBatches : limitTestBatches;
    if (this.has(stage) || isSwitchedOff(limit)) return;
    const dataset = await this.#open(stage, stage === "val" ? valDatasetPath : testDatasetPath);
    const order = evaluationOrder(dataset.nObs, { limit, globalBatchSize: this.#batch, stage });
    this.provide(stage, this.#load(dataset, order));
  }

  async #predict(): Promise<void> {
    if (this.has("predict")) return;
    const dataset = await this.#open("predict", this.#options.predictDatasetPath);
    this.provide("predict", this.#load(dataset, new SequentialSampler(dataset.nObs)));
  }

  get #batch(): number {
    return this.#options.globalBatchSize ?? 8;
  }

  async #open(split: string, path: string | undefined): Promise<SingleCellDataset> {
    if (path === undefined) {
      throw new InvalidArgumentError(
        "stage",
        split,
        `there is no ${split} data set in this module`,
      );
    }
    const dataset = await SingleCellDataset.open(path);
    this.#datasets.push(dataset);
    return dataset;
  }

  #load(dataset: SingleCellDataset, sampler: Sampler): Loader<C> {
    const { numWorkers = 0, obs = [], collate } = this.#options;
    return new Loader<C>(dataset, sampler, {
      globalBatchSize: this.#batch,
      workers: numWorkers,
      ...placeOf(this.#options),
      obs,
      ...(collate === undefined ? {} : { collate }),
    });
  }
}
