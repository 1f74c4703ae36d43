import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Stage } from "../../../src/data/data-module.ts";
import { PickledDataWDS } from "../../../src/webdataset/pickled-data-wds.ts";
import { WebDataModule } from "../../../src/webdataset/web-data-module.ts";
import type { WebLoader } from "../../../src/webdataset/web-loader.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import {
  all,
  type ModuleCase,
  modulePickled,
  type SplitNames,
} from "../../helpers/pickled-data-wds.ts";

type Batches = readonly unknown[];

/** fixtures/generate/web_data_module.py */
interface Golden {
  readonly names: SplitNames;
  /** Name to the hex of a pickled number. */
  readonly values: Readonly<Record<string, string>>;
  readonly cases: readonly {
    readonly options: ModuleCase;
    readonly shards: Readonly<Record<string, readonly string[]>>;
    /** True for the error that there are fewer shards than workers. */
    readonly batches: Readonly<Record<"train" | "val" | "test", Batches | true>>;
  }[];
}

const file = new URL("../../../fixtures/webdataset/data-module.json", import.meta.url);
const GOLDEN: Golden = JSON.parse(readFileSync(file, "utf8"));

function writePickles(): string {
  const folder = temporaryDirectory();
  for (const [name, hex] of Object.entries(GOLDEN.values)) {
    writeFileSync(join(folder, `${name}.tensor.pyd`), Buffer.from(hex, "hex"));
  }
  return folder;
}

const makeModule = (dirPickles: string, output: string, options: ModuleCase) =>
  modulePickled(dirPickles, GOLDEN.names, output, options);

describe("the original's batches", () => {
  test.each(GOLDEN.cases.map((golden) => [JSON.stringify(golden.options), golden] as const))(
    "%s",
    async (_, { options, shards, batches }) => {
      const folder = temporaryDirectory();
      const module = makeModule(writePickles(), folder, options);
      await module.prepareData();
      for (const stage of ["fit", "test", "predict"] as const) await module.setup(stage);
      for (const split of ["train", "val", "test"] as const) {
        const loader = module[`${split}Loader`]();
        if (batches[split] === true) {
          await expect(all(loader)).rejects.toMatchObject({ code: "too-few-shards" });
        } else {
          expect(await all(loader), split).toEqual(batches[split]);
          if (split === "test") {
            expect(await all(module.predictLoader())).toEqual(batches.test);
          }
        }
        expect(readdirSync(join(folder, split)).sort()).toEqual(shards[split]);
      }
    },
  );
});

const RESUMED: Partial<ModuleCase>[] = [
  { numWorkers: 0, shuffleWds: 4 },
  { numWorkers: 2, batchSize: 2 },
  { numWorkers: 3, shuffleWds: 4, batched: 2 },
  { numWorkers: 2, shuffleWld: 5, batched: 3 },
  { numWorkers: 3, nBatches: 30, batched: 0 },
  { numWorkers: 2, nBatches: 9, shuffleWld: 3, batched: 2 },
];

test.each(RESUMED)("going on after any batch gives the rest: %o", async (chosen) => {
  const options: ModuleCase = {
    ...{ seed: 3, numWorkers: 0, batchSize: null, nTarsWds: 4, nBatches: 0 },
    ...{ shuffleWds: 0, shuffleWld: 0, batched: 0, shardShuffle: true },
    ...chosen,
  };
  const [pickles, folder] = [writePickles(), temporaryDirectory()];
  const make = async () => {
    const module = makeModule(pickles, folder, options);
    await module.setup("fit");
    return module;
  };
  await makeModule(pickles, folder, options).prepareData();
  const whole = await make();
  const epochs = [await all(whole.trainLoader()), await all(whole.trainLoader())];
  const [first = []] = epochs;
  expect(first.length).toBeGreaterThan(4);
  for (let cut = 1; cut <= first.length; cut++) {
    const stopped = await make();
    let given = 0;
    for await (const _ of stopped.trainLoader()) if (++given === cut) break;
    const resumed = await make();
    resumed.loadState(JSON.parse(JSON.stringify(stopped.state())));
    expect(await all(resumed.trainLoader()), `cut ${cut}`).toEqual(first.slice(cut));
    expect(await all(resumed.trainLoader()), `after ${cut}`).toEqual(epochs[1]);
  }
});

