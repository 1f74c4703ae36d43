import { hashParts, highBits, mix32 } from "../random/hash.ts";

/** What a dropout mask depends on, nothing else: not the executor, threads or earlier masks. */
export interface DropoutKey {
  readonly seed: number;
  readonly step: number;
  readonly microBatch: number;
  /** Number of the dropout in its program. */
  readonly layer: number;
}

/**
 * Fills `mask` with 1 (kept) and 0 (dropped) with probability `rate`, in steps of 2^-16.
 *
 * Element `e` takes 16 bits, low half first, of word `e >> 1` = mix(mix(word number + k0) ^ k1), where
 * k0 and k1 are hashes of the key and mix is murmur3's finaliser: nine integer operations that any
 * device has, in any order of elements.
 */
export function fillDropoutMask(mask: Uint8Array, rate: number, key: DropoutKey): void {
  const { k0, k1 } = dropoutKeys(key);
  const threshold = dropoutThreshold(rate);
  const pairs = mask.length >>> 1;
  for (let word = 0; word < pairs; word++) {
    const bits = mix32(mix32(word + k0) ^ k1);
    mask[2 * word] = (bits & 0xffff) >= threshold ? 1 : 0;
    mask[2 * word + 1] = bits >>> 16 >= threshold ? 1 : 0;
  }
  if (mask.length % 2 === 1) {
    const bits = mix32(mix32(pairs + k0) ^ k1);
    mask[mask.length - 1] = (bits & 0xffff) >= threshold ? 1 : 0;
  }
}

/** The two 32-bit keys (signed) of a mask. */
export function dropoutKeys(key: DropoutKey): { readonly k0: number; readonly k1: number } {
  const parts = [
    key.seed,
    highBits(key.seed),
    key.step,
    highBits(key.step),
    key.microBatch,
    key.layer,
  ];
  return { k0: hashParts([...parts, 1]), k1: hashParts([...parts, 2]) };
}

/** 16-bit values below it are dropped. */
export function dropoutThreshold(rate: number): number {
  return Math.round(rate * 65_536);
}
