import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import type { CsrBatch } from "../../../src/data/batch.ts";
import { DataModule } from "../../../src/data/data-module.ts";
import { inferGlobalBatchSize, inferNumSamples } from "../../../src/data/infer-samples.ts";
import { Loader } from "../../../src/data/loader.ts";
import { RunSampler } from "../../../src/data/run-sampler.ts";
import {
  SingleCellDataModule,
  type SingleCellDataModuleOptions,
} from "../../../src/data/single-cell-data-module.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { stridedSampler, writeSmallDataset } from "../../helpers/small-dataset.ts";

/** MultiEpochDatasetResampler of bionemo-core: 10 items, seed 0, 25 samples. */
const RESAMPLED = [
  ...[4, 0, 5, 9, 6, 8, 1, 2, 3, 7],
  ...[0, 5, 7, 6, 4, 8, 1, 3, 9, 2],
  ...[8, 6, 1, 3, 9],
];

async function rowsOf(batches: AsyncIterable<CsrBatch>): Promise<number[][]> {
  const rows: number[][] = [];
  for await (const batch of batches) rows.push([...batch.rows]);
  return rows;
}

async function makeModule(
  options: SingleCellDataModuleOptions<"csr">,
): Promise<SingleCellDataModule> {
  const path = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`, { rows: 10 });
  const module = new SingleCellDataModule({
    trainDatasetPath: path,
    valDatasetPath: path,
    testDatasetPath: path,
    globalBatchSize: 5,
    seed: 0,
    ...options,
  });
  onTestFinished(() => module.close());
  return module;
}

test("training is one sequence over all epochs, in the order of the original's resampler", async () => {
  const module = await makeModule({ maxSteps: 5 });
  await module.setup("fit");
  expect((await rowsOf(module.trainLoader())).flat()).toEqual(RESAMPLED);
  expect(await rowsOf(module.valLoader())).toEqual([
    [0, 1, 2, 3, 4],
    [5, 6, 7, 8, 9],
  ]);
  expect(() => module.testLoader()).toThrow("there is no test loader yet");
});

test("a module goes on where another stood", async () => {
  const module = await makeModule({ maxSteps: 5 });
  expect(module.state()).toBeNull();
  await module.setup("fit");
  for await (const batch of module.trainLoader()) if (batch.batch === 2) break;
  const resumed = await makeModule({ maxSteps: 5 });
  await resumed.setup("fit");
  resumed.loadState(JSON.parse(JSON.stringify(module.state())));
  expect((await rowsOf(resumed.trainLoader())).flat()).toEqual(RESAMPLED.slice(15));
  expect(() => resumed.loadState({})).toThrow(InvalidArgumentError);
});

test("limits of validation and test, over the end of the data set too", async () => {
  const module = await makeModule({
    limitValBatches: { share: 0.7 },
    limitTestBatches: { batches: 3 },
  });
  await module.setup("validate");
  expect((await rowsOf(module.valLoader())).flat()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  await module.setup("test");
  expect((await rowsOf(module.testLoader())).flat()).toEqual([
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    ...[0, 1, 2, 3, 4],
  ]);
});

test("prediction reads every row once, as stored, and needs nothing else", async () => {
  const path = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`, { rows: 10 });
  await using module = new SingleCellDataModule({ predictDatasetPath: path });
  await module.setup("predict");
  expect((await rowsOf(module.predictLoader())).flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await expect(module.setup("test")).rejects.toThrow("there is no test data set");
  const both = () => new SingleCellDataModule({ predictDatasetPath: path, valDatasetPath: path });
  expect(both).toThrow("give either predictDatasetPath, or all of");
  expect(() => new SingleCellDataModule({ trainDatasetPath: path })).toThrow(InvalidArgumentError);
});

test("a world size without a rank, and options of another kind, are refused", async () => {
  const make = (options: object) => () => new SingleCellDataModule(options);
  const path = { predictDatasetPath: "x.scdl" };
  expect(make({ ...path, worldSize: 2 })).toThrow(
    expect.objectContaining({
      argument: "rank",
      suggestions: ["both come from processPlace()"],
    }),
  );
  expect(make({ ...path, limitValBatches: 0.5 })).toThrow("limitValBatches is 0.5, expected");
  expect(make({ ...path, numWorker: 1 })).toThrow(
    expect.objectContaining({ suggestions: ["numWorkers, if that is what numWorker should be"] }),
  );
});

test("training without maxSteps is refused", async () => {
  for (const maxSteps of [undefined, 0, 1.5]) {
    const module = await makeModule(maxSteps === undefined ? {} : { maxSteps });
    await expect(module.setup("fit")).rejects.toThrow("Please specify maxSteps");
  }
});

