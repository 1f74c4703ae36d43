import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, checkOptions, shown } from "../../formats/common/options.ts";
import { PositionHash } from "../random/hash.ts";
import { AliasTable } from "./alias-table.ts";
import { checksum } from "./checksum.ts";
import { assertInteger, assertPositions } from "./positions.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";

export interface WeightedOptions {
  /** Default 42. */
  readonly seed?: number;
  /** Samples of an epoch. Default the number of rows. */
  readonly length?: number;
}

/**
 * Rows with replacement, each draw in proportion to the weights and independent of all others.
 * 12 bytes of memory a row; the weights are not kept.
 */
export class WeightedSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly seed: number;
  readonly #table: AliasTable;
  readonly #weights: string;
  #epoch = -1;
  #hash = new PositionHash([]);

  /**
   * weights: [nRows], need not sum to 1; a row of weight 0 never comes.
   * @throws InvalidArgumentError for weights that are negative, not finite, or sum to 0.
   */
  constructor(weights: ArrayLike<number>, options: WeightedOptions = {}) {
    checkOptions("WeightedSampler", options, { seed: aNumber, length: aNumber });
    if (!isArrayLike(weights)) {
      const message = `weights: expected an array with a weight for each row, found ${shown(weights)}`;
      throw new InvalidArgumentError("weights", weights, message);
    }
    this.seed = options.seed ?? 42;
    this.nRows = weights.length;
    this.length = options.length ?? weights.length;
    assertInteger("seed", this.seed, 0);
    assertInteger("length", this.length, 0);
    this.#table = new AliasTable(weights);
    this.#weights = checksum(Float64Array.from(weights));
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    if (epoch !== this.#epoch) {
      this.#hash = new PositionHash([this.seed, epoch]);
      this.#epoch = epoch;
    }
    for (let i = 0; i < out.length; i++) out[i] = this.#table.at(this.#hash.uniform(begin + i));
  }

  describe(): SamplerDescription {
    return {
      name: "weighted",
      version: 1,
      nRows: this.nRows,
      length: this.length,
      seed: this.seed,
      weights: this.#weights,
    };
  }
}

/** For callers without a type checker. */
function isArrayLike(value: unknown): boolean {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);
}
