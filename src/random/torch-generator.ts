import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { Mt19937, type Mt19937State, STATE_WORDS } from "./mt19937.ts";
import { type MultinomialOptions, multinomialIndices } from "./torch-multinomial.ts";

/**
 * Which releases to draw as. They differ in `multinomial` (its exponentials come from MKL in the
 * older builds) and in `randint` of ranges from 2^28 to 2^32.
 */
export type TorchRelease = "2.7" | "1.13-mkl";

/** Where a {@link TorchGenerator} is; plain JSON. */
export interface TorchGeneratorState extends Mt19937State {
  readonly generator: "torch-mt19937";
  readonly release: TorchRelease;
  /** Decimal; 64 bits, of which the low 32 seed the stream. */
  readonly initialSeed: string;
}

export interface TorchGeneratorOptions {
  /** "2.7" draws as torch 2.7 and later, "1.13-mkl" as MKL builds of 1.13 to 2.6. Default "2.7". */
  readonly release?: TorchRelease;
}

/** At and above this `randperm` counts from the inside out with 64-bit draws. */
const LONG_PERMUTATION = Math.floor((2 ** 32 - 1) / 20);

/** Layout of `Generator.get_state()`: seed, left, seeded, next, 624 words of 8 bytes, normals. */
const STATE_BYTES = 5056;
const WORDS_BEGIN = 24;
const WORDS_END = WORDS_BEGIN + 8 * STATE_WORDS;

/** torch's CPU generator, `torch.Generator().manual_seed(seed)`, bit for bit. */
export class TorchGenerator {
  readonly release: TorchRelease;
  readonly #randint64From: number;
  #bits: Mt19937;
  #initialSeed: bigint;
  /** Cached normals of a state read from torch: nothing here draws them, they are handed back. */
  #normals = new Uint8Array(STATE_BYTES - WORDS_END);

  private constructor(seed: bigint, bits: Mt19937, release: TorchRelease) {
    this.#initialSeed = seed;
    this.#bits = bits;
    this.release = release;
    this.#randint64From = release === "2.7" ? 2 ** 28 : 2 ** 32;
  }

  /** Seeds equal in their low 32 bits give one stream. -2^63 to 2^64 - 1, as torch takes. */
  static fromSeed(seed: number | bigint, options: TorchGeneratorOptions = {}): TorchGenerator {
    const value = toSeed(seed);
    const release = options.release ?? "2.7";
    if (release !== "2.7" && release !== "1.13-mkl") {
      throw new InvalidArgumentError(
        "release",
        release satisfies never,
        `release must be "2.7" or "1.13-mkl", got ${JSON.stringify(release)}`,
      );
    }
    return new TorchGenerator(value, Mt19937.fromWord(lowWord(value)), release);
  }

  /** Goes on where {@link state} was taken. */
  static fromState(state: TorchGeneratorState): TorchGenerator {
    if (state.generator !== "torch-mt19937") {
      throw new InvalidArgumentError(
        "state",
        state,
        `state must be of a "torch-mt19937" generator, got ${JSON.stringify(state.generator)}`,
      );
    }
    const generator = TorchGenerator.fromSeed(BigInt(state.initialSeed), state);
    generator.#bits = Mt19937.fromState(state);
    return generator;
  }

