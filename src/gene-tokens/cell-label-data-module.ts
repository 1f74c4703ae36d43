import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { DataModule, type Stage } from "../data/data-module.ts";
import { isSwitchedOff, type LimitBatches, withoutRepeats } from "../data/infer-samples.ts";
import { ItemLoader } from "../data/item-loader.ts";
import { evaluationOrder, trainingOrder } from "../data/run-orders.ts";
import { type FineTuneBatch, proteinCollate } from "../proteins/protein-collate.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { SequentialSampler } from "../sampling/sequential-sampler.ts";
import type { LabelledCell, LabelledCells } from "./labelled-cells.ts";

export interface CellLabelDataModuleOptions {
  readonly train: LabelledCells;
  /** With the classes of `train`. Default: no validation. */
  readonly valid?: LabelledCells;
  readonly maxSteps: number;
  readonly globalBatchSize: number;
  /** How much of the validation data is used. */
  readonly limitValBatches: LimitBatches;
  /** Of the order of training cells. */
  readonly seed: number;
  /** Most tokens of a row. */
  readonly seqLength: number;
  readonly padId: number;
  /** Give both or none; see `processPlace()`. */
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
}

/** Lengths of rows are multiples of this, so that few programs are compiled. */
const LENGTH_STEP = 64;

/** Batches of cells with labels: training in the resampled order, validation as stored. */
export class CellLabelDataModule extends DataModule<FineTuneBatch> {
  readonly #options: CellLabelDataModuleOptions;

  constructor(options: CellLabelDataModuleOptions) {
    super();
    this.#options = options;
  }

  /** @throws InvalidArgumentError for a stage other than "fit" */
  async setup(stage: Stage): Promise<void> {
    if (stage !== "fit") {
      throw new InvalidArgumentError("stage", stage, `there is no data for ${stage}`);
    }
    const { train, valid, maxSteps, globalBatchSize, limitValBatches, seed } = this.#options;
    if (!this.has("train")) {
      const order = trainingOrder(train.length, maxSteps, globalBatchSize, seed);
      this.provide("train", this.#load(train, order));
    }
    if (valid === undefined || isSwitchedOff(limitValBatches) || this.has("val")) return;
    // No cell counts twice, and all of the data may be less than a batch.
    const limit = withoutRepeats(limitValBatches, globalBatchSize, valid.length);
    const order =
      limit === null
        ? new SequentialSampler(valid.length)
        : evaluationOrder(valid.length, { limit, globalBatchSize, stage: "val" });
    this.provide("val", this.#load(valid, order));
  }

  #load(cells: LabelledCells, order: Sampler) {
    const { globalBatchSize, seqLength, padId: paddingValue, rank, worldSize } = this.#options;
    // As many positions as the model has need not be such a multiple.
    const lengthOf = (longest: number) =>
      Math.min(seqLength, Math.ceil(longest / LENGTH_STEP) * LENGTH_STEP);
    return new ItemLoader<LabelledCell, FineTuneBatch>(cells, order, {
      globalBatchSize,
      rank,
      worldSize,
      collate: (items, info) => {
        const longest = items.reduce((most, { text }) => Math.max(most, text.length), 1);
        return { ...proteinCollate(items, { paddingValue, length: lengthOf(longest) }), ...info };
      },
    });
  }
}
