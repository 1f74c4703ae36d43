import { InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aNumber,
  anObject,
  checkOptions,
  type OptionKinds,
  shown,
} from "../../formats/common/options.ts";
import { Bijection } from "./bijection.ts";
import { assertInteger, assertPositions } from "./positions.ts";
import { quotas } from "./quotas.ts";
import type { Sampler, SamplerDescription } from "./sampler.ts";

export interface MixturePart {
  readonly sampler: Sampler;
  /** Share of the samples, relative to the other parts. Above 0. */
  readonly weight: number;
  /**
   * What is added to the rows of this part. Default: after the rows of the parts before, as in a
   * DatasetCollection of their data sets.
   */
  readonly firstRow?: number;
}

export interface MixtureOptions {
  /** Default 42. */
  readonly seed?: number;
  /** Samples of an epoch. Default the sum of the parts' lengths. */
  readonly length?: number;
  /**
   * Samples in which every part comes exactly in proportion, rounded to whole samples. Default 1024,
   * or 16 for each part when that is more.
   */
  readonly cycle?: number;
}

export const MIXTURE_KINDS: OptionKinds<MixtureOptions> = {
  seed: aNumber,
  length: aNumber,
  cycle: aNumber,
};

/** What the keys are for, so that places differ from the rows of a part with the same seed. */
const PLACES = 3;

/**
 * Samples of several samplers in fixed proportions. In each cycle of samples every part has its
 * exact quota of places, in random order; each part is read on through its own epochs, whatever the
 * epochs of the mixture are, so that a small part repeats only after all of it has come.
 *
 * Memory is that of the parts plus two bytes a sample of the cycle.
 */
export class MixtureSampler implements Sampler {
  readonly length: number;
  readonly nRows: number;
  readonly seed: number;
  readonly cycle: number;
  readonly #parts: readonly Required<MixturePart>[];
  readonly #quotas: readonly number[];
  /** First place of each part among those of a cycle, before they are shuffled. */
  readonly #firstPlace: readonly number[];
  readonly #partOfPlace: Uint16Array;
  readonly #one = new Float64Array(1);
  #cycleNumber = -1;
  #places: Bijection;

  /** @throws InvalidArgumentError for parts without rows or weight, or a cycle too short for one. */
  constructor(parts: readonly MixturePart[], options: MixtureOptions = {}) {
    checkOptions("MixtureSampler", options, MIXTURE_KINDS);
    this.#parts = placed(parts);
    this.seed = options.seed ?? 42;
    this.cycle = options.cycle ?? Math.max(1024, 16 * parts.length);
    assertInteger("seed", this.seed, 0);
    assertInteger("cycle", this.cycle, 1);
    this.#quotas = quotas(
      parts.map((part) => part.weight),
      this.cycle,
    );
    const starved = this.#quotas.indexOf(0);
    if (starved >= 0) {
      throw new InvalidArgumentError(
        "cycle",
        this.cycle,
        `part ${starved} of weight ${parts[starved]?.weight} gets none of ${this.cycle} samples`,
        { suggestions: ["raise cycle"] },
      );
    }
    this.nRows = Math.max(...this.#parts.map((part) => part.firstRow + part.sampler.nRows));
    this.length = options.length ?? parts.reduce((sum, part) => sum + part.sampler.length, 0);
    assertInteger("length", this.length, 0);
    this.#partOfPlace = new Uint16Array(this.cycle);
    const firstPlace: number[] = [];
    let place = 0;
    for (const [k, quota] of this.#quotas.entries()) {
      firstPlace.push(place);
      this.#partOfPlace.fill(k, place, place + quota);
      place += quota;
    }
    this.#firstPlace = firstPlace;
    this.#places = new Bijection(this.cycle, []);
  }

  fill(epoch: number, begin: number, out: Float64Array): void {
    assertPositions(this.length, epoch, begin, out.length);
    const first = epoch * this.length + begin;
    assertInteger("epoch", first + out.length, 0);
    for (let i = 0; i < out.length; i++) out[i] = this.#row(first + i);
  }

  describe(): SamplerDescription {
    return {
      name: "mixture",
      version: 1,
      nRows: this.nRows,
      length: this.length,
      seed: this.seed,
      cycle: this.cycle,
      parts: JSON.stringify(
        this.#parts.map(({ sampler, weight, firstRow }) => [sampler.describe(), weight, firstRow]),
      ),
    };
  }

  /** Row of a sample counted over all epochs. */
  #row(sample: number): number {
    const cycleNumber = Math.floor(sample / this.cycle);
    if (cycleNumber !== this.#cycleNumber) {
      this.#places = new Bijection(this.cycle, [this.seed, cycleNumber, PLACES]);
      this.#cycleNumber = cycleNumber;
    }
    const place = this.#places.at(sample - cycleNumber * this.cycle);
    const k = this.#partOfPlace[place] as number;
    const part = this.#parts[k] as Required<MixturePart>;
    const inPart =
      cycleNumber * (this.#quotas[k] as number) + place - (this.#firstPlace[k] as number);
    const partEpoch = Math.floor(inPart / part.sampler.length);
    part.sampler.fill(partEpoch, inPart - partEpoch * part.sampler.length, this.#one);
    return part.firstRow + (this.#one[0] as number);
  }
}

const PART_KINDS: OptionKinds<MixturePart> = {
  sampler: anObject,
  weight: aNumber,
  firstRow: aNumber,
};

function placed(parts: readonly MixturePart[]): Required<MixturePart>[] {
  if (!Array.isArray(parts)) {
    const message = `parts: expected a list of { sampler, weight }, found ${shown(parts)}`;
    throw new InvalidArgumentError("parts", parts, message);
  }
  if (parts.length === 0 || parts.length > 2 ** 16) {
    throw new InvalidArgumentError(
      "parts",
      parts,
      `a mixture has 1 to 65536 parts, got ${parts.length}`,
    );
  }
  for (const [k, part] of parts.entries()) {
    checkOptions(`part ${k} of MixtureSampler`, part, PART_KINDS);
    if (typeof part.sampler?.fill === "function") continue;
    const message = `part ${k} of MixtureSampler: sampler is ${shown(part.sampler)}, expected a sampler`;
    throw new InvalidArgumentError("sampler", part.sampler, message);
  }
  let next = 0;
  return parts.map(({ sampler, weight, firstRow = next }, k) => {
    if (!(weight > 0 && weight < Number.POSITIVE_INFINITY)) {
      throw new InvalidArgumentError(
        "weight",
        weight,
        `the weight of part ${k} is ${shown(weight)}, expected a finite number above 0`,
        { suggestions: ["leave a part without weight out"] },
      );
    }
    if (sampler.length === 0) {
      throw new InvalidArgumentError("parts", parts, `part ${k} has no samples`);
    }
    assertInteger("firstRow", firstRow, 0);
    next = firstRow + sampler.nRows;
    return { sampler, weight, firstRow };
  });
}
