import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { PositionHash } from "../../../src/random/hash.ts";
import { AliasTable } from "../../../src/sampling/alias-table.ts";
import { classBalancedSampler } from "../../../src/sampling/class-balanced.ts";
import { MixtureSampler } from "../../../src/sampling/mixture-sampler.ts";
import type { Sampler } from "../../../src/sampling/sampler.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";
import { ShuffledSampler } from "../../../src/sampling/shuffled-sampler.ts";
import { SubsetSampler } from "../../../src/sampling/subset-sampler.ts";
import { WeightedSampler } from "../../../src/sampling/weighted-sampler.ts";

function order(sampler: Sampler, epoch = 0, begin = 0, end = sampler.length): number[] {
  const out = new Float64Array(end - begin);
  sampler.fill(epoch, begin, out);
  return [...out];
}

function counted(values: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const labels = Array.from({ length: 400 }, (_, i) => (i % 50 === 0 ? "rare" : i % 3 ? "a" : "b"));

/** Each with its name; the seed must matter. */
const drawn: readonly (readonly [string, (seed: number) => Sampler])[] = [
  ["weighted", (seed) => new WeightedSampler([1, 0, 3, 4, 0.5], { seed, length: 300 })],
  ["mixture", (seed) => classBalancedSampler(labels, { seed })],
  [
    "subset",
    (seed) =>
      new SubsetSampler(Uint32Array.of(9, 4, 7, 2, 1, 0), 10, new ShuffledSampler(6, { seed })),
  ],
];

describe.each(drawn)("%s", (name, make) => {
  test("is cut anywhere, in any order of reading, into the same samples", () => {
    const { length } = make(1);
    fc.assert(
      fc.property(fc.nat(30), fc.nat(), fc.nat(), fc.nat(4), (epoch, a, b, other) => {
        const whole = order(make(1), epoch);
        const [begin = 0, end = 0] = [a % (length + 1), b % (length + 1)].sort((x, y) => x - y);
        const sampler = make(1);
        // What was read before changes nothing.
        order(sampler, other, 0, Math.min(3, length));
        expect(order(sampler, epoch, begin, end)).toEqual(whole.slice(begin, end));
      }),
      { numRuns: 200 },
    );
  });

  test("has another order for another epoch and seed, and says so", () => {
    expect(order(make(1), 0)).not.toEqual(order(make(1), 1));
    expect(order(make(1), 0)).not.toEqual(order(make(2), 0));
    expect(make(1).describe()).not.toEqual(make(2).describe());
    expect(make(1).describe()).toMatchObject({ name, version: 1, nRows: make(1).nRows });
  });
});

describe("orders that must not change without a new version", () => {
  test.each([
    [new WeightedSampler([1, 0, 3, 4, 0.5], { length: 12 }), "2 3 3 3 2 2 3 4 3 2 3 4 | 4 3 3 3 2"],
    [classBalancedSampler(labels), "296 129 49 276 364 0 270 250 62 310 78 301 | 0 304 317 300 50"],
    [
      new MixtureSampler(
        [
          { sampler: new SequentialSampler(3), weight: 1 },
          { sampler: new SequentialSampler(100), weight: 2 },
        ],
        { cycle: 6 },
      ),
      "6 0 1 3 4 5 2 9 7 10 0 8 | 71 74 1 72 73",
    ],
  ] as const)("%o", (sampler, expected) => {
    expect(`${order(sampler, 0, 0, 12).join(" ")} | ${order(sampler, 1, 0, 5).join(" ")}`).toBe(
      expected,
    );
  });
});

describe("weighted", () => {
  test("draws rows in proportion, and never one of weight 0", () => {
    const weights = [5, 0, 1, 2, 0, 2];
    const counts = counted(order(new WeightedSampler(weights, { length: 100_000 })));
    // Five standard deviations of a binomial share of 100,000 are below 800.
    for (const [row, weight] of weights.entries()) {
      const count = counts.get(row) ?? 0;
      expect(Math.abs(count - weight * 10_000), `row ${row}`).toBeLessThan(weight === 0 ? 1 : 800);
    }
  });

  test("gives every row exactly its share of the table, for any weights", () => {
    const some = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e6 })), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(some, (weights) => {
        const total = weights.reduce((a, b) => a + b, 0);
        fc.pre(total > 0);
        const table = new AliasTable(weights);
        const steps = 20_000;
        const counts = new Float64Array(weights.length);
        for (let i = 0; i < steps; i++) {
          const row = table.at((i + 0.5) / steps);
          counts[row] = (counts[row] ?? 0) + 1;
        }
        for (const [row, weight] of weights.entries()) {
          // Each of at most 12 columns is cut by the grid of steps to within one.
          const found = counts[row] ?? 0;
          expect(Math.abs(found - (weight / total) * steps)).toBeLessThanOrEqual(
            weight === 0 ? 0 : 13,
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ["weights must be finite and not negative, got NaN for row 1", [1, Number.NaN]],
    ["weights must be finite and not negative, got -1 for row 0", [-1, 2]],
    ["weights must have a finite sum above 0, got 0 for 2 rows", [0, 0]],
    ["weights must have a finite sum above 0, got 0 for 0 rows", []],
    ["weights must have a finite sum above 0, got Infinity", [1e308, 1e308]],
  ])("%s", (message, weights) => {
    expect(() => new WeightedSampler(weights)).toThrow(InvalidArgumentError);
    expect(() => new WeightedSampler(weights)).toThrow(message);
  });

  test("uniform numbers by position are even and do not follow each other", () => {
    const cells = 64;
    const single = new Float64Array(cells);
    const pair = new Float64Array(cells);
    const hash = new PositionHash([1, 2]);
    const draws = 64_000;
    for (let i = 0; i < draws; i++) {
      const now = hash.uniform(2 ** 40 + i);
      const next = hash.uniform(2 ** 40 + i + 1);
      const cell = Math.floor(now * cells);
      single[cell] = (single[cell] ?? 0) + 1;
      const both = Math.floor(now * 8) * 8 + Math.floor(next * 8);
      pair[both] = (pair[both] ?? 0) + 1;
    }
    // Chi squared of 63 degrees: mean 63, deviation 11; fixed keys make this exact.
    for (const counts of [single, pair]) {
      const chi2 = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
      expect(chi2).toBeLessThan(63 + 5 * 11.3);
    }
  });
});

describe("mixture", () => {
  const parts = [
    { sampler: new ShuffledSampler(1000), weight: 6 },
    { sampler: new ShuffledSampler(50), weight: 3 },
    { sampler: new ShuffledSampler(20), weight: 1 },
  ];
  const partOf = (row: number) => (row < 1000 ? 0 : row < 1050 ? 1 : 2);

  test("has the exact proportions in every cycle, across epochs too", () => {
    const mixture = new MixtureSampler(parts, { cycle: 100, length: 250 });
    const rows = [0, 1, 2, 3].flatMap((epoch) => order(mixture, epoch));
    for (let begin = 0; begin < rows.length; begin += 100) {
      const counts = counted(rows.slice(begin, begin + 100).map(partOf));
      expect([counts.get(0), counts.get(1), counts.get(2)]).toEqual([60, 30, 10]);
    }
  });

  test("reads a part to its end before it repeats", () => {
    const rows = order(new MixtureSampler(parts, { cycle: 100, length: 1000 }));
    const small = rows.filter((row) => partOf(row) === 2);
    expect(small).toHaveLength(100);
    expect([...counted(small).values()]).toEqual(new Array(20).fill(5));
    const large = rows.filter((row) => partOf(row) === 0);
    expect(new Set(large).size).toBe(600);
  });

  test("puts rows after those of the parts before, unless told where", () => {
    const shared = parts.map((part) => ({ ...part, firstRow: 5 }));
    expect(new MixtureSampler(parts).nRows).toBe(1070);
    expect(Math.min(...order(new MixtureSampler(shared)))).toBeGreaterThanOrEqual(5);
    expect(new MixtureSampler(shared).nRows).toBe(1005);
  });

  const one = new SequentialSampler(3);
  test.each([
    ["a mixture has 1 to 65536 parts, got 0", () => new MixtureSampler([])],
    [
      "the weight of part 0 is 0, expected a finite number above 0",
      () => new MixtureSampler([{ sampler: one, weight: 0 }]),
    ],
    [
      "part 0 has no samples",
      () => new MixtureSampler([{ sampler: new SequentialSampler(0), weight: 1 }]),
    ],
    [
      "part 1 of weight 0.0001 gets none of 1024 samples",
      () =>
        new MixtureSampler([
          { sampler: one, weight: 1 },
          { sampler: one, weight: 1e-4 },
        ]),
    ],
  ])("%s", (message, call) => {
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });
});

describe("class-balanced", () => {
  test("brings every class equally often, rare rows again only after all of them", () => {
    const rows = order(classBalancedSampler(labels, { length: 3072, cycle: 3 }));
    const byClass = Map.groupBy(rows, (row) => labels[row]);
    expect([...byClass.values()].map((list) => list.length)).toEqual([1024, 1024, 1024]);
    expect(new Set(counted(byClass.get("rare") ?? []).values())).toEqual(new Set([128]));
  });

  test("takes shares of classes, and leaves out what has none", () => {
    const sampler = classBalancedSampler(["x", null, "y", "z", "y"], {
      weights: { y: 3, x: 1 },
      length: 400,
      cycle: 4,
    });
    const counts = counted(order(sampler));
    expect([0, 1, 2, 3, 4].map((row) => counts.get(row) ?? 0)).toEqual([100, 0, 150, 0, 150]);
  });

  test("names a class that is not there", () => {
    expect(() => classBalancedSampler(["x"], { weights: { q: 1 } })).toThrow(
      'no row is of class "q" (there is: x)',
    );
    expect(() => classBalancedSampler([null])).toThrow("no row has a label");
  });
});

test("a subset refuses rows that are not there and an order of another length", () => {
  const rows = Uint32Array.of(1, 12);
  expect(() => new SubsetSampler(rows, 10, new SequentialSampler(2))).toThrow(
    "rows[1] is 12, expected an integer from 0 to 9",
  );
  expect(() => new SubsetSampler(rows, 13, new SequentialSampler(3))).toThrow(
    "the order is of 3 rows, the subset has 2",
  );
});