test("a module of one's own provides loaders and gets state and closing", async () => {
  const path = await writeSmallDataset(`${temporaryDirectory()}/small.scdl`, { rows: 10 });
  using dataset = await SingleCellDataset.open(path);
  let prepared = 0;
  class Own extends DataModule<CsrBatch> {
    override async prepareData(): Promise<void> {
      prepared++;
    }
    async setup(): Promise<void> {
      this.provide("train", new Loader(dataset, stridedSampler(10), { batchSize: 4 }));
    }
  }
  const module = new Own();
  await module.prepareData();
  await module.setup();
  const loader = module.trainLoader();
  expect(await rowsOf(loader)).toEqual([
    [0, 7, 4, 1],
    [8, 5, 2, 9],
    [6, 3],
  ]);
  expect(module.state()).toMatchObject({ train: { epoch: 1, batch: 0 } });
  expect(prepared).toBe(1);
  await module.close();
  await expect(rowsOf(loader)).rejects.toMatchObject({ code: "closed" });
});

test("RunSampler joins epochs and refuses positions outside", () => {
  const run = new RunSampler(stridedSampler(10, 3, 1), 25);
  const rows = new Float64Array(25);
  run.fill(0, 0, rows);
  const epoch = (e: number) => Array.from({ length: 10 }, (_, at) => (at * 3 + e) % 10);
  expect([...rows]).toEqual([...epoch(0), ...epoch(1), ...epoch(2)].slice(0, 25));
  for (let begin = 0; begin <= 25; begin++) {
    const part = new Float64Array(25 - begin);
    run.fill(3, begin, part);
    expect(part).toEqual(rows.slice(begin));
  }
  expect(() => run.fill(0, 20, new Float64Array(6))).toThrow(InvalidArgumentError);
  expect(() => new RunSampler(stridedSampler(0), 1)).toThrow(InvalidArgumentError);
  expect(run.describe()).toMatchObject({ name: "run of strided", samples: 25, step: 3 });
});

test("inferGlobalBatchSize: micro batch x replicas x accumulation", () => {
  const base = { microBatchSize: 4, numNodes: 2, devices: 8 };
  expect(inferGlobalBatchSize(base)).toBe(64);
  expect(inferGlobalBatchSize({ ...base, accumulateGradBatches: 3 })).toBe(192);
  const spread = { tensorModelParallelSize: 2, pipelineModelParallelSize: 4 };
  expect(inferGlobalBatchSize({ ...base, ...spread })).toBe(8);
  expect(inferGlobalBatchSize({ ...base, ...spread, contextModelParallelSize: 2 })).toBe(4);
  expect(() => inferGlobalBatchSize({ ...base, tensorModelParallelSize: 3 })).toThrow(
    "16 devices cannot be shared out to replicas of 3 devices",
  );
  for (const wrong of [{ microBatchSize: 0 }, { devices: 1.5 }, { numNodes: -1 }]) {
    expect(() => inferGlobalBatchSize({ ...base, ...wrong })).toThrow(InvalidArgumentError);
  }
});

test("inferNumSamples: all, a share rounded down, or a number of batches", () => {
  expect(inferNumSamples(null, 100, 8, "val")).toBe(100);
  expect(inferNumSamples({ share: 1 }, 100, 8, "val")).toBe(100);
  expect(inferNumSamples({ share: 0.333 }, 100, 8, "val")).toBe(33);
  expect(inferNumSamples({ batches: 1 }, 100, 8, "val")).toBe(8);
  expect(inferNumSamples({ batches: 50 }, 100, 8, "val")).toBe(400);
  expect(() => inferNumSamples({ share: 0.05 }, 100, 8, "val")).toThrow(
    "The limited number of val samples 5 is less than the global batch size 8",
  );
  // Of the original's 1.0, a share, and 1, a count, JavaScript makes one number.
  const bare = 1.0 as unknown as null;
  expect(() => inferNumSamples(bare, 100, 8, "val")).toThrow(InvalidArgumentError);
  expect(() => inferNumSamples(bare, 100, 8, "val")).toThrow(
    expect.objectContaining({
      message: "limit of val is 1, expected { share }, { batches } or null",
      suggestions: ["{ share: 1 } for a float of the original", "{ batches: 1 } for an int"],
    }),
  );
  for (const limit of [{ share: 0 }, { share: 1.1 }, { batches: 0 }, { batches: 1.5 }]) {
    expect(() => inferNumSamples(limit, 100, 8, "test")).toThrow(InvalidArgumentError);
  }
});

test("SingleCellDataModule hands the loader's options on", async () => {
  const directory = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
  const options = { predictDatasetPath: directory, globalBatchSize: 4 };
  await using kept = new SingleCellDataModule({ ...options, recycle: false, prefetch: 0 });
  await kept.setup("predict");
  const batches: CsrBatch[] = [];
  for await (const batch of kept.predictLoader()) batches.push(batch);
  expect(batches[1]?.data.length).toBeGreaterThan(0);
  await using stopped = new SingleCellDataModule({ ...options, signal: AbortSignal.abort("stop") });
  await stopped.setup("predict");
  await expect(stopped.predictLoader()[Symbol.asyncIterator]().next()).rejects.toBe("stop");
  await using paired = new SingleCellDataModule({ ...options, neighbors: true });
  await expect(paired.setup("predict")).rejects.toMatchObject({ code: "no-neighbors" });
});