const PLAIN: ModuleCase = {
  ...{ seed: 0, numWorkers: 0, batchSize: null, nTarsWds: 3, nBatches: 0 },
  ...{ shuffleWds: 0, shuffleWld: 0, batched: 0, shardShuffle: false },
};

test("stages make the loaders they need and keep those there are", async () => {
  const module = makeModule(writePickles(), temporaryDirectory(), PLAIN);
  await expect(module.setup("fit")).rejects.toThrow("train");
  await module.prepareData();
  await module.setup("validate");
  expect(() => module.trainLoader()).toThrow("there is no train loader yet");
  const loader = module.valLoader();
  await module.setup("fit");
  expect(module.valLoader()).toBe(loader);
  expect(module.state()).toMatchObject({ train: { kind: "webloader", epoch: 0 } });
  await expect(module.setup("guess" as Stage)).rejects.toThrow("stage=guess is not implemented");
  await module.close();
  expect(() => module.valLoader()).toThrow("there is no val loader yet");
  await expect(all(loader)).rejects.toMatchObject({ code: "closed" });
});

test("prepareData may be called again; shards it did not write are named", async () => {
  const folder = temporaryDirectory();
  const pickles = writePickles();
  const module = makeModule(pickles, folder, PLAIN);
  await module.prepareData();
  await module.prepareData();
  const fewer = makeModule(pickles, folder, { ...PLAIN, nTarsWds: 1 });
  await expect(fewer.prepareData()).rejects.toMatchObject({ code: "stale-shards" });
});

test("several fields become a tuple in their order; a split that is not mentioned is an error", async () => {
  const folder = temporaryDirectory();
  const pickles = writePickles();
  for (const [name, hex] of Object.entries(GOLDEN.values)) {
    writeFileSync(join(pickles, `${name}.copy.pyd`), Buffer.from(hex, "hex"));
  }
  const options = {
    dirPickles: pickles,
    namesSubset: { test: ["sample-0003", "sample.0007"] },
    suffixKeysWds: ["copy.pyd", "tensor.pyd"],
    dirsTarsWds: { test: folder },
  };
  const module = new PickledDataWDS<[number, number]>(options);
  await module.prepareData();
  await module.setup("predict");
  expect(await all(module.predictLoader())).toEqual([
    [3, 3],
    [7, 7],
  ]);
  await expect(module.setup("fit")).rejects.toThrow("the train split is used and has no folder");
  const silent = new WebDataModule({ ...options, kwargsWld: { train: { numWorkers: 1 } } });
  await expect(silent.setup("test")).rejects.toThrow("kwargsWld says nothing for the test split");
  const wrong = new WebDataModule({ ...options, invokeWds: { test: [["withEpochs", 1]] } });
  await expect(wrong.setup("test")).rejects.toThrow(
    "invokeWds: WebDataset has no method withEpochs",
  );
  const lost = new WebDataModule({ ...options, pipelinePrebatchWld: { test: () => [] } });
  await expect(lost.setup("test")).rejects.toThrow("a step must return a WebLoader");
  const empty = new WebDataModule({ ...options, prefixTarsWds: "other" });
  await expect(empty.setup("test")).rejects.toMatchObject({ code: "no-shards" });
  expect(() => new WebDataModule({ ...options, suffixKeysWds: [] })).toThrow("expected a field");
});

test("a loader refuses a state of another and a second loop", async () => {
  const folder = temporaryDirectory();
  const pickles = writePickles();
  const module = makeModule(pickles, folder, PLAIN);
  await module.prepareData();
  await module.setup("fit");
  const other = makeModule(pickles, folder, { ...PLAIN, numWorkers: 2 });
  await other.setup("fit");
  const state = { train: other.trainLoader().state() };
  expect(() => module.loadState(state)).toThrow("the state is of another loader");
  expect(() => module.loadState({ train: { kind: "webloader" } })).toThrow("expected a state");
  const loader = module.trainLoader() as WebLoader<unknown>;
  for await (const _ of loader) {
    await expect(all(loader)).rejects.toMatchObject({ code: "loader-busy" });
    break;
  }
});
