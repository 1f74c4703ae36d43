import { expect, test } from "vitest";
import { packedRanges } from "../../../src/tensor/torch/packed-attention.ts";

test.each([
  [[0, 0, 1, 1, 1, 2], 6, ["0-2", "2-5", "5-6"]],
  [[4, 4, 4, 4], 2, ["0-2", "2-4"]],
  [[0, 1, 1, 1, 1, 0], 3, ["0-1", "1-3", "3-5", "5-6"]],
  [[0, 1, 0, 2], 4, null],
  [[7], 1, ["0-1"]],
] as const)("segments %j in rows of %i", (segments, length, expected) => {
  const found = packedRanges(segments, length);
  expect(found?.map(({ begin, end }) => `${begin}-${end}`) ?? null).toEqual(expected);
});
