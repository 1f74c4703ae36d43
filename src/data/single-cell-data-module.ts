import {
  aBoolean,
  aNumber,
  aSignal,
  checkOptions,
  type OptionKinds,
  texts,
} from "../../formats/common/options.ts";
import { SingleCellDataset } from "../dataset/single-cell-dataset.ts";
import { PLACE_EXTRAS, placeOf } from "../distributed/place.ts";
import type { Sampler } from "../sampling/sampler.ts";
import { type BatchOf, COLLATE_KIND, type Collate } from "./collate.ts";
import { Loader } from "./loader.ts";
import type { LoaderOptions } from "./loader-options.ts";
import {
  SPLIT_KINDS,
  type Split,
  type SplitData,
  SplitDataModule,
  type SplitOptions,
} from "./split-data-module.ts";

export interface SingleCellDataModuleOptions<C = Collate> extends SplitOptions {
  /** Default 0; the original's 10 processes make up for the time Python takes for a row. */
  readonly numWorkers?: number;
  readonly obs?: readonly string[];
  readonly collate?: C;
  /** As in `LoaderOptions`, for the loaders of all stages. */
  readonly neighbors?: boolean;
  readonly prefetch?: number;
  readonly recycle?: boolean;
  readonly validate?: boolean;
  readonly signal?: AbortSignal;
}

const KINDS: OptionKinds<SingleCellDataModuleOptions> = {
  ...SPLIT_KINDS,
  numWorkers: aNumber,
  obs: texts,
  collate: COLLATE_KIND,
  neighbors: aBoolean,
  prefetch: aNumber,
  recycle: aBoolean,
  validate: aBoolean,
  signal: aSignal,
};

/**
 * The single-cell data module of BioNeMo on SCDL data sets, with its orders: training samples come from
 * all epochs in one sequence in the order of its resampler, validation, test and prediction as stored.
 *
 * Batches are rows, not tokens: `GeneformerDataModule` has those. Or give a collate function, or
 * module, that makes what a model needs.
 */
export class SingleCellDataModule<C extends Collate = "csr"> extends SplitDataModule<BatchOf<C>> {
  readonly #options: SingleCellDataModuleOptions<C>;
  readonly #datasets: SingleCellDataset[] = [];

  /** @throws InvalidArgumentError unless either predict, or all of train, val and test are given. */
  constructor(options: SingleCellDataModuleOptions<C>) {
    checkOptions("SingleCellDataModule", options, KINDS, {
      ignored: PLACE_EXTRAS,
      allowOthers: new.target !== SingleCellDataModule,
    });
    super(options);
    this.#options = options;
  }

  override async close(): Promise<void> {
    await super.close();
    for (const dataset of this.#datasets.splice(0)) dataset.close();
  }

  protected override async open(_: Split, path: string): Promise<SplitData<BatchOf<C>>> {
    const dataset = await SingleCellDataset.open(path);
    this.#datasets.push(dataset);
    return { length: dataset.nObs, load: (order) => this.#load(dataset, order) };
  }

  #load(dataset: SingleCellDataset, sampler: Sampler): Loader<C> {
    const { numWorkers = 0, obs = [], globalBatchSize = 8 } = this.#options;
    const { collate, neighbors, prefetch, recycle, validate, signal } = this.#options;
    const given = { collate, neighbors, prefetch, recycle, validate, signal };
    const passed = Object.entries(given).filter(([, value]) => value !== undefined);
    return new Loader<C>(dataset, sampler, {
      globalBatchSize,
      workers: numWorkers,
      ...placeOf(this.#options),
      obs,
      ...(Object.fromEntries(passed) as Pick<LoaderOptions<C>, keyof typeof given>),
    });
  }
}
