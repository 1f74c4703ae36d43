import { mix32 } from "../random/hash.ts";

/**
 * One small random stream per cell: sfc32 seeded from (seed, stream) through splitmix32, so that
 * any cell can be drawn alone and in any order. Not one of the compatible generators; it only has
 * to be fast and reproducible.
 */
export class CellRandom {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 0;

  /** Starts stream `stream` of `seed`; both may use all 53 bits of a number. */
  seek(seed: number, stream: number): void {
    let state = mix(seed >>> 0) ^ mix((seed / 2 ** 32) >>> 0);
    state = mix(state ^ (stream >>> 0));
    state = mix(state ^ ((stream / 2 ** 32) >>> 0) ^ 0x9e37_79b9);
    this.#a = state;
    this.#b = mix(state + 0x9e37_79b9);
    this.#c = mix(state + 0x3c6e_f372);
    this.#counter = 1;
    for (let i = 0; i < 8; i++) this.uniform();
  }

  /** Uniform in (0, 1), never 0 and never 1, 32 bits. */
  uniform(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return ((sum >>> 0) + 0.5) / 2 ** 32;
  }

  /** Standard normal (Box-Muller, one of the pair). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Index drawn with the given cumulative weights (last one is the total). */
  choice(cumulative: Float64Array): number {
    const at = this.uniform() * (cumulative.at(-1) ?? 0);
    let index = 0;
    while (index < cumulative.length - 1 && at >= (cumulative[index] ?? 0)) index++;
    return index;
  }
}

function mix(value: number): number {
  return mix32(value + 0x9e37_79b9);
}
