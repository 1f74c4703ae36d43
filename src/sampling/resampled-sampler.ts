import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, checkOptions } from "../../formats/common/options.ts";
import { epochSeeds } from "./multi-epoch-dataset.ts";
import { permuteRange } from "./permute.ts";
import { assertInteger, assertPositions } from "./positions.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";
import type { ShuffledOptions } from "./shuffled-sampler.ts";

/**
 * The order of BioNeMo's MultiEpochDatasetResampler, epoch by epoch without end: for runs that must
 * see the original's batches. Up to 2^32 rows; 8 bytes of memory for each epoch reached.
 */
export class ResampledSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly seed: number;
  #seeds: Float64Array = new Float64Array(0);

  /** @throws InvalidArgumentError for a row count or seed that is not a non-negative integer. */
  constructor(nRows: number, options: ShuffledOptions = {}) {
    checkOptions("ResampledSampler", options, { seed: aNumber });
    this.seed = options.seed ?? 42;
    assertInteger("nRows", nRows, 0);
    assertInteger("seed", this.seed, 0);
    if (nRows > 2 ** 32) {
      throw new InvalidArgumentError(
        "nRows",
        nRows,
        `the original's permutation repeats rows beyond 2^32, got ${nRows}`,
        { suggestions: ["use ShuffledSampler"] },
      );
    }
    this.nRows = nRows;
    this.length = nRows;
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    // A longer draw of seeds begins with the shorter one.
    if (epoch >= this.#seeds.length) this.#seeds = epochSeeds(this.seed, 2 * epoch + 16);
    permuteRange(begin, this.nRows, this.#seeds[epoch] as number, out);
  }

  describe(): SamplerDescription {
    return { name: "bionemo-resampler", version: 1, nRows: this.nRows, seed: this.seed };
  }
}
