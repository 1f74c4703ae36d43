import type { NumpyGenerator } from "./numpy-generator.ts";

const INT64_MAX = 2n ** 63n - 1n;

/**
 * A seed for another generator, drawn from this one, as bionemo-core's `get_seed_from_rng`: 0 to
 * 2^63 - 2, beyond what a number holds exactly.
 */
export function seedFrom(rng: NumpyGenerator): bigint {
  return rng.bigInteger(0n, INT64_MAX);
}
