import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { Bijection } from "../../../src/sampling/bijection.ts";
import { BlockShuffledSampler } from "../../../src/sampling/block-shuffled-sampler.ts";
import { ResampledSampler } from "../../../src/sampling/resampled-sampler.ts";
import type { Sampler } from "../../../src/sampling/sampler.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";
import { ShuffledSampler } from "../../../src/sampling/shuffled-sampler.ts";

function order(sampler: Sampler, epoch = 0, begin = 0, end = sampler.length): number[] {
  const out = new Float64Array(end - begin);
  sampler.fill(epoch, begin, out);
  return [...out];
}

/** Each way of going over all rows once an epoch. */
const onceEach: readonly (readonly [string, (nRows: number, seed: number) => Sampler])[] = [
  ["sequential", (nRows) => new SequentialSampler(nRows)],
  ["shuffled", (nRows, seed) => new ShuffledSampler(nRows, { seed })],
  ["bionemo-resampler", (nRows, seed) => new ResampledSampler(nRows, { seed })],
  ["block-shuffled", (nRows, seed) => new BlockShuffledSampler(nRows, { seed, blockRows: 7 })],
  [
    "block-shuffled, small windows",
    (nRows, seed) => new BlockShuffledSampler(nRows, { seed, blockRows: 4, windowBlocks: 3 }),
  ],
  [
    "block-shuffled, whole pieces",
    (nRows, seed) => new BlockShuffledSampler(nRows, { seed, blockRows: 5, windowBlocks: 0 }),
  ],
];

const some = { nRows: fc.integer({ min: 0, max: 400 }), seed: fc.nat(), epoch: fc.nat(50) };

