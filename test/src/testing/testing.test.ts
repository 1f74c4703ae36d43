import { join } from "node:path";
import { expect, test } from "vitest";
import type { EpochIndex } from "../../../src/sampling/multi-epoch-dataset.ts";
import {
  assertDatasetDeterministic,
  assertDatasetElementsNotEqual,
  assertElementsEqual,
  DatasetDistributedNondeterministic,
  DatasetLocallyNondeterministic,
} from "../../../src/testing/index.ts";
import { REPOSITORY_ROOT, runProcess } from "../../helpers/run-process.ts";

const FIRST = { epoch: 0, idx: 0 };
const LATER = { epoch: 1, idx: 0 };

function datasetOf(at: (index: EpochIndex) => unknown, length = 1) {
  return { length, at };
}

test("a pure function of the index passes, also with promises and arrays", async () => {
  const at = async ({ epoch, idx }: EpochIndex) => ({
    ids: Int32Array.of(epoch, idx),
    values: [Float32Array.of(epoch + 0.5, Number.NaN)],
  });
  await assertDatasetDeterministic(datasetOf(at), FIRST);
  await assertDatasetElementsNotEqual(datasetOf(at), FIRST, LATER);
  await assertDatasetDeterministic({ length: 2, at: (index: number) => index }, 1);
});

test("an item that changes, also in memory that is reused, is named", async () => {
  let calls = 0;
  const counted = datasetOf(() => Int32Array.of(calls++));
  await expect(assertDatasetDeterministic(counted, LATER)).rejects.toThrow(
    "item (epoch 1, idx 0) is not the same when it is asked for again",
  );
  const reused = new Float64Array(1);
  const overwriting = datasetOf(() => {
    reused[0] = calls++;
    return reused;
  });
  await expect(assertDatasetDeterministic(overwriting, FIRST)).rejects.toBeInstanceOf(
    DatasetLocallyNondeterministic,
  );
});

test("Math.random is found even where the item does not show it, and put back", async () => {
  const original = Math.random;
  const drawing = datasetOf(() => (Math.random() < 2 ? "same" : "other"));
  await expect(assertDatasetDeterministic(drawing, FIRST)).rejects.toBeInstanceOf(
    DatasetDistributedNondeterministic,
  );
  const failing = datasetOf(() => {
    throw new RangeError("no such item");
  });
  await expect(assertDatasetDeterministic(failing, FIRST)).rejects.toThrow("no such item");
  expect(Math.random).toBe(original);
});

test("no items, items that cannot be sent, and equal items where others are expected", async () => {
  const empty = datasetOf(() => 1, 0);
  await expect(assertDatasetDeterministic(empty, FIRST)).rejects.toThrow("Need one element");
  const method = datasetOf(() => ({ run: () => 1 }));
  await expect(assertDatasetDeterministic(method, FIRST)).rejects.toThrow(
    "cannot be sent to another thread",
  );
  const constant = datasetOf(() => "the same in every epoch");
  await expect(assertDatasetElementsNotEqual(constant, FIRST, LATER)).rejects.toThrow(
    "items (epoch 0, idx 0) and (epoch 1, idx 0) are equal",
  );
  const never = () => {
    throw new RangeError("cannot compare");
  };
  await expect(assertDatasetDeterministic(constant, FIRST, never)).rejects.toThrow(
    "cannot compare",
  );
});

test.each([
  ["float32 within 1.3e-6", Float32Array.of(1), Float32Array.of(1 + 1e-6), null],
  ["float32 beyond", Float32Array.of(100), Float32Array.of(100.001), "item has 100 at 0 instead"],
  ["float64 beyond", Float64Array.of(1), Float64Array.of(1 + 1e-6), "item has 1 at 0"],
  ["other types", Float32Array.of(1), Float64Array.of(1), "item is not the same"],
  ["other lengths", Float32Array.of(1), Float32Array.of(1, 2), "has 1 elements instead of 2"],
  ["infinities", Float64Array.of(Infinity), Float64Array.of(-Infinity), "has Infinity at 0"],
  ["NaN", Float64Array.of(Number.NaN), Float64Array.of(Number.NaN), null],
  [
    "NaN and a number",
    Float64Array.of(1),
    Float64Array.of(Number.NaN),
    "has 1 at 0 instead of NaN",
  ],
  ["a nested place", { a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }, "item.a.1.b is not the same"],
  ["other keys", { a: 1 }, { a: 1, b: 2 }, "item is not the same"],
  ["a list and an object", ["x"], { 0: "x" }, "item is not the same"],
])("assertElementsEqual: %s", (_, actual, expected, message) => {
  if (message === null) assertElementsEqual(actual, expected);
  else expect(() => assertElementsEqual(actual, expected)).toThrow(message);
});

test("docs/examples/own-dataset.mjs runs, and goes on where it stopped", async () => {
  const example = join(REPOSITORY_ROOT, "docs/examples/own-dataset.mjs");
  const result = await runProcess(process.execPath, [example], { cwd: REPOSITORY_ROOT });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const lines = result.stdout.trimEnd().split("\n");
  expect(lines.map((line) => line.endsWith("(resumed)"))).toEqual([false, false, true, true]);
  expect(lines[0]).toMatch(/^[A-Z#]{8} [A-Z#]{8}$/);
  const masked = lines.flatMap((line) => line.replace(" (resumed)", "").split(" "));
  // Each epoch has every protein once, masked in another way.
  const fits = (protein: string) => (text: string) =>
    [...text].every((residue, i) => residue === "#" || residue === protein[i]);
  for (const protein of ["MKTAYIAK", "GAVLIPFW", "MEDINKRH", "SSTCYQNG"]) {
    expect(masked.slice(0, 4).filter(fits(protein))).toHaveLength(1);
    expect(masked.slice(4).filter(fits(protein))).toHaveLength(1);
  }
});
