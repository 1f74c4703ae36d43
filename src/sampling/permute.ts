import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";

/** Where {@link permute} has its result written; an array a call would cost more than the hash. */
const ONE = new Float64Array(1);

/**
 * Where `index` goes in a permutation of 0..length-1 chosen by `seed`, without memory: Kensler,
 * "Correlated Multi-Jittered Sampling" (2013), as BioNeMo's `permute`.
 *
 * length of 2 to 2^32 (beyond it the original repeats rows), seed of 0 to 2^53 - 1.
 *
 * @throws InvalidArgumentError for anything else, as the original does.
 */
export function permute(index: number, length: number, seed: number): number {
  assertPermutation(length, seed);
  if (!(Number.isInteger(index) && index >= 0 && index < length)) {
    throw new InvalidArgumentError(
      "index",
      index,
      `the index to permute must be in the range [0, ${length}), got ${shown(index)}`,
    );
  }
  permuteRange(index, length, seed, ONE);
  return ONE[0] as number;
}

/**
 * {@link permute} of `begin`, `begin + 1`, ... for every place of `out`; a length of 1 is the
 * identity. The original's integers are wider, but only their low 32 bits reach the result.
 */
export function permuteRange(begin: number, length: number, seed: number, out: Float64Array): void {
  let mask = length - 1;
  for (const shift of [1, 2, 4, 8, 16]) mask |= mask >>> shift;
  const bits0 = seed | 0;
  const bits8 = Math.floor(seed / 2 ** 8) | 0;
  const bits16 = Math.floor(seed / 2 ** 16) | 0;
  const bits23 = Math.floor(seed / 2 ** 23) | 0;
  const odd = 1 | Math.floor(seed / 2 ** 27);
  const offset = seed % length;
  for (let i = 0; i < out.length; i++) {
    let x = (begin + i) | 0;
    do {
      x ^= bits0;
      x = Math.imul(x, 0xe170_893d);
      x ^= bits16;
      x ^= (x & mask) >>> 4;
      x ^= bits8;
      x = Math.imul(x, 0x0929_eb3f);
      x ^= bits23;
      x ^= (x & mask) >>> 1;
      x = Math.imul(x, odd);
      x = Math.imul(x, 0x6935_fa69);
      x ^= (x & mask) >>> 11;
      x = Math.imul(x, 0x74dc_b303);
      x ^= (x & mask) >>> 2;
      x = Math.imul(x, 0x9e50_1cc3);
      x ^= (x & mask) >>> 2;
      x = Math.imul(x, 0xc860_a3df);
      x &= mask;
    } while (x >>> 0 >= length);
    const sum = (x >>> 0) + offset;
    out[i] = sum < length ? sum : sum - length;
  }
}

function assertPermutation(length: number, seed: number): void {
  if (!(Number.isInteger(length) && length > 1 && length <= 2 ** 32)) {
    throw new InvalidArgumentError(
      "length",
      length,
      `the length of the permuted range must be greater than 1 and at most 2^32, got ${shown(length)}`,
      { suggestions: ["ShuffledSampler permutes up to 2^53 rows"] },
    );
  }
  if (!(Number.isSafeInteger(seed) && seed >= 0)) {
    throw new InvalidArgumentError(
      "seed",
      seed,
      `the permutation seed must be an integer greater than or equal to 0, got ${shown(seed)}`,
    );
  }
}
