import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aBoolean, aNumber, checkOptions } from "../../formats/common/options.ts";
import { NumpyGenerator } from "../random/numpy-generator.ts";
import { permuteRange } from "./permute.ts";

/** Which epoch and which item of it. */
export interface EpochIndex {
  readonly epoch: number;
  readonly idx: number;
}

/** Items by number, 0 to length - 1; T may be a promise. */
export interface SizedDataset<T> {
  readonly length: number;
  at(index: number): T;
}

/**
 * Items by epoch and number. The same index must always give the same data, also in another
 * process: ranks that share a batch rely on it.
 */
export interface MultiEpochDataset<T> {
  readonly length: number;
  /** What the items are made of, for the state of a loader: equal data, equal text. */
  readonly identity?: string;
  at(index: EpochIndex): T;
}

export interface ResamplerOptions {
  /** Epochs to draw; the last may not be cut. Default 1, unless numSamples is given. */
  readonly numEpochs?: number;
  /** Samples to draw, over as many epochs as it takes. Give this or numEpochs. */
  readonly numSamples?: number;
  /** Default true. */
  readonly shuffle?: boolean;
  /** Default 42. */
  readonly seed?: number;
}

/** numpy's int32 maximum: epoch seeds are drawn below it. */
const EPOCH_SEED_END = 2 ** 31 - 1;

/** The seeds of BioNeMo's epochs: `default_rng(seed).integers(0, 2^31 - 1)`, one an epoch. */
export function epochSeeds(seed: number, numEpochs: number): Float64Array {
  return NumpyGenerator.fromSeed(seed).integers(0, EPOCH_SEED_END, numEpochs);
}

/**
 * All samples of a training run in one sequence, every item of the data set once an epoch, in the
 * exact order of BioNeMo's class of this name.
 *
 * An item is a pure function of its number, so a run resumes by number. Memory is 8 bytes an epoch.
 * The original fails for a data set of one item with shuffle; here that is the item, every epoch.
 */
export class MultiEpochDatasetResampler<T> implements SizedDataset<T> {
  readonly dataset: MultiEpochDataset<T>;
  readonly numEpochs: number;
  /** Samples of all epochs. */
  readonly length: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly #epochSeeds: Float64Array;
  readonly #found = new Float64Array(1);

  /** @throws InvalidArgumentError for both numEpochs and numSamples, or less than one epoch. */
  constructor(dataset: MultiEpochDataset<T>, options: ResamplerOptions = {}) {
    checkOptions("MultiEpochDatasetResampler", options, {
      numEpochs: aNumber,
      numSamples: aNumber,
      shuffle: aBoolean,
      seed: aNumber,
    });
    const { numEpochs, numSamples } = options;
    if (numEpochs !== undefined && numSamples !== undefined) {
      throw new InvalidArgumentError(
        "numEpochs",
        numEpochs,
        "Only one of num_epochs and num_samples should be provided.",
      );
    }
    const epochs =
      numSamples === undefined ? (numEpochs ?? 1) : Math.ceil(numSamples / dataset.length);
    if (!(Number.isSafeInteger(epochs) && epochs >= 1)) {
      throw new InvalidArgumentError(
        "numEpochs",
        epochs,
        `num_epochs must be at least 1. It is ${epochs} for ${dataset.length} items`,
      );
    }
    this.dataset = dataset;
    this.numEpochs = epochs;
    this.length = numSamples ?? dataset.length * epochs;
    this.shuffle = options.shuffle ?? true;
    this.seed = options.seed ?? 42;
    this.#epochSeeds = epochSeeds(this.seed, epochs);
    if (this.shuffle && dataset.length > 2 ** 32) {
      throw new InvalidArgumentError(
        "dataset",
        dataset.length,
        `the original's permutation repeats items beyond 2^32, the data set has ${dataset.length}`,
        { suggestions: ["use ShuffledSampler"] },
      );
    }
  }

  /** @throws InvalidArgumentError for an index outside 0 to length - 1. */
  at(index: number): T {
    return this.dataset.at(this.epochIndex(index));
  }

  /** The epoch and item that sample `index` is. @throws InvalidArgumentError as {@link at}. */
  epochIndex(index: number): EpochIndex {
    if (!(Number.isInteger(index) && index >= 0 && index < this.length)) {
      throw new InvalidArgumentError(
        "index",
        index,
        `Index ${index} out of bounds for dataset of length ${this.length}.`,
      );
    }
    const items = this.dataset.length;
    const epoch = Math.floor(index / items);
    const idx = index - epoch * items;
    if (!this.shuffle) return { epoch, idx };
    permuteRange(idx, items, this.#epochSeeds[epoch] as number, this.#found);
    return { epoch, idx: this.#found[0] as number };
  }
}

/**
 * A data set of plain items as one of many epochs; `applyTransform` may use the epoch, e.g. for
 * augmentation, and must be a pure function of its arguments.
 */
export abstract class MultiEpochDatasetWrapper<T, U> implements MultiEpochDataset<U> {
  readonly dataset: SizedDataset<T>;

  constructor(dataset: SizedDataset<T>) {
    this.dataset = dataset;
  }

  get length(): number {
    return this.dataset.length;
  }

  abstract applyTransform(sample: T, index: EpochIndex): U;

  at(index: EpochIndex): U {
    return this.applyTransform(this.dataset.at(index.idx), index);
  }
}

/** The same items in every epoch. */
export class IdentityMultiEpochDatasetWrapper<T> extends MultiEpochDatasetWrapper<T, T> {
  override applyTransform(sample: T): T {
    return sample;
  }
}
