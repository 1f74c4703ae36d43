import { InvalidArgumentError } from "../../formats/common/errors.ts";

export interface Buckets {
  /** Rising; bucket k holds sizes in [boundaries[k], boundaries[k + 1]). */
  readonly boundaries: Float64Array;
  /** Elements in each bucket; one fewer than boundaries. */
  readonly sizes: Float64Array;
}

/**
 * Buckets for integers, as BioNeMo's `create_buckets`: each at most `maxWidth` wide, and closed as
 * soon as it has `minBucketCount` elements.
 *
 * @throws InvalidArgumentError for sizes that are empty or not integers, or limits below 1.
 */
export function createBuckets(
  sizes: ArrayLike<number>,
  maxWidth: number,
  minBucketCount: number,
): Buckets {
  assertPositive("maxWidth", maxWidth);
  assertPositive("minBucketCount", minBucketCount);
  const { values, counts } = distinct(sizes);
  const boundaries = [values[0] as number];
  const bucketSizes: number[] = [];
  for (let start = 0, end = 0, count = 0; start < values.length; ) {
    const lower = boundaries.at(-1) as number;
    while (
      end < values.length &&
      count < minBucketCount &&
      (values[end] as number) - lower < maxWidth
    ) {
      count += counts[end] as number;
      end++;
    }
    bucketSizes.push(counts.slice(start, end).reduce((sum, one) => sum + one, 0));
    const upper = values[end] ?? (values.at(-1) as number) + 1;
    const whole = Math.floor((upper - lower) / maxWidth);
    for (let k = 1; k <= whole; k++) {
      boundaries.push(lower + maxWidth * k);
      if (k > 1) bucketSizes.push(0);
    }
    if (whole === 0) boundaries.push(upper);
    start = end;
    end = start + 1;
    count = counts[start] ?? 0;
  }
  return { boundaries: Float64Array.from(boundaries), sizes: Float64Array.from(bucketSizes) };
}

function distinct(sizes: ArrayLike<number>): { values: number[]; counts: number[] } {
  const sorted = Float64Array.from(sizes).sort();
  if (sorted.length === 0) {
    throw new InvalidArgumentError("sizes", sizes, "sizes should not be empty");
  }
  const values: number[] = [];
  const counts: number[] = [];
  for (const size of sorted) {
    if (!Number.isSafeInteger(size)) {
      throw new InvalidArgumentError(
        "sizes",
        sizes,
        `sizes should contain only integers, got ${size}`,
      );
    }
    if (size === values.at(-1)) counts.push((counts.pop() ?? 0) + 1);
    else {
      values.push(size);
      counts.push(1);
    }
  }
  return { values, counts };
}

function assertPositive(argument: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} should be a positive integer but got ${value}`,
  );
}
