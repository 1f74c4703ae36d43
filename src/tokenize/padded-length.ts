import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";

export interface PaddedLengthOptions {
  /** The least length of a row. Default: as long as the longest item. */
  readonly minLength?: number;
  /** Items are cut to this first. Default: not at all. */
  readonly maxLength?: number;
  /**
   * The length of every row: shorter items are padded, longer ones are cut. This is what
   * `min_length` is in BioNeMo. Give this or `minLength`.
   */
  readonly length?: number;
  /** The length is rounded up to a multiple of this. Default 1. */
  readonly padToMultipleOf?: number;
}

/**
 * The length of the rows of a batch whose longest item has `longest` tokens; items longer than that,
 * or than `maxLength`, are cut.
 *
 * @throws InvalidArgumentError for a length that is none, or both `length` and `minLength`.
 */
export function paddedLength(longest: number, options: PaddedLengthOptions): number {
  const { minLength, maxLength, length, padToMultipleOf = 1 } = options;
  for (const [name, value] of Object.entries({ minLength, maxLength, length })) {
    if (value !== undefined) assertLength(name, value, 0);
  }
  assertLength("padToMultipleOf", padToMultipleOf, 1);
  if (length !== undefined && minLength !== undefined) {
    throw new InvalidArgumentError("length", length, "choose length or minLength, not both");
  }
  const cut = Math.min(longest, maxLength ?? longest);
  const least = length ?? Math.max(cut, minLength ?? 0);
  return Math.ceil(least / padToMultipleOf) * padToMultipleOf;
}

/** @throws InvalidArgumentError unless `value` is an integer of at least `least`. */
export function assertLength(argument: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${shown(value)}, expected an integer of at least ${least}`,
  );
}
