import {
  aBoolean,
  aNumber,
  anObject,
  aText,
  checkOptions,
  either,
  nothing,
  type OptionKinds,
} from "../../formats/common/options.ts";
import { type ItemBatchInfo, ItemLoader } from "../data/item-loader.ts";
import {
  SPLIT_KINDS,
  type Split,
  type SplitData,
  SplitDataModule,
  type SplitOptions,
} from "../data/split-data-module.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { PLACE_EXTRAS } from "../distributed/place.ts";
import { NumpyGenerator } from "../random/numpy-generator.ts";
import { seedFrom } from "../random/seed-from.ts";
import type { MultiEpochDataset } from "../sampling/multi-epoch-dataset.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { bertPaddingCollate } from "../tokenize/bert-collate.ts";
import type { BertBatch, BertItem } from "../tokenize/bert-item.ts";
import {
  SingleCellTokenDataset,
  type SingleCellTokenOptions,
} from "./single-cell-token-dataset.ts";

export interface GeneformerDataModuleOptions
  extends SplitOptions,
    Omit<SingleCellTokenOptions, "seed" | "maxLen"> {
  /** Of the order of training samples; the masks of each data set draw theirs from it. Default 42. */
  readonly seed?: number;
  /** Length of every row, special tokens included. Default 2048. */
  readonly seqLength?: number;
  /** Batches made ahead. Default 1. */
  readonly prefetch?: number;
}

const KINDS: OptionKinds<GeneformerDataModuleOptions> = {
  ...SPLIT_KINDS,
  tokenizer: anObject,
  medians: anObject,
  seqLength: aNumber,
  maskProb: aNumber,
  maskTokenProb: aNumber,
  randomTokenProb: aNumber,
  prependClsToken: aBoolean,
  eosToken: either(aNumber, nothing),
  includeUnrecognizedVocabInDataset: aBoolean,
  genes: aText,
  prefetch: aNumber,
};

/** Masked cells of a batch, and which rows they are. */
export type GeneformerBatch = BertBatch & ItemBatchInfo;

/**
 * Batches for Geneformer, value for value those of BioNeMo's `SingleCellDataModule` for the same
 * seed, at any world size: ranked genes with masks, every row `seqLength` long.
 */
export class GeneformerDataModule extends SplitDataModule<GeneformerBatch> {
  readonly #options: GeneformerDataModuleOptions;
  readonly #datasets: SingleCellDataset[] = [];

  /**
   * @throws InvalidArgumentError for options that do not exist or are of another kind, and unless
   *   either predict, or all of train, val and test are given.
   */
  constructor(options: GeneformerDataModuleOptions) {
    checkOptions("GeneformerDataModule", options, KINDS, { ignored: PLACE_EXTRAS });
    super(options);
    this.#options = options;
  }

  override async close(): Promise<void> {
    await super.close();
    for (const dataset of this.#datasets.splice(0)) dataset.close();
  }

  protected override async open(split: Split, path: string): Promise<SplitData<GeneformerBatch>> {
    const dataset = await SingleCellDataset.open(path);
    this.#datasets.push(dataset);
    const { seed = 42, seqLength = 2048, globalBatchSize = 8, tokenizer } = this.#options;
    const { rank, worldSize, prefetch } = this.#options;
    const items = await SingleCellTokenDataset.open(dataset, {
      ...this.#options,
      seed: cellMaskSeed(seed, split),
      maxLen: seqLength,
    });
    const { padId } = tokenizer;
    const loading = { padId, seqLength, globalBatchSize, rank, worldSize, prefetch };
    return { length: items.length, load: (order) => loadMaskedCells(items, order, loading) };
  }
}

interface MaskedCellLoading {
  readonly padId: number;
  readonly seqLength: number;
  readonly globalBatchSize: number;
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
  readonly prefetch?: number | undefined;
}

/** Batches of masked cells, every row `seqLength` long. */
export function loadMaskedCells(
  items: MultiEpochDataset<BertItem>,
  order: Sampler,
  { padId, seqLength, ...options }: MaskedCellLoading,
): ItemLoader<BertItem, GeneformerBatch> {
  const lengths = { paddingValue: padId, length: seqLength };
  return new ItemLoader(items, order, {
    ...options,
    collate: (made, info) => ({ ...bertPaddingCollate(made, lengths), ...info }),
  });
}

/** The seed of a data set's masks: drawn for train, val and test in turn; for predict alone. */
export function cellMaskSeed(seed: number, split: Split): bigint {
  const rng = NumpyGenerator.fromSeed(seed);
  const draws = split === "predict" ? 1 : ["train", "val", "test"].indexOf(split) + 1;
  let drawn = 0n;
  for (let draw = 0; draw < draws; draw++) drawn = seedFrom(rng);
  return drawn;
}
