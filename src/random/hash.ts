/** murmur3's finaliser: a bijection of 32-bit words in which every bit depends on every other. */
export function mix32(value: number): number {
  let z = value | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
  return z ^ (z >>> 16);
}

/** A 32-bit word (signed) that depends on every part; a part counts with its low 32 bits. */
export function hashParts(parts: readonly number[]): number {
  let hash = 0x9e37_79b9;
  for (const part of parts) hash = hashNext(hash, part);
  return hash;
}

/** {@link hashParts} of one part more than those that gave `hash`. */
export function hashNext(hash: number, part: number): number {
  return mix32(Math.imul(hash, 5) + mix32(part | 0) + 0xe654_6b64);
}

/** The bits of a safe integer above the lowest 32, for {@link hashParts}. */
export function highBits(value: number): number {
  return Math.floor(value / 2 ** 32);
}

/**
 * Uniform numbers by position: a pure function of (keys, position), so that any one can be had
 * alone. Not a compatible generator; it has to be fast, even and the same for ever.
 */
export class PositionHash {
  readonly #inner: number;
  readonly #outer: number;

  /** Keys are safe integers, e.g. seed, epoch and what the numbers are for. */
  constructor(keys: readonly number[]) {
    const parts = keys.flatMap((key) => [key, highBits(key)]);
    this.#inner = hashParts([...parts, 1]);
    this.#outer = hashParts([...parts, 2]);
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(position: number): number {
    const high = Math.imul(highBits(position) + 1, 0x9e37_79b1);
    const inner = mix32(position + this.#inner) ^ high;
    const first = mix32(inner + this.#outer) >>> 5;
    const second = mix32(inner ^ (this.#outer + 0x6a09_e667)) >>> 6;
    return (first * 2 ** 26 + second) * 2 ** -53;
  }
}
