import { join } from "node:path";
import { expect, test } from "vitest";
import { ItemLoader } from "../../../src/data/item-loader.ts";
import { Loader } from "../../../src/data/loader.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";
import { ShardWriter } from "../../../src/webdataset/shard-writer.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { writeSmallDataset } from "../../helpers/small-dataset.ts";

/** Loops over epochs until a timer runs, which it does only when the loops let it; not forever. */
async function timerRuns(epochs: AsyncIterable<unknown>): Promise<boolean> {
  let ran = false;
  setTimeout(() => {
    ran = true;
  }, 1);
  const began = performance.now();
  while (!ran && performance.now() - began < 5000) for await (const _ of epochs) if (ran) break;
  return ran;
}

test("timers run while batches of a map are looped over without waiting", async () => {
  const directory = await writeSmallDataset(join(temporaryDirectory(), "a.scdl"));
  using dataset = await SingleCellDataset.open(directory);
  const sampler = new SequentialSampler(dataset.nObs);
  await using loader = new Loader(dataset, sampler, { batchSize: 2 });
  expect(await timerRuns(loader)).toBe(true);
});

test("timers run while items of memory are looped over without waiting", async () => {
  const items = { length: 1000, at: ({ idx }: { idx: number }) => idx };
  const loader = new ItemLoader(items, new SequentialSampler(1000), {
    batchSize: 2,
    prefetch: 0,
    collate: (all) => all,
  });
  expect(await timerRuns(loader)).toBe(true);
});

test("a pipeline that gives nothing ends with an error, and can be stopped", async () => {
  const directory = temporaryDirectory();
  await using writer = ShardWriter.create(join(directory, "%d.tar"), { maxCount: 10 });
  for (let i = 0; i < 30; i++) await writer.write({ __key__: `k${i}`, txt: "x" });
  const urls = (await writer.close()).map(({ path }) => path);
  const nothing = new WebDataset(urls, { resampled: true }).filter(() => false);
  await expect(nothing.iterate().next()).rejects.toMatchObject({
    code: "no-samples",
    suggestions: [expect.stringContaining("filter()"), expect.anything()],
  });
  const rare = new WebDataset(urls, { resampled: true }).filter(({ __key__ }) => __key__ === "k7");
  expect((await rare.iterate().next()).value).toMatchObject({ __key__: "k7" });
  // What waits in a shuffle or a batch is no reason to give up.
  const batch = new WebDataset(urls, { resampled: true })
    .filter(({ __key__ }) => __key__ === "k7")
    .batched(50, { collate: null });
  expect((await batch.iterate().next()).value).toHaveLength(50);
  const controller = new AbortController();
  const stopped = new WebDataset(urls, { resampled: true, signal: controller.signal })
    .map((sample) => sample)
    .withEpoch(10_000_000);
  setTimeout(() => controller.abort(new Error("enough")), 1);
  await expect(timerRuns(stopped)).rejects.toThrow("enough");
  const missing = new WebDataset([join(directory, "missing.tar")], {
    resampled: true,
    handler: () => true,
  });
  await expect(missing.iterate().next()).rejects.toMatchObject({ code: "no-samples" });
});
