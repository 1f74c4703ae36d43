import { assertInteger, assertPositions } from "./positions.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";

/** Rows in the order they are stored, every epoch. O(1) memory. */
export class SequentialSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;

  /** @throws InvalidArgumentError for a row count that is not one. */
  constructor(nRows: number) {
    assertInteger("nRows", nRows, 0);
    this.nRows = nRows;
    this.length = nRows;
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    for (let i = 0; i < out.length; i++) out[i] = begin + i;
  }

  describe(): SamplerDescription {
    return { name: "sequential", version: 1, nRows: this.nRows };
  }
}
