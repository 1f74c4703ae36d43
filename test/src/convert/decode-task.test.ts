import { expect, test } from "vitest";
import { largestDifference } from "../../../src/convert/decode-task.ts";

test("the largest difference of a cast is exact for integers beyond 2^53", () => {
  const bytesOf = (array: Float64Array | Float32Array | BigUint64Array | Uint8Array) =>
    new Uint8Array(array.buffer);
  const odd = 2n ** 53n + 1n;
  expect(
    largestDifference(BigInt64Array.of(5n, odd), bytesOf(Float64Array.of(5, 2 ** 53)), "float64"),
  ).toBe(1);
  expect(
    largestDifference(BigInt64Array.of(-1n), bytesOf(BigUint64Array.of(2n ** 64n - 1n)), "uint64"),
  ).toBe(2 ** 64);
  expect(largestDifference(Float32Array.of(1.5, 300), Uint8Array.of(1, 44), "uint8")).toBe(256);
  expect(
    largestDifference(Float64Array.of(1e300), bytesOf(Float32Array.of(Infinity)), "float32"),
  ).toBe(Number.POSITIVE_INFINITY);
  expect(largestDifference(Float64Array.of(Number.NaN), Uint8Array.of(0), "uint8")).toBeNaN();
});
