import { aNumber, checkOptions } from "../../formats/common/options.ts";
import { Bijection } from "./bijection.ts";
import { assertInteger, assertPositions } from "./positions.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";

export interface ShuffledOptions {
  /** Default 42, as the original's resampler. */
  readonly seed?: number;
}

/**
 * Every row once an epoch, in an order that is random over the whole data set and another one in
 * each epoch. O(1) memory at any number of rows up to 2^53.
 */
export class ShuffledSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly seed: number;
  #epoch = -1;
  #order = new Bijection(1, []);

  /** @throws InvalidArgumentError for a row count or seed that is not a non-negative integer. */
  constructor(nRows: number, options: ShuffledOptions = {}) {
    checkOptions("ShuffledSampler", options, { seed: aNumber });
    this.seed = options.seed ?? 42;
    assertInteger("nRows", nRows, 0);
    assertInteger("seed", this.seed, 0);
    this.nRows = nRows;
    this.length = nRows;
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    if (epoch !== this.#epoch) {
      this.#order = new Bijection(Math.max(1, this.nRows), [this.seed, epoch]);
      this.#epoch = epoch;
    }
    for (let i = 0; i < out.length; i++) out[i] = this.#order.at(begin + i);
  }

  describe(): SamplerDescription {
    return { name: "shuffled", version: 1, nRows: this.nRows, seed: this.seed };
  }
}
