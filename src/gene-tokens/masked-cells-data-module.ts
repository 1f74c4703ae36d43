import { DataModule, noStage, type Stage } from "../data/data-module.ts";
import { isSwitchedOff, type LimitBatches } from "../data/infer-samples.ts";
import { evaluationOrder, trainingOrder } from "../data/run-orders.ts";
import type { Split } from "../data/split-data-module.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { cellMaskSeed, type GeneformerBatch, loadMaskedCells } from "./geneformer-data-module.ts";
import {
  type CellEnds,
  type CellMaskOptions,
  type CellVocabulary,
  MaskedCells,
} from "./masked-cells.ts";
import type { RankedCells } from "./ranked-cells.ts";

export interface MaskedCellsDataModuleOptions
  extends CellEnds,
    Omit<CellMaskOptions, "seed" | "maxLen"> {
  /** Open cells; they stay the caller's. */
  readonly train: RankedCells;
  readonly valid: RankedCells | null;
  readonly vocabulary: CellVocabulary;
  readonly maxSteps: number;
  readonly globalBatchSize: number;
  /** Of the order; the masks of train and valid draw theirs from it. */
  readonly seed: number;
  /** Length of every row, special tokens included. */
  readonly seqLength: number;
  readonly limitValBatches: LimitBatches;
  /** Give both or none; see `processPlace()`. */
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
}

/**
 * The batches of `GeneformerDataModule` for the same seed, of cells that are open, wherever they are
 * stored.
 */
export class MaskedCellsDataModule extends DataModule<GeneformerBatch> {
  readonly #options: MaskedCellsDataModuleOptions;

  constructor(options: MaskedCellsDataModuleOptions) {
    super();
    this.#options = options;
  }

  async setup(stage: Stage): Promise<void> {
    const { train, valid, maxSteps, globalBatchSize, seed, limitValBatches: limit } = this.#options;
    switch (stage) {
      case "fit":
        if (!this.has("train")) {
          const order = trainingOrder(train.length, maxSteps, globalBatchSize, seed);
          this.provide("train", this.#load("train", train, order));
        }
        break;
      case "validate":
        break;
      default:
        // There are cells for these two.
        throw noStage(stage as never);
    }
    if (valid === null || isSwitchedOff(limit) || this.has("val")) return;
    const order = evaluationOrder(valid.length, { limit, globalBatchSize, stage: "val" });
    this.provide("val", this.#load("val", valid, order));
  }

  #load(split: Split, cells: RankedCells, order: Sampler) {
    const { vocabulary, seed, seqLength, globalBatchSize, rank, worldSize } = this.#options;
    const items = new MaskedCells(cells, vocabulary, {
      ...this.#options,
      seed: cellMaskSeed(seed, split),
      maxLen: seqLength,
    });
    const { padId } = vocabulary;
    return loadMaskedCells(items, order, { padId, seqLength, globalBatchSize, rank, worldSize });
  }
}
