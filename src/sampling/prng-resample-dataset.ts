import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, anything, checkOptions } from "../../formats/common/options.ts";
import { PythonRandom } from "../random/python-random.ts";
import type { SizedDataset } from "./multi-epoch-dataset.ts";

export interface PrngResampleOptions {
  /** Default 42. */
  readonly seed?: number | bigint | string;
  /** What `length` says. Default the length of the data set. */
  readonly numSamples?: number;
}

/**
 * Items drawn with replacement: sample k is the k-th `Random(seed).randint(0, length - 1)`, as
 * BioNeMo's class of this name. Going forward draws what is skipped; going back replays from the
 * start. As in the original, samples beyond `length` can be asked for.
 */
export class PRNGResampleDataset<T> implements SizedDataset<T> {
  readonly dataset: SizedDataset<T>;
  readonly seed: number | bigint | string;
  readonly length: number;
  #random: PythonRandom;
  /** The sample drawn last, and the item it is. */
  #index = -1;
  #item = -1;

  constructor(dataset: SizedDataset<T>, options: PrngResampleOptions = {}) {
    checkOptions("PRNGResampleDataset", options, { seed: anything, numSamples: aNumber });
    this.dataset = dataset;
    this.seed = options.seed ?? 42;
    this.length = options.numSamples ?? dataset.length;
    this.#random = PythonRandom.fromSeed(this.seed);
  }

  /** @throws InvalidArgumentError for an index that is not a non-negative integer. */
  at(index: number): T {
    return this.dataset.at(this.itemAt(index));
  }

  /** The item that sample `index` is. @throws InvalidArgumentError as {@link at}. */
  itemAt(index: number): number {
    if (!(Number.isSafeInteger(index) && index >= 0)) {
      throw new InvalidArgumentError(
        "index",
        index,
        `index must be a non-negative integer, got ${index}`,
      );
    }
    if (index < this.#index) {
      this.#random = PythonRandom.fromSeed(this.seed);
      this.#index = -1;
    }
    for (; this.#index < index; this.#index++) {
      this.#item = this.#random.randint(0, this.dataset.length - 1);
    }
    return this.#item;
  }
}
