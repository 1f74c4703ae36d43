import type { ScdlDType } from "../../formats/common/dtype.ts";
import { type WriteDatasetOptions, type WrittenDataset, writeDatasets } from "./write-datasets.ts";

export interface ConcatOptions extends WriteDatasetOptions {
  /** Directory to make. With `overwrite` it may be one of the inputs. */
  readonly output: string;
  /** Remove the inputs once the output is complete. Default false. */
  readonly removeInputs?: boolean;
  /** Type of the joined values. Default the widest of the inputs. */
  readonly dataDtype?: ScdlDType;
  /** With `dataDtype`: store what a C cast gives and warn, instead of refusing. Default false. */
  readonly allowLossy?: boolean;
}

/**
 * Joins data sets on disk into one, rows in the order given.
 *
 * Types are widened inside their family, var tables that follow each other and are equal become one
 * block, obs tables with the same columns become one table, and neighbours point to their rows'
 * new places.
 *
 * @throws IncompatibleError for float data with integer data when no `dataDtype` is given, or text
 *   with numbers in one column; PrecisionLossError naming row, column and value for the first value
 *   that `dataDtype` would change.
 */
export function concatDatasets(
  inputs: readonly string[],
  options: ConcatOptions,
): Promise<WrittenDataset> {
  return writeDatasets({ ...options, inputs });
}

/**
 * Writes a data set anew: with today's header and side files, no stale files, and checksums.
 * Legacy data sets become current ones this way.
 */
export function saveDataset(
  input: string,
  output: string,
  options: WriteDatasetOptions = {},
): Promise<WrittenDataset> {
  return writeDatasets({ ...options, inputs: [input], output });
}
