import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { Sampler, SamplerDescription } from "../sampling/sampler.ts";

/**
 * The epochs of a sampler one after the other as one long epoch, cut at a number of samples: batches
 * then cross epochs, and a run of a fixed number of steps is one loop.
 *
 * Position g is position `g mod n` of epoch `floor(g / n)` of the inner sampler. Every epoch of the
 * run itself is the same.
 */
export class RunSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly #epochs: Sampler;

  /** @throws InvalidArgumentError for samples of a sampler that has none. */
  constructor(epochs: Sampler, numSamples: number) {
    if (
      !Number.isSafeInteger(numSamples) ||
      numSamples < 0 ||
      (numSamples > 0 && epochs.length === 0)
    ) {
      throw new InvalidArgumentError(
        "numSamples",
        numSamples,
        `${numSamples} samples cannot be drawn from epochs of ${epochs.length}`,
      );
    }
    this.#epochs = epochs;
    this.length = numSamples;
    this.nRows = epochs.nRows;
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    const end = begin + out.length;
    if (!(epoch >= 0 && begin >= 0 && end <= this.length)) {
      throw new InvalidArgumentError(
        "begin",
        begin,
        `positions [${begin}, ${end}) of epoch ${epoch} are not inside [0, ${this.length})`,
      );
    }
    const n = this.#epochs.length;
    for (let at = begin; at < end; ) {
      const from = at % n;
      const count = Math.min(n - from, end - at);
      const target = out.subarray(at - begin, at - begin + count);
      this.#epochs.fill(Math.floor(at / n), from, target);
      at += count;
    }
  }

  /** The epoch of the inner sampler; the same whichever epoch of the run is asked for. */
  epochAt(_epoch: number, position: number): number {
    return Math.floor(position / this.#epochs.length);
  }

  describe(): SamplerDescription {
    const { name, version, ...rest } = this.#epochs.describe();
    return { ...rest, name: `run of ${name}`, version, samples: this.length };
  }
}
