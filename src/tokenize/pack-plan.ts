import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { assertLength } from "./padded-length.ts";

export interface PackPlanOptions {
  /** Most tokens of a row. */
  readonly maxTokens: number;
  /**
   * "in-order" closes a row with the first sequence that does not fit, as BioNeMo's
   * TokenPackingDataset; "first-fit" puts a sequence into the first row with room for it, which
   * leaves less empty. Default "in-order".
   */
  readonly method?: "in-order" | "first-fit";
  /** A sequence takes a multiple of this, as {@link PackOptions} has it. Default 1. */
  readonly padSequencesToMultipleOf?: number;
}

/**
 * Which sequences go into which row: for each row the numbers of its sequences, in rising order.
 * Every sequence is in one row. A function of its arguments alone.
 *
 * @throws InvalidArgumentError for a sequence longer than `maxTokens`.
 */
export function planPacking(lengths: ArrayLike<number>, options: PackPlanOptions): number[][] {
  const { maxTokens, method = "in-order", padSequencesToMultipleOf: multiple = 1 } = options;
  assertLength("maxTokens", maxTokens, 1);
  assertLength("padSequencesToMultipleOf", multiple, 1);
  const rows: number[][] = [];
  /** Tokens left in each row. */
  const left: number[] = [];
  /** Rows before this one are full. */
  let firstOpen = 0;
  for (let i = 0; i < lengths.length; i++) {
    const needed = Math.ceil((lengths[i] as number) / multiple) * multiple;
    if (needed > maxTokens) throw tooLong(i, needed, maxTokens);
    let row = method === "in-order" ? Math.max(0, rows.length - 1) : firstOpen;
    while (row < rows.length && (left[row] as number) < needed) row++;
    if (row === rows.length) {
      rows.push([]);
      left.push(maxTokens);
    }
    rows[row]?.push(i);
    left[row] = (left[row] as number) - needed;
    while (left[firstOpen] === 0) firstOpen++;
  }
  return rows;
}

export function tooLong(sequence: number, tokens: number, maxTokens: number): InvalidArgumentError {
  return new InvalidArgumentError(
    "maxTokens",
    maxTokens,
    `sequence ${sequence} takes ${tokens} tokens, more than the ${maxTokens} of a row`,
    { suggestions: ["crop sequences to fewer tokens, or allow more in a row"] },
  );
}
