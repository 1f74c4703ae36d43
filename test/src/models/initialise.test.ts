import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { initialParameters, type ParameterSpec, sizeKey } from "../../../src/models/index.ts";

interface Case {
  readonly name: string;
  readonly seed: number;
  readonly count: number;
  readonly std: number;
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly sum: number;
}

// The script beside the fixture writes this shape.
const CASES = JSON.parse(
  readFileSync(new URL("../../../fixtures/models/initial.json", import.meta.url), "utf8"),
) as readonly Case[];

const spec = (name: string, init: ParameterSpec["init"], ...shape: number[]): ParameterSpec => ({
  name,
  shape,
  init,
  decay: true,
  trained: true,
});

test.each(CASES)("initial values are those that numpy computes: $name", (wanted) => {
  const { name, seed, count, std } = wanted;
  const found = initialParameters([spec(name, { kind: "normal", std }, count)], seed).get(name);
  const close = (a: ArrayLike<number> = [], b: readonly number[] = []) =>
    expect(Math.max(...b.map((value, i) => Math.abs(value - (a[i] ?? Number.NaN))))).toBeLessThan(
      1e-6 * std,
    );
  close(found?.subarray(0, 4), wanted.first);
  close(found?.subarray(-4), wanted.last);
  expect(found?.reduce((a, b) => a + b, 0)).toBeCloseTo(wanted.sum, 3);
});

test("initial values depend on the seed and the own name alone", () => {
  const a = spec("a", { kind: "normal", std: 1 }, 3, 5);
  const b = spec("b", { kind: "normal", std: 1 }, 3, 5);
  const both = initialParameters([a, b], 7);
  expect(initialParameters([b, a], 7).get("a")).toEqual(both.get("a"));
  expect(both.get("a")).not.toEqual(both.get("b"));
  expect(initialParameters([a], 8).get("a")).not.toEqual(both.get("a"));
});

test("zeros, ones, bounds and the row of the pad token", () => {
  const values = initialParameters(
    [
      spec("zeros", { kind: "zeros" }, 3),
      spec("ones", { kind: "ones" }, 3),
      spec("uniform", { kind: "uniform", bound: 0.25 }, 1000),
      spec("table", { kind: "normal", std: 1, zeroRow: 1 }, 3, 2),
    ],
    0,
  );
  expect(values.get("zeros")).toEqual(Float32Array.of(0, 0, 0));
  expect(values.get("ones")).toEqual(Float32Array.of(1, 1, 1));
  const uniform = values.get("uniform") ?? [];
  expect(Math.max(...uniform)).toBeLessThanOrEqual(0.25);
  expect(Math.max(...uniform)).toBeGreaterThan(0.24);
  expect(Math.min(...uniform)).toBeLessThan(-0.24);
  expect([...(values.get("table") ?? [])].map((value) => value === 0)).toEqual([
    false,
    false,
    true,
    true,
    false,
    false,
  ]);
});

test("sizes of one program have one key", () => {
  expect(sizeKey({ batch: 2, length: 8 })).toBe(sizeKey({ batch: 2, length: 8, packed: false }));
  expect(sizeKey({ batch: 2, length: 8 })).not.toBe(
    sizeKey({ batch: 2, length: 8, lossPositions: 16 }),
  );
});
