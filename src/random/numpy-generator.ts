import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { bounded32, fill32, fill64, fillBits, fillPieces, fillSafe, masked32 } from "./bounded.ts";
import { type ChoiceOptions, choiceIndices } from "./numpy-choice.ts";
import { Pcg64, type Pcg64State } from "./pcg64.ts";
import { type Seed, SeedSequence, type SeedSequenceState } from "./seed-sequence.ts";

/** Where a {@link NumpyGenerator} is; plain JSON. */
export interface NumpyGeneratorState extends Pcg64State {
  readonly generator: "numpy-pcg64";
  readonly seedSequence: SeedSequenceState;
}

/** The arrays of {@link NumpyGenerator.integers} by type. */
export interface IntegerArrays {
  readonly bool: Uint8Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  /** numpy's int64 draws as numbers; bounds must be safe integers. */
  readonly float64: Float64Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
}

export type IntegerDType = keyof IntegerArrays;

export interface IntegersOptions<D extends IntegerDType> {
  /**
   * Default "float64", the values of numpy's default int64. The draws differ by type: 8 and 16-bit
   * types and bool take several from one 32-bit word.
   */
  readonly dtype?: D;
  /** True to include `high`. Default false. */
  readonly endpoint?: boolean;
}

/** Lowest and highest value of each type. */
const BOUNDS: Readonly<Record<IntegerDType, readonly [bigint, bigint]>> = {
  bool: [0n, 1n],
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  float64: [BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER)],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/**
 * numpy's `default_rng(seed)`: PCG64 seeded by SeedSequence, bit for bit as numpy 1.17 to 2.4 draws.
 *
 * Results are new arrays unless a target is given.
 */
export class NumpyGenerator {
  readonly #bits: Pcg64;
  readonly #seeds: SeedSequence;

  private constructor(bits: Pcg64, seeds: SeedSequence) {
    this.#bits = bits;
    this.#seeds = seeds;
  }

  /** Throws InvalidArgumentError for a seed that is negative or not an integer. */
  static fromSeed(seed: Seed): NumpyGenerator {
    return NumpyGenerator.#fromSeeds(new SeedSequence(seed));
  }

  /** Goes on where {@link state} was taken. */
  static fromState(state: NumpyGeneratorState): NumpyGenerator {
    if (state.generator !== "numpy-pcg64") {
      throw new InvalidArgumentError(
        "state",
        state,
        `state must be of a "numpy-pcg64" generator, got ${JSON.stringify(state.generator)}`,
      );
    }
    return new NumpyGenerator(Pcg64.fromState(state), SeedSequence.fromState(state.seedSequence));
  }

