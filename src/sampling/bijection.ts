import { hashNext, hashParts, highBits, mix32 } from "../random/hash.ts";

/** Half-rounds of the Feistel network; enough to pass the tests of evenness in domains of few bits. */
const HALF_ROUNDS = 8;

/**
 * A keyed permutation of 0..size-1 without memory: a Feistel network over the smallest power of two
 * that holds `size`, walked until the value falls inside (format-preserving encryption by cycle
 * walking, Black and Rogaway 2002). size of 1 to 2^53 - 1; fewer than two walks on average.
 */
export class Bijection {
  readonly size: number;
  readonly #keys = new Int32Array(HALF_ROUNDS);
  /** Whether values fit in 31 bits, where shifts take the place of divisions. */
  readonly #isSmall: boolean;
  readonly #lowBits: number;
  readonly #lowScale: number;
  readonly #lowMask: number;
  readonly #highMask: number;

  /** Keys are safe integers, e.g. seed, epoch and what is permuted. */
  constructor(size: number, keys: readonly number[]) {
    this.size = size;
    const parts = keys.flatMap((key) => [key, highBits(key)]);
    const hash = hashParts(parts);
    for (let i = 0; i < HALF_ROUNDS; i++) this.#keys[i] = hashNext(hash, i);
    const bits = bitLength(size - 1);
    const lowBits = bits >> 1;
    this.#lowBits = lowBits;
    this.#isSmall = bits < 32;
    this.#lowScale = 2 ** lowBits;
    this.#lowMask = 2 ** lowBits - 1;
    this.#highMask = 2 ** (bits - lowBits) - 1;
  }

  /** Where index goes. 0 <= index < size. */
  at(index: number): number {
    if (this.#isSmall) return this.#atSmall(index);
    const keys = this.#keys;
    const lowMask = this.#lowMask;
    const highMask = this.#highMask;
    let value = index;
    do {
      let high = Math.floor(value / this.#lowScale);
      let low = value - high * this.#lowScale;
      for (let i = 0; i < HALF_ROUNDS; i += 2) {
        high ^= (mix32(low + (keys[i] as number)) >>> 3) & highMask;
        low ^= (mix32(high + (keys[i + 1] as number)) >>> 3) & lowMask;
      }
      value = high * this.#lowScale + low;
    } while (value >= this.size);
    return value;
  }

  #atSmall(index: number): number {
    const keys = this.#keys;
    const lowMask = this.#lowMask;
    const highMask = this.#highMask;
    const lowBits = this.#lowBits;
    const size = this.size;
    let value = index | 0;
    do {
      let high = value >>> lowBits;
      let low = value & lowMask;
      for (let i = 0; i < HALF_ROUNDS; i += 2) {
        high ^= (mix32(low + (keys[i] as number)) >>> 3) & highMask;
        low ^= (mix32(high + (keys[i + 1] as number)) >>> 3) & lowMask;
      }
      value = (high << lowBits) | low;
    } while (value >= size);
    return value;
  }

  /** The index that goes to `value`. */
  indexOf(value: number): number {
    const keys = this.#keys;
    let index = value;
    do {
      let high = Math.floor(index / this.#lowScale);
      let low = index - high * this.#lowScale;
      for (let i = HALF_ROUNDS - 2; i >= 0; i -= 2) {
        low ^= (mix32(high + (keys[i + 1] as number)) >>> 3) & this.#lowMask;
        high ^= (mix32(low + (keys[i] as number)) >>> 3) & this.#highMask;
      }
      index = high * this.#lowScale + low;
    } while (index >= this.size);
    return index;
  }
}

/** Bits of a safe integer; 0 has none. */
function bitLength(value: number): number {
  const high = highBits(value);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(value);
}
