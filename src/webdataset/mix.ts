/** webdataset's ways to draw from several data sets in turn. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aBoolean, aNumber, checkOptions, numbers, shown } from "../../formats/common/options.ts";
import { PythonRandom } from "../random/python-random.ts";

export interface MixOptions {
  /** Go on without data sets that have ended. Default false: the first to end ends all. */
  readonly longest?: boolean;
}

export interface RandomMixOptions extends MixOptions {
  /** One weight per data set. Default: all the same. */
  readonly probs?: readonly number[];
  /** Of the draws, made anew for each iteration. Default 0. */
  readonly seed?: number;
}

/** One item of each data set after the other. */
export class RoundRobin<T> implements AsyncIterable<T> {
  readonly #datasets: readonly AsyncIterable<T>[];
  readonly #longest: boolean;

  constructor(datasets: readonly AsyncIterable<T>[], options: MixOptions = {}) {
    checkOptions("RoundRobin", options, { longest: aBoolean });
    this.#datasets = checked(datasets);
    this.#longest = options.longest ?? false;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    let last = -1;
    yield* mixed(this.#datasets, this.#longest, (count, removed) => {
      // The data set after the one removed has taken its place.
      last = (removed ? last : last + 1) % count;
      return last;
    });
  }
}

/**
 * An item of a data set drawn by weight each time, as webdataset's RandomMix draws when Python's
 * `random` was seeded with `seed`.
 */
export class RandomMix<T> implements AsyncIterable<T> {
  readonly #datasets: readonly AsyncIterable<T>[];
  readonly #weights: readonly number[];
  readonly #longest: boolean;
  readonly #seed: number;

  /** @throws InvalidArgumentError for weights that are not one per data set, or sum to zero. */
  constructor(datasets: readonly AsyncIterable<T>[], options: RandomMixOptions = {}) {
    checkOptions("RandomMix", options, { longest: aBoolean, probs: numbers, seed: aNumber });
    this.#datasets = checked(datasets);
    this.#weights = options.probs ?? datasets.map(() => 1);
    this.#longest = options.longest ?? false;
    this.#seed = options.seed ?? 0;
    const isValid =
      this.#weights.length === datasets.length &&
      this.#weights.every((weight) => Number.isFinite(weight) && weight >= 0) &&
      this.#weights.some((weight) => weight > 0);
    if (!isValid) {
      throw new InvalidArgumentError(
        "probs",
        options.probs,
        `probs: expected ${datasets.length} weights from 0 with a sum above 0, found ${this.#weights.join(", ")}`,
      );
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    const random = PythonRandom.fromSeed(this.#seed);
    let weights = [...this.#weights];
    yield* mixed(this.#datasets, this.#longest, (_count, removed) => {
      if (removed) weights = weights.filter((_, i) => i !== removed.index);
      return drawn(weights, random.random());
    });
  }
}

/** numpy's searchsorted in the running sums of the normalised weights. */
function drawn(weights: readonly number[], at: number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // Only data sets of weight 0 are left: numpy's division gives NaN, and the search the first.
  if (total === 0) return 0;
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    sum += weight / total;
    if (sum >= at) return i;
  }
  return weights.length - 1;
}

async function* mixed<T>(
  datasets: readonly AsyncIterable<T>[],
  longest: boolean,
  choose: (count: number, removed: { readonly index: number } | null) => number,
): AsyncGenerator<T, undefined> {
  const sources = datasets.map((dataset) => dataset[Symbol.asyncIterator]());
  let removed: { readonly index: number } | null = null;
  try {
    while (sources.length > 0) {
      const index = choose(sources.length, removed);
      removed = null;
      const next = await (sources[index] as AsyncIterator<T>).next();
      if (next.done !== true) {
        yield next.value;
      } else if (longest) {
        sources.splice(index, 1);
        removed = { index };
      } else {
        return undefined;
      }
    }
  } finally {
    await Promise.all(sources.map((source) => source.return?.()));
  }
  return undefined;
}

function checked<T>(datasets: readonly AsyncIterable<T>[]): readonly AsyncIterable<T>[] {
  const isMixable = (one: AsyncIterable<T>) => typeof one?.[Symbol.asyncIterator] === "function";
  if (Array.isArray(datasets) && datasets.length > 0 && datasets.every(isMixable)) return datasets;
  const message = `expected a list of data sets to mix, at least one, found ${shown(datasets)}`;
  throw new InvalidArgumentError("datasets", datasets, message);
}
