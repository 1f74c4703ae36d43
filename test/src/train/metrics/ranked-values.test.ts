/** Rank correlation over the rows of several batches and ranks. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { RankedValues, takeRanked } from "../../../../src/train/metrics/ranked-values.ts";
import { Replicas } from "../../../../src/train/ranks/replicas.ts";
import { joinRanks } from "../../../helpers/ranks.ts";

interface Golden {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly spearman: number;
}

const { regression } = JSON.parse(
  readFileSync(new URL("../../../../fixtures/train/metrics.json", import.meta.url), "utf8"),
) as { readonly regression: readonly Golden[] }; // proof: the script wrote this form
/** Those that float32 holds: whole numbers, with ties. */
const exact = regression.filter(({ x, y }) => [...x, ...y].every((n) => Math.fround(n) === n));
const alone = new Replicas(undefined);

/** Rows `begin` to `end` in batches of 3. */
function valuesOf({ x, y }: Golden, begin = 0, end = x.length): RankedValues {
  const values = new RankedValues();
  for (let at = begin; at < end; at += 3) {
    const [from, to] = [at, Math.min(end, at + 3)];
    const predicted = Float32Array.from(x.slice(from, to));
    values.add([{ predicted, labels: Float32Array.from(y.slice(from, to)) }]);
  }
  return values;
}

test("it is scipy's spearmanr of all rows, ties and all", async () => {
  expect(exact.length).toBeGreaterThan(2);
  for (const one of exact) {
    expect(await valuesOf(one).spearman(alone)).toBeCloseTo(one.spearman, 12);
  }
});

test("ranks have the same number, that of all their rows, however they are divided", async () => {
  const ranks = await joinRanks(3);
  for (const one of exact) {
    // The last rank has no rows.
    const cut = Math.floor(one.x.length / 3);
    const parts = [valuesOf(one, 0, cut), valuesOf(one, cut), new RankedValues()];
    const found = await Promise.all(
      ranks.map((rank, at) => parts[at]?.spearman(new Replicas(rank))),
    );
    expect(found[0]).toBeCloseTo(one.spearman, 12);
    expect(found).toEqual([found[0], found[0], found[0]]);
  }
  const none = ranks.map((rank) => new RankedValues().spearman(new Replicas(rank)));
  expect(await Promise.all(none)).toEqual([null, null, null]);
  await Promise.all(ranks.map((rank) => rank.close()));
});

test("there is none without rows, and where one side does not vary or is no number", async () => {
  const of = (x: readonly number[], y: readonly number[]) =>
    valuesOf({ x, y, spearman: 0 }).spearman(alone);
  expect(await of([], [])).toBeNull();
  expect(await of([1, 1, 1], [1, 2, 3])).toBeNull();
  expect(await of([1, Number.NaN, 3, 4], [1, 2, 3, 4])).toBeNull();
  expect(await of([1, 5, 3, 4], [1, 50, 3, 4])).toBeCloseTo(1, 12);
});

test("rows are copied out of a run's outputs, which are scalars without them", () => {
  const ranked_predicted = Float32Array.of(1, 2);
  const ranked_labels = Float32Array.of(3, 4);
  const loss = Float32Array.of(5);
  const { ranked, scalars } = takeRanked({ loss, ranked_predicted, ranked_labels });
  ranked_predicted.fill(9);
  expect(ranked).toEqual({ predicted: Float32Array.of(1, 2), labels: Float32Array.of(3, 4) });
  expect(scalars).toEqual({ loss });
  expect(takeRanked({ loss })).toEqual({ ranked: null, scalars: { loss } });
});
