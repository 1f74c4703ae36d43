import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aBoolean, anything, checkOptions } from "../../formats/common/options.ts";
import type { NumpyGenerator } from "./numpy-generator.ts";

export interface ChoiceOptions {
  /** Default true. */
  readonly replace?: boolean;
  /** Probability of each index; must sum to 1 within 1.5e-8. Default uniform. */
  readonly p?: ArrayLike<number>;
  /** Without replacement: false may leave the order less random, for speed. Default true. */
  readonly shuffle?: boolean;
}

/** sqrt of float64's epsilon: how far from 1 numpy lets probabilities sum. */
const SUM_TOLERANCE = 2 ** -26;
const FREE = -1;

/** `Generator.choice`: which of its four algorithms runs depends on replace, p, length and size. */
export function choiceIndices(
  rng: NumpyGenerator,
  length: number,
  size: number,
  options: ChoiceOptions,
): Float64Array {
  if (!(Number.isSafeInteger(length) && length >= 0) || (length === 0 && size > 0)) {
    throw new InvalidArgumentError(
      "length",
      length,
      `length must be a positive integer, got ${length}`,
    );
  }
  if (!(Number.isSafeInteger(size) && size >= 0)) {
    throw new InvalidArgumentError("size", size, `size must not be negative, got ${size}`);
  }
  checkOptions(
    "choice",
    options,
    { replace: aBoolean, p: anything, shuffle: aBoolean },
    { known: { replacement: "replace" } },
  );
  const { p } = options;
  if (p !== undefined) assertProbabilities(p, length);
  if (options.replace ?? true) {
    if (p !== undefined) return search(cumulative(Float64Array.from(p)), draw(rng, size));
    return size === 0 ? new Float64Array(0) : rng.integers(0, length, size);
  }
  if (size > length) {
    throw new InvalidArgumentError(
      "size",
      size,
      `cannot take ${size} of ${length} without replacement`,
    );
  }
  if (p !== undefined) return distinctWeighted(rng, Float64Array.from(p), size);
  const shuffle = options.shuffle ?? true;
  if (length > 10_000 && size > Math.floor(length / (shuffle ? 50 : 20))) {
    return tailOfShuffle(rng, length, size);
  }
  return floyd(rng, length, size, shuffle);
}

function tailOfShuffle(rng: NumpyGenerator, length: number, size: number): Float64Array {
  const order = length <= 2 ** 32 ? new Uint32Array(length) : new Float64Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  shuffleTail(rng, order, Math.max(length - size, 1));
  return Float64Array.from(order.subarray(length - size));
}

/** Floyd's algorithm (Bentley, "Programming Pearls", 1987) with an open hash set. */
function floyd(rng: NumpyGenerator, length: number, size: number, shuffle: boolean): Float64Array {
  const chosen = new Float64Array(size);
  const slots = 2 ** Math.ceil(Math.log2(Math.floor(1.2 * size) + 1));
  const set = new Float64Array(slots).fill(FREE);
  const slotOf = (value: number): number => {
    let slot = value % slots;
    while (set[slot] !== FREE && set[slot] !== value) slot = (slot + 1) % slots;
    return slot;
  };
  for (let i = length - size; i < length; i++) {
    const drawn = rng.integer(0, i + 1);
    const slot = slotOf(drawn);
    const value = set[slot] === FREE ? drawn : i;
    set[value === drawn ? slot : slotOf(i)] = value;
    chosen[i - length + size] = value;
  }
  if (shuffle) shuffleTail(rng, chosen, 1);
  return chosen;
}

/** Fisher-Yates from the end down to `first`, by Lemire's draws where `shuffle` uses masked ones. */
function shuffleTail(rng: NumpyGenerator, values: Uint32Array | Float64Array, first: number): void {
  for (let i = values.length - 1; i >= first; i--) {
    const j = rng.integer(0, i + 1);
    const kept = values[i] as number;
    values[i] = values[j] as number;
    values[j] = kept;
  }
}

/** Draws what is missing again, without what was found, until there are enough. */
function distinctWeighted(rng: NumpyGenerator, p: Float64Array, size: number): Float64Array {
  const positive = p.reduce((count, value) => count + (value > 0 ? 1 : 0), 0);
  if (positive < size) {
    throw new InvalidArgumentError(
      "p",
      p,
      `cannot take ${size} different ones, only ${positive} probabilities are above 0`,
    );
  }
  const found = new Set<number>();
  while (found.size < size) {
    const uniforms = draw(rng, size - found.size);
    for (const index of found) p[index] = 0;
    for (const index of search(cumulative(p), uniforms)) found.add(index);
  }
  return Float64Array.from(found);
}

function draw(rng: NumpyGenerator, size: number): Float64Array {
  return rng.fillRandom(new Float64Array(size));
}

function cumulative(p: Float64Array): Float64Array {
  const sums = new Float64Array(p.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    sum += p[i] as number;
    sums[i] = sum;
  }
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) / sum;
  return sums;
}

/** First index whose cumulative probability is above each uniform, written over them. */
function search(sums: Float64Array, uniforms: Float64Array): Float64Array {
  for (let i = 0; i < uniforms.length; i++) {
    const uniform = uniforms[i] as number;
    let low = 0;
    let high = sums.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) <= uniform) low = middle + 1;
      else high = middle;
    }
    uniforms[i] = low;
  }
  return uniforms;
}

function assertProbabilities(p: ArrayLike<number>, length: number): void {
  if (p.length !== length) {
    throw new InvalidArgumentError("p", p, `p must have ${length} values, got ${p.length}`);
  }
  let sum = 0;
  let lost = 0;
  for (let i = 0; i < p.length; i++) {
    const value = p[i] as number;
    if (!(value >= 0)) {
      throw new InvalidArgumentError("p", p, `p[${i}] must not be negative or NaN, got ${value}`);
    }
    const next = value - lost;
    const total = sum + next;
    lost = total - sum - next;
    sum = total;
  }
  if (!(Math.abs(sum - 1) <= SUM_TOLERANCE)) {
    throw new InvalidArgumentError("p", p, `p must sum to 1, got ${sum}`, {
      suggestions: ["divide each by their sum"],
    });
  }
}
