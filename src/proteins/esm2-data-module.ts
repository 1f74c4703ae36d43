import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aNumber,
  anObject,
  aText,
  checkOptions,
  type OptionKinds,
} from "../../formats/common/options.ts";
import { DataModule, type Stage } from "../data/data-module.ts";
import { isSwitchedOff, LIMIT_KIND, type LimitBatches } from "../data/infer-samples.ts";
import { type ItemBatchInfo, ItemLoader } from "../data/item-loader.ts";
import { evaluationOrder, trainingOrder } from "../data/run-orders.ts";
import { PLACE_EXTRAS, PLACE_KINDS, placeOf } from "../distributed/place.ts";
import type { Sampler } from "../sampling/sampler.ts";
import type { BertBatch, BertItem } from "../tokenize/bert-item.ts";
import { ClusterTable } from "./cluster-table.ts";
import {
  ESMMaskedResidueDataset,
  type EsmMaskedResidueOptions,
} from "./esm-masked-residue-dataset.ts";
import { NamedClusters } from "./named-clusters.ts";
import { ProteinDatabase } from "./protein-database.ts";
import type { ClusteredProteins } from "./protein-source.ts";

export interface Esm2DataModuleOptions extends EsmMaskedResidueOptions {
  /** Parquet of clusters and SQLite file of sequences, as BioNeMo has them; or `train`. */
  readonly trainClusterPath?: string;
  readonly trainDatabasePath?: string;
  /** The same for validation, with column `ur50_id`; or `valid`. */
  readonly validClusterPath?: string;
  readonly validDatabasePath?: string;
  /** Clusters that are open already, e.g. of a `ProteinStore`; they stay the caller's. */
  readonly train?: ClusteredProteins;
  readonly valid?: ClusteredProteins;
  /** Optimizer steps of the run: training draws `maxSteps * globalBatchSize` samples. */
  readonly maxSteps?: number;
  /** Default 8. */
  readonly globalBatchSize?: number;
  /** Of the order and of the items. Default 42. */
  readonly seed?: number;
  /** Least length of a row; longer ones are as long as their longest protein. Default `maxSeqLength`. */
  readonly minSeqLength?: number;
  /** The length of rows is a multiple of this. Default 1. */
  readonly padToMultipleOf?: number;
  /** How much of the validation data is used; `{ batches: 0 }` for none. Default: all. */
  readonly limitValBatches?: LimitBatches;
  /** Validation in the shuffled order of the original. Default false: as stored. */
  readonly shuffleVal?: boolean;
  /** Give both or none; see `processPlace()`. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Batches made ahead. Default 1. */
  readonly prefetch?: number;
}

const KINDS: OptionKinds<Esm2DataModuleOptions> = {
  trainClusterPath: aText,
  trainDatabasePath: aText,
  validClusterPath: aText,
  validDatabasePath: aText,
  train: anObject,
  valid: anObject,
  maxSteps: aNumber,
  globalBatchSize: aNumber,
  seed: aNumber,
  minSeqLength: aNumber,
  maxSeqLength: aNumber,
  padToMultipleOf: aNumber,
  maskProb: aNumber,
  maskTokenProb: aNumber,
  maskRandomProb: aNumber,
  randomMaskStrategy: aText,
  cropWindows: aText,
  tokenizer: anObject,
  limitValBatches: LIMIT_KIND,
  shuffleVal: aBoolean,
  ...PLACE_KINDS,
  prefetch: aNumber,
};

/** Masked proteins of a batch, and which they are. */
export type Esm2Batch = BertBatch & ItemBatchInfo;

/**
 * Training and validation batches for ESM-2, of BioNeMo's ESMDataModule: the same clusters, members,
 * crops and masks in the same order for the same seed, at any world size.
 */
export class Esm2DataModule extends DataModule<Esm2Batch> {
  readonly #options: Esm2DataModuleOptions;
  readonly #opened: Disposable[] = [];

  /** @throws InvalidArgumentError for options that do not exist or are of another kind. */
  constructor(options: Esm2DataModuleOptions) {
    super();
    checkOptions("Esm2DataModule", options, KINDS, { ignored: PLACE_EXTRAS });
    placeOf(options);
    this.#options = options;
  }

  /**
   * Reads the clusters. "test" and "predict" have no data, as in the original.
   * @throws InvalidArgumentError without `maxSteps` for "fit", or without data for the stage; what
   *   opening them throws.
   */
  async setup(stage: Stage): Promise<void> {
    if (stage !== "fit" && stage !== "validate") {
      throw new InvalidArgumentError("stage", stage, `No ${stage} dataset provided for ESM2`);
    }
    if (stage === "fit") await this.#train();
    await this.#validate(stage);
  }

  override async close(): Promise<void> {
    await super.close();
    for (const source of this.#opened.splice(0)) source[Symbol.dispose]();
  }

  async #train(): Promise<void> {
    if (this.has("train")) return;
    const { maxSteps, seed = 42, train, trainClusterPath, trainDatabasePath } = this.#options;
    const clusters = train ?? (await this.#open("train", trainClusterPath, trainDatabasePath));
    const order = trainingOrder(clusters.length, maxSteps, this.#batch, seed);
    this.provide("train", this.#load(clusters, order));
  }

  async #validate(stage: Stage): Promise<void> {
    const { limitValBatches: limit, seed = 42, shuffleVal = false } = this.#options;
    const { valid, validClusterPath, validDatabasePath } = this.#options;
    const isGiven = valid !== undefined || validClusterPath !== undefined;
    if (this.has("val") || isSwitchedOff(limit) || (stage === "fit" && !isGiven)) return;
    const clusters = valid ?? (await this.#open("validation", validClusterPath, validDatabasePath));
    const order = evaluationOrder(clusters.length, {
      limit,
      globalBatchSize: this.#batch,
      stage: "val",
      shuffleSeed: shuffleVal ? seed : null,
    });
    this.provide("val", this.#load(clusters, order));
  }

  get #batch(): number {
    return this.#options.globalBatchSize ?? 8;
  }

  async #open(
    split: "train" | "validation",
    clusterPath: string | undefined,
    databasePath: string | undefined,
  ): Promise<ClusteredProteins> {
    const name = split === "train" ? "train" : "valid";
    if (clusterPath === undefined || databasePath === undefined) {
      throw new InvalidArgumentError(
        `${name}ClusterPath`,
        clusterPath,
        `give ${name}ClusterPath and ${name}DatabasePath, or ${name}`,
      );
    }
    const database = ProteinDatabase.open(databasePath);
    this.#opened.push(database);
    const table = await ClusterTable.read(clusterPath, { split });
    this.#opened.push(table);
    return new NamedClusters(database, table);
  }

  #load(clusters: ClusteredProteins, order: Sampler): ItemLoader<BertItem, Esm2Batch> {
    const { maxSeqLength = 1024, minSeqLength = maxSeqLength, padToMultipleOf = 1 } = this.#options;
    const { rank, worldSize, prefetch } = this.#options;
    const dataset = new ESMMaskedResidueDataset(clusters, this.#options);
    const lengths = { minLength: minSeqLength, maxLength: maxSeqLength, padToMultipleOf };
    return new ItemLoader(dataset, order, {
      globalBatchSize: this.#batch,
      rank,
      worldSize,
      prefetch,
      makeBatch: (indices, info) => ({ ...dataset.maskedBatch(indices, lengths), ...info }),
    });
  }
}
