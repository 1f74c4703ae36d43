import { isScdlDType, SCDL_DTYPES, type ScdlDType } from "../../formats/common/dtype.ts";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { type WriteDatasetOptions, type WrittenDataset, writeDatasets } from "./write-datasets.ts";

export interface CastDatasetOptions extends WriteDatasetOptions {
  readonly dtype: ScdlDType;
  /** Directory to make. Default: the data set itself is replaced, in one step. */
  readonly output?: string;
  /** Store what a C cast gives and warn, instead of refusing. Default false. */
  readonly allowLossy?: boolean;
  /** Largest |cast - original| that is not a loss. Default 0. */
  readonly tolerance?: number;
}

/**
 * Gives the values of a data set another type.
 *
 * @throws PrecisionLossError naming row, column and value for the first value that does not fit:
 *   overflow, a negative number or a fraction for an unsigned type, an integer a float would round.
 *   The data set is unchanged then.
 */
export function castDataset(input: string, options: CastDatasetOptions): Promise<WrittenDataset> {
  const { dtype, output = input } = options;
  if (!isScdlDType(dtype)) {
    const known = SCDL_DTYPES.join(", ");
    throw new InvalidArgumentError("dtype", dtype, `expected one of ${known}, found ${dtype}`);
  }
  const overwrite = options.output === undefined ? true : (options.overwrite ?? false);
  return writeDatasets({ ...options, inputs: [input], output, overwrite, dataDtype: dtype });
}