describe.each(onceEach)("%s", (name, make) => {
  test("reads every row once an epoch", () => {
    fc.assert(
      fc.property(some.nRows, some.seed, some.epoch, (nRows, seed, epoch) => {
        const rows = order(make(nRows, seed), epoch).sort((a, b) => a - b);
        expect(rows).toEqual(Array.from({ length: nRows }, (_, i) => i));
      }),
      { numRuns: 200 },
    );
  });

  test("is cut anywhere, by any batch and number of ranks, into the same samples", () => {
    fc.assert(
      fc.property(
        some.nRows,
        some.seed,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(20),
        (nRows, seed, batch, world, newWorld, cut) => {
          const whole = order(make(nRows, seed), 3);
          const read: number[] = [];
          // Each rank has its own sampler, and reads its part of each global batch.
          const ranks = Array.from({ length: Math.max(world, newWorld) }, () => make(nRows, seed));
          for (let begin = 0, b = 0; begin < nRows; begin += batch, b++) {
            const end = Math.min(nRows, begin + batch);
            const now = b < cut ? world : newWorld;
            for (let rank = 0; rank < now; rank++) {
              const from = begin + Math.floor(((end - begin) * rank) / now);
              const to = begin + Math.floor(((end - begin) * (rank + 1)) / now);
              read.push(...order(ranks[rank] ?? new SequentialSampler(0), 3, from, to));
            }
          }
          expect(read).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("names an epoch and positions that are not there", () => {
    const sampler = make(10, 1);
    const out = new Float64Array(4);
    expect(() => sampler.fill(-1, 0, out)).toThrow(InvalidArgumentError);
    expect(() => sampler.fill(0, 7, out)).toThrow("positions 7 to 11 are not in an epoch of 10");
    expect(() => sampler.fill(0, -1, out)).toThrow("positions -1 to 3 are not in an epoch of 10");
    expect(() => sampler.fill(0, 0.5, out)).toThrow("positions 0.5 to 4.5 are not in");
    expect(() => make(-1, 1)).toThrow("nRows");
    sampler.fill(0, 10, new Float64Array(0));
  });

  test("describes itself", () => {
    expect(make(10, 1).describe()).toMatchObject({ name: name.split(",")[0], nRows: 10 });
    expect(make(11, 1).describe()).not.toEqual(make(10, 1).describe());
    expect(JSON.parse(JSON.stringify(make(10, 1).describe()))).toEqual(make(10, 1).describe());
  });

  if (name === "sequential") return;
  test("has another order for another epoch and seed", () => {
    const sampler = make(400, 1);
    expect(order(sampler, 0)).not.toEqual(order(sampler, 1));
    expect(order(sampler, 0)).not.toEqual(order(make(400, 2), 0));
    expect(sampler.describe()).not.toEqual(make(400, 2).describe());
  });
});

describe("orders that must not change without a new version", () => {
  const cases: readonly (readonly [Sampler, string])[] = [
    [new ShuffledSampler(10), "3 9 5 0 6 8 4 2 7 1 | 3 2 9 6 5"],
    [
      new ShuffledSampler(2 ** 40 + 1, { seed: 7 }),
      "26677290315 951077650830 528770434614 475329403750 760577166645 356786249899 | 684203227718 87927430587 47428672450 688577645008 1022350750923",
    ],
    [
      new BlockShuffledSampler(23, { blockRows: 4, windowBlocks: 2 }),
      "6 7 11 10 8 5 9 4 14 20 13 21 22 15 12 1 18 17 3 2 16 0 19 | 14 15 12 5 6",
    ],
    [
      new BlockShuffledSampler(23, { blockRows: 4, windowBlocks: 0 }),
      "4 5 6 7 8 9 10 11 20 21 22 12 13 14 15 16 17 18 19 0 1 2 3 | 12 13 14 15 4",
    ],
  ];
  test.each(cases)("%o", (sampler, expected) => {
    const end = sampler.length > 23 ? 6 : sampler.length;
    expect(`${order(sampler, 0, 0, end).join(" ")} | ${order(sampler, 1, 0, 5).join(" ")}`).toBe(
      expected,
    );
  });
});

describe("block-shuffled", () => {
  test("keeps whole blocks together, in the order stored, without a window", () => {
    const rows = order(new BlockShuffledSampler(1003, { blockRows: 10, windowBlocks: 0 }));
    const breaks = rows.filter((row, i) => i > 0 && row !== (rows[i - 1] ?? 0) + 1);
    expect(breaks.length).toBeGreaterThan(90);
    expect(breaks.filter((row) => row % 10 !== 0)).toEqual([]);
  });

  test("windows too large to be remembered give the same order", () => {
    const [most, more] = [4096, 4097].map((windowBlocks) =>
      order(new BlockShuffledSampler(1000, { blockRows: 3, windowBlocks })),
    );
    expect(more).toEqual(most);
    expect(new Set(more).size).toBe(1000);
  });

  test("reads from at most as many blocks at a time as a window has", () => {
    const rows = order(new BlockShuffledSampler(10_000, { blockRows: 16, windowBlocks: 8 }));
    for (let begin = 0; begin + 128 <= rows.length; begin += 128) {
      const blocks = new Set(rows.slice(begin, begin + 128).map((row) => Math.floor(row / 16)));
      expect(blocks.size).toBeLessThanOrEqual(9);
    }
  });
});

describe("a bijection", () => {
  test("has an inverse, in domains of every size", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer({ min: 1, max: 300 }),
          fc.maxSafeInteger().map((n) => Math.abs(n) + 1),
        ),
        fc.maxSafeNat(),
        fc.nat(),
        (size, at, seed) => {
          const bijection = new Bijection(size, [seed]);
          const index = at % size;
          expect(bijection.at(index)).toBeLessThan(size);
          expect(bijection.indexOf(bijection.at(index))).toBe(index);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("sends every index everywhere evenly over seeds, also next to each other", () => {
    // Chi squared over 40 cells has mean 39 and deviation 8.8; fixed seeds make this exact.
    const size = 40;
    const counts = Array.from({ length: size }, () => new Float64Array(size));
    const steps = new Float64Array(size);
    for (let seed = 0; seed < 8000; seed++) {
      const bijection = new Bijection(size, [seed, 5]);
      for (let i = 0; i < size; i++) {
        const row = counts[i] as Float64Array;
        row[bijection.at(i)] = (row[bijection.at(i)] ?? 0) + 1;
      }
      const step = (bijection.at(18) - bijection.at(17) + size) % size;
      steps[step] = (steps[step] ?? 0) + 1;
    }
    const chi2 = (observed: ArrayLike<number>, expected: number) =>
      Array.from(observed).reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    for (const row of counts) expect(chi2(row, 8000 / size)).toBeLessThan(39 + 5 * 8.8);
    expect(chi2(steps.subarray(1), 8000 / (size - 1))).toBeLessThan(38 + 5 * 8.8);
  });
});
