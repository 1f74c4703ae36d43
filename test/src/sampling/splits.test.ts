import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { splitByFraction, splitByGroup, splitByValue } from "../../../src/sampling/splits.ts";

describe("splitByFraction", () => {
  test("puts every row into one split, each of its exact size", () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(9), fc.nat(9), fc.nat(), (nRows, train, test_, seed) => {
        const split = splitByFraction(nRows, { train, val: 1, test: test_ }, { seed });
        const all = [...split.train, ...split.val, ...split.test].sort((a, b) => a - b);
        expect(all).toEqual(Array.from({ length: nRows }, (_, i) => i));
        const wanted = (nRows * train) / (train + 1 + test_);
        expect(Math.abs(split.train.length - wanted)).toBeLessThan(1);
        expect(split.train).toEqual(split.train.slice().sort());
      }),
      { numRuns: 300 },
    );
  });

  test("is another one for another seed, and the same for the same", () => {
    const split = (seed: number) => splitByFraction(100, { a: 1, b: 1 }, { seed }).a;
    expect(split(1)).toEqual(split(1));
    expect(split(1)).not.toEqual(split(2));
    expect([...splitByFraction(12, { a: 0.5, b: 0.5 }).a]).toEqual([1, 2, 3, 4, 9, 10]);
  });
});

describe("splitByGroup", () => {
  const groupsOf = fc.array(fc.constantFrom("d1", "d2", "d3", "d4", "d5", null), {
    maxLength: 200,
  });

  test("cuts no group, loses no row that has one, and leaves no split empty", () => {
    fc.assert(
      fc.property(groupsOf, fc.nat(), (groups, seed) => {
        const named = new Set(groups.filter((group) => group !== null));
        fc.pre(named.size >= 3);
        const split = splitByGroup(groups, { train: 8, val: 1, test: 1 }, { seed });
        const sides = Object.values(split).map((rows) => new Set([...rows].map((r) => groups[r])));
        expect(sides.reduce((sum, side) => sum + side.size, 0)).toBe(named.size);
        expect(sides.every((side) => side.size > 0 && !side.has(null))).toBe(true);
        const rows = Object.values(split).reduce((sum, list) => sum + list.length, 0);
        expect(rows).toBe(groups.filter((group) => group !== null).length);
      }),
      { numRuns: 300 },
    );
  });

  test("comes near the fractions when groups are small, and does not depend on their order", () => {
    const groups = Array.from({ length: 5000 }, (_, i) => `donor${(i * 7) % 100}`);
    const split = splitByGroup(groups, { train: 0.8, test: 0.2 });
    expect(split.train.length).toBe(4000);
    const donors = (list: readonly string[], rows: Uint32Array) =>
      new Set([...rows].map((row) => list[row]));
    const reversed = groups.toReversed();
    expect(donors(reversed, splitByGroup(reversed, { train: 0.8, test: 0.2 }).test)).toEqual(
      donors(groups, split.test),
    );
  });
});

test("splitByValue takes the rows of the values named", () => {
  const labels = ["a", "b", null, "c", "a", "d"];
  const split = splitByValue(labels, { train: ["a", "c"], test: ["b"], none: [] });
  expect([[...split.train], [...split.test], [...split.none]]).toEqual([[0, 3, 4], [1], []]);
});

describe("wrong arguments are named", () => {
  test.each([
    ["fractions must not be negative", () => splitByFraction(3, { a: -1, b: 2 })],
    ["finite sum above 0, got 0", () => splitByFraction(3, { a: 0 })],
    ["nRows is 0.5", () => splitByFraction(0.5, { a: 1 })],
    ["1 groups cannot be dealt out to 2 splits", () => splitByGroup(["x"], { a: 1, b: 1 })],
    ['value "q" of split a: no row has it', () => splitByValue(["x"], { a: ["q"] })],
    ['value "x" of split b: it is named twice', () => splitByValue(["x"], { a: ["x"], b: ["x"] })],
  ])("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});
