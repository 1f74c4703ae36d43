import type { NumpyGenerator } from "../random/numpy-generator.ts";

/**
 * Which windows a sequence is cropped to. "bionemo" never takes the last one, so that a cropped
 * sequence never holds its last token; "uniform" takes every one with the same probability.
 */
export type CropWindows = "bionemo" | "uniform";

/** Where a window of `maxLength` of `length` tokens begins; draws only when there is a choice. */
export function cropBegin(
  length: number,
  maxLength: number,
  windows: CropWindows,
  rng: NumpyGenerator,
): number {
  if (length <= maxLength) return 0;
  const end = length - maxLength;
  return rng.integer(0, windows === "uniform" ? end + 1 : end);
}
