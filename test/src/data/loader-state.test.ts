import fs from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { Loader } from "../../../src/data/loader.ts";
import { DatasetCollection } from "../../../src/dataset/dataset-collection.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { stridedSampler, writeSmallDataset } from "../../helpers/small-dataset.ts";

const THIRDS = { batchSize: 4, rank: 0, worldSize: 3 };

async function openSmall(rows = 23): Promise<SingleCellDataset> {
  const directory = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`, { rows });
  const dataset = await SingleCellDataset.open(directory);
  onTestFinished(() => dataset.close());
  return dataset;
}

test("a state is this JSON; a change of it needs a new version number", async () => {
  const loader = new Loader(await openSmall(), stridedSampler(23), THIRDS);
  loader.seek(2, 1);
  expect(loader.state()).toEqual({
    format: "scdl-loader",
    version: 1,
    sampler: { name: "strided", version: 1, nRows: 23, step: 7, shift: 3 },
    dataset: {
      nObs: 23,
      nVars: 40,
      nnz: 44,
      data: "float32",
      indices: "uint16",
      content: "d20d9527",
      blocks: "5acf1a82",
    },
    globalBatchSize: 12,
    lastBatch: "keep",
    epoch: 2,
    batch: 1,
  });
});

test("a state goes on at every rank, and where the data set was moved to", async () => {
  const loader = new Loader(await openSmall(), stridedSampler(23), THIRDS);
  loader.seek(7, 1);
  const copy = await openSmall();
  const other = new Loader(copy, stridedSampler(23), {
    globalBatchSize: 12,
    worldSize: 2,
    rank: 1,
  });
  other.loadState(JSON.parse(JSON.stringify(loader.state())));
  expect(other.position).toEqual({ epoch: 7, batch: 1 });
});

test("a state of another data set, sampler or batch size is refused with what differs", async () => {
  const dataset = await openSmall();
  const loader = new Loader(dataset, stridedSampler(23), { batchSize: 4 });
  const refuse = (other: Loader, code: string, message: string) => {
    const load = () => other.loadState(loader.state());
    expect(load).toThrow(IncompatibleError);
    expect(load).toThrow(expect.objectContaining({ code, suggestions: [expect.any(String)] }));
    expect(load).toThrow(message);
    expect(other.position).toEqual({ epoch: 0, batch: 0 });
  };
  refuse(
    new Loader(dataset, stridedSampler(23, 5), { batchSize: 4 }),
    "state-sampler",
    "the state was made with another sampler: step 7 instead of 5",
  );
  refuse(
    new Loader(dataset, stridedSampler(23), { batchSize: 5 }),
    "state-batches",
    "other batches: globalBatchSize 4 instead of 5",
  );
  refuse(
    new Loader(dataset, stridedSampler(23), { batchSize: 4, padLast: true }),
    "state-batches",
    'lastBatch "keep" instead of "pad"',
  );
  const fives = new Loader(dataset, stridedSampler(23), { batchSize: 5 });
  expect(() => fives.loadState(loader.state())).toThrow(
    expect.objectContaining({
      suggestions: [
        expect.stringMatching(/--micro-batch-size .* --accumulate-grad-batches .*globalBatchSize/),
      ],
    }),
  );
  const larger = new Loader(await openSmall(24), stridedSampler(24), { batchSize: 4 });
  expect(() => larger.loadState(loader.state())).toThrow("nObs 23 instead of 24");
});

test("a state of another data set of the same shape and types is refused", async () => {
  const directory = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`);
  const other = `${temporaryDirectory()}/other.scdl`;
  fs.cpSync(directory, other, { recursive: true });
  const values = fs.readFileSync(`${other}/data.npy`);
  values.writeFloatLE(values.readFloatLE(4) + 1, 4);
  fs.writeFileSync(`${other}/data.npy`, values);
  using dataset = await SingleCellDataset.open(directory);
  using changed = await SingleCellDataset.open(other);
  const state = new Loader(dataset, stridedSampler(23), { batchSize: 4 }).state();
  const load = () => new Loader(changed, stridedSampler(23), { batchSize: 4 }).loadState(state);
  expect(load).toThrow(expect.objectContaining({ code: "state-dataset" }));
  expect(load).toThrow('another data set: content "d20d9527" instead of');
  using both = new DatasetCollection([
    await SingleCellDataset.open(directory),
    await SingleCellDataset.open(other),
  ]);
  const collected = new Loader(both, stridedSampler(46), { batchSize: 4 }).state();
  expect(collected.dataset.content).toMatch(/^d20d9527 [0-9a-f]{8}$/);
});

test("a loop that fails because the files are gone still has a state", async () => {
  const directory = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`);
  using dataset = await SingleCellDataset.open(directory);
  const loader = new Loader(dataset, stridedSampler(23), { batchSize: 4 });
  for await (const { batch } of loader) {
    if (batch === 1) break;
  }
  fs.truncateSync(`${directory}/data.npy`, 8);
  expect(loader.state()).toMatchObject({ epoch: 0, batch: 2, dataset: { content: "d20d9527" } });
});

test.each([
  ["not an object", "scdl", InvalidArgumentError, "not one of a loader"],
  ["null", null, InvalidArgumentError, "not one of a loader"],
  ["another format", { format: "other" }, InvalidArgumentError, "not one of a loader"],
  [
    "a newer version",
    { version: 2 },
    IncompatibleError,
    "the state has version 2, this package reads version 1",
  ],
  ["no data set", { dataset: null }, IncompatibleError, "nObs undefined instead of 23"],
  ["no sampler", { sampler: [] }, IncompatibleError, "another sampler"],
  ["a sampler with more parameters", { sampler: { more: 1 } }, IncompatibleError, "more 1 instead"],
  ["a negative epoch", { epoch: -1 }, InvalidArgumentError, "epoch of the state is -1"],
  ["a batch as text", { batch: "3" }, InvalidArgumentError, 'batch of the state is "3"'],
  [
    "a batch past the end",
    { batch: 7 },
    InvalidArgumentError,
    "batch is 7, expected an integer from 0 to 6",
  ],
])("%s is refused", async (_, change, type, message) => {
  const loader = new Loader(await openSmall(), stridedSampler(23), { batchSize: 4 });
  const own = loader.state();
  const isChange = typeof change === "object" && change !== null;
  const sampler =
    isChange && "sampler" in change && "more" in Object(change.sampler)
      ? { sampler: { ...own.sampler, more: 1 } }
      : {};
  const state = isChange ? { ...own, ...change, ...sampler } : change;
  expect(() => loader.loadState(state)).toThrow(type);
  expect(() => loader.loadState(state)).toThrow(message);
});
