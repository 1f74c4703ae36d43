import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { ItemLoader } from "../../../src/data/item-loader.ts";
import { Loader } from "../../../src/data/loader.ts";
import type { LoaderOptions } from "../../../src/data/loader-options.ts";
import { RunSampler } from "../../../src/data/run-sampler.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { IdentityMultiEpochDatasetWrapper } from "../../../src/sampling/multi-epoch-dataset.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";
import { loadBundle, temporaryDirectory, unpack } from "../../helpers/bundle.ts";
import { errorOf } from "../../helpers/error-of.ts";
import { stridedSampler, writeSmallDataset } from "../../helpers/small-dataset.ts";

async function openSmall(): Promise<SingleCellDataset> {
  const directory = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
  const dataset = await SingleCellDataset.open(directory);
  onTestFinished(() => dataset.close());
  return dataset;
}

test("a run of several epochs draws the neighbours that single epochs draw", async () => {
  using dataset = await SingleCellDataset.open(unpack(loadBundle("head"), "a"), {
    neighbors: { seed: 5 },
  });
  const epochs = stridedSampler(dataset.nObs, 3);
  const drawn = async (loader: Loader) => {
    const found: number[] = [];
    for await (const { nextRows } of loader) found.push(...(nextRows ?? []));
    return found;
  };
  const options = { batchSize: 3, neighbors: true } as const;
  await using single = new Loader(dataset, epochs, options);
  const expected = [await drawn(single), await drawn(single), await drawn(single)];
  expect(expected[1]).not.toEqual(expected[0]);
  const run = new RunSampler(epochs, 3 * dataset.nObs);
  await using loader = new Loader(dataset, run, options);
  expect(await drawn(loader)).toEqual(expected.flat());
});

test.each([0, 1])("a batch may be transferred to another thread, %i workers", async (workers) => {
  const dataset = await openSmall();
  const sampler = new SequentialSampler(dataset.nObs);
  for (const name of ["data", "indices", "indptr"] as const) {
    await using loader = new Loader(dataset, sampler, { batchSize: 4, workers });
    const sums: number[] = [];
    for await (const batch of loader) {
      const { data, rows } = structuredClone(batch);
      sums.push(Number(data.at(-1) ?? 0) + data.length + rows.length);
      structuredClone(null, { transfer: [batch[name].buffer as ArrayBuffer] });
    }
    await using kept = new Loader(dataset, sampler, { batchSize: 4, recycle: false });
    const expected: number[] = [];
    for await (const { data, rows } of kept) {
      expected.push(Number(data.at(-1) ?? 0) + data.length + rows.length);
    }
    expect(sums).toEqual(expected);
  }
});

test("dropLast of less than one batch says that nothing would be left", async () => {
  const dataset = await openSmall();
  const sampler = new SequentialSampler(dataset.nObs);
  const options = { batchSize: 100, dropLast: true };
  const error = errorOf(() => new Loader(dataset, sampler, options), InvalidArgumentError);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({
    argument: "dropLast",
    message: expect.stringContaining("23 samples are no global batch of 100"),
    suggestions: [expect.stringContaining("smaller batch"), expect.anything()],
  });
  const items = { length: 3, at: () => 0 };
  const collate = (all: readonly number[]) => all;
  expect(() => new ItemLoader(items, new SequentialSampler(3), { ...options, collate })).toThrow(
    "dropLast leaves nothing",
  );
});

test.each([
  ["num_workers", "workers"],
  ["numWorkers", "workers"],
  ["shuffle", "a sampler: new ShuffledSampler(dataset.nObs)"],
  ["collate_fn", "collate"],
])("torch's %s is answered with %s", async (name, meant) => {
  const dataset = await openSmall();
  const options = { batchSize: 2, [name]: 2 } as LoaderOptions<"csr">;
  const error = errorOf(
    () => new Loader(dataset, new SequentialSampler(23), options),
    InvalidArgumentError,
  );
  expect(error).toMatchObject({
    suggestions: [`${meant}, if that is what ${name} should be`],
  });
});

test("a list is no data set of items, and the error says how it becomes one", async () => {
  const sampler = new SequentialSampler(3);
  const options = { batchSize: 3, collate: (items: readonly number[]) => items };
  for (const list of [[1, 2, 3], new Float32Array(3)]) {
    // @ts-expect-error: its at() takes a number.
    const error = errorOf(() => new ItemLoader(list, sampler, options), InvalidArgumentError);
    expect(error).toMatchObject({
      argument: "dataset",
      suggestions: ["wrap it: new IdentityMultiEpochDatasetWrapper(list)"],
    });
  }
  const wrapped = new IdentityMultiEpochDatasetWrapper({ length: 3, at: (i: number) => i + 1 });
  for await (const batch of new ItemLoader(wrapped, sampler, options)) {
    expect(batch).toEqual([1, 2, 3]);
  }
  // @ts-expect-error: no data set at all.
  expect(() => new ItemLoader(null, sampler, options)).toThrow(InvalidArgumentError);
  // @ts-expect-error: no sampler.
  expect(() => new ItemLoader(wrapped, {}, options)).toThrow("expected a sampler");
});
