import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aNumber,
  anObject,
  checkOptions,
  type OptionKinds,
} from "../../formats/common/options.ts";
import { DataModule, noStage, type Stage } from "../data/data-module.ts";
import { isSwitchedOff, LIMIT_KIND, type LimitBatches } from "../data/infer-samples.ts";
import { ItemLoader } from "../data/item-loader.ts";
import { evaluationOrder, trainingOrder } from "../data/run-orders.ts";
import { PLACE_EXTRAS, PLACE_KINDS, placeOf } from "../distributed/place.ts";
import type { EpochIndex, MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { SequentialSampler } from "../sampling/sequential-sampler.ts";
import { WeightedSampler } from "../sampling/weighted-sampler.ts";
import { InMemoryPerTokenValueDataset } from "./per-token-dataset.ts";
import { type FineTuneBatch, proteinCollate } from "./protein-collate.ts";
import type { ProteinDataset, ProteinItem } from "./protein-dataset.ts";
import { InMemorySingleValueDataset } from "./single-value-dataset.ts";

type Labels = Int32Array | Float32Array;

export interface FineTuneDataModuleOptions {
  /** Train and valid, or predict. */
  readonly trainDataset?: ProteinDataset<Labels>;
  /** Its class ids become those of the training data. */
  readonly validDataset?: ProteinDataset<Labels>;
  readonly predictDataset?: ProteinDataset<Labels>;
  /** Optimizer steps of the run: training draws `maxSteps * globalBatchSize` samples. */
  readonly maxSteps?: number;
  /** Default 8. */
  readonly globalBatchSize?: number;
  /** Of the order of training samples. Default 42. */
  readonly seed?: number;
  /** Least length of a row. Default: as long as the longest protein of the batch. */
  readonly minSeqLength?: number;
  /** Longer proteins are cut. Default 1024. */
  readonly maxSeqLength?: number;
  /** The length of rows is a multiple of this. Default 1. */
  readonly padToMultipleOf?: number;
  /** How much of the validation data is used; `{ batches: 0 }` for none. Default: all. */
  readonly limitValBatches?: LimitBatches;
  /** Validation in the shuffled order of the original. Default false: as stored. */
  readonly shuffleVal?: boolean;
  /** Draws training samples by the data set's weights, with replacement. Default false. */
  readonly weighted?: boolean;
  /** Give both or none; see `processPlace()`. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Batches made ahead. Default 1. */
  readonly prefetch?: number;
}

const KINDS: OptionKinds<FineTuneDataModuleOptions> = {
  trainDataset: anObject,
  validDataset: anObject,
  predictDataset: anObject,
  maxSteps: aNumber,
  globalBatchSize: aNumber,
  seed: aNumber,
  minSeqLength: aNumber,
  maxSeqLength: aNumber,
  padToMultipleOf: aNumber,
  limitValBatches: LIMIT_KIND,
  shuffleVal: aBoolean,
  weighted: aBoolean,
  ...PLACE_KINDS,
  prefetch: aNumber,
};

/**
 * Batches for fine-tuning and inference of ESM-2 on tables, of BioNeMo's ESM2FineTuneDataModule:
 * training samples in its order, validation as stored unless asked, prediction once and as stored.
 */
export class FineTuneDataModule extends DataModule<FineTuneBatch> {
  readonly #options: FineTuneDataModuleOptions;

  /** @throws InvalidArgumentError for training and prediction data together, or none. */
  constructor(options: FineTuneDataModuleOptions) {
    super();
    checkOptions("FineTuneDataModule", options, KINDS, { ignored: PLACE_EXTRAS });
    placeOf(options);
    const { trainDataset, validDataset, predictDataset } = options;
    const isTraining = trainDataset !== undefined || validDataset !== undefined;
    if (isTraining === (predictDataset !== undefined)) {
      throw new InvalidArgumentError(
        "predictDataset",
        predictDataset,
        "Datamodule expects either train/valid dataset or predict dataset",
      );
    }
    this.#options = options;
  }

  /**
   * @throws InvalidArgumentError without `maxSteps` for "fit" or without data for the stage;
   *   InvalidArgumentError or FormatError naming the row of a label that training lacks.
   */
  async setup(stage: Stage): Promise<void> {
    const { trainDataset, validDataset, predictDataset } = this.#options;
    switch (stage) {
      case "fit":
        this.#train(given("train", trainDataset));
        if (validDataset !== undefined) this.#validate(validDataset);
        break;
      case "validate":
        this.#validate(given("valid", validDataset));
        break;
      case "predict":
        this.#predict(given("predict", predictDataset));
        break;
      case "test":
        throw new InvalidArgumentError("stage", stage, "No test dataset provided for ESM2");
      default:
        throw noStage(stage);
    }
  }

  #train(dataset: ProteinDataset<Labels>): void {
    if (this.has("train")) return;
    const { maxSteps, seed = 42, weighted = false } = this.#options;
    let epochs: Sampler | undefined;
    if (weighted) {
      if (dataset.weights === null) {
        throw new InvalidArgumentError("weighted", weighted, "the training data has no weights", {
          suggestions: ["read them with weightColumn"],
        });
      }
      epochs = new WeightedSampler(dataset.weights, { seed });
    }
    const order = trainingOrder(dataset.length, maxSteps, this.#batch, seed, epochs);
    this.provide("train", this.#load(dataset, order));
  }

  #validate(dataset: ProteinDataset<Labels>): void {
    const { limitValBatches: limit, seed = 42, shuffleVal = false, trainDataset } = this.#options;
    if (this.has("val") || isSwitchedOff(limit)) return;
    // All of the data may be less than a batch.
    const isWhole = (limit ?? null) === null && !shuffleVal;
    const order = isWhole
      ? new SequentialSampler(dataset.length)
      : evaluationOrder(dataset.length, {
          limit,
          globalBatchSize: this.#batch,
          stage: "val",
          shuffleSeed: shuffleVal ? seed : null,
        });
    this.provide("val", this.#load(withLabelsOf(trainDataset, dataset), order));
  }

  #predict(dataset: ProteinDataset<Labels>): void {
    if (this.has("predict")) return;
    this.provide("predict", this.#load(dataset, new SequentialSampler(dataset.length)));
  }

  get #batch(): number {
    return this.#options.globalBatchSize ?? 8;
  }

  #load(dataset: ProteinDataset<Labels>, order: Sampler) {
    const { minSeqLength, maxSeqLength = 1024, padToMultipleOf = 1 } = this.#options;
    const { rank, worldSize, prefetch } = this.#options;
    const lengths = {
      paddingValue: dataset.tokenizer.padId,
      maxLength: maxSeqLength,
      padToMultipleOf,
      ...(minSeqLength === undefined ? {} : { minLength: minSeqLength }),
    };
    return new ItemLoader<ProteinItem<Labels>, FineTuneBatch>(sameInEveryEpoch(dataset), order, {
      globalBatchSize: this.#batch,
      rank,
      worldSize,
      prefetch,
      collate: (items, info) => ({ ...proteinCollate(items, lengths), ...info }),
    });
  }
}

function given(
  name: "train" | "valid" | "predict",
  dataset: ProteinDataset<Labels> | undefined,
): ProteinDataset<Labels> {
  if (dataset !== undefined) return dataset;
  throw new InvalidArgumentError(
    `${name}Dataset`,
    dataset,
    `${name}_dataset is not provided to FineTuneDataModule`,
  );
}

/** Validation data with the class ids of the training data, where both have classes. */
function withLabelsOf(
  train: ProteinDataset<Labels> | undefined,
  valid: ProteinDataset<Labels>,
): ProteinDataset<Labels> {
  if (
    (train instanceof InMemorySingleValueDataset && valid instanceof InMemorySingleValueDataset) ||
    (train instanceof InMemoryPerTokenValueDataset && valid instanceof InMemoryPerTokenValueDataset)
  ) {
    return train.labelMap === null ? valid : valid.withLabelMap(train.labelMap);
  }
  return valid;
}

function sameInEveryEpoch(dataset: ProteinDataset<Labels>): MultiEpochDataset<ProteinItem<Labels>> {
  const { length, identity } = dataset;
  return { length, identity, at: ({ idx }: EpochIndex) => dataset.at(idx) };
}
