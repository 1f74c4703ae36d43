import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  anObject,
  anything,
  checkOptions,
} from "../../formats/common/options.ts";
import { TorchGenerator } from "../random/torch-generator.ts";

/** Batches of indices, anew at each iteration; `length` when the count is known before. */
export interface BatchSource extends Iterable<number[]> {
  readonly length?: number;
}

/** torch's BatchSampler: `batchSize` indices at a time, in the order of the list. */
export class BatchSampler implements BatchSource {
  readonly #indices: readonly number[];
  readonly #batchSize: number;
  readonly #dropLast: boolean;

  /** @throws InvalidArgumentError for a batch size that is not a positive integer. */
  constructor(
    indices: readonly number[],
    batchSize: number,
    options: { readonly dropLast?: boolean } = {},
  ) {
    checkOptions("BatchSampler", options, { dropLast: aBoolean });
    if (!(Number.isInteger(batchSize) && batchSize > 0)) {
      throw new InvalidArgumentError(
        "batchSize",
        batchSize,
        `batch_size should be a positive integer value, but got batch_size=${batchSize}`,
      );
    }
    this.#indices = indices;
    this.#batchSize = batchSize;
    this.#dropLast = options.dropLast ?? false;
  }

  get length(): number {
    const batches = this.#indices.length / this.#batchSize;
    return this.#dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  *[Symbol.iterator](): Generator<number[], void, void> {
    for (let batch = 0; batch < this.length; batch++) {
      yield this.#indices.slice(batch * this.#batchSize, (batch + 1) * this.#batchSize);
    }
  }
}

export interface BucketBatchOptions {
  /** Size of every element of the data set. */
  readonly sizes: ArrayLike<number>;
  /** At least two different numbers, in any order; bucket k holds sizes in [b_k, b_k+1). */
  readonly boundaries: ArrayLike<number>;
  /**
   * Makes the batches of one bucket from its list of indices, e.g. a {@link BatchSampler}. It is
   * called once a bucket; the list is shuffled in place before each epoch.
   */
  readonly batches: (indices: readonly number[], bucket: number) => BatchSource;
  /** Shuffle elements inside their bucket, and draw which bucket comes next. Default true. */
  readonly shuffle?: boolean;
  /** Default `TorchGenerator.fromSeed(42)`; the original's default is a different seed each time. */
  readonly generator?: TorchGenerator;
  /** Told how many elements are in no bucket and left out. */
  readonly onWarning?: (message: string) => void;
}

/**
 * BioNeMo's BucketBatchSampler: batches whose elements are of similar size, bucket by bucket. Each
 * iteration is an epoch, and shuffles the order the one before left: it resumes by replay, see
 * {@link resumeByReplay}. Draws are those of the generator's torch release.
 */
export class BucketBatchSampler implements BatchSource {
  readonly shuffle: boolean;
  /** Elements in each bucket, by rising boundary. */
  readonly bucketSizes: readonly number[];
  readonly #generator: TorchGenerator;
  readonly #buckets: readonly number[][];
  readonly #sources: readonly BatchSource[];

  /** @throws InvalidArgumentError for boundaries that are no ranges, or when no element is in one. */
  constructor(options: BucketBatchOptions) {
    checkOptions("BucketBatchSampler", options, {
      sizes: anything,
      boundaries: anything,
      batches: aFunction,
      shuffle: aBoolean,
      generator: anObject,
      onWarning: aFunction,
    });
    const boundaries = sortedBoundaries(options.boundaries);
    this.shuffle = options.shuffle ?? true;
    this.#generator = options.generator ?? TorchGenerator.fromSeed(42);
    this.#buckets = fillBuckets(options.sizes, boundaries);
    this.bucketSizes = this.#buckets.map((bucket) => bucket.length);
    const kept = sum(this.bucketSizes);
    if (kept === 0) {
      throw new InvalidArgumentError(
        "sizes",
        options.sizes,
        "The sizes of all elements in the dataset are outside the bucket ranges provided",
      );
    }
    if (kept < options.sizes.length) {
      options.onWarning?.(
        `${options.sizes.length - kept} elements are outside the buckets provided and will be skipped`,
      );
    }
    this.#sources = this.#buckets.map((bucket, k) => options.batches(bucket, k));
  }

  /** Batches of an epoch. @throws InvalidArgumentError when a bucket's source does not know. */
  get length(): number {
    return sum(
      this.#sources.map((source) => {
        if (source.length !== undefined) return source.length;
        throw new InvalidArgumentError(
          "batches",
          source,
          "the batches of a bucket have no length, so their number is not known",
        );
      }),
    );
  }

  *[Symbol.iterator](): Generator<number[], void, void> {
    if (this.shuffle) for (const bucket of this.#buckets) this.#shuffle(bucket);
    const iterators = this.#sources.map((source) => source[Symbol.iterator]());
    const remaining = [...this.bucketSizes];
    for (let total = sum(remaining); total > 0; total = sum(remaining)) {
      const k = this.#nextBucket(remaining, total);
      const next = iterators[k]?.next();
      if (next === undefined || next.done === true) {
        // Elements that the source left out: a dropped last batch, or one too large.
        remaining[k] = 0;
        continue;
      }
      remaining[k] = (remaining[k] ?? 0) - next.value.length;
      yield next.value;
    }
  }

  #shuffle(bucket: number[]): void {
    const before = [...bucket];
    this.#generator.randperm(bucket.length).forEach((from, to) => {
      bucket[to] = before[from] as number;
    });
  }

  #nextBucket(remaining: readonly number[], total: number): number {
    if (!this.shuffle) return remaining.findIndex((count) => count > 0);
    const shares = Float32Array.from(remaining, (count) => Math.fround(count) / Math.fround(total));
    return this.#generator.multinomial(shares, 1)[0] as number;
  }
}

/**
 * The rest of a run of a sampler that depends on its history: replays `epochs` whole iterations and
 * `batches` batches of the next, and goes on from there. The sampler must be a new one.
 */
export function* resumeByReplay(
  sampler: BatchSource,
  done: { readonly epochs: number; readonly batches: number },
): Generator<number[], void, void> {
  for (let epoch = 0; epoch < done.epochs; epoch++) {
    const iterator = sampler[Symbol.iterator]();
    while (iterator.next().done !== true);
  }
  let batches = 0;
  for (const batch of sampler) {
    if (batches >= done.batches) yield batch;
    batches++;
  }
}

function sortedBoundaries(boundaries: ArrayLike<number>): Float64Array {
  const sorted = Float64Array.from(boundaries).sort();
  if (sorted.length < 2) {
    throw new InvalidArgumentError(
      "boundaries",
      boundaries,
      `bucket_boundaries should have at least 2 numbers, got ${sorted.length}`,
    );
  }
  for (let k = 1; k < sorted.length; k++) {
    if ((sorted[k - 1] as number) < (sorted[k] as number)) continue;
    throw new InvalidArgumentError(
      "boundaries",
      boundaries,
      `bucket_boundaries should be different numbers, got ${sorted.join(", ")}`,
    );
  }
  return sorted;
}

/** Indices of each bucket, in the order of the data set. */
function fillBuckets(sizes: ArrayLike<number>, boundaries: Float64Array): number[][] {
  const buckets = Array.from({ length: boundaries.length - 1 }, (): number[] => []);
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i] as number;
    let low = 0;
    let high = boundaries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((boundaries[middle] as number) <= size) low = middle + 1;
      else high = middle;
    }
    buckets[low - 1]?.push(i);
  }
  return buckets;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