  /** Goes on where torch's `generator.get_state()` (5056 bytes) was taken. */
  static fromTorchState(bytes: Uint8Array, options: TorchGeneratorOptions = {}): TorchGenerator {
    if (bytes.length !== STATE_BYTES) {
      throw new InvalidArgumentError(
        "bytes",
        bytes,
        `torch's generator state has ${STATE_BYTES} bytes, got ${bytes.length}`,
      );
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = new Uint32Array(STATE_WORDS);
    for (let i = 0; i < STATE_WORDS; i++) words[i] = view.getUint32(WORDS_BEGIN + 8 * i, true);
    // `left` counts down to the next twist, which is due when it is 1.
    const left = view.getInt32(8, true);
    const generator = TorchGenerator.fromSeed(view.getBigUint64(0, true), options);
    generator.#bits = Mt19937.at(words, STATE_WORDS + 1 - left, view.getUint32(16, true) !== 0);
    generator.#normals = bytes.slice(WORDS_END);
    return generator;
  }

  /** Seeds again, as `manual_seed`. */
  manualSeed(seed: number | bigint): void {
    this.#initialSeed = toSeed(seed);
    this.#bits.reseed(lowWord(this.#initialSeed));
    this.#normals.fill(0);
  }

  state(): TorchGeneratorState {
    return {
      generator: "torch-mt19937",
      release: this.release,
      initialSeed: this.#initialSeed.toString(),
      ...this.#bits.state(),
    };
  }

  /** The 5056 bytes that torch's `set_state` takes. */
  toTorchState(): Uint8Array {
    const bytes = new Uint8Array(STATE_BYTES);
    const view = new DataView(bytes.buffer);
    const { position, words, twisted } = this.#bits;
    view.setBigUint64(0, this.#initialSeed, true);
    view.setInt32(8, STATE_WORDS + 1 - position, true);
    view.setInt32(12, 1, true);
    view.setUint32(16, twisted ? position : 0, true);
    for (let i = 0; i < STATE_WORDS; i++) {
      view.setUint32(WORDS_BEGIN + 8 * i, words[i] as number, true);
    }
    bytes.set(this.#normals, WORDS_END);
    return bytes;
  }

  /** The next 32-bit output. */
  random32(): number {
    return this.#bits.next32();
  }

  /** Uniform float64 in [0, 1) from 64 bits, as `rand(1, dtype=float64)`. */
  randomDouble(): number {
    const high = this.#bits.next32() & 0x1f_ffff;
    return (high * 2 ** 32 + this.#bits.next32()) * 2 ** -53;
  }

  /**
   * Fills `target` with uniforms in [0, 1) and returns it, as `rand`: 24 bits of one output for
   * Float32Array, 53 bits of two for Float64Array.
   */
  fillRand<T extends Float32Array | Float64Array>(target: T): T {
    if (target instanceof Float64Array) {
      for (let i = 0; i < target.length; i++) target[i] = this.randomDouble();
    } else {
      for (let i = 0; i < target.length; i++) {
        target[i] = (this.#bits.next32() & 0xff_ffff) * 2 ** -24;
      }
    }
    return target;
  }

  /** `rand(size)`: a new Float32Array. */
  rand(size: number): Float32Array {
    return this.fillRand(new Float32Array(size));
  }

  /**
   * `randint(low, high, (size,))`: integers of [low, high), both safe integers, at most 2^53 apart.
   *
   * Throws InvalidArgumentError for anything else.
   */
  randint(low: number, high: number, size: number): Float64Array {
    const range = high - low;
    if (
      !(Number.isSafeInteger(low) && Number.isSafeInteger(high) && range > 0 && range <= 2 ** 53)
    ) {
      throw new InvalidArgumentError(
        "high",
        high,
        `randint needs integers low < high at most 2^53 apart, got ${low} to ${high}`,
      );
    }
    const drawn = new Float64Array(size);
    if (range < this.#randint64From) {
      for (let i = 0; i < size; i++) drawn[i] = low + (this.#bits.next32() % range);
      return drawn;
    }
    for (let i = 0; i < size; i++) {
      const high32 = this.#bits.next32();
      drawn[i] = low + remainder64(high32, this.#bits.next32(), range);
    }
    return drawn;
  }

  /** `randperm(n)`: 0..n-1 in random order; n at most 2^32. */
  randperm(n: number): Uint32Array {
    const order = new Uint32Array(n);
    if (n >= LONG_PERMUTATION) {
      for (let i = 0; i < n; i++) {
        const high = this.#bits.next32();
        const j = remainder64(high, this.#bits.next32(), i + 1);
        order[i] = order[j] as number;
        order[j] = i;
      }
      return order;
    }
    for (let i = 0; i < n; i++) order[i] = i;
    shuffleForward(this.#bits, order);
    return order;
  }

  /**
   * `multinomial(weights, size)`: indices drawn in proportion to weights, which need not sum to 1.
   * Arithmetic is float32, or float64 when weights is a Float64Array, as torch's is. Without replacement
   * two may tie, seldom: here the lower index is first, in torch either.
   *
   * Throws InvalidArgumentError for weights that are negative, infinite, NaN or all 0, and for more
   * draws than weights above 0 without replacement.
   */
  multinomial(
    weights: Float32Array | Float64Array,
    size: number,
    options: MultinomialOptions = {},
  ): Uint32Array {
    return multinomialIndices(this, weights, size, options);
  }
}

function shuffleForward(bits: Mt19937, order: Uint32Array): void {
  const n = order.length;
  for (let i = 0; i < n - 1; i++) {
    const j = i + (bits.next32() % (n - i));
    const kept = order[i] as number;
    order[i] = order[j] as number;
    order[j] = kept;
  }
}

/** (high * 2^32 + low) mod range, exact: bits are brought down as many at a time as 2^53 holds. */
function remainder64(high: number, low: number, range: number): number {
  if (range > 2 ** 45) return Number(((BigInt(high) << 32n) | BigInt(low)) % BigInt(range));
  let rest = remainder(high, range);
  if (range <= 2 ** 37) {
    rest = remainder(rest * 2 ** 16 + (low >>> 16), range);
    return remainder(rest * 2 ** 16 + (low & 0xffff), range);
  }
  for (let shift = 24; shift >= 0; shift -= 8) {
    rest = remainder(rest * 256 + ((low >>> shift) & 0xff), range);
  }
  return rest;
}

/** value mod range for integers below 2^53: a rounded quotient is at most one off, `%` is slow. */
function remainder(value: number, range: number): number {
  const rest = value - Math.floor(value / range) * range;
  if (rest < 0) return rest + range;
  return rest >= range ? rest - range : rest;
}

function lowWord(seed: bigint): number {
  return Number(seed & 0xffff_ffffn);
}

function toSeed(seed: number | bigint): bigint {
  const value = typeof seed === "bigint" || Number.isSafeInteger(seed) ? BigInt(seed) : null;
  if (value !== null && value >= -(2n ** 63n) && value < 2n ** 64n) {
    return BigInt.asUintN(64, value);
  }
  throw new InvalidArgumentError(
    "seed",
    seed,
    `seed must be an integer of -2^63 to 2^64 - 1 (a bigint beyond 2^53), got ${seed}`,
  );
}
