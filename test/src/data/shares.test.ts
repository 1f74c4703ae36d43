import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { type LastBatch, Shares } from "../../../src/data/shares.ts";

const lastBatches: readonly LastBatch[] = ["keep", "drop", "pad"];

/** (length, global batch, the world sizes that divide it). */
const job = fc
  .record({
    length: fc.integer({ min: 0, max: 500 }),
    perRank: fc.integer({ min: 1, max: 9 }),
    worldSize: fc.integer({ min: 1, max: 12 }),
    lastBatch: fc.constantFrom(...lastBatches),
  })
  .map((drawn) => ({ ...drawn, globalBatchSize: drawn.perRank * drawn.worldSize }));

/** Positions of a global batch, rank after rank. */
function positions(
  job: { length: number; globalBatchSize: number; lastBatch: LastBatch },
  worldSize: number,
  batch: number,
): number[] {
  const found: number[] = [];
  for (let rank = 0; rank < worldSize; rank++) {
    for (const { begin, end } of new Shares({ ...job, rank, worldSize }).share(batch).ranges) {
      for (let at = begin; at < end; at++) found.push(at);
    }
  }
  return found;
}

describe("for every length, global batch and world size", () => {
  it("global batch g is positions [g * B, (g + 1) * B), in rank order, whatever the world", () => {
    fc.assert(
      fc.property(job, (drawn) => {
        const { length, globalBatchSize, worldSize, lastBatch } = drawn;
        const { nBatches } = new Shares({ ...drawn, rank: 0 });
        for (let batch = 0; batch < nBatches; batch++) {
          const first = batch * globalBatchSize;
          const full = Array.from({ length: globalBatchSize }, (_, i) => first + i);
          const expected =
            lastBatch === "pad" ? full.map((at) => at % length) : full.filter((at) => at < length);
          // As text: many thousand lists are compared.
          expect(positions(drawn, worldSize, batch).join()).toBe(expected.join());
          expect(positions(drawn, 1, batch).join()).toBe(expected.join());
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("every rank counts the same batches, and their sizes differ by at most one", () => {
    fc.assert(
      fc.property(job, (drawn) => {
        const ranks = Array.from(
          { length: drawn.worldSize },
          (_, rank) => new Shares({ ...drawn, rank }),
        );
        expect(new Set(ranks.map(({ nBatches }) => nBatches)).size).toBe(1);
        for (let batch = 0; batch < (ranks[0] as Shares).nBatches; batch++) {
          const sizes = ranks.map((shares) => shares.share(batch).rows);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          if (drawn.lastBatch !== "keep") expect(new Set(sizes)).toEqual(new Set([drawn.perRank]));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("an epoch holds every position once; dropped and repeated ones are counted", () => {
    fc.assert(
      fc.property(job, (drawn) => {
        const { length, globalBatchSize, worldSize, lastBatch } = drawn;
        const seen = new Uint32Array(length);
        let padding = 0;
        for (let rank = 0; rank < worldSize; rank++) {
          const shares = new Shares({ ...drawn, rank });
          for (let batch = 0; batch < shares.nBatches; batch++) {
            const share = shares.share(batch);
            padding += share.padding;
            for (const { begin, end } of share.ranges) {
              for (let at = begin; at < end; at++) seen[at] = (seen[at] as number) + 1;
            }
          }
        }
        const total = seen.reduce((sum, count) => sum + count, 0);
        const rest = length % globalBatchSize;
        if (lastBatch === "drop") {
          expect(padding).toBe(0);
          expect([...seen]).toEqual(Array.from(seen, (_, at) => (at < length - rest ? 1 : 0)));
        } else {
          expect(seen.every((count) => count >= 1)).toBe(true);
          expect(total).toBe(length + padding);
          const pads = lastBatch === "pad" && rest > 0;
          expect(padding).toBe(pads ? globalBatchSize - rest : 0);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("stopped at any batch and resumed at another world size, exactly the rest is read", () => {
    const resumed = fc.tuple(job, fc.nat(), fc.integer({ min: 1, max: 24 }));
    fc.assert(
      fc.property(resumed, ([drawn, cutAt, wish]) => {
        const divisors = Array.from({ length: drawn.globalBatchSize }, (_, i) => i + 1).filter(
          (size) => drawn.globalBatchSize % size === 0,
        );
        const newWorld = divisors[wish % divisors.length] as number;
        const { nBatches } = new Shares({ ...drawn, rank: 0 });
        const cut = cutAt % (nBatches + 1);
        const all = Array.from({ length: nBatches }, (_, batch) => positions(drawn, 1, batch));
        const before = all
          .slice(0, cut)
          .map((_, batch) => positions(drawn, drawn.worldSize, batch));
        const after = all.slice(cut).map((_, i) => positions(drawn, newWorld, cut + i));
        expect([...before, ...after]).toEqual(all);
      }),
      { numRuns: 1_000 },
    );
  });
});

test("pinned: 10 samples, global batch 4, two ranks", () => {
  const ranges = (lastBatch: LastBatch) =>
    [0, 1].map((rank) => {
      const shares = new Shares({ length: 10, globalBatchSize: 4, worldSize: 2, lastBatch, rank });
      return Array.from({ length: shares.nBatches }, (_, batch) =>
        shares.share(batch).ranges.map(({ begin, end }) => [begin, end]),
      );
    });
  expect(ranges("drop")).toEqual([
    [[[0, 2]], [[4, 6]]],
    [[[2, 4]], [[6, 8]]],
  ]);
  expect(ranges("keep")).toEqual([
    [[[0, 2]], [[4, 6]], [[8, 9]]],
    [[[2, 4]], [[6, 8]], [[9, 10]]],
  ]);
  expect(ranges("pad")).toEqual([
    [[[0, 2]], [[4, 6]], [[8, 10]]],
    [[[2, 4]], [[6, 8]], [[0, 2]]],
  ]);
});

test("padding starts over as often as it takes, and a kept batch may leave a rank without rows", () => {
  const small = { length: 3, globalBatchSize: 8, worldSize: 4 };
  const pad = new Shares({ ...small, lastBatch: "pad", rank: 3 });
  expect(pad.share(0)).toEqual({
    ranges: [{ begin: 0, end: 2 }],
    rows: 2,
    padding: 2,
  });
  expect(new Shares({ ...small, worldSize: 1, lastBatch: "pad", rank: 0 }).share(0)).toEqual({
    ranges: [
      { begin: 0, end: 3 },
      { begin: 0, end: 3 },
      { begin: 0, end: 2 },
    ],
    rows: 8,
    padding: 5,
  });
  const keep = [0, 1, 2, 3].map((rank) => new Shares({ ...small, lastBatch: "keep", rank }));
  expect(keep.map((shares) => shares.share(0).rows)).toEqual([0, 1, 1, 1]);
});

test("positions beyond 2^32 are exact", () => {
  const shares = new Shares({
    length: 2 ** 40 + 3,
    globalBatchSize: 1024,
    worldSize: 8,
    lastBatch: "keep",
    rank: 7,
  });
  expect(shares.nBatches).toBe(2 ** 30 + 1);
  const end = 2 ** 40 - 1024 + 1024;
  expect(shares.share(2 ** 30 - 1).ranges).toEqual([{ begin: end - 128, end }]);
});

test.each([
  [{ length: -1 }, "length is -1"],
  [{ length: 2.5 }, "length is 2.5"],
  [{ globalBatchSize: 0 }, "globalBatchSize is 0"],
  [{ worldSize: 0, rank: 0 }, "worldSize is 0"],
  [{ rank: 2 }, "rank 2 of 2 processes: expected an integer from 0 to 1"],
  [{ rank: -1 }, "rank -1 of 2"],
  [{ globalBatchSize: 5 }, "a global batch of 5 samples has no equal parts for 2 ranks"],
])("%j is refused", (wrong, message) => {
  const right = { length: 10, globalBatchSize: 4, worldSize: 2, rank: 0 };
  const make = () => new Shares({ ...right, lastBatch: "keep", ...wrong });
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(message);
});

test("a batch that is not in the epoch is refused", () => {
  const shares = new Shares({
    length: 10,
    globalBatchSize: 4,
    worldSize: 1,
    rank: 0,
    lastBatch: "drop",
  });
  for (const batch of [-1, 2, 0.5]) expect(() => shares.share(batch)).toThrow("does not exist");
});
