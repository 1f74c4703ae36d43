import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { checksum } from "./checksum.ts";
import { assertPositions } from "./positions.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";

/**
 * Some rows of a data set in the order of another sampler, e.g.
 * `new SubsetSampler(train, nObs, new ShuffledSampler(train.length))`. Keeps `rows`, does not copy.
 */
export class SubsetSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly #rows: Uint32Array | Float64Array;
  readonly #order: Sampler;

  /**
   * rows: row numbers of the data set, below nRows; order: a sampler of positions in `rows`.
   * @throws InvalidArgumentError for rows that do not exist or an order of another length.
   */
  constructor(rows: Uint32Array | Float64Array, nRows: number, order: Sampler) {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      if (row >= 0 && row < nRows && row % 1 === 0) continue;
      throw new InvalidArgumentError(
        "rows",
        rows,
        `rows[${i}] is ${row}, expected an integer from 0 to ${nRows - 1}`,
      );
    }
    if (order.nRows !== rows.length) {
      throw new InvalidArgumentError(
        "order",
        order,
        `the order is of ${order.nRows} rows, the subset has ${rows.length}`,
      );
    }
    this.#rows = rows;
    this.#order = order;
    this.nRows = nRows;
    this.length = order.length;
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    this.#order.fill(epoch, begin, out);
    for (let i = 0; i < out.length; i++) out[i] = this.#rows[out[i] as number] as number;
  }

  describe(): SamplerDescription {
    return {
      name: "subset",
      version: 1,
      nRows: this.nRows,
      rows: checksum(Float64Array.from(this.#rows)),
      order: JSON.stringify(this.#order.describe()),
    };
  }
}
