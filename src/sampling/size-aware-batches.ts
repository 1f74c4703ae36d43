import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aFunction, checkOptions } from "../../formats/common/options.ts";

export interface SizeAwareOptions {
  /** Counts, once at the end. */
  readonly onInfo?: (message: string) => void;
  /** Items that are larger than a batch may be, which are left out. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Batches of items in the order given, each as long as its sizes sum to at most `maxTotalSize`;
 * an item that is larger alone is left out with a warning. Greedy, one pass.
 *
 * @throws InvalidArgumentError when `sizeof` throws or answers something that is not a number.
 */
export function* sizeAwareBatching<T>(
  items: Iterable<T>,
  sizeof: (item: T) => number,
  maxTotalSize: number,
  options: SizeAwareOptions = {},
): Generator<T[], void, void> {
  assertMaximum(maxTotalSize);
  let batch: T[] = [];
  let total = 0;
  let seen = 0;
  let batched = 0;
  let batches = 0;
  for (const item of items) {
    seen++;
    const size = sizeOf(item, sizeof);
    if (size > maxTotalSize) {
      options.onWarning?.(
        `Size of element ${String(item)} exceeds max_total_size (${size} > ${maxTotalSize}), skipping`,
      );
      continue;
    }
    if (total + size > maxTotalSize) {
      batches++;
      yield batch;
      batch = [];
      total = 0;
    }
    batch.push(item);
    batched++;
    total += size;
  }
  if (batch.length > 0) {
    batches++;
    yield batch;
  }
  if (batched < seen) {
    options.onWarning?.(
      `${batched} samples were batched from ${seen} of the input data. Missing samples are due to exceeding max_total_size=${maxTotalSize})`,
    );
  }
  options.onInfo?.(`Batched ${batched} samples into ${batches} batches.`);
}

/**
 * BioNeMo's SizeAwareBatchSampler: {@link sizeAwareBatching} over the indices of a sampler, as often
 * as it is iterated. How many batches there will be is not known before.
 */
export class SizeAwareBatchSampler implements Iterable<number[]> {
  readonly #sampler: Iterable<number>;
  readonly #sizeof: (index: number) => number;
  readonly #maxTotalSize: number;
  readonly #options: SizeAwareOptions;

  /** @throws InvalidArgumentError for a limit that is not a number. */
  constructor(
    sampler: Iterable<number>,
    sizeof: (index: number) => number,
    maxTotalSize: number,
    options: SizeAwareOptions = {},
  ) {
    checkOptions("SizeAwareBatchSampler", options, { onInfo: aFunction, onWarning: aFunction });
    assertMaximum(maxTotalSize);
    this.#sampler = sampler;
    this.#sizeof = sizeof;
    this.#maxTotalSize = maxTotalSize;
    this.#options = options;
  }

  [Symbol.iterator](): Generator<number[], void, void> {
    return sizeAwareBatching(this.#sampler, this.#sizeof, this.#maxTotalSize, this.#options);
  }
}

function sizeOf<T>(item: T, sizeof: (item: T) => number): number {
  let size: number;
  try {
    size = sizeof(item);
  } catch (error) {
    throw new InvalidArgumentError(
      "sizeof",
      sizeof,
      `sizeof raises error at data=${String(item)}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  if (typeof size === "number" && !Number.isNaN(size)) return size;
  throw new InvalidArgumentError(
    "sizeof",
    size,
    `sizeof must answer a number, got ${size} at data=${String(item)}`,
  );
}

function assertMaximum(maxTotalSize: number): void {
  if (typeof maxTotalSize === "number" && !Number.isNaN(maxTotalSize)) return;
  throw new InvalidArgumentError(
    "maxTotalSize",
    maxTotalSize,
    `max_total_size should be a number but got ${maxTotalSize}`,
  );
}