  static #fromSeeds(seeds: SeedSequence): NumpyGenerator {
    return new NumpyGenerator(Pcg64.fromSeedSequence(seeds), seeds);
  }

  state(): NumpyGeneratorState {
    return {
      generator: "numpy-pcg64",
      ...this.#bits.state(),
      seedSequence: this.#seeds.state(),
    };
  }

  /** `count` independent generators; later calls give others. */
  spawn(count: number): NumpyGenerator[] {
    return this.#seeds.spawn(count).map((seeds) => NumpyGenerator.#fromSeeds(seeds));
  }

  /** A generator far ahead in this one's stream: `Generator(bit_generator.jumped(jumps))`. */
  jumped(jumps = 1): NumpyGenerator {
    return new NumpyGenerator(this.#bits.jumped(jumps), this.#seeds);
  }

  /** Skips `draws` 64-bit draws (negative: goes back) in log time: `bit_generator.advance`. */
  advance(draws: number | bigint): void {
    this.#bits.advance(BigInt(draws));
  }

  /** `bit_generator.random_raw()`: the next 64-bit draw. */
  nextUint64(): bigint {
    this.#bits.next64();
    const [low = 0, high = 0] = this.#bits.drawn;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** Uniform in [0, 1), 53 bits. */
  random(): number {
    this.#bits.next64();
    const { drawn } = this.#bits;
    return ((drawn[1] as number) * 2 ** 21 + ((drawn[0] as number) >>> 11)) * 2 ** -53;
  }

  /**
   * Fills `target` with uniforms in [0, 1) and returns it: 53 bits for Float64Array, 24 bits of
   * 32-bit words for Float32Array (`random(size, dtype=float32)`).
   */
  fillRandom<T extends Float64Array | Float32Array>(target: T): T {
    if (target instanceof Float64Array) {
      this.#bits.fillDoubles(target);
    } else {
      for (let i = 0; i < target.length; i++) target[i] = (this.#bits.next32() >>> 8) * 2 ** -24;
    }
    return target;
  }

  /** One integer of [low, high), as `integers(low, high)`; both safe integers. */
  integer(low: number, high: number): number {
    const range = high - 1 - low;
    if (range >= 0 && range < 2 ** 32 && Number.isSafeInteger(low) && Number.isSafeInteger(high)) {
      return low + bounded32(this.#bits, range);
    }
    return this.integers(low, high, 1)[0] as number;
  }

  /** One integer of [low, high) in numpy's int64, for bounds beyond 2^53. */
  bigInteger(low: bigint, high: bigint): bigint {
    return this.integers(low, high, 1, { dtype: "int64" })[0] as bigint;
  }

  /**
   * `size` integers of [low, high), in a new array of the type asked for.
   *
   * Throws InvalidArgumentError for bounds that are not integers, outside the type, or empty.
   */
  integers<D extends IntegerDType = "float64">(
    low: number | bigint,
    high: number | bigint,
    size: number,
    options: IntegersOptions<D> = {},
  ): IntegerArrays[D] {
    const dtype = options.dtype ?? "float64";
    const first = toInteger(low, "low");
    const last = toInteger(high, "high") - (options.endpoint === true ? 0n : 1n);
    const [lowest, highest] = BOUNDS[dtype];
    if (first < lowest || last > highest || first > last) {
      throw new InvalidArgumentError(
        "high",
        high,
        `integers of ${dtype} must be a range within ${lowest} to ${highest}, got ${low} to ${high}`,
      );
    }
    // The map from D to its array is this switch; TypeScript cannot follow it through the generic.
    return this.#fillIntegers(dtype, first, last - first, size) as IntegerArrays[D];
  }

  #fillIntegers(
    dtype: IntegerDType,
    first: bigint,
    range: bigint,
    size: number,
  ): IntegerArrays[IntegerDType] {
    const bits = this.#bits;
    const low = Number(first);
    switch (dtype) {
      case "bool": {
        const target = new Uint8Array(size);
        fillBits(bits, low, Number(range), target);
        return target;
      }
      case "int8":
      case "uint8": {
        const target = dtype === "int8" ? new Int8Array(size) : new Uint8Array(size);
        fillPieces(bits, low, Number(range), target, 8);
        return target;
      }
      case "int16":
      case "uint16": {
        const target = dtype === "int16" ? new Int16Array(size) : new Uint16Array(size);
        fillPieces(bits, low, Number(range), target, 16);
        return target;
      }
      case "int32":
      case "uint32": {
        const target = dtype === "int32" ? new Int32Array(size) : new Uint32Array(size);
        fill32(bits, low, Number(range), target);
        return target;
      }
      case "float64": {
        const target = new Float64Array(size);
        if (range < 2n ** 32n) fill32(bits, low, Number(range), target);
        else fillSafe(bits, low, range, target);
        return target;
      }
      case "int64":
      case "uint64": {
        const target = dtype === "int64" ? new BigInt64Array(size) : new BigUint64Array(size);
        fill64(bits, first, range, target);
        return target;
      }
      default:
        throw new InvalidArgumentError(
          "dtype",
          dtype satisfies never,
          `dtype must be one of ${Object.keys(BOUNDS).join(", ")}`,
        );
    }
  }

  /**
   * `size` indices of 0..length-1, as `choice(length, size, ...)`; use them to index what you have.
   * Without replacement costs O(size) memory, or O(length) when size is over a fiftieth of it.
   *
   * Throws InvalidArgumentError for more draws than there are to take, or probabilities that are
   * negative, NaN or do not sum to 1.
   */
  choice(length: number, size: number, options: ChoiceOptions = {}): Float64Array {
    return choiceIndices(this, length, size, options);
  }

  /** 0..length-1 in random order, as `permutation(length)`; length at most 2^32. */
  permutation(length: number): Uint32Array {
    const order = new Uint32Array(length);
    for (let i = 0; i < length; i++) order[i] = i;
    shuffleWords(this.#bits, order);
    return order;
  }

  /** Shuffles an array of at most 2^32 elements in place, as `shuffle`. */
  shuffle(values: { readonly length: number; [index: number]: unknown }): void {
    if (values instanceof Uint32Array) {
      shuffleWords(this.#bits, values);
      return;
    }
    for (let i = values.length - 1; i > 0; i--) {
      const j = masked32(this.#bits, i);
      const kept = values[i];
      values[i] = values[j];
      values[j] = kept;
    }
  }
}

/** numpy's name for {@link NumpyGenerator.fromSeed}. */
export function defaultRng(seed: Seed): NumpyGenerator {
  return NumpyGenerator.fromSeed(seed);
}

function shuffleWords(bits: Pcg64, values: Uint32Array): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = masked32(bits, i);
    const kept = values[i] as number;
    values[i] = values[j] as number;
    values[j] = kept;
  }
}

function toInteger(value: number | bigint, argument: string): bigint {
  if (typeof value === "bigint") return value;
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} must be an integer below 2^53, or a bigint, got ${value}`,
  );
}
