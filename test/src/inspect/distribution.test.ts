import { expect, test } from "vitest";
import { evenEdges, summarize } from "../../../src/inspect/distribution.ts";

test("quartiles are numpy's, and every value is in one bin", () => {
  const summary = summarize(Float64Array.of(9, 1, 4, 7));
  // numpy.percentile([1, 4, 7, 9], [25, 50, 75]) = 3.25, 5.5, 7.5
  expect(summary).toMatchObject({
    minimum: 1,
    lowerQuartile: 3.25,
    median: 5.5,
    upperQuartile: 7.5,
    maximum: 9,
    mean: 5.25,
  });
  expect(summary.edges).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(summary.bins).toEqual([1, 0, 0, 1, 0, 0, 1, 1]);
});

test("edges are round numbers that cover the values", () => {
  expect(evenEdges(0, 1)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
  expect(evenEdges(130, 17_000)).toEqual([
    0, 2000, 4000, 6000, 8000, 10_000, 12_000, 14_000, 16_000, 18_000,
  ]);
  expect(evenEdges(5, 5)).toEqual([5, 6]);
});

test("a long tail gets edges at powers of two", () => {
  const summary = summarize(Float64Array.of(0, 1, 2, 3, 100));
  expect(summary.edges).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128]);
  expect(summary.bins).toEqual([1, 1, 2, 0, 0, 0, 0, 1]);
});

test("equal values are one bin", () => {
  expect(summarize(new Float64Array(7).fill(3))).toMatchObject({
    edges: [3, 4],
    bins: [7],
    mean: 3,
  });
});
