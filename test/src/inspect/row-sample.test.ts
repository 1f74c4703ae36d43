import fc from "fast-check";
import { expect, test } from "vitest";
import { describeTotals } from "../../../src/inspect/row-report.ts";
import { RowTotals, sampleRows } from "../../../src/inspect/row-sample.ts";

test("a small matrix is read whole, an empty one not at all", () => {
  expect(sampleRows(500, 1000)).toEqual([{ begin: 0, end: 500 }]);
  expect(sampleRows(0, 0)).toEqual([]);
});

test("a large matrix gives 50 runs from its first row to its last", () => {
  const ranges = sampleRows(1_000_000, 1000);
  expect(ranges.length).toBe(50);
  expect(ranges[0]).toEqual({ begin: 0, end: 400 });
  expect(ranges.at(-1)).toEqual({ begin: 999_600, end: 1_000_000 });
});

test("runs never overlap, stay inside and cost at most 20 million values", () => {
  fc.assert(
    fc.property(fc.nat(3_000_000), fc.nat(60_000), (nRows, valuesPerRow) => {
      let last = 0;
      let rows = 0;
      for (const { begin, end } of sampleRows(nRows, valuesPerRow)) {
        expect(begin).toBeGreaterThanOrEqual(last);
        expect(end).toBeGreaterThan(begin);
        last = end;
        rows += end - begin;
      }
      expect(last).toBeLessThanOrEqual(nRows);
      expect(rows === 1 || rows * valuesPerRow <= 20_000_000).toBe(true);
    }),
  );
});

test("totals count values other than zero and sum them, of integers too wide for numbers too", () => {
  const totals = new RowTotals();
  totals.add(BigInt64Array.of(3n, 0n, 4n), [0, 2, 2, 3]);
  expect(totals.rows).toBe(3);
  expect(totals.nonzero).toBe(2);
  expect(totals.values()).toEqual({
    counts: Float64Array.of(3, 0, 4),
    genes: Float64Array.of(1, 0, 1),
  });
});

test("rows whose sum is not finite are left out of the counts", () => {
  const totals = new RowTotals();
  totals.add(Float32Array.of(1, Number.NaN), [0, 1, 2]);
  expect(totals.values().counts).toEqual(Float64Array.of(1));
});

test("cells with NaN or infinity are counted, not dropped without a word", () => {
  const totals = new RowTotals();
  totals.add([1, Number.NaN, 2, Number.POSITIVE_INFINITY, 4], [0, 1, 3, 4, 5]);
  const { distributions } = describeTotals(totals, 4);
  expect(distributions).toMatchObject({ sampledRows: 4, nonFiniteCells: 2 });
  expect(distributions?.counts.bins.reduce((sum, cells) => sum + cells, 0)).toBe(2);
});
