import { createHash } from "node:crypto";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { Mt19937, type Mt19937State } from "./mt19937.ts";
import { toWords } from "./seed-sequence.ts";

/** Where a {@link PythonRandom} is; plain JSON. */
export interface PythonRandomState extends Mt19937State {
  readonly generator: "python-mt19937";
}

interface MutableList {
  readonly length: number;
  [index: number]: unknown;
}

/** Python's `random.Random`, bit for bit as CPython 3.9 and later draw. */
export class PythonRandom {
  readonly #bits: Mt19937;

  private constructor(bits: Mt19937) {
    this.#bits = bits;
  }

  /** `Random(seed)` for an integer of any size and sign, or a string (seed version 2). */
  static fromSeed(seed: number | bigint | string): PythonRandom {
    return new PythonRandom(Mt19937.fromWords(toWords(magnitude(seed))));
  }

  /** Goes on where {@link state} was taken. */
  static fromState(state: PythonRandomState): PythonRandom {
    if (state.generator !== "python-mt19937") {
      throw new InvalidArgumentError(
        "state",
        state,
        `state must be of a "python-mt19937" generator, got ${JSON.stringify(state.generator)}`,
      );
    }
    return new PythonRandom(Mt19937.fromState(state));
  }

  state(): PythonRandomState {
    return { generator: "python-mt19937", ...this.#bits.state() };
  }

  /** Uniform in [0, 1), 53 bits. */
  random(): number {
    const high = this.#bits.next32() >>> 5;
    return (high * 2 ** 26 + (this.#bits.next32() >>> 6)) * 2 ** -53;
  }

  /** `getrandbits(k)` for k of 0 to 53. */
  getrandbits(k: number): number {
    if (!(Number.isInteger(k) && k >= 0 && k <= 53)) {
      throw new InvalidArgumentError("k", k, `k must be 0 to 53 bits, got ${k}`);
    }
    if (k === 0) return 0;
    if (k <= 32) return this.#bits.next32() >>> (32 - k);
    const low = this.#bits.next32();
    return (this.#bits.next32() >>> (64 - k)) * 2 ** 32 + low;
  }

  /** Uniform in a..b, both included. */
  randint(a: number, b: number): number {
    return this.randrange(a, b + 1);
  }

  /** Uniform over start, start + step, ... below stop (above it when step is negative). */
  randrange(start: number, stop: number, step = 1): number {
    const count = Math.ceil((stop - start) / step);
    if (!(Number.isSafeInteger(start) && Number.isSafeInteger(count) && count > 0)) {
      throw new InvalidArgumentError(
        "stop",
        stop,
        `randrange needs integers with something between them, got ${start} to ${stop} by ${step}`,
      );
    }
    return start + step * this.#below(count);
  }

  /** One element. */
  choice<T>(values: ArrayLike<T>): T {
    if (values.length === 0) {
      throw new InvalidArgumentError("values", values, "cannot choose from an empty list");
    }
    // Below the length, and an ArrayLike has every index below it.
    return values[this.#below(values.length)] as T;
  }

  /**
   * `choices(range(length), weights, k=count)`: indices with replacement.
   *
   * Throws InvalidArgumentError when there are not `length` weights or their sum is not above 0.
   */
  choices(length: number, count: number, weights?: ArrayLike<number>): Float64Array {
    const drawn = new Float64Array(count);
    if (weights === undefined) {
      if (length < 1 && count > 0) {
        throw new InvalidArgumentError("length", length, `length must be above 0, got ${length}`);
      }
      return drawn.map(() => Math.floor(this.random() * length));
    }
    const sums = runningSums(weights, length);
    const total = sums.at(-1) ?? 0;
    return drawn.map(() => {
      const at = this.random() * total;
      let low = 0;
      let high = length - 1;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (at < (sums[middle] as number)) high = middle;
        else low = middle + 1;
      }
      return low;
    });
  }

  /** `sample(range(length), count)`: different indices, in random order. */
  sample(length: number, count: number): Float64Array {
    if (!(Number.isInteger(count) && count >= 0 && count <= length)) {
      throw new InvalidArgumentError(
        "count",
        count,
        `sample takes 0 to ${length} of ${length}, got ${count}`,
      );
    }
    const drawn = new Float64Array(count);
    // CPython keeps a list or a set, whichever it reckons smaller; the draws differ.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(logBase4(count * 3)) : 0);
    if (length <= setSize) {
      const pool = Float64Array.from({ length }, (_, i) => i);
      for (let i = 0; i < count; i++) {
        const j = this.#below(length - i);
        drawn[i] = pool[j] as number;
        pool[j] = pool[length - i - 1] as number;
      }
      return drawn;
    }
    const seen = new Set<number>();
    for (let i = 0; i < count; i++) {
      let j = this.#below(length);
      while (seen.has(j)) j = this.#below(length);
      seen.add(j);
      drawn[i] = j;
    }
    return drawn;
  }

  /** Shuffles in place. */
  shuffle(values: MutableList): void {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.#below(i + 1);
      const kept = values[i];
      values[i] = values[j];
      values[j] = kept;
    }
  }

  /** Uniform below n: as many top bits as n has, until one is below. Even n = 1 draws words. */
  #below(n: number): number {
    if (n < 2 ** 32) {
      const shift = Math.clz32(n);
      let value = this.#bits.next32() >>> shift;
      while (value >= n) value = this.#bits.next32() >>> shift;
      return value;
    }
    const bits = 64 - Math.clz32(Math.floor(n / 2 ** 32));
    let value = this.getrandbits(bits);
    while (value >= n) value = this.getrandbits(bits);
    return value;
  }
}

/** Log as CPython takes it; a power of 4 comes out exact in both. */
function logBase4(value: number): number {
  return Math.log(value) / Math.log(4);
}

function runningSums(weights: ArrayLike<number>, length: number): Float64Array {
  const sums = new Float64Array(length);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    sum += weights[i] ?? Number.NaN;
    sums[i] = sum;
  }
  if (weights.length === length && sum > 0 && Number.isFinite(sum)) return sums;
  throw new InvalidArgumentError(
    "weights",
    weights,
    `weights must be ${length} numbers with a finite sum above 0, got ${weights.length} with sum ${sum}`,
  );
}

function magnitude(seed: number | bigint | string): bigint {
  if (typeof seed === "string") {
    const text = Buffer.from(seed, "utf8");
    const digest = createHash("sha512").update(text).digest("hex");
    return BigInt(`0x${text.toString("hex")}${digest}`);
  }
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new InvalidArgumentError(
      "seed",
      seed,
      `seed must be an integer below 2^53, a bigint or a string, got ${seed}`,
    );
  }
  const value = BigInt(seed);
  return value < 0n ? -value : value;
}
